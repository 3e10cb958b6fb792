//! Who may read what is secret: the owner only, also where somebody else than the node has made the file.
//!
//! Words that are put into the seed file by hand are readable by all users of the machine under the usual umask. Nothing is said here
//! of files that the node makes: they are private from the first.

use super::seed;
use astrape_api::credentials::{KEY_FILE, TOKEN_FILE};
use std::io;
use std::path::{Path, PathBuf};

/// What only the owner may read, in the data directory.
const SECRET_FILES: [&str; 3] = [seed::FILE, TOKEN_FILE, KEY_FILE];

/// Why something is not private.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} can be read by other users of this machine (mode {found:04o}), and that cannot be mended: {error}. As its owner do: chmod \
     {wanted:o} {}",
    path.display(),
    path.display()
)]
pub struct NotPrivate {
    /// The file or directory.
    path: PathBuf,
    /// Its mode.
    found: u32,
    /// The mode that it should have.
    wanted: u32,
    /// The system's reason.
    error: io::Error,
}

/// Takes from other users what they could do with the secrets in a data directory, and with the directory itself if it is ours
/// alone; the log says so. What is missing is left so.
///
/// # Errors
/// When a secret is readable by others and its mode cannot be changed; says what to do.
#[cfg(unix)]
pub fn mend(data_dir: &Path) -> Result<(), NotPrivate> {
    for name in SECRET_FILES {
        unix::mend(&data_dir.join(name), unix::FILE)?;
    }
    match unix::mend(data_dir, unix::DIRECTORY) {
        // Another's directory is the other's to close, and nothing in it is readable any more.
        Err(NotPrivate { error, .. }) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        mended => mended,
    }
}

/// Where files have no modes there is nothing to mend.
///
/// # Errors
/// Never.
#[cfg(not(unix))]
pub fn mend(_: &Path) -> Result<(), NotPrivate> {
    Ok(())
}

#[cfg(unix)]
mod unix {
    use super::NotPrivate;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    /// Modes of what is for its owner only.
    pub(super) const FILE: u32 = 0o600;
    pub(super) const DIRECTORY: u32 = 0o700;

    /// What its group and others may do.
    const OF_OTHERS: u32 = 0o077;

    /// A directory in which all users keep files, as `/tmp`: it is nobody's own.
    const STICKY: u32 = 0o1000;

    pub(super) fn mend(path: &Path, wanted: u32) -> Result<(), NotPrivate> {
        // What cannot be looked at cannot be used either, and is told of by whoever needs it.
        let Ok(found) = fs::metadata(path) else { return Ok(()) };
        let found = found.permissions().mode() & 0o7777;
        if found & OF_OTHERS == 0 || found & STICKY != 0 {
            return Ok(());
        }
        fs::set_permissions(path, Permissions::from_mode(wanted)).map_err(|error| NotPrivate {
            path: path.to_owned(),
            found,
            wanted,
            error,
        })?;
        let path = path.display();
        tracing::warn!(
            "{path} was open to other users of this machine (mode {found:04o}): its mode is {wanted:04o} now"
        );
        Ok(())
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn secrets_that_others_could_read_are_closed_and_the_directory_too() {
        let dir = tempfile::tempdir().unwrap();
        for open in [0o644, 0o640, 0o666, 0o604, 0o620] {
            chmod(dir.path(), 0o755);
            for name in SECRET_FILES {
                fs::write(dir.path().join(name), "a secret").unwrap();
                chmod(&dir.path().join(name), open);
            }
            mend(dir.path()).unwrap();
            for name in SECRET_FILES {
                assert_eq!(mode(&dir.path().join(name)), 0o600, "{name} was {open:o}");
                assert_eq!(fs::read_to_string(dir.path().join(name)).unwrap(), "a secret");
            }
            assert_eq!(mode(dir.path()), 0o700);
        }
    }

    #[test]
    fn what_is_private_or_no_secret_or_missing_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (seed, certificate) = (dir.path().join(seed::FILE), dir.path().join("api.cert"));
        for (path, mode) in [(&seed, 0o400), (&certificate, 0o644)] {
            fs::write(path, "").unwrap();
            chmod(path, mode);
        }
        mend(dir.path()).unwrap();
        assert_eq!((mode(&seed), mode(&certificate)), (0o400, 0o644));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_directory_that_all_users_share_is_not_closed_to_them() {
        let dir = tempfile::tempdir().unwrap();
        chmod(dir.path(), 0o1777);
        mend(dir.path()).unwrap();
        assert_eq!(mode(dir.path()), 0o1777);
    }

    #[test]
    fn what_cannot_be_mended_is_refused_with_the_command_that_does() {
        let error = io::Error::from(io::ErrorKind::PermissionDenied);
        let refused = NotPrivate { path: "/d/seed".into(), found: 0o644, wanted: 0o600, error }.to_string();
        assert!(refused.contains("chmod 600 /d/seed") && refused.contains("0644"), "{refused}");
    }
}

//! The seed file: 24 words, readable by the owner only, made on the first start.

use astrape_signer::{Seed, SeedError};
use bitcoin::secp256k1::rand::RngCore as _;
use bitcoin::secp256k1::rand::rngs::OsRng;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The file, in the data directory.
pub const FILE: &str = "seed";

/// Files of a node that has lived: a new seed beside them would be another node's.
const SIGNS_OF_LIFE: [&str; 2] = [astrape_storage::sqlite::DATABASE, astrape_storage::sqlite::MARK];

/// Why there is no seed.
#[derive(Debug, thiserror::Error)]
pub enum SeedFileError {
    /// The file cannot be read or written.
    #[error("cannot {what} {}: {error}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// The file has no seed.
    #[error("{}: {error}. Put the 24 words that you wrote down into the file; the node makes no new seed", path.display())]
    Words {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: SeedError,
    },
    /// There is a database, and no seed.
    #[error(
        "{} is missing, but {} is there: this node had a seed. Put the 24 words that you wrote down into the file, or give \
         another --data-dir for a new node",
        path.display(),
        database.display()
    )]
    Lost {
        /// The seed file.
        path: PathBuf,
        /// What shows that there was one.
        database: PathBuf,
    },
}

/// The seed of a node.
#[derive(Debug)]
pub struct SeedFile {
    /// The seed.
    pub seed: Seed,
    /// Its file.
    pub path: PathBuf,
    /// Whether it was made now, so that the owner must be told to write it down.
    pub is_new: bool,
    /// Whether it was there before the node was: the words of an earlier one, perhaps.
    pub is_restored: bool,
}

impl SeedFile {
    /// The seed in a data directory; a new one on the first start.
    ///
    /// # Errors
    /// When the file cannot be read or written, has no seed in it, or is missing where it once was.
    pub fn load_or_create(data_dir: &Path) -> Result<Self, SeedFileError> {
        let path = data_dir.join(FILE);
        match read(&path) {
            Ok(words) => {
                let seed = Seed::from_words(&words)
                    .map_err(|error| SeedFileError::Words { path: path.clone(), error })?;
                let is_restored = sign_of_life(data_dir).is_none();
                Ok(Self { seed, path, is_new: false, is_restored })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(data_dir, path),
            Err(error) => Err(SeedFileError::File { what: "read", path, error }),
        }
    }

    fn create(data_dir: &Path, path: PathBuf) -> Result<Self, SeedFileError> {
        if let Some(database) = sign_of_life(data_dir) {
            return Err(SeedFileError::Lost { path, database });
        }
        let mut entropy = Zeroizing::new([0; 32]);
        OsRng.fill_bytes(entropy.as_mut_slice());
        let seed = Seed::from_entropy(*entropy);
        let words = Zeroizing::new(format!("{}\n", *seed.words()));
        write_new(data_dir, &path, words.as_bytes()).map_err(|error| SeedFileError::File {
            what: "write",
            path: path.clone(),
            error,
        })?;
        Ok(Self { seed, path, is_new: true, is_restored: false })
    }

    /// What the owner must know about a new seed. The words themselves are not printed: logs are kept and copied.
    #[must_use]
    pub fn advice(&self) -> String {
        format!(
            "A new seed was made: {}. Write its 24 words on paper now; they bring back the node's coins and keys on chain (put them \
             into the file of that name in an empty data directory). \
             What is in channels comes back by them only when the peers close (`astrape recover`); what is on its way then may be lost. The \
             database beside it has all: never start an older copy of that.",
            self.path.display()
        )
    }
}

/// What shows that a node has lived here.
fn sign_of_life(data_dir: &Path) -> Option<PathBuf> {
    SIGNS_OF_LIFE.map(|name| data_dir.join(name)).into_iter().find(|sign| sign.exists())
}

fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    /// More than 24 of the longest words.
    const MAX: u64 = 4_096;
    let mut text = Zeroizing::new(String::new());
    io::Read::read_to_string(&mut io::Read::take(File::open(path)?, MAX), &mut text)?;
    Ok(text)
}

/// Writes a file that must not exist: whole, durable, and never over another.
fn write_new(dir: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension(format!("draft{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    // Unlike a rename, a link does not replace the seed of a node that was started at the same moment.
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    linked?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_first_start_makes_a_seed_and_later_starts_find_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = SeedFile::load_or_create(dir.path()).expect("made");
        assert!(first.is_new);
        let second = SeedFile::load_or_create(dir.path()).expect("found");
        assert!(!second.is_new && !first.is_restored);
        assert!(first.seed == second.seed);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no drafts are left");
        assert!(second.is_restored, "no database was made");
        fs::write(dir.path().join(SIGNS_OF_LIFE[0]), []).unwrap();
        assert!(!SeedFile::load_or_create(dir.path()).expect("found").is_restored);
        assert!(first.advice().contains("seed") && !first.advice().contains(first.seed.words().as_str()));
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let seed = SeedFile::load_or_create(dir.path()).expect("made");
        assert_eq!(fs::metadata(seed.path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_lost_seed_is_not_replaced() {
        for sign in SIGNS_OF_LIFE {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join(sign), "").unwrap();
            let error = SeedFile::load_or_create(dir.path()).expect_err("lost");
            assert!(matches!(error, SeedFileError::Lost { .. }), "{error}");
            assert!(!dir.path().join(FILE).exists());
        }
    }

    #[test]
    fn a_seed_with_a_wrong_word_is_refused_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        for words in ["", "abandon", "zoo zoo zoo", &"abandon ".repeat(24)] {
            fs::write(&path, words).unwrap();
            let error = SeedFile::load_or_create(dir.path()).expect_err("no seed");
            assert!(matches!(error, SeedFileError::Words { .. }), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), words);
        }
    }

    #[test]
    fn a_seed_that_appears_meanwhile_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        fs::write(&path, "first").unwrap();
        assert!(write_new(dir.path(), &path, b"second").is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
    }
}

//! From which block on the wallet looks for coins, when its seed is older than its database.
//!
//! A node that has made its seed itself begins where the chain is: there can be nothing of its own before. Words that somebody
//! put into the seed file may be those of an earlier node. That a node is such a one is written down before its database is
//! made: a crash in between must not hide coins.

use astrape_primitives::{Height, Network};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The file, in the data directory: a height.
pub const FILE: &str = "wallet-birthday";

/// Why it is not known.
#[derive(Debug, thiserror::Error)]
pub enum BirthdayError {
    /// The file cannot be read or written.
    #[error("cannot use {}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// The file has no height in it.
    #[error(
        "{} is to hold the height of a block and nothing else, and holds {found:?}: mend it, or remove it if no coin is missing",
        path.display()
    )]
    NoHeight {
        /// The file.
        path: PathBuf,
        /// What is in it.
        found: String,
    },
}

/// The first block of a network in which there may be coins of a seed that Astrape has made: the program is younger than
/// the blocks before.
const fn earliest(network: Network) -> Height {
    match network {
        Network::Bitcoin => Height(929_000),
        Network::Signet => Height(280_000),
        Network::Testnet4 | Network::Regtest => Height(0),
    }
}

/// The first block in which the wallet has to look; `None` for a seed that is no older than its node. What the operator has
/// chosen goes first.
///
/// # Errors
/// When the file cannot be used.
pub fn find(
    data_dir: &Path,
    network: Network,
    chosen: Option<Height>,
    is_restored: bool,
) -> Result<Option<Height>, BirthdayError> {
    let path = data_dir.join(FILE);
    let io = |error| BirthdayError::File { path: path.clone(), error };
    if is_restored && !path.try_exists().map_err(io)? {
        let height = chosen.unwrap_or(earliest(network));
        write(data_dir, &path, height).map_err(io)?;
        tracing::warn!(
            from = %height,
            "the seed is older than this node: its coins are looked for in all blocks from there on, which takes a while. \
             --wallet-birthday HEIGHT chooses another block. Channels of an earlier node do not go on: when their peers call they are told \
             to close them, and `astrape recover` brings home what they pay out"
        );
    }
    if chosen.is_some() {
        return Ok(chosen);
    }
    match fs::read_to_string(&path) {
        Ok(text) => match text.trim().parse() {
            Ok(height) => Ok(Some(Height(height))),
            Err(_) => {
                Err(BirthdayError::NoHeight { path: path.clone(), found: text.chars().take(40).collect() })
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io(error)),
    }
}

/// Durable and whole, or not at all.
fn write(dir: &Path, path: &Path, height: Height) -> io::Result<()> {
    let draft = path.with_extension("draft");
    let mut file = fs::File::create(&draft)?;
    file.write_all(format!("{}\n", height.0).as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    fs::File::open(dir)?.sync_all()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_that_is_older_than_its_node_has_a_birthday_at_every_start() {
        let dir = tempfile::tempdir().unwrap();
        let find = |chosen: Option<u32>, is_restored| {
            find(dir.path(), Network::Bitcoin, chosen.map(Height), is_restored).unwrap()
        };
        assert_eq!(find(None, false), None, "made here: there is nothing before");
        assert_eq!(find(Some(5), false), Some(Height(5)), "what is chosen is not kept");
        assert_eq!(find(None, false), None);
        assert_eq!(find(None, true), Some(Height(929_000)));
        assert_eq!(find(None, false), Some(Height(929_000)), "also when the database is there");
        assert_eq!(find(Some(7), false), Some(Height(7)));
    }

    #[test]
    fn a_birthday_that_is_chosen_at_the_first_start_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(find(dir.path(), Network::Regtest, Some(Height(9)), true).unwrap(), Some(Height(9)));
        assert_eq!(find(dir.path(), Network::Regtest, None, false).unwrap(), Some(Height(9)));
    }

    #[test]
    fn a_file_without_a_height_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), "yesterday").unwrap();
        let error = find(dir.path(), Network::Regtest, None, false).expect_err("no height").to_string();
        assert!(error.contains("yesterday") && error.contains("remove it"), "{error}");
    }
}

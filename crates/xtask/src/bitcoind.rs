//! A real bitcoind for the tests: found, or obtained from Debian's archive.
//!
//! Looked for in this order: `BITCOIND_EXE`, the PATH, our cache, Debian's archive ([`debian`]). What is found must be at
//! least [`OLDEST_BITCOIND`]. Nothing outside the cache directory is ever changed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};

use crate::shell::{cache_dir, capture, on_path};

mod debian;

/// The environment variable that names the bitcoind to use, for us and for the tests.
pub(crate) const BITCOIND_EXE: &str = "BITCOIND_EXE";

/// The oldest bitcoind that the tests accept: the first with TRUC packages and pay-to-anchor in its relay policy.
const OLDEST_BITCOIND: Version = Version { major: 28, minor: 0 };

/// What to do when there is none; the end of our errors.
const WAYS_OUT: &str = "Name one with BITCOIND_EXE=/path/to/bitcoind, put one on the PATH, or run \
    `cargo xtask test --without-bitcoind` to leave those tests out.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    major: u32,
    minor: u32,
}

/// Finds or obtains a bitcoind that is new enough.
///
/// # Errors
/// When `BITCOIND_EXE` names one that does not run or is too old, or when none can be found or obtained.
pub(crate) fn locate() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(BITCOIND_EXE).filter(|named| !named.is_empty()) {
        let path = PathBuf::from(named);
        return accept(&path).with_context(|| format!("{BITCOIND_EXE} names {}", path.display()));
    }
    if let Some(path) = on_path("bitcoind") {
        match accept(&path) {
            Ok(path) => return Ok(path),
            Err(why) => eprintln!("not using the bitcoind on the PATH: {why:#}"),
        }
    }
    let home = cache_dir()?.join("bitcoind-debian-sid");
    let cached = home.join("bitcoind");
    if cached.is_file() {
        match accept(&cached) {
            Ok(path) => return Ok(path),
            Err(why) => {
                eprintln!("the cached bitcoind is of no use ({why:#}); obtaining it anew");
                std::fs::remove_dir_all(&home)
                    .with_context(|| format!("cannot remove {}", home.display()))?;
            }
        }
    }
    debian::obtain(&home)
        .map_err(|why| anyhow!("no bitcoind is here, and none could be obtained ({why:#}).\n{WAYS_OUT}"))?;
    accept(&cached)
}

/// `path` if it runs and is new enough.
fn accept(path: &Path) -> Result<PathBuf> {
    let said = capture(Command::new(path).arg("--version"))?;
    let version = parse_version(&said)
        .with_context(|| format!("cannot read a version from what it says: {:?}", said.lines().next()))?;
    if version < OLDEST_BITCOIND {
        let (is, least) = (version, OLDEST_BITCOIND);
        bail!(
            "{} is version {}.{}, but the tests need {}.{} or newer. {WAYS_OUT}",
            path.display(),
            is.major,
            is.minor,
            least.major,
            least.minor
        );
    }
    // Absolute and no more: what a symbolic link is called may matter to what it starts.
    std::path::absolute(path).with_context(|| format!("cannot resolve {}", path.display()))
}

/// Reads `Bitcoin Core daemon version v28.1.0` and its kin.
fn parse_version(said: &str) -> Option<Version> {
    let (_, after) = said.lines().next()?.split_once("version v")?;
    let mut parts = after.split(|c: char| !c.is_ascii_digit());
    Some(Version { major: parts.next()?.parse().ok()?, minor: parts.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_line_of_core_and_of_knots_is_read() {
        let core = parse_version("Bitcoin Core daemon version v28.1.0\nCopyright");
        assert_eq!(core, Some(Version { major: 28, minor: 1 }));
        let knots = parse_version("Bitcoin Knots daemon version v29.4.knots20260508+debian bitcoind");
        assert_eq!(knots, Some(Version { major: 29, minor: 4 }));
        assert_eq!(parse_version("bash: bitcoind: no such file"), None);
    }

    #[test]
    fn versions_are_compared_by_major_then_minor() {
        assert!(Version { major: 27, minor: 9 } < OLDEST_BITCOIND);
        assert!(Version { major: 29, minor: 0 } > OLDEST_BITCOIND);
    }
}

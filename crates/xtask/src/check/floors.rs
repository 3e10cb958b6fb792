//! The floors of the house: a crate uses only lower floors, and the core uses only what is pure.

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::shell::{capture, cargo};

/// Whether a crate is part of the deterministic core.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Pure: no I/O, no clock, no randomness.
    Core,
    /// All the rest.
    Shell,
}

use Part::{Core, Shell};

/// Every crate of the house (without the prefix `astrape-`), its floor and its part.
pub(super) const ROOMS: &[(&str, u8, Part)] = &[
    ("primitives", 0, Core),
    ("wire", 1, Core),
    ("transactions", 1, Core),
    ("chain", 1, Shell),
    ("regtest", 1, Shell),
    ("api", 1, Shell),
    ("transport", 2, Core),
    ("onion", 2, Core),
    ("invoice", 2, Core),
    ("routing", 2, Core),
    ("wallet", 2, Core),
    ("signer", 2, Shell),
    ("channel", 3, Core),
    ("onchain", 3, Core),
    ("payment", 4, Core),
    ("node", 5, Core),
    ("storage", 6, Shell),
    ("daemon", 7, Shell),
    ("interop", 7, Shell),
    ("interop-ldk", 8, Shell),
    ("simulator", 7, Shell),
    ("fuzz", 8, Shell),
    ("xtask", 7, Shell),
];

/// The crates of others that the core may use: values and functions over them, nothing that waits, reads or draws.
const CORE_USES: &[&str] =
    &["bech32", "bitcoin", "chacha20", "chacha20poly1305", "ring", "thiserror", "zeroize"];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

/// Compares what the manifests say with the table.
///
/// # Errors
/// Lists every dependency that the table does not allow.
pub(super) fn check() -> Result<()> {
    let text = capture(cargo().args(["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: Metadata = serde_json::from_str(&text).context("cannot read what `cargo metadata` says")?;
    let faults: Vec<String> = metadata.packages.iter().flat_map(faults_of).collect();
    if faults.is_empty() { Ok(()) } else { bail!("\n{}", faults.join("\n")) }
}

fn faults_of(package: &Package) -> Vec<String> {
    let Some((room, floor, part)) = find(&package.name) else {
        return vec![format!("{} stands on no floor: enter it in ROOMS of {}", package.name, file!())];
    };
    let allowed = |dependency: &Dependency| match (find(&dependency.name), dependency.kind.as_deref()) {
        // Tests may use their own floor (an oracle, another room's fixtures), but nothing above them.
        (Some((_, below, _)), Some("dev")) => below <= floor,
        (None, Some("dev")) => true,
        (Some((_, below, used)), _) => below < floor && (part == Shell || used == Core),
        (None, _) => part == Shell || CORE_USES.contains(&dependency.name.as_str()),
    };
    let refused = package.dependencies.iter().filter(|dependency| !allowed(dependency));
    refused.map(|dependency| format!("{room} (floor {floor}) must not use {}", dependency.name)).collect()
}

fn find(package: &str) -> Option<(&'static str, u8, Part)> {
    let name = package.strip_prefix("astrape-")?;
    ROOMS.iter().find(|(room, _, _)| *room == name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, uses: &str, kind: Option<&str>) -> Package {
        let kind = kind.map(str::to_owned);
        let dependencies = vec![Dependency { name: uses.to_owned(), kind }];
        Package { name: name.to_owned(), dependencies }
    }

    #[test]
    fn a_crate_uses_only_lower_floors() {
        assert!(faults_of(&package("astrape-channel", "astrape-wire", None)).is_empty());
        assert_eq!(faults_of(&package("astrape-channel", "astrape-payment", None)).len(), 1);
        assert_eq!(faults_of(&package("astrape-onion", "astrape-invoice", None)).len(), 1);
        assert_eq!(faults_of(&package("astrape-wire", "astrape-channel", None)).len(), 1);
    }

    #[test]
    fn tests_may_use_their_own_floor_but_not_a_higher_one() {
        assert!(faults_of(&package("astrape-wallet", "astrape-signer", Some("dev"))).is_empty());
        assert_eq!(faults_of(&package("astrape-channel", "astrape-node", Some("dev"))).len(), 1);
    }

    #[test]
    fn the_core_uses_no_shell_and_no_crate_that_is_not_pure() {
        assert_eq!(faults_of(&package("astrape-payment", "astrape-chain", None)).len(), 1);
        assert_eq!(faults_of(&package("astrape-node", "tokio", None)).len(), 1);
        assert_eq!(faults_of(&package("astrape-node", "rand", Some("build"))).len(), 1);
        assert!(faults_of(&package("astrape-node", "bitcoin", None)).is_empty());
        assert!(faults_of(&package("astrape-storage", "rusqlite", None)).is_empty());
    }

    #[test]
    fn a_crate_without_a_floor_is_refused() {
        assert_eq!(faults_of(&package("astrape-cellar", "bitcoin", None)).len(), 1);
    }
}

//! `cargo xtask mutants`: changes the code in small ways, one at a time, and looks whether a test notices.
//!
//! A share of the mutants of five crates at a time (`--shard k/n`): each mutant costs a build and the tests of its own crate.
//! They are made in this clone, one after the other, so that nothing but the crate is built anew; each is taken back, and
//! nothing is begun while there are changes that could be lost.
//! What a sample came to is told in `docs/robustness.md`, with the reasons of those that live.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::shell::{capture, cargo, root};

/// Where a wrong line costs money, and where no test of another crate is needed to notice it.
const CRATES: [&str; 5] = ["channel", "transactions", "onion", "payment", "node"];

/// How long the tests of a crate may take before a mutant counts as one that never ends, in seconds.
const TEST_TIMEOUT_SECS: &str = "120";

/// Cases of each property test: a mutant that needs more to be noticed is noticed by luck.
const PROPERTY_CASES: &str = "24";

#[derive(Deserialize)]
struct Outcomes {
    outcomes: Vec<Outcome>,
}

#[derive(Deserialize)]
struct Outcome {
    scenario: serde_json::Value,
    summary: String,
}

/// Tests one share of the mutants of all five crates, or of some.
///
/// # Errors
/// When cargo-mutants cannot be run, or the tests fail without a mutant.
pub(crate) fn run(shard: &str, crates: &[String]) -> Result<()> {
    let changed = capture(
        Command::new("git")
            .args(["status", "--porcelain", "--untracked-files=no", "crates"])
            .current_dir(root()),
    )?;
    ensure!(changed.is_empty(), "commit first: mutants are made in this clone\n{changed}");
    let missing = "cargo-mutants is needed: cargo install cargo-mutants --locked";
    capture(cargo().args(["mutants", "--version"])).context(missing)?;
    let mut all = Vec::new();
    for name in CRATES.iter().filter(|name| crates.is_empty() || crates.iter().any(|c| c == **name)) {
        let output = root().join("target/mutants").join(name);
        fs::create_dir_all(&output)?;
        let status = cargo()
            .args([
                "mutants",
                "--package",
                &format!("astrape-{name}"),
                "--shard",
                shard,
                "--sharding",
                "round-robin",
            ])
            .args(["--test-tool", "nextest", "--cargo-test-arg=--fail-fast", "--timeout", TEST_TIMEOUT_SECS])
            .args(["--in-place", "--no-shuffle", "--no-times", "--output"])
            .arg(&output)
            .env("PROPTEST_CASES", PROPERTY_CASES)
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .status()?;
        // 2: some were missed; 3: some never ended. Both are told by the list.
        ensure!(matches!(status.code(), Some(0 | 2 | 3)), "cargo-mutants ended with {status}");
        all.extend(outcomes(&output.join("mutants.out/outcomes.json"))?);
    }
    let caught = all.iter().filter(|(outcome, _)| matches!(&outcome[..], "caught" | "timeout")).count();
    let missed: Vec<_> = all.iter().filter(|(outcome, _)| outcome == "missed").collect();
    for (outcome, mutant) in &all {
        println!("{outcome}\t{mutant}");
    }
    println!("{caught} of {} were caught; {} live", caught + missed.len(), missed.len());
    Ok(())
}

/// What came of each mutant: `caught`, `missed`, `timeout` or `unviable` (does not compile), and its name.
fn outcomes(file: &Path) -> Result<Vec<(String, String)>> {
    let text = fs::read_to_string(file).with_context(|| format!("no outcomes in {}", file.display()))?;
    let read: Outcomes = serde_json::from_str(&text)?;
    let of_mutant = |outcome: &Outcome| {
        let name = outcome.scenario.get("Mutant")?.get("name")?.as_str()?.to_owned();
        let summary = match outcome.summary.as_str() {
            "CaughtMutant" => "caught",
            "MissedMutant" => "missed",
            "Timeout" => "timeout",
            other => return Some((other.to_lowercase(), name)),
        };
        Some((summary.to_owned(), name))
    };
    Ok(read.outcomes.iter().filter_map(of_mutant).collect())
}

//! `cargo xtask bench`: payments between processes, and single operations. Never part of CI: timings are no tests.
//!
//! What others' code is measured with stands in workspaces of its own under `benches/`, so that who builds the node does not
//! build that.

use anyhow::{Context as _, Result};
use std::path::PathBuf;
use std::process::Command;

use crate::among_processes;
use crate::shell::{cargo, root, run};

/// Tells the benchmark of payments which ldk-node to measure beside.
const LDK_NODE_EXE: &str = "BENCH_LDK_NODE_EXE";

/// Measures payments between nodes, with `compare` by turns with ldk-node.
///
/// # Errors
/// When something cannot be built, or a node fails.
pub(crate) fn payments(compare: bool, arguments: &[String]) -> Result<()> {
    let ldk_node = compare.then(|| build("ldk-node")).transpose()?;
    among_processes("interop", "bench-payments", arguments, ldk_node.map(|exe| (LDK_NODE_EXE, exe)))
}

/// Measures single operations.
///
/// # Errors
/// When that cannot be built, or an operation fails.
pub(crate) fn operations(arguments: &[String]) -> Result<()> {
    run(Command::new(build("micro")?).args(arguments))
}

/// Measures enforcement on chain.
///
/// # Errors
/// When something cannot be built, or a rule is broken.
pub(crate) fn court(arguments: &[String]) -> Result<()> {
    let package = |verb: &str, name: &str| {
        let mut command = cargo();
        command.current_dir(root()).args([verb, "--release", "-p", name]);
        command
    };
    run(package("run", "astrape-simulator").args(["--bin", "bench-court", "--"]).args(arguments))?;
    let tests = ["--test", "it", "--", "--nocapture", "all_channels_close_at_once", "ten_thousand"];
    run(package("test", "astrape-onchain").args(tests).env("ASTRAPE_MASS_CLOSE", "1000"))
}

/// Builds the one binary of the workspace `benches/<name>` and returns where it is.
fn build(name: &str) -> Result<PathBuf> {
    let workspace = root().join("benches").join(name);
    run(cargo().current_dir(&workspace).args(["build", "--release", "--locked", "--target-dir", "target"]))
        .with_context(|| format!("benches/{name}"))?;
    Ok(workspace.join("target").join("release").join(format!("bench-{name}")))
}

//! `cargo xtask test`: every test of the workspace, those beside a real bitcoind included.

use anyhow::{Context, Result};

use crate::bitcoind;
use crate::shell::{capture, cargo, run};

/// Tells the tests to leave out what needs a bitcoind.
const WITHOUT_BITCOIND: &str = "ASTRAPE_WITHOUT_BITCOIND";

/// Which tests to run.
pub(crate) struct Selection {
    /// Leave out those that need a bitcoind.
    pub(crate) without_bitcoind: bool,
    /// Names, or parts of them; none means all.
    pub(crate) filters: Vec<String>,
}

/// Runs the tests, by cargo-nextest where it is installed.
///
/// # Errors
/// When a test fails, or when there is no bitcoind and that was not asked for.
pub(crate) fn all(selection: &Selection) -> Result<()> {
    let (variable, value) = if selection.without_bitcoind {
        (WITHOUT_BITCOIND, "1".into())
    } else {
        (bitcoind::BITCOIND_EXE, bitcoind::locate()?.into_os_string())
    };
    // Tests in `interop` run the binary; cargo builds binaries only for the tests of their own package.
    run(cargo().args(["build", "--package", "astrape-daemon", "--bin", "astrape"])).context("the node")?;
    let has_nextest = capture(cargo().args(["nextest", "--version"])).is_ok();
    let mut tests = cargo();
    if has_nextest {
        tests.args(["nextest", "run", "--workspace"]).args(&selection.filters);
    } else {
        tests.args(["test", "--workspace", "--all-targets"]);
        if !selection.filters.is_empty() {
            tests.arg("--").args(&selection.filters);
        }
    }
    run(tests.env(variable, &value)).context("tests")?;
    if selection.filters.is_empty() {
        run(cargo().args(["test", "--workspace", "--doc"]).env(variable, &value)).context("doctests")?;
    }
    if selection.without_bitcoind {
        println!("The tests beside a real bitcoind were left out (--without-bitcoind).");
    }
    Ok(())
}

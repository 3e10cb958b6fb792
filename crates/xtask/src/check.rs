//! `cargo xtask check`: all that can be said about the code without running it.
//!
//! Every check runs, whatever the others found; the end tells which failed.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell::{cache_dir, capture, cargo, run};
use crate::{attacks, bolts};

mod floors;
mod purity;

/// The release of cargo-deny that is installed when there is none.
const CARGO_DENY: &str = "0.20.2";

/// What to do about a tool that this machine lacks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tools {
    /// Install cargo-deny; fail for want of clippy or rustfmt.
    Required,
    /// Leave its check out and say so.
    AsInstalled,
}

/// A check's outcome, when it did not fail.
enum Outcome {
    Held,
    LeftOut(String),
}

/// Runs the checks of these names, or all when there are none.
///
/// # Errors
/// When any of them failed, or there is none of a name.
pub(crate) fn run_all(root: &Path, tools: Tools, names: &[String]) -> Result<()> {
    type Check<'a> = (&'a str, Box<dyn Fn() -> Result<Outcome> + 'a>);
    let checks: [Check<'_>; 8] = [
        ("floors", Box::new(|| floors::check().map(|()| Outcome::Held))),
        ("purity", Box::new(|| purity::check(root).map(|()| Outcome::Held))),
        ("requirements", Box::new(|| bolts::check_ids(root).map(|()| Outcome::Held))),
        ("attacks", Box::new(|| attacks::report(root, attacks::Mode::Check).map(|()| Outcome::Held))),
        ("fmt", Box::new(|| component("fmt", tools, &["fmt", "--all", "--check"]))),
        (
            "clippy",
            Box::new(|| {
                component(
                    "clippy",
                    tools,
                    &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
                )
            }),
        ),
        ("docs", Box::new(docs)),
        ("deny", Box::new(|| deny(tools))),
    ];
    let (mut failed, mut left_out) = (Vec::new(), Vec::new());
    if let Some(unknown) = names.iter().find(|wanted| checks.iter().all(|(name, _)| name != wanted)) {
        bail!("there is no check `{unknown}`: see `cargo xtask check --help`");
    }
    for (name, check) in checks.iter().filter(|(name, _)| names.is_empty() || names.iter().any(|n| n == name))
    {
        match check() {
            Ok(Outcome::Held) => println!("ok        {name}"),
            Ok(Outcome::LeftOut(why)) => left_out.push(format!("left out  {name}: {why}")),
            Err(why) => {
                println!("FAILED    {name}: {why:#}");
                failed.push(*name);
            }
        }
    }
    for line in left_out {
        println!("{line}");
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

/// Runs a cargo subcommand that is an optional component of the toolchain.
fn component(name: &str, tools: Tools, arguments: &[&str]) -> Result<Outcome> {
    if tools == Tools::AsInstalled && capture(cargo().args([name, "--version"])).is_err() {
        return Ok(Outcome::LeftOut("not installed".to_owned()));
    }
    let package = if name == "fmt" { "rustfmt" } else { name };
    run(cargo().args(arguments))
        .with_context(|| format!("if cargo lacks the command, `rustup component add {package}` brings it"))?;
    Ok(Outcome::Held)
}

fn docs() -> Result<Outcome> {
    run(cargo().args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(Outcome::Held)
}

/// Licences, sources and banned crates; known vulnerabilities too, where the advisory database can be reached.
fn deny(tools: Tools) -> Result<Outcome> {
    let installed = cache_dir()?.join("tools").join(format!("cargo-deny-{CARGO_DENY}"));
    let cached = installed.join("bin/cargo-deny");
    let on_path = capture(Command::new("cargo-deny").arg("--version")).is_ok();
    if !on_path && !cached.is_file() {
        if tools == Tools::AsInstalled {
            return Ok(Outcome::LeftOut("not installed".to_owned()));
        }
        let install = ["install", "cargo-deny", "--locked", "--version", CARGO_DENY, "--root"];
        run(cargo().args(install).arg(&installed))?;
    }
    let program = if on_path { Path::new("cargo-deny") } else { &cached };
    let deny = |what: &[&str]| {
        let mut command = Command::new(program);
        command.current_dir(crate::shell::root()).args(["--log-level", "error", "check"]).args(what);
        command
    };
    run(&mut deny(&["bans", "licenses", "sources"]))?;
    if let Err(why) = capture(Command::new(program).current_dir(crate::shell::root()).arg("fetch").arg("db"))
    {
        let why = format!("advisories (the database cannot be reached: {})", last_line(&format!("{why:#}")));
        return Ok(Outcome::LeftOut(why));
    }
    run(&mut deny(&["advisories"]))?;
    Ok(Outcome::Held)
}

fn last_line(text: &str) -> &str {
    text.trim().lines().last().unwrap_or_default().trim()
}

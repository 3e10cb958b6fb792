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

/// The checks, cheapest first.
const CHECKS: [&str; 8] = ["floors", "purity", "requirements", "attacks", "fmt", "clippy", "docs", "deny"];

/// Runs the checks of these names, or all when there are none.
///
/// # Errors
/// When any of them failed, or there is none of a name.
pub(crate) fn run_all(root: &Path, tools: Tools, names: &[String]) -> Result<()> {
    if let Some(unknown) = names.iter().find(|wanted| !CHECKS.contains(&wanted.as_str())) {
        bail!("there is no check `{unknown}`, only {}", CHECKS.join(", "));
    }
    let (mut failed, mut left_out) = (Vec::new(), Vec::new());
    for name in
        CHECKS.into_iter().filter(|name| names.is_empty() || names.iter().any(|wanted| wanted == name))
    {
        match perform(name, root, tools) {
            Ok(Outcome::Held) => println!("ok        {name}"),
            Ok(Outcome::LeftOut(why)) => left_out.push(format!("left out  {name}: {why}")),
            Err(why) => {
                println!("FAILED    {name}: {why:#}");
                failed.push(name);
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

fn perform(name: &str, root: &Path, tools: Tools) -> Result<Outcome> {
    match name {
        "floors" => floors::check()?,
        "purity" => purity::check(root)?,
        "requirements" => bolts::check_ids(root)?,
        "attacks" => attacks::report(root, attacks::Mode::Check)?,
        "fmt" => return component("rustfmt", tools, &["fmt", "--all", "--check"]),
        "clippy" => {
            let arguments = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
            return component("clippy", tools, &arguments);
        }
        "docs" => run(cargo().args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))?,
        _ => return deny(tools),
    }
    Ok(Outcome::Held)
}

/// Runs a cargo subcommand that belongs to an optional component of the toolchain.
fn component(component: &str, tools: Tools, arguments: &[&str]) -> Result<Outcome> {
    let command = arguments.first().context("a subcommand")?;
    if capture(cargo().args([command, "--version"])).is_err() {
        if tools == Tools::AsInstalled {
            return Ok(Outcome::LeftOut("not installed".to_owned()));
        }
        bail!("`cargo {command}` is not installed: `rustup component add {component}` brings it");
    }
    run(cargo().args(arguments))?;
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

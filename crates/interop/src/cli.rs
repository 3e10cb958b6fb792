//! The command line of a node, as a person or a script uses it.

use crate::wait;
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// Longest that a command may take; paying is the longest of them.
const LIMIT: Duration = Duration::from_secs(240);

/// What a command left.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its exit code.
    pub code: i32,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Answer {
    /// Its standard output as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout).with_context(|| format!("no JSON: {self:?}"))
    }
}

/// The commands of one node.
#[derive(Clone, Debug)]
pub struct Cli {
    exe: PathBuf,
    data_dir: PathBuf,
    network: String,
}

impl Cli {
    /// Those of the node in a data directory, on a network.
    #[must_use]
    pub fn new(exe: &Path, data_dir: &Path, network: &str) -> Self {
        Self { exe: exe.to_owned(), data_dir: data_dir.to_owned(), network: network.to_owned() }
    }

    /// The network it is told to be on.
    #[must_use]
    pub fn network(&self) -> &str {
        &self.network
    }

    /// Where the node keeps its files.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The program.
    #[must_use]
    pub fn exe(&self) -> &Path {
        &self.exe
    }

    /// Gives a command, however it ends.
    ///
    /// # Errors
    /// When it does not end in time, or by a signal.
    pub fn command(&self, args: &[&str]) -> Result<Answer> {
        let mut command = tokio::process::Command::new(&self.exe);
        command.arg("--data-dir").arg(&self.data_dir).args(["--network", &self.network, "--json"]).args(args);
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = wait::block_on(async { tokio::time::timeout(LIMIT, command.output()).await });
        let output = output.with_context(|| format!("`astrape {}` does not end", args.join(" ")))??;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let Some(code) = output.status.code() else {
            bail!("`astrape {}` was ended by a signal: {}", args.join(" "), text(&output.stderr))
        };
        Ok(Answer { code, stdout: text(&output.stdout), stderr: text(&output.stderr) })
    }

    /// Gives a command that must be done, and reads its answer.
    ///
    /// # Errors
    /// When it is refused.
    pub fn ask(&self, args: &[&str]) -> Result<Value> {
        let answer = self.command(args)?;
        ensure!(
            answer.code == 0,
            "`astrape {}` ended with {}: {}{}",
            args.join(" "),
            answer.code,
            answer.stderr,
            answer.stdout
        );
        answer.json()
    }

    /// One text of the answer to a command.
    ///
    /// # Errors
    /// When it is refused, or the answer has no such text.
    pub fn ask_for(&self, args: &[&str], field: &str) -> Result<String> {
        let answer = self.ask(args)?;
        let text = answer[field].as_str().with_context(|| format!("no text `{field}` in {answer}"))?;
        Ok(text.to_owned())
    }

    /// An invoice over an amount as people write it.
    ///
    /// # Errors
    /// When it is refused.
    pub fn invoice(&self, amount: &str, description: &str) -> Result<String> {
        self.ask_for(&["invoice", amount, description], "invoice")
    }

    /// The channels, as the API tells them.
    ///
    /// # Errors
    /// When it is refused.
    pub fn channels(&self) -> Result<Vec<Value>> {
        list(&self.ask(&["channels"])?, "channels")
    }

    /// All payments, the newest first.
    ///
    /// # Errors
    /// When it is refused.
    pub fn payments(&self) -> Result<Vec<Value>> {
        self.pages("payments")
    }

    /// All forwards, the newest first.
    ///
    /// # Errors
    /// When it is refused.
    pub fn forwards(&self) -> Result<Vec<Value>> {
        self.pages("forwards")
    }

    fn pages(&self, what: &str) -> Result<Vec<Value>> {
        const PAGE: usize = 1_000;
        let mut all = list(&self.ask(&[what, "--limit", &PAGE.to_string()])?, what)?;
        let mut got = all.len();
        while got >= PAGE {
            let last = all.iter().filter_map(|entry| entry["number"].as_u64()).min();
            let last = last.context("a full page without a number")?.to_string();
            let page = list(&self.ask(&[what, "--limit", &PAGE.to_string(), "--before", &last])?, what)?;
            // Those under way are on every page.
            let ended: Vec<Value> = page.into_iter().filter(|entry| entry["number"].is_u64()).collect();
            got = ended.len();
            all.extend(ended);
        }
        Ok(all)
    }
}

fn list(answer: &Value, field: &str) -> Result<Vec<Value>> {
    Ok(answer[field].as_array().with_context(|| format!("no list `{field}` in {answer}"))?.clone())
}

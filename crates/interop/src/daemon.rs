//! An `astrape run` as a process of its own.

use crate::bitcoind::Bitcoind;
use crate::cli::{Answer, Cli};
use crate::process::Process;
use crate::{ports, wait};
use anyhow::{Context as _, Result, bail, ensure};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How long a node may take to come up, and to stop.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Lines of a log that are shown when a test fails.
const SHOWN_LINES: usize = 60;

/// The binary, given by who runs us.
const EXE: &str = "ASTRAPE_EXE";

/// A node: its data directory, its process while it runs, and by [`Cli`] its command line.
#[derive(Debug)]
pub struct Daemon {
    name: String,
    directory: TempDir,
    cli: Cli,
    options: Vec<OsString>,
    peer_port: u16,
    process: Option<Process>,
}

impl Deref for Daemon {
    type Target = Cli;

    fn deref(&self) -> &Cli {
        &self.cli
    }
}

impl Daemon {
    /// A node that does not run yet, beside `bitcoind`, with further options of `astrape run`.
    ///
    /// # Errors
    /// When there is no binary, port or directory.
    pub fn new(name: &str, bitcoind: &Bitcoind, further: &[&str]) -> Result<Self> {
        Self::on_network("regtest", name, bitcoind, further)
    }

    /// As [`Daemon::new`], on a network that may be another than the bitcoind's.
    ///
    /// # Errors
    /// When there is no binary, port or directory.
    pub fn on_network(network: &str, name: &str, bitcoind: &Bitcoind, further: &[&str]) -> Result<Self> {
        Self::made(network, name, bitcoind, &bitcoind.rpc_address(), further)
    }

    /// As [`Daemon::new`], where something at `rpc_address` stands before the bitcoind.
    ///
    /// # Errors
    /// When there is no binary, port or directory.
    pub fn beside(name: &str, bitcoind: &Bitcoind, rpc_address: &str, further: &[&str]) -> Result<Self> {
        Self::made("regtest", name, bitcoind, rpc_address, further)
    }

    fn made(
        network: &str,
        name: &str,
        bitcoind: &Bitcoind,
        rpc_address: &str,
        further: &[&str],
    ) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix(&format!("astrape-{name}-")).tempdir()?;
        let (peer_port, rpc_port) = (ports::free()?, ports::free()?);
        let mut options: Vec<OsString> = ["--dev-fast", "--alias", name].map(OsString::from).to_vec();
        for (option, value) in [
            ("--listen", format!("127.0.0.1:{peer_port}")),
            ("--rpc-addr", format!("127.0.0.1:{rpc_port}")),
            ("--bitcoind-rpc", rpc_address.to_owned()),
        ] {
            options.extend([option.into(), value.into()]);
        }
        options.extend(["--bitcoind-cookie".into(), bitcoind.cookie().into_os_string()]);
        options.extend(further.iter().map(OsString::from));
        let cli = Cli::new(&executable()?, &directory.path().join("data"), network);
        Ok(Self { name: name.to_owned(), directory, cli, options, peer_port, process: None })
    }

    /// A node that runs.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start_new(name: &str, bitcoind: &Bitcoind, further: &[&str]) -> Result<Self> {
        let mut daemon = Self::new(name, bitcoind, further)?;
        daemon.start()?;
        Ok(daemon)
    }

    /// Its command line, to be used from another thread.
    #[must_use]
    pub fn cli(&self) -> Cli {
        self.cli.clone()
    }

    /// Starts it, and waits until it answers and follows the chain.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(&mut self) -> Result<()> {
        self.spawn()?;
        self.wait_until_up()
    }

    /// Starts it and does not wait.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "{} runs already", self.name);
        self.process = Some(Process::start(&mut self.run_command()?)?);
        Ok(())
    }

    /// Waits until it answers and follows the chain.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn wait_until_up(&mut self) -> Result<()> {
        let what = format!("{} to come up", self.name);
        wait::until(&what, START_LIMIT, || {
            self.check_alive()?;
            let answer = self.cli.command(&["getinfo"])?;
            let up = answer.code == 0 && answer.json()?["chain_synced"] == true;
            Ok(up.then_some(()))
        })
    }

    /// Fails if it has ended by itself.
    ///
    /// # Errors
    /// How it ended, and the end of its log.
    pub fn check_alive(&mut self) -> Result<()> {
        let process = self.process.as_mut().with_context(|| format!("{} does not run", self.name))?;
        if let Some(status) = process.ended()? {
            bail!("{} ended by itself with {status}:\n{}", self.name, self.log_end());
        }
        Ok(())
    }

    /// Kills it as a power cut does.
    ///
    /// # Errors
    /// When it had ended by itself.
    pub fn kill(&mut self) -> Result<()> {
        let mut process = self.process.take().with_context(|| format!("{} does not run", self.name))?;
        process.kill().with_context(|| format!("{}:\n{}", self.name, self.log_end()))
    }

    /// Asks it to stop, and waits for its end.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.cli.ask(&["stop"])?;
        self.wait_for_end()
    }

    /// Asks it to stop as a service manager does, and waits for its end.
    ///
    /// # Errors
    /// When it does not end.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        self.process.as_mut().with_context(|| format!("{} does not run", self.name))?.terminate()?;
        self.wait_for_end()
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// When it does not end.
    pub fn wait_for_end(&mut self) -> Result<ExitStatus> {
        let mut process = self.process.take().with_context(|| format!("{} does not run", self.name))?;
        process.wait(START_LIMIT)
    }

    /// Its process.
    ///
    /// # Errors
    /// When it does not run.
    pub fn process(&self) -> Result<&Process> {
        self.process.as_ref().with_context(|| format!("{} does not run", self.name))
    }

    /// Runs a second process with the same options and waits for its end: one that is refused.
    ///
    /// # Errors
    /// When it does not end.
    pub fn run_again(&self, further: &[&str]) -> Result<Answer> {
        let mut args = vec!["run".to_owned()];
        args.extend(self.options.iter().map(|option| option.to_string_lossy().into_owned()));
        args.extend(further.iter().map(|&option| option.to_owned()));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        self.cli.command(&args)
    }

    /// Its public key.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn id(&self) -> Result<String> {
        self.ask_for(&["getinfo"], "node_id")
    }

    /// Its name in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where peers reach it, `ID@HOST:PORT`.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn peer_address(&self) -> Result<String> {
        Ok(format!("{}@127.0.0.1:{}", self.id()?, self.peer_port))
    }

    /// Where its socket for peers is.
    #[must_use]
    pub fn peer_socket(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.peer_port))
    }

    /// Lines of its log that tell of what should never happen: errors and panics.
    ///
    /// # Errors
    /// When there is no log.
    pub fn complaints(&self) -> Result<Vec<String>> {
        let log = self.log()?;
        let bad = |line: &&str| line.contains(" ERROR ") || line.contains("panicked");
        Ok(log.lines().filter(bad).map(str::to_owned).collect())
    }

    /// All of its log.
    ///
    /// # Errors
    /// When there is none.
    pub fn log(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.log_path())?)
    }

    /// The end of its log.
    #[must_use]
    pub fn log_end(&self) -> String {
        let log = std::fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn run_command(&self) -> Result<Command> {
        let log: File = OpenOptions::new().create(true).append(true).open(self.log_path())?;
        let mut command = Command::new(self.cli.exe());
        command.arg("--data-dir").arg(self.cli.data_dir()).args(["--network", self.cli.network(), "run"]);
        command.args(&self.options).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(command)
    }
}

/// Who looks at a failed test wants to know what the nodes said.
impl Drop for Daemon {
    fn drop(&mut self) {
        self.process = None;
        if std::thread::panicking() || std::env::var_os("ASTRAPE_KEEP_LOGS").is_some() {
            eprintln!("--- the last words of {} ---\n{}", self.name, self.log_end());
        }
    }
}

/// The binary: of `ASTRAPE_EXE`, or the one that cargo builds beside us.
fn executable() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(EXE).filter(|named| !named.is_empty()) {
        return Ok(named.into());
    }
    let us = std::env::current_exe()?;
    // Tests lie in `deps/`, beside the directory's binaries; our own binaries lie beside it.
    let places = us.ancestors().skip(1).take(2).map(|dir| dir.join("astrape"));
    places.into_iter().find(|exe: &PathBuf| Path::is_file(exe)).with_context(|| {
        format!(
            "there is no `astrape` beside {}: run `cargo build -p astrape-daemon`, or set {EXE}",
            us.display()
        )
    })
}

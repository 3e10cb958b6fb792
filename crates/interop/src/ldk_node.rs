//! An ldk-node as a process, to be measured beside ours: `benches/ldk-node` is its program, told what to do by lines.

use crate::bitcoind::Bitcoind;
use crate::process::Usage;
use crate::{ports, wait};
use anyhow::{Context as _, Result, anyhow, bail};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::oneshot;

/// The program, given by who runs us.
const EXE: &str = "BENCH_LDK_NODE_EXE";

/// How long anything but a payment may take: a wallet syncs, a channel opens.
const LIMIT: Duration = Duration::from_secs(60);

/// A running ldk-node; killed when dropped.
#[derive(Debug)]
pub struct LdkNode {
    name: &'static str,
    directory: TempDir,
    listen: String,
    child: Child,
    desk: Desk,
}

impl LdkNode {
    /// The program of these nodes, if one was named.
    #[must_use]
    pub fn executable() -> Option<PathBuf> {
        std::env::var_os(EXE).filter(|named| !named.is_empty()).map(PathBuf::from)
    }

    /// Starts one beside `bitcoind` and waits until it answers.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start(name: &'static str, exe: &Path, bitcoind: &Bitcoind) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix(&format!("ldk-node-{name}-")).tempdir()?;
        let listen = format!("127.0.0.1:{}", ports::free()?);
        let mut command = Command::new(exe);
        command.arg(name).arg(directory.path().join("data")).args([&listen, &bitcoind.rpc_address()]);
        command.arg(bitcoind.cookie()).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let (child, desk) = wait::block_on(async {
            let mut child = command.spawn().with_context(|| format!("cannot start {}", exe.display()))?;
            let (input, output) = child.stdin.take().zip(child.stdout.take()).context("no pipes")?;
            anyhow::Ok((child, Desk::new(input, output)))
        })?;
        let node = Self { name, directory, listen, child, desk };
        node.ask("id").with_context(|| format!("ldk-node {name} does not come up"))?;
        Ok(node)
    }

    /// Its name in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name
    }

    /// Where it keeps its files.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Where peers reach it, `ID HOST:PORT`.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn peer_address(&self) -> Result<String> {
        Ok(format!("{} {}", self.ask("id")?, self.listen))
    }

    /// Makes a request and waits for what it answers.
    ///
    /// # Errors
    /// When it is refused, or takes too long.
    pub fn ask(&self, request: &str) -> Result<String> {
        let answer = wait::block_on(async { tokio::time::timeout(LIMIT, self.desk.ask(request)).await });
        answer.with_context(|| format!("ldk-node {} does not answer", self.name))?
    }

    /// A number that it answers.
    ///
    /// # Errors
    /// When it answers something else.
    pub fn ask_number(&self, request: &str) -> Result<u64> {
        Ok(self.ask(request)?.parse()?)
    }

    /// A way to it for many tasks.
    #[must_use]
    pub fn desk(&self) -> Desk {
        self.desk.clone()
    }

    /// What it has used so far.
    ///
    /// # Errors
    /// When it has ended.
    pub fn usage(&self) -> Result<Usage> {
        Usage::of(self.child.id().context("it has ended")?)
    }
}

/// Requests to one ldk-node, from many tasks at a time.
#[derive(Clone, Debug)]
pub struct Desk(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    next: AtomicU64,
    input: tokio::sync::Mutex<ChildStdin>,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Result<String>>>>,
}

impl Shared {
    fn take(&self, number: u64) -> Option<oneshot::Sender<Result<String>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&number)
    }
}

impl Desk {
    fn new(input: ChildStdin, output: ChildStdout) -> Self {
        let (next, input) = (AtomicU64::new(0), tokio::sync::Mutex::new(input));
        let shared = Arc::new(Shared { next, input, waiting: Mutex::default() });
        tokio::spawn(hand_out(Arc::clone(&shared), output));
        Self(shared)
    }

    /// An invoice over an amount.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn invoice(&self, amount_msat: u64) -> Result<String> {
        self.ask(&format!("invoice {amount_msat}")).await
    }

    /// Pays an invoice.
    ///
    /// # Errors
    /// Why it is not paid. It may be tried again.
    pub async fn pay(&self, invoice: &str) -> Result<()> {
        self.ask(&format!("pay {invoice}")).await.map(drop)
    }

    async fn ask(&self, request: &str) -> Result<String> {
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(number, answer);
        let line = format!("{number} {request}\n");
        self.0.input.lock().await.write_all(line.as_bytes()).await?;
        answered.await.map_err(|_| anyhow!("the ldk-node ended"))?
    }
}

/// Gives answers to those who wait for them, until the node ends; then nobody waits any more.
async fn hand_out(shared: Arc<Shared>, output: ChildStdout) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        match read(&line) {
            Ok((number, answer)) => {
                if let Some(waiting) = shared.take(number) {
                    // Whoever has stopped waiting needs no answer.
                    drop(waiting.send(answer));
                }
            }
            Err(why) => eprintln!("ldk-node said {line:?}: {why:#}"),
        }
    }
    shared.waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// `NUMBER ok RESULT` or `NUMBER no REASON`.
fn read(line: &str) -> Result<(u64, Result<String>)> {
    let (number, rest) = line.split_once(' ').context("no number")?;
    let answer = match rest.split_once(' ') {
        Some(("ok", result)) => Ok(result.to_owned()),
        Some(("no", reason)) => Err(anyhow!("{reason}")),
        _ => bail!("neither ok nor no"),
    };
    Ok((number.parse()?, answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_result_or_a_reason_under_its_number() -> Result<()> {
        let (number, answer) = read("7 ok lnbcrt1")?;
        assert_eq!((number, answer?.as_str()), (7, "lnbcrt1"));
        let (number, answer) = read("8 no route was found")?;
        assert_eq!((number, answer.map_err(|why| why.to_string())), (8, Err("route was found".to_owned())));
        assert_eq!(read("9 ok ")?.1?, "");
        assert!(read("hello").is_err() && read("x ok y").is_err());
        Ok(())
    }
}

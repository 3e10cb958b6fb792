//! The node as a process, beside a bitcoind that is not there: it waits, answers, and ends well.
#![cfg(unix)]

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running node. Dropped, it is killed.
struct Node {
    home: TempDir,
    child: Child,
    /// What systemd would hear.
    notices: UnixDatagram,
}

fn astrape(home: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_astrape"));
    command
        .env_clear()
        .env("HOME", home)
        .args(["--network", "regtest", "--rpc-addr", "127.0.0.1:0"])
        .args(words);
    command
}

impl Node {
    fn start() -> Self {
        Self::start_with("true", TempDir::new().unwrap())
    }

    /// After a command of the shell, which can limit what the process may have, in a directory that there is.
    fn start_with(limit: &str, home: TempDir) -> Self {
        let socket = home.path().join("notify");
        let notices = UnixDatagram::bind(&socket).unwrap();
        notices.set_read_timeout(Some(PATIENCE)).unwrap();
        let node = astrape(home.path(), &["run", "--listen", "127.0.0.1:0"]);
        let child = Command::new("/bin/sh")
            .arg("-c")
            .arg(format!("{limit} && exec \"$0\" \"$@\""))
            .arg(node.get_program())
            .args(node.get_args())
            .env_clear()
            .envs(node.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .env("NOTIFY_SOCKET", &socket)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let node = Self { home, child, notices };
        node.hears("READY=1");
        node
    }

    fn hears(&self, notice: &str) {
        let mut buffer = [0; 256];
        let length = self.notices.recv(&mut buffer).expect("systemd is told");
        let heard = String::from_utf8_lossy(&buffer[..length]);
        assert!(heard.contains(notice), "{heard}");
    }

    fn ask(&self, words: &[&str]) -> Output {
        astrape(self.home.path(), words).output().unwrap()
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Its exit code and its log.
    fn ended(mut self) -> (Option<i32>, String) {
        let began = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(began.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut log = String::new();
        std::io::Read::read_to_string(self.child.stderr.as_mut().unwrap(), &mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It has ended already in most tests.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_node_without_its_bitcoind_answers_and_raises_the_alarm() {
    let node = Node::start();
    let info = node.ask(&["--json", "getinfo"]);
    assert!(info.status.success(), "{info:?}");
    let info: serde_json::Value = serde_json::from_slice(&info.stdout).unwrap();
    assert_eq!(info["chain_synced"], false);
    assert!(info["alarms"][0].as_str().unwrap().contains("bitcoind"), "{info}");
    let stopped = node.ask(&["stop"]);
    assert!(stopped.status.success(), "{stopped:?}");
    node.hears("STOPPING=1");
    let gone = node.home.path().join(".astrape/regtest/api.addr");
    let (code, log) = node.ended();
    assert_eq!(code, Some(0), "{log}");
    assert!(!gone.exists(), "nobody is sent to a node that has stopped");
}

#[test]
fn signals_end_a_node_well() {
    for signal in ["-TERM", "-INT"] {
        let node = Node::start();
        node.signal(signal);
        node.hears("STOPPING=1");
        let (code, log) = node.ended();
        assert_eq!(code, Some(0), "{signal}: {log}");
        assert!(!log.contains("panicked"), "{log}");
    }
}

#[test]
fn the_owner_is_told_of_a_new_seed_and_the_log_does_not_have_it() {
    let node = Node::start();
    let seed = std::fs::read_to_string(node.home.path().join(".astrape/regtest/seed")).unwrap();
    let words: Vec<&str> = seed.split_whitespace().collect();
    assert_eq!(words.len(), 24);
    assert!(node.ask(&["stop"]).status.success());
    let (_, log) = node.ended();
    assert!(log.contains("Write its 24 words"), "{log}");
    let three = words[..3].join(" ");
    assert!(!log.contains(&three), "the log has the seed");
}

#[test]
fn a_second_process_is_kept_out_and_the_first_goes_on() {
    let node = Node::start();
    let second = node.ask(&["run", "--listen", "none"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("another process"), "{second:?}");
    assert!(node.ask(&["getinfo"]).status.success(), "and is found as before");
}

#[test]
fn a_seed_that_was_put_there_by_hand_is_closed_to_other_users_and_the_log_says_so() {
    use std::os::unix::fs::PermissionsExt as _;
    let (made, home) = (Node::start(), TempDir::new().unwrap());
    let words = std::fs::read_to_string(made.home.path().join(".astrape/regtest/seed")).unwrap();
    assert!(made.ask(&["stop"]).status.success());
    let dir = home.path().join(".astrape/regtest");
    let seed = dir.join("seed");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(&seed, &words).unwrap();
    for (path, mode) in [(&dir, 0o755), (&seed, 0o644)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let node = Node::start_with("true", home);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&dir), mode(&seed)), (0o700, 0o600));
    assert_eq!(std::fs::read_to_string(&seed).unwrap(), words, "and nothing else has changed");
    assert!(node.ask(&["stop"]).status.success());
    let (_, log) = node.ended();
    assert!(log.contains("seed was open to other users of this machine (mode 0644)"), "{log}");
}

#[test]
fn a_node_takes_all_open_files_that_it_may_have_and_says_so_when_they_are_few() {
    let node = Node::start_with("ulimit -Sn 256", TempDir::new().unwrap());
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", node.child.id())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).expect("Linux tells");
    let files: Vec<&str> = files.split_whitespace().skip(3).take(2).collect();
    assert_eq!(files[0], files[1], "the soft and the hard limit");
    node.signal("-TERM");
    node.ended();
    let node = Node::start_with("ulimit -n 256", TempDir::new().unwrap());
    node.signal("-TERM");
    let (code, log) = node.ended();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("no more than 256 files"), "{log}");
}

/// The disks of a playground of that process.
fn playground_of(temporary: &Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(temporary).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn playground(temporary: &Path, words: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_astrape"));
    command.env_clear().env("TMPDIR", temporary).arg("playground").args(words);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_playground_that_nobody_reads_any_more_ends_quietly_and_leaves_nothing() {
    use std::io::{BufRead as _, BufReader};
    let temporary = TempDir::new().unwrap();
    let mut child = playground(temporary.path(), &[]);
    let mut line = String::new();
    // As `head -1` does.
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("Three Lightning nodes"), "{line}");
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.stderr.is_empty(), "{}", String::from_utf8_lossy(&ended.stderr));
    assert!(playground_of(temporary.path()).is_empty());
}

#[test]
fn a_playground_that_is_told_to_end_removes_its_disks() {
    use std::io::{BufRead as _, BufReader};
    for (words, until) in [(&["--keep"][..], "Ctrl-C"), (&[], "Three nodes start")] {
        let temporary = TempDir::new().unwrap();
        let mut child = playground(temporary.path(), words);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line.contains(until)), "{until}");
        assert_eq!(playground_of(temporary.path()).len(), 1);
        assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
        let rest: Vec<String> = lines.collect();
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        assert!(rest.iter().any(|line| line.contains("their disks are removed")), "{rest:?}");
        assert!(playground_of(temporary.path()).is_empty(), "{words:?}");
    }
}

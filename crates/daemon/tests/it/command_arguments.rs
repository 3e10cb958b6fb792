//! Every command of the command line with every argument wrong: it ends with the code that scripts expect, and says what is
//! wrong and what to do. What there is comes from the command line itself: a command or an argument without a row fails.

mod rows;

use crate::support::Member;
use astrape_daemon::cli::Cli;
use astrape_daemon::config::values::HostPort;
use astrape_daemon::engine::EmbeddedChain;
use astrape_daemon::service::server::offer;
use clap::CommandFactory as _;
use rows::{Row, rows};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};
#[test]
fn every_argument_of_every_command_has_rows() {
    let mut root = Cli::command();
    root.build();
    let rows = rows();
    let has =
        |command: &str, argument: &str| rows.iter().any(|r| r.command == command && r.argument == argument);
    let mut missing = Vec::new();
    let of_root: BTreeSet<String> = root.get_arguments().map(|arg| arg.get_id().to_string()).collect();
    for argument in of_root.iter().filter(|name| !["help", "version"].contains(&name.as_str())) {
        if !has("", argument) {
            missing.push(format!("--{argument}"));
        }
    }
    for command in root.get_subcommands().filter(|command| command.get_name() != "help") {
        let name = command.get_name();
        if !has(name, "") {
            missing.push(name.to_owned());
        }
        for argument in command.get_arguments().map(|arg| arg.get_id().to_string()) {
            if !of_root.contains(&argument) && !has(name, &argument) {
                missing.push(format!("{name} {argument}"));
            }
        }
    }
    assert!(missing.is_empty(), "no rows for: {missing:?}");
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What is not as the row says, if anything.
fn mistake(row: &Row, output: &Output) -> Option<String> {
    let (code, text) = (output.status.code(), said(output));
    // The usage that follows tells what there is; what is wrong stands before it.
    let told = text.split("Usage:").next().unwrap_or_default();
    let fits = code == Some(row.code)
        && text.contains(row.says)
        && !text.contains("panicked")
        && output.stdout.is_empty()
        && told.len() < 1_000;
    (!fits).then(|| {
        let words: Vec<String> = row.words.iter().map(|word| format!("{word:.40}")).collect();
        format!("{} {words:?}: {} with `{}` is wanted: {code:?} {text:.500}", row.command, row.code, row.says)
    })
}

fn astrape(home: &Path, place: &[String], row: &Row) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_astrape"));
    command.env_clear().env("HOME", home).args(place);
    if !row.command.is_empty() {
        command.arg(row.command);
    }
    command.args(&row.words).output().expect("the binary runs")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_refuses_what_is_wrong_with_the_code_that_scripts_expect() {
    let node = Member::start(91, &EmbeddedChain::new()).await;
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().join("node");
    std::fs::create_dir(&dir).unwrap();
    let offered = offer(node.handle.clone(), None, &dir, &HostPort::new("127.0.0.1", 0)).await.unwrap();
    let place = ["--network", "regtest", "--data-dir", &dir.display().to_string()].map(str::to_owned);
    let place = [&place[..], &["--rpc-addr".to_owned(), offered.address().to_string()]].concat();
    let path = home.path().to_owned();
    let judged = tokio::task::spawn_blocking(move || {
        let judge = |row: &Row| {
            // What says itself which node stands for all that does.
            let place = if row.command.is_empty() { &[][..] } else { &place[..] };
            mistake(row, &astrape(&path, place, row))
        };
        rows().iter().filter_map(judge).collect::<Vec<_>>()
    });
    let mistakes = judged.await.unwrap();
    let now = node.handle.snapshot();
    assert_eq!((now.channels().count(), now.payments().count()), (0, 0), "nothing was done");
    drop(now);
    offered.close().await;
    node.stop().await.unwrap();
    assert!(mistakes.is_empty(), "{} of them:\n{}", mistakes.len(), mistakes.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_behind_the_last_page_is_told_as_such() {
    let node = Member::start(93, &EmbeddedChain::new()).await;
    let dir = tempfile::tempdir().expect("a directory");
    let offered = offer(node.handle.clone(), None, dir.path(), &HostPort::new("127.0.0.1", 0)).await.unwrap();
    let at = dir.path().display().to_string();
    let told = tokio::task::spawn_blocking(move || {
        let first = [&["payments"][..], &["forwards"], &["invoices"], &["onchain"]];
        let behind = [
            &["payments", "--before", "1"][..],
            &["forwards", "--before", "1"],
            &["onchain", "--before", "1"],
        ];
        let ask = |words: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_astrape"));
            let output = command.env_clear().args(["--data-dir", &at]).args(words).output().expect("it runs");
            (words.join(" "), String::from_utf8_lossy(&output.stdout).into_owned())
        };
        (first.map(ask), behind.map(ask))
    });
    let (first, behind) = told.await.unwrap();
    offered.close().await;
    node.stop().await.unwrap();
    for (words, text) in first {
        assert!(!text.contains("no more") && !text.is_empty(), "{words}: {text}");
    }
    for (words, text) in behind {
        assert!(text.starts_with("There are no more "), "{words}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_on_another_network_than_was_said_is_not_asked() {
    let node = Member::start(92, &EmbeddedChain::new()).await;
    let home = tempfile::tempdir().expect("a directory");
    // Where a node of network regtest lives when nobody says.
    let dir = home.path().join(".astrape/regtest");
    std::fs::create_dir_all(&dir).unwrap();
    let offered = offer(node.handle.clone(), None, &dir, &HostPort::new("127.0.0.1", 0)).await.unwrap();
    let path = home.path().to_owned();
    let asked = tokio::task::spawn_blocking(move || {
        let ask = |words: &[&str], variable: Option<&str>| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_astrape"));
            command.env_clear().env("HOME", &path).args(words).arg("newaddr");
            command
                .envs(variable.map(|network| ("ASTRAPE_NETWORK", network)))
                .output()
                .expect("the binary runs")
        };
        let at = dir.to_str().unwrap();
        let by_flag = ask(&["--network", "signet", "--data-dir", at], None);
        let by_env = ask(&["--data-dir", at], Some("signet"));
        let nowhere = ask(&["--network", "signet"], None);
        let right = ask(&["--network", "regtest"], None);
        let unsaid = ask(&["--data-dir", at], None);
        (by_flag, by_env, nowhere, right, unsaid)
    });
    let (by_flag, by_env, nowhere, right, unsaid) = asked.await.unwrap();
    offered.close().await;
    node.stop().await.unwrap();
    for (refused, source) in [(by_flag, "--network says signet"), (by_env, "ASTRAPE_NETWORK says signet")] {
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
        for told in ["is on network regtest", "127.0.0.1:", "Give --network regtest", source] {
            assert!(said(&refused).contains(told), "{told}: {}", said(&refused));
        }
    }
    assert_eq!(nowhere.status.code(), Some(3));
    assert!(
        said(&nowhere).contains("A node of network regtest runs: --network regtest"),
        "{}",
        said(&nowhere)
    );
    assert!(right.status.success(), "{}", said(&right));
    assert!(unsaid.status.success(), "{}", said(&unsaid));
}

//! The command line as a script sees it: every command, its exit codes, its errors.

use anyhow::{Result, ensure};
use astrape_interop::line::{Opening, SOON};
use astrape_interop::{Answer, Cli, Line};
use std::path::Path;
use std::time::Duration;

/// A point of the curve that is nobody's node here.
const NOBODY: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

/// Ends with `code`, and says why on standard error where that is not the answer itself.
fn ends(node: &Cli, args: &[&str], code: i32) -> Result<Answer> {
    let answer = node.command(args)?;
    ensure!(answer.code == code, "`{}` should end with {code}: {answer:?}", args.join(" "));
    if matches!(code, 1..=3) {
        ensure!(!answer.stderr.trim().is_empty(), "`{}` does not say why", args.join(" "));
        ensure!(!answer.stderr.contains("panicked"), "{answer:?}");
    }
    Ok(answer)
}

#[test]
fn each_command_ends_with_the_code_that_scripts_expect() -> Result<()> {
    let Some(line) = Line::open(2, Opening::HALVES, &[])? else { return Ok(()) };
    let (a, b) = (&line.nodes[0], &line.nodes[1]);
    let b_address = b.peer_address()?;

    // 0: what can be done.
    for args in [
        vec!["getinfo"],
        vec!["newaddr"],
        vec!["balance"],
        vec!["listfunds"],
        vec!["peers"],
        vec!["channels"],
        vec!["onchain"],
        vec!["payments"],
        vec!["payments", "--limit", "1"],
        vec!["forwards"],
        vec!["connect", b_address.as_str()],
        vec!["invoice", "any", "whatever you like"],
        vec!["--version"],
        vec!["help", "pay"],
    ] {
        ends(a, &args, 0)?;
    }
    ends(a, &["pay", &b.invoice("1k", "paid")?], 0)?;
    let open = b.invoice("any", "as you like")?;
    ends(a, &["pay", &open, "--amount", "1500msat"], 0)?;

    // 1: what is refused, for reasons of the node.
    let (own, paid) = (a.invoice("1k", "from myself")?, b.invoice("1k", "x")?);
    let nobody = format!("{NOBODY}@127.0.0.1:1");
    let large = b.invoice("100btc", "more than there is")?;
    let expired = b.ask_for(&["invoice", "1k", "quick", "--expiry", "1s"], "invoice")?;
    std::thread::sleep(Duration::from_secs(2));
    for args in [
        vec!["connect", nobody.as_str()],
        vec!["open", NOBODY, "100k"],
        vec!["open", b_address.as_str(), "1sat"],
        vec!["open", b_address.as_str(), "9btc"],
        vec!["close", "1x1x1"],
        vec!["close", ""],
        vec!["close", "nothing"],
        vec!["pay", "lnbcrt1"],
        vec!["pay", own.as_str()],
        vec!["pay", large.as_str()],
        vec!["pay", expired.as_str()],
        vec!["pay", paid.as_str(), "--amount", "1k"],
        vec!["pay", b.invoice("any", "how much?")?.as_str()],
        vec!["decode", "lnbc1"],
        vec!["decode", ""],
        vec!["withdraw", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "1k"],
        vec!["withdraw", "nowhere", "1k"],
        vec!["connect", NOBODY],
    ] {
        ends(a, &args, 1)?;
    }

    // 2: what no node could understand.
    for args in [
        vec!["fly"],
        vec![],
        vec!["open", "me", "100k"],
        vec!["open", NOBODY, "-5"],
        vec!["open", NOBODY, "1msat"],
        vec!["open", NOBODY, "100k", "--feerate-perkw", "1"],
        vec!["connect", "x@y:0"],
        vec!["invoice", "0", "nothing"],
        vec!["invoice", "1k"],
        vec!["invoice", "99999999999999999999", "too much"],
        vec!["payments", "--limit", "0"],
        vec!["payments", "--limit", "1001"],
        vec!["pay"],
        vec!["pay", "lnbcrt1", "--timeout", "soon"],
        vec!["withdraw", "nowhere", "some"],
        vec!["--rpc-addr", "nowhere", "getinfo"],
    ] {
        ends(a, &args, 2)?;
    }

    // 3: there is no such node.
    ends(&Cli::new(a.exe(), Path::new("/nonexistent/node"), "regtest"), &["getinfo"], 3)?;
    ends(a, &["--rpc-addr", "127.0.0.1:1", "getinfo"], 3)?;
    // The other node, which shows another certificate and does not know our token.
    let there = std::fs::read_to_string(b.data_dir().join("api.addr"))?;
    ends(a, &["--rpc-addr", there.trim(), "getinfo"], 3)?;

    line.wait_for_rest(SOON)
}

#[test]
fn a_payment_that_the_recipient_turns_down_ends_with_four() -> Result<()> {
    let Some(line) = Line::open(3, Opening::HALVES, &[])? else { return Ok(()) };
    let [a, b, c] = line.nodes.as_slice() else { anyhow::bail!("three nodes") };
    // The second channel cannot carry it, which the payer does not know.
    b.ask(&["pay", &c.invoice("4800k", "drains the second channel")?])?;
    let failed = ends(a, &["pay", &c.invoice("1000k", "too much for the second channel")?], 4)?;
    ensure!(failed.json()?["state"] == "failed", "{failed:?}");
    ensure!(failed.json()?["reason"].as_str().is_some_and(|reason| reason.len() > 10), "{failed:?}");
    ends(a, &["pay", &c.invoice("10k", "fits")?], 0)?;
    line.wait_for_rest(SOON)
}

#[test]
fn commands_write_tables_for_people_and_an_error_tells_what_to_do() -> Result<()> {
    let Some(line) = Line::open(2, Opening::HALVES, &[])? else { return Ok(()) };
    let node = &line.nodes[0];
    let people = |args: &[&str]| -> Result<String> {
        let mut command = std::process::Command::new(node.exe());
        command.arg("--data-dir").arg(node.data_dir()).args(["--network", "regtest"]).args(args);
        let output = command.output()?;
        ensure!(output.status.success(), "{args:?}: {output:?}");
        Ok(String::from_utf8(output.stdout)?)
    };
    for (args, said) in [
        (vec!["getinfo"], "regtest"),
        (vec!["channels"], "ready"),
        (vec!["balance"], "sat"),
        (vec!["peers"], "127.0.0.1"),
        (vec!["completion", "bash"], "astrape"),
    ] {
        let text = people(&args)?;
        ensure!(text.contains(said) && !text.trim_start().starts_with('{'), "{args:?} says {text}");
    }
    let refused = node.command(&["pay", &node.invoice("1k", "from myself")?])?;
    ensure!(refused.stderr.contains("\"error\"") && refused.stderr.contains("\"code\":1"), "{refused:?}");
    Ok(())
}

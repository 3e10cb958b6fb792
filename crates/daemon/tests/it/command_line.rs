//! The binary as scripts and people meet it, without a node.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// A point of the curve that is nobody's node.
/// The binary with nothing of the tester's own environment.
fn astrape(home: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_astrape"));
    command.env_clear().env("HOME", home).args(words);
    command
}

fn run(home: &Path, words: &[&str]) -> Output {
    astrape(home, words).output().expect("the binary runs")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn home() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

/// Value and source of an option, as `run --show-config` tells.
fn shown(mut command: Command, option: &str) -> (String, String) {
    let output = command.args(["run", "--show-config", "--json"]).output().expect("the binary runs");
    assert!(output.status.success(), "{}", err(&output));
    let lines: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let line =
        lines.as_array().unwrap().iter().find(|line| line["option"] == option).expect("the option is shown");
    (line["value"].as_str().unwrap().to_owned(), line["from"].as_str().unwrap().to_owned())
}

#[test]
fn a_flag_wins_over_the_environment_and_the_environment_over_the_file() {
    let home = home();
    let file = home.path().join("options.toml");
    fs::write(&file, "network = 'regtest'\nfee-ppm = 1\nfee-base-msat = 1\nalias = 'of the file'\n").unwrap();
    let file = file.to_str().unwrap();
    let mut command = astrape(home.path(), &["--config", file]);
    command.env("ASTRAPE_FEE_PPM", "2").env("ASTRAPE_FEE_BASE_MSAT", "2");
    let with_flag = |option: &str| {
        let mut command = astrape(home.path(), &["--config", file, "run", "--fee-ppm", "3"]);
        command
            .env("ASTRAPE_FEE_PPM", "2")
            .env("ASTRAPE_FEE_BASE_MSAT", "2")
            .args(["--show-config", "--json"]);
        let output = command.output().unwrap();
        let lines: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let line = lines.as_array().unwrap().iter().find(|line| line["option"] == option).unwrap().clone();
        (line["value"].as_str().unwrap().to_owned(), line["from"].as_str().unwrap().to_owned())
    };
    assert_eq!(with_flag("fee-ppm"), ("3".into(), "--fee-ppm".into()));
    assert_eq!(with_flag("fee-base-msat"), ("2".into(), "ASTRAPE_FEE_BASE_MSAT".into()));
    assert_eq!(with_flag("alias"), ("of the file".into(), file.into()));
    assert_eq!(with_flag("network"), ("regtest".into(), file.into()));
    assert_eq!(shown(command, "fee-ppm"), ("2".into(), "ASTRAPE_FEE_PPM".into()));
}

#[test]
fn each_network_has_a_directory_of_its_own() {
    let home = home();
    let (dir, from) = shown(astrape(home.path(), &["--network", "signet"]), "data-dir");
    assert_eq!(Path::new(&dir), home.path().join(".astrape/signet"));
    assert_eq!(from, "default");
    assert_eq!(shown(astrape(home.path(), &[]), "network"), ("bitcoin".into(), "default".into()));
    let mut by_env = astrape(home.path(), &[]);
    by_env.env("ASTRAPE_NETWORK", "regtest");
    assert_eq!(shown(by_env, "rpc-addr").0, "127.0.0.1:29835");
}

#[test]
fn the_file_in_the_data_directory_is_found_and_cannot_move_it() {
    let home = home();
    let dir = home.path().join(".astrape/regtest");
    fs::create_dir_all(&dir).unwrap();
    let file = dir.join("astrape.toml");
    fs::write(&file, "rpc-addr = '127.0.0.1:7'\n").unwrap();
    let shown = shown(astrape(home.path(), &["--network", "regtest"]), "rpc-addr");
    assert_eq!(shown, ("127.0.0.1:7".into(), file.display().to_string()));
    for text in ["data-dir = '/elsewhere'", "network = 'signet'"] {
        fs::write(&file, text).unwrap();
        let output = run(home.path(), &["--network", "regtest", "run", "--show-config"]);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(err(&output).contains("astrape.toml"), "{}", err(&output));
    }
}

#[test]
fn what_is_wrong_in_a_file_is_named_with_the_file_and_the_key() {
    let home = home();
    let file = home.path().join("options.toml");
    let file = file.to_str().unwrap();
    for (text, words) in [
        ("fee-pmm = 5", "did you mean `fee-ppm`?"),
        ("fee-ppm = 'x'", "`fee-ppm`"),
        ("dev-fast = 3", "`dev-fast`"),
        ("= 3", "line 1"),
    ] {
        fs::write(file, text).unwrap();
        // Not only for `run`: a client command with a bad file must not talk to another node than was meant.
        for command in [&["run"][..], &["getinfo"]] {
            let output = run(home.path(), &[&["--config", file], command].concat());
            assert_eq!(output.status.code(), Some(2), "{text}");
            assert!(err(&output).contains(file) && err(&output).contains(words), "{}", err(&output));
        }
    }
    let output = run(home.path(), &["--config", "/nowhere.toml", "run"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("/nowhere.toml"));
}

#[test]
fn secrets_are_not_shown() {
    let home = home();
    let mut command = astrape(home.path(), &["--network", "regtest"]);
    command.env("ASTRAPE_BITCOIND_USER", "u").env("ASTRAPE_BITCOIND_PASSWORD", "hunter2");
    command.env("ASTRAPE_DEV_NODE_KEY", "11".repeat(32)).args(["run", "--show-config"]);
    let text = out(&command.output().unwrap());
    assert!(text.contains("bitcoind-password") && text.contains("ASTRAPE_DEV_NODE_KEY"), "{text}");
    assert!(!text.contains("hunter2") && !text.contains("1111"), "{text}");
    let help = out(&command.arg("--help").output().unwrap());
    assert!(!help.contains("hunter2") && !help.contains("1111"), "{help}");
}

#[test]
fn a_secret_that_is_refused_is_not_shown_either_wherever_it_is_from() {
    let home = home();
    let secret = "5ec".repeat(21);
    let file = home.path().join("options.toml");
    for (option, variable) in
        [("dev-node-key", "ASTRAPE_DEV_NODE_KEY"), ("dev-channel-secrets", "ASTRAPE_DEV_CHANNEL_SECRETS")]
    {
        let flag = format!("--{option}={secret}");
        fs::write(&file, format!("{option} = '{secret}'\n")).unwrap();
        let mut by_env = astrape(home.path(), &["--network", "regtest", "run"]);
        by_env.env(variable, &secret);
        let by_flag = astrape(home.path(), &["--network", "regtest", "run", &flag]);
        let by_file = astrape(home.path(), &["--config", file.to_str().unwrap(), "run"]);
        let for_programs = astrape(home.path(), &["--json", "--network", "regtest", "run", &flag]);
        for mut command in [by_env, by_flag, by_file, for_programs] {
            let output = command.output().unwrap();
            assert_eq!(output.status.code(), Some(2));
            assert!(err(&output).contains(option) && !err(&output).contains("5ec5ec"), "{}", err(&output));
        }
    }
}

#[test]
fn developer_options_are_refused_on_mainnet_from_every_source() {
    let home = home();
    let file = home.path().join("options.toml");
    fs::write(&file, "dev-fast = true\n").unwrap();
    let mut by_env = astrape(home.path(), &["run"]);
    by_env.env("ASTRAPE_DEV_FAST", "yes");
    let by_file = astrape(home.path(), &["--config", file.to_str().unwrap(), "run"]);
    let by_flag = astrape(home.path(), &["run", "--dev-fast"]);
    for mut command in [by_env, by_file, by_flag] {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(err(&output).contains("dev-fast") && err(&output).contains("bitcoin"), "{}", err(&output));
    }
    assert!(!home.path().join(".astrape").exists(), "nothing was made");
}

#[test]
fn exit_codes_tell_scripts_what_went_wrong() {
    let home = home();
    for (words, code) in [
        (&["--help"][..], 0),
        (&["--version"], 0),
        (&["run", "--help"], 0),
        (&["open", "--help"], 0),
        (&[], 2),
        (&["fly"], 2),
        (&["open"], 2),
        (&["open", "02", "50k"], 2),
        (&["--network", "mars", "getinfo"], 2),
        (&["--rpc-addr", "x", "getinfo"], 2),
        (&["invoice", "any"], 2),
        (&["invoice", "0", "coffee"], 2),
        (&["invoice", "1.5msat", "coffee"], 2),
        (&["invoice", "any", "coffee", "--description-hash", "00"], 2),
        (&["invoice", "any", "coffee", "--expiry", "soon"], 2),
        (&["close", "abcd", "--force", "--to", "bc1q"], 2),
        (&["withdraw", "bc1q", "5msat"], 2),
        (&["payments", "--limit", "0"], 2),
        (&["pay", "lnbc1", "--amount", "lots"], 2),
        (&["connect", "me"], 2),
        (&["getinfo"], 3),
        (&["pay", "lnbc1"], 3),
    ] {
        let output = run(home.path(), words);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {}", err(&output));
        let told = if code == 0 { out(&output) } else { err(&output) };
        assert!(!told.is_empty(), "{words:?} says nothing");
    }
}

#[test]
fn a_program_gets_its_error_as_json() {
    let home = home();
    let output = run(home.path(), &["--json", "getinfo"]);
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).expect("JSON");
    assert_eq!(error["code"], 3);
    assert!(error["error"].as_str().unwrap().contains("api.cert"));
}

#[test]
fn a_program_gets_what_is_wrong_with_its_command_line_or_file_as_json_too() {
    let home = home();
    let file = home.path().join("options.toml");
    fs::write(&file, "fee-pmm = 5\n").unwrap();
    let file = file.to_str().unwrap();
    for (words, told) in [
        (&["--json", "fly"][..], "unrecognized subcommand 'fly'"),
        (&["fly", "--json"], "unrecognized subcommand 'fly'"),
        (&["invoice", "--json"], "<AMOUNT>"),
        (&["--json"], "subcommand"),
        (&["open", "02", "50k", "--json"], "ID@HOST:PORT"),
        (&["invoice", "1,5k", "tea", "--json"], "decimal point"),
        (&["--config", file, "getinfo", "--json"], "did you mean `fee-ppm`?"),
        (&["--json", "--config", file, "run"], "options.toml"),
        (&["--json", "run", "--bitcoind-user", "u"], "bitcoind-password"),
    ] {
        let output = run(home.path(), words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        let error: serde_json::Value = serde_json::from_slice(&output.stderr).expect("JSON");
        assert_eq!(error["code"], 2, "{words:?}");
        assert!(error["error"].as_str().unwrap().contains(told), "{words:?}: {error}");
    }
    for words in [&["--json", "--help"][..], &["--version", "--json"], &["open", "--json", "--help"]] {
        let output = run(home.path(), words);
        assert_eq!(output.status.code(), Some(0), "{words:?}");
        assert!(out(&output).contains("astrape") && err(&output).is_empty(), "help is for people");
    }
    let text = run(home.path(), &["invoice", "any", "--", "--json"]);
    assert_eq!(text.status.code(), Some(3), "here it is a description");
    assert!(err(&text).starts_with("error: "), "{}", err(&text));
}

#[test]
fn a_file_that_is_wrong_does_not_stop_a_completion() {
    let home = home();
    let dir = home.path().join(".astrape/bitcoin");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("astrape.toml"), "fee-pmm = 5\n").unwrap();
    assert_eq!(run(home.path(), &["getinfo"]).status.code(), Some(2), "the file is read");
    let output = run(home.path(), &["completion", "bash"]);
    assert!(output.status.success() && out(&output).contains("listfunds"), "{}", err(&output));
}

#[test]
fn what_a_node_would_not_start_with_is_not_shown_as_in_force() {
    let home = home();
    for words in [&["--bitcoind-user", "u"][..], &["--fee-ppm", "1000001"], &["--dev-fast"], &["--alias", ""]]
    {
        let run_so = [&["run"], words].concat();
        let shown = run(home.path(), &[&run_so[..], &["--show-config"]].concat());
        let started = run(home.path(), &run_so);
        assert_eq!((shown.status.code(), started.status.code()), (Some(2), Some(2)), "{words:?}");
        assert_eq!(err(&shown), err(&started), "{words:?}");
        assert!(out(&shown).is_empty());
    }
}

#[test]
fn every_option_is_in_the_help_with_its_variable() {
    let home = home();
    let help = out(&run(home.path(), &["run", "--help"]));
    for option in [
        "network",
        "data-dir",
        "config",
        "rpc-addr",
        "listen",
        "alias",
        "bitcoind-rpc",
        "bitcoind-cookie",
        "bitcoind-user",
        "bitcoind-password",
        "fee-base-msat",
        "fee-ppm",
        "cltv-expiry-delta",
        "minimum-depth",
        "min-channel",
        "max-channel",
        "max-commitment-feerate",
        "log-level",
        "log-format",
        "dev-node-key",
        "dev-channel-secrets",
        "dev-fixed-feerate-perkw",
        "dev-estimate-perkw",
        "dev-fast",
    ] {
        let variable = format!("ASTRAPE_{}", option.replace('-', "_").to_uppercase());
        assert!(help.contains(&format!("--{option}")) && help.contains(&variable), "{option}:\n{help}");
    }
}

#[test]
fn completions_know_the_commands() {
    let home = home();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(home.path(), &["completion", shell]);
        assert!(output.status.success());
        assert!(out(&output).contains("listfunds"), "{shell}");
    }
}

#[test]
fn a_node_without_its_seed_does_not_start_as_another() {
    let home = home();
    let dir = home.path().join("data");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("journal.sqlite"), "").unwrap();
    let words = ["--network", "regtest", "--data-dir", dir.to_str().unwrap(), "run", "--listen", "none"];
    let output = run(home.path(), &words);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("24 words"), "{}", err(&output));
    assert!(!dir.join("seed").exists());
}

#[test]
fn what_was_set_by_the_environment_or_a_file_is_told_with_what_has_set_it() {
    let home = home();
    let file = home.path().join("options.toml");
    let file_name = file.to_str().unwrap();
    let mut by_env = astrape(home.path(), &["getinfo"]);
    by_env.env("ASTRAPE_NETWORK", "mars");
    let mut of_run = astrape(home.path(), &["run"]);
    of_run.env("ASTRAPE_FEE_PPM", "many");
    let mut resolved = astrape(home.path(), &["run"]);
    resolved.env("ASTRAPE_ALIAS", "a".repeat(33));
    fs::write(&file, "bitcoind-user = 'u'\n").unwrap();
    let in_file = astrape(home.path(), &["--config", file_name, "run"]);
    let mut elsewhere = astrape(home.path(), &["getinfo"]);
    elsewhere.env("ASTRAPE_DATA_DIR", "/nowhere");
    for (mut command, code, told) in [
        (by_env, 2, "ASTRAPE_NETWORK"),
        (of_run, 2, "ASTRAPE_FEE_PPM"),
        (resolved, 2, "by ASTRAPE_ALIAS"),
        (in_file, 2, file_name),
        (elsewhere, 3, "data-dir is set to /nowhere by ASTRAPE_DATA_DIR"),
    ] {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", err(&output));
        assert!(err(&output).contains(told), "{told}: {}", err(&output));
    }
    // A flag goes first, and is told as it was typed.
    let mut typed = astrape(home.path(), &["--network", "venus", "getinfo"]);
    typed.env("ASTRAPE_NETWORK", "mars");
    let text = err(&typed.output().unwrap());
    assert!(text.contains("--network") && !text.contains("ASTRAPE_NETWORK"), "{text}");
}

#[test]
fn an_option_that_is_there_twice_is_refused_plainly_and_json_is_not() {
    let home = home();
    for words in [
        &["--json", "--json", "run", "--show-config"][..],
        &["--json", "run", "--json", "--show-config", "--json"],
        &["run", "--show-config", "--json", "--json"],
    ] {
        let output = run(home.path(), words);
        assert!(output.status.success(), "{words:?}: {}", err(&output));
        assert!(serde_json::from_slice::<serde_json::Value>(&output.stdout).is_ok(), "{words:?}");
    }
    for (words, option) in [
        (&["run", "--fee-ppm", "1", "--fee-ppm", "2"][..], "--fee-ppm"),
        (&["withdraw", "x", "1k", "--spend-reserve", "--spend-reserve"], "--spend-reserve"),
        (&["pay", "x", "--timeout", "1", "--timeout", "1"], "--timeout"),
    ] {
        let output = run(home.path(), words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        let told = err(&output);
        assert!(told.contains(option) && told.contains("is there more than once: give it once"), "{told}");
        assert!(!told.contains("Usage"), "{told}");
    }
}

#[test]
fn all_options_are_shown_with_their_values_and_where_each_is_from() {
    let home = home();
    let file = home.path().join("options.toml");
    fs::write(&file, "fee-ppm = 7\nbitcoind-password = 'hunter2'\n").unwrap();
    let mut command =
        astrape(home.path(), &["--network", "signet", "--config", file.to_str().unwrap(), "run"]);
    command.env("ASTRAPE_BITCOIND_USER", "u").args(["--show-config", "--alias", "tea"]);
    let text = out(&command.output().unwrap());
    let has = |option: &str, words: &[&str]| {
        let line = text.lines().find(|line| line.split_whitespace().next() == Some(option));
        let line = line.unwrap_or_else(|| panic!("{option}: {text}"));
        assert!(words.iter().all(|word| line.contains(word)), "{words:?}: {line}");
    };
    has("alias", &["tea", "flag --alias"]);
    has("network", &["signet", "flag --network"]);
    has("bitcoind-user", &["environment ASTRAPE_BITCOIND_USER"]);
    has("bitcoind-password", &["(not shown)", "file ", "options.toml"]);
    has("fee-ppm", &["7", "file ", "options.toml"]);
    has("fee-base-msat", &["1000", "default"]);
    has("listen", &["0.0.0.0:39735", "default"]);
    has("minimum-depth", &["(3 to 6, by the amount)", "default"]);
    has("data-dir", &[".astrape/signet", "default"]);
    has("dev-node-key", &["(none)", "default"]);
    assert!(!text.contains("hunter2"), "{text}");
}

//! Whoever is told to call a command finds it: in messages, in the README, in the documents.

use astrape_daemon::cli::Cli;
use clap::CommandFactory as _;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// All files below a directory.
fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// The words that follow the program's name where a text has it as a command: between backquotes, or in a line of an example.
fn commands(text: &str) -> Vec<String> {
    let example = |line: &str| line.strip_prefix("    astrape ").map(str::to_owned);
    let quoted = text.split("`astrape ").skip(1).map(str::to_owned);
    let word = |rest: String| {
        rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect::<String>()
    };
    let words = quoted.chain(text.lines().filter_map(example)).map(word);
    words.filter(|word| !word.is_empty() && !word.starts_with('-')).collect()
}

#[test]
fn every_command_that_a_text_names_is_there() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.join("../..");
    let mut paths = vec![root.join("README.md"), root.join("CHANGELOG.md"), root.join("SECURITY.md")];
    files(&here.join("src"), &mut paths);
    files(&here.join("../api/proto"), &mut paths);
    files(&root.join("docs"), &mut paths);
    let mut named: BTreeMap<String, PathBuf> = BTreeMap::new();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        named.extend(commands(&text).into_iter().map(|word| (word, path.clone())));
    }
    assert!(named.len() > 15, "they are found: {named:?}");
    let known = Cli::command();
    let is_known = |word: &str| known.get_subcommands().any(|command| command.get_name() == word);
    let unknown: Vec<_> = named.iter().filter(|(word, _)| !is_known(word)).collect();
    assert!(unknown.is_empty(), "there are no such commands: {unknown:?}");
}

#[test]
fn a_command_is_found_in_messages_and_in_examples() {
    let text =
        "see `astrape payments` or `astrape {}`\n    astrape open ID 500k\nastrape is `astrape --help`";
    assert_eq!(commands(text), ["payments", "open"]);
}

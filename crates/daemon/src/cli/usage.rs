//! What is wrong with a command line, told to people and to programs.

use super::exit::{Failure, USAGE};
use super::fields::{option_named, variable_of};
use crate::config::secrets::without_secrets;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::ffi::OsString;
use std::process::ExitCode;

/// Most characters of a wrong argument that an error repeats.
const MAX_REPEATED: usize = 100;

/// Whether a program asks, who wants JSON: known also where the rest of the command line is not understood.
pub(super) fn wants_json(argv: &[OsString]) -> bool {
    argv.iter().skip(1).take_while(|word| *word != "--").any(|word| word == "--json")
}

/// Tells an error of the command line and gives the exit code. Help and version are such errors too: they are for people, go to
/// standard output and end well.
pub(super) fn report(error: clap::Error, argv: &[OsString], as_json: bool) -> ExitCode {
    let error = without_long_values(by_its_source(without_secrets(error), argv));
    if let Some(words) = given_twice(&error) {
        return Failure::Usage(words).report(as_json);
    }
    if as_json && error.use_stderr() {
        return Failure::Usage(words(&error)).report(true);
    }
    // Who has closed the stream does not read it.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE))
}

/// An error names the variable of the environment that is wrong, where the option was not typed.
fn by_its_source(mut error: clap::Error, argv: &[OsString]) -> clap::Error {
    let words: Vec<String> = argv.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let named = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(text)) => text.clone(),
        _ => return error,
    };
    let variable = option_named(&named).and_then(|option| variable_of(option, &words));
    if let Some(variable) = variable {
        let told = format!("{variable} (the environment's {named})");
        error.insert(ContextKind::InvalidArg, ContextValue::String(told));
    }
    error
}

/// What is said of an option that stands there more than once: of two values none is better than the other.
fn given_twice(error: &clap::Error) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        Some(ContextValue::Strings(texts)) => texts.first().map(String::as_str),
        _ => None,
    };
    let (option, before) = text(ContextKind::InvalidArg).zip(text(ContextKind::PriorArg))?;
    let is_twice = error.kind() == ErrorKind::ArgumentConflict && option == before;
    is_twice.then(|| format!("{option} is there more than once: give it once"))
}

/// As much of what was written as a person would read.
pub(super) fn shortened(text: &str) -> String {
    let cut: String = text.chars().take(MAX_REPEATED).collect();
    if cut.len() < text.len() { cut + "…" } else { cut }
}

/// An error repeats what was written, but no more of it than a person would read.
fn without_long_values(mut error: clap::Error) -> clap::Error {
    for kind in [ContextKind::InvalidValue, ContextKind::InvalidArg, ContextKind::InvalidSubcommand] {
        let cut = match error.get(kind) {
            Some(ContextValue::String(text)) if text.len() > MAX_REPEATED => shortened(text),
            _ => continue,
        };
        error.insert(kind, ContextValue::String(cut));
    }
    error
}

/// What is wrong, in one line, without the usage that follows it for people.
fn words(error: &clap::Error) -> String {
    let text = error.to_string();
    let ends = |line: &&str| !line.starts_with("Usage:") && !line.starts_with("For more information");
    let told: Vec<&str> = text.lines().take_while(ends).flat_map(str::split_whitespace).collect();
    let told = told.join(" ");
    told.strip_prefix("error: ").unwrap_or(&told).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(words: &[&str]) -> bool {
        wants_json(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn json_is_asked_for_before_the_command_or_after_it_but_not_by_a_text() {
        assert!(wants(&["astrape", "--json", "getinfo"]) && wants(&["astrape", "fly", "--json"]));
        for words in [&["astrape"][..], &["--json"], &["astrape", "invoice", "any", "--", "--json"]] {
            assert!(!wants(words), "{words:?}");
        }
    }

    #[test]
    fn a_program_is_told_what_is_wrong_without_the_usage() {
        for (line, told) in [
            (&["astrape", "fly"][..], "unrecognized subcommand 'fly'"),
            (&["astrape", "invoice"], "the following required arguments were not provided: <AMOUNT>"),
            (&["astrape", "open", "02", "5k"], "ID@HOST:PORT"),
        ] {
            let words = words(&crate::cli::command().try_get_matches_from(line).expect_err("wrong"));
            assert!(words.contains(told) && !words.contains("Usage") && !words.contains('\n'), "{words}");
        }
    }
}

//! Tables for people, JSON for programs.

use super::exit::Failure;
use crate::config::shown::{self, Shown};
use crate::config::{Invocation, Settings};
use crate::render;
use serde::Serialize;
use std::io::{self, Write as _};

/// Prints an answer in the form that was asked for.
pub(crate) fn show<T: Serialize>(
    json: bool,
    answer: &T,
    people: impl FnOnce(&T) -> String,
) -> Result<(), Failure> {
    if json {
        let text = serde_json::to_string_pretty(answer).map_err(|e| Failure::Refused(e.to_string()))?;
        return print(&text);
    }
    print(&people(answer))
}

/// Prints one line of many, for programs on a line of its own.
pub(crate) fn show_line<T: Serialize>(
    json: bool,
    answer: &T,
    people: impl FnOnce(&T) -> String,
) -> Result<(), Failure> {
    if json {
        let text = serde_json::to_string(answer).map_err(|e| Failure::Refused(e.to_string()))?;
        return print(&text);
    }
    print(&people(answer))
}

/// Prints a text and ends its line. A reader that has gone away, as `head` does, is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Refused(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Shows the options in force.
pub(crate) fn config(invocation: &Invocation, settings: &Settings) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Line<'a> {
        option: &'a str,
        value: Option<&'a str>,
        from: &'a str,
    }
    let shown = shown::all(invocation, settings);
    let lines: Vec<Line<'_>> = shown
        .iter()
        .map(|of| Line { option: &of.option, value: of.value.as_deref(), from: &of.from })
        .collect();
    show(invocation.cli.json, &lines, |_| {
        let value = |of: &Shown| of.value.clone().unwrap_or_else(|| format!("({})", of.without));
        let rows = shown.iter().map(|of| vec![of.option.clone(), value(of), of.from_in_words()]);
        render::table::table(&["option", "value", "from"], &[], rows.collect())
    })
}

/// Shows people that something takes its time; a program that reads standard error sees nothing of it.
pub(super) fn waiting(what: &'static str) -> indicatif::ProgressBar {
    let spinner = indicatif::ProgressBar::new_spinner().with_message(what);
    spinner.enable_steady_tick(std::time::Duration::from_millis(200));
    spinner
}

//! Tables for people, JSON for programs.

use super::exit::Failure;
use crate::config::Invocation;
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
pub(crate) fn config(invocation: &Invocation) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Line<'a> {
        option: &'a str,
        value: &'a str,
        from: &'a str,
    }
    let place = &invocation.place;
    let (data_dir, rpc) = (place.data_dir.display().to_string(), place.rpc_to_offer().to_string());
    let found = [("network", place.network.name()), ("data-dir", &data_dir), ("rpc-addr", &rpc)];
    let given = |name: &str| invocation.sources.iter().any(|source| source.name == name);
    let mut lines: Vec<Line<'_>> = invocation
        .sources
        .iter()
        .map(|source| Line { option: &source.name, value: &source.value, from: &source.from })
        .collect();
    let missing = found.iter().filter(|(name, _)| !given(name));
    lines.extend(missing.map(|(option, value)| Line { option, value, from: "default" }));
    lines.sort_by_key(|line| line.option);
    show(invocation.cli.json, &lines, |lines| {
        let rows = lines.iter().map(|line| [line.option, line.value, line.from].map(str::to_owned).to_vec());
        render::table::table(&["option", "value", "from"], &[], rows.collect())
    })
}

/// Shows people that something takes its time; a program that reads standard error sees nothing of it.
pub(super) fn waiting(what: &'static str) -> indicatif::ProgressBar {
    let spinner = indicatif::ProgressBar::new_spinner().with_message(what);
    spinner.enable_steady_tick(std::time::Duration::from_millis(200));
    spinner
}

//! How the node logs: to standard error, filtered. What peers wrote is escaped where it is logged
//! ([`astrape_wire::text::printable`]).

use core::fmt;
use core::str::FromStr;
use tracing_subscriber::EnvFilter;

/// What is logged when nothing is chosen.
const DEFAULT: &str = "info";

/// Which events are logged: a level, or a filter by crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter(String);

impl Default for LogFilter {
    fn default() -> Self {
        Self(DEFAULT.to_owned())
    }
}

impl LogFilter {
    /// Only what must not go wrong: beside a story that is told on the same terminal.
    #[must_use]
    pub fn errors() -> Self {
        Self("error".to_owned())
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for LogFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_level = |word: &str| ["off", "error", "warn", "info", "debug", "trace"].contains(&word);
        // A single word that is no level would be read as the name of a crate, and would silence all others.
        let is_filter = text.split(',').all(|part| is_level(part.rsplit('=').next().unwrap_or(part)));
        if !is_filter || EnvFilter::try_new(text).is_err() {
            return Err(
                "a level is error, warn, info, debug or trace; a filter is like info,astrape_chain=debug"
                    .into(),
            );
        }
        Ok(Self(text.to_owned()))
    }
}

/// The form of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs: an object a line.
    Json,
}

/// Starts logging. Called once; later calls change nothing.
pub fn init(filter: &LogFilter, format: LogFormat) {
    let filter = EnvFilter::try_new(&filter.0).unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Fails only where a logger is there already, as in tests.
    let _ = match format {
        LogFormat::Text => logs.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_level_or_names_levels() {
        for good in ["info", "off", "info,astrape_chain=debug", "astrape_node=trace"] {
            assert!(good.parse::<LogFilter>().is_ok(), "{good}");
        }
        for bad in ["", "verbose", "info,", "astrape_chain", "astrape_chain=loud", "5"] {
            assert!(bad.parse::<LogFilter>().is_err(), "{bad}");
        }
    }
}

//! `astrape.toml`: a line `option = value` for each option, by the names that `astrape run --help` shows.

use super::ConfigError;
use super::options::NOT_IN_FILE;
use super::secrets::without_secrets;
use clap::{ArgAction, Command};
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// The file, in the data directory.
pub const FILE: &str = "astrape.toml";

/// Most bytes that are read of it.
const MAX_FILE: u64 = 1 << 20;

/// A file with options: each is known and has a value that the option takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptionFile {
    /// Where it is; `None` where there is none.
    pub path: Option<PathBuf>,
    entries: Vec<(String, Vec<String>)>,
}

impl OptionFile {
    /// Reads a file. `known` has all options as arguments.
    ///
    /// # Errors
    /// When it cannot be read, is no TOML, has a key that is no option, or a value that the option does not take.
    pub fn read(path: &Path, known: &Command) -> Result<Self, ConfigError> {
        let failed = |why: String| ConfigError::refused(format!("{}: {why}", path.display()));
        let size = std::fs::metadata(path).map_err(|e| failed(e.to_string()))?.len();
        if size > MAX_FILE {
            return Err(failed(format!(
                "a file with options has at most {MAX_FILE} bytes, and this has {size}"
            )));
        }
        let text = std::fs::read_to_string(path).map_err(|e| failed(e.to_string()))?;
        let mut file = Self::parse(&text, known).map_err(failed)?;
        file.path = Some(path.to_owned());
        Ok(file)
    }

    fn parse(text: &str, known: &Command) -> Result<Self, String> {
        let table: Table = text.parse().map_err(|error| no_toml(text, &error))?;
        let mut entries = Vec::new();
        for (key, value) in &table {
            let words = arguments(key, value, known).map_err(|why| format!("`{key}`: {why}"))?;
            check(&words, known).map_err(|why| format!("`{key}`: {why}"))?;
            entries.push((key.clone(), words));
        }
        Ok(Self { path: None, entries })
    }

    /// The value of an option, if the file has it once.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let (_, words) = self.entries.iter().find(|(name, _)| name == key)?;
        words.first()?.split_once('=').map(|(_, value)| value)
    }

    /// What the file says, as words of a command line, without the options in `given`.
    pub fn words<'a>(&'a self, given: &'a [String]) -> impl Iterator<Item = &'a String> {
        self.entries.iter().filter(|(key, _)| !given.contains(key)).flat_map(|(_, words)| words)
    }

    /// Its keys.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(key, _)| key.as_str())
    }
}

/// An entry as words of a command line.
fn arguments(key: &str, value: &Value, known: &Command) -> Result<Vec<String>, String> {
    let option = known.get_arguments().find(|arg| arg.get_long() == Some(key) && !NOT_IN_FILE.contains(&key));
    let Some(option) = option else {
        return Err(unknown(key, known));
    };
    if matches!(option.get_action(), ArgAction::SetTrue) {
        return match value {
            Value::Boolean(true) => Ok(vec![format!("--{key}")]),
            Value::Boolean(false) => Ok(Vec::new()),
            _ => Err("write true or false".to_owned()),
        };
    }
    let values = match (value, option.get_action()) {
        (Value::Array(values), ArgAction::Append) if !values.is_empty() => values.as_slice(),
        (single, _) => core::slice::from_ref(single),
    };
    values.iter().map(|value| Ok(format!("--{key}={}", word(value)?))).collect()
}

fn word(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        other => Err(format!("it takes a text or a number, and not a value of type {}", other.type_str())),
    }
}

/// Whether the option takes the value, by the same definition as on the command line.
fn check(words: &[String], known: &Command) -> Result<(), String> {
    let argv = core::iter::once("astrape").chain(words.iter().map(String::as_str));
    let Err(error) = known.clone().try_get_matches_from(argv) else {
        return Ok(());
    };
    let text = without_secrets(error).to_string();
    let line = text.lines().next().unwrap_or_default();
    Err(line.strip_prefix("error: ").unwrap_or(line).to_owned())
}

/// What is wrong with a text that is no TOML, and in which line. The line itself is not shown: there may be a password in it.
fn no_toml(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    format!("line {}: {}", before.matches('\n').count() + 1, error.message())
}

fn unknown(key: &str, known: &Command) -> String {
    let names =
        known.get_arguments().filter_map(clap::Arg::get_long).filter(|name| !NOT_IN_FILE.contains(name));
    let tidy = key.replace('_', "-");
    let nearest = names.map(|name| (distance(&tidy, name), name)).min();
    match nearest {
        Some((far, name)) if far <= key.len() / 3 + 1 => {
            format!("there is no such option; did you mean `{name}`?")
        }
        _ => "there is no such option: `astrape run --help` shows all".to_owned(),
    }
}

/// Insertions, deletions and replacements that make one name of the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = core::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read::all_options;

    fn refusal(text: &str) -> String {
        OptionFile::parse(text, &all_options()).expect_err(text)
    }

    #[test]
    fn a_file_says_what_flags_say() {
        let text = "network = 'regtest'\nlisten = ['127.0.0.1:1', '[::1]:2']\nfee-ppm = 7\ndev-fast = true\n";
        let file = OptionFile::parse(text, &all_options()).expect("options");
        let given = ["network".to_owned()];
        let words: Vec<&String> = file.words(&given).collect();
        assert_eq!(words, ["--dev-fast", "--fee-ppm=7", "--listen=127.0.0.1:1", "--listen=[::1]:2"]);
        assert_eq!(file.get("network"), Some("regtest"));
        assert_eq!(file.get("alias"), None);
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_known_name() {
        assert!(refusal("fee-pmm = 1").contains("did you mean `fee-ppm`?"));
        assert!(refusal("minimum_depth = 1").contains("did you mean `minimum-depth`?"));
        assert!(refusal("data_dirr = 'x'").contains("did you mean `data-dir`?"));
        assert!(refusal("quantum = 1").contains("astrape run --help"));
        assert!(refusal("config = 'x'").contains("no such option"));
        assert!(refusal("[bitcoind]\nrpc = 'x'").contains("`bitcoind`"));
    }

    #[test]
    fn a_bad_value_is_named_with_its_key() {
        for text in [
            "fee-ppm = -1",
            "fee-ppm = 'many'",
            "fee-ppm = 4294967296",
            "fee-ppm = 1.5",
            "fee-ppm = [1, 2]",
            "minimum-depth = 0",
            "network = 'mars'",
            "listen = ['localhost:1']",
            "listen = []",
            "listen = [['127.0.0.1:1']]",
            "log-format = 'xml'",
            "log-level = 'loud'",
            "dev-fast = 1",
            "dev-fast = 'yes'",
            "bitcoind-rpc = 'here'",
            "dev-node-key = 'aa'",
            "alias = 2024-01-01",
        ] {
            let key = text.split(' ').next().expect("a key");
            assert!(refusal(text).contains(&format!("`{key}`")), "{text}");
        }
    }

    #[test]
    fn what_is_no_toml_is_refused_with_its_line() {
        assert!(refusal("alias = 'x'\nalias = 'y'").contains("line 2"));
        assert!(refusal("alias").contains("line 1"));
    }

    #[test]
    fn a_secret_that_is_refused_is_not_shown() {
        let secret = "5eC".repeat(21);
        for option in ["dev-node-key", "dev-channel-secrets", "bitcoind-password"] {
            for text in [format!("{option} = '{secret}"), format!("{option} = {secret}")] {
                assert!(!refusal(&text).contains(&secret), "{}", refusal(&text));
            }
        }
        let refused = refusal(&format!("dev-node-key = '{secret}'"));
        assert!(!refused.contains(&secret) && refused.contains("64 hexadecimal digits"), "{refused}");
    }
}

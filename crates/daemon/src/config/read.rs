//! The three sources as one: flags, else environment, else file. Defaults are in [`super::settings`].

use super::file::{FILE, OptionFile};
use super::options::{NOT_IN_FILE, SECRET};
use super::place::{default_data_dir, home};
use super::values::{ApiAt, NetworkName};
use super::{ConfigError, Place, PlaceOptions, RunOptions};
use crate::cli::{Action, Cli, command};
use astrape_primitives::Network;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args as _, Command, FromArgMatches as _};
use std::ffi::OsString;
use std::path::PathBuf;

/// A command line with all that the other sources add to it.
#[derive(Debug)]
pub struct Invocation {
    /// What is to be done.
    pub cli: Cli,
    /// By or with which node.
    pub place: Place,
    /// The names of the command, and of its part if it has parts.
    pub command: Vec<String>,
    /// The options that say which node, with where each is from that is given.
    pub place_sources: Vec<Sourced>,
    /// Every option of `run` that has a value, with where it is from.
    pub sources: Vec<Sourced>,
}

/// An option and where its value is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sourced {
    /// The option.
    pub name: String,
    /// Its value, unless it is a secret.
    pub value: String,
    /// Flag, variable or file.
    pub from: String,
}

impl Sourced {
    /// Whether it was typed.
    #[must_use]
    pub fn is_flag(&self) -> bool {
        self.from.starts_with("--")
    }
}

/// Reads the command line, the environment and the file, for a command that concerns a node.
///
/// # Errors
/// When one of them is not understood. Asking for help is such an error too, of `clap`'s own kind.
pub fn read(argv: impl IntoIterator<Item = OsString>) -> Result<Invocation, ConfigError> {
    let mut argv: Vec<OsString> = argv.into_iter().collect();
    let mut matches = command().try_get_matches_from(&argv)?;
    let (place, file) = find_place(&PlaceOptions::from_arg_matches(&matches)?)?;
    let mut from_file = Vec::new();
    if let Some(("run", run)) = matches.subcommand() {
        let given: Vec<String> = file.keys().filter(|key| is_given(run, key)).map(str::to_owned).collect();
        from_file.extend(file.keys().filter(|key| !is_given(run, key)).map(str::to_owned));
        argv.extend(file.words(&given).map(OsString::from));
        matches = command().try_get_matches_from(&argv)?;
    }
    let cli = Cli::from_arg_matches(&matches)?;
    let sources = match (&cli.action, matches.subcommand()) {
        (Action::Run(_), Some((_, run))) => sources(run, &from_file, &file),
        _ => Vec::new(),
    };
    let (command, place_sources) = (path_of(&matches), place_sources(&matches, &file));
    Ok(Invocation { cli, place, command, place_sources, sources })
}

/// The names of the command that is asked for, and of its part.
fn path_of(matches: &ArgMatches) -> Vec<String> {
    let parts = core::iter::successors(matches.subcommand(), |(_, of)| of.subcommand());
    parts.map(|(name, _)| name.to_owned()).collect()
}

/// The options that say which node, as far as they are given.
fn place_sources(matches: &ArgMatches, file: &OptionFile) -> Vec<Sourced> {
    let known = PlaceOptions::augment_args(Command::new("astrape"));
    let given = |arg: &Arg| {
        let name = arg.get_long()?;
        let raw =
            || matches.get_raw(&id_of(name)).into_iter().flatten().map(|v| v.to_string_lossy()).collect();
        let (value, from) = match matches.value_source(&id_of(name)) {
            Some(ValueSource::EnvVariable) => (raw(), arg.get_env()?.to_string_lossy().into_owned()),
            Some(ValueSource::CommandLine) => (raw(), format!("--{name}")),
            _ => (file.get(name)?.to_owned(), file.path.as_ref()?.display().to_string()),
        };
        Some(Sourced { name: name.to_owned(), value, from })
    };
    known.get_arguments().filter_map(given).collect()
}

/// All options of a node as arguments of one command: what a file may say.
pub(crate) fn all_options() -> Command {
    RunOptions::augment_args(PlaceOptions::augment_args(Command::new("astrape"))).disable_help_flag(true)
}

fn find_place(given: &PlaceOptions) -> Result<(Place, OptionFile), ConfigError> {
    let known = all_options();
    let named = given.config.as_deref().map(|path| OptionFile::read(path, &known)).transpose()?;
    let in_file = |key| named.as_ref().and_then(|file| file.get(key));
    let network = match (given.network, in_file("network")) {
        (Some(NetworkName(network)), _) => network,
        (None, Some(name)) => name.parse::<NetworkName>().map_err(ConfigError::Refused)?.0,
        (None, None) => Network::Bitcoin,
    };
    let data_dir = match (&given.data_dir, in_file("data-dir")) {
        (Some(dir), _) => dir.clone(),
        (None, Some(dir)) => PathBuf::from(dir),
        (None, None) => default_data_dir(network, home().as_deref())?,
    };
    let file = match named {
        Some(file) => file,
        None => own_file(&data_dir.join(FILE), network, &known)?,
    };
    let rpc_addr = match (&given.rpc_addr, file.get("rpc-addr")) {
        (Some(ApiAt(address)), _) => Some(address.clone()),
        (None, Some(text)) => Some(text.parse::<ApiAt>().map_err(ConfigError::Refused)?.0),
        (None, None) => None,
    };
    Ok((Place { network, data_dir, rpc_addr }, file))
}

/// The file in the data directory, which was found by the network and the directory: it cannot change them.
fn own_file(path: &std::path::Path, network: Network, known: &Command) -> Result<OptionFile, ConfigError> {
    if !path.exists() {
        return Ok(OptionFile::default());
    }
    let file = OptionFile::read(path, known)?;
    let refuse = |why: String| Err(ConfigError::refused(format!("{}: {why}", path.display())));
    if file.get("data-dir").is_some() {
        return refuse("`data-dir` cannot stand in the file of a data directory: give --data-dir, or --config with a file elsewhere".into());
    }
    match file.get("network").map(Network::from_name) {
        None => Ok(file),
        Some(said) if said == Some(network) => Ok(file),
        Some(_) => refuse(format!(
            "`network` is another than {network}, by which the file was found: give --network"
        )),
    }
}

fn id_of(key: &str) -> String {
    key.replace('-', "_")
}

fn is_given(run: &ArgMatches, key: &str) -> bool {
    matches!(run.value_source(&id_of(key)), Some(ValueSource::CommandLine | ValueSource::EnvVariable))
}

fn sources(run: &ArgMatches, from_file: &[String], file: &OptionFile) -> Vec<Sourced> {
    let known = all_options();
    let names = known.get_arguments().filter_map(|arg| Some((arg, arg.get_long()?)));
    let mut sources = Vec::new();
    for (arg, name) in names.filter(|(_, name)| !NOT_IN_FILE.contains(name)) {
        let from = match run.value_source(&id_of(name)) {
            Some(ValueSource::EnvVariable) => {
                arg.get_env().map(|var| var.to_string_lossy().into_owned()).unwrap_or_default()
            }
            Some(ValueSource::CommandLine) if from_file.iter().any(|key| key == name) => {
                file.path.as_ref().map(|path| path.display().to_string()).unwrap_or_default()
            }
            Some(ValueSource::CommandLine) => format!("--{name}"),
            _ => continue,
        };
        let raw = run.get_raw(&id_of(name)).into_iter().flatten().map(|v| v.to_string_lossy());
        let value: Vec<_> = raw.collect();
        let value = match value[..] {
            _ if SECRET.contains(&name) => "(not shown)".to_owned(),
            [] => "true".to_owned(),
            _ => value.join(","),
        };
        sources.push(Sourced { name: name.to_owned(), value, from });
    }
    sources
}

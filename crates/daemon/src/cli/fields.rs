//! What a node refuses names fields of the API. People are told the option or argument that they typed instead, and where it
//! was not typed, what has set it.

use super::Action;
use super::exit::Failure;
use super::usage::shortened;
use crate::config::{Invocation, Sourced};
use clap::{Arg, Command};

/// Fields whose arguments are called otherwise, by the command.
const OTHER_NAMES: [(&str, &str, &str); 16] = [
    ("close", "address", "to"),
    ("connect", "address", "peer"),
    ("connect", "node_id", "peer"),
    ("disconnect", "node_id", "peer"),
    ("open", "address", "peer"),
    ("open", "format", "channel_type"),
    ("open", "node_id", "peer"),
    ("pay", "custom_records", "records"),
    ("pay", "node_id", "invoice"),
    ("probe", "invoice", "dest"),
    ("probe", "node_id", "dest"),
    ("route", "node_id", "invoice"),
    ("setchannel", "fee_proportional_millionths", "fee_ppm"),
    ("setchannel", "htlc_maximum_msat", "htlc_max"),
    ("setchannel", "htlc_minimum_msat", "htlc_min"),
    ("setchannel", "inbound_proportional_millionths", "inbound_ppm"),
];

/// Units in which fields end, and arguments do not.
const UNITS: [&str; 3] = ["_sat", "_msat", "_secs"];

/// A failure in the words of the command line: one that begins with the name of a field begins with that of its argument.
pub(super) fn in_words_of(invocation: &Invocation, failure: Failure) -> Failure {
    let Failure::Refused(words) = failure else { return failure };
    let typed = words.split_once(": ").and_then(|(field, why)| {
        let name = argument_of(&invocation.command, &invocation.cli.action, field)?;
        Some(format!("{name}: {why}"))
    });
    Failure::Refused(typed.unwrap_or(words))
}

/// What the argument of a field is called where the command is told of it.
fn argument_of(path: &[String], action: &Action, field: &str) -> Option<String> {
    let command = path.iter().try_fold(super::command(), |command, name| {
        command.get_subcommands().find(|sub| sub.get_name() == name).cloned()
    })?;
    let name = path.first()?;
    let other = OTHER_NAMES.iter().find(|(of, from, _)| of == name && *from == field).map(|(_, _, id)| *id);
    let feerate = (field == "feerate_perkw" && is_in_sat_per_vb(action)).then_some("feerate");
    let short = || UNITS.iter().find_map(|unit| field.strip_suffix(unit));
    let by_id = |id: &str| command.get_arguments().find(|arg| arg.get_id() == id).map(typed);
    feerate.or(other).and_then(by_id).or_else(|| by_id(field)).or_else(|| by_id(short()?))
}

/// Whether the feerate was not given as the API has it.
fn is_in_sat_per_vb(action: &Action) -> bool {
    let fees = match action {
        Action::Withdraw(withdraw) => withdraw.fees,
        Action::Bumpfee(bump) => bump.fees,
        Action::Recover(recover) => recover.fees,
        Action::Open(open) => open.fees,
        _ => return false,
    };
    fees.feerate_perkw.is_none()
}

/// An argument as it is typed: `--max-fee`, or `<AMOUNT>` for one that has only its place.
fn typed(arg: &Arg) -> String {
    match (arg.get_long(), arg.get_value_names()) {
        (Some(long), _) => format!("--{long}"),
        (None, Some([name, ..])) => format!("<{name}>"),
        (None, _) => format!("<{}>", arg.get_id().as_str().to_uppercase()),
    }
}

/// What is told of options that nobody has typed: what has set them. Empty where all were typed or are left at their defaults.
pub(super) fn set_elsewhere<'s>(sources: impl IntoIterator<Item = &'s Sourced>) -> String {
    let elsewhere = sources.into_iter().filter(|source| !source.is_flag());
    let told: Vec<String> = elsewhere
        .map(|source| format!("{} is set to {} by {}", source.name, shortened(&source.value), source.from))
        .collect();
    if told.is_empty() { String::new() } else { format!(" ({})", told.join("; ")) }
}

/// Those of the options that a text speaks of.
pub(super) fn named_in<'s>(words: &str, sources: &'s [Sourced]) -> impl Iterator<Item = &'s Sourced> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let names: Vec<String> =
        words.split(|c| !is_of_name(c)).map(|name| name.trim_start_matches('-').to_owned()).collect();
    sources.iter().filter(move |source| names.contains(&source.name))
}

/// The argument of a command line that an error of `clap` names, as `--network <NETWORK>`.
pub(super) fn option_named(text: &str) -> Option<&str> {
    text.strip_prefix("--")?.split([' ', '=', '[']).next()
}

/// The variable of the environment that has set an option, where no word of the command line did.
pub(super) fn variable_of(option: &str, words: &[String]) -> Option<String> {
    let flag = format!("--{option}");
    let is_flag = |word: &String| *word == flag || word.starts_with(&format!("{flag}="));
    if words.iter().take_while(|word| *word != "--").any(is_flag) {
        return None;
    }
    let in_command = |command: &Command| {
        let arg = command.get_arguments().find(|arg| arg.get_long() == Some(option))?;
        Some(arg.get_env()?.to_string_lossy().into_owned())
    };
    let all = super::command();
    let variable = in_command(&all).or_else(|| all.get_subcommands().find_map(in_command))?;
    std::env::var_os(&variable).map(|_| variable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    fn told(line: &[&str], field: &str) -> Option<String> {
        let words = core::iter::once(&"astrape").chain(line);
        let action = crate::cli::Cli::try_parse_from(words).expect("a command line").action;
        let path: Vec<String> = match &action {
            Action::Graph { .. } => line.iter().take(2).map(|word| (*word).to_owned()).collect(),
            _ => vec![line[0].to_owned()],
        };
        argument_of(&path, &action, field)
    }

    #[test]
    fn a_field_has_the_name_of_what_was_typed() {
        const NODE: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
        for (line, field, name) in [
            (&["pay", "x"][..], "amount_msat", "--amount"),
            (&["pay", "x"], "invoice", "<INVOICE>"),
            (&["pay", "x"], "node_id", "<INVOICE>"),
            (&["pay", "x"], "custom_records", "--record"),
            (&["pay", "x"], "max_fee_msat", "--max-fee"),
            (&["pay", "x"], "timeout_secs", "--timeout"),
            (&["probe", "x"], "invoice", "<DEST>"),
            (&["probe", "x"], "amount_msat", "<AMOUNT>"),
            (&["invoice", "1", "tea"], "expiry_secs", "--expiry"),
            (&["invoice", "1", "tea"], "amount_msat", "<AMOUNT>"),
            (&["withdraw", "x", "1"], "amount_sat", "<AMOUNT>"),
            (&["withdraw", "x", "1"], "address", "<ADDRESS>"),
            (&["withdraw", "x", "1", "--feerate", "5"], "feerate_perkw", "--feerate"),
            (&["withdraw", "x", "1", "--feerate-perkw", "500"], "feerate_perkw", "--feerate-perkw"),
            (&["open", NODE, "1k"], "push_msat", "--push"),
            (&["open", NODE, "1k"], "node_id", "<PEER>"),
            (&["bumpfee", "x"], "txid", "<TRANSACTION>"),
            (&["close", "x"], "address", "--to"),
            (&["close", "x"], "channel", "<CHANNEL>"),
            (&["forwards", "--channel", "x"], "channel", "--channel"),
            (&["setchannel", "x"], "htlc_maximum_msat", "--htlc-max"),
            (&["graph", "node", "x"], "node_id", "<NODE_ID>"),
            (&["stats"], "period_secs", "--period"),
        ] {
            assert_eq!(told(line, field).as_deref(), Some(name), "{line:?} {field}");
        }
        assert_eq!(told(&["pay", "x"], "the channel was not opened"), None, "no field");
    }

    #[test]
    fn what_has_set_an_option_is_told_where_it_was_not_typed() {
        let source =
            |name: &str, from: &str| Sourced { name: name.into(), value: "x".into(), from: from.into() };
        let all = [
            source("alias", "ASTRAPE_ALIAS"),
            source("color", "--color"),
            source("fee-ppm", "/a/astrape.toml"),
        ];
        assert_eq!(
            set_elsewhere(&all),
            " (alias is set to x by ASTRAPE_ALIAS; fee-ppm is set to x by /a/astrape.toml)"
        );
        assert_eq!(set_elsewhere(&all[1..2]), "");
        let named: Vec<&str> =
            named_in("color: fee-ppm is", &all).map(|source| source.name.as_str()).collect();
        assert_eq!(named, ["color", "fee-ppm"]);
        assert_eq!(named_in("fee-ppm-more", &all).count(), 0);
    }
}

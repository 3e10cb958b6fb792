//! All options in force, each with where its value is from: what `astrape run --show-config` tells.

use super::file::FILE;
use super::log::LogFormat;
use super::options::NOT_IN_FILE;
use super::read::all_options;
use super::{Invocation, Settings};
use astrape_chain::Auth;
use astrape_payment::background::DEFAULT_HTLCS_PER_HOUR;

/// An option in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its name.
    pub option: String,
    /// Its value; `None` where it has none.
    pub value: Option<String>,
    /// What happens where it has none, in words.
    pub without: &'static str,
    /// Where that is from: a flag, a variable of the environment, a file, or `default`.
    pub from: String,
}

impl Shown {
    /// What kind of source that is, for people.
    #[must_use]
    pub fn from_in_words(&self) -> String {
        match self.from.as_str() {
            "default" => self.from.clone(),
            flag if flag.starts_with("--") => format!("flag {flag}"),
            variable if variable.starts_with("ASTRAPE_") => format!("environment {variable}"),
            file => format!("file {file}"),
        }
    }
}

/// Every option of `run` and of which node it is, by name.
#[must_use]
pub fn all(invocation: &Invocation, settings: &Settings) -> Vec<Shown> {
    let known = all_options();
    let asked_now = |name: &&str| *name == "config" || !NOT_IN_FILE.contains(name);
    let names = known.get_arguments().filter_map(clap::Arg::get_long).filter(asked_now);
    let given = |name: &str| {
        let mut all = invocation.sources.iter().chain(&invocation.place_sources);
        all.find(|source| source.name == name)
    };
    let show = |name: &str| match given(name) {
        Some(source) => Shown {
            option: name.to_owned(),
            value: Some(source.value.clone()),
            without: "",
            from: source.from.clone(),
        },
        None => {
            let (value, without) = default_of(name, settings);
            Shown { option: name.to_owned(), value, without, from: "default".to_owned() }
        }
    };
    let mut shown: Vec<Shown> = names.map(show).collect();
    shown.sort_by(|a, b| a.option.cmp(&b.option));
    shown
}

/// What an option is that nobody has given: its value, or what happens without one.
fn default_of(name: &str, settings: &Settings) -> (Option<String>, &'static str) {
    let (place, relay, bitcoind) = (&settings.place, &settings.relay, &settings.bitcoind);
    let value = match name {
        "network" => place.network.name().to_owned(),
        "data-dir" => place.data_dir.display().to_string(),
        "config" => {
            let own = place.data_dir.join(FILE);
            if !own.exists() {
                return (None, "none: there is no astrape.toml in the data directory");
            }
            own.display().to_string()
        }
        "rpc-addr" => place.rpc_to_offer().to_string(),
        "listen" => settings.listen.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        "alias" => return (None, "astrape- and the beginning of the node's id"),
        "announce" => return (None, "nowhere"),
        "color" => hex::encode(settings.color),
        "dns-seeds" => match settings.dns_seeds.as_deref() {
            None => "none".to_owned(),
            Some([]) => return (None, "no seed, only nodes of the network"),
            Some(names) => names.join(","),
        },
        "bitcoind-rpc" => bitcoind.address.clone(),
        "bitcoind-cookie" => match &bitcoind.auth {
            Auth::Cookie(path) => path.display().to_string(),
            Auth::UserPassword { .. } => return (None, "none: there are a user and a password"),
        },
        "bitcoind-user" | "bitcoind-password" => return (None, "none: the cookie is used"),
        "wallet-birthday" => {
            return (None, "where the chain is at the first start, or Astrape's first block for older words");
        }
        "fee-base-msat" => relay.fee_base.0.to_string(),
        "fee-ppm" => relay.fee_proportional_millionths.to_string(),
        "cltv-expiry-delta" => relay.cltv_expiry_delta.0.to_string(),
        "no-keysend" => (!settings.accept_keysend).to_string(),
        "intercept" => "none".to_owned(),
        "intercept-timeout" => format!("{}s", settings.intercept_secs),
        "probe-interval" => return (None, "never"),
        "probes-per-hour" => DEFAULT_HTLCS_PER_HOUR.to_string(),
        "minimum-depth" => return (None, "3 to 6, by the amount"),
        "min-channel" => format!("{}sat", settings.min_channel.0),
        "max-channel" => format!("{}sat", settings.max_channel.0),
        "max-commitment-feerate" => format!("{}perkw", settings.max_commitment_feerate.0),
        "log-level" => settings.log_filter.to_string(),
        "log-format" => match settings.log_format {
            LogFormat::Text => "text".to_owned(),
            LogFormat::Json => "json".to_owned(),
        },
        "dev-fast" => settings.developer.fast.to_string(),
        _ => return (None, "none"),
    };
    (Some(value), "")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::cli::Action;
    use std::ffi::OsString;

    /// What is shown on regtest, with these words behind `run`.
    fn shown(words: &[&str]) -> Vec<Shown> {
        let line = ["astrape", "--network=regtest", "--data-dir=/nowhere", "run"].iter().chain(words);
        let invocation = super::super::read(line.map(OsString::from)).unwrap();
        let Action::Run(options) = &invocation.cli.action else { panic!("it runs") };
        let settings = Settings::resolve(invocation.place.clone(), options.as_ref().clone()).unwrap();
        all(&invocation, &settings)
    }

    #[test]
    fn every_option_is_shown_once_and_none_without_a_word() {
        let shown = shown(&["--bitcoind-cookie=/c", "--fee-ppm=7"]);
        let known = all_options();
        let named =
            known.get_arguments().filter_map(clap::Arg::get_long).filter(|name| *name != "show-config");
        let (mut expected, mut names): (Vec<&str>, Vec<&str>) =
            (named.collect(), shown.iter().map(|line| line.option.as_str()).collect());
        expected.sort_unstable();
        names.sort_unstable();
        assert_eq!(names, expected);
        for line in &shown {
            assert_ne!(line.value.is_some(), !line.without.is_empty(), "{line:?}");
            let is_option_of_developers = line.option.starts_with("dev-");
            assert!(
                line.without != "none" || is_option_of_developers,
                "say what happens without {}",
                line.option
            );
        }
        let of = |name: &str| shown.iter().find(|line| line.option == name).unwrap();
        assert_eq!(of("fee-ppm").from_in_words(), "flag --fee-ppm");
        assert_eq!(of("fee-base-msat").value.as_deref(), Some("1000"));
        assert_eq!(of("listen").value.as_deref(), Some("127.0.0.1:29735"));
        assert_eq!(
            (of("intercept-timeout").value.as_deref(), of("log-level").value.as_deref()),
            (Some("600s"), Some("info"))
        );
        assert_eq!(of("dns-seeds").value.as_deref(), Some("none"));
    }
}

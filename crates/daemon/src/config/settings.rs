//! What the options come to: defaults filled in, and what cannot be refused.

use super::log::{LogFilter, LogFormat};
use super::place::{bitcoind_dir, home};
use super::values::{HostPort, ListenAt};
use super::{ConfigError, Place, RunOptions};
use crate::cli::amounts::WholeSat;
use crate::cli::feerate::Feerate;
use crate::engine::bootstrap::usual_seeds;
use astrape_chain::{Auth, BitcoindConfig};
use astrape_channel::Policy;
use astrape_channel::policy::{SMALLEST_FUNDING, USUAL_MAX_ANCHORS_FEERATE};
use astrape_payment::ForwardPolicy;
use astrape_payment::background::{BackgroundProbes, DEFAULT_HTLCS_PER_HOUR, MIN_INTERVAL_MILLIS};
use astrape_payment::intercept::Intercept;
use astrape_primitives::{CltvDelta, FeeratePerKw, Height, Msat, Network, Sat};
use astrape_signer::DeveloperKeys;
use astrape_wire::{Address, Addresses, Hostname};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Longest alias, in bytes (BOLT 7).
const MAX_ALIAS: usize = 32;

/// For how long a forward waits for an application, in seconds, when nothing is said, and at most.
const USUAL_INTERCEPT_SECS: u64 = 600;
const MAX_INTERCEPT_SECS: u64 = 86_400;

/// 1,000 sat/vbyte.
const MAX_COMMITMENT_FEERATE: FeeratePerKw = FeeratePerKw(250_000);

/// Addresses to listen at.
const MAX_LISTEN: usize = 16;

/// What a node is to be.
#[derive(Clone)]
pub struct Settings {
    /// Network, data directory, API.
    pub place: Place,
    /// Where to listen for peers.
    pub listen: Vec<SocketAddr>,
    /// The name for people; `None` makes one of the node's id.
    pub alias: Option<String>,
    /// DNS seeds to ask for peers; `None` calls no strangers.
    pub dns_seeds: Option<Vec<String>>,
    /// Where others reach the node, as the network is told.
    pub announce: Addresses,
    /// Its colour on maps.
    pub color: [u8; 3],
    /// Where the chain comes from.
    pub bitcoind: BitcoindConfig,
    /// The first block in which there may be coins of the seed, if the operator says so.
    pub wallet_birthday: Option<Height>,
    /// On what terms payments of others are forwarded.
    pub relay: ForwardPolicy,
    /// Whether payments without an invoice are taken.
    pub accept_keysend: bool,
    /// About which forwards an application is asked.
    pub intercept: Intercept,
    /// For how long they wait, in seconds.
    pub intercept_secs: u64,
    /// How often to probe while nothing is under way, if at all.
    pub background_probes: Option<BackgroundProbes>,
    /// Confirmations of a funding; `None` chooses by the amount.
    pub minimum_depth: Option<u32>,
    /// Smallest channel that peers may open.
    pub min_channel: Sat,
    /// Largest channel.
    pub max_channel: Sat,
    /// Highest feerate of our commitments with anchors.
    pub max_commitment_feerate: FeeratePerKw,
    /// What is logged.
    pub log_filter: LogFilter,
    /// How it is logged.
    pub log_format: LogFormat,
    /// What only developers choose.
    pub developer: Developer,
}

/// What only developers choose.
#[derive(Clone, Default)]
pub struct Developer {
    /// Keys that are given instead of derived.
    pub keys: DeveloperKeys,
    /// The one feerate of commitments.
    pub fixed_feerate: Option<FeeratePerKw>,
    /// What stands in for the chain source's estimates.
    pub estimate: Option<FeeratePerKw>,
    /// Whether the chain is asked, and gossip is sent, more than once a second.
    pub fast: bool,
}

impl Settings {
    /// Fills in the defaults.
    ///
    /// # Errors
    /// When options contradict each other, or are not for this network.
    pub fn resolve(place: Place, options: RunOptions) -> Result<Self, ConfigError> {
        let (min_channel, max_channel) = channel_sizes(&options, place.network)?;
        Ok(Self {
            listen: listen(&options.listen, place.network)?,
            alias: options.alias.as_deref().map(alias).transpose()?,
            dns_seeds: dns_seeds(&options.dns_seeds, place.network)?,
            announce: announce(&options.announce)?,
            color: options.color.as_deref().map_or(Ok([0; 3]), color)?,
            bitcoind: bitcoind(&options, place.network)?,
            wallet_birthday: options.wallet_birthday.map(Height),
            relay: relay(&options),
            accept_keysend: !options.no_keysend,
            intercept: options.intercept.unwrap_or_default().0,
            intercept_secs: intercept_secs(&options)?,
            background_probes: background_probes(&options)?,
            minimum_depth: options.minimum_depth,
            min_channel,
            max_channel,
            max_commitment_feerate: max_commitment_feerate(&options)?,
            developer: developer(&options, place.network)?,
            log_filter: options.log_level.clone().unwrap_or_default(),
            log_format: options.log_format.unwrap_or_default(),
            place,
        })
    }
}

fn listen(chosen: &[ListenAt], network: Network) -> Result<Vec<SocketAddr>, ConfigError> {
    let everywhere = |port| vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))];
    if chosen.is_empty() {
        // The ports of BOLT 1. On regtest nobody comes from outside.
        return Ok(match network {
            Network::Bitcoin => everywhere(9735),
            Network::Testnet4 => everywhere(19735),
            Network::Signet => everywhere(39735),
            Network::Regtest => vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 29735))],
        });
    }
    if chosen.len() > MAX_LISTEN {
        return Err(ConfigError::refused(format!("listen: {MAX_LISTEN} addresses are the most")));
    }
    match chosen {
        [ListenAt::None] => Ok(Vec::new()),
        _ => chosen
            .iter()
            .map(|at| match at {
                ListenAt::At(address) => Ok(*address),
                ListenAt::None => {
                    Err(ConfigError::refused("listen: `none` and an address contradict each other"))
                }
            })
            .collect(),
    }
}

/// The smallest channel that peers may open, and the largest.
fn channel_sizes(options: &RunOptions, network: Network) -> Result<(Sat, Sat), ConfigError> {
    let usual = Policy::default_for(network);
    let least = options.min_channel.map_or(usual.min_funding, |WholeSat(sat)| sat);
    let most = options.max_channel.map_or(usual.max_funding, |WholeSat(sat)| sat);
    if least < SMALLEST_FUNDING {
        return Err(ConfigError::refused(format!(
            "min-channel: {least} is less than a channel costs: {SMALLEST_FUNDING} is the least"
        )));
    }
    if most < least {
        return Err(ConfigError::refused(format!(
            "max-channel: {most} is less than min-channel, which is {least}"
        )));
    }
    Ok((least, most))
}

fn max_commitment_feerate(options: &RunOptions) -> Result<FeeratePerKw, ConfigError> {
    let Some(Feerate(feerate)) = options.max_commitment_feerate else { return Ok(USUAL_MAX_ANCHORS_FEERATE) };
    if feerate > MAX_COMMITMENT_FEERATE {
        return Err(ConfigError::refused(format!(
            "max-commitment-feerate: {} is more than any commitment needs: {} is the most",
            feerate.for_people(),
            MAX_COMMITMENT_FEERATE.for_people()
        )));
    }
    Ok(feerate)
}

fn alias(text: &str) -> Result<String, ConfigError> {
    if text.is_empty() || text.len() > MAX_ALIAS || text.chars().any(char::is_control) {
        return Err(ConfigError::refused(format!(
            "alias: it has 1 to {MAX_ALIAS} bytes and no control characters"
        )));
    }
    Ok(text.to_owned())
}

fn dns_seeds(chosen: &[String], network: Network) -> Result<Option<Vec<String>>, ConfigError> {
    if chosen.is_empty() {
        return Ok(usual_seeds(network));
    }
    if let [none] = chosen
        && none == "none"
    {
        return Ok(None);
    }
    let is_name = |name: &&String| Hostname::new(name).is_some() && name.contains('.');
    match chosen.iter().find(|name| !is_name(name)) {
        None if chosen.len() <= MAX_LISTEN => Ok(Some(chosen.to_vec())),
        _ => Err(ConfigError::refused(format!("dns-seeds: `none`, or up to {MAX_LISTEN} DNS names"))),
    }
}

fn announce(chosen: &[HostPort]) -> Result<Addresses, ConfigError> {
    let address = |at: &HostPort| {
        let ip = at.host.parse::<IpAddr>().ok().map(|ip| Address::from(SocketAddr::new(ip, at.port)));
        let name = || Hostname::new(&at.host).map(|name| Address::Hostname(name, at.port));
        let onion = at.host.ends_with(".onion");
        ip.or_else(name)
            .filter(|_| !onion)
            .ok_or_else(|| ConfigError::refused("announce: each is an IP address or a DNS name, with a port"))
    };
    let addresses: Vec<Address> = chosen.iter().map(address).collect::<Result<_, _>>()?;
    let names = addresses.iter().filter(|address| matches!(address, Address::Hostname(..))).count();
    if names > 1 || addresses.len() > MAX_LISTEN {
        return Err(ConfigError::refused(format!(
            "announce: {MAX_LISTEN} addresses are the most, and one DNS name among them"
        )));
    }
    Ok(Addresses::new(&addresses))
}

fn color(text: &str) -> Result<[u8; 3], ConfigError> {
    let mut bytes = [0; 3];
    hex::decode_to_slice(text, &mut bytes)
        .map_err(|_| ConfigError::refused("color: it has six hexadecimal digits, as ff8800"))?;
    Ok(bytes)
}

fn bitcoind(options: &RunOptions, network: Network) -> Result<BitcoindConfig, ConfigError> {
    let auth = match (&options.bitcoind_user, &options.bitcoind_password, &options.bitcoind_cookie) {
        (Some(user), Some(password), None) => {
            Auth::UserPassword { user: user.clone(), password: password.clone() }
        }
        (None, None, Some(cookie)) => Auth::Cookie(cookie.clone()),
        (None, None, None) => {
            let home = home().ok_or_else(|| {
                ConfigError::refused(
                    "there is no home directory to find bitcoind's cookie in: give --bitcoind-cookie FILE",
                )
            })?;
            Auth::cookie_in(&bitcoind_dir(&home), network)
        }
        (Some(_), None, _) => {
            return Err(ConfigError::refused("bitcoind-user is given, and bitcoind-password is not"));
        }
        (None, Some(_), _) => {
            return Err(ConfigError::refused("bitcoind-password is given, and bitcoind-user is not"));
        }
        (Some(_), Some(_), Some(_)) => {
            return Err(ConfigError::refused(
                "give either bitcoind-cookie, or bitcoind-user and bitcoind-password",
            ));
        }
    };
    let mut config = BitcoindConfig::local(network, auth);
    if let Some(address) = &options.bitcoind_rpc {
        config.address = address.to_string();
    }
    Ok(config)
}

fn relay(options: &RunOptions) -> ForwardPolicy {
    let usual = ForwardPolicy::default();
    ForwardPolicy {
        fee_base: options.fee_base_msat.map_or(usual.fee_base, |base| Msat(base.into())),
        fee_proportional_millionths: options.fee_ppm.unwrap_or(usual.fee_proportional_millionths),
        cltv_expiry_delta: options.cltv_expiry_delta.map_or(usual.cltv_expiry_delta, CltvDelta),
        ..usual
    }
}

fn background_probes(options: &RunOptions) -> Result<Option<BackgroundProbes>, ConfigError> {
    let Some(interval) = options.probe_interval else {
        return match options.probes_per_hour {
            None => Ok(None),
            Some(_) => Err(ConfigError::refused(
                "probes-per-hour: nobody is probed in the background unless probe-interval says how often"
                    .to_owned(),
            )),
        };
    };
    let interval_millis = interval.0.saturating_mul(1_000);
    if interval_millis < MIN_INTERVAL_MILLIS {
        return Err(ConfigError::refused(format!(
            "probe-interval: {} seconds are the least; each probe takes slots and time of others",
            MIN_INTERVAL_MILLIS / 1_000
        )));
    }
    let htlcs_per_hour = options.probes_per_hour.unwrap_or(DEFAULT_HTLCS_PER_HOUR);
    Ok(Some(BackgroundProbes { interval_millis, htlcs_per_hour }))
}

fn intercept_secs(options: &RunOptions) -> Result<u64, ConfigError> {
    let secs = options.intercept_timeout.map_or(USUAL_INTERCEPT_SECS, |time| time.0);
    if secs > MAX_INTERCEPT_SECS {
        return Err(ConfigError::refused(format!(
            "intercept-timeout: {MAX_INTERCEPT_SECS} seconds are the most; what waits longer locks money of all who sent it on"
        )));
    }
    Ok(secs)
}

fn developer(options: &RunOptions, network: Network) -> Result<Developer, ConfigError> {
    let chosen = [
        ("dev-node-key", options.dev_node_key.is_some()),
        ("dev-channel-secrets", options.dev_channel_secrets.is_some()),
        ("dev-fixed-feerate-perkw", options.dev_fixed_feerate_perkw.is_some()),
        ("dev-estimate-perkw", options.dev_estimate_perkw.is_some()),
        ("dev-fast", options.dev_fast),
    ];
    if network == Network::Bitcoin
        && let Some((name, _)) = chosen.iter().find(|(_, given)| *given)
    {
        return Err(ConfigError::refused(format!(
            "{name} is for developers and would put money at risk: it is refused on network bitcoin"
        )));
    }
    Ok(Developer {
        keys: DeveloperKeys {
            node: options.dev_node_key.as_ref().map(super::secrets::SecretHex::reveal),
            channel: options.dev_channel_secrets.as_ref().map(|secrets| secrets.0.clone()),
        },
        fixed_feerate: options.dev_fixed_feerate_perkw.map(FeeratePerKw),
        estimate: options.dev_estimate_perkw.map(FeeratePerKw),
        fast: options.dev_fast,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use super::*;
use clap::Parser as _;
use std::path::PathBuf;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    options: RunOptions,
}

fn resolve(network: Network, words: &[&str]) -> Result<Settings, String> {
    let line = Line::try_parse_from(core::iter::once(&"astrape").chain(words)).map_err(|e| e.to_string())?;
    let place = Place { network, data_dir: PathBuf::from("/d"), rpc_addr: None };
    Settings::resolve(place, line.options).map_err(|e| e.to_string())
}

fn refusal(network: Network, words: &[&str]) -> String {
    resolve(network, words).map(|_| ()).expect_err("refused")
}

#[test]
fn nothing_needs_to_be_chosen() {
    let settings = resolve(Network::Testnet4, &["--bitcoind-cookie=/c"]).unwrap();
    assert_eq!(settings.listen, ["0.0.0.0:19735".parse().unwrap()]);
    assert_eq!(settings.bitcoind.address, "127.0.0.1:48332");
    assert_eq!(settings.relay, ForwardPolicy::default());
    assert_eq!((settings.minimum_depth, settings.alias), (None, None));
    let regtest = resolve(Network::Regtest, &["--bitcoind-cookie=/c"]).unwrap();
    assert_eq!(regtest.listen, ["127.0.0.1:29735".parse().unwrap()]);
}

#[test]
fn sizes_of_channels_and_the_highest_feerate_of_commitments_can_be_chosen() {
    let chosen = |words: &[&str]| {
        let settings =
            resolve(Network::Bitcoin, &[&["--bitcoind-cookie=/c"], words].concat()).expect("it is right");
        (settings.min_channel, settings.max_channel, settings.max_commitment_feerate)
    };
    assert_eq!(chosen(&[]), (Sat(20_000), Sat(1_000_000_000), FeeratePerKw(2_500)));
    let words = ["--min-channel=1000k", "--max-channel=0.5btc", "--max-commitment-feerate=40sat/vb"];
    assert_eq!(chosen(&words), (Sat(1_000_000), Sat(50_000_000), FeeratePerKw(10_000)));
    let assert_refused = |words: &[&str], why: &str| {
        let text = refusal(Network::Bitcoin, &[&["--bitcoind-cookie=/c"], words].concat());
        assert!(text.contains(why), "{text}");
    };
    assert_refused(&["--min-channel=2btc", "--max-channel=1btc"], "less than min-channel");
    assert_refused(&["--min-channel=19999"], "20,000 sat is the least");
    assert_refused(&["--max-commitment-feerate=1001"], "1000 sat/vB (250000 per kw) is the most");
}

#[test]
fn strangers_are_called_where_there_is_a_public_network_unless_the_operator_wants_none() {
    let seeds = |network, words: &[&str]| {
        resolve(network, &[&["--bitcoind-cookie=/c"], words].concat()).expect("it is right").dns_seeds
    };
    assert!(seeds(Network::Bitcoin, &[]).is_some_and(|seeds| !seeds.is_empty()));
    assert_eq!(seeds(Network::Signet, &[]), Some(Vec::new()), "those of the graph");
    assert_eq!(seeds(Network::Regtest, &[]), None);
    assert_eq!(seeds(Network::Bitcoin, &["--dns-seeds=none"]), None);
    assert_eq!(seeds(Network::Regtest, &["--dns-seeds=a.example"]), Some(vec!["a.example".to_owned()]));
}

#[test]
fn developer_options_are_refused_on_mainnet_and_nowhere_else() {
    let key = format!("--dev-node-key={}", "11".repeat(32));
    let secrets = format!("--dev-channel-secrets={}", ["22".repeat(32).as_str(); 6].join("/"));
    for option in [key.as_str(), &secrets, "--dev-fixed-feerate-perkw=1000", "--dev-fast"] {
        let words = ["--bitcoind-cookie=/c", option];
        let name = option.split(['-', '=']).nth(2).unwrap();
        let error = refusal(Network::Bitcoin, &words);
        assert!(error.contains(name) && error.contains("refused on network bitcoin"), "{error}");
        for network in [Network::Testnet4, Network::Signet, Network::Regtest] {
            assert!(resolve(network, &words).is_ok(), "{option} on {network}");
        }
    }
    assert!(resolve(Network::Bitcoin, &["--bitcoind-cookie=/c", "--minimum-depth=2"]).is_ok());
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    for words in [
        &["--bitcoind-user=u"][..],
        &["--bitcoind-password=p"],
        &["--bitcoind-user=u", "--bitcoind-password=p", "--bitcoind-cookie=/c"],
        &["--bitcoind-cookie=/c", "--listen=none,127.0.0.1:1"],
        &["--bitcoind-cookie=/c", "--cltv-expiry-delta=33"],
        &["--bitcoind-cookie=/c", "--cltv-expiry-delta=2017"],
        &["--bitcoind-cookie=/c", "--fee-ppm=1000001"],
        &["--bitcoind-cookie=/c", "--alias="],
        &["--bitcoind-cookie=/c", "--alias=a\u{7}b"],
        &["--bitcoind-cookie=/c", "--alias=a name that is longer than 32 bytes"],
        &["--bitcoind-cookie=/c", "--dns-seeds=none,a.example"],
        &["--bitcoind-cookie=/c", "--color=red"],
        &["--bitcoind-cookie=/c", "--announce=a.example:1,b.example:2"],
        &["--bitcoind-cookie=/c", "--minimum-depth=0"],
        &["--bitcoind-cookie=/c", "--wallet-birthday=yesterday"],
        &["--bitcoind-cookie=/c", "--intercept=1x2x3"],
        &["--bitcoind-cookie=/c", "--intercept=1x2x3-1x2x2"],
        &["--bitcoind-cookie=/c", "--intercept-timeout=25h"],
        &["--bitcoind-cookie=/c", "--probe-interval=9s"],
        &["--bitcoind-cookie=/c", "--probe-interval=10s", "--probes-per-hour=361"],
        &["--bitcoind-cookie=/c", "--probes-per-hour=60"],
        &["--bitcoind-cookie=/c", "--dev-fixed-feerate-perkw=252"],
    ] {
        refusal(Network::Regtest, words);
    }
}

#[test]
fn what_is_chosen_is_used() {
    let words = [
        "--listen=127.0.0.1:1,[::1]:2",
        "--bitcoind-rpc=host:3",
        "--bitcoind-user=u",
        "--bitcoind-password=p",
        "--fee-base-msat=5",
        "--fee-ppm=6",
        "--cltv-expiry-delta=40",
        "--alias=Zoë",
        "--wallet-birthday=7",
        "--intercept=16000000x0x0-16000000x0x99",
        "--intercept-timeout=90s",
        "--probe-interval=10m",
        "--probes-per-hour=30",
    ];
    let settings = resolve(Network::Signet, &words).unwrap();
    assert_eq!(settings.listen.len(), 2);
    assert_eq!(settings.bitcoind.address, "host:3");
    assert!(matches!(settings.bitcoind.auth, Auth::UserPassword { .. }));
    assert_eq!(settings.relay.fee_base, Msat(5));
    assert_eq!(settings.relay.fee_proportional_millionths, 6);
    assert_eq!(settings.relay.cltv_expiry_delta, CltvDelta(40));
    assert_eq!(settings.alias.as_deref(), Some("Zoë"));
    assert_eq!(settings.wallet_birthday, Some(Height(7)));
    let id = |text: &str| text.parse().unwrap();
    let range = Intercept::Range { first: id("16000000x0x0"), last: id("16000000x0x99") };
    assert_eq!((settings.intercept, settings.intercept_secs), (range, 90));
    let probes = BackgroundProbes { interval_millis: 600_000, htlcs_per_hour: 30 };
    assert_eq!(settings.background_probes, Some(probes));
    let all = resolve(Network::Signet, &["--bitcoind-cookie=/c", "--intercept=all"]).unwrap();
    assert_eq!((all.intercept, all.intercept_secs), (Intercept::Everything, 600));
    assert_eq!(all.background_probes, None, "nobody is probed unless the operator wants it");
    assert!(resolve(Network::Signet, &["--bitcoind-cookie=/c", "--listen=none"]).unwrap().listen.is_empty());
}

#[test]
fn a_node_asks_for_no_more_than_a_channel_may() {
    let most = ["--fee-base-msat=4294967295", "--fee-ppm=1000000"];
    for delta in ["--cltv-expiry-delta=34", "--cltv-expiry-delta=2016"] {
        let words = ["--bitcoind-cookie=/c", most[0], most[1], delta];
        assert_eq!(resolve(Network::Regtest, &words).unwrap().relay.check(Msat(1_000_000_000)), Ok(()));
    }
}

//! Every command with every argument wrong, and what each must end with.

/// A point of the curve that is nobody's node.
const NOBODY: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
const MAINNET: &str = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
const PLACES: &str = "on chain there are whole satoshi only";
const TIME: &str = "a time is written 3600, 90s, 10m, 2h or 7d";
const NO_AMOUNT: &str = "amount";
const UNEXPECTED: &str = "unexpected";
const REQUIRED: &str = "required";

/// What a command line ends with.
pub(super) struct Row {
    /// The command; empty for what stands before all of them.
    pub(super) command: &'static str,
    /// The argument that is wrong; empty when it is the command itself.
    pub(super) argument: &'static str,
    /// What follows the command.
    pub(super) words: Vec<String>,
    pub(super) code: i32,
    pub(super) says: &'static str,
}

fn row(command: &'static str, argument: &'static str, words: &[&str], code: i32, says: &'static str) -> Row {
    Row { command, argument, words: words.iter().map(|word| (*word).to_owned()).collect(), code, says }
}

/// One argument with each of several values, which stand where `?` does.
fn each(
    command: &'static str,
    argument: &'static str,
    words: &[&str],
    values: &[&str],
    code: i32,
    says: &'static str,
) -> Vec<Row> {
    let fill = |value: &str| words.iter().map(|word| word.replace('?', value)).collect();
    values.iter().map(|value| Row { command, argument, words: fill(value), code, says }).collect()
}

pub(super) fn rows() -> Vec<Row> {
    let huge = "9".repeat(60);
    let long = "a".repeat(60_000);
    let mut rows = vec![
        row("", "", &[], 2, "Usage"),
        row("", "", &["fly"], 2, "unrecognized subcommand"),
        row("", "", &[&long], 2, "unrecognized subcommand"),
        row("", "json", &["--json=yes", "getinfo"], 2, UNEXPECTED),
        row("", "network", &["--network", "mars", "getinfo"], 2, "only bitcoin, testnet4, signet, regtest"),
        row("", "network", &["--network", "", "getinfo"], 2, "network"),
        row("", "config", &["--config", "/nowhere/astrape.toml", "getinfo"], 2, "/nowhere/astrape.toml"),
        row("", "data_dir", &["--data-dir", "/nowhere", "getinfo"], 3, "/nowhere"),
        row("", "rpc_addr", &["--rpc-addr", "nowhere", "getinfo"], 2, "write it as host:port"),
    ];
    // Those that take nothing take nothing.
    for command in ["getinfo", "newaddr", "balance", "listfunds", "peers", "channels", "stop"] {
        rows.push(row(command, "", &["more"], 2, UNEXPECTED));
        rows.push(row(command, "", &["--more"], 2, UNEXPECTED));
    }
    for command in [
        "connect",
        "disconnect",
        "open",
        "close",
        "pay",
        "decode",
        "withdraw",
        "bumpfee",
        "invoice",
        "completion",
    ] {
        rows.push(row(command, "", &[], 2, REQUIRED));
        rows.push(row(command, "", &["--more"], 2, UNEXPECTED));
    }
    rows.extend([
        row("playground", "keep", &["--keep=yes"], 2, UNEXPECTED),
        row("completion", "shell", &["ksh"], 2, "possible values"),
        row("events", "since", &["--since", "-1"], 2, "since"),
        row("events", "since", &["--since", &huge], 2, "since"),
        row("payments", "", &["more", "more"], 2, UNEXPECTED),
        row("forwards", "", &["more"], 2, UNEXPECTED),
        row("events", "", &["more"], 2, UNEXPECTED),
        row("playground", "", &["more"], 2, UNEXPECTED),
        row("run", "", &["more"], 2, UNEXPECTED),
    ]);
    rows.push(row("onchain", "", &["--more"], 2, UNEXPECTED));
    rows.push(row("payments", "parts", &["--parts=no"], 2, UNEXPECTED));
    for command in ["payments", "invoices"] {
        rows.extend(each(
            command,
            "payment_hash",
            &["?"],
            &["", "more", "abcd", &long],
            1,
            "<PAYMENT_HASH>: ",
        ));
        rows.push(row(command, "payment_hash", &[&"ab".repeat(32)], 1, "no "));
        rows.push(row(command, "payment_hash", &["ab", "--limit", "5"], 2, "cannot be used with"));
    }
    for (command, words) in [
        ("withdraw", &[MAINNET, "1k"][..]),
        ("open", &[NOBODY, "50k"]),
        ("invoice", &["any", "tea"]),
        ("pay", &["lnbcrt1"]),
        ("rebalance", &["1", "--from", "abcd"]),
    ] {
        for bad in ["", "é", "\u{202e}", "a\nb", &long] {
            let words = [words, &["--request-id", bad]].concat();
            rows.push(row(command, "request_id", &words, 1, "--request-id: it is 1 to 64 printable"));
        }
    }
    rows.push(row("onchain", "channel", &["nosuch"], 1, "a channel is named by its id"));
    rows.push(row("onchain", "channel", &["abcd"], 1, "astrape onchain"));
    for command in ["payments", "forwards", "onchain"] {
        let bad = ["0", "1001", "-1", "x", "", &huge];
        rows.extend(each(command, "limit", &["--limit", "?"], &bad, 2, "--limit"));
        rows.extend(each(command, "before", &["--before", "?"], &["-1", "x", "", &huge], 2, "--before"));
    }
    rows.extend(each("onchain", "after", &["--after", "?"], &["", "abc", "1x2"], 1, "--after: "));
    rows.push(row("onchain", "after", &["--after", "ab", "--before", "1"], 2, "cannot be used with"));
    rows.extend(each("forwards", "channel", &["--channel", "?"], &["", "abc", "1x2"], 1, "--channel: "));
    rows.push(row("forwards", "channel", &["--channel", "abcd"], 1, "astrape channels"));
    for argument in ["since", "until"] {
        let option = format!("--{argument}");
        rows.extend(each("forwards", argument, &[&option, "?"], &["soon", "0", "-1", "", &huge], 2, TIME));
    }
    rows.push(row("forwards", "until", &["--since", "1h", "--until", "2h"], 1, "after the begin"));
    rows.extend(each(
        "connect",
        "peer",
        &["?"],
        &["me", "", "02@host:1", "\u{202e}", &long],
        2,
        "ID@HOST:PORT",
    ));
    rows.push(row("connect", "peer", &[NOBODY], 1, "give it as ID@HOST:PORT"));
    let at = |host: &str| format!("{NOBODY}@{host}");
    rows.extend(each("connect", "peer", &["?"], &[&at(""), &at("host:0"), &at("a b:1")], 2, "host:port"));
    rows.push(row("connect", "peer", &[&at("127.0.0.1:1")], 1, "127.0.0.1:1"));
    rows.extend(each("disconnect", "peer", &["?"], &["me", "", &long], 2, "ID"));
    rows.push(row("disconnect", "peer", &[NOBODY], 1, "astrape peers"));
    rows.extend(money(&huge, &long));
    rows.extend(channels(&huge, &long));
    rows.extend(invoices(&huge, &long));
    rows.extend(run(&huge, &long));
    rows.push(row("graph", "", &["more"], 2, "unrecognized subcommand"));
    rows.push(row("graph", "", &["node"], 2, REQUIRED));
    rows.push(row("graph", "", &["channel"], 2, REQUIRED));
    rows.extend(each("graph", "", &["node", "?"], &["me", "", &long], 1, "<NODE_ID>: "));
    rows.extend(each("graph", "", &["channel", "?"], &["1x2", "", &long], 1, "<SHORT_CHANNEL_ID>: "));
    rows.push(row("graph", "", &["node", NOBODY], 1, "no channel of this node is known"));
    rows.push(row("graph", "", &["channel", "1x2x3"], 1, "this channel is not known"));
    rows
}

fn money(huge: &str, long: &str) -> Vec<Row> {
    let mut rows = each(
        "withdraw",
        "address",
        &["?", "1k"],
        &["nowhere", "", MAINNET, "\u{202e}", long],
        1,
        "<ADDRESS>: ",
    );
    let elsewhere = "<ADDRESS>: this is an address of network bitcoin, and the node is on regtest";
    rows.push(row("withdraw", "address", &[MAINNET, "1k"], 1, elsewhere));
    rows.push(row(
        "close",
        "to",
        &["abcd", "--to", MAINNET],
        1,
        "--to: this is an address of network bitcoin",
    ));
    rows.extend(each("withdraw", "amount", &[MAINNET, "?"], &["5msat", "1001msat"], 2, PLACES));
    rows.extend(each(
        "withdraw",
        "amount",
        &[MAINNET, "?"],
        &["lots", "", "ALL", "1e3", "1.0001sat", "-1", huge],
        2,
        NO_AMOUNT,
    ));
    rows.extend(each("withdraw", "amount", &[MAINNET, "?"], &["0,001btc", "1,5k"], 2, "decimal point"));
    rows.extend(each("withdraw", "amount", &[MAINNET, "?"], &["1m"], 2, "0.001btc"));
    let feerate = ["0", "252", "x", huge];
    rows.extend(each(
        "withdraw",
        "feerate_perkw",
        &[MAINNET, "1k", "--feerate-perkw", "?"],
        &feerate,
        2,
        "--feerate-perkw",
    ));
    rows.extend(each("bumpfee", "txid", &["?"], &["", "abcd", "\u{202e}", long], 1, "<TRANSACTION>: "));
    rows.push(row("bumpfee", "txid", &[&"ab".repeat(32)], 1, "waits for a block"));
    let words = ["ab", "--feerate-perkw", "?"];
    rows.extend(each("bumpfee", "feerate_perkw", &words, &feerate, 2, "--feerate-perkw"));
    rows.push(row("bumpfee", "spend_reserve", &["ab", "--spend-reserve=no"], 2, UNEXPECTED));
    let words = ["--feerate-perkw", "?"];
    rows.extend(each("recover", "feerate_perkw", &words, &feerate, 2, "--feerate-perkw"));
    rows.push(row("recover", "", &["--more"], 2, UNEXPECTED));
    rows.push(row("recover", "only_look", &["--only-look=no"], 2, UNEXPECTED));
    rows.push(row(
        "recover",
        "only_look",
        &["--only-look", "--feerate-perkw", "300"],
        2,
        "cannot be used with",
    ));
    for (command, words) in [
        ("withdraw", &[MAINNET, "1k"][..]),
        ("open", &[NOBODY, "50k"]),
        ("bumpfee", &["ab"]),
        ("recover", &[]),
    ] {
        let words = [words, &["--feerate", "?"]].concat();
        rows.extend(each(
            command,
            "feerate",
            &words,
            &["x", "", "-5", "5,5", huge],
            2,
            "is written 5, 5sat/vb",
        ));
        rows.extend(each(
            command,
            "feerate",
            &words,
            &["0", "0.996", "252perkw"],
            2,
            "is less than is relayed",
        ));
        rows.extend(each(command, "feerate", &words, &["5.001"], 2, "steps of 0.004 sat/vB"));
        let twice = [&words[..words.len() - 1], &["5", "--feerate-perkw", "1250"]].concat();
        rows.push(row(command, "feerate", &twice, 2, "cannot be used with"));
    }
    let of_type = [NOBODY, "1k", "--channel-type=?"];
    rows.extend(each("open", "channel_type", &of_type, &["anchor", "", "taproot"], 2, "possible values"));
    rows.push(row("open", "accept_high_fee", &[NOBODY, "1k", "--accept-high-fee=no"], 2, UNEXPECTED));
    rows.push(row("withdraw", "accept_high_fee", &[MAINNET, "1k", "--accept-high-fee=no"], 2, UNEXPECTED));
    rows.push(row("open", "spend_reserve", &[NOBODY, "1k", "--spend-reserve=no"], 2, UNEXPECTED));
    rows.push(row("withdraw", "spend_reserve", &[MAINNET, "1k", "--spend-reserve=no"], 2, UNEXPECTED));
    rows
}

fn channels(huge: &str, long: &str) -> Vec<Row> {
    let mut rows = each("open", "peer", &["?", "50k"], &["me", "", long], 2, "ID@HOST:PORT");
    rows.push(row("open", "peer", &[NOBODY, "50k"], 1, "give it as ID@HOST:PORT"));
    rows.extend(each("open", "amount", &[NOBODY, "?"], &["1msat", "5msat"], 2, PLACES));
    rows.extend(each("open", "amount", &[NOBODY, "?"], &["lots", "", "all", huge], 2, NO_AMOUNT));
    rows.push(row("open", "amount", &[NOBODY, "0"], 1, "<AMOUNT>: it must be above zero"));
    let feerate = ["0", "252", "x", huge];
    rows.extend(each(
        "open",
        "feerate_perkw",
        &[NOBODY, "50k", "--feerate-perkw", "?"],
        &feerate,
        2,
        "--feerate-perkw",
    ));
    rows.push(row(
        "open",
        "feerate_perkw",
        &[NOBODY, "50k", "--feerate-perkw", "250001"],
        1,
        "it is from 1.012 sat/vB (253 per kw) to 1000 sat/vB (250000 per kw)",
    ));
    rows.extend(each("open", "push", &[NOBODY, "50k", "--push", "?"], &["-1", "x", "", huge], 2, "--push"));
    rows.push(row("open", "push", &[NOBODY, "50k", "--push", "51k"], 1, "more than the channel is to hold"));
    rows.push(row("open", "private", &[NOBODY, "50k", "--private=no"], 2, UNEXPECTED));
    rows.extend(each(
        "close",
        "channel",
        &["?"],
        &["", "nothing", "abc", "\u{202e}", long],
        1,
        "a channel is named by",
    ));
    rows.push(row("close", "channel", &["1x1x1"], 1, "astrape channels"));
    rows.push(row("close", "channel", &["abcd"], 1, "a close cannot be undone"));
    rows.push(row("close", "channel", &["abcdabcdabcd…"], 1, "there is no such channel"));
    rows.push(row("setchannel", "", &[], 2, REQUIRED));
    rows.push(row("setchannel", "", &["--more"], 2, UNEXPECTED));
    rows.extend(each(
        "setchannel",
        "channel",
        &["?", "--reset"],
        &["", "nothing", "abc", long],
        1,
        "a channel is named by",
    ));
    rows.push(row("setchannel", "channel", &["abcd"], 1, "nothing is to be changed"));
    rows.push(row("setchannel", "reset", &["abcd", "--reset=no"], 2, UNEXPECTED));
    for (field, option, bad) in [
        ("fee_base_msat", "--fee-base-msat", vec!["-1", "x", "", huge]),
        ("fee_ppm", "--fee-ppm", vec!["-1", "1000001", "x", "", huge]),
        ("cltv_expiry_delta", "--cltv-expiry-delta", vec!["33", "2017", "-1", "x", ""]),
        ("htlc_min", "--htlc-min", vec!["-1", "x", "", huge]),
        ("htlc_max", "--htlc-max", vec!["-1", "x", "", huge]),
        ("inbound_base_msat", "--inbound-base-msat", vec!["1", "x", "", huge]),
        ("inbound_ppm", "--inbound-ppm", vec!["1", "-1000001", "x", "", huge]),
    ] {
        rows.extend(each("setchannel", field, &["abcd", option, "?"], &bad, 2, option));
    }
    rows.push(row("stats", "", &["more"], 2, UNEXPECTED));
    rows.extend(each("stats", "since", &["--since", "?"], &["soon", "0", "-1", "", huge], 2, TIME));
    rows.extend(each("stats", "period", &["--period", "?"], &["soon", "0", "-1", "", huge], 2, TIME));
    rows.push(row("stats", "period", &["--since", "30d", "--period", "1s"], 1, "more than 366 periods"));
    rows.extend(each("stats", "limit", &["--limit", "?"], &["0", "1001", "-1", "x", "", huge], 2, "--limit"));
    rows.extend(each("close", "to", &["abcd", "--to", "?"], &["nowhere", "", MAINNET], 1, "--to: "));
    rows.push(row("close", "to", &["abcd", "--to", MAINNET, "--force"], 2, "cannot be used with"));
    rows.push(row("close", "force", &["abcd", "--force=no"], 2, UNEXPECTED));
    rows.push(row("close", "yes", &["abcd", "--yes"], 2, REQUIRED));
    rows
}

fn invoices(huge: &str, long: &str) -> Vec<Row> {
    let mut rows = vec![
        row("invoice", "amount", &["0", "tea"], 2, "write `any`"),
        row("invoice", "description", &["any"], 2, REQUIRED),
        row("invoice", "description", &["any", long], 1, "at most 639 bytes"),
        row(
            "invoice",
            "description_hash",
            &["any", "tea", "--description-hash", "00"],
            2,
            "cannot be used with",
        ),
        row("pay", "invoice", &[""], 1, "<INVOICE>: it is missing"),
        row("decode", "invoice", &[""], 1, "<INVOICE>: it is missing"),
    ];
    rows.extend(each("invoice", "amount", &["?", "tea"], &["1.5msat", "lots", "", huge], 2, "or `any`"));
    let hash = ["", "00", "xx", &"ab".repeat(33), long];
    rows.extend(each(
        "invoice",
        "description_hash",
        &["any", "--description-hash", "?"],
        &hash,
        1,
        "--description-hash: ",
    ));
    rows.extend(each("invoice", "preimage", &["any", "tea", "--preimage", "?"], &hash, 1, "--preimage: "));
    rows.extend(each(
        "invoice",
        "expiry",
        &["any", "tea", "--expiry", "?"],
        &["soon", "0", "-1", "", huge],
        2,
        TIME,
    ));
    rows.push(row("invoice", "expiry", &["any", "tea", "--expiry", "367d"], 1, "--expiry: "));
    rows.extend(each(
        "invoice",
        "payment_hash",
        &["any", "tea", "--hold", "--payment-hash", "?"],
        &hash,
        1,
        "--payment-hash: ",
    ));
    rows.push(row("invoice", "payment_hash", &["any", "tea", "--payment-hash", "00"], 2, REQUIRED));
    rows.push(row("invoice", "hold", &["any", "tea", "--hold=no"], 2, UNEXPECTED));
    rows.push(row("invoice", "hold_blocks", &["any", "tea", "--hold-blocks", "5"], 2, REQUIRED));
    rows.extend(each(
        "invoice",
        "hold_blocks",
        &["any", "tea", "--hold", "--hold-blocks", "?"],
        &["0", "1801", "-1", "x", "", huge],
        2,
        "--hold-blocks",
    ));
    rows.extend(each("settle", "payment_hash", &["?"], &hash, 1, "<PAYMENT_HASH>: "));
    rows.push(row("settle", "payment_hash", &[], 2, REQUIRED));
    rows.push(row("settle", "payment_hash", &[&"ab".repeat(32)], 1, "astrape invoices"));
    rows.extend(each("settle", "preimage", &["--preimage", "?"], &hash, 1, "--preimage: "));
    rows.extend(each("cancel", "payment_hash", &["?"], &hash, 1, "<PAYMENT_HASH>: "));
    rows.push(row("cancel", "payment_hash", &[], 2, REQUIRED));
    rows.push(row("cancel", "payment_hash", &[&"ab".repeat(32)], 1, "astrape invoices"));
    for command in ["invoices", "settle", "cancel"] {
        rows.push(row(command, "", &["--more"], 2, UNEXPECTED));
    }
    let bad = ["0", "1001", "-1", "x", "", huge];
    rows.extend(each("invoices", "limit", &["--limit", "?"], &bad, 2, "--limit"));
    rows.extend(each("invoices", "after", &["--after", "?"], &hash, 1, "--after: "));
    rows.push(row("rebalance", "", &["1", "2"], 2, UNEXPECTED));
    rows.push(row("rebalance", "amount", &[], 2, REQUIRED));
    rows.extend(each("rebalance", "amount", &["?", "--from", "abcd"], &["lots", "", huge], 2, "AMOUNT"));
    rows.push(row("rebalance", "from", &["1"], 2, REQUIRED));
    rows.extend(each("rebalance", "from", &["1", "--from", "?"], &["", "abc", "1x2"], 1, "--from: "));
    rows.push(row("rebalance", "to", &["1", "--from", "abcd", "--to", "abcd"], 1, "astrape channels"));
    let circle = &["1", "--from", "abcd", "--max-fee", "?"];
    rows.extend(each("rebalance", "max_fee", circle, &["lots", "-1", "", huge], 2, "--max-fee"));
    let circle = &["1", "--from", "abcd", "--timeout", "?"];
    rows.extend(each("rebalance", "timeout", circle, &["soon", "0", "-1", "", huge], 2, TIME));
    rows.push(row("rebalance", "parts", &["1", "--from", "abcd", "--parts=no"], 2, UNEXPECTED));
    rows.push(row("pay", "parts", &["lnbcrt1", "--parts=no"], 2, UNEXPECTED));
    rows.push(row("route", "", &["x", "1", "2"], 2, UNEXPECTED));
    rows.push(row("route", "invoice", &[""], 1, "<INVOICE>: it is missing"));
    rows.extend(each("route", "amount", &["lnbcrt1", "?"], &["lots", "", huge], 2, "AMOUNT"));
    let dear = ["lots", "-1", "", huge];
    rows.extend(each("route", "max_fee", &["lnbcrt1", "--max-fee", "?"], &dear, 2, "--max-fee"));
    rows.push(row("probe", "", &["x", "1", "2"], 2, UNEXPECTED));
    rows.push(row("probe", "dest", &[""], 1, "<DEST>: it is missing"));
    rows.extend(each("probe", "amount", &["lnbcrt1", "?"], &["lots", "", huge], 2, "AMOUNT"));
    rows.extend(each("probe", "max_fee", &["lnbcrt1", "--max-fee", "?"], &dear, 2, "--max-fee"));
    let late = ["soon", "0", "-1", "", huge];
    rows.extend(each("probe", "timeout", &["lnbcrt1", "--timeout", "?"], &late, 2, TIME));
    let node = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    let records = ["", "x", "65536", "65535=00", "65536=0", "65536=zz", long];
    let pay_node = &[node, "--amount", "1", "--record", "?"];
    rows.extend(each("pay", "records", pay_node, &records, 1, "--record: "));
    rows.extend(each(
        "pay",
        "preimage",
        &[node, "--amount", "1", "--preimage", "?"],
        &hash,
        1,
        "--preimage: ",
    ));
    for command in ["pay", "route", "decode"] {
        rows.extend(each(command, "invoice", &["?"], &["lnbcrt1", "x", "\u{202e}", long], 1, "<INVOICE>: "));
    }
    for command in ["pay", "route", "decode"] {
        for (text, says) in [
            (
                "lno1qgsqvgnwgcg35z6ee2h3yczraddm72xrfua9uve2rlrm9deu7xyfzrc",
                "<INVOICE>: this is an offer (BOLT 12)",
            ),
            ("lnr1qqyqqqqqqqqqqqqqqcp4256ypqqkgzshgysy6ct5", "<INVOICE>: this asks for an invoice"),
            ("lni1qqgds4gweqxey37gexf5jus4kcrwu", "<INVOICE>: this is an invoice of BOLT 12"),
            ("lightning:LNURL1DP68GURN8GHJ7UM9WFMXJCM99E3K7MF0V9CXJ", "LNURL"),
            ("satoshi@pay.example", "<INVOICE>: this is a Lightning address"),
            (MAINNET, "<INVOICE>: this is an address on chain, of network bitcoin: `astrape withdraw"),
        ] {
            rows.push(row(command, "invoice", &[text], 1, says));
        }
    }
    rows.push(row("pay", "invoice", &[&format!("bitcoin:{MAINNET}")], 1, "the link carries no invoice"));
    rows.extend(each(
        "pay",
        "amount",
        &["lnbcrt1", "--amount", "?"],
        &["lots", "-1", "", huge],
        2,
        "--amount",
    ));
    rows.extend(each(
        "pay",
        "max_fee",
        &["lnbcrt1", "--max-fee", "?"],
        &["lots", "-1", "", huge],
        2,
        "--max-fee",
    ));
    rows.extend(each(
        "pay",
        "timeout",
        &["lnbcrt1", "--timeout", "?"],
        &["soon", "0", "-1", "", huge],
        2,
        TIME,
    ));
    rows
}

/// `run` with what it must refuse before it does anything.
fn run(huge: &str, long: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    for (argument, option, values) in [
        ("listen", "--listen", vec!["localhost:9735", "1.2.3.4", "", huge]),
        ("alias", "--alias", vec![long]),
        ("announce", "--announce", vec!["nowhere", "", "host:0", "a.example:1,b.example:2", huge]),
        ("color", "--color", vec!["red", "", huge]),
        ("dns_seeds", "--dns-seeds", vec!["none,a.example", "nowhere", "", "a b.example", huge]),
        ("bitcoind_rpc", "--bitcoind-rpc", vec!["nowhere", "", "host:0", huge]),
        ("fee_base_msat", "--fee-base-msat", vec!["-1", "x", "", "4294967296", huge]),
        ("fee_ppm", "--fee-ppm", vec!["-1", "x", "", "1000001", "4294967296", huge]),
        ("cltv_expiry_delta", "--cltv-expiry-delta", vec!["-1", "x", "", "65536", "0", "33", "2017", huge]),
        ("wallet_birthday", "--wallet-birthday", vec!["-1", "x", "", "500000000", huge]),
        ("minimum_depth", "--minimum-depth", vec!["0", "145", "x", "", huge]),
        ("min_channel", "--min-channel", vec!["19999", "-1", "x", "", "1msat", "11btc", huge]),
        ("max_channel", "--max-channel", vec!["19999", "0", "x", "", "1msat", "21000001btc", huge]),
        (
            "max_commitment_feerate",
            "--max-commitment-feerate",
            vec!["0", "0.5", "1001", "x", "", "10sat", huge],
        ),
        ("intercept", "--intercept", vec!["some", "1x2x3", "1x2x4-1x2x3", "", huge]),
        ("intercept_timeout", "--intercept-timeout", vec!["soon", "0", "25h", "", huge]),
        ("probe_interval", "--probe-interval", vec!["soon", "0", "9s", "", huge]),
        ("probes_per_hour", "--probes-per-hour", vec!["0", "361", "60", "x", "", huge]),
        ("log_level", "--log-level", vec!["loud", "info,=", huge]),
        ("log_format", "--log-format", vec!["xml", ""]),
        ("dev_node_key", "--dev-node-key", vec!["", "11", "xx", huge]),
        ("dev_channel_secrets", "--dev-channel-secrets", vec!["", "11/11", huge]),
        ("dev_fixed_feerate_perkw", "--dev-fixed-feerate-perkw", vec!["0", "252", "1000001", "x", huge]),
        ("dev_estimate_perkw", "--dev-estimate-perkw", vec!["0", "252", "1000001", "x", huge]),
    ] {
        let name = Box::leak(option.trim_start_matches('-').to_owned().into_boxed_str());
        for value in values {
            rows.push(row("run", argument, &[&format!("{option}={value}")], 2, name));
        }
    }
    rows.push(row("run", "no_keysend", &["--no-keysend=perhaps"], 2, "no-keysend"));
    rows.push(row("run", "dev_fast", &["--dev-fast=perhaps"], 2, "dev-fast"));
    rows.push(row("run", "show_config", &["--show-config=yes"], 2, UNEXPECTED));
    rows.push(row("run", "bitcoind_user", &["--bitcoind-user", "u"], 2, "bitcoind-password"));
    rows.push(row("run", "bitcoind_password", &["--bitcoind-password", "p"], 2, "bitcoind-user"));
    let both = ["--bitcoind-cookie", "/nowhere", "--bitcoind-user", "u", "--bitcoind-password", "p"];
    rows.push(row("run", "bitcoind_cookie", &both, 2, "bitcoind-cookie"));
    rows
}

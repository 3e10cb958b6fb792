//! The table: what each argument of each call may not be.

use super::raw::Value;
use super::{Outcome, Row};
use crate::support::Member;
use astrape_primitives::Msat;
use tonic::Code;

/// What is true of the node that is asked.
pub(crate) struct Here {
    node_id: String,
    address: String,
    /// An invoice of the node itself over 50,000 sat.
    own_invoice: String,
    /// The same, for any amount.
    invoice: String,
}

/// A node that is nobody's.
const NOBODY: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
const MAINNET_ADDRESS: &str = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
const ALL_MONEY_SAT: u64 = 2_100_000_000_000_000;

impl Here {
    /// For those who only want to know which rows there are.
    pub(crate) fn anywhere() -> Self {
        let text = String::new;
        Self { node_id: text(), address: text(), own_invoice: text(), invoice: text() }
    }

    pub(crate) async fn of(member: &Member) -> Self {
        let own_invoice = member.invoice(Msat(50_000_000)).await.to_string();
        Self {
            node_id: member.id().to_string(),
            address: member.handle.new_address().await.unwrap().to_string(),
            invoice: own_invoice.clone(),
            own_invoice,
        }
    }
}

fn text(value: impl Into<String>) -> Value {
    Value::Text(value.into())
}

/// Arguments with which a call has nothing to object but what a row puts in.
pub(crate) fn good(call: &str, here: &Here) -> Vec<(&'static str, Value)> {
    match call {
        "Withdraw" => vec![("address", text(&here.address)), ("amount_sat", Value::Number(1_000))],
        "Recover" => vec![("feerate_perkw", Value::Number(1_000))],
        "BumpFee" => vec![("txid", text("ab".repeat(32)))],
        "ConnectPeer" => vec![("node_id", text(NOBODY)), ("address", text("127.0.0.1:1"))],
        "DisconnectPeer" => vec![("node_id", text(NOBODY))],
        "OpenChannel" => vec![("node_id", text(NOBODY)), ("amount_sat", Value::Number(100_000))],
        "CloseChannel" => vec![("channel", text("abcdabcdabcd"))],
        "CreateInvoice" => vec![("amount_msat", Value::Number(1_000)), ("description", text("tea"))],
        "SetChannel" => vec![("channel", text("abcd")), ("fee_base_msat", Value::Number(1_000))],
        "SettleInvoice" | "CancelInvoice" | "GetInvoice" | "GetPayment" => {
            vec![("payment_hash", text("ab".repeat(32)))]
        }
        "DecodeInvoice" => vec![("invoice", text(&here.invoice))],
        "Pay" => vec![("invoice", text(&here.own_invoice))],
        "Rebalance" => vec![("amount_msat", Value::Number(1_000)), ("from", text("abcd"))],
        "ResolveHtlc" => vec![("channel", text("abcd")), ("fail", Value::Flag(true))],
        "FindRoute" | "Probe" => vec![("invoice", text(&here.own_invoice))],
        _ => Vec::new(),
    }
}

/// Texts that are nothing: strange, hostile, huge.
fn nonsense() -> Vec<String> {
    let few =
        [" ", "x", "-1", "\0", "\u{202e}abc", "🦀", "../../etc/passwd", "'; DROP TABLE", "%s%n", "null"];
    let mut texts: Vec<String> = few.into_iter().map(str::to_owned).collect();
    texts.extend(["a".repeat(60_000), "é".repeat(20_000), format!("{NOBODY}0")]);
    texts
}

/// Rows in the making.
struct Table {
    rows: Vec<Row>,
    call: &'static str,
}

impl Table {
    fn of(&mut self, call: &'static str) -> &mut Self {
        self.call = call;
        self
    }

    fn row(&mut self, argument: &'static str, value: Option<Value>, outcome: Outcome) -> &mut Self {
        self.rows.push(Row { call: self.call, argument, value, outcome });
        self
    }

    fn wrong(&mut self, argument: &'static str, value: Value, words: &'static str) -> &mut Self {
        self.row(argument, Some(value), Outcome::Refused(Code::InvalidArgument, words))
    }

    fn missing(&mut self, argument: &'static str, words: &'static str) -> &mut Self {
        self.row(argument, None, Outcome::Refused(Code::InvalidArgument, words));
        self.wrong(argument, text(""), words)
    }

    fn nonsense(&mut self, argument: &'static str, words: &'static str) -> &mut Self {
        for value in nonsense() {
            self.wrong(argument, text(value), words);
        }
        self
    }

    /// Ids of a request that are none.
    fn no_ids(&mut self) -> &mut Self {
        for id in ["", "\0", "\n", "\u{202e}abc", "🦀", &"x".repeat(65), &"a".repeat(60_000)] {
            self.wrong("request_id", text(id), "it is 1 to 64 printable characters of ASCII");
        }
        self
    }

    fn numbers(&mut self, argument: &'static str, values: &[u64], words: &'static str) -> &mut Self {
        for value in values {
            self.wrong(argument, Value::Number(*value), words);
        }
        self
    }

    fn taken(&mut self, argument: &'static str, value: Value) -> &mut Self {
        self.row(argument, Some(value), Outcome::Taken)
    }

    fn not_now(&mut self, argument: &'static str, value: Value, words: &'static str) -> &mut Self {
        self.row(argument, Some(value), Outcome::Refused(Code::FailedPrecondition, words))
    }

    fn not_now_without(&mut self, argument: &'static str, words: &'static str) -> &mut Self {
        self.row(argument, None, Outcome::Refused(Code::FailedPrecondition, words))
    }

    fn not_found(&mut self, argument: &'static str, value: Value, words: &'static str) -> &mut Self {
        self.row(argument, Some(value), Outcome::Refused(Code::NotFound, words))
    }
}

const NO_MONEY: &str = "there is not so much bitcoin";
const NOT_ZERO: &str = "it must be above zero";
const FEERATE: &str = "it is from 1.012 sat/vB (253 per kw) to 1000 sat/vB (250000 per kw)";
const NO_ADDRESS: &str = "this is no address of network regtest";
const OTHER_NETWORK: &str = "this is an address of network bitcoin, and the node is on regtest";
const NO_HOST: &str = "write it as host:port";
const HEX32: &str = "it must be 32 bytes, written as 64 hexadecimal digits";
const MISSING: &str = "it is missing";
const NO_PLACE: &str = "is known: give it as ID@HOST:PORT";
const KEY: &str = "66 hexadecimal digits";
const SCID: &str = "BLOCKxTRANSACTIONxOUTPUT";
const NO_POINT: &str = "not a public key";

/// All rows.
pub(crate) fn rows(here: &Here) -> Vec<Row> {
    let mut table = Table { rows: Vec::new(), call: "" };
    money(&mut table);
    peers(&mut table, here);
    channels(&mut table, here);
    invoices(&mut table);
    payments(&mut table, here);
    lists(&mut table);
    intercepts(&mut table);
    graph(&mut table);
    table.rows
}

fn money(table: &mut Table) {
    let feerates = [0, 1, 252, 250_001, u64::from(u32::MAX)];
    table.of("Withdraw");
    table.missing("address", MISSING).nonsense("address", NO_ADDRESS);
    table.wrong("address", text(MAINNET_ADDRESS), OTHER_NETWORK);
    table.wrong("address", text(MAINNET_ADDRESS.to_uppercase()), OTHER_NETWORK);
    table.row("amount_sat", None, Outcome::Refused(Code::InvalidArgument, "`all` is not asked for"));
    table.numbers("amount_sat", &[0], NOT_ZERO);
    table.numbers("amount_sat", &[ALL_MONEY_SAT + 1, u64::MAX], NO_MONEY);
    table.not_now("amount_sat", Value::Number(ALL_MONEY_SAT), "missing");
    table.not_now("amount_sat", Value::Number(1), "at least 330 sat");
    table.wrong("all", Value::Flag(true), "amount_sat: give either an amount or all");
    table.numbers("feerate_perkw", &feerates, FEERATE);
    table.not_now("spend_reserve", Value::Flag(true), "missing");
    table.not_now("accept_high_fee", Value::Flag(true), "missing");
    table.no_ids().not_now("request_id", text("rent"), "missing");
    table.of("BumpFee");
    table.missing("txid", MISSING).nonsense("txid", "64 hexadecimal digits");
    table.not_now("txid", text("ab".repeat(32)), "waits for a block");
    table.numbers("feerate_perkw", &feerates, FEERATE);
    table.not_now("spend_reserve", Value::Flag(true), "waits for a block");
    table.of("Recover");
    table.wrong("only_look", Value::Flag(true), "feerate_perkw: nothing is swept");
    table.numbers("feerate_perkw", &feerates, FEERATE);
}

fn peers(table: &mut Table, here: &Here) {
    let not_a_point = format!("02{}", "ff".repeat(32));
    table.of("ConnectPeer");
    table.missing("node_id", MISSING).nonsense("node_id", KEY);
    table.wrong("node_id", text(not_a_point.clone()), NO_POINT);
    table.wrong("node_id", text(&here.node_id), "this is the node itself");
    table.row("address", None, Outcome::Refused(Code::FailedPrecondition, NO_PLACE));
    table.wrong("address", text(""), MISSING).nonsense("address", NO_HOST);
    table.wrong("address", text("127.0.0.1:65536"), NO_HOST);
    table.wrong("address", text("127.0.0.1:0"), NO_HOST);
    table.not_now("address", text("127.0.0.1:1"), "127.0.0.1:1");
    table.of("DisconnectPeer");
    table.missing("node_id", MISSING).nonsense("node_id", KEY);
    table.wrong("node_id", text(not_a_point), NO_POINT);
    table.not_found("node_id", text(NOBODY), "astrape peers");
}

fn channels(table: &mut Table, here: &Here) {
    let feerates = [0, 1, 252, 250_001, u64::from(u32::MAX)];
    table.of("OpenChannel");
    table.not_now("spend_reserve", Value::Flag(true), NO_PLACE);
    table.not_now("accept_high_fee", Value::Flag(true), NO_PLACE);
    table.missing("node_id", MISSING).nonsense("node_id", KEY);
    table.wrong("node_id", text(&here.node_id), "this is the node itself");
    table.not_now("node_id", text(NOBODY), NO_PLACE);
    table.wrong("address", text(""), MISSING).nonsense("address", NO_HOST);
    table.row("amount_sat", None, Outcome::Refused(Code::InvalidArgument, NOT_ZERO));
    table.numbers("amount_sat", &[0], NOT_ZERO);
    table.numbers("amount_sat", &[ALL_MONEY_SAT + 1, u64::MAX], NO_MONEY);
    table.numbers("push_msat", &[100_000_001], "more than the channel is to hold");
    table.numbers("push_msat", &[ALL_MONEY_SAT * 1_000 + 1, u64::MAX], NO_MONEY);
    table.not_now("private", Value::Flag(true), NO_PLACE);
    table.wrong("format", text(""), "anchors or static_remotekey");
    table.nonsense("format", "anchors or static_remotekey").not_now("format", text("anchors"), NO_PLACE);
    table.no_ids().not_now("request_id", text("rent"), NO_PLACE);
    table.numbers("feerate_perkw", &feerates, FEERATE);

    table.of("SetChannel");
    table
        .missing("channel", "a channel is named by its id")
        .nonsense("channel", "a channel is named by its id");
    table.not_found("channel", text("abcd"), "astrape channels");
    table.taken("channel", text("all"));
    for field in ["fee_base_msat", "htlc_minimum_msat", "htlc_maximum_msat"] {
        table.numbers(field, &[ALL_MONEY_SAT * 1_000 + 1, u64::MAX], NO_MONEY);
    }
    for field in [
        "fee_proportional_millionths",
        "cltv_expiry_delta",
        "inbound_base_msat",
        "inbound_proportional_millionths",
    ] {
        table.not_found(field, Value::Number(u64::from(u32::MAX)), "astrape channels");
    }
    table.not_found("reset", Value::Flag(true), "astrape channels");

    let names = "a channel is named by its id";
    let outpoint = format!("{}:0", "ab".repeat(32));
    table.of("CloseChannel");
    table.missing("channel", names).nonsense("channel", names);
    table.wrong("channel", text("abc"), names).wrong("channel", text("1x2"), names);
    table.wrong("channel", text("abcd"), "a close cannot be undone");
    table.wrong("channel", text("abcdabcdabc"), "the first 12 or more digits");
    for name in ["abcdabcdabcd", "1x2x3", &"ab".repeat(32), &outpoint] {
        table.not_found("channel", text(name), "astrape channels");
    }
    table.wrong("address", text(""), MISSING).nonsense("address", NO_ADDRESS);
    table.wrong("address", text(MAINNET_ADDRESS), OTHER_NETWORK);
    table.not_found("force", Value::Flag(true), "astrape channels");
    table.wrong("dry_run", Value::Flag(true), "only a forced close is reckoned before");
}

fn invoices(table: &mut Table) {
    table.of("CreateInvoice");
    table.numbers("amount_msat", &[0], NOT_ZERO);
    table.numbers("amount_msat", &[ALL_MONEY_SAT * 1_000 + 1, u64::MAX], NO_MONEY);
    table.wrong("description", text("x".repeat(640)), "at most 639 bytes");
    table.wrong("description", text("é".repeat(320)), "at most 639 bytes");
    table.wrong("description", text("x".repeat(60_000)), "give the hash of a longer text");
    table.row("description", None, Outcome::Taken);
    table.wrong("description_hash", text("00".repeat(32)), "give either a description or the hash");
    table.wrong("description_hash", text("x".repeat(60_000)), "give either a description or the hash");
    table.wrong("preimage", text(""), MISSING).nonsense("preimage", HEX32);
    table.wrong("preimage", text("ab".repeat(31)), HEX32).wrong("preimage", text("ab".repeat(33)), HEX32);
    table.numbers("expiry_secs", &[0, 366 * 86_400 + 1, u64::MAX], "it is in seconds, from 1 to 31622400");
    table.numbers("hold_blocks", &[1, 0, u64::from(u32::MAX)], "it is for hold invoices only");
    table.wrong("payment_hash", text(""), MISSING).nonsense("payment_hash", HEX32);
    table.wrong("payment_hash", text("ab".repeat(32)), "only a hold invoice can be made of its hash alone");
    table.taken("hold", Value::Flag(true));
    table.no_ids().taken("request_id", text("table 4"));
    table.of("SettleInvoice");
    table.wrong("payment_hash", text(""), MISSING).nonsense("payment_hash", HEX32);
    table.not_now("payment_hash", text("ab".repeat(32)), "astrape invoices");
    table.row("payment_hash", None, Outcome::Refused(Code::InvalidArgument, "give it, or the preimage"));
    table.wrong("preimage", text(""), MISSING).nonsense("preimage", HEX32);
    table.of("CancelInvoice");
    table.missing("payment_hash", MISSING).nonsense("payment_hash", HEX32);
    table.not_now("payment_hash", text("ab".repeat(32)), "astrape invoices");
    table.of("ListInvoices");
    table.numbers("limit", &[0, 1_001, u64::from(u32::MAX)], "it is from 1 to 1000");
    table.wrong("after", text(""), MISSING).nonsense("after", HEX32);
    table.wrong("after", text("ab".repeat(32)), "give what the page before told as `next`");
    table.wrong("after", text("zz".repeat(40)), "it is no `next` of a page");
    table.taken("after", text("ab".repeat(40)));
    table.of("GetInvoice");
    table.missing("payment_hash", MISSING).nonsense("payment_hash", HEX32);
    table.not_found("payment_hash", text("ab".repeat(32)), "astrape invoices");
    table.of("DecodeInvoice");
    table.missing("invoice", MISSING).nonsense("invoice", "");
    table.wrong("invoice", text("lnbcrt1"), "").wrong("invoice", text("lnbcrt1".repeat(8_000)), "");
}

fn payments(table: &mut Table, here: &Here) {
    table.of("Pay");
    table.missing("invoice", MISSING).nonsense("invoice", "");
    table.wrong("invoice", text("lnbcrt1"), "");
    table.numbers("amount_msat", &[0], NOT_ZERO);
    table.numbers("amount_msat", &[ALL_MONEY_SAT * 1_000 + 1, u64::MAX], NO_MONEY);
    table.numbers("max_fee_msat", &[ALL_MONEY_SAT * 1_000 + 1, u64::MAX], NO_MONEY);
    table.numbers("timeout_secs", &[0, 86_401, u64::MAX], "it is in seconds, from 1 to 86400");
    let only = "it is for a node that is paid without an invoice";
    table.wrong("preimage", text("ab".repeat(32)), only).nonsense("preimage", only);
    table.wrong("custom_records", text("65536=00"), only).nonsense("custom_records", only);
    table.not_now_without("custom_records", "own");
    table.wrong("node_id", text(NOBODY), "give either an invoice or a node").nonsense("node_id", "either");
    table.no_ids().not_now("request_id", text("rent"), "own");
    table.wrong("invoice", text("bitcoin:bc1qxyz?amount=1"), "astrape withdraw");
    table.wrong("invoice", text("bitcoin:?lightning=%"), "percent-encoding");
    let names = "a channel is named by its id";
    table.of("GetPayment");
    table.missing("payment_hash", MISSING).nonsense("payment_hash", HEX32);
    table.not_found("payment_hash", text("ab".repeat(32)), "astrape payments");
    table.of("Rebalance");
    table.numbers("amount_msat", &[0], NOT_ZERO);
    table.numbers("amount_msat", &[ALL_MONEY_SAT * 1_000 + 1, u64::MAX], NO_MONEY);
    table.no_ids().not_found("request_id", text("rent"), "astrape channels");
    table.missing("from", names).nonsense("from", names);
    table.not_found("from", text("1x2x3"), "astrape channels");
    for name in [text("abcd"), text("a".repeat(60_000))] {
        table.not_found("to", name, "astrape channels");
    }
    table.numbers("max_fee_msat", &[ALL_MONEY_SAT * 1_000 + 1, u64::MAX], NO_MONEY);
    table.numbers("timeout_secs", &[0, 86_401, u64::MAX], "it is in seconds, from 1 to 86400");
    table.of("FindRoute");
    table.wrong("node_id", text(NOBODY), "give either an invoice or a node").nonsense("node_id", "either");
    table.missing("invoice", MISSING).nonsense("invoice", "");
    table.not_now("invoice", text(&here.own_invoice), "own");
    table.numbers("amount_msat", &[0], NOT_ZERO);
    table.numbers("amount_msat", &[ALL_MONEY_SAT * 1_000 + 1, u64::MAX], NO_MONEY);
    table.numbers("max_fee_msat", &[ALL_MONEY_SAT * 1_000 + 1, u64::MAX], NO_MONEY);
    table.of("Probe");
    table.wrong("node_id", text(NOBODY), "give either an invoice or a node").nonsense("node_id", "either");
    table.missing("invoice", MISSING).nonsense("invoice", "");
    table.not_now("invoice", text(&here.own_invoice), "own");
    table.numbers("amount_msat", &[0], NOT_ZERO);
    table.numbers("amount_msat", &[ALL_MONEY_SAT * 1_000 + 1, u64::MAX], NO_MONEY);
    table.numbers("max_fee_msat", &[ALL_MONEY_SAT * 1_000 + 1, u64::MAX], NO_MONEY);
    table.numbers("timeout_secs", &[0, 601, u64::MAX], "it is in seconds, from 1 to 600");
}

fn intercepts(table: &mut Table) {
    let names = "a channel is named by its id";
    table.of("ResolveHtlc");
    table.missing("channel", names).nonsense("channel", names);
    table.not_found("channel", text("1x2x3"), "astrape channels");
    for (argument, value) in [
        ("over", text("abcd")),
        ("over", text("a".repeat(60_000))),
        ("htlc_id", Value::Number(7)),
        ("htlc_id", Value::Number(u64::MAX)),
        ("amount_msat", Value::Number(0)),
        ("amount_msat", Value::Number(u64::MAX)),
        ("fail", Value::Flag(false)),
    ] {
        // The channel is looked at first.
        table.not_found(argument, value, "astrape channels");
    }
}

fn graph(table: &mut Table) {
    table.of("GetGraphNode");
    table.missing("node_id", MISSING).nonsense("node_id", KEY);
    table.not_found("node_id", text(NOBODY), "no channel of this node is known");
    table.of("GetGraphChannel");
    table.missing("short_channel_id", MISSING).nonsense("short_channel_id", SCID);
    table.wrong("short_channel_id", text("1x2"), SCID);
    table.not_found("short_channel_id", text("1x2x3"), "this channel is not known");
}

fn lists(table: &mut Table) {
    let names = "a channel is named by its id";
    table.of("ListCloses");
    table.wrong("channel", text(""), names).nonsense("channel", names);
    for name in ["abcd", "1x2x3", &"ab".repeat(32), &format!("{}:0", "ab".repeat(32))] {
        table.not_found("channel", text(name), "there is no such channel");
    }
    table.wrong("after", text(""), MISSING).nonsense("after", HEX32).taken("after", text("ab".repeat(32)));
    for call in ["ListPayments", "ListForwards", "ListCloses"] {
        table.of(call);
        table.numbers("limit", &[0, 1_001, u64::from(u32::MAX)], "it is from 1 to 1000");
        for before in [0, 1, u64::MAX] {
            table.taken("before", Value::Number(before));
        }
    }
    table.of("ListForwards");
    table.wrong("channel", text(""), names).nonsense("channel", names);
    table.not_found("channel", text("1x2x3"), "astrape channels");
    table.taken("channel", text("ab".repeat(32)));
    table.numbers("since", &[u64::MAX], "the end must come after the begin");
    table.taken("since", Value::Number(0));
    table.numbers("until", &[0], "the end must come after the begin");
    table.taken("until", Value::Number(1)).taken("until", Value::Number(u64::MAX));
    table.of("GetStats");
    table.numbers("limit", &[0, 1_001, u64::from(u32::MAX)], "it is from 1 to 1000");
    table.numbers("period_secs", &[0, 1, 7_000], "more than 366 periods");
    table.taken("period_secs", Value::Number(u64::MAX));
    table.numbers("since", &[u64::MAX], "the end must come after the begin");
    table.numbers("since", &[0, 1], "more than 366 periods");
    table.numbers("until", &[0], "the end must come after the begin");
    table.taken("until", Value::Number(u64::MAX));
    table.of("Events");
    for since in [0, u64::MAX] {
        table.taken("since", Value::Number(since));
    }
}

//! Writes as a node makes them, and journals to take them.

use astrape_node::{ChannelFact, Entry, Fact, Key, RetiredHtlc, SeenOnion, Writes};
use astrape_primitives::{
    ChannelId, ChannelKeysId, CltvExpiry, CommitmentNumber, Height, HtlcId, Msat, Network, NodeId,
    PaymentHash, PaymentPreimage, ReplayId, Sat, Side, Timestamp,
};
use astrape_storage::{Opened, SqliteJournal};
use bitcoin::hashes::Hash as _;
use bitcoin::{OutPoint, Txid};
use std::collections::BTreeMap;
use std::path::Path;

pub(crate) fn node() -> NodeId {
    NodeId::from_bytes([2; 33]).unwrap()
}

pub(crate) fn channel(n: u8) -> ChannelKeysId {
    ChannelKeysId([n; 32])
}

pub(crate) fn open(dir: &Path) -> (SqliteJournal, Opened) {
    SqliteJournal::open(dir, Network::Regtest, node()).unwrap()
}

/// Writes being put together.
#[derive(Default)]
pub(crate) struct Make {
    records: BTreeMap<Key, Option<Vec<u8>>>,
    ledger: Vec<Entry>,
    retired: Vec<RetiredHtlc>,
    onions: Vec<SeenOnion>,
    forget: Option<CltvExpiry>,
    marks: BTreeMap<ChannelKeysId, CommitmentNumber>,
}

impl Make {
    pub(crate) fn set(mut self, key: &[u8], value: &[u8]) -> Self {
        self.records.insert(Key(key.to_vec()), Some(value.to_vec()));
        self
    }

    pub(crate) fn delete(mut self, key: &[u8]) -> Self {
        self.records.insert(Key(key.to_vec()), None);
        self
    }

    pub(crate) fn fact(self, number: u64, fact: Fact) -> Self {
        self.fact_at(number, 1_700_000_000_000 + number, fact)
    }

    pub(crate) fn fact_at(mut self, number: u64, at: u64, fact: Fact) -> Self {
        self.ledger.push(Entry { number, at: Timestamp(at), fact });
        self
    }

    pub(crate) fn retire(mut self, htlc: RetiredHtlc) -> Self {
        self.retired.push(htlc);
        self
    }

    pub(crate) fn onion(mut self, expiry: u32, id: u8) -> Self {
        self.onions.push(onion(expiry, id));
        self
    }

    pub(crate) fn forget_before(mut self, expiry: u32) -> Self {
        self.forget = Some(CltvExpiry(expiry));
        self
    }

    pub(crate) fn mark(mut self, channel: ChannelKeysId, number: u64) -> Self {
        self.marks.insert(channel, CommitmentNumber(number));
        self
    }

    pub(crate) fn done(self) -> Writes {
        Writes::by_hand(self.records, self.ledger, self.retired, self.onions, self.forget, self.marks)
    }
}

pub(crate) fn onion(expiry: u32, id: u8) -> SeenOnion {
    SeenOnion { expiry: CltvExpiry(expiry), replay_id: ReplayId([id; 32]) }
}

pub(crate) fn htlc(channel: ChannelKeysId, side: Side, id: u64, first: u64, end: u64) -> RetiredHtlc {
    RetiredHtlc {
        channel,
        offered_by: side,
        id: HtlcId(id),
        amount: Msat(1_000 + id),
        payment_hash: PaymentHash([7; 32]),
        cltv_expiry: CltvExpiry(800_000),
        first_remote: CommitmentNumber(first),
        end_remote: CommitmentNumber(end),
    }
}

/// One fact of each kind.
pub(crate) fn facts() -> Vec<Fact> {
    let (payment_hash, preimage) = (PaymentHash([1; 32]), PaymentPreimage([2; 32]));
    let outpoint = OutPoint { txid: Txid::from_byte_array([3; 32]), vout: u32::MAX };
    let reason = String::from("because \u{26a1} of '\"; and\0more");
    let mut facts = vec![
        Fact::PaymentSent {
            payment_hash,
            preimage,
            amount: Msat(5),
            fee: Msat(u64::MAX),
            destination: node(),
            rebalance: false,
        },
        Fact::PaymentFailed {
            payment_hash,
            amount: Msat(0),
            destination: node(),
            reason: reason.clone(),
            rebalance: false,
        },
        Fact::PaymentReceived {
            payment_hash,
            preimage,
            amount: Msat(u64::MAX),
            keysend: false,
            custom_records: BTreeMap::new(),
            rebalance: false,
            description: "tea".to_owned(),
            bolt11: "lnbcrt1tea".to_owned(),
        },
        Fact::Forwarded {
            payment_hash,
            incoming: channel(4),
            outgoing: channel(5),
            amount_in: Msat(1_001),
            amount_out: Msat(1_000),
            took_ms: 345,
        },
        Fact::Forwarded {
            payment_hash,
            incoming: channel(4),
            outgoing: channel(5),
            amount_in: Msat(0),
            amount_out: Msat(u64::MAX),
            took_ms: 0,
        },
        Fact::ForwardFailed {
            payment_hash,
            incoming: channel(4),
            outgoing: None,
            amount_in: Msat(9),
            amount_out: Msat(8),
            took_ms: 0,
            by_us: true,
            reason: reason.clone(),
        },
        Fact::FeeBumped { txid: Txid::from_byte_array([7; 32]), child: outpoint.txid, fee: Sat(9) },
        Fact::NeverConfirmed { txid: Txid::from_byte_array([7; 32]), by: outpoint.txid },
        Fact::Withdrawn { txid: outpoint.txid, amount: Sat(100), fee: Sat(1) },
        Fact::PaymentReceived {
            payment_hash,
            preimage,
            amount: Msat(7),
            keysend: true,
            custom_records: BTreeMap::from([(65_537, vec![1, 2]), (u64::MAX, Vec::new())]),
            rebalance: false,
            description: "tea".to_owned(),
            bolt11: String::new(),
        },
        Fact::InvoiceHeld { payment_hash, amount: Msat(8), until: Height(u32::MAX) },
        Fact::InvoiceCanceled { payment_hash, amount: Msat(8), reason: reason.clone() },
        Fact::ForwardFailed {
            payment_hash,
            incoming: channel(4),
            outgoing: Some(channel(5)),
            amount_in: Msat(9),
            amount_out: Msat(10),
            took_ms: u64::MAX,
            by_us: false,
            reason: reason.clone(),
        },
    ];
    let events = vec![
        ChannelFact::NotOpened { reason: reason.clone() },
        ChannelFact::Opened { outpoint, capacity: Sat(100_000), by_us: true },
        ChannelFact::Opened { outpoint, capacity: Sat(u64::MAX), by_us: false },
        ChannelFact::FundingConfirmed,
        ChannelFact::FundingReorged,
        ChannelFact::Ready,
        ChannelFact::ShuttingDown { by_us: false },
        ChannelFact::ClosingAgreed { txid: outpoint.txid, fee: Sat(300) },
        ChannelFact::ForceClosing { reason: String::new() },
        ChannelFact::WaitingForPeersCommitment { reason: reason.clone() },
        ChannelFact::Spent { txid: outpoint.txid, how: "ours".to_owned() },
        ChannelFact::Over { returned: None, fees: None },
        ChannelFact::Over { returned: Some(Sat(5)), fees: Some(Sat(0)) },
        ChannelFact::Quarantined { reason: reason.clone() },
        ChannelFact::OnChain {
            txid: Some(outpoint.txid),
            what: reason.clone(),
            amount: Some(Sat(7)),
            fee: Some(Sat(1)),
        },
        ChannelFact::OnChain { txid: None, what: reason, amount: None, fee: None },
    ];
    facts.extend(events.into_iter().map(|event| Fact::Channel {
        keys: channel(6),
        channel_id: ChannelId([8; 32]),
        peer: node(),
        event,
    }));
    facts
}

/// A payment through a node: two channels move, an HTLC each.
pub(crate) fn typical(number: u64) -> Writes {
    let id = number.to_be_bytes();
    let fact = Fact::Forwarded {
        payment_hash: PaymentHash([9; 32]),
        incoming: channel(1),
        outgoing: channel(2),
        amount_in: Msat(1_001),
        amount_out: Msat(1_000),
        took_ms: 300,
    };
    Make::default()
        .set(b"head 1", &[1; 300])
        .set(b"head 2", &[2; 300])
        .set(b"secrets 1", &[3; 700])
        .set(&[b"htlc 1 ", id.as_slice()].concat(), &[4; 500])
        .set(&[b"htlc 2 ", id.as_slice()].concat(), &[5; 1_600])
        .delete(&[b"htlc 1 ", (number.saturating_sub(1)).to_be_bytes().as_slice()].concat())
        .fact(number, fact)
        .retire(htlc(channel(1), Side::Remote, number, number, number + 1))
        .onion(900_000, id[7])
        .mark(channel(1), number)
        .mark(channel(2), number)
        .done()
}

/// All that is asked of a journal, to compare what two of them answer.
pub(crate) type Contents = (BTreeMap<Key, Vec<u8>>, Vec<Entry>, Vec<RetiredHtlc>);

pub(crate) fn contents(journal: &SqliteJournal) -> Result<Contents, astrape_node::JournalError> {
    use astrape_node::Journal as _;
    let reader = journal.reader()?;
    let retired = (0..64).map(|n| journal.retired_htlcs(&channel(1), CommitmentNumber(n)));
    let retired: Vec<Vec<RetiredHtlc>> = retired.collect::<Result<_, _>>()?;
    Ok((journal.load()?, reader.facts_from(0, 1_000)?, retired.concat()))
}

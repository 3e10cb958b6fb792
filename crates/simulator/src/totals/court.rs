//! What was seen before the court.

use astrape_transactions::signing::{ClaimRequest, Spend, SpendPath};

/// Counts of what happened on chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CourtTotals {
    counts: [u64; NAMES.len()],
}

impl Default for CourtTotals {
    fn default() -> Self {
        Self { counts: [0; NAMES.len()] }
    }
}

/// One thing that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A user closed by force.
    Wish,
    /// A node died and did not come back.
    Silence,
    /// A peer said nonsense.
    Nonsense,
    /// A revoked commitment was broadcast.
    Theft,
    /// The commitment before the newest was broadcast, not revoked yet.
    Previous,
    /// The thief took an HTLC with a preimage.
    TheftByPreimage,
    /// The thief took an HTLC after its expiry.
    TheftByTimeout,
    /// The thief took several HTLCs with one transaction.
    TheftOfMany,
    /// A node went on chain by itself.
    ForcedClose,
    /// A channel that was on chain is over.
    Over,
    /// A reorganisation of more than two blocks.
    DeepReorg,
    /// A block with a high price or without room.
    Congested,
    /// Something was censored.
    Censored,
    /// Something was evicted.
    Evicted,
    /// A chain source fell silent.
    Outage,
    /// `to_local` or the output of an HTLC transaction was claimed.
    Delayed,
    /// `to_remote` was claimed.
    ToRemote,
    /// An anchor was spent to pay for its commitment.
    Anchor,
    /// An HTLC of the own commitment was claimed with its preimage.
    Success,
    /// An HTLC of the own commitment was timed out.
    Timeout,
    /// An HTLC of the peer's commitment was claimed with its preimage.
    RemotePreimage,
    /// An HTLC of the peer's commitment was timed out.
    RemoteTimeout,
    /// A penalty on `to_local`, or on the output of an HTLC transaction.
    PenaltyDelayed,
    /// A penalty on an HTLC.
    PenaltyHtlc,
    /// Both sides closed.
    Together,
    /// A `revoke_and_ack` that was due was never said.
    Withheld,
    /// Two payers were given one invoice.
    Twins,
    /// Blocks went with what was in them, and no mempool had it.
    Undone,
    /// A claim was made to vanish before a block.
    Cycled,
    /// Somebody's newest commitment went out as it left.
    LastWords,
    /// A close that had left the chain was brought back.
    Again,
    /// A funding was spent by a transaction of both: seen by each side.
    ByBoth,
    /// By the own commitment.
    ByOurs,
    /// By a valid commitment of the peer.
    ByTheirs,
    /// By a revoked commitment of the peer.
    ByRevoked,
    /// A thief contested an output of a claim in the mempool, with coins of its own.
    Contested,
    /// Of a claim of several.
    BatchContested,
    /// A large child hangs on what it put there.
    Pinned,
    /// Both named scripts to close, and the commitment of a thief pays to one of them.
    Guise,
    /// A peer that answers pings gives no secrets.
    Stalled,
    /// A peer claimed to be ahead and had no proof.
    FalseClaim,
    /// A block had other bytes in a witness than were sent.
    Rewritten,
    /// A thief took HTLCs with other bytes in a witness than its node writes.
    RewrittenTheft,
}

/// What each is called, in the order of [`Seen`].
const NAMES: [&str; 43] = [
    "closes by wish",
    "silences",
    "nonsense",
    "thefts",
    "closes with the previous",
    "thefts of HTLCs by preimage",
    "thefts of HTLCs by timeout",
    "thefts of several HTLCs",
    "forced closes",
    "resolved",
    "deep reorganisations",
    "congested blocks",
    "censored",
    "evicted",
    "outages of chain sources",
    "claims of delayed outputs",
    "claims of to_remote",
    "anchors spent",
    "HTLC-success",
    "HTLC-timeout",
    "claims by preimage",
    "claims by timeout",
    "penalties on delayed outputs",
    "penalties on HTLCs",
    "closes by both",
    "withheld revocations",
    "invoices paid by two",
    "closes undone",
    "claims cycled",
    "last words",
    "closes brought back",
    "spends by both",
    "spends by our commitment",
    "spends by theirs",
    "spends by a revoked one",
    "claims contested",
    "batches contested",
    "claims pinned",
    "thefts in the guise of a close",
    "peers that stall",
    "false claims to be ahead",
    "witnesses rewritten",
    "thefts with rewritten witnesses",
];

impl CourtTotals {
    /// Each count with its name.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        NAMES.into_iter().zip(self.counts)
    }

    /// Adds those of another run.
    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, more) in self.counts.iter_mut().zip(other.counts) {
            *sum += more;
        }
    }

    pub(crate) fn has_seen(&self, what: Seen) -> bool {
        self.counts.get(what as usize).is_some_and(|count| *count > 0)
    }

    pub(crate) fn saw(&mut self, what: Seen) {
        self.saw_many(what, 1);
    }

    pub(crate) fn saw_many(&mut self, what: Seen, times: u64) {
        if let Some(count) = self.counts.get_mut(what as usize) {
            *count += times;
        }
    }

    /// The inputs of a claim that goes out.
    pub(crate) fn claim(&mut self, request: &ClaimRequest) {
        for input in &request.inputs {
            let Spend::Channel { path, .. } = &input.spend else { continue };
            self.saw(match path {
                SpendPath::Delayed { .. } => Seen::Delayed,
                SpendPath::ToRemote => Seen::ToRemote,
                SpendPath::Anchor => Seen::Anchor,
                SpendPath::HtlcTransaction { preimage: Some(_), .. } => Seen::Success,
                SpendPath::HtlcTransaction { preimage: None, .. } => Seen::Timeout,
                SpendPath::RemoteHtlc { preimage: Some(_), .. } => Seen::RemotePreimage,
                SpendPath::RemoteHtlc { preimage: None, .. } => Seen::RemoteTimeout,
                SpendPath::PenaltyDelayed { .. } => Seen::PenaltyDelayed,
                SpendPath::PenaltyHtlc { .. } => Seen::PenaltyHtlc,
            });
        }
    }
}

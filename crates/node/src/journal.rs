//! The contract with the disk: what a commit holds, and who keeps it.

use crate::ledger::Fact;
use crate::request::{PastRequest, RequestId};
use astrape_primitives::{
    ChannelKeysId, CltvExpiry, CommitmentNumber, HtlcId, Msat, PaymentHash, ReplayId, Side, Timestamp,
};
use std::collections::{BTreeMap, BTreeSet};

/// Most archived HTLCs of channels that are over which one commit deletes: some milliseconds of work.
pub const MAX_FORGOTTEN_PER_COMMIT: usize = 1_000;

/// Name of a live record: a kind, and what it is about. Orders as bytes, so that a kind or a channel is a range.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub Vec<u8>);

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// What commits of one or more steps write. Later steps win.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writes {
    pub(crate) records: BTreeMap<Key, Option<Vec<u8>>>,
    pub(crate) ledger: Vec<Entry>,
    pub(crate) retired: Vec<RetiredHtlc>,
    pub(crate) onions: Vec<SeenOnion>,
    pub(crate) requests: Vec<PastRequest>,
    pub(crate) forget_onions_before: Option<CltvExpiry>,
    pub(crate) forget_retired: BTreeSet<ChannelKeysId>,
    pub(crate) marks: BTreeMap<ChannelKeysId, CommitmentNumber>,
    pub(crate) steps: u64,
}

/// A fact of the ledger with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Counts up by one.
    pub number: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub fact: Fact,
}

/// The one row that an HTLC leaves: what justice needs for each revoked state that had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetiredHtlc {
    /// The channel.
    pub channel: ChannelKeysId,
    /// Who offered it.
    pub offered_by: Side,
    /// Its id.
    pub id: HtlcId,
    /// Its amount.
    pub amount: Msat,
    /// Its hash.
    pub payment_hash: PaymentHash,
    /// Its expiry.
    pub cltv_expiry: CltvExpiry,
    /// The first commitment of the peer with it.
    pub first_remote: CommitmentNumber,
    /// The first commitment of the peer without it.
    pub end_remote: CommitmentNumber,
}

/// An onion that was acted on: the same again is a replay (attack 49). Forgotten once it is expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeenOnion {
    /// The expiry that the onion itself names, so that a replay names the same.
    pub expiry: CltvExpiry,
    /// Made of the secret that its sender shares with us.
    pub replay_id: ReplayId,
}

impl Writes {
    /// Writes made by hand: what journals are tested with. No way leads from here to an effect.
    #[must_use]
    pub fn by_hand(
        records: BTreeMap<Key, Option<Vec<u8>>>,
        ledger: Vec<Entry>,
        retired: Vec<RetiredHtlc>,
        onions: Vec<SeenOnion>,
        forget_onions_before: Option<CltvExpiry>,
        marks: BTreeMap<ChannelKeysId, CommitmentNumber>,
    ) -> Self {
        Self { records, ledger, retired, onions, forget_onions_before, marks, steps: 1, ..Self::default() }
    }

    /// Live records to set (`Some`) or take away.
    pub fn records(&self) -> impl Iterator<Item = (&Key, Option<&[u8]>)> {
        self.records.iter().map(|(k, v)| (k, v.as_deref()))
    }

    /// Facts to append.
    #[must_use]
    pub fn ledger(&self) -> &[Entry] {
        &self.ledger
    }

    /// HTLCs to archive.
    #[must_use]
    pub fn retired(&self) -> &[RetiredHtlc] {
        &self.retired
    }

    /// Onions to remember.
    #[must_use]
    pub fn onions(&self) -> &[SeenOnion] {
        &self.onions
    }

    /// Requests that were carried out, each for the first time.
    #[must_use]
    pub fn requests(&self) -> &[PastRequest] {
        &self.requests
    }

    /// With these requests.
    #[must_use]
    pub fn with_requests(self, requests: Vec<PastRequest>) -> Self {
        Self { requests, ..self }
    }

    /// Onions whose expiry is below may be forgotten.
    #[must_use]
    pub fn forget_onions_before(&self) -> Option<CltvExpiry> {
        self.forget_onions_before
    }

    /// Channels that are over: their archived HTLCs may be deleted, at most [`MAX_FORGOTTEN_PER_COMMIT`] with each commit
    /// from this one on (attack 84).
    #[must_use]
    pub fn forget_retired(&self) -> &BTreeSet<ChannelKeysId> {
        &self.forget_retired
    }

    /// With the archived HTLCs of these channels to be deleted.
    #[must_use]
    pub fn forgetting_retired(self, channels: impl IntoIterator<Item = ChannelKeysId>) -> Self {
        Self { forget_retired: channels.into_iter().collect(), ..self }
    }

    /// The stale-state mark: newest commitment number (ours and the peer's added up) of each channel that moved.
    pub fn marks(&self) -> impl Iterator<Item = (ChannelKeysId, CommitmentNumber)> {
        self.marks.iter().map(|(k, v)| (*k, *v))
    }

    /// The number of steps in it.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Whether there is nothing to write: such a commit may let its effects out at once.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
            && self.ledger.is_empty()
            && self.retired.is_empty()
            && self.onions.is_empty()
            && self.requests.is_empty()
            && self.forget_onions_before.is_none()
            && self.forget_retired.is_empty()
    }

    /// With those of a later step.
    pub(crate) fn then(&mut self, later: Writes) {
        self.records.extend(later.records);
        self.ledger.extend(later.ledger);
        self.retired.extend(later.retired);
        self.onions.extend(later.onions);
        self.requests.extend(later.requests);
        self.forget_onions_before = later.forget_onions_before.or(self.forget_onions_before);
        self.forget_retired.extend(later.forget_retired);
        self.marks.extend(later.marks);
        self.steps += later.steps;
    }
}

/// Why a journal did not commit. The process stops: nothing may be said from a state that is not durable.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk or database failed.
    #[error(
        "the journal cannot be written: {0}. The node stops; nothing was sent. Mend it (disk full?) and start again"
    )]
    Io(String),
    /// Another process holds the journal, or took it over.
    #[error("the journal is held by another process: {0}")]
    Fenced(String),
    /// What is stored cannot be what was written.
    #[error(
        "the journal is damaged: {0}. The node does not start; restore the file, never an older copy of it"
    )]
    Damaged(String),
    /// Of another node or another network.
    #[error(
        "the journal is not this node's: {0}. Point the node at its own directory, or give it its own seed"
    )]
    Foreign(String),
    /// Written by a newer version.
    #[error("the journal was written by a newer version: {0}. Use that version or a newer one")]
    Newer(String),
}

/// What keeps the node's records. A commit is all or nothing, and durable when it returns.
pub trait Journal: Send {
    /// Makes the writes durable.
    ///
    /// # Errors
    /// When they are not; the process must stop.
    fn commit(&mut self, writes: &Writes) -> Result<(), JournalError>;

    /// All live records, in order of their keys.
    ///
    /// # Errors
    /// When they cannot be read whole.
    fn load(&self) -> Result<BTreeMap<Key, Vec<u8>>, JournalError>;

    /// Whether an onion was acted on before.
    ///
    /// # Errors
    /// When it cannot be told.
    fn onion_seen(&self, onion: &SeenOnion) -> Result<bool, JournalError>;

    /// The last fact about a payment that this node sent or received, by its hash: `PaymentSent`, `PaymentFailed`,
    /// `PaymentReceived`.
    ///
    /// # Errors
    /// When it cannot be read.
    fn last_payment_fact(&self, payment_hash: &PaymentHash) -> Result<Option<Entry>, JournalError>;

    /// The request that was carried out under an id of its caller, if there was one.
    ///
    /// # Errors
    /// When it cannot be read.
    fn past_request(&self, id: &RequestId) -> Result<Option<PastRequest>, JournalError>;

    /// The HTLCs of a channel that a commitment of the peer had, of those archived.
    ///
    /// # Errors
    /// When they cannot be read.
    fn retired_htlcs(
        &self,
        channel: &ChannelKeysId,
        commitment: CommitmentNumber,
    ) -> Result<Vec<RetiredHtlc>, JournalError>;
}

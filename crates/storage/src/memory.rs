//! A journal in memory, for simulations: what a crash would leave is its value.

use astrape_node::{
    Entry, Fact, Journal, JournalError, Key, MAX_FORGOTTEN_PER_COMMIT, PastRequest, RequestId, RetiredHtlc,
    SeenOnion, Writes,
};
use astrape_primitives::{ChannelKeysId, CommitmentNumber, HtlcId, PaymentHash, ReplayId, Side};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Which HTLC: its channel, who offered it, its id.
type HtlcPlace = (ChannelKeysId, Side, HtlcId);

/// Records in memory. A clone shares what neither has changed since: a simulation may fork at each of its steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryJournal {
    records: Arc<BTreeMap<Key, Arc<[u8]>>>,
    ledger: Arc<Vec<Entry>>,
    retired: Arc<BTreeMap<HtlcPlace, RetiredHtlc>>,
    /// Channels that are over and have archived HTLCs left.
    forgetting: BTreeSet<ChannelKeysId>,
    onions: Arc<BTreeSet<SeenOnion>>,
    requests: Arc<BTreeMap<RequestId, PastRequest>>,
    marks: BTreeMap<ChannelKeysId, CommitmentNumber>,
    commits: u64,
    commits_left: Option<u64>,
}

impl MemoryJournal {
    /// Without records: a new node.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes `commits` more and then fails, writing nothing, until it is told otherwise: as if the process died there.
    pub fn crash_after(&mut self, commits: u64) {
        self.commits_left = Some(commits);
    }

    /// Takes commits again: the disk is there for the process that comes after the crash.
    pub fn mend(&mut self) {
        self.commits_left = None;
    }

    /// How many commits it holds.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits
    }

    /// All facts, oldest first.
    #[must_use]
    pub fn ledger(&self) -> &[Entry] {
        &self.ledger
    }

    /// All archived HTLCs.
    pub fn retired(&self) -> impl Iterator<Item = &RetiredHtlc> {
        self.retired.values()
    }

    /// The stale-state marks by channel.
    #[must_use]
    pub fn marks(&self) -> &BTreeMap<ChannelKeysId, CommitmentNumber> {
        &self.marks
    }

    /// Bytes of all live records, keys included.
    #[must_use]
    pub fn size(&self) -> usize {
        self.records.iter().map(|(key, value)| key.0.len() + value.len()).sum()
    }

    /// Deletes a bounded part of what channels that are over have left.
    fn forget_some(&mut self) {
        let Some(channel) = self.forgetting.first().copied() else { return };
        let first = (channel, Side::Local, HtlcId(0));
        let of_channel =
            self.retired.range(first..).map(|(place, _)| *place).take_while(|(c, ..)| *c == channel);
        let gone: Vec<HtlcPlace> = of_channel.take(MAX_FORGOTTEN_PER_COMMIT).collect();
        if gone.len() < MAX_FORGOTTEN_PER_COMMIT {
            self.forgetting.remove(&channel);
        }
        if !gone.is_empty() {
            let retired = Arc::make_mut(&mut self.retired);
            for place in gone {
                retired.remove(&place);
            }
        }
    }

    fn count_down(&mut self) -> Result<(), JournalError> {
        match &mut self.commits_left {
            Some(0) => Err(JournalError::Io("the simulated disk is gone".to_owned())),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Journal for MemoryJournal {
    fn commit(&mut self, writes: &Writes) -> Result<(), JournalError> {
        self.count_down()?;
        // What is shared with a fork is copied only when there is something to write into it.
        if writes.records().next().is_some() {
            let records = Arc::make_mut(&mut self.records);
            for (key, value) in writes.records() {
                match value {
                    Some(value) => records.insert(key.clone(), value.into()),
                    None => records.remove(key),
                };
            }
        }
        if !writes.ledger().is_empty() {
            Arc::make_mut(&mut self.ledger).extend_from_slice(writes.ledger());
        }
        if !writes.retired().is_empty() {
            let rows =
                writes.retired().iter().map(|htlc| ((htlc.channel, htlc.offered_by, htlc.id), htlc.clone()));
            Arc::make_mut(&mut self.retired).extend(rows);
        }
        if !writes.onions().is_empty() {
            Arc::make_mut(&mut self.onions).extend(writes.onions());
        }
        if !writes.requests().is_empty() {
            let rows = writes.requests().iter().map(|past| (past.request.id.clone(), past.clone()));
            Arc::make_mut(&mut self.requests).extend(rows);
        }
        if let Some(expiry) = writes.forget_onions_before() {
            let onions = Arc::make_mut(&mut self.onions);
            *onions = onions.split_off(&SeenOnion { expiry, replay_id: ReplayId([0; 32]) });
        }
        self.forgetting.extend(writes.forget_retired());
        self.forget_some();
        self.marks.extend(writes.marks());
        self.commits += 1;
        Ok(())
    }

    fn load(&self) -> Result<BTreeMap<Key, Vec<u8>>, JournalError> {
        Ok(self.records.iter().map(|(key, value)| (key.clone(), value.to_vec())).collect())
    }

    fn onion_seen(&self, onion: &SeenOnion) -> Result<bool, JournalError> {
        Ok(self.onions.contains(onion))
    }

    fn last_payment_fact(&self, payment_hash: &PaymentHash) -> Result<Option<Entry>, JournalError> {
        let about = |entry: &&Entry| payment_of(&entry.fact) == Some(payment_hash);
        Ok(self.ledger.iter().rev().find(about).cloned())
    }

    fn past_request(&self, id: &RequestId) -> Result<Option<PastRequest>, JournalError> {
        Ok(self.requests.get(id).cloned())
    }

    fn retired_htlcs(
        &self,
        channel: &ChannelKeysId,
        commitment: CommitmentNumber,
    ) -> Result<Vec<RetiredHtlc>, JournalError> {
        let first = (*channel, Side::Local, HtlcId(0));
        let of_channel =
            self.retired.range(first..).map(|(_, htlc)| htlc).take_while(|htlc| htlc.channel == *channel);
        Ok(of_channel
            .filter(|h| h.first_remote <= commitment && commitment < h.end_remote)
            .cloned()
            .collect())
    }
}

/// The payment of ours whose end a fact is.
fn payment_of(fact: &Fact) -> Option<&PaymentHash> {
    match fact {
        Fact::PaymentSent { payment_hash, .. }
        | Fact::PaymentFailed { payment_hash, .. }
        | Fact::PaymentReceived { payment_hash, .. } => Some(payment_hash),
        Fact::InvoiceHeld { .. }
        | Fact::InvoiceCanceled { .. }
        | Fact::Forwarded { .. }
        | Fact::ForwardFailed { .. }
        | Fact::Channel { .. }
        | Fact::FeeBumped { .. }
        | Fact::NeverConfirmed { .. }
        | Fact::Withdrawn { .. } => None,
    }
}

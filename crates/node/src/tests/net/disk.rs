//! What a node has written, in memory.

use crate::journal::{Entry, Journal, JournalError, Key, RetiredHtlc, SeenOnion, Writes};
use crate::request::{PastRequest, RequestId};
use astrape_primitives::{ChannelKeysId, CommitmentNumber, PaymentHash};
use std::collections::{BTreeMap, BTreeSet};

/// What a node has written, and nothing else of it.
#[derive(Clone, Default)]
pub(in crate::tests) struct Disk {
    rows: BTreeMap<Key, Vec<u8>>,
    onions: BTreeSet<SeenOnion>,
    requests: BTreeMap<RequestId, PastRequest>,
    /// Channels whose archive may be deleted.
    over: BTreeSet<ChannelKeysId>,
}

impl Disk {
    /// How many rows there are.
    pub(in crate::tests) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// How many onions it remembers.
    pub(in crate::tests) fn onions(&self) -> usize {
        self.onions.len()
    }

    /// Whether the archive of a channel may be deleted.
    pub(in crate::tests) fn is_over(&self, channel: &ChannelKeysId) -> bool {
        self.over.contains(channel)
    }
}

impl Journal for Disk {
    fn commit(&mut self, writes: &Writes) -> Result<(), JournalError> {
        for (key, row) in writes.records() {
            match row {
                Some(row) => self.rows.insert(key.clone(), row.to_vec()),
                None => self.rows.remove(key),
            };
        }
        self.over.extend(writes.forget_retired());
        self.onions.extend(writes.onions().iter().copied());
        self.requests.extend(writes.requests().iter().map(|past| (past.request.id.clone(), past.clone())));
        if let Some(height) = writes.forget_onions_before() {
            self.onions.retain(|onion| onion.expiry >= height);
        }
        Ok(())
    }

    fn load(&self) -> Result<BTreeMap<Key, Vec<u8>>, JournalError> {
        Ok(self.rows.clone())
    }

    fn onion_seen(&self, onion: &SeenOnion) -> Result<bool, JournalError> {
        Ok(self.onions.contains(onion))
    }

    fn last_payment_fact(&self, _: &PaymentHash) -> Result<Option<Entry>, JournalError> {
        Ok(None)
    }

    fn past_request(&self, id: &RequestId) -> Result<Option<PastRequest>, JournalError> {
        Ok(self.requests.get(id).cloned())
    }

    fn retired_htlcs(
        &self,
        _: &ChannelKeysId,
        _: CommitmentNumber,
    ) -> Result<Vec<RetiredHtlc>, JournalError> {
        Ok(Vec::new())
    }
}

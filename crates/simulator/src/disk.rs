//! The disk of a node: a journal in memory, and the lies that a planted bug makes it tell.

use astrape_node::{
    Entry, Fact, Journal, JournalError, Key, PastRequest, RequestId, RetiredHtlc, SeenOnion, Writes,
};
use astrape_primitives::{ChannelKeysId, CommitmentNumber, PaymentHash};
use astrape_storage::MemoryJournal;
use std::collections::BTreeMap;

/// A lie of the disk, to prove that it is found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskBug {
    /// Drops the last record of each commit.
    DropsRecord,
    /// Does not archive HTLCs.
    ForgetsRetired,
    /// Does not tell that a payment was received.
    HidesReceived,
    /// Tells of each payment that was sent that it failed, too.
    TellsFailedToo,
    /// Tells of each payment twice that it was sent.
    TellsTwice,
    /// Says that it is done and is not: commits are lost at a crash.
    DoesNotSync,
}

/// The disk of a node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    pub(crate) journal: MemoryJournal,
    pub(crate) bug: Option<DiskBug>,
    /// What was there before the last commit, for [`DiskBug::DoesNotSync`].
    before: Option<MemoryJournal>,
}

impl Disk {
    /// The process died.
    pub(crate) fn crash(&mut self) {
        if self.bug == Some(DiskBug::DoesNotSync)
            && let Some(before) = self.before.take()
        {
            self.journal = before;
        }
    }

    fn lie(&self, writes: &Writes) -> Writes {
        let mut records: BTreeMap<Key, Option<Vec<u8>>> =
            writes.records().map(|(key, value)| (key.clone(), value.map(<[u8]>::to_vec))).collect();
        let mut ledger: Vec<Entry> = writes.ledger().to_vec();
        let mut retired = writes.retired().to_vec();
        match self.bug {
            Some(DiskBug::DropsRecord) => {
                records.pop_last();
            }
            Some(DiskBug::ForgetsRetired) => retired.clear(),
            Some(DiskBug::HidesReceived) => {
                ledger.retain(|entry| !matches!(entry.fact, Fact::PaymentReceived { .. }));
            }
            Some(DiskBug::TellsFailedToo) => {
                ledger.extend(told_again(writes, |entry| as_failed(&entry.fact)))
            }
            Some(DiskBug::TellsTwice) => ledger.extend(told_again(writes, |entry| {
                matches!(entry.fact, Fact::PaymentSent { .. }).then(|| entry.fact.clone())
            })),
            Some(DiskBug::DoesNotSync) | None => {}
        }
        let onions = writes.onions().to_vec();
        Writes::by_hand(
            records,
            ledger,
            retired,
            onions,
            writes.forget_onions_before(),
            writes.marks().collect(),
        )
        .forgetting_retired(writes.forget_retired().iter().copied())
        .with_requests(writes.requests().to_vec())
    }
}

/// Further entries that a lie makes of those of a commit.
fn told_again(writes: &Writes, lie: impl Fn(&Entry) -> Option<Fact>) -> Vec<Entry> {
    let entries = writes.ledger().iter();
    entries.filter_map(|entry| Some(Entry { fact: lie(entry)?, ..entry.clone() })).collect()
}

/// Of a payment that arrived, that it failed.
fn as_failed(fact: &Fact) -> Option<Fact> {
    let Fact::PaymentSent { payment_hash, amount, destination, .. } = fact else { return None };
    let (payment_hash, amount, destination) = (*payment_hash, *amount, *destination);
    Some(Fact::PaymentFailed { payment_hash, amount, destination, reason: String::new(), rebalance: false })
}

impl Journal for Disk {
    fn commit(&mut self, writes: &Writes) -> Result<(), JournalError> {
        match self.bug {
            None => self.journal.commit(writes),
            Some(bug) => {
                if bug == DiskBug::DoesNotSync {
                    self.before = Some(self.journal.clone());
                }
                let lie = self.lie(writes);
                self.journal.commit(&lie)
            }
        }
    }

    fn load(&self) -> Result<BTreeMap<Key, Vec<u8>>, JournalError> {
        self.journal.load()
    }

    fn onion_seen(&self, onion: &SeenOnion) -> Result<bool, JournalError> {
        self.journal.onion_seen(onion)
    }

    fn last_payment_fact(&self, payment_hash: &PaymentHash) -> Result<Option<Entry>, JournalError> {
        self.journal.last_payment_fact(payment_hash)
    }

    fn past_request(&self, id: &RequestId) -> Result<Option<PastRequest>, JournalError> {
        self.journal.past_request(id)
    }

    fn retired_htlcs(
        &self,
        channel: &ChannelKeysId,
        commitment: CommitmentNumber,
    ) -> Result<Vec<RetiredHtlc>, JournalError> {
        self.journal.retired_htlcs(channel, commitment)
    }
}

//! What was signed and revealed for one channel since this process started, and what is therefore refused.

use std::collections::BTreeMap;

use astrape_primitives::CommitmentNumber;
use astrape_transactions::SignerRefusal;
use bitcoin::{OutPoint, Txid};

/// Most fundings that one commitment number is signed for (replaced funding transactions and splices): bounds memory.
const MAX_FUNDINGS: usize = 16;

/// Memory of one channel, of constant size.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guard {
    /// The latest remote commitment that was signed, for each funding.
    remote: Option<(CommitmentNumber, BTreeMap<OutPoint, Txid>)>,
    /// The latest local commitment whose secret was revealed.
    revealed: Option<CommitmentNumber>,
    /// The earliest local commitment that was signed for broadcast.
    broadcast: Option<CommitmentNumber>,
}

impl Guard {
    /// Before signing a remote commitment. The same again is fine: it is sent again after a cut.
    pub(crate) fn remote(
        &mut self,
        number: CommitmentNumber,
        funding: OutPoint,
        txid: Txid,
    ) -> Result<(), SignerRefusal> {
        let signed = match &mut self.remote {
            Some((latest, _)) if number < *latest => {
                return Err(SignerRefusal::OldCommitment { asked: number, signed: *latest });
            }
            Some((latest, signed)) if number == *latest => signed,
            remote => &mut remote.insert((number, BTreeMap::new())).1,
        };
        match signed.get(&funding) {
            Some(before) if *before != txid => Err(SignerRefusal::DifferentCommitment(number)),
            Some(_) => Ok(()),
            None if signed.len() >= MAX_FUNDINGS => Err(SignerRefusal::TooManyFundings),
            None => {
                signed.insert(funding, txid);
                Ok(())
            }
        }
    }

    /// Before signing a local commitment, or an HTLC transaction upon it, for broadcast.
    pub(crate) fn broadcast(&mut self, number: CommitmentNumber) -> Result<(), SignerRefusal> {
        if self.revealed.is_some_and(|revealed| number <= revealed) {
            return Err(SignerRefusal::Revoked(number));
        }
        self.broadcast = Some(self.broadcast.map_or(number, |earliest| earliest.min(number)));
        Ok(())
    }

    /// Before revealing the secret of a local commitment. What was revealed may be revealed again.
    pub(crate) fn reveal(&mut self, number: CommitmentNumber) -> Result<(), SignerRefusal> {
        if self.revealed.is_some_and(|revealed| number <= revealed) {
            return Ok(());
        }
        // Secrets of a chain give away those before them, so later ones are as bad.
        if let Some(earliest) = self.broadcast.filter(|earliest| *earliest <= number) {
            return Err(SignerRefusal::Broadcast(earliest));
        }
        match self.revealed.map(CommitmentNumber::next) {
            Some(due) if number != due => Err(SignerRefusal::RevealOutOfOrder { asked: number, due }),
            _ => {
                self.revealed = Some(number);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::hashes::Hash as _;

    #[test]
    fn fundings_of_one_number_are_bounded() {
        let mut guard = Guard::default();
        let txid = Txid::from_byte_array([1; 32]);
        for vout in 0..16 {
            assert_eq!(guard.remote(CommitmentNumber(0), OutPoint { txid, vout }, txid), Ok(()));
        }
        let further = OutPoint { txid, vout: 16 };
        assert_eq!(guard.remote(CommitmentNumber(0), further, txid), Err(SignerRefusal::TooManyFundings));
        assert_eq!(guard.remote(CommitmentNumber(1), further, txid), Ok(()), "the next number starts afresh");
    }

    #[test]
    fn after_a_restart_any_number_may_come_first() {
        let mut guard = Guard::default();
        assert_eq!(guard.reveal(CommitmentNumber(7)), Ok(()));
        assert_eq!(guard.reveal(CommitmentNumber(6)), Ok(()));
        let due = CommitmentNumber(8);
        let asked = CommitmentNumber(9);
        assert_eq!(guard.reveal(asked), Err(SignerRefusal::RevealOutOfOrder { asked, due }));
    }
}

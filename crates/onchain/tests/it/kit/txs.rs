//! Transactions of both, as their signers make them.

use super::proof::{content, mirror, mirrored, sign_for, us_signs};
use super::{A, ACKED, B, Court, NEXT, OURS, elsewhere, empty, input, peer, us};
use astrape_primitives::{CommitmentNumber, PaymentPreimage, Sat, Side};
use astrape_transactions::{
    ClaimInput, ClaimRequest, ClosingRequest, Commitment, CommitmentContent, LocalCommitmentRequest,
    Signer as _, Spend, SpendPath,
};
use bitcoin::absolute::LockTime;
use bitcoin::{OutPoint, Transaction, TxOut, Witness};
use std::sync::Arc;

impl Court {
    /// Our newest commitment, signed.
    pub(crate) fn our_commitment(&self) -> Transaction {
        let (remote_signature, _) = sign_for(&self.terms, &self.evidence.local);
        let request = LocalCommitmentRequest {
            keys: A,
            terms: Arc::clone(&self.terms),
            content: self.evidence.local.clone(),
            remote_signature,
        };
        us().sign_local_commitment(&request).expect("signed")
    }

    /// A transaction that spends the funding output with both signatures.
    pub(crate) fn signed_by_both(&self, tx: &Transaction) -> Transaction {
        let request = |keys, terms| ClosingRequest { keys, terms, tx: tx.clone() };
        let ours = request(A, Arc::clone(&self.terms));
        let theirs = request(B, Arc::new(mirrored(&self.terms)));
        let local = us().sign_closing(&ours).expect("signed");
        let remote = peer().sign_closing(&theirs).expect("signed");
        ours.signed(&local, &remote)
    }

    pub(crate) fn content(&self, number: u64) -> CommitmentContent {
        let htlcs = match number {
            ACKED => self.htlcs.acked.clone(),
            NEXT => self.htlcs.next.clone().unwrap_or_default(),
            _ => self.htlcs.revoked.clone(),
        };
        content(&self.terms, Side::Remote, number, htlcs)
    }

    /// A commitment of the peer, as we build it.
    pub(crate) fn built(&self, number: u64) -> Commitment {
        Commitment::build(&self.secp, &self.terms, &self.content(number)).expect("valid")
    }

    /// A commitment of the peer, signed by both.
    pub(crate) fn their_commitment(&self, number: u64) -> Transaction {
        let (ours, _) = us_signs(&self.terms, &self.content(number));
        let request = LocalCommitmentRequest {
            keys: B,
            terms: Arc::new(mirrored(&self.terms)),
            content: mirror(&self.content(number)),
            remote_signature: ours,
        };
        peer().sign_local_commitment(&request).expect("signed")
    }

    /// The peer's HTLC transaction for its commitment: by preimage, or by timeout. Several are one transaction, as anchors
    /// allow; without anchors only one.
    pub(crate) fn second_stage(
        &self,
        number: u64,
        outputs: &[(OutPoint, Option<PaymentPreimage>)],
    ) -> Transaction {
        let content = self.content(number);
        let commitment = self.built(number);
        let (_, signatures) = us_signs(&self.terms, &content);
        let mut inputs = Vec::new();
        let mut tx = empty();
        for (outpoint, known) in outputs {
            let index = commitment.htlcs().iter().position(|h| h.outpoint() == *outpoint).expect("an HTLC");
            let second = &commitment.htlcs()[index];
            tx.input.push(second.tx().input[0].clone());
            tx.output.push(second.tx().output[0].clone());
            tx.lock_time = tx.lock_time.max_of(second.tx().lock_time);
            let path = SpendPath::HtlcTransaction {
                number: CommitmentNumber(number),
                format: self.format,
                remote_signature: signatures[index],
                preimage: *known,
            };
            let witness_script = Some(second.witness_script().clone());
            inputs.push(ClaimInput {
                prevout: second.output(),
                spend: Spend::Channel { keys: B, witness_script, path },
            });
        }
        peer().sign_claim(&ClaimRequest { tx, inputs }).expect("signed")
    }

    /// The peer takes an HTLC of our commitment, or of its own by timeout: with its key alone.
    pub(crate) fn peer_takes(&self, outpoint: OutPoint, known: Option<PaymentPreimage>) -> Transaction {
        let tracked = &self.resolution.outputs[&outpoint];
        let mut tx = empty();
        tx.lock_time = match known {
            Some(_) => LockTime::ZERO,
            None => LockTime::from_consensus(tracked.htlc().expect("an HTLC").cltv_expiry.0),
        };
        tx.input.push(input(outpoint, self.format.htlc_sequence()));
        tx.output.push(TxOut { value: Sat(tracked.value().0 - 2_000).into(), script_pubkey: elsewhere() });
        let per_commitment_point = us().point(&A, CommitmentNumber(OURS));
        let path = SpendPath::RemoteHtlc { per_commitment_point, preimage: known };
        let witness_script = tracked.witness_script.clone();
        let spend = Spend::Channel { keys: B, witness_script, path };
        let inputs = vec![ClaimInput { prevout: tracked.output.clone(), spend }];
        peer().sign_claim(&ClaimRequest { tx, inputs }).expect("signed")
    }
}

/// The same transaction with these bytes for the item before the script, in each witness of so many items. Nobody has signed it,
/// and the id is the same.
pub(crate) fn with_dummy(tx: &Transaction, items: usize, dummy: &[u8]) -> Transaction {
    let mut tx = tx.clone();
    for input in tx.input.iter_mut().filter(|input| input.witness.len() == items) {
        let mut witness = input.witness.to_vec();
        witness[items - 2] = dummy.to_vec();
        input.witness = Witness::from_slice(&witness);
    }
    tx
}

trait MaxOf {
    fn max_of(self, other: LockTime) -> LockTime;
}

impl MaxOf for LockTime {
    fn max_of(self, other: LockTime) -> LockTime {
        LockTime::from_consensus(self.to_consensus_u32().max(other.to_consensus_u32()))
    }
}

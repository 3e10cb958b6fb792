//! What the signer refuses, since it could lose money.

use std::sync::Arc;

use astrape_primitives::{ChannelKeysId, CommitmentNumber, Msat, Network, Side};
use astrape_signer::InProcessSigner;
use astrape_transactions::{
    BuildError, ClosingRequest, FundingTerms, LocalCommitmentRequest, RemoteCommitmentRequest,
    SignatureFault, Signer as _, SignerRefusal,
};

use crate::pair::{FORMATS, Pair, htlcs, mirror, seed};

fn pair() -> Pair {
    Pair::new(FORMATS[1])
}

#[test]
fn two_remote_commitments_of_one_number_are_refused() {
    let pair = pair();
    let first = pair.bob_signs(&pair.content(5, htlcs(2))).expect("the first");
    assert_eq!(pair.bob_signs(&pair.content(5, htlcs(2))), Ok(first), "the same again, after a cut");
    let other = pair.bob_signs(&pair.content(5, htlcs(3)));
    assert_eq!(other, Err(SignerRefusal::DifferentCommitment(CommitmentNumber(5))));
    assert!(pair.bob_signs(&pair.content(6, htlcs(3))).is_ok());
    let (asked, signed) = (CommitmentNumber(5), CommitmentNumber(6));
    let old = pair.bob_signs(&pair.content(5, htlcs(2)));
    assert_eq!(old, Err(SignerRefusal::OldCommitment { asked, signed }));
}

// attack 48
// BOLT 5.revoked-transaction-close-handling.1
// BOLT 2.completing-the-transition-to-the-updated-state-revoke_and_ack.7
#[test]
fn a_revoked_commitment_is_not_signed_for_broadcast() {
    let pair = pair();
    pair.alice.signer.reveal(&pair.revocation(4)).expect("revealed");
    for n in [3, 4] {
        let refused = pair.alice_broadcasts(&pair.content(n, vec![]));
        assert_eq!(refused, Err(SignerRefusal::Revoked(CommitmentNumber(n))));
    }
    assert!(pair.alice_broadcasts(&pair.content(5, vec![])).is_ok());
}

#[test]
fn the_secret_of_a_commitment_signed_for_broadcast_is_not_revealed() {
    let pair = pair();
    pair.alice.signer.reveal(&pair.revocation(4)).expect("revealed");
    pair.alice_broadcasts(&pair.content(5, vec![])).expect("signed");
    let refused = pair.alice.signer.reveal(&pair.revocation(5));
    assert_eq!(refused, Err(SignerRefusal::Broadcast(CommitmentNumber(5))));
    assert!(pair.alice.signer.reveal(&pair.revocation(4)).is_ok(), "what is known anyway");
}

#[test]
fn secrets_are_revealed_in_order_and_again_the_same() {
    let pair = pair();
    let signer = &pair.alice.signer;
    let first = signer.reveal(&pair.revocation(0)).expect("revealed");
    let second = signer.reveal(&pair.revocation(1)).expect("revealed");
    assert_eq!(signer.reveal(&pair.revocation(0)), Ok(first));
    assert_eq!(signer.reveal(&pair.revocation(1)), Ok(second));
    let (asked, due) = (CommitmentNumber(3), CommitmentNumber(2));
    assert_eq!(signer.reveal(&pair.revocation(3)), Err(SignerRefusal::RevealOutOfOrder { asked, due }));
    assert!(signer.reveal(&pair.revocation(2)).is_ok());
}

#[test]
fn a_revocation_needs_the_next_commitment_of_ours() {
    let pair = pair();
    let mut request = pair.revocation(4);
    request.revoked = CommitmentNumber(5);
    let (revoked, new) = (CommitmentNumber(5), CommitmentNumber(5));
    assert_eq!(pair.alice.signer.reveal(&request), Err(SignerRefusal::NotTheNext { revoked, new }));
    let mut request = pair.revocation(4);
    request.content.owner = Side::Remote;
    assert_eq!(pair.alice.signer.reveal(&request), Err(SignerRefusal::WrongOwner));
    let mut request = pair.revocation(4);
    request.content.local_balance = Msat(0);
    assert!(matches!(
        pair.alice.signer.reveal(&request),
        Err(SignerRefusal::Build(BuildError::MoneyNotConserved { .. }))
    ));
}

#[test]
fn contents_of_no_valid_commitment_are_not_signed() {
    let pair = pair();
    let mut content = pair.content(1, vec![]);
    content.local_balance = content.local_balance.saturating_add(Msat(1));
    assert!(matches!(
        pair.bob_signs(&content),
        Err(SignerRefusal::Build(BuildError::MoneyNotConserved { .. }))
    ));
    let good = pair.content(1, vec![]);
    assert!(pair.bob_signs(&good).is_ok(), "a refusal is not remembered");
}

#[test]
fn terms_with_other_keys_are_refused() {
    let pair = pair();
    let content = pair.content(1, vec![]);
    let request = |keys, terms: &FundingTerms| RemoteCommitmentRequest {
        keys,
        terms: Arc::new(*terms),
        content: mirror(&content),
    };
    let (signer, keys) = (&pair.bob.signer, pair.bob.keys);
    let refused = signer.sign_remote_commitment(&request(ChannelKeysId([9; 32]), &pair.bob.terms));
    assert_eq!(refused, Err(SignerRefusal::WrongKeys));
    let mut terms = *pair.bob.terms;
    terms.local.basepoints.htlc = terms.remote.basepoints.htlc;
    assert_eq!(signer.sign_remote_commitment(&request(keys, &terms)), Err(SignerRefusal::WrongKeys));
    let mut wrong = request(keys, &pair.bob.terms);
    wrong.content.owner = Side::Local;
    assert_eq!(signer.sign_remote_commitment(&wrong), Err(SignerRefusal::WrongOwner));
}

#[test]
fn our_commitment_is_only_signed_with_our_point_and_the_peers_signature() {
    let pair = pair();
    let content = pair.content(1, vec![]);
    let (remote_signature, _) = pair.bob_signs(&content).expect("signed");
    let good = LocalCommitmentRequest {
        keys: pair.alice.keys,
        terms: Arc::clone(&pair.alice.terms),
        content,
        remote_signature,
    };
    let sign = |request: &LocalCommitmentRequest| pair.alice.signer.sign_local_commitment(request);
    let mut bad = good.clone();
    bad.content.per_commitment_point = pair.alice.terms.local.basepoints.htlc;
    assert_eq!(sign(&bad), Err(SignerRefusal::WrongKeys));
    let mut bad = good.clone();
    bad.content.feerate.0 += 1;
    assert_eq!(sign(&bad), Err(SignerRefusal::RemoteSignature(SignatureFault::Commitment)));
    assert!(pair.alice.signer.reveal(&pair.revocation(1)).is_ok(), "nothing was signed");
    assert_eq!(sign(&good), Err(SignerRefusal::Revoked(CommitmentNumber(1))));
}

#[test]
fn what_is_no_closing_transaction_is_not_signed_as_one() {
    let pair = pair();
    let commitment = pair.build(&pair.content(1, htlcs(2)));
    let request = |tx| ClosingRequest { keys: pair.alice.keys, terms: Arc::clone(&pair.alice.terms), tx };
    let refused =
        |tx| matches!(pair.alice.signer.sign_closing(&request(tx)), Err(SignerRefusal::Transaction(_)));
    assert!(refused(commitment.tx().clone()), "too many outputs");
    let mut other = commitment.tx().clone();
    other.output.truncate(1);
    assert!(!refused(other.clone()));
    other.input[0].previous_output.vout += 1;
    assert!(refused(other.clone()));
    other.input[0].previous_output.vout -= 1;
    other.output[0].value = bitcoin::Amount::from_sat(10_000_001);
    assert!(refused(other));
}

#[test]
fn a_forgotten_channel_is_as_after_a_restart() {
    let pair = pair();
    pair.bob_signs(&pair.content(5, htlcs(2))).expect("signed");
    pair.bob.signer.forget(&pair.bob.keys);
    assert!(pair.bob_signs(&pair.content(5, htlcs(3))).is_ok());
    let again = InProcessSigner::new(&seed(2), Network::Regtest);
    assert_eq!(again.channel_keys(&pair.bob.keys), pair.bob.signer.channel_keys(&pair.bob.keys));
}

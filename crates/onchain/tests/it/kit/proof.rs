//! What we hold: contents of commitments, the signatures on them, and the secrets of those that were revoked.

use super::{A, ACKED, B, Htlcs, NEXT, OURS, REVOKED, peer, us};
use astrape_onchain::{Evidence, LiveHtlc};
use astrape_primitives::{CommitmentNumber, FeeratePerKw, Msat, Side};
use astrape_transactions::{
    CommitmentContent, CommittedHtlc, FundingTerms, ReceivedSecrets, RemoteCommitmentRequest,
    RevocationRequest, Signer as _,
};
use bitcoin::secp256k1::ecdsa::Signature;
use std::sync::Arc;

pub(super) fn mirrored(terms: &FundingTerms) -> FundingTerms {
    FundingTerms { opener: terms.opener.other(), local: terms.remote, remote: terms.local, ..*terms }
}

pub(super) fn mirror(content: &CommitmentContent) -> CommitmentContent {
    let flip = |htlc: &CommittedHtlc| CommittedHtlc { offered_by: htlc.offered_by.other(), ..*htlc };
    CommitmentContent {
        owner: content.owner.other(),
        local_balance: content.remote_balance,
        remote_balance: content.local_balance,
        htlcs: content.htlcs.iter().map(flip).collect(),
        ..content.clone()
    }
}

pub(super) fn content(
    terms: &FundingTerms,
    owner: Side,
    number: u64,
    htlcs: Vec<CommittedHtlc>,
) -> CommitmentContent {
    let pending: Msat = htlcs.iter().map(|htlc| htlc.amount).sum();
    let remote = Msat(3_000_000_000);
    let number = CommitmentNumber(number);
    let per_commitment_point =
        if owner == Side::Local { us().point(&A, number) } else { peer().point(&B, number) };
    CommitmentContent {
        owner,
        number,
        per_commitment_point,
        feerate: FeeratePerKw(1_000),
        local_balance: terms.capacity.to_msat().saturating_sub(remote).saturating_sub(pending),
        remote_balance: remote,
        htlcs,
    }
}

/// The peer's signatures on our commitment.
pub(super) fn sign_for(terms: &FundingTerms, content: &CommitmentContent) -> (Signature, Vec<Signature>) {
    let terms = Arc::new(mirrored(terms));
    let request = RemoteCommitmentRequest { keys: B, terms, content: mirror(content) };
    peer().sign_remote_commitment(&request).expect("signed")
}

/// Our signatures on the peer's.
pub(super) fn us_signs(terms: &FundingTerms, content: &CommitmentContent) -> (Signature, Vec<Signature>) {
    let request = RemoteCommitmentRequest { keys: A, terms: Arc::new(*terms), content: content.clone() };
    us().sign_remote_commitment(&request).expect("signed")
}

/// The secret of a commitment of the peer.
fn secret_of(terms: &FundingTerms, number: u64) -> [u8; 32] {
    let next = content(terms, Side::Remote, number + 1, Vec::new());
    let (signature, htlc_signatures) = us_signs(terms, &next);
    let request = RevocationRequest {
        keys: B,
        terms: Arc::new(mirrored(terms)),
        revoked: CommitmentNumber(number),
        content: mirror(&next),
        signature,
        htlc_signatures,
    };
    peer().reveal(&request).expect("revealed").0
}

pub(super) fn evidence(terms: &Arc<FundingTerms>, htlcs: &Htlcs) -> Evidence {
    let local = content(terms, Side::Local, OURS, htlcs.ours.clone());
    let (_, htlc_signatures) = sign_for(terms, &local);
    let mut remote = vec![content(terms, Side::Remote, ACKED, htlcs.acked.clone())];
    if let Some(next) = &htlcs.next {
        remote.push(content(terms, Side::Remote, NEXT, next.clone()));
    }
    let mut secrets = ReceivedSecrets::new();
    for number in 0..ACKED {
        secrets.insert(CommitmentNumber(number), secret_of(terms, number)).expect("in order");
    }
    let mut live: Vec<LiveHtlc> = Vec::new();
    let all = htlcs.ours.iter().chain(&htlcs.acked).chain(htlcs.next.iter().flatten()).chain(&htlcs.revoked);
    for htlc in all {
        let is_known =
            live.iter().any(|l| l.key() == (htlc.offered_by, htlc.id)) || htlcs.retired.contains(htlc);
        if is_known {
            continue;
        }
        let in_revoked = htlcs.revoked.contains(htlc);
        let first_remote = if in_revoked {
            Some(CommitmentNumber(REVOKED))
        } else if htlcs.acked.contains(htlc) {
            Some(CommitmentNumber(ACKED))
        } else {
            htlcs.next.as_ref().filter(|n| n.contains(htlc)).map(|_| CommitmentNumber(NEXT))
        };
        live.push(LiveHtlc {
            htlc: *htlc,
            preimage: None,
            upstream_expiry: None,
            first_remote,
            end_remote: None,
        });
    }
    Evidence {
        keys: A,
        terms: Arc::clone(terms),
        local,
        htlc_signatures,
        remote,
        secrets,
        shutdown: None,
        htlcs: live,
    }
}

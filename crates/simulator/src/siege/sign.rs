//! A liar that signs: its keys are its own, so what it says can be made binding.

use super::{Siege, VICTIM};
use astrape_channel::{Channel, Link, Open};
use astrape_transactions::signing::{RemoteCommitmentRequest, RevocationRequest, Signer as _};
use astrape_transactions::{CommitmentContent, CommittedHtlc};
use astrape_wire::{CommitmentSigned, Message, RevokeAndAck};

impl Siege {
    /// A `commitment_signed` that is right for all that the liar has said, if such a commitment can be.
    pub(super) fn commitment_signed(&self) -> Option<Message> {
        let (open, twin) = self.both_sides()?;
        let Link::Up(up) = &self.channel()?.link else { return None };
        let request = RemoteCommitmentRequest {
            keys: twin.params.keys,
            terms: twin.funding.terms.clone(),
            content: turned(open.expected_content(up)),
        };
        let (signature, htlc_signature) = self.liars_signer().sign_remote_commitment(&request).ok()?;
        let channel_id = open.params.channel_id;
        Some(CommitmentSigned { channel_id, signature, htlc_signature, funding_txid: None }.into())
    }

    /// The `revoke_and_ack` that the victim waits for.
    pub(super) fn revoke_and_ack(&self) -> Option<Message> {
        let (open, twin) = self.both_sides()?;
        open.remote.unrevoked.as_ref()?;
        let revoked = open.remote.acked();
        let request = RevocationRequest {
            keys: twin.params.keys,
            revoked,
            terms: twin.funding.terms.clone(),
            content: turned(open.remote_request().content),
            signature: open.local.signatures.commitment,
            htlc_signatures: Vec::new(),
        };
        let signer = self.liars_signer();
        let (per_commitment_secret, _) = signer.reveal(&request).ok()?;
        let next_per_commitment_point = signer.point(&twin.params.keys, revoked.plus(2));
        let channel_id = open.params.channel_id;
        Some(RevokeAndAck { channel_id, per_commitment_secret, next_per_commitment_point }.into())
    }

    /// The channel as the victim has it, and as the liar has it.
    fn both_sides(&self) -> Option<(&Open, &Open)> {
        let channel: &Channel = self.channel()?;
        Some((channel.open()?, self.world.twin(VICTIM, self.liar, channel)?.open()?))
    }

    /// The liar's keys, without the memory of what they were used for.
    fn liars_signer(&self) -> astrape_signer::InProcessSigner {
        crate::prototype::prototype().signers[self.liar].clone()
    }
}

/// The same content as the other side sees it.
fn turned(content: CommitmentContent) -> CommitmentContent {
    let htlcs = content.htlcs.into_iter();
    CommitmentContent {
        owner: content.owner.other(),
        local_balance: content.remote_balance,
        remote_balance: content.local_balance,
        htlcs: htlcs.map(|htlc| CommittedHtlc { offered_by: htlc.offered_by.other(), ..htlc }).collect(),
        ..content
    }
}

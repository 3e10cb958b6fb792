//! All that a channel answers: what to say to the peer, to the chain, and to the other parts of the node.

use crate::channel::Channel;
use crate::fault::Refusal;
use crate::htlc::{Htlc, OnionSource, Origin, Resolution};
use astrape_primitives::{
    ChannelId, ChannelKeysId, CltvExpiry, CommitmentNumber, FeeratePerKw, HtlcId, Msat, PaymentHash,
    PaymentPreimage, Sat,
};
use astrape_transactions::signing::{
    ClosingRequest, LocalCommitmentRequest, RemoteCommitmentRequest, RevocationRequest,
};
use astrape_wire::{
    AttributionData, ChannelAnnouncement, ClosingSigned, CommitmentSigned, FeeRange, FundingCreated,
    FundingSigned, Message, RevokeAndAck,
};
use bitcoin::secp256k1::{PublicKey, ecdsa::Signature};
use bitcoin::{OutPoint, ScriptBuf, Transaction, Txid};
use std::sync::Arc;

/// The next value of a channel and what follows from it.
#[derive(Clone, Debug)]
pub struct Transition {
    /// The next value.
    pub next: Channel,
    /// What follows, in order.
    pub outputs: Vec<Output>,
}

/// One consequence of an event.
#[derive(Clone, Debug)]
pub enum Output {
    /// Say this to the peer.
    Send(Outgoing),
    /// We are to fund the channel: make a transaction with this output and answer with [`crate::Command::Fund`].
    FundingNeeded {
        /// The output's script.
        script: ScriptBuf,
        /// The output's amount.
        amount: Sat,
        /// The feerate that the user asked for the funding transaction, if any.
        feerate: Option<FeeratePerKw>,
    },
    /// The peer has signed our first commitment: our funding transaction may be signed and broadcast, and is owed to the
    /// network until it is confirmed.
    BroadcastFunding(Arc<Transaction>),
    /// Watch the funding: the transaction by its id, and what spends the outpoint.
    WatchFunding {
        /// The outpoint.
        outpoint: OutPoint,
        /// Its script.
        script: ScriptBuf,
    },
    /// Both sides are ready: HTLCs may flow.
    Ready,
    /// Both sides have signed the channel's announcement: the network may know of it.
    Announced,
    /// The peer's HTLC is irrevocably committed: it may be acted on.
    Incoming(Arc<Htlc>),
    /// The peer gave the preimage of an HTLC of ours.
    Fulfilled {
        /// What the HTLC was for.
        origin: Origin,
        /// Our HTLC.
        id: HtlcId,
        /// What it was worth.
        amount: Msat,
        /// Its hash.
        payment_hash: PaymentHash,
        /// The preimage.
        preimage: PaymentPreimage,
        /// Hold times as the peer attributes them.
        attribution_data: Option<AttributionData>,
    },
    /// An HTLC of ours was removed without a preimage, irrevocably.
    Failed {
        /// What the HTLC was for.
        origin: Origin,
        /// Its hash.
        payment_hash: PaymentHash,
        /// How: never [`Resolution::Fulfilled`].
        resolution: Resolution,
    },
    /// An HTLC that waited will not be offered.
    NotOffered {
        /// What the HTLC was for.
        origin: Origin,
        /// Its hash.
        payment_hash: PaymentHash,
        /// Why.
        refusal: Refusal,
    },
    /// An HTLC is in no commitment any more that can be broadcast unpunished: its row goes to the archive.
    Retired(Arc<Htlc>),
    /// The peer claims that we are late: the signer is to say whether the secret that it shows is ours.
    CheckSecret(SecretCheck),
    /// The signer owes the point of this local commitment.
    PointNeeded(CommitmentNumber),
    /// Broadcast this: our own commitment, when it is signed.
    BroadcastCommitment(LocalCommitmentRequest),
    /// Broadcast the closing transaction that both have signed.
    BroadcastClosing {
        /// The request for our signature.
        request: ClosingRequest,
        /// The peer's.
        remote_signature: Signature,
        /// Its id.
        txid: Txid,
    },
    /// The channel's story for people: what happened and why.
    Story(Story),
    /// The peer closes, and we are not bound to a script: answer with [`crate::Command::Shutdown`].
    ShutdownScriptNeeded,
    /// A command cannot be done.
    Refused(Refusal),
    /// The opening ended without a channel; nothing is kept. Coins reserved for it are free.
    Forgotten {
        /// Why, in words.
        reason: String,
    },
    /// The channel is over: the spend of its funding is as deep as it must be. Its records are retired.
    Over,
}

/// A secret that a peer shows as proof that we are late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretCheck {
    /// The channel's keys.
    pub keys: ChannelKeysId,
    /// Our commitment that it would belong to.
    pub number: CommitmentNumber,
    /// The secret.
    pub secret: [u8; 32],
}

/// Turning points of a channel, kept in the ledger and told to the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Story {
    /// The funding is agreed on and signed.
    Opened {
        /// Where.
        outpoint: OutPoint,
        /// How much.
        capacity: Sat,
    },
    /// The funding is confirmed and verified.
    FundingConfirmed,
    /// The funding left the chain.
    FundingReorged,
    /// A cooperative close has begun.
    ShuttingDown {
        /// Whether we began.
        by_us: bool,
    },
    /// The closing transaction is agreed on.
    ClosingAgreed {
        /// Its id.
        txid: Txid,
        /// The fee that its opener pays.
        fee: Sat,
    },
    /// We go on chain with our own commitment.
    ForceClosing {
        /// Why.
        reason: String,
    },
    /// The peer asked us to fail the channel, or proved that we are late: we wait for its commitment and broadcast nothing.
    WaitingForPeersCommitment {
        /// Why.
        reason: String,
    },
    /// The funding was spent on chain.
    Spent {
        /// By which transaction.
        txid: Txid,
        /// In words: cooperative, ours, theirs, unknown.
        how: &'static str,
    },
}

/// A message to the peer, as what is to be said: signatures, secrets and onions are filled in when the step is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// As it is.
    Plain(Message),
    /// `update_add_htlc`, with its onion to be built.
    Add {
        /// The channel.
        channel_id: ChannelId,
        /// The HTLC's id.
        id: HtlcId,
        /// `amount_msat`.
        amount: Msat,
        /// `payment_hash`.
        payment_hash: PaymentHash,
        /// `cltv_expiry`.
        cltv_expiry: CltvExpiry,
        /// Where the onion comes from.
        onion: OnionSource,
    },
    /// A message that is complete but for our signatures.
    Sign(Signing),
    /// `revoke_and_ack`: the secret comes from the signer.
    Revoke {
        /// The channel.
        channel_id: ChannelId,
        /// What the signer needs.
        request: Box<RevocationRequest>,
        /// `next_per_commitment_point`.
        next_per_commitment_point: PublicKey,
    },
    /// `announcement_signatures`: the signer signs with the node's key and the funding key.
    AnnouncementSignatures {
        /// The channel.
        channel_id: ChannelId,
        /// Its keys.
        keys: ChannelKeysId,
        /// What is signed.
        announcement: Box<ChannelAnnouncement>,
    },
}

/// A message that waits for our signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signing {
    /// `funding_created`.
    FundingCreated {
        /// The peer's first commitment.
        request: Box<RemoteCommitmentRequest>,
        /// The id that the channel has until then.
        temporary_channel_id: ChannelId,
    },
    /// `funding_signed`.
    FundingSigned {
        /// The peer's first commitment.
        request: Box<RemoteCommitmentRequest>,
        /// The channel.
        channel_id: ChannelId,
    },
    /// `commitment_signed`.
    CommitmentSigned {
        /// The peer's next commitment.
        request: Box<RemoteCommitmentRequest>,
        /// The channel.
        channel_id: ChannelId,
    },
    /// `closing_signed`.
    ClosingSigned {
        /// The closing transaction.
        request: Box<ClosingRequest>,
        /// The channel.
        channel_id: ChannelId,
        /// Its fee.
        fee: Sat,
        /// What we accept.
        fee_range: FeeRange,
    },
}

impl Signing {
    /// The message, with the signer's answer in it. `htlc_signatures` is empty but for `commitment_signed`.
    #[must_use]
    pub fn complete(&self, signature: Signature, htlc_signatures: Vec<Signature>) -> Message {
        match self {
            Signing::FundingCreated { request, temporary_channel_id } => {
                Message::FundingCreated(FundingCreated {
                    temporary_channel_id: *temporary_channel_id,
                    funding_txid: request.terms.outpoint.txid,
                    funding_output_index: u16::try_from(request.terms.outpoint.vout)
                        .expect("an outpoint was taken from the wallet only with an index that fits"),
                    signature,
                })
            }
            Signing::FundingSigned { channel_id, .. } => {
                Message::FundingSigned(FundingSigned { channel_id: *channel_id, signature })
            }
            Signing::CommitmentSigned { request, channel_id } => {
                Message::CommitmentSigned(CommitmentSigned {
                    channel_id: *channel_id,
                    signature,
                    htlc_signature: htlc_signatures,
                    funding_txid: Some(request.terms.outpoint.txid),
                })
            }
            Signing::ClosingSigned { channel_id, fee, fee_range, .. } => {
                Message::ClosingSigned(ClosingSigned {
                    channel_id: *channel_id,
                    fee_satoshis: *fee,
                    signature,
                    fee_range: Some(*fee_range),
                })
            }
        }
    }
}

/// `revoke_and_ack`, with the secret that the signer gave for [`Outgoing::Revoke`].
#[must_use]
pub fn revoke_and_ack(
    channel_id: ChannelId,
    secret: [u8; 32],
    next_per_commitment_point: PublicKey,
) -> Message {
    Message::RevokeAndAck(RevokeAndAck {
        channel_id,
        per_commitment_secret: secret,
        next_per_commitment_point,
    })
}

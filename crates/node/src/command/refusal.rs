//! Why commands are not carried out.

use crate::request::RequestId;
use astrape_primitives::{FeeratePerKw, Msat, NodeId, PaymentHash, Sat, Timestamp};
use bitcoin::Txid;

/// Why a command is not carried out, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not connected.
    #[error("not connected to {0}: connect first")]
    NotConnected(NodeId),
    /// No such channel.
    #[error("there is no such channel: see `astrape channels`")]
    NoSuchChannel,
    /// There is a channel with the peer.
    #[error("there are channels with {0}: close them first")]
    HasChannels(NodeId),
    /// The channel does not allow it.
    #[error("{0}")]
    Channel(#[from] astrape_channel::Refusal),
    /// The wallet does not allow it.
    #[error("{0}")]
    Wallet(#[from] astrape_wallet::Refusal),
    /// The coins are needed to close channels in time.
    #[error(
        "{reserve} should stay in the wallet to close channels in time, where the fee of a commitment is paid with coins: ask for \
         less, or take them too (--spend-reserve), which leaves the channels at the mercy of low fees. {wallet}"
    )]
    Reserve {
        /// What should stay.
        reserve: Sat,
        /// What the wallet says without it.
        wallet: astrape_wallet::Refusal,
    },
    /// It would cost more than it moves.
    #[error(
        "the fee would be {fee} at {}, which is more than the {amount} that it is for: nothing was done. Choose a lower feerate \
         (--feerate), move more at a time, or take it as it is (--accept-high-fee)", .feerate.for_people()
    )]
    HighFee {
        /// What it would cost.
        fee: Sat,
        /// What it would move.
        amount: Sat,
        /// What it would pay.
        feerate: FeeratePerKw,
    },
    /// The payment is not possible.
    #[error("{0}")]
    Pay(#[from] astrape_payment::PayRefusal),
    /// A payment with this hash is under way.
    #[error("payment {0} is under way already: see `astrape payments`")]
    PaymentUnderWay(PaymentHash),
    /// A payment with this hash is under way, and it is another one.
    #[error(
        "a payment with hash {payment_hash} is under way already, of {amount} to {destination}: nothing else was paid. Each payment \
         needs a hash of its own: ask for a new invoice, or use another preimage"
    )]
    OtherUnderWay {
        /// Its hash.
        payment_hash: PaymentHash,
        /// What the recipient gets.
        amount: Msat,
        /// The recipient.
        destination: NodeId,
    },
    /// A payment with this hash was made before, and it was another one.
    #[error(
        "hash {payment_hash} was paid already, with {amount} to {destination}: nothing was paid now. Each payment needs a hash of \
         its own: ask for a new invoice, or use another preimage"
    )]
    PaidOtherwise {
        /// Its hash.
        payment_hash: PaymentHash,
        /// What the recipient got.
        amount: Msat,
        /// The recipient.
        destination: NodeId,
        /// When.
        at: Timestamp,
    },
    /// An invoice with this hash was made before.
    #[error("there is an invoice or payment with hash {0} already: use another preimage")]
    HashUsed(PaymentHash),
    /// The policy makes no sense.
    #[error("{0}")]
    Policy(#[from] astrape_payment::PolicyRefusal),
    /// The channel forwards nothing.
    #[error("the channel forwards nothing now: it is not ready yet, or is being closed")]
    ForwardsNothing,
    /// No such invoice.
    #[error("no unpaid invoice has hash {0}: see `astrape invoices`")]
    NoSuchInvoice(PaymentHash),
    /// It was paid.
    #[error("the invoice with hash {0} is paid already: what was settled cannot be given back")]
    Settled(PaymentHash),
    /// It was cancelled.
    #[error("the invoice with hash {0} was cancelled: make a new one")]
    Canceled(PaymentHash),
    /// It settles by itself.
    #[error("the invoice with hash {0} is no hold invoice: it is settled as soon as it is paid")]
    NotHeld(PaymentHash),
    /// Not paid, or not wholly.
    #[error("nothing is held for the invoice with hash {0} yet: wait until its payment is here whole")]
    NothingHeld(PaymentHash),
    /// Nobody knows what settles it.
    #[error("the invoice with hash {0} was made of its hash alone: give the preimage")]
    PreimageMissing(PaymentHash),
    /// It settles something else.
    #[error("the preimage is not that of hash {0}")]
    OtherPreimage(PaymentHash),
    /// Settling it now might lose it.
    #[error("the payment with hash {0} is about to expire and is given back: it is too late to settle it")]
    TooLate(PaymentHash),
    /// The chain may be old, and the payment expired.
    #[error(
        "what this node sees of the chain may be old, so that the time left for the payment with hash {0} is not known: wait \
         until the node is in sync (`astrape getinfo`), and settle it then"
    )]
    Stale(PaymentHash),
    /// The id stands for something else.
    #[error("request id {0} was used for another command, or with other arguments: choose a new id")]
    RequestIdUsed(RequestId),
    /// As many as the node keeps.
    #[error("there are {0} {1} already, which is the most: {2}")]
    TooMany(usize, &'static str, &'static str),
    /// Nothing of ours waits under this id.
    #[error(
        "no transaction {0} of this wallet waits for a block: only withdrawals and fundings of this node can be given a higher fee \
         (is it confirmed already? see `astrape listfunds`)"
    )]
    NotWaiting(Txid),
    /// Nobody has said what a transaction should pay.
    #[error(
        "no feerate is known: the chain source has told none since this node started. Try again in a minute (`astrape getinfo` says what is \
         wrong if that lasts), or choose one (--feerate)"
    )]
    NoFeerate,
    /// It can never confirm.
    #[error(
        "transaction {txid} cannot be mined: transaction {by}, which is in a block, has spent what it spends or builds on. No fee helps; \
         once that block is seven deep it is given up, and its other coins are free again"
    )]
    Beaten {
        /// It.
        txid: Txid,
        /// What has spent its coin.
        by: Txid,
    },
    /// No such forward waits.
    #[error("no such HTLC waits for an application (any more)")]
    NoSuchHtlc,
    /// A forward is not resumed in this way.
    #[error("{0}")]
    Resume(#[from] astrape_payment::intercept::ResumeRefusal),
    /// The channel's state may be old.
    #[error(
        "the state of this channel may be old (the journal was put back from a copy?): wait until its peer is connected"
    )]
    Suspect,
    /// Not now.
    #[error("{0}")]
    NotNow(String),
}

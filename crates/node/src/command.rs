//! What the user wants of the node, and what it answers.

use crate::input::FreshKeys;
use crate::journal::Entry;
use crate::request::{OnceCommand, Outcome, PastRequest, Request, RequestId};
use astrape_invoice::Invoice;
use astrape_payment::{Circle, ForwardPolicy, InboundFee, OpenInvoice, Payee};
use astrape_primitives::{
    ChannelKeysId, CltvDelta, FeeratePerKw, HtlcId, Msat, NodeId, PaymentHash, PaymentPreimage,
    PaymentSecret, Sat, Timestamp,
};
use bitcoin::{ScriptBuf, Txid};

/// What the user wants. What is random or looked up in it was drawn and found outside of the step.
#[derive(Clone, Debug)]
pub enum Command {
    /// Keep a peer's addresses and stay connected with it.
    RememberPeer {
        /// Whom.
        peer: NodeId,
        /// Where, newest first, as `host:port`.
        addresses: Vec<String>,
    },
    /// Do not connect to a peer any more. Refused while there is a channel with it.
    ForgetPeer {
        /// Whom.
        peer: NodeId,
    },
    /// Open a channel.
    OpenChannel(Box<OpenChannelCommand>),
    /// Close a channel cooperatively.
    CloseChannel {
        /// Which.
        channel: ChannelKeysId,
        /// Where our balance goes.
        script: ScriptBuf,
    },
    /// Go on chain with our commitment.
    ForceCloseChannel {
        /// Which.
        channel: ChannelKeysId,
    },
    /// Ask something else for forwarding over a channel. What was asked before is taken for a while
    /// ([`OLD_POLICY_MILLIS`](astrape_payment::policy::OLD_POLICY_MILLIS)).
    SetPolicy {
        /// Which; all that are open if absent.
        channel: Option<ChannelKeysId>,
        /// What.
        change: PolicyChange,
    },
    /// Take payments for an invoice, which is signed already.
    AddInvoice {
        /// The invoice.
        invoice: Box<OpenInvoice>,
        /// What the ledger says of an earlier payment with this hash, where somebody may have used it before.
        earlier: Option<Entry>,
    },
    /// Settle the payment that is held for an invoice. Done again, it changes nothing.
    SettleInvoice {
        /// Whose.
        payment_hash: PaymentHash,
        /// What settles it, where the invoice was made of a hash alone.
        preimage: Option<PaymentPreimage>,
        /// What the ledger says of an earlier payment with this hash.
        earlier: Option<Entry>,
    },
    /// Take no payment for an invoice any more, and give back what is held for it. Done again, it changes nothing.
    CancelInvoice {
        /// Which.
        payment_hash: PaymentHash,
        /// What the ledger says of an earlier payment with this hash.
        earlier: Option<Entry>,
    },
    /// Pay an invoice, or a node without one.
    Pay(Box<PayCommand>),
    /// Find out whether a payment could arrive. Nothing is paid; the answer comes at the end.
    Probe(Box<ProbeCommand>),
    /// What an application has decided on a forward that waits for it.
    Intercepted {
        /// The channel that it came in over.
        channel: ChannelKeysId,
        /// Its id there.
        htlc: HtlcId,
        /// What.
        verdict: Verdict,
    },
    /// Send coins on chain.
    Withdraw(Box<WithdrawCommand>),
    /// Have a transaction of our coins mined sooner.
    BumpFee(Box<BumpFeeCommand>),
    /// Carry something out, unless that was done before under the same id.
    Once(Box<OnceCommand>),
    /// Tell what came of a request, if it was carried out before. Nothing is done.
    Recall {
        /// Which.
        request: Request,
        /// What the journal says of an earlier request with this id.
        earlier: Option<PastRequest>,
    },
}

/// What an application decides on a forward that waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Resume {
        /// Over this channel; over the one that its sender named otherwise.
        over: Option<ChannelKeysId>,
        /// With this amount; with what its sender meant otherwise.
        amount: Option<Msat>,
    },
    /// It goes back.
    Fail,
}

/// Open a channel.
#[derive(Clone, Debug)]
pub struct OpenChannelCommand {
    /// With whom; must be connected.
    pub peer: NodeId,
    /// Its capacity.
    pub funding: Sat,
    /// What the peer gets of it at once.
    pub push: Msat,
    /// Whether the network is told of it.
    pub announce: bool,
    /// For the funding transaction; our estimate otherwise.
    pub feerate: Option<FeeratePerKw>,
    /// Fresh keys.
    pub keys: FreshKeys,
    /// A fresh script of our wallet for the change.
    pub change_script: ScriptBuf,
    /// Where our balance will go, if we commit to it now.
    pub upfront_shutdown_script: Option<ScriptBuf>,
    /// Whether it may take what should stay for the closes of channels ([`crate::Node::anchor_reserve`]), this one among them.
    pub spend_reserve: bool,
    /// Whether the funding may cost more than the channel is to hold.
    pub accept_high_fee: bool,
}

/// What a channel is to ask for forwarding. What is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyChange {
    /// Begin with the node's own policy instead of the channel's.
    pub reset: bool,
    /// For each HTLC.
    pub fee_base: Option<Msat>,
    /// In proportion.
    pub fee_proportional_millionths: Option<u32>,
    /// Blocks between the expiries.
    pub cltv_expiry_delta: Option<CltvDelta>,
    /// Smallest HTLC.
    pub htlc_minimum: Option<Msat>,
    /// Largest HTLC; the capacity if that is said to be none.
    pub htlc_maximum: Option<Option<Msat>>,
    /// For each HTLC that comes in, in millisatoshi, zero or less.
    pub inbound_base_msat: Option<i32>,
    /// The same in proportion.
    pub inbound_proportional_millionths: Option<i32>,
}

impl PolicyChange {
    /// The policy that follows from `before`.
    #[must_use]
    pub fn applied_to(&self, before: &ForwardPolicy) -> ForwardPolicy {
        let inbound = InboundFee {
            base_msat: self.inbound_base_msat.unwrap_or(before.inbound.base_msat),
            proportional_millionths: self
                .inbound_proportional_millionths
                .unwrap_or(before.inbound.proportional_millionths),
        };
        ForwardPolicy {
            fee_base: self.fee_base.unwrap_or(before.fee_base),
            fee_proportional_millionths: self
                .fee_proportional_millionths
                .unwrap_or(before.fee_proportional_millionths),
            cltv_expiry_delta: self.cltv_expiry_delta.unwrap_or(before.cltv_expiry_delta),
            htlc_minimum: self.htlc_minimum.unwrap_or(before.htlc_minimum),
            htlc_maximum: self.htlc_maximum.unwrap_or(before.htlc_maximum),
            inbound,
        }
    }
}

/// Pay an invoice, or a node without one.
#[derive(Clone, Debug)]
pub struct PayCommand {
    /// Whom.
    pub payee: Payee,
    /// For an invoice that leaves the amount open, and for a payment without one.
    pub amount: Option<Msat>,
    /// The most that the way may cost; a policy's share of the amount otherwise.
    pub max_fee: Option<Msat>,
    /// How long to try, in seconds; the policy's otherwise.
    pub retry_secs: Option<u64>,
    /// What the ledger says of an earlier payment with this hash.
    pub earlier: Option<Entry>,
    /// To ourselves, to move balance between channels.
    pub circle: Option<Circle>,
}

impl PayCommand {
    /// Pay an invoice, with nothing chosen.
    #[must_use]
    pub fn new(invoice: Invoice) -> Self {
        Self::to(Payee::Invoice(Box::new(invoice)))
    }

    /// Pay somebody, with nothing chosen.
    #[must_use]
    pub fn to(payee: Payee) -> Self {
        Self { payee, amount: None, max_fee: None, retry_secs: None, earlier: None, circle: None }
    }
}

/// Find out whether a payment could arrive, by an HTLC that nobody can settle.
#[derive(Clone, Debug)]
pub struct ProbeCommand {
    /// Where.
    pub node: NodeId,
    /// An invoice of the node, which says how it can be reached, and how much it wants.
    pub invoice: Option<Box<Invoice>>,
    /// How much, where no invoice says so.
    pub amount: Option<Msat>,
    /// The most that the way may cost; a policy's share of the amount otherwise.
    pub max_fee: Option<Msat>,
    /// How long to try, and to wait for the answer, in seconds; the policy's otherwise.
    pub retry_secs: Option<u64>,
    /// Fresh random bytes, of which nobody knows a preimage.
    pub payment_hash: PaymentHash,
    /// Fresh random bytes.
    pub payment_secret: PaymentSecret,
}

/// What a probe has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    /// Whether it has reached the node: a payment would have arrived a moment ago.
    pub reached: bool,
    /// What the way would have cost.
    pub fee: Msat,
    /// The nodes on it, our peer first: of the way that reached the node, or on which the probe still is.
    pub hops: Vec<NodeId>,
    /// How long each of them held the probe that has reached the node, in milliseconds, as far as they tell and can be believed.
    pub hold_times: Vec<u64>,
    /// How many ways were tried.
    pub attempts: u64,
    /// What the node said, or why and where the last way ended.
    pub words: String,
}

impl Probed {
    /// One that reached nobody.
    pub(crate) const fn failed(attempts: u64, words: String) -> Self {
        Self { reached: false, fee: Msat::ZERO, hops: Vec::new(), hold_times: Vec::new(), attempts, words }
    }
}

/// Send coins on chain.
#[derive(Clone, Debug)]
pub struct WithdrawCommand {
    /// Where.
    pub script: ScriptBuf,
    /// How much; all there is if absent.
    pub amount: Option<Sat>,
    /// Our estimate otherwise.
    pub feerate: Option<FeeratePerKw>,
    /// Whether it may take what should stay for the closes of channels ([`crate::Node::anchor_reserve`]).
    pub spend_reserve: bool,
    /// Whether it may cost more than it sends.
    pub accept_high_fee: bool,
    /// A fresh script of our wallet for the change.
    pub change_script: ScriptBuf,
}

/// Have a transaction of our coins mined sooner, by another that spends its change and pays for both. Done again with the same
/// feerate, it changes nothing.
#[derive(Clone, Debug)]
pub struct BumpFeeCommand {
    /// Which: a withdrawal or a funding that waits for its block.
    pub txid: Txid,
    /// What both are to pay together; our estimate otherwise.
    pub feerate: Option<FeeratePerKw>,
    /// Whether it may take what should stay for the closes of channels ([`crate::Node::anchor_reserve`]).
    pub spend_reserve: bool,
    /// A fresh script of our wallet for what is left.
    pub change_script: ScriptBuf,
}

/// What pays for a transaction now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bumped {
    /// The transaction that pays for it.
    pub child: Txid,
    /// What that costs.
    pub fee: Sat,
    /// What they pay together, with all that they build on.
    pub feerate: FeeratePerKw,
}

/// What a command led to so far. What follows later is published as facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Done.
    Done,
    /// The channel is being negotiated; the ledger tells how it goes on.
    Opening {
        /// Our name for it.
        channel: ChannelKeysId,
    },
    /// The payment is under way; the ledger tells how it ends.
    Paying {
        /// Its hash.
        payment_hash: PaymentHash,
    },
    /// The probe is over.
    Probed(Box<Probed>),
    /// It was paid before: nothing was sent now.
    AlreadyPaid(Box<Entry>),
    /// The request was carried out before: nothing was done now.
    DoneBefore(Box<Outcome>),
    /// The request that was asked about was not carried out.
    NotDone,
    /// The transaction that pays for another is made and owed to the network.
    Bumped(Bumped),
    /// The transaction is made and owed to the network.
    Withdrawing {
        /// Its id.
        txid: Txid,
        /// What it pays out.
        amount: Sat,
        /// What it costs.
        fee: Sat,
    },
}

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

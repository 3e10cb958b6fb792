//! What the user wants of the node, and what it answers.

mod channel;
mod coins;
mod pay;
mod refusal;
mod reply;

pub use channel::{OpenChannelCommand, PolicyChange};
pub use coins::{BumpFeeCommand, WithdrawCommand};
pub use pay::{PayCommand, ProbeCommand};
pub use refusal::Refusal;
pub use reply::{Bumped, Probed, Reply};

use crate::journal::Entry;
use crate::request::{OnceCommand, PastRequest, Request};
use astrape_payment::OpenInvoice;
use astrape_primitives::{ChannelKeysId, HtlcId, Msat, NodeId, PaymentHash, PaymentPreimage};
use bitcoin::ScriptBuf;

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

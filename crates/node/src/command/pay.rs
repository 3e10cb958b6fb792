//! What is to be paid, or tried.

use crate::journal::Entry;
use astrape_invoice::Invoice;
use astrape_payment::{Circle, Payee};
use astrape_primitives::{Msat, NodeId, PaymentHash, PaymentSecret};

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

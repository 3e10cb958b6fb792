//! Invoices of this node: drafted from what it knows, signed by its signer, and waited for by its core.

use super::{CommandError, Handle, Stopped, clock};
use astrape_invoice::{Description, DraftError, FinishError, Invoice, InvoiceDraft};
use astrape_node::request::Errand;
use astrape_node::{Entry, Outcome, Reply, Request};
use astrape_payment::OpenInvoice;
use astrape_primitives::{Msat, PaymentHash, PaymentPreimage, PaymentSecret, Timestamp};

/// What an invoice is to say.
#[derive(Clone, Debug)]
pub struct InvoiceRequest {
    /// How much; anything, if absent.
    pub amount: Option<Msat>,
    /// What for.
    pub description: Description,
    /// What settles it.
    pub secret: InvoiceSecret,
    /// For how many blocks its payment may be held for its owner; not at all, if absent.
    pub hold_blocks: Option<u16>,
    /// How long it holds, in seconds; the policy's otherwise.
    pub expiry_secs: Option<u64>,
    /// What the ledger says of an earlier payment with this hash, unless it was drawn a moment ago.
    pub earlier: Option<Entry>,
    /// What it is called by who asks for it, so that it is made once.
    pub named: Option<Request>,
}

/// What settles an invoice, as far as the node knows it.
#[derive(Clone, Copy, Debug)]
pub enum InvoiceSecret {
    /// The preimage.
    Preimage(PaymentPreimage),
    /// Its hash alone: whoever settles the invoice gives the preimage.
    Hash(PaymentHash),
}

impl InvoiceSecret {
    /// The hash that is paid to.
    #[must_use]
    pub fn payment_hash(&self) -> PaymentHash {
        match self {
            InvoiceSecret::Preimage(preimage) => preimage.payment_hash(),
            InvoiceSecret::Hash(hash) => *hash,
        }
    }
}

/// Why there is no invoice.
#[derive(Debug, thiserror::Error)]
pub enum InvoiceError {
    /// BOLT 11 cannot say it.
    #[error(transparent)]
    Draft(#[from] DraftError),
    /// The signer's answer does not fit.
    #[error(transparent)]
    Signature(#[from] FinishError),
    /// The invoice of before cannot be read, or is none.
    #[error("the request led to something else before: {0}")]
    Before(String),
    /// The core does not wait for it.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The engine stops.
    #[error("the node is stopping")]
    Stopped,
}

impl From<Stopped> for InvoiceError {
    fn from(Stopped: Stopped) -> Self {
        InvoiceError::Stopped
    }
}

impl Handle {
    /// Makes an invoice, or finds the one that was made by the same request; when it is returned, its payment is waited for, or was.
    ///
    /// # Errors
    /// When BOLT 11 cannot say it, its hash was used before, or the engine stops.
    pub async fn make_invoice(&self, request: InvoiceRequest) -> Result<Invoice, InvoiceError> {
        let node = self.snapshot();
        let (policy, now) = (&node.config().payment, clock::now());
        let draft = InvoiceDraft {
            amount: request.amount,
            expiry: request.expiry_secs.unwrap_or(policy.default_expiry_secs),
            min_final_cltv_expiry_delta: match request.hold_blocks {
                Some(blocks) => policy.hold_cltv_expiry_delta(blocks),
                None => policy.min_final_cltv_expiry_delta,
            },
            route_hints: node.route_hints(request.amount),
            ..InvoiceDraft::new(
                self.network(),
                self.node_id(),
                now.secs(),
                request.secret.payment_hash(),
                PaymentSecret(self.random()),
                request.description,
            )
        };
        let unsigned = draft.to_unsigned()?;
        let invoice = unsigned.finish_own(&self.signer().sign_message(unsigned.signing_digest()))?;
        let open = waited_for(&invoice, now, request.secret, request.hold_blocks.is_some());
        let errand = Errand::Invoice { invoice: Box::new(open), earlier: request.earlier };
        match self.command(errand.by(request.named)).await? {
            Reply::DoneBefore(outcome) => made_before(&outcome),
            _ => Ok(invoice),
        }
    }
}

/// The invoice that a request led to before.
///
/// # Errors
/// When it led to something else, which the request's digest excludes.
pub(crate) fn made_before(outcome: &Outcome) -> Result<Invoice, InvoiceError> {
    match outcome {
        Outcome::Invoiced { bolt11 } => {
            bolt11.parse().map_err(|error| InvoiceError::Before(format!("{error}")))
        }
        other => Err(InvoiceError::Before(format!("{other:?}"))),
    }
}

/// What the core keeps of it: that it was made at that time is known more exactly than the invoice says, for the order of a list.
fn waited_for(invoice: &Invoice, created_at: Timestamp, secret: InvoiceSecret, hold: bool) -> OpenInvoice {
    OpenInvoice {
        payment_hash: invoice.payment_hash(),
        preimage: match secret {
            InvoiceSecret::Preimage(preimage) => Some(preimage),
            InvoiceSecret::Hash(_) => None,
        },
        hold,
        canceled: false,
        payment_secret: invoice.payment_secret(),
        amount: invoice.amount(),
        metadata: None,
        expires_at: Timestamp::from_secs(invoice.expires_at()),
        min_final_cltv_expiry_delta: invoice.min_final_cltv_expiry_delta(),
        created_at,
        description: match invoice.description() {
            Description::Text(text) => text.clone(),
            Description::Hash(hash) => hex::encode(hash),
        },
        bolt11: invoice.to_string(),
    }
}

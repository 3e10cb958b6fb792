//! Invoices of the playground's nodes.

use crate::engine::{Handle, clock};
use astrape_invoice::{Description, Invoice, InvoiceDraft};
use astrape_node::Command;
use astrape_payment::OpenInvoice;
use astrape_primitives::{Msat, PaymentPreimage, PaymentSecret, Timestamp};

/// Makes an invoice and has the node wait for its payment.
pub(super) async fn make(handle: &Handle, amount: Msat, description: &str) -> anyhow::Result<Invoice> {
    let preimage = PaymentPreimage(handle.random());
    let payment_secret = PaymentSecret(handle.random());
    let now = clock::now();
    let node = handle.snapshot().await?;
    let policy = &node.config().payment;
    let mut draft = InvoiceDraft::new(
        handle.network(),
        handle.node_id(),
        now.secs(),
        preimage.payment_hash(),
        payment_secret,
        Description::Text(description.to_owned()),
    );
    draft.amount = Some(amount);
    draft.min_final_cltv_expiry_delta = policy.min_final_cltv_expiry_delta;
    draft.route_hints = node.route_hints();
    let unsigned = draft.to_unsigned()?;
    let invoice = unsigned.finish(&handle.signer().sign_message(unsigned.signing_digest()))?;
    let open = OpenInvoice {
        payment_hash: preimage.payment_hash(),
        preimage,
        payment_secret,
        amount: Some(amount),
        metadata: None,
        expires_at: Timestamp::from_secs(invoice.expires_at()),
        min_final_cltv_expiry_delta: policy.min_final_cltv_expiry_delta,
        created_at: now,
        description: description.to_owned(),
        bolt11: invoice.to_string(),
    };
    handle.command(Command::AddInvoice(Box::new(open))).await?;
    Ok(invoice)
}

//! What shall be paid: invoices that people hand to each other (BOLT 11).
//!
//! Owns the reading and the writing of the text of an invoice, and the rules that say when it may be paid at all: an
//! [`Invoice`] that exists has passed all of BOLT 11's reader rules, its signature included. It holds no key: a
//! writer gives a [`Draft`](InvoiceDraft) the shape of an [`UnsignedInvoice`], whose digest is signed elsewhere.
//!
//! | room | what is in it |
//! |---|---|
//! | [`bip21`] | [`PaymentLink`]: a link that may carry an invoice |
//! | [`bolt11`] | [`Invoice`]: what a payer reads |
//! | [`bolt11::field`] | the parts of an invoice: description, route hints, fallback addresses |
//! | [`bolt11::draft`] | [`InvoiceDraft`]: what a payee writes |
//! | [`bolt11::error`] | why a text is no invoice, and why a draft cannot become one |
//!
//! Invariants:
//! - Whatever is written here is read back here before it is handed out: a writer's mistake never reaches a payer.
//! - The text of an invoice is kept as it was read (in lower case), with fields that this crate does not know.
//! - Reading never panics and never allocates more than a small multiple of [`MAX_INVOICE_LENGTH`].
//!
//! Never: a clock (whether an invoice expired is asked with a time), a private key, an opinion on whether the network
//! of an invoice is ours.

pub mod bip21;
pub mod bolt11;

pub use bip21::{LinkError, PaymentLink};
pub use bolt11::draft::{InvoiceDraft, UnsignedInvoice};
pub use bolt11::error::{DraftError, FinishError, ParseInvoiceError};
pub use bolt11::field::{Description, Fallback, RouteHint};
pub use bolt11::{Invoice, MAX_INVOICE_LENGTH};

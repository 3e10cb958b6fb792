//! BOLT 11: an invoice as its payer sees it.

mod amount;
mod base32;
pub mod draft;
pub mod error;
pub mod field;
mod read;

use astrape_primitives::{CltvDelta, Feature, Features, Msat, Network, NodeId, PaymentHash, PaymentSecret};
use core::fmt;
use field::{Description, Fallback, RouteHint};

/// Longest text that is read as an invoice, in characters: what the largest QR code can hold at all (version 40,
/// digits only). BOLT 11 sets no bound; without one, a page of text would be hashed before it is refused.
pub const MAX_INVOICE_LENGTH: usize = 7089;

/// Seconds after which an invoice without an `x` field expires.
pub const DEFAULT_EXPIRY_SECS: u64 = 3600;

/// What the last HTLC must leave to the payee when an invoice has no `c` field.
pub const DEFAULT_MIN_FINAL_CLTV_EXPIRY_DELTA: CltvDelta = CltvDelta(18);

/// The features that mean something in an invoice (context `9` of BOLT 9, and two that are assumed everywhere but
/// still written in invoices). An even bit of any other forbids to pay.
pub const INVOICE_FEATURES: [Feature; 6] = [
    Feature::VarOnionOptin,
    Feature::PaymentSecret,
    Feature::BasicMpp,
    Feature::RouteBlinding,
    Feature::AttributionData,
    Feature::PaymentMetadata,
];

/// An invoice that passed every rule of BOLT 11's reader. Made by reading a text ([`str::parse`]) or by
/// [`UnsignedInvoice::finish`](draft::UnsignedInvoice::finish).
///
/// It prints as the text it was read from, in lower case and without `lightning:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invoice {
    text: String,
    network: Network,
    amount: Option<Msat>,
    timestamp: u64,
    payee: NodeId,
    payment_hash: PaymentHash,
    payment_secret: PaymentSecret,
    description: Description,
    expiry: u64,
    min_final_cltv_expiry_delta: CltvDelta,
    features: Features,
    route_hints: Vec<Vec<RouteHint>>,
    fallbacks: Vec<Fallback>,
    payment_metadata: Option<Vec<u8>>,
}

impl Invoice {
    /// The network on which it is to be paid. The testnets share one prefix: `lntb` is read as testnet4.
    #[must_use]
    pub const fn network(&self) -> Network {
        self.network
    }

    /// What is asked for; `None` when the payer chooses, and should be told so.
    #[must_use]
    pub const fn amount(&self) -> Option<Msat> {
        self.amount
    }

    /// When it was made, in seconds since 1970, as the payee says.
    #[must_use]
    pub const fn timestamp(&self) -> u64 {
        self.timestamp
    }

    /// For how long it may be paid, in seconds after [`Invoice::timestamp`].
    #[must_use]
    pub const fn expiry(&self) -> u64 {
        self.expiry
    }

    /// When it expires, in seconds since 1970.
    #[must_use]
    pub const fn expires_at(&self) -> u64 {
        self.timestamp.saturating_add(self.expiry)
    }

    /// Whether it is too late to pay, or to accept a payment, at `now_secs` (seconds since 1970).
    #[must_use]
    pub const fn is_expired_at(&self, now_secs: u64) -> bool {
        now_secs > self.expires_at()
    }

    /// Who is to be paid: the `n` field, or the key recovered from the signature.
    #[must_use]
    pub const fn payee(&self) -> NodeId {
        self.payee
    }

    /// The hash whose preimage proves the payment.
    #[must_use]
    pub const fn payment_hash(&self) -> PaymentHash {
        self.payment_hash
    }

    /// The `payment_secret` of the last onion payload (BOLT 4).
    #[must_use]
    pub const fn payment_secret(&self) -> PaymentSecret {
        self.payment_secret
    }

    /// What it is for. The text is the payee's: treat it as hostile when it is shown.
    #[must_use]
    pub const fn description(&self) -> &Description {
        &self.description
    }

    /// The least difference between the expiry of the last HTLC and the height, in blocks.
    #[must_use]
    pub const fn min_final_cltv_expiry_delta(&self) -> CltvDelta {
        self.min_final_cltv_expiry_delta
    }

    /// What paying it needs. Every even bit is known here, and no dependency is missing. Payment in several parts is
    /// only allowed when it supports [`Feature::BasicMpp`].
    #[must_use]
    pub const fn features(&self) -> &Features {
        &self.features
    }

    /// Ways to the payee over channels that the graph may not have; each from a public node forward, never empty. The
    /// payee's favourite is first.
    #[must_use]
    pub fn route_hints(&self) -> &[Vec<RouteHint>] {
        &self.route_hints
    }

    /// Addresses that the payee accepts on chain instead, the favourite first.
    #[must_use]
    pub fn fallbacks(&self) -> &[Fallback] {
        &self.fallbacks
    }

    /// The `payment_metadata` of the last onion payload (BOLT 4), when the payee wants it back.
    #[must_use]
    pub fn payment_metadata(&self) -> Option<&[u8]> {
        self.payment_metadata.as_deref()
    }

    /// The text for a QR code: upper case, which such codes hold in less space.
    #[must_use]
    pub fn to_qr_text(&self) -> String {
        self.text.to_ascii_uppercase()
    }
}

impl fmt::Display for Invoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

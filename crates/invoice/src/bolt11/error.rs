//! Why a text is no invoice that may be paid, and why a draft cannot become an invoice.

use super::MAX_INVOICE_LENGTH;
use astrape_primitives::{Feature, NodeId};
use bech32::primitives::decode::CheckedHrpstringError;

/// Why a text is no invoice that may be paid. One variant a rule; each text is meant for the person who pasted it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseInvoiceError {
    /// Longer than [`MAX_INVOICE_LENGTH`].
    #[error("the text has {0} characters, an invoice has at most {MAX_INVOICE_LENGTH}")]
    TooLong(usize),
    /// A character outside ASCII (BIP 173).
    #[error("an invoice has only letters and digits; copy it again, without the text around it")]
    NotAscii,
    /// Upper and lower case together (BIP 173).
    #[error("the invoice mixes upper and lower case, so some of it was changed; copy it again")]
    MixedCase,
    /// Not bech32 at all (BIP 173).
    #[error("this is no invoice: {0}")]
    Bech32(CheckedHrpstringError),
    /// BOLT 11: "if the checksum is incorrect".
    #[error("the checksum is wrong: a character of the invoice was lost or changed; copy it again")]
    Checksum,
    /// The human-readable part does not start with `ln`.
    #[error("this is no Lightning invoice: those start with `ln`")]
    NotLightning,
    /// BOLT 11: a `prefix` that is not understood.
    #[error("the invoice is for `{0}`, a network that this node does not know")]
    UnknownNetwork(String),
    /// BOLT 11: the amount contains a non-digit or ends with an unknown multiplier.
    #[error("`{0}` is not an amount: digits and one of m, u, n, p are expected")]
    AmountSyntax(String),
    /// Zero, or written with leading zeros.
    #[error("`{0}` is not an amount: it must be positive and have no leading zero")]
    AmountNotPositive(String),
    /// BOLT 11: multiplier `p` and a last decimal that is not 0.
    #[error("the invoice asks for a fraction of a millisatoshi, which cannot be paid")]
    AmountSubMillisatoshi,
    /// More than all the bitcoin there will ever be.
    #[error("the invoice asks for more bitcoin than will ever exist")]
    AmountTooLarge,
    /// No room for timestamp and signature.
    #[error("the invoice is cut off: it has no room for its date and its signature; copy it again")]
    TooShort,
    /// A tagged field is longer than what is left.
    #[error("the invoice is damaged: its field `{0}` is longer than the rest of the invoice")]
    FieldTruncated(char),
    /// BOLT 11: `p`, `h`, `s` or `n` of the wrong length.
    #[error("the invoice is malformed: its field `{field}` has length {found}, not {expected}")]
    FieldLength {
        /// Letter of the field.
        field: char,
        /// The one right length, in groups of 5 bits.
        expected: usize,
        /// The length it has.
        found: usize,
    },
    /// BOLT 11: `c`, `x` or `9` that begins with zeros.
    #[error("the invoice is malformed: its field `{0}` begins with zeros")]
    NotMinimal(char),
    /// `d` is not UTF-8.
    #[error("the description of the invoice is not valid text (UTF-8)")]
    DescriptionNotUtf8,
    /// `x` does not fit 64 bits.
    #[error("the expiry of the invoice is too far away to be a time")]
    ExpiryTooLarge,
    /// `c` does not fit the 16 bits of a `cltv_expiry_delta`.
    #[error("the invoice asks to lock funds for more than 65535 blocks; do not pay it")]
    CltvDeltaTooLarge,
    /// `n` is no point of the curve.
    #[error("the payee's key in the invoice is not a public key")]
    PayeeKey,
    /// `r` is not one or more whole entries of 51 bytes.
    #[error("the invoice is malformed: a route hint has {0} bytes, not a positive multiple of 51")]
    RouteHintLength(usize),
    /// An entry of `r` whose node is no point of the curve.
    #[error("a route hint of the invoice names a node that is not a public key")]
    RouteHintKey,
    /// `f` of a known version whose program or hash has the wrong length.
    #[error("a fallback address of the invoice is malformed")]
    Fallback,
    /// No `p` field.
    #[error("the invoice has no payment hash")]
    NoPaymentHash,
    /// BOLT 11: no `s` field.
    #[error(
        "the invoice has no payment secret, so its payment could be stolen on the way; ask for a new one"
    )]
    NoPaymentSecret,
    /// BOLT 11: neither `d` nor `h`.
    #[error("the invoice does not say what it is for")]
    NoDescription,
    /// BOLT 11: both `d` and `h`.
    #[error("the invoice says twice what it is for: by a text and by a hash")]
    TwoDescriptions,
    /// BOLT 11: an unknown even bit in `9`.
    #[error("the invoice needs feature bit {0}, which this node does not know; a newer version may")]
    UnknownFeature(usize),
    /// BOLT 11: `9` lacks a dependency.
    #[error("the invoice is malformed: its feature {} needs {}, which is not set", .feature.name(), .missing.name())]
    FeatureDependency {
        /// The feature.
        feature: Feature,
        /// What it needs.
        missing: Feature,
    },
    /// The recovery id is above 3, or R or S is no scalar.
    #[error("the signature of the invoice is malformed")]
    SignatureMalformed,
    /// BOLT 11: high S with an `n` field.
    #[error("the signature of the invoice is not in its standard form (high S)")]
    SignatureHighS,
    /// The signature is not the payee's, or recovers no key.
    #[error("the signature of the invoice is not valid; do not pay it")]
    SignatureInvalid,
}

/// Why a draft cannot become an invoice: the caller asked for what BOLT 11 cannot say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// An amount of zero; leave it out for "any amount".
    #[error("an invoice cannot ask for 0; leave the amount out to let the payer choose")]
    AmountZero,
    /// More than all the bitcoin there will ever be.
    #[error("an invoice cannot ask for more bitcoin than will ever exist")]
    AmountTooLarge,
    /// The timestamp does not fit 35 bits.
    #[error("the time {0} is too far away for an invoice: it must be below 2^35 seconds since 1970")]
    TimestampTooLarge(u64),
    /// A field does not fit its 10 bits of length: 639 bytes.
    #[error("the {what} is too long for an invoice: it has {found} bytes, at most {MAX_FIELD_BYTES} fit")]
    FieldTooLong {
        /// Which field.
        what: &'static str,
        /// Its length in bytes.
        found: usize,
    },
    /// A route hint without an entry.
    #[error("a route hint needs at least one channel")]
    RouteHintEmpty,
    /// BOLT 9: a bit that has no meaning in an invoice.
    #[error("feature bit {0} has no meaning in an invoice")]
    FeatureOutOfPlace(usize),
    /// BOLT 9: both bits of a pair.
    #[error("feature {} is set both as required and as optional", .0.name())]
    FeatureTwice(Feature),
    /// BOLT 9: a dependency is missing.
    #[error("feature {} needs {}", .feature.name(), .missing.name())]
    FeatureDependency {
        /// The feature.
        feature: Feature,
        /// What it needs.
        missing: Feature,
    },
    /// The whole would be longer than [`MAX_INVOICE_LENGTH`].
    #[error(
        "the invoice would have {0} characters, at most {MAX_INVOICE_LENGTH} are read; use fewer route hints"
    )]
    TooLong(usize),
}

/// Bytes that fit a tagged field: 1023 groups of 5 bits.
pub(super) const MAX_FIELD_BYTES: usize = 1023 * 5 / 8;

/// Why a signature does not finish an invoice. Both mean that the signer is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FinishError {
    /// The signature is by another key than the payee's.
    #[error("the invoice was signed by {found}, not by its payee {expected}")]
    WrongSigner {
        /// The payee.
        expected: NodeId,
        /// Whose signature it is.
        found: NodeId,
    },
    /// The finished text cannot be read back.
    #[error("the signed invoice cannot be read back: {0}")]
    Unreadable(#[from] ParseInvoiceError),
}

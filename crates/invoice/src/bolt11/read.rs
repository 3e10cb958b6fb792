//! Reading an invoice: from text to fields, with every rule of BOLT 11's reader.
//!
//! A field that may come once and comes twice: the first counts. BOLT 11 says so for `p`; one rule serves all. Every
//! field must still be well formed, the second ones too.

use super::error::ParseInvoiceError as Error;
use super::field::{Description, Fallback, RouteHint};
use super::{
    DEFAULT_EXPIRY_SECS, DEFAULT_MIN_FINAL_CLTV_EXPIRY_DELTA, INVOICE_FEATURES, Invoice, MAX_INVOICE_LENGTH,
    amount, base32,
};
use astrape_primitives::{CltvDelta, Features, NodeId, PaymentHash, PaymentSecret};
use bech32::Fe32;
use bech32::primitives::decode::{CheckedHrpstring, CheckedHrpstringError, ChecksumError};
use bitcoin::hashes::{Hash as _, HashEngine as _, sha256};
use bitcoin::secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use bitcoin::secp256k1::{Message, Secp256k1, VerifyOnly};
use bitcoin::{PubkeyHash, ScriptHash, WitnessProgram, WitnessVersion};
use core::str::FromStr;
use std::sync::LazyLock;

/// Groups of the timestamp: 35 bits.
pub(super) const TIMESTAMP_GROUPS: usize = 7;
/// Groups of the signature: 520 bits.
const SIGNATURE_GROUPS: usize = 104;
/// Groups of a hash: 256 bits and padding.
const HASH_GROUPS: usize = 52;
/// Groups of a public key: 264 bits and padding.
const KEY_GROUPS: usize = 53;

/// The tables of libsecp256k1, made once: making them costs as much as what they are used for.
static SECP: LazyLock<Secp256k1<VerifyOnly>> = LazyLock::new(Secp256k1::verification_only);

impl FromStr for Invoice {
    type Err = Error;

    /// Reads an invoice, with or without `lightning:` before it and spaces around it, all in lower or all in upper
    /// case.
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::read(text, None)
    }
}

impl Invoice {
    /// Reads an invoice once more whose signature was found to be that of `payee`: recovering a key costs more than all the rest.
    ///
    /// # Errors
    /// When the text is not one that was read before.
    pub fn read_again(text: &str, payee: NodeId) -> Result<Self, Error> {
        Self::read(text, Some(payee))
    }

    /// Reads an invoice; one that is `vouched` for is its payee's, and its signature is not checked.
    pub(super) fn read(text: &str, vouched: Option<NodeId>) -> Result<Self, Error> {
        let text = without_scheme(text.trim());
        if text.len() > MAX_INVOICE_LENGTH {
            return Err(Error::TooLong(text.len()));
        }
        if !text.is_ascii() {
            return Err(Error::NotAscii);
        }
        if text.bytes().any(|b| b.is_ascii_lowercase()) && text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(Error::MixedCase);
        }
        let text = text.to_ascii_lowercase();
        let checked =
            CheckedHrpstring::new::<base32::UnboundedBech32>(&text).map_err(|error| match error {
                CheckedHrpstringError::Checksum(ChecksumError::InvalidResidue) => Error::Checksum,
                other => Error::Bech32(other),
            })?;
        let hrp = checked.hrp().to_lowercase();
        let (network, amount) = amount::read(&hrp)?;
        // The type parameter is an accident of the library; it stands for nothing.
        let data: Vec<Fe32> = checked.fe32_iter::<core::iter::Empty<u8>>().collect();

        let signature_at = data.len().checked_sub(SIGNATURE_GROUPS).ok_or(Error::TooShort)?;
        let (signed, signature) = data.split_at(signature_at);
        let (timestamp, tagged) = signed.split_at_checked(TIMESTAMP_GROUPS).ok_or(Error::TooShort)?;
        let fields = Fields::read(tagged)?;

        let features = fields.features.unwrap_or_default();
        check_features(&features)?;
        let description = match (fields.description, fields.description_hash) {
            (Some(text), None) => Description::Text(text),
            (None, Some(hash)) => Description::Hash(hash),
            (None, None) => return Err(Error::NoDescription),
            (Some(_), Some(_)) => return Err(Error::TwoDescriptions),
        };
        let payment_hash = fields.payment_hash.ok_or(Error::NoPaymentHash)?;
        let payment_secret = fields.payment_secret.ok_or(Error::NoPaymentSecret)?;
        let payee = match vouched {
            Some(payee) => payee,
            None => check_signature(signing_digest(&hrp, signed), signature, fields.payee)?,
        };

        Ok(Invoice {
            network,
            amount,
            timestamp: base32::to_u64(timestamp).expect("35 bits fit"),
            payee,
            payment_hash,
            payment_secret,
            description,
            expiry: fields.expiry.unwrap_or(DEFAULT_EXPIRY_SECS),
            min_final_cltv_expiry_delta: fields
                .min_final_cltv_expiry_delta
                .unwrap_or(DEFAULT_MIN_FINAL_CLTV_EXPIRY_DELTA),
            features,
            route_hints: fields.route_hints,
            fallbacks: fields.fallbacks,
            payment_metadata: fields.payment_metadata,
            text,
        })
    }
}

/// What follows `lightning:`, in whatever case that is written.
fn without_scheme(text: &str) -> &str {
    const SCHEME: &str = "lightning:";
    match text.split_at_checked(SCHEME.len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(SCHEME) => rest,
        _ => text,
    }
}

/// The digest that the payee signs: SHA-256 of the human-readable part and all groups before the signature.
pub(super) fn signing_digest(hrp: &str, signed: &[Fe32]) -> [u8; 32] {
    let mut engine = sha256::Hash::engine();
    engine.input(hrp.as_bytes());
    engine.input(&base32::to_padded_bytes(signed));
    sha256::Hash::from_engine(engine).to_byte_array()
}

fn check_features(features: &Features) -> Result<(), Error> {
    if let Some(bit) = features.first_unknown_required(&INVOICE_FEATURES) {
        return Err(Error::UnknownFeature(bit));
    }
    match features.missing_dependency() {
        Some((feature, missing)) => Err(Error::FeatureDependency { feature, missing }),
        None => Ok(()),
    }
}

/// The payee: the `n` field, for which the signature must be valid and low-S, or else the key that the signature
/// recovers.
fn check_signature(digest: [u8; 32], groups: &[Fe32], payee: Option<NodeId>) -> Result<NodeId, Error> {
    let bytes: [u8; 65] = base32::to_array(groups).ok_or(Error::SignatureMalformed)?;
    let recovery_id = RecoveryId::from_i32(i32::from(bytes[64])).map_err(|_| Error::SignatureMalformed)?;
    let signature = RecoverableSignature::from_compact(&bytes[..64], recovery_id)
        .map_err(|_| Error::SignatureMalformed)?;
    let secp = &*SECP;
    let message = Message::from_digest(digest);
    let Some(payee) = payee else {
        let key = secp.recover_ecdsa(&message, &signature).map_err(|_| Error::SignatureInvalid)?;
        return Ok(NodeId::from_key(&key));
    };
    let signature = signature.to_standard();
    let mut low_s = signature;
    low_s.normalize_s();
    if low_s != signature {
        return Err(Error::SignatureHighS);
    }
    secp.verify_ecdsa(&message, &signature, &payee.key()).map_err(|_| Error::SignatureInvalid)?;
    Ok(payee)
}

/// The tagged fields, the first of each kind where one counts.
#[derive(Default)]
struct Fields {
    payment_hash: Option<PaymentHash>,
    payment_secret: Option<PaymentSecret>,
    description: Option<String>,
    description_hash: Option<[u8; 32]>,
    payee: Option<NodeId>,
    expiry: Option<u64>,
    min_final_cltv_expiry_delta: Option<CltvDelta>,
    features: Option<Features>,
    route_hints: Vec<Vec<RouteHint>>,
    fallbacks: Vec<Fallback>,
    payment_metadata: Option<Vec<u8>>,
}

impl Fields {
    /// Reads all fields. The loop and the lists are bounded by the length of the text.
    fn read(mut rest: &[Fe32]) -> Result<Self, Error> {
        let mut fields = Self::default();
        while let Some((tag, after_tag)) = rest.split_first() {
            let truncated = || Error::FieldTruncated(tag.to_char());
            let (length, after_length) = after_tag.split_at_checked(2).ok_or_else(truncated)?;
            let length = usize::from(length[0].to_u8()) * 32 + usize::from(length[1].to_u8());
            let (data, after) = after_length.split_at_checked(length).ok_or_else(truncated)?;
            fields.add(*tag, data)?;
            rest = after;
        }
        Ok(fields)
    }

    fn add(&mut self, tag: Fe32, data: &[Fe32]) -> Result<(), Error> {
        match tag.to_char() {
            'p' => keep_first(&mut self.payment_hash, PaymentHash(hash(tag, data)?)),
            's' => keep_first(&mut self.payment_secret, PaymentSecret(hash(tag, data)?)),
            'h' => keep_first(&mut self.description_hash, hash(tag, data)?),
            'n' => keep_first(&mut self.payee, key(tag, data)?),
            'd' => keep_first(&mut self.description, text(data)?),
            'm' => keep_first(&mut self.payment_metadata, base32::to_bytes(data)),
            'x' => keep_first(&mut self.expiry, number(tag, data)?.ok_or(Error::ExpiryTooLarge)?),
            'c' => keep_first(&mut self.min_final_cltv_expiry_delta, cltv_delta(tag, data)?),
            '9' => keep_first(&mut self.features, features(tag, data)?),
            'f' => self.fallbacks.extend(fallback(data)?),
            'r' => self.route_hints.push(route_hint(data)?),
            // Unknown fields only stay in the text.
            _ => {}
        }
        Ok(())
    }
}

fn keep_first<T>(slot: &mut Option<T>, value: T) {
    slot.get_or_insert(value);
}

fn expect_length(tag: Fe32, data: &[Fe32], expected: usize) -> Result<(), Error> {
    if data.len() == expected {
        return Ok(());
    }
    Err(Error::FieldLength { field: tag.to_char(), expected, found: data.len() })
}

fn hash(tag: Fe32, data: &[Fe32]) -> Result<[u8; 32], Error> {
    expect_length(tag, data, HASH_GROUPS)?;
    Ok(base32::to_array(data).expect("52 groups hold 32 bytes"))
}

fn key(tag: Fe32, data: &[Fe32]) -> Result<NodeId, Error> {
    expect_length(tag, data, KEY_GROUPS)?;
    let bytes = base32::to_array(data).expect("53 groups hold 33 bytes");
    NodeId::from_bytes(bytes).map_err(|_| Error::PayeeKey)
}

fn text(data: &[Fe32]) -> Result<String, Error> {
    String::from_utf8(base32::to_bytes(data)).map_err(|_| Error::DescriptionNotUtf8)
}

fn expect_minimal(tag: Fe32, data: &[Fe32]) -> Result<(), Error> {
    if data.first() == Some(&Fe32::Q) { Err(Error::NotMinimal(tag.to_char())) } else { Ok(()) }
}

/// A number of any length; `None` when it does not fit 64 bits.
fn number(tag: Fe32, data: &[Fe32]) -> Result<Option<u64>, Error> {
    expect_minimal(tag, data)?;
    Ok(base32::to_u64(data))
}

fn cltv_delta(tag: Fe32, data: &[Fe32]) -> Result<CltvDelta, Error> {
    let blocks = number(tag, data)?.and_then(|blocks| u16::try_from(blocks).ok());
    blocks.map(CltvDelta).ok_or(Error::CltvDeltaTooLarge)
}

fn features(tag: Fe32, data: &[Fe32]) -> Result<Features, Error> {
    expect_minimal(tag, data)?;
    let mut features = Features::empty();
    for (place, group) in data.iter().rev().enumerate() {
        (0..5).filter(|bit| group.to_u8() >> bit & 1 == 1).for_each(|bit| features.set_bit(place * 5 + bit));
    }
    Ok(features)
}

/// A fallback address, or `None` when its version is unknown.
fn fallback(data: &[Fe32]) -> Result<Option<Fallback>, Error> {
    let (version, program) = data.split_first().ok_or(Error::Fallback)?;
    let program = base32::to_bytes(program);
    let hash = || <[u8; 20]>::try_from(program.as_slice()).map_err(|_| Error::Fallback);
    match version.to_u8() {
        17 => Ok(Some(Fallback::PubkeyHash(PubkeyHash::from_byte_array(hash()?)))),
        18 => Ok(Some(Fallback::ScriptHash(ScriptHash::from_byte_array(hash()?)))),
        version => {
            let Ok(version) = WitnessVersion::try_from(version) else { return Ok(None) };
            let program = WitnessProgram::new(version, &program).map_err(|_| Error::Fallback)?;
            Ok(Some(Fallback::Witness(program)))
        }
    }
}

fn route_hint(data: &[Fe32]) -> Result<Vec<RouteHint>, Error> {
    let bytes = base32::to_bytes(data);
    let (entries, remainder) = bytes.as_chunks::<{ RouteHint::LEN }>();
    if entries.is_empty() || !remainder.is_empty() {
        return Err(Error::RouteHintLength(bytes.len()));
    }
    entries.iter().map(|entry| RouteHint::read(entry).ok_or(Error::RouteHintKey)).collect()
}

//! Writing an invoice: a draft, its digest for the signer, and the invoice that the signature finishes.

use super::error::{DraftError, FinishError, MAX_FIELD_BYTES};
use super::field::{Description, Fallback, RouteHint};
use super::read::{TIMESTAMP_GROUPS, signing_digest};
use super::{
    DEFAULT_EXPIRY_SECS, DEFAULT_MIN_FINAL_CLTV_EXPIRY_DELTA, INVOICE_FEATURES, Invoice, MAX_INVOICE_LENGTH,
    amount, base32,
};
use astrape_primitives::{CltvDelta, Feature, Features, Msat, Network, NodeId, PaymentHash, PaymentSecret};
use bech32::Fe32;
use bech32::primitives::iter::Fe32IterExt as _;
use bitcoin::secp256k1::ecdsa::RecoverableSignature;

/// What a payee wants an invoice to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvoiceDraft {
    /// The network on which it is to be paid.
    pub network: Network,
    /// What is asked for; `None` to let the payer choose.
    pub amount: Option<Msat>,
    /// When it is made, in seconds since 1970.
    pub timestamp: u64,
    /// Who is to be paid, and signs.
    pub payee: NodeId,
    /// Whether to write the payee's id too (`n`): 56 characters for readers that recover no key.
    pub with_payee: bool,
    /// Hash of the preimage that will be given in return.
    pub payment_hash: PaymentHash,
    /// What proves that a sender knows the invoice.
    pub payment_secret: PaymentSecret,
    /// What it is for; at most 639 bytes of text.
    pub description: Description,
    /// For how long it may be paid, in seconds.
    pub expiry: u64,
    /// The least that the last HTLC must leave to the payee, in blocks.
    pub min_final_cltv_expiry_delta: CltvDelta,
    /// What paying it needs.
    pub features: Features,
    /// Ways to the payee, the favourite first; needed when it has no public channel.
    pub route_hints: Vec<Vec<RouteHint>>,
    /// Addresses on chain that are accepted instead, the favourite first.
    pub fallbacks: Vec<Fallback>,
    /// What the sender has to bring back; at most 639 bytes. It makes the feature `option_payment_metadata` required,
    /// since a sender that does not know it would fail.
    pub payment_metadata: Option<Vec<u8>>,
}

impl InvoiceDraft {
    /// A draft for any amount, payable in several parts for an hour.
    #[must_use]
    pub fn new(
        network: Network,
        payee: NodeId,
        timestamp: u64,
        payment_hash: PaymentHash,
        payment_secret: PaymentSecret,
        description: Description,
    ) -> Self {
        Self {
            network,
            amount: None,
            timestamp,
            payee,
            with_payee: false,
            payment_hash,
            payment_secret,
            description,
            expiry: DEFAULT_EXPIRY_SECS,
            min_final_cltv_expiry_delta: DEFAULT_MIN_FINAL_CLTV_EXPIRY_DELTA,
            features: Features::empty()
                .with_required(Feature::VarOnionOptin)
                .with_required(Feature::PaymentSecret)
                .with_optional(Feature::BasicMpp),
            route_hints: Vec::new(),
            fallbacks: Vec::new(),
            payment_metadata: None,
        }
    }

    /// Encodes the draft, ready for its signature.
    ///
    /// # Errors
    /// When the draft asks for what BOLT 11 cannot say.
    pub fn to_unsigned(&self) -> Result<UnsignedInvoice, DraftError> {
        let hrp = amount::write(self.network, self.amount)?;
        if self.timestamp >> (TIMESTAMP_GROUPS * 5) != 0 {
            return Err(DraftError::TimestampTooLarge(self.timestamp));
        }
        let mut data: Vec<Fe32> = base32::from_u64(self.timestamp, TIMESTAMP_GROUPS).collect();
        self.write_fields(&mut data)?;
        let unsigned = UnsignedInvoice { hrp, data, payee: self.payee };
        let length = unsigned.signed_length();
        if length > MAX_INVOICE_LENGTH { Err(DraftError::TooLong(length)) } else { Ok(unsigned) }
    }

    fn write_fields(&self, data: &mut Vec<Fe32>) -> Result<(), DraftError> {
        write_field(data, Fe32::P, base32::from_bytes(&self.payment_hash.0));
        write_field(data, Fe32::S, base32::from_bytes(&self.payment_secret.0));
        match &self.description {
            Description::Text(text) => write_bytes(data, Fe32::D, "description", text.as_bytes())?,
            Description::Hash(hash) => write_field(data, Fe32::H, base32::from_bytes(hash)),
        }
        if let Some(metadata) = &self.payment_metadata {
            write_bytes(data, Fe32::M, "payment metadata", metadata)?;
        }
        if self.with_payee {
            write_field(data, Fe32::N, base32::from_bytes(self.payee.as_bytes()));
        }
        if self.expiry != DEFAULT_EXPIRY_SECS {
            write_number(data, Fe32::X, self.expiry);
        }
        write_number(data, Fe32::C, u64::from(self.min_final_cltv_expiry_delta.0));
        self.fallbacks.iter().for_each(|fallback| write_field(data, Fe32::F, fallback_groups(fallback)));
        for route_hint in &self.route_hints {
            if route_hint.is_empty() {
                return Err(DraftError::RouteHintEmpty);
            }
            let mut bytes = Vec::with_capacity(route_hint.len() * RouteHint::LEN);
            route_hint.iter().for_each(|entry| entry.write(&mut bytes));
            write_bytes(data, Fe32::R, "route hint", &bytes)?;
        }
        let features = self.features_to_write()?;
        if !features.is_empty() {
            write_field(data, Fe32::_9, feature_groups(&features));
        }
        Ok(())
    }

    /// The features with what the fields imply, if BOLT 9 lets them stand in an invoice.
    fn features_to_write(&self) -> Result<Features, DraftError> {
        let mut features = self.features.clone();
        if self.payment_metadata.is_some() && !features.supports(Feature::PaymentMetadata) {
            features = features.with_required(Feature::PaymentMetadata);
        }
        let of_invoices = |bit: usize| INVOICE_FEATURES.iter().any(|f| f.required_bit() == bit & !1);
        if let Some(bit) = features.iter_bits().find(|bit| !of_invoices(*bit)) {
            return Err(DraftError::FeatureOutOfPlace(bit));
        }
        let twice = |f: &Feature| features.bit(f.required_bit()) && features.bit(f.optional_bit());
        if let Some(feature) = INVOICE_FEATURES.into_iter().find(twice) {
            return Err(DraftError::FeatureTwice(feature));
        }
        match features.missing_dependency() {
            Some((feature, missing)) => Err(DraftError::FeatureDependency { feature, missing }),
            None => Ok(features),
        }
    }
}

/// An invoice that lacks only its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsignedInvoice {
    hrp: String,
    data: Vec<Fe32>,
    payee: NodeId,
}

impl UnsignedInvoice {
    /// What the payee's node key signs (ECDSA, recoverable).
    #[must_use]
    pub fn signing_digest(&self) -> [u8; 32] {
        signing_digest(&self.hrp, &self.data)
    }

    /// The invoice, with the signature over [`UnsignedInvoice::signing_digest`]. It is read back before it is given.
    ///
    /// # Errors
    /// When the signature is not the payee's.
    pub fn finish(&self, signature: &RecoverableSignature) -> Result<Invoice, FinishError> {
        let invoice: Invoice = self.text(signature).parse()?;
        if invoice.payee() != self.payee {
            return Err(FinishError::WrongSigner { expected: self.payee, found: invoice.payee() });
        }
        Ok(invoice)
    }

    /// As [`UnsignedInvoice::finish`], for a signer in this process whose key is the payee's for sure: its signature is not
    /// checked, which would cost more than it cost to make. With a wrong one nobody could pay; nothing would be lost.
    ///
    /// # Errors
    /// When what was written cannot be read.
    pub fn finish_own(&self, signature: &RecoverableSignature) -> Result<Invoice, FinishError> {
        Ok(Invoice::read(&self.text(signature), Some(self.payee))?)
    }

    fn text(&self, signature: &RecoverableSignature) -> String {
        let (recovery_id, compact) = signature.serialize_compact();
        let recovery_id = u8::try_from(recovery_id.to_i32()).expect("a recovery id is 0, 1, 2 or 3");
        let signature: Vec<u8> = compact.into_iter().chain([recovery_id]).collect();
        let hrp = bech32::Hrp::parse(&self.hrp).expect("prefix and digits are a human-readable part");
        let groups = self.data.iter().copied().chain(base32::from_bytes(&signature));
        groups.with_checksum::<base32::UnboundedBech32>(&hrp).chars().collect()
    }

    /// Characters of the finished invoice: separator, signature and checksum are 1, 104 and 6.
    fn signed_length(&self) -> usize {
        self.hrp.len() + 1 + self.data.len() + 104 + 6
    }
}

/// Appends a field; its groups are known to fit.
fn write_field(data: &mut Vec<Fe32>, tag: Fe32, groups: Vec<Fe32>) {
    data.push(tag);
    data.extend(base32::from_u64(groups.len() as u64, 2));
    data.extend(groups);
}

/// Appends a field of bytes whose length the caller chose.
fn write_bytes(data: &mut Vec<Fe32>, tag: Fe32, what: &'static str, bytes: &[u8]) -> Result<(), DraftError> {
    if bytes.len() > MAX_FIELD_BYTES {
        return Err(DraftError::FieldTooLong { what, found: bytes.len() });
    }
    write_field(data, tag, base32::from_bytes(bytes));
    Ok(())
}

fn write_number(data: &mut Vec<Fe32>, tag: Fe32, number: u64) {
    write_field(data, tag, base32::from_u64(number, base32::width_of(number)).collect());
}

fn fallback_groups(fallback: &Fallback) -> Vec<Fe32> {
    let (version, program) = match fallback {
        Fallback::PubkeyHash(hash) => (Fe32::_3, AsRef::<[u8]>::as_ref(hash)),
        Fallback::ScriptHash(hash) => (Fe32::J, AsRef::<[u8]>::as_ref(hash)),
        Fallback::Witness(program) => (program.version().to_fe(), program.program().as_bytes()),
    };
    core::iter::once(version).chain(base32::from_bytes(program)).collect()
}

/// The bits in groups from the highest that is set; the last group holds bits 4 to 0.
fn feature_groups(features: &Features) -> Vec<Fe32> {
    let groups = features.iter_bits().last().map_or(0, |highest| highest / 5 + 1);
    (0..groups).rev().map(|place| base32::group(|bit| features.bit(place * 5 + bit))).collect()
}

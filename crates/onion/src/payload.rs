//! What the origin tells one hop (BOLT 4, "`payload` format").

use crate::failure::Failure;
use astrape_primitives::{CltvExpiry, Msat, PaymentPreimage, PaymentSecret, ShortChannelId};
use astrape_wire::codec::read_whole;
use astrape_wire::tlv::{TlvRecord, TlvStream, TlvWriter, decode_tu32, decode_tu64, encode_tu};
use astrape_wire::{TlvError, ValueError};
use std::collections::BTreeMap;

/// First type that BOLT 4 leaves to applications.
pub const FIRST_CUSTOM_TYPE: u64 = 65536;

const AMT_TO_FORWARD: u64 = 2;
const OUTGOING_CLTV_VALUE: u64 = 4;
const SHORT_CHANNEL_ID: u64 = 6;
const PAYMENT_DATA: u64 = 8;
const CURRENT_PATH_KEY: u64 = 12;
const PAYMENT_METADATA: u64 = 16;
/// A payment without invoice carries its preimage (bLIP 3).
const KEYSEND_PREIMAGE: u64 = 5_482_373_484;

/// What a forwarding node is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForwardPayload {
    /// The channel to forward over, or any other with the same peer.
    pub short_channel_id: ShortChannelId,
    /// The amount of the outgoing HTLC.
    pub amt_to_forward: Msat,
    /// The `cltv_expiry` of the outgoing HTLC.
    pub outgoing_cltv_value: CltvExpiry,
}

/// What the recipient is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalPayload {
    /// The least amount that this HTLC must bring.
    pub amt_to_forward: Msat,
    /// The lowest `cltv_expiry` that this HTLC may have.
    pub outgoing_cltv_value: CltvExpiry,
    /// Proof that the sender knows the invoice, and the amount of all parts together.
    pub payment_data: Option<PaymentData>,
    /// What the invoice asked the sender to hand back.
    pub payment_metadata: Option<Vec<u8>>,
    /// The preimage of a payment without invoice (bLIP 3).
    pub keysend_preimage: Option<PaymentPreimage>,
    /// What applications said to each other, by type from [`FIRST_CUSTOM_TYPE`]. What is read has odd types only: an even
    /// one must be understood.
    pub custom_records: BTreeMap<u64, Vec<u8>>,
}

impl FinalPayload {
    /// The amount of all parts of the payment together; that of this part when nothing else is said.
    #[must_use]
    pub fn total_msat(&self) -> Msat {
        self.payment_data.map_or(self.amt_to_forward, |data| data.total_msat)
    }
}

/// `payment_data` of the final payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaymentData {
    /// The invoice's secret.
    pub payment_secret: PaymentSecret,
    /// The amount of all parts of the payment together.
    pub total_msat: Msat,
}

/// Encodes the payload of a forwarding node, without the length in front.
#[must_use]
pub fn encode_forward(payload: &ForwardPayload) -> Vec<u8> {
    TlvWriter::new()
        .with(AMT_TO_FORWARD, encode_tu(payload.amt_to_forward.0))
        .with(OUTGOING_CLTV_VALUE, encode_tu(payload.outgoing_cltv_value.0.into()))
        .with(SHORT_CHANNEL_ID, payload.short_channel_id.0.to_be_bytes())
        .finish()
}

/// What a payload of ours tells a hop to pass on, or a recipient to expect; `None` when it is none.
#[must_use]
pub fn forwarded_amount(payload: &[u8]) -> Option<Msat> {
    let mut records = TlvStream::new(payload, |_| true).filter_map(Result::ok);
    let amount = records.find(|record| record.number == AMT_TO_FORWARD)?;
    decode_tu64(amount.value).ok().map(Msat)
}

/// Encodes the payload of the recipient, without the length in front. Of the custom records those from
/// [`FIRST_CUSTOM_TYPE`] are written.
#[must_use]
pub fn encode_final(payload: &FinalPayload) -> Vec<u8> {
    let custom = payload.custom_records.range(FIRST_CUSTOM_TYPE..);
    let data = payload.payment_data.as_ref();
    custom
        .fold(TlvWriter::new(), |out, (kind, value)| out.with(*kind, value.as_slice()))
        .with(AMT_TO_FORWARD, encode_tu(payload.amt_to_forward.0))
        .with(OUTGOING_CLTV_VALUE, encode_tu(payload.outgoing_cltv_value.0.into()))
        .with_some(
            PAYMENT_DATA,
            data.map(|d| [d.payment_secret.0.as_slice(), &encode_tu(d.total_msat.0)].concat()),
        )
        .with_some(PAYMENT_METADATA, payload.payment_metadata.as_deref())
        .with_some(KEYSEND_PREIMAGE, payload.keysend_preimage.map(|preimage| preimage.0))
        .finish()
}

/// Why a payload cannot be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadPayload {
    /// A field is missing, unknown or malformed.
    Invalid {
        /// Which one, or 0.
        tlv_type: u64,
        /// Where it begins in the decrypted byte stream, or 0.
        offset: usize,
    },
    /// This node would be the introduction of a blinded path, and does not serve as one.
    Blinded,
}

impl BadPayload {
    /// It is not even known where the payload ends.
    pub(crate) const FRAME: Self = Self::missing(0);

    const fn missing(tlv_type: u64) -> Self {
        Self::Invalid { tlv_type, offset: 0 }
    }

    /// The failure that the origin is told.
    pub(crate) fn into_failure(self, sha256_of_onion: impl FnOnce() -> [u8; 32]) -> Failure {
        match self {
            Self::Invalid { tlv_type, offset } => {
                Failure::InvalidOnionPayload { tlv_type, offset: u16::try_from(offset).unwrap_or(u16::MAX) }
            }
            Self::Blinded => Failure::InvalidOnionBlinding { sha256_of_onion: sha256_of_onion() },
        }
    }
}

/// Decodes the payload of a forwarding node, which begins `at` bytes into the decrypted stream.
pub(crate) fn decode_forward(payload: &[u8], at: usize) -> Result<ForwardPayload, BadPayload> {
    // First of all, since no other failure may be told from inside a blinded path.
    if TlvStream::new(payload, |_| true).flatten().any(|record| record.number == CURRENT_PATH_KEY) {
        return Err(BadPayload::Blinded);
    }
    let known = |kind| {
        // The recipient's fields have no meaning here, yet they are known.
        [AMT_TO_FORWARD, OUTGOING_CLTV_VALUE, SHORT_CHANNEL_ID, PAYMENT_DATA, PAYMENT_METADATA]
            .contains(&kind)
    };
    let (mut amount, mut expiry, mut channel) = (None, None, None);
    for_each_record(payload, at, known, |record| {
        match record.number {
            AMT_TO_FORWARD => amount = Some(Msat(decode_tu64(record.value)?)),
            OUTGOING_CLTV_VALUE => expiry = Some(CltvExpiry(decode_tu32(record.value)?)),
            SHORT_CHANNEL_ID => channel = Some(read_whole(record.value)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(ForwardPayload {
        amt_to_forward: amount.ok_or(BadPayload::missing(AMT_TO_FORWARD))?,
        outgoing_cltv_value: expiry.ok_or(BadPayload::missing(OUTGOING_CLTV_VALUE))?,
        short_channel_id: channel.ok_or(BadPayload::missing(SHORT_CHANNEL_ID))?,
    })
}

/// Whether a payload that can be read has a record of this type.
fn has_record(payload: &[u8], at: usize, kind: u64) -> bool {
    let mut found = false;
    let read = for_each_record(
        payload,
        at,
        |_| true,
        |record| {
            found |= record.number == kind;
            Ok(())
        },
    );
    read.is_ok() && found
}

/// Decodes the payload of the recipient, which begins `at` bytes into the decrypted stream.
pub(crate) fn decode_final(payload: &[u8], at: usize) -> Result<FinalPayload, BadPayload> {
    let is_keysend = has_record(payload, at, KEYSEND_PREIMAGE);
    let known = |kind| {
        [
            AMT_TO_FORWARD,
            OUTGOING_CLTV_VALUE,
            SHORT_CHANNEL_ID,
            PAYMENT_DATA,
            PAYMENT_METADATA,
            KEYSEND_PREIMAGE,
        ]
        .contains(&kind)
            // What applications add to keysends is for them alone, and all of it is handed to them: messages have had even types from
            // the first day.
            || (is_keysend && kind >= FIRST_CUSTOM_TYPE)
    };
    let (mut amount, mut expiry) = (None, None);
    let (mut payment_data, mut payment_metadata, mut keysend_preimage) = (None, None, None);
    let mut custom_records = BTreeMap::new();
    for_each_record(payload, at, known, |record| {
        match record.number {
            AMT_TO_FORWARD => amount = Some(Msat(decode_tu64(record.value)?)),
            OUTGOING_CLTV_VALUE => expiry = Some(CltvExpiry(decode_tu32(record.value)?)),
            PAYMENT_DATA => payment_data = Some(PaymentData::decode(record.value)?),
            PAYMENT_METADATA => payment_metadata = Some(record.value.to_vec()),
            KEYSEND_PREIMAGE => keysend_preimage = Some(read_whole(record.value)?),
            kind @ FIRST_CUSTOM_TYPE.. => {
                custom_records.insert(kind, record.value.to_vec());
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(FinalPayload {
        amt_to_forward: amount.ok_or(BadPayload::missing(AMT_TO_FORWARD))?,
        outgoing_cltv_value: expiry.ok_or(BadPayload::missing(OUTGOING_CLTV_VALUE))?,
        payment_data,
        payment_metadata,
        keysend_preimage,
        custom_records,
    })
}

impl PaymentData {
    fn decode(value: &[u8]) -> Result<Self, ValueError> {
        let (secret, total) = value.split_first_chunk().ok_or(ValueError::Truncated)?;
        Ok(Self { payment_secret: PaymentSecret(*secret), total_msat: Msat(decode_tu64(total)?) })
    }
}

/// Reads a payload record by record; what is wrong with one is told with its type and place.
fn for_each_record(
    payload: &[u8],
    at: usize,
    is_known: impl Fn(u64) -> bool,
    mut read: impl FnMut(TlvRecord<'_>) -> Result<(), ValueError>,
) -> Result<(), BadPayload> {
    let mut offset = at;
    for record in TlvStream::new(payload, is_known) {
        let record =
            record.map_err(|error| BadPayload::Invalid { tlv_type: type_of_error(&error), offset })?;
        read(record).map_err(|_| BadPayload::Invalid { tlv_type: record.number, offset })?;
        offset += record.raw.len();
    }
    Ok(())
}

fn type_of_error(error: &TlvError) -> u64 {
    match *error {
        TlvError::TruncatedType | TlvError::TypeNotMinimal => 0,
        TlvError::TruncatedLength(record)
        | TlvError::LengthNotMinimal(record)
        | TlvError::UnknownEven(record)
        | TlvError::TruncatedValue { record, .. }
        | TlvError::NotIncreasing { record, .. } => record,
    }
}

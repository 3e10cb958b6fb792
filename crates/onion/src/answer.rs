//! Answers to an HTLC on their way back to the origin: failures and hold times (BOLT 4, "Returning Errors").

use crate::attribution::{Attribution, HoldTime, distance};
use crate::construct::MAX_HOPS;
use crate::failure::Failure;
use crate::keys::{KeyKind, SharedSecret, finish};
use crate::layout::HMAC_LEN;
use astrape_wire::{AttributionData, ChannelUpdate, MAX_MESSAGE_LEN};
use bitcoin::hashes::{HashEngine as _, cmp::fixed_time_eq};
use core::fmt;

/// Bytes of failure message and padding together, unless the message is longer: all failures look alike.
const PADDED_LEN: usize = 256;

/// Longest `reason` that leaves room for attribution data in `update_fail_htlc`: a message has at most 65535 bytes, of which
/// type, channel, id and length take 44 and the TLV takes 924. A downstream node that sends a longer one gets it
/// forwarded without attribution data; our own message must not become too long to be sent.
const MAX_ATTRIBUTED_REASON_LEN: usize = MAX_MESSAGE_LEN - (2 + 32 + 8 + 2) - (1 + 3 + AttributionData::LEN);

/// Longest failure message that is made. Those of the BOLT are far shorter; a longer [`Failure::Unknown`] is cut, so that
/// whatever is made can be sent.
const MAX_FAILURE_LEN: usize = 1024;

/// What `update_fail_htlc` carries.
#[derive(Clone, PartialEq, Eq)]
pub struct FailurePacket {
    /// The obfuscated failure, `reason` on the wire. What comes from a peer has any length and content.
    pub reason: Vec<u8>,
    /// Hold times and HMACs, when the peer sent them. A node that does not advertise `option_attribution_data` drops them.
    pub attribution_data: Option<AttributionData>,
}

impl fmt::Debug for FailurePacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FailurePacket({} bytes, {:?})", self.reason.len(), self.attribution_data)
    }
}

/// Fails an HTLC at this node: the failure, readable by the origin alone.
#[must_use]
pub fn create_failure(secret: &SharedSecret, failure: &Failure, hold_time: HoldTime) -> FailurePacket {
    create_failure_with(secret, failure, None, hold_time)
}

/// The same, with what we say of the channel that failed.
#[must_use]
pub fn create_failure_with(
    secret: &SharedSecret,
    failure: &Failure,
    update: Option<&ChannelUpdate>,
    hold_time: HoldTime,
) -> FailurePacket {
    let reason = return_packet(secret, &failure.encode_with(update));
    wrap(secret, reason, None, hold_time)
}

/// Passes on a failure that came from downstream, whatever it is.
#[must_use]
pub fn relay_failure(secret: &SharedSecret, packet: FailurePacket, hold_time: HoldTime) -> FailurePacket {
    wrap(secret, packet.reason, packet.attribution_data.as_ref(), hold_time)
}

fn wrap(
    secret: &SharedSecret,
    mut reason: Vec<u8>,
    received: Option<&AttributionData>,
    hold_time: HoldTime,
) -> FailurePacket {
    let attribution_data =
        (reason.len() <= MAX_ATTRIBUTED_REASON_LEN).then(|| attribute(secret, &reason, received, hold_time));
    secret.obfuscate(KeyKind::Ammag, &mut reason);
    FailurePacket { reason, attribution_data }
}

fn attribute(
    secret: &SharedSecret,
    packet: &[u8],
    received: Option<&AttributionData>,
    hold_time: HoldTime,
) -> AttributionData {
    let mut attribution = Attribution::from_received(received);
    attribution.add_hop(secret, packet, hold_time);
    attribution.finish()
}

/// HMAC, length, message, length, padding.
fn return_packet(secret: &SharedSecret, message: &[u8]) -> Vec<u8> {
    let message = &message[..message.len().min(MAX_FAILURE_LEN)];
    let pad = PADDED_LEN.saturating_sub(message.len());
    let length =
        |len: usize| u16::try_from(len).expect("messages and padding are at most 1024 bytes").to_be_bytes();
    let mut packet = vec![0; HMAC_LEN];
    packet.extend_from_slice(&length(message.len()));
    packet.extend_from_slice(message);
    packet.extend_from_slice(&length(pad));
    packet.resize(packet.len() + pad, 0);
    let mut mac = secret.mac(KeyKind::Um);
    mac.input(&packet[HMAC_LEN..]);
    packet[..HMAC_LEN].copy_from_slice(&finish(mac));
    packet
}

/// What the origin reads in a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedFailure {
    /// Who failed the payment and why.
    pub source: FailureSource,
    /// What the failing hop says that the channel asks, unproved.
    pub update: Option<Box<ChannelUpdate>>,
    /// How long each hop held the HTLC, first hop first, up to the one that failed it or the first whose attribution data is
    /// missing or wrong.
    pub hold_times: Vec<HoldTime>,
}

/// Who failed a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailureSource {
    /// A hop has signed the failure.
    Hop {
        /// Which one, from 0; always a hop of the route.
        index: usize,
        /// What it says.
        failure: Failure,
    },
    /// No hop has signed it: somebody changed it on its way.
    Unreadable {
        /// The first hop whose attribution HMAC is wrong, from 0; the last hop when all are right. Either this hop or the one
        /// before it is to blame, and which of the two cannot be known. `None` without attribution data.
        blamed: Option<usize>,
    },
}

/// Reads a failure of a payment of ours. `secrets` are those of the route, first hop first
/// ([`crate::OnionRecipe::shared_secrets`]).
///
/// Decrypts as often for every route, so that the time it takes tells no hop where it stands.
#[must_use]
pub fn decode_failure(secrets: &[SharedSecret], packet: FailurePacket) -> DecodedFailure {
    const NOBODY: SharedSecret = SharedSecret::from_bytes([0; 32]);
    let FailurePacket { mut reason, attribution_data } = packet;
    let mut hold_times = HoldTimes::new(attribution_data.as_ref(), secrets.len());
    let mut found = None;
    for index in 0..secrets.len().max(MAX_HOPS) {
        let secret = secrets.get(index);
        secret.unwrap_or(&NOBODY).obfuscate(KeyKind::Ammag, &mut reason);
        let message = signed_message(secret.unwrap_or(&NOBODY), &reason);
        let (Some(secret), None) = (secret, &found) else { continue };
        hold_times.read(index, secret, &reason);
        found = message.map(|message| {
            let source = FailureSource::Hop { index, failure: Failure::decode(message) };
            (source, Failure::update_in(message))
        });
    }
    let unreadable = || (FailureSource::Unreadable { blamed: hold_times.blamed() }, None);
    let (source, update) = found.unwrap_or_else(unreadable);
    DecodedFailure { source, update: update.map(Box::new), hold_times: hold_times.times }
}

/// The failure message when this hop has signed the return packet. Lengths that reach out of it are held at its end.
fn signed_message<'a>(secret: &SharedSecret, packet: &'a [u8]) -> Option<&'a [u8]> {
    let (hmac, rest) = packet.split_first_chunk::<HMAC_LEN>()?;
    let mut mac = secret.mac(KeyKind::Um);
    mac.input(rest);
    if !fixed_time_eq(&finish(mac), hmac) {
        return None;
    }
    let Some((length, rest)) = rest.split_first_chunk() else { return Some(&[]) };
    Some(&rest[..rest.len().min(usize::from(u16::from_be_bytes(*length)))])
}

/// Attribution data of a fulfilment, at the recipient.
#[must_use]
pub fn create_fulfill_attribution(secret: &SharedSecret, hold_time: HoldTime) -> AttributionData {
    relay_fulfill_attribution(secret, None, hold_time)
}

/// Attribution data of a fulfilment, at a forwarding node, which may have received none from downstream.
#[must_use]
pub fn relay_fulfill_attribution(
    secret: &SharedSecret,
    received: Option<&AttributionData>,
    hold_time: HoldTime,
) -> AttributionData {
    attribute(secret, &[], received, hold_time)
}

/// How long each hop held an HTLC that was fulfilled, first hop first, up to the first whose attribution data is missing or
/// wrong.
#[must_use]
pub fn read_fulfill_attribution(secrets: &[SharedSecret], attribution: &AttributionData) -> Vec<HoldTime> {
    let mut hold_times = HoldTimes::new(Some(attribution), secrets.len());
    for (index, secret) in secrets.iter().enumerate() {
        hold_times.read(index, secret, &[]);
    }
    hold_times.times
}

/// Reads hold times hop by hop until one is not vouched for.
struct HoldTimes {
    /// `None` when there is nothing more to trust.
    attribution: Option<Attribution>,
    hops: usize,
    times: Vec<HoldTime>,
    first_wrong: Option<usize>,
}

impl HoldTimes {
    fn new(received: Option<&AttributionData>, hops: usize) -> Self {
        let attribution = received.map(|data| Attribution::from_received(Some(data)));
        Self { attribution, hops, times: Vec::new(), first_wrong: None }
    }

    fn read(&mut self, index: usize, secret: &SharedSecret, packet: &[u8]) {
        let (Some(attribution), Some(y)) = (&mut self.attribution, distance(index, self.hops)) else {
            return;
        };
        match attribution.take_hop(secret, packet, y) {
            Some(time) => self.times.push(time),
            None => {
                self.first_wrong = Some(index);
                self.attribution = None;
            }
        }
    }

    /// Whom to blame for a failure that nobody signed, after all hops were read.
    fn blamed(&self) -> Option<usize> {
        let all_right = self.attribution.is_some() && self.times.len() == self.hops;
        self.first_wrong.or_else(|| self.hops.checked_sub(1).filter(|_| all_right))
    }
}

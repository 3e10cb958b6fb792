//! What the tests share: nodes by number, HTLCs, invoices, and answers as hops really wrap them.

use astrape_channel::commitments::Numbers;
use astrape_channel::htlc::Direction;
use astrape_channel::{Htlc, NewHtlc, OnionSource, Resolution};
use astrape_invoice::{Description, Invoice, InvoiceDraft, RouteHint};
use astrape_onion::{
    Failure, FailurePacket, FinalPayload, ForwardPayload, HoldTime, Hop, PaymentData, PeelFailure, Peeled,
    SharedSecret, create_failure, peel, relay_failure,
};
use astrape_payment::{
    OpenInvoice, OwnChannel, PayOutput, PayRequest, PayView, Payee, Payment, PaymentPart, PaymentPolicy,
};
use astrape_primitives::{
    ChannelKeysId, CltvDelta, CltvExpiry, Height, HtlcId, Msat, Network, NodeId, PaymentHash,
    PaymentPreimage, PaymentSecret, ShortChannelId, Side, Timestamp,
};
use astrape_routing::NoRoute;
use astrape_wire::{ChannelUpdate, OnionPacket};
use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::secp256k1::{All, Message, PublicKey, Secp256k1, SecretKey, ecdh};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

pub(crate) const TIP: Height = Height(1_000);
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
pub(crate) const PREIMAGE: PaymentPreimage = PaymentPreimage([7; 32]);
pub(crate) const SECRET: PaymentSecret = PaymentSecret([8; 32]);
/// The one who pays.
pub(crate) const PAYER: u8 = 0;
/// The one who is paid.
pub(crate) const PAYEE: u8 = 9;

pub(crate) fn hash() -> PaymentHash {
    PREIMAGE.payment_hash()
}

pub(crate) fn key(node: u8) -> SecretKey {
    SecretKey::from_slice(&[node + 1; 32]).expect("a small scalar")
}

pub(crate) fn node(number: u8) -> NodeId {
    NodeId::from_key(&key(number).public_key(&Secp256k1::new()))
}

pub(crate) fn keys(number: u8) -> ChannelKeysId {
    ChannelKeysId([number; 32])
}

pub(crate) fn sat(sat: u64) -> Msat {
    Msat(sat * 1_000)
}

/// A channel of the payer with a node.
pub(crate) fn own(number: u8, peer: u8, sendable: Msat) -> OwnChannel {
    let alias = ShortChannelId(1_000 + u64::from(number));
    let inbound = [None, None];
    OwnChannel {
        keys: keys(number),
        alias,
        inbound,
        peer: node(peer),
        sendable,
        htlc_minimum: Msat(1),
        back: None,
    }
}

pub(crate) static SECP: LazyLock<Secp256k1<All>> = LazyLock::new(Secp256k1::new);

/// What the payer's node looks at.
pub(crate) fn view<'a>(channels: &'a [OwnChannel], policy: &'a PaymentPolicy) -> PayView<'a> {
    PayView { payer: node(PAYER), channels, now: NOW, tip: TIP, policy, secp: &SECP }
}

/// HTLCs with the channels that they are offered over.
pub(crate) type Offers = Vec<(ChannelKeysId, NewHtlc)>;

/// Begins a payment where nothing is known of the network; the error says why there is no way.
pub(crate) fn begin(request: PayRequest, view: &PayView<'_>) -> Result<(Payment, Offers), String> {
    let (payment, outputs) = Payment::start(request, view).map_err(|refusal| refusal.to_string())?;
    let (payment, outputs) = where_nothing_is_known(payment, outputs, view);
    let offer = |output| match output {
        PayOutput::Offer(channel, new) => Ok((channel, new)),
        PayOutput::Failed { reason } => Err(reason),
        other => panic!("{other:?}"),
    };
    Ok((payment, outputs.into_iter().map(offer).collect::<Result<_, _>>()?))
}

/// Answers the questions to path search by a network of which nothing is known. What was to be taught is left out.
pub(crate) fn where_nothing_is_known(
    mut payment: Payment,
    outputs: Vec<PayOutput>,
    view: &PayView<'_>,
) -> (Payment, Vec<PayOutput>) {
    let mut told = Vec::new();
    for output in outputs {
        match output {
            PayOutput::Search(query) => {
                let nothing = Err(NoRoute::UnknownNode(query.to));
                let (next, outputs) = payment.on_route(query.number, &nothing, view);
                // It may ask once more, and bear then what it did not before.
                let (next, outputs) = where_nothing_is_known(next, outputs, view);
                payment = next;
                told.extend(outputs);
            }
            PayOutput::Teach(_) => {}
            output => told.push(output),
        }
    }
    (payment, told)
}

/// An entry of a route hint: a channel from `from` on, for a satoshi and a hundred millionths.
pub(crate) fn hop(from: u8, channel: u64) -> RouteHint {
    RouteHint {
        node_id: node(from),
        short_channel_id: ShortChannelId(channel),
        fee_base_msat: 1_000,
        fee_proportional_millionths: 100,
        cltv_expiry_delta: CltvDelta(80),
    }
}

pub(crate) fn draft(amount: Option<Msat>, hints: Vec<Vec<RouteHint>>) -> InvoiceDraft {
    let mut draft = InvoiceDraft::new(
        Network::Regtest,
        node(PAYEE),
        NOW.secs(),
        hash(),
        SECRET,
        Description::Text("tea".into()),
    );
    draft.amount = amount;
    draft.route_hints = hints;
    draft.min_final_cltv_expiry_delta = CltvDelta(24);
    draft
}

/// One of many more nodes.
pub(crate) fn key_of(number: u16) -> SecretKey {
    let mut bytes = [0x11; 32];
    bytes[..2].copy_from_slice(&(number + 1).to_be_bytes());
    SecretKey::from_slice(&bytes).expect("a scalar")
}

pub(crate) fn node_of(number: u16) -> NodeId {
    NodeId::from_key(&key_of(number).public_key(&Secp256k1::new()))
}

/// An invoice that one of many signs.
pub(crate) fn finish_as(payee: u16, draft: &InvoiceDraft) -> Invoice {
    let unsigned = draft.to_unsigned().expect("a good draft");
    let digest = Message::from_digest(unsigned.signing_digest());
    let signature = Secp256k1::new().sign_ecdsa_recoverable(&digest, &key_of(payee));
    unsigned.finish(&signature).expect("the payee signed")
}

pub(crate) fn finish(draft: &InvoiceDraft) -> Invoice {
    let unsigned = draft.to_unsigned().expect("a good draft");
    let digest = Message::from_digest(unsigned.signing_digest());
    let signature = Secp256k1::new().sign_ecdsa_recoverable(&digest, &key(PAYEE));
    unsigned.finish(&signature).expect("the payee signed")
}

/// A request to pay an invoice, with nothing chosen.
pub(crate) fn request(invoice: Invoice) -> PayRequest {
    PayRequest {
        network: Network::Regtest,
        payee: Payee::Invoice(Box::new(invoice)),
        amount: None,
        max_fee: None,
        retry_secs: None,
        session_key_seed: [3; 32],
        circle: None,
    }
}

/// The invoice as its payee keeps it.
pub(crate) fn open_invoice(invoice: &Invoice) -> OpenInvoice {
    OpenInvoice {
        payment_hash: invoice.payment_hash(),
        preimage: Some(PREIMAGE),
        hold: false,
        canceled: false,
        payment_secret: invoice.payment_secret(),
        amount: invoice.amount(),
        metadata: invoice.payment_metadata().map(<[u8]>::to_vec),
        expires_at: Timestamp::from_secs(invoice.expires_at()),
        min_final_cltv_expiry_delta: invoice.min_final_cltv_expiry_delta(),
        created_at: NOW,
        description: "tea".into(),
        bolt11: invoice.to_string(),
    }
}

/// An irrevocably committed HTLC of a peer.
pub(crate) fn incoming(id: u64, amount: Msat, cltv_expiry: u32, onion: Result<Peeled, PeelFailure>) -> Htlc {
    Htlc {
        offered_by: Side::Remote,
        id: HtlcId(id),
        amount,
        payment_hash: hash(),
        cltv_expiry: CltvExpiry(cltv_expiry),
        direction: Direction::Incoming(Arc::new(onion)),
        added: Numbers::FROM_THE_START,
        removal: None,
        over_dust_exposure: false,
        at: NOW,
    }
}

pub(crate) fn secret_of(number: u8) -> SharedSecret {
    SharedSecret::from_bytes([number; 32])
}

pub(crate) fn packet() -> OnionPacket {
    OnionPacket::from_bytes(&[5; OnionPacket::LEN])
}

pub(crate) fn forward(amount: Msat, expiry: u32) -> ForwardPayload {
    ForwardPayload {
        short_channel_id: ShortChannelId(1),
        amt_to_forward: amount,
        outgoing_cltv_value: CltvExpiry(expiry),
    }
}

pub(crate) fn peeled_forward(payload: ForwardPayload) -> Result<Peeled, PeelFailure> {
    Ok(Peeled { shared_secret: secret_of(1), hop: Hop::Forward { payload, next: packet() } })
}

/// What a payer who knows the invoice writes for its recipient.
pub(crate) fn final_payload(amount: Msat, total: Msat, expiry: u32) -> FinalPayload {
    FinalPayload {
        amt_to_forward: amount,
        outgoing_cltv_value: CltvExpiry(expiry),
        payment_data: Some(PaymentData { payment_secret: SECRET, total_msat: total }),
        payment_metadata: None,
        keysend_preimage: None,
        custom_records: BTreeMap::new(),
    }
}

pub(crate) fn peeled_final(payload: FinalPayload) -> Result<Peeled, PeelFailure> {
    Ok(Peeled { shared_secret: secret_of(1), hop: Hop::Final { payload } })
}

/// The packet of an HTLC that we offer.
pub(crate) fn packet_of(new: &NewHtlc) -> OnionPacket {
    match &new.onion {
        OnionSource::Packet(packet) => packet.clone(),
        OnionSource::Recipe(recipe) => recipe.build().expect("what is offered can be built"),
    }
}

/// What a node finds in the onion of an HTLC.
pub(crate) fn peel_as(number: u8, packet: &OnionPacket) -> Result<Peeled, PeelFailure> {
    peel(packet, &hash(), |point: &PublicKey| ecdh::SharedSecret::new(point, &key(number)).secret_bytes())
}

/// A failure by hop `index` of a part, as it arrives at the payer.
pub(crate) fn failed_by(part: &PaymentPart, index: usize, failure: &Failure) -> Resolution {
    let secrets = part.recipe.shared_secrets();
    let made = create_failure(&secrets[index], failure, HoldTime(3));
    Resolution::Failed(wrapped(&secrets[..index], made))
}

/// A failure passed on by the hops before, the last first.
pub(crate) fn wrapped(before: &[SharedSecret], packet: FailurePacket) -> FailurePacket {
    before.iter().rev().fold(packet, |packet, secret| relay_failure(secret, packet, HoldTime(5)))
}

/// What a channel asks, as the network is told it.
pub(crate) fn channel_update() -> ChannelUpdate {
    ChannelUpdate {
        signature: Signature::from_compact(&[1; 64]).expect("in range"),
        chain_hash: [6; 32],
        short_channel_id: ShortChannelId(7),
        timestamp: 8,
        message_flags: ChannelUpdate::MUST_BE_ONE,
        channel_flags: 0,
        cltv_expiry_delta: CltvDelta(80),
        htlc_minimum_msat: Msat(1),
        fee_base_msat: 2,
        fee_proportional_millionths: 3,
        htlc_maximum_msat: Msat(4),
        extension: Default::default(),
    }
}

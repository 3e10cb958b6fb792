//! Our side.

use crate::model::{Found, WEIGHTS};
use astrape_primitives::{Msat, Network, NodeId, ShortChannelId, Timestamp};
use astrape_routing::gossip::Record;
use astrape_routing::gossip::image::{ImageFile, tail};
use astrape_routing::search::{Limits, Start};
use astrape_routing::synthetic::Link;
use astrape_routing::{Finder, Gossip, Request};
use astrape_wire::{ChannelAnnouncement, ChannelUpdate, Message};
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::PublicKey;
use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::{OutPoint, Txid};

/// All that a node holds of such a network: as if it had been told, with a funding for each channel.
pub fn gossip(links: &[Link], ids: &[NodeId]) -> Gossip {
    let mut gossip = Gossip::new(Network::Regtest.chain_hash(), ids[0]);
    let mut take = |record: &Record| assert!(gossip.replay(record, record.frame().len()));
    let any_key = ids[0].key();
    for (number, link) in (1_u64..).zip(links) {
        let ends = link.ends.map(|end| ids[end as usize]);
        let turned = ends[0] > ends[1];
        let [node_1, node_2] = if turned { [ends[1], ends[0]] } else { ends };
        let id = ShortChannelId(number << 40 | 1 << 16);
        let mut txid = [7; 32];
        txid[..8].copy_from_slice(&number.to_le_bytes());
        let outpoint = OutPoint { txid: Txid::from_byte_array(txid), vout: 0 };
        take(&Record::Channel {
            bytes: Message::ChannelAnnouncement(announcement(id, [node_1, node_2], any_key))
                .encode()
                .expect("short")
                .into(),
            funding: Some((outpoint, link.capacity)),
            received: link.policies[0].timestamp,
        });
        for (direction, policy) in (0_u8..).zip(&link.policies) {
            let direction = if turned { 1 - direction } else { direction };
            let update = ChannelUpdate {
                signature: nothing(),
                chain_hash: Network::Regtest.chain_hash(),
                short_channel_id: id,
                timestamp: policy.timestamp,
                message_flags: 1,
                channel_flags: direction | if policy.disabled { 2 } else { 0 },
                cltv_expiry_delta: policy.cltv_expiry_delta,
                htlc_minimum_msat: policy.htlc_minimum,
                fee_base_msat: policy.fee_base_msat,
                fee_proportional_millionths: policy.fee_proportional_millionths,
                htlc_maximum_msat: policy.htlc_maximum,
                extension: Default::default(),
            };
            take(&Record::Message(Message::ChannelUpdate(update).encode().expect("short").into()));
        }
    }
    gossip
}

fn announcement(id: ShortChannelId, [node_1, node_2]: [NodeId; 2], key: PublicKey) -> ChannelAnnouncement {
    ChannelAnnouncement {
        node_signature_1: nothing(),
        node_signature_2: nothing(),
        bitcoin_signature_1: nothing(),
        bitcoin_signature_2: nothing(),
        features: Default::default(),
        chain_hash: Network::Regtest.chain_hash(),
        short_channel_id: id,
        node_id_1: node_1.into(),
        node_id_2: node_2.into(),
        bitcoin_key_1: key,
        bitcoin_key_2: key,
        extension: Default::default(),
    }
}

fn nothing() -> Signature {
    Signature::from_compact(&[0; 64]).expect("in range")
}

/// What a node writes for its next start.
pub fn image(gossip: &Gossip) -> Vec<u8> {
    let compared = tail(gossip.end());
    gossip.image().seal(&vec![0; usize::try_from(compared.end - compared.start).expect("short")])
}

/// What it does at its next start.
pub fn start(image: &[u8]) -> Gossip {
    let file = ImageFile::open(image).expect("our own");
    let compared = tail(file.end());
    let log = vec![0; usize::try_from(compared.end - compared.start).expect("short")];
    let us = NodeId::from_bytes([2; 33]).expect("a point");
    file.load(Network::Regtest.chain_hash(), us, &log).expect("our own")
}

pub fn find(
    finder: &mut Finder,
    from: NodeId,
    to: NodeId,
    amount_msat: u64,
    max_parts: usize,
    now: u64,
) -> Option<Found> {
    let request = Request {
        from: Start::Node(from),
        to,
        invoice_features: None,
        hints: &[],
        amount: Msat(amount_msat),
        limits: Limits {
            max_fee: Msat(amount_msat / 100 + 50_000),
            max_blocks: 1_008 - 42,
            max_hops: 20,
            max_parts,
        },
        through: &[],
        without_channels: &[],
        at_most: &[],
        asked: &[],
        without_nodes: &[],
        in_flight: &[],
        weights: WEIGHTS,
        now: Timestamp::from_secs(now),
    };
    let route = finder.find(&request).ok()?;
    let part = |part: &astrape_routing::search::RoutePart| {
        let hops = part.hops.iter().map(|hop| (hop.short_channel_id.0, hop.amount.0));
        (part.amount.0, hops.collect())
    };
    Some(Found { parts: route.parts.iter().map(part).collect() })
}

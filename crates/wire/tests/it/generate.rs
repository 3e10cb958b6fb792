//! Any message, from a seed.

use astrape_primitives::{
    ChannelId, ClaimedId, CltvDelta, CltvExpiry, CommitmentNumber, Features, FeeratePerKw, Height, HtlcId,
    Msat, NodeId, PaymentHash, PaymentPreimage, Sat, ShortChannelId,
};
use astrape_wire::codec::read_whole;
use astrape_wire::tlv::BigSize;
use astrape_wire::*;
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::secp256k1::{PublicKey, Secp256k1, SecretKey, SignOnly};
use bitcoin::{ScriptBuf, Txid, Witness};
use core::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

static CURVE: LazyLock<Secp256k1<SignOnly>> = LazyLock::new(Secp256k1::signing_only);

/// A source of values: the same seed gives the same values.
pub(crate) struct Gen {
    state: u64,
    /// Whether everything of variable size is empty and every TLV record absent.
    is_minimal: bool,
}

impl Gen {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed, is_minimal: false }
    }

    pub(crate) fn minimal(seed: u64) -> Self {
        Self { state: seed, is_minimal: true }
    }

    /// SplitMix64.
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ self.state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    pub(crate) fn any<T: Arb>(&mut self) -> T {
        T::arb(self)
    }

    fn len(&mut self, end: usize) -> usize {
        if self.is_minimal { 0 } else { self.below(end) }
    }

    fn vec<T: Arb>(&mut self, end: usize) -> Vec<T> {
        (0..self.len(end)).map(|_| self.any()).collect()
    }
}

/// What can be made from a [`Gen`].
pub(crate) trait Arb: Sized {
    fn arb(g: &mut Gen) -> Self;
}

macro_rules! arb {
    ($($type:ty: |$g:ident| $make:expr;)*) => {$(
        impl Arb for $type {
            fn arb($g: &mut Gen) -> Self {
                $make
            }
        }
    )*};
}

arb! {
    u8: |g| g.next().to_be_bytes()[0];
    u16: |g| u16::from_be_bytes(g.any());
    u32: |g| u32::from_be_bytes(g.any());
    // Integers of all sizes, so that variable-length forms are all met.
    u64: |g| g.next().checked_shr(u32::from(g.any::<u8>() % 65)).unwrap_or(0);
    i64: |g| i64::from_be_bytes(g.any());
    bool: |g| !g.is_minimal && g.next().is_multiple_of(2);
    Sat: |g| Sat(g.any());
    Msat: |g| Msat(g.any());
    ChannelId: |g| ChannelId(g.any());
    ShortChannelId: |g| ShortChannelId(g.next());
    HtlcId: |g| HtlcId(g.any());
    PaymentHash: |g| PaymentHash(g.any());
    PaymentPreimage: |g| PaymentPreimage(g.any());
    CltvExpiry: |g| CltvExpiry(g.any());
    CltvDelta: |g| CltvDelta(g.any());
    Height: |g| Height(g.any());
    FeeratePerKw: |g| FeeratePerKw(g.any());
    CommitmentNumber: |g| CommitmentNumber(g.any());
    BigSize: |g| BigSize(g.any());
    Txid: |g| Txid::from_byte_array(g.any());
    PublicKey: |g| SecretKey::from_slice(&g.any::<[u8; 32]>()).unwrap().public_key(&CURVE);
    NodeId: |g| NodeId::from_key(&g.any());
    ClaimedId: |g| ClaimedId::from_bytes(g.any());
    Signature: |g| {
        let (mut r, mut s): ([u8; 32], [u8; 32]) = (g.any(), g.any());
        (r[0], s[0]) = (r[0] & 0x7f, s[0] & 0xfe);
        Signature::from_compact(&[r, s].concat()).unwrap()
    };
    Vec<u8>: |g| g.vec(80);
    ScriptBuf: |g| ScriptBuf::from_bytes(g.any());
    Features: |g| (0..g.len(8)).fold(Features::empty(), |f, _| f.with_bit(g.below(300)));
    Vec<[u8; 32]>: |g| g.vec(4);
    Vec<Signature>: |g| g.vec(5);
    Witness: |g| Witness::from_slice(&g.vec::<Vec<u8>>(4));
    Vec<Witness>: |g| g.vec(4);
    Vec<ShortChannelId>: |g| g.vec(9);
    QueryFlags: |g| QueryFlags(g.vec(9));
    ChannelUpdateTimestamps: |g| ChannelUpdateTimestamps { timestamp_node_id_1: g.any(), timestamp_node_id_2: g.any() };
    Vec<ChannelUpdateTimestamps>: |g| g.vec(9);
    ChannelUpdateChecksums: |g| ChannelUpdateChecksums { checksum_node_id_1: g.any(), checksum_node_id_2: g.any() };
    Vec<ChannelUpdateChecksums>: |g| g.vec(9);
    OnionPacket: |g| OnionPacket::from_bytes(&g.any());
    AttributionData: |g| AttributionData::from_bytes(&g.any());
    FeeRange: |g| FeeRange { min_fee_satoshis: g.any(), max_fee_satoshis: g.any() };
    NextFunding: |g| NextFunding { next_funding_txid: g.any(), retransmit_flags: g.any() };
    MyCurrentFundingLocked: |g| MyCurrentFundingLocked {
        my_current_funding_locked_txid: g.any(),
        retransmit_flags: g.any(),
    };
    Extension: |g| Extension(g.any());
    VerbatimFeatures: |g| read_whole(&prefixed(g.any())).unwrap();
    Hostname: |g| Hostname::new(&"astrape-node.example_1"[..1 + g.below(22)]).unwrap();
    Address: |g| match g.below(4) {
        0 => Address::Ipv4(Ipv4Addr::from(g.any::<u32>()), g.any()),
        1 => Address::Ipv6(Ipv6Addr::from(g.any::<[u8; 16]>()), g.any()),
        2 => Address::TorV3(g.any(), g.any()),
        _ => Address::Hostname(g.any(), g.any()),
    };
    Addresses: |g| {
        let mut bytes: Vec<u8> = g.vec::<Address>(5).iter().flat_map(Address::to_descriptor).collect();
        if g.any() {
            // A type that nobody knows, and what nobody can read after it.
            bytes.extend([vec![200], g.any()].concat());
        }
        read_whole(&prefixed(bytes)).unwrap()
    };
}

impl<const N: usize> Arb for [u8; N] {
    fn arb(g: &mut Gen) -> Self {
        core::array::from_fn(|_| g.any())
    }
}

impl<T: Arb> Arb for Option<T> {
    fn arb(g: &mut Gen) -> Self {
        g.any::<bool>().then(|| g.any())
    }
}

/// `bytes` behind their length of 2 bytes.
pub(crate) fn prefixed(bytes: Vec<u8>) -> Vec<u8> {
    [u16::try_from(bytes.len()).unwrap().to_be_bytes().to_vec(), bytes].concat()
}

macro_rules! messages {
    ($($number:literal $name:ident { $($field:ident),* $(,)? })*) => {
        /// The message of a given number. Every message of the crate must be here, with every field.
        pub(crate) fn message(number: u16, g: &mut Gen) -> Message {
            match number {
                $($number => $name { $($field: g.any()),* }.into(),)*
                unknown => panic!("no generator for message {unknown}: add it here"),
            }
        }
    };
}

messages! {
    1 Warning { channel_id, data }
    2 Stfu { channel_id, initiator }
    7 PeerStorage { blob }
    9 PeerStorageRetrieval { blob }
    16 Init { globalfeatures, features, networks, remote_addr }
    17 Error { channel_id, data }
    18 Ping { num_pong_bytes, ignored }
    19 Pong { ignored }
    32 OpenChannel {
        chain_hash, temporary_channel_id, funding_satoshis, push_msat, dust_limit_satoshis,
        max_htlc_value_in_flight_msat, channel_reserve_satoshis, htlc_minimum_msat, feerate_per_kw, to_self_delay,
        max_accepted_htlcs, funding_pubkey, revocation_basepoint, payment_basepoint, delayed_payment_basepoint,
        htlc_basepoint, first_per_commitment_point, channel_flags, upfront_shutdown_script, channel_type,
    }
    33 AcceptChannel {
        temporary_channel_id, dust_limit_satoshis, max_htlc_value_in_flight_msat, channel_reserve_satoshis,
        htlc_minimum_msat, minimum_depth, to_self_delay, max_accepted_htlcs, funding_pubkey, revocation_basepoint,
        payment_basepoint, delayed_payment_basepoint, htlc_basepoint, first_per_commitment_point,
        upfront_shutdown_script, channel_type,
    }
    34 FundingCreated { temporary_channel_id, funding_txid, funding_output_index, signature }
    35 FundingSigned { channel_id, signature }
    36 ChannelReady { channel_id, second_per_commitment_point, short_channel_id }
    38 Shutdown { channel_id, scriptpubkey }
    39 ClosingSigned { channel_id, fee_satoshis, signature, fee_range }
    40 ClosingComplete {
        channel_id, closer_scriptpubkey, closee_scriptpubkey, fee_satoshis, locktime, closer_output_only,
        closee_output_only, closer_and_closee_outputs,
    }
    41 ClosingSig {
        channel_id, closer_scriptpubkey, closee_scriptpubkey, fee_satoshis, locktime, closer_output_only,
        closee_output_only, closer_and_closee_outputs,
    }
    64 OpenChannel2 {
        chain_hash, temporary_channel_id, funding_feerate_perkw, commitment_feerate_perkw, funding_satoshis,
        dust_limit_satoshis, max_htlc_value_in_flight_msat, htlc_minimum_msat, to_self_delay, max_accepted_htlcs,
        locktime, funding_pubkey, revocation_basepoint, payment_basepoint, delayed_payment_basepoint, htlc_basepoint,
        first_per_commitment_point, second_per_commitment_point, channel_flags, upfront_shutdown_script, channel_type,
        require_confirmed_inputs,
    }
    65 AcceptChannel2 {
        temporary_channel_id, funding_satoshis, dust_limit_satoshis, max_htlc_value_in_flight_msat, htlc_minimum_msat,
        minimum_depth, to_self_delay, max_accepted_htlcs, funding_pubkey, revocation_basepoint, payment_basepoint,
        delayed_payment_basepoint, htlc_basepoint, first_per_commitment_point, second_per_commitment_point,
        upfront_shutdown_script, channel_type, require_confirmed_inputs,
    }
    66 TxAddInput { channel_id, serial_id, prevtx, prevtx_vout, sequence, shared_input_txid }
    67 TxAddOutput { channel_id, serial_id, sats, script }
    68 TxRemoveInput { channel_id, serial_id }
    69 TxRemoveOutput { channel_id, serial_id }
    70 TxComplete { channel_id }
    71 TxSignatures { channel_id, txid, witnesses, shared_input_signature }
    72 TxInitRbf { channel_id, locktime, feerate, funding_output_contribution, require_confirmed_inputs }
    73 TxAckRbf { channel_id, funding_output_contribution, require_confirmed_inputs }
    74 TxAbort { channel_id, data }
    77 SpliceLocked { channel_id, splice_txid }
    80 SpliceInit {
        channel_id, funding_contribution_satoshis, funding_feerate_perkw, locktime, funding_pubkey,
        require_confirmed_inputs,
    }
    81 SpliceAck { channel_id, funding_contribution_satoshis, funding_pubkey, require_confirmed_inputs }
    127 StartBatch { channel_id, batch_size, message_type }
    128 UpdateAddHtlc { channel_id, id, amount_msat, payment_hash, cltv_expiry, onion_routing_packet, path_key }
    130 UpdateFulfillHtlc { channel_id, id, payment_preimage, attribution_data }
    131 UpdateFailHtlc { channel_id, id, reason, attribution_data }
    132 CommitmentSigned { channel_id, signature, htlc_signature, funding_txid }
    133 RevokeAndAck { channel_id, per_commitment_secret, next_per_commitment_point }
    134 UpdateFee { channel_id, feerate_per_kw }
    135 UpdateFailMalformedHtlc { channel_id, id, sha256_of_onion, failure_code }
    136 ChannelReestablish {
        channel_id, next_commitment_number, next_revocation_number, your_last_per_commitment_secret,
        my_current_per_commitment_point, next_funding, my_current_funding_locked,
    }
    256 ChannelAnnouncement {
        node_signature_1, node_signature_2, bitcoin_signature_1, bitcoin_signature_2, features, chain_hash,
        short_channel_id, node_id_1, node_id_2, bitcoin_key_1, bitcoin_key_2, extension,
    }
    257 NodeAnnouncement { signature, features, timestamp, node_id, rgb_color, alias, addresses, extension }
    258 ChannelUpdate {
        signature, chain_hash, short_channel_id, timestamp, message_flags, channel_flags, cltv_expiry_delta,
        htlc_minimum_msat, fee_base_msat, fee_proportional_millionths, htlc_maximum_msat, extension,
    }
    259 AnnouncementSignatures { channel_id, short_channel_id, node_signature, bitcoin_signature }
    261 QueryShortChannelIds { chain_hash, encoded_short_ids, query_flags }
    262 ReplyShortChannelIdsEnd { chain_hash, full_information }
    263 QueryChannelRange { chain_hash, first_blocknum, number_of_blocks, query_option }
    264 ReplyChannelRange {
        chain_hash, first_blocknum, number_of_blocks, sync_complete, encoded_short_ids, timestamps_tlv, checksums_tlv,
    }
    265 GossipTimestampFilter { chain_hash, first_timestamp, timestamp_range }
    513 OnionMessage { path_key, onion_message_packet }
}

//! HTLCs, their onions, and how they end.

use super::Gen;
use astrape_channel::htlc::{
    Attribution, Direction, Htlc, NewHtlc, OnionSource, Origin, Removal, Resolution,
};
use astrape_onion::{
    Failure, FailurePacket, FinalPayload, ForwardPayload, Hop, OnionHop, OnionRecipe, PaymentData,
    PeelFailure, Peeled, SharedSecret,
};
use astrape_primitives::{
    ChannelKeysId, CltvExpiry, HtlcId, Msat, PaymentHash, PaymentPreimage, PaymentSecret, ShortChannelId,
    Side, Timestamp,
};
use astrape_wire::{AttributionData, OnionPacket};
use std::sync::Arc;

impl Gen {
    pub(super) fn attribution(&mut self) -> AttributionData {
        AttributionData::from_bytes(&self.bytes())
    }

    pub(super) fn resolution(&mut self) -> Resolution {
        match self.below(3) {
            0 => Resolution::Fulfilled {
                preimage: PaymentPreimage(self.bytes()),
                attribution: self.some(Self::attribution).map_or(Attribution::Silent, Attribution::Data),
            },
            1 => Resolution::Failed(FailurePacket {
                reason: self.blob(300),
                attribution_data: self.some(Self::attribution),
            }),
            _ => Resolution::Malformed { sha256_of_onion: self.bytes(), failure_code: self.u16() },
        }
    }

    pub(super) fn shared_secret(&mut self) -> SharedSecret {
        SharedSecret::from_bytes(self.bytes())
    }

    pub(super) fn peeled(&mut self) -> Result<Peeled, PeelFailure> {
        match self.below(4) {
            0 => Ok(Peeled {
                shared_secret: self.shared_secret(),
                hop: Hop::Forward {
                    payload: ForwardPayload {
                        short_channel_id: ShortChannelId(self.next()),
                        amt_to_forward: Msat(self.below(1 << 40)),
                        outgoing_cltv_value: CltvExpiry(self.u32() % CltvExpiry::FIRST_TIME),
                    },
                    next: OnionPacket::from_bytes(&self.bytes()),
                },
            }),
            1 => Ok(Peeled {
                shared_secret: self.shared_secret(),
                hop: Hop::Final { payload: self.final_payload() },
            }),
            2 => Err(PeelFailure::Malformed { failure_code: self.u16(), sha256_of_onion: self.bytes() }),
            _ => Err(PeelFailure::Payload {
                shared_secret: self.shared_secret(),
                failure: Failure::InvalidOnionPayload { tlv_type: self.below(1 << 20), offset: self.u16() },
            }),
        }
    }

    pub(super) fn final_payload(&mut self) -> FinalPayload {
        FinalPayload {
            amt_to_forward: Msat(self.below(1 << 40)),
            outgoing_cltv_value: CltvExpiry(self.u32() % CltvExpiry::FIRST_TIME),
            payment_data: self.some(|g| PaymentData {
                payment_secret: PaymentSecret(g.bytes()),
                total_msat: Msat(g.below(1 << 40)),
            }),
            payment_metadata: self.some(|g| g.blob(30)),
            keysend_preimage: self.some(|g| PaymentPreimage(g.bytes())),
            custom_records: self.many(2, |g| (65_537 + 2 * g.below(1_000), g.blob(10))).into_iter().collect(),
        }
    }

    pub(super) fn origin(&mut self) -> Origin {
        if self.coin_flip() {
            Origin::Payment { payment_hash: PaymentHash(self.bytes()), part: self.next() }
        } else {
            Origin::Relay { channel: ChannelKeysId(self.bytes()), id: HtlcId(self.next()) }
        }
    }

    pub(super) fn recipe(&mut self) -> OnionRecipe {
        let mut session_key = self.bytes();
        session_key[0] = 1;
        OnionRecipe {
            session_key,
            hops: self.many(4, |g| OnionHop { node: g.point(), payload: g.blob(60) }),
            associated_data: PaymentHash(self.bytes()),
        }
    }

    pub(super) fn onion(&mut self) -> OnionSource {
        if self.below(3) == 0 {
            OnionSource::Packet(OnionPacket::from_bytes(&self.bytes()))
        } else {
            OnionSource::Recipe(Arc::new(self.recipe()))
        }
    }

    pub(crate) fn htlc(&mut self, offered_by: Side, id: HtlcId) -> Htlc {
        Htlc {
            offered_by,
            id,
            amount: self.msat(),
            payment_hash: PaymentHash(self.bytes()),
            cltv_expiry: CltvExpiry(self.u32()),
            direction: match offered_by {
                Side::Remote => Direction::Incoming(Arc::new(self.peeled())),
                Side::Local => Direction::Outgoing {
                    origin: self.origin(),
                    onion: self.onion(),
                    preimage: self.some(|g| PaymentPreimage(g.bytes())),
                },
            },
            added: self.numbers(),
            removal: self.some(|g| Removal {
                resolution: g.resolution(),
                from: g.numbers(),
                late_preimage: None,
            }),
            over_dust_exposure: self.coin_flip(),
            at: Timestamp(self.next()),
        }
    }

    pub(super) fn new_htlc(&mut self) -> NewHtlc {
        NewHtlc {
            amount: self.msat(),
            payment_hash: PaymentHash(self.bytes()),
            cltv_expiry: CltvExpiry(self.u32()),
            onion: self.onion(),
            origin: self.origin(),
        }
    }
}

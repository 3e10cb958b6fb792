//! What is asked for, received, passed on and sent.

use super::Gen;
use astrape_onion::OnionHop;
use astrape_payment::send::{Lessons, Limit, What};
use astrape_payment::{
    ChannelPolicy, ForwardPolicy, InboundFee, OpenInvoice, Part, Payment, PaymentPart, Receiving,
};
use astrape_primitives::{
    ChannelKeysId, CltvDelta, CltvExpiry, HtlcId, PaymentHash, PaymentPreimage, PaymentSecret,
    ShortChannelId, Timestamp,
};
use std::sync::Arc;

impl Gen {
    pub(crate) fn invoice(&mut self) -> OpenInvoice {
        OpenInvoice {
            payment_hash: PaymentHash(self.bytes()),
            preimage: Some(PaymentPreimage(self.bytes())),
            payment_secret: PaymentSecret(self.bytes()),
            amount: self.some(Self::msat),
            metadata: self.some(|g| g.blob(30)),
            expires_at: Timestamp(self.next()),
            min_final_cltv_expiry_delta: CltvDelta(self.u16()),
            created_at: Timestamp(self.next()),
            description: self.text(),
            bolt11: self.text(),
            hold: false,
            canceled: false,
        }
    }

    /// An invoice of today: it may be held, cancelled, and made of a hash alone.
    pub(crate) fn held_invoice(&mut self) -> OpenInvoice {
        let hold = self.next() & 1 == 0;
        let preimage = self.some(|g| PaymentPreimage(g.bytes()));
        let preimage = preimage.or_else(|| (!hold).then(|| PaymentPreimage(self.bytes())));
        OpenInvoice { hold, preimage, canceled: self.next() & 1 == 0, ..self.invoice() }
    }

    pub(crate) fn channel_policy(&mut self) -> ChannelPolicy {
        let own = self.some(Self::forward_policy);
        let before = self.many(3, |g| (g.forward_policy(), Timestamp(g.next())));
        ChannelPolicy { own, before }
    }

    pub(super) fn forward_policy(&mut self) -> ForwardPolicy {
        ForwardPolicy {
            fee_base: self.msat(),
            fee_proportional_millionths: self.u32(),
            cltv_expiry_delta: CltvDelta(self.u16()),
            htlc_minimum: self.msat(),
            htlc_maximum: self.some(Self::msat),
            inbound: InboundFee {
                base_msat: self.u32().cast_signed(),
                proportional_millionths: self.u32().cast_signed(),
            },
        }
    }

    /// A set of today: it may be held, and carry what applications said.
    pub(crate) fn held_set(&mut self) -> Receiving {
        let records = self.many(3, |g| (u64::from(g.u16()) + 65_537, g.blob(9)));
        Receiving {
            held_since: self.some(|g| Timestamp(g.next())),
            custom_records: records.into_iter().collect(),
            ..self.receiving()
        }
    }

    pub(crate) fn receiving(&mut self) -> Receiving {
        Receiving {
            payment_hash: PaymentHash(self.bytes()),
            total: self.msat(),
            promised: self.msat(),
            parts: self.many(3, |g| Part {
                channel: ChannelKeysId(g.bytes()),
                id: HtlcId(g.next()),
                amount: g.msat(),
                cltv_expiry: CltvExpiry(g.u32()),
                at: Timestamp(g.next()),
            }),
            since: Timestamp(self.next()),
            held_since: None,
            custom_records: Default::default(),
        }
    }

    pub(crate) fn payment(&mut self) -> Payment {
        Payment {
            payment_hash: PaymentHash(self.bytes()),
            destination: self.node(),
            amount: self.msat(),
            max_fee: self.msat(),
            what: What::Invoice(self.text()),
            session_key_seed: self.bytes(),
            parts: self.many(3, |g| (g.next(), g.payment_part())).into_iter().collect(),
            beside: Default::default(),
            attempts: self.next(),
            searches: 0,
            asked_at: None,
            lessons: Lessons {
                asked: Default::default(),
                own: self.many(2, |g| (ChannelKeysId(g.bytes()), g.msat())).into_iter().collect(),
                channels: self
                    .many(2, |g| (ShortChannelId(g.next()), Limit { most: g.msat(), dared: 0 }))
                    .into_iter()
                    .flat_map(|(channel, limit)| {
                        astrape_routing::Direction::BOTH.map(|way| ((channel, way), limit))
                    })
                    .collect(),
                nodes: self.many(2, Self::node).into_iter().collect(),
                suspects: Default::default(),
                bears: 0,
            },
            preimage: self.some(|g| PaymentPreimage(g.bytes())),
            gave_up: self.some(Self::text),
            last_failure: self.some(Self::text),
            started_at: Timestamp(self.next()),
            retry_until: Timestamp(self.next()),
        }
    }

    pub(super) fn payment_part(&mut self) -> PaymentPart {
        let mut recipe = self.recipe();
        recipe.hops.push(OnionHop { node: self.point(), payload: self.blob(60) });
        let (channel, amount, fee) = (ChannelKeysId(self.bytes()), self.msat(), self.msat());
        let channels = self.many(3, |g| ShortChannelId(g.next()));
        PaymentPart::new(channel, amount, fee, channels, Arc::new(recipe))
    }
}

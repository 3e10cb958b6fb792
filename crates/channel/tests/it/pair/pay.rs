//! Payments, and how they will end.

use super::Pair;
use astrape_channel::{Command, NewHtlc, OnionSource, Origin, Resolution};
use astrape_onion::FailurePacket;
use astrape_primitives::{CltvExpiry, Msat, PaymentHash, PaymentPreimage};
use astrape_wire::OnionPacket;

impl Pair {
    /// A new payment that the other end will fulfil; not run yet.
    pub(crate) fn pay(&mut self, from: usize, amount: Msat) -> PaymentHash {
        let (hash, preimage) = self.new_payment();
        self.nodes[1 - from].plans.insert(
            hash,
            Resolution::Fulfilled { preimage, attribution: astrape_channel::Attribution::Silent },
        );
        self.offer(from, amount, hash);
        hash
    }

    /// A new payment that the other end holds.
    pub(crate) fn pay_held(&mut self, from: usize, amount: Msat) -> (PaymentHash, PaymentPreimage) {
        let (hash, preimage) = self.new_payment();
        self.offer(from, amount, hash);
        (hash, preimage)
    }

    pub(crate) fn new_payment(&mut self) -> (PaymentHash, PaymentPreimage) {
        self.payments += 1;
        let preimage = PaymentPreimage([self.payments; 32]);
        (preimage.payment_hash(), preimage)
    }

    pub(crate) fn offer(&mut self, from: usize, amount: Msat, hash: PaymentHash) {
        self.command(from, Command::Add(self.new_htlc(amount, hash)));
    }

    pub(crate) fn new_htlc(&self, amount: Msat, payment_hash: PaymentHash) -> NewHtlc {
        NewHtlc {
            amount,
            payment_hash,
            cltv_expiry: CltvExpiry(self.tip.0 + 200),
            onion: OnionSource::Packet(OnionPacket::from_bytes(&[7; 1366])),
            origin: Origin::Payment { payment_hash, part: 0 },
        }
    }
}

/// A failure that only its origin can read.
pub(crate) fn failure() -> Resolution {
    Resolution::Failed(FailurePacket { reason: vec![1; 292], attribution_data: None })
}

//! The channel of BOLT 3 appendix C, with the private keys of both ends.

use astrape_primitives::{
    CltvExpiry, CommitmentNumber, FeeratePerKw, HtlcId, Msat, PaymentHash, PaymentPreimage, Sat, Side,
};
use astrape_transactions::{
    Basepoints, Commitment, CommitmentContent, CommitmentFormat, CommittedHtlc, FundingTerms, PartyTerms,
    keys,
};
use bitcoin::OutPoint;
use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::secp256k1::{All, Message, PublicKey, Secp256k1, SecretKey};

pub(crate) const CAPACITY: Sat = Sat(10_000_000);

/// Private keys of one end.
pub(crate) struct Party {
    pub(crate) funding: SecretKey,
    revocation: SecretKey,
    payment: SecretKey,
    delayed: SecretKey,
}

pub(crate) struct Channel {
    pub(crate) secp: Secp256k1<All>,
    pub(crate) terms: FundingTerms,
    pub(crate) local: Party,
    pub(crate) remote: Party,
    pub(crate) point: PublicKey,
}

pub(crate) fn secret(hex: &str) -> SecretKey {
    hex.parse().expect("a private key")
}

fn filled(byte: u8) -> SecretKey {
    SecretKey::from_slice(&[byte; 32]).expect("a private key")
}

impl Channel {
    pub(crate) fn new(format: CommitmentFormat, dust_limit: Sat) -> Self {
        let secp = Secp256k1::new();
        let local = Party {
            funding: secret("30ff4956bbdd3222d44cc5e8a1261dab1e07957bdac5ae88fe3261ef321f3749"),
            revocation: filled(0x55),
            payment: filled(0x11),
            delayed: filled(0x33),
        };
        let remote = Party {
            funding: secret("1552dfba4f6cf29a62a0af13c8d6981d36d0ef8d61ba10fb0fe90da7634d7e13"),
            revocation: filled(0x22),
            payment: filled(0x44),
            delayed: filled(0x66),
        };
        let party = |party: &Party| PartyTerms {
            basepoints: Basepoints {
                funding: party.funding.public_key(&secp),
                revocation: party.revocation.public_key(&secp),
                payment: party.payment.public_key(&secp),
                delayed_payment: party.delayed.public_key(&secp),
                htlc: party.payment.public_key(&secp),
            },
            dust_limit,
            to_self_delay: 144,
        };
        let txid = "8984484a580b825b9972d7adb15050b3ab624ccd731946b3eeddb92f4e7ef6be";
        let terms = FundingTerms {
            format,
            outpoint: OutPoint { txid: txid.parse().expect("a txid"), vout: 0 },
            capacity: CAPACITY,
            opener: Side::Local,
            local: party(&local),
            remote: party(&remote),
        };
        let point =
            secret("1f1e1d1c1b1a191817161514131211100f0e0d0c0b0a09080706050403020100").public_key(&secp);
        Self { secp, terms, local, remote, point }
    }

    /// Our commitment 42 with everything that is not in HTLCs split so that the peer has `remote`.
    pub(crate) fn content(&self, feerate: u32, remote: Msat, htlcs: Vec<CommittedHtlc>) -> CommitmentContent {
        let pending: Msat = htlcs.iter().map(|htlc| htlc.amount).sum();
        let rest = CAPACITY.to_msat().checked_sub(pending).and_then(|rest| rest.checked_sub(remote));
        CommitmentContent {
            owner: Side::Local,
            number: CommitmentNumber(42),
            per_commitment_point: self.point,
            feerate: FeeratePerKw(feerate),
            local_balance: rest.expect("the channel holds enough"),
            remote_balance: remote,
            htlcs,
        }
    }

    pub(crate) fn build(&self, content: &CommitmentContent) -> Commitment {
        Commitment::build(&self.secp, &self.terms, content).expect("a valid commitment")
    }

    fn party(&self, side: Side) -> &Party {
        match side {
            Side::Local => &self.local,
            Side::Remote => &self.remote,
        }
    }

    pub(crate) fn htlc_key(&self, side: Side, point: &PublicKey) -> SecretKey {
        let basepoint = &self.terms.party(side).basepoints.htlc;
        keys::derive_private_key(&self.party(side).payment, basepoint, point).expect("a key")
    }

    /// The signatures that the counterparty of a commitment sends.
    pub(crate) fn counterparty_signatures(&self, commitment: &Commitment) -> (Signature, Vec<Signature>) {
        let side = commitment.owner().other();
        let htlc_key = self.htlc_key(side, &self.point);
        let sign = |message: Message, key: &SecretKey| self.secp.sign_ecdsa(&message, key);
        let htlcs = commitment.htlcs().iter().map(|h| sign(h.counterparty_sighash(), &htlc_key)).collect();
        (sign(commitment.sighash(), &self.party(side).funding), htlcs)
    }
}

pub(crate) fn htlc(offered_by: Side, id: u64, amount_msat: u64, expiry: u32, preimage: u8) -> CommittedHtlc {
    CommittedHtlc {
        offered_by,
        id: HtlcId(id),
        amount: Msat(amount_msat),
        payment_hash: hash(preimage),
        cltv_expiry: CltvExpiry(expiry),
    }
}

pub(crate) fn hash(preimage: u8) -> PaymentHash {
    PaymentPreimage([preimage; 32]).payment_hash()
}

//! Witness scripts (BOLT 3). All of them are spent as P2WSH; `script.to_p2wsh()` is the output's script.

use astrape_primitives::{CltvExpiry, PaymentHash};
use bitcoin::ScriptBuf;
use bitcoin::hashes::{Hash as _, hash160, ripemd160};
use bitcoin::opcodes::all::{
    OP_CHECKMULTISIG, OP_CHECKSIG, OP_CLTV, OP_CSV, OP_DROP, OP_DUP, OP_ELSE, OP_ENDIF, OP_EQUAL,
    OP_EQUALVERIFY, OP_HASH160, OP_IF, OP_IFDUP, OP_NOTIF, OP_SIZE, OP_SWAP,
};
use bitcoin::script::Builder;
use bitcoin::secp256k1::PublicKey;

use crate::format::CommitmentFormat;
use crate::keys::CommitmentKeys;

/// 2-of-2 of the two funding keys, the lesser first.
#[must_use]
pub fn funding_witness_script(one: &PublicKey, other: &PublicKey) -> ScriptBuf {
    let (one, other) = (one.serialize(), other.serialize());
    let (lesser, greater) = if one <= other { (one, other) } else { (other, one) };
    Builder::new()
        .push_int(2)
        .push_slice(lesser)
        .push_slice(greater)
        .push_int(2)
        .push_opcode(OP_CHECKMULTISIG)
        .into_script()
}

/// Of `to_local`, and of the output of HTLC transactions: the revocation key at once, the owner after the delay.
#[must_use]
pub fn delayed_witness_script(revocation: &PublicKey, to_self_delay: u16, delayed: &PublicKey) -> ScriptBuf {
    Builder::new()
        .push_opcode(OP_IF)
        .push_slice(revocation.serialize())
        .push_opcode(OP_ELSE)
        .push_int(i64::from(to_self_delay))
        .push_opcode(OP_CSV)
        .push_opcode(OP_DROP)
        .push_slice(delayed.serialize())
        .push_opcode(OP_ENDIF)
        .push_opcode(OP_CHECKSIG)
        .into_script()
}

/// Of an anchor: the funding key at once, anyone after 16 blocks.
#[must_use]
pub fn anchor_witness_script(funding: &PublicKey) -> ScriptBuf {
    Builder::new()
        .push_slice(funding.serialize())
        .push_opcode(OP_CHECKSIG)
        .push_opcode(OP_IFDUP)
        .push_opcode(OP_NOTIF)
        .push_int(16)
        .push_opcode(OP_CSV)
        .push_opcode(OP_ENDIF)
        .into_script()
}

/// Writes the scripts of all HTLCs of one commitment.
#[derive(Clone, Copy, Debug)]
pub struct HtlcScripts {
    format: CommitmentFormat,
    revocation_hash: [u8; 20],
    owner: [u8; 33],
    counterparty: [u8; 33],
}

impl HtlcScripts {
    /// For the commitment with these keys.
    #[must_use]
    pub fn new(format: CommitmentFormat, keys: &CommitmentKeys) -> Self {
        Self {
            format,
            revocation_hash: hash160::Hash::hash(&keys.revocation.serialize()).to_byte_array(),
            owner: keys.owner_htlc.serialize(),
            counterparty: keys.counterparty_htlc.serialize(),
        }
    }

    /// The script of an HTLC that the owner offered.
    #[must_use]
    pub fn offered(&self, payment_hash: &PaymentHash) -> ScriptBuf {
        let builder = self
            .start()
            .push_opcode(OP_NOTIF)
            .push_opcode(OP_DROP)
            .push_int(2)
            .push_opcode(OP_SWAP)
            .push_slice(self.owner)
            .push_int(2)
            .push_opcode(OP_CHECKMULTISIG)
            .push_opcode(OP_ELSE)
            .push_opcode(OP_HASH160)
            .push_slice(preimage_hash(payment_hash))
            .push_opcode(OP_EQUALVERIFY)
            .push_opcode(OP_CHECKSIG);
        self.end(builder)
    }

    /// The script of an HTLC that the owner received.
    #[must_use]
    pub fn received(&self, payment_hash: &PaymentHash, cltv_expiry: CltvExpiry) -> ScriptBuf {
        let builder = self
            .start()
            .push_opcode(OP_IF)
            .push_opcode(OP_HASH160)
            .push_slice(preimage_hash(payment_hash))
            .push_opcode(OP_EQUALVERIFY)
            .push_int(2)
            .push_opcode(OP_SWAP)
            .push_slice(self.owner)
            .push_int(2)
            .push_opcode(OP_CHECKMULTISIG)
            .push_opcode(OP_ELSE)
            .push_opcode(OP_DROP)
            .push_int(i64::from(cltv_expiry.0))
            .push_opcode(OP_CLTV)
            .push_opcode(OP_DROP)
            .push_opcode(OP_CHECKSIG);
        self.end(builder)
    }

    /// What both kinds begin with: the penalty branch, then the counterparty's key and the size of what it shows.
    fn start(&self) -> Builder {
        Builder::from(Vec::with_capacity(144))
            .push_opcode(OP_DUP)
            .push_opcode(OP_HASH160)
            .push_slice(self.revocation_hash)
            .push_opcode(OP_EQUAL)
            .push_opcode(OP_IF)
            .push_opcode(OP_CHECKSIG)
            .push_opcode(OP_ELSE)
            .push_slice(self.counterparty)
            .push_opcode(OP_SWAP)
            .push_opcode(OP_SIZE)
            .push_int(32)
            .push_opcode(OP_EQUAL)
    }

    fn end(&self, builder: Builder) -> ScriptBuf {
        let builder = builder.push_opcode(OP_ENDIF);
        let builder = match self.format {
            CommitmentFormat::StaticRemotekey => builder,
            CommitmentFormat::Anchors => builder.push_int(1).push_opcode(OP_CSV).push_opcode(OP_DROP),
        };
        builder.push_opcode(OP_ENDIF).into_script()
    }
}

/// `RIPEMD160(payment_hash)`, which is HASH160 of the preimage.
fn preimage_hash(payment_hash: &PaymentHash) -> [u8; 20] {
    ripemd160::Hash::hash(&payment_hash.0).to_byte_array()
}

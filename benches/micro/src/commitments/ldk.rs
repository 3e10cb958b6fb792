//! The same channel made of LDK's public parts.

use super::{CAPACITY, DELAY, EXPIRY, FEERATE, invalid, payment_hash};
use anyhow::{Result, anyhow};
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::{All, Message, PublicKey, Secp256k1, ecdsa::Signature};
use bitcoin::sighash::SighashCache;
use bitcoin::{Amount, EcdsaSighashType, Txid};
use lightning::chain::transaction::OutPoint;
use lightning::ln::chan_utils::{
    ChannelTransactionParameters, CommitmentTransaction, CounterpartyChannelTransactionParameters,
    HTLCOutputInCommitment, build_htlc_transaction, get_htlc_redeemscript, make_funding_redeemscript,
};
use lightning::sign::ecdsa::EcdsaChannelSigner as _;
use lightning::sign::{ChannelSigner as _, InMemorySigner, KeysManager, SignerProvider as _};
use lightning::types::features::ChannelTypeFeatures;
use lightning::types::payment::PaymentHash;

/// BOLT 3 counts commitments downwards.
const INDEX: u64 = (1 << 48) - 1 - 5;

/// The owner of the commitments, and its peer who signs them.
pub(crate) struct Pair {
    owner: ChannelTransactionParameters,
    peer: ChannelTransactionParameters,
    signer: InMemorySigner,
    point: PublicKey,
}

/// What a commitment says.
pub(crate) struct Content {
    to_broadcaster_sat: u64,
    to_countersignatory_sat: u64,
    htlcs: Vec<HTLCOutputInCommitment>,
}

type Signed = (Signature, Vec<Signature>);

impl Pair {
    pub(crate) fn open(secp: &Secp256k1<All>) -> Self {
        let [ours, theirs] =
            [1, 2].map(|n| KeysManager::new(&[n; 32], 1, 1, true).derive_channel_signer([n; 32]));
        let (our_keys, their_keys) = (ours.pubkeys(secp), theirs.pubkeys(secp));
        let parameters = |is_outbound, own: &_, other: &_| ChannelTransactionParameters {
            holder_pubkeys: Clone::clone(own),
            holder_selected_contest_delay: DELAY,
            is_outbound_from_holder: is_outbound,
            counterparty_parameters: Some(CounterpartyChannelTransactionParameters {
                pubkeys: Clone::clone(other),
                selected_contest_delay: DELAY,
            }),
            funding_outpoint: Some(OutPoint { txid: Txid::from_byte_array([7; 32]), index: 1 }),
            splice_parent_funding_txid: None,
            channel_type_features: ChannelTypeFeatures::anchors_zero_htlc_fee_and_dependencies(),
            channel_value_satoshis: CAPACITY.0,
        };
        let point = ours.get_per_commitment_point(INDEX, secp).expect("in memory");
        Self {
            owner: parameters(true, &our_keys, &their_keys),
            peer: parameters(false, &their_keys, &our_keys),
            signer: theirs,
            point,
        }
    }

    /// As the owner sees the channel.
    pub(crate) fn parameters(&self) -> &ChannelTransactionParameters {
        &self.owner
    }

    pub(crate) fn content(&self, htlcs: u64) -> Content {
        let htlcs: Vec<_> = (0..htlcs)
            .map(|id| HTLCOutputInCommitment {
                offered: id % 2 == 0,
                amount_msat: 1_000_000,
                cltv_expiry: EXPIRY,
                payment_hash: PaymentHash(payment_hash(id)),
                transaction_output_index: None,
            })
            .collect();
        let to_countersignatory_sat = 30_000_000;
        // Fee and anchors are left to it: LDK is told what remains.
        let rest = CAPACITY.0 - to_countersignatory_sat - 1_000 * htlcs.len() as u64;
        Content { to_broadcaster_sat: rest - 200_000, to_countersignatory_sat, htlcs }
    }

    pub(crate) fn build(&self, secp: &Secp256k1<All>, content: &Content) -> CommitmentTransaction {
        CommitmentTransaction::new(
            INDEX,
            &self.point,
            content.to_broadcaster_sat,
            content.to_countersignatory_sat,
            FEERATE,
            content.htlcs.clone(),
            &self.owner.as_holder_broadcastable(),
            secp,
        )
    }

    /// By the peer's signer.
    pub(crate) fn sign(&self, secp: &Secp256k1<All>, commitment: &CommitmentTransaction) -> Result<Signed> {
        let signed = self.signer.sign_counterparty_commitment(&self.peer, commitment, vec![], vec![], secp);
        signed.map_err(|()| anyhow!("LDK does not sign"))
    }

    /// As LDK's channel does it on `commitment_signed`, which is not public: the same calls in the same order.
    pub(crate) fn verify(
        &self,
        secp: &Secp256k1<All>,
        commitment: &CommitmentTransaction,
        signed: &Signed,
    ) -> Result<()> {
        let trusted = commitment.trust();
        let (keys, built) = (trusted.keys(), trusted.built_transaction());
        let peer = self.owner.counterparty_pubkeys().ok_or_else(|| anyhow!("no peer"))?.funding_pubkey;
        let funding_script = make_funding_redeemscript(&self.owner.holder_pubkeys.funding_pubkey, &peer);
        let sighash = built.get_sighash_all(&funding_script, CAPACITY.0);
        secp.verify_ecdsa(&sighash, &signed.0, &peer).map_err(invalid)?;
        let htlc_key = keys.countersignatory_htlc_key.to_public_key();
        for (htlc, signature) in commitment.nondust_htlcs().iter().zip(&signed.1) {
            let channel_type = &self.owner.channel_type_features;
            let tx = build_htlc_transaction(
                &built.txid,
                FEERATE,
                DELAY,
                htlc,
                channel_type,
                &keys.broadcaster_delayed_payment_key,
                &keys.revocation_key,
            );
            let script = get_htlc_redeemscript(htlc, channel_type, keys);
            let sighash = SighashCache::new(&tx).p2wsh_signature_hash(
                0,
                &script,
                Amount::from_sat(htlc.amount_msat / 1_000),
                EcdsaSighashType::SinglePlusAnyoneCanPay,
            )?;
            secp.verify_ecdsa(&Message::from_digest(sighash.to_byte_array()), signature, &htlc_key)
                .map_err(invalid)?;
        }
        Ok(())
    }
}

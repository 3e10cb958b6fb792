//! HTLC-timeout and HTLC-success: the second stage of the owner's HTLCs (BOLT 3).

use astrape_primitives::{FeeratePerKw, PaymentPreimage, Sat};
use bitcoin::absolute::LockTime;
use bitcoin::ecdsa::Signature as BitcoinSignature;
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::{Message, ecdsa::Signature};
use bitcoin::sighash::SighashCache;
use bitcoin::transaction::Version;
use bitcoin::{EcdsaSighashType, OutPoint, ScriptBuf, Transaction, TxIn, TxOut, Txid, Witness};

use crate::format::CommitmentFormat;
use crate::terms::{CommittedHtlc, HtlcDirection};
use crate::trim;

/// An HTLC with an output, and the transaction of its owner that spends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HtlcTransaction {
    htlc: CommittedHtlc,
    direction: HtlcDirection,
    format: CommitmentFormat,
    witness_script: ScriptBuf,
    tx: Transaction,
}

impl HtlcTransaction {
    /// The transaction that spends output `outpoint` to `script` (the owner's delayed output).
    pub(crate) fn new(
        format: CommitmentFormat,
        feerate: FeeratePerKw,
        htlc: CommittedHtlc,
        direction: HtlcDirection,
        witness_script: ScriptBuf,
        outpoint: OutPoint,
        script: ScriptBuf,
    ) -> Self {
        let fee = trim::htlc_fee(format, direction, feerate);
        let lock_time = match direction {
            HtlcDirection::Offered => LockTime::from_consensus(htlc.cltv_expiry.0),
            HtlcDirection::Received => LockTime::ZERO,
        };
        let input = TxIn {
            previous_output: outpoint,
            script_sig: ScriptBuf::new(),
            sequence: format.htlc_sequence(),
            witness: Witness::new(),
        };
        let value = htlc.amount.to_sat_floor().saturating_sub(fee).into();
        let output = TxOut { value, script_pubkey: script };
        let tx = Transaction { version: Version::TWO, lock_time, input: vec![input], output: vec![output] };
        Self { htlc, direction, format, witness_script, tx }
    }

    /// The HTLC.
    #[must_use]
    pub const fn htlc(&self) -> &CommittedHtlc {
        &self.htlc
    }

    /// Its direction as the owner of the commitment sees it: offered ones time out, received ones succeed.
    #[must_use]
    pub const fn direction(&self) -> HtlcDirection {
        self.direction
    }

    /// The second-stage transaction, unsigned.
    #[must_use]
    pub const fn tx(&self) -> &Transaction {
        &self.tx
    }

    /// The output of the commitment that holds the HTLC.
    #[must_use]
    pub fn outpoint(&self) -> OutPoint {
        self.tx.input[0].previous_output
    }

    /// Index of that output in the commitment.
    #[must_use]
    pub fn output_index(&self) -> u32 {
        self.outpoint().vout
    }

    /// Value of that output.
    #[must_use]
    pub const fn amount(&self) -> Sat {
        self.htlc.amount.to_sat_floor()
    }

    /// Witness script of that output.
    #[must_use]
    pub const fn witness_script(&self) -> &ScriptBuf {
        &self.witness_script
    }

    /// That output.
    #[must_use]
    pub fn output(&self) -> TxOut {
        TxOut { value: self.amount().into(), script_pubkey: self.witness_script.to_p2wsh() }
    }

    /// What the counterparty's `htlc_signature` signs: `SIGHASH_ALL`, or with anchors `SINGLE|ANYONECANPAY`.
    #[must_use]
    pub fn counterparty_sighash(&self) -> Message {
        self.sighash(self.format.htlc_sighash())
    }

    /// What the owner signs: `SIGHASH_ALL`.
    #[must_use]
    pub fn owner_sighash(&self) -> Message {
        self.sighash(EcdsaSighashType::All)
    }

    fn sighash(&self, kind: EcdsaSighashType) -> Message {
        let sighash = SighashCache::new(&self.tx)
            .p2wsh_signature_hash(0, &self.witness_script, self.amount().into(), kind)
            .expect("an HTLC transaction has exactly one input and one output");
        Message::from_digest(sighash.to_byte_array())
    }

    /// The signed transaction. HTLC-success needs the preimage; HTLC-timeout takes none.
    #[must_use]
    pub fn signed(
        &self,
        owner: &Signature,
        counterparty: &Signature,
        preimage: Option<&PaymentPreimage>,
    ) -> Transaction {
        let mut tx = self.tx.clone();
        tx.input[0].witness = htlc_witness(self.format, &self.witness_script, owner, counterparty, preimage);
        tx
    }

    /// Id of the commitment it belongs to.
    #[must_use]
    pub fn commitment_txid(&self) -> Txid {
        self.outpoint().txid
    }
}

/// `0 <remotehtlcsig> <localhtlcsig> <preimage or nothing> <script>`.
#[must_use]
pub fn htlc_witness(
    format: CommitmentFormat,
    witness_script: &ScriptBuf,
    owner: &Signature,
    counterparty: &Signature,
    preimage: Option<&PaymentPreimage>,
) -> Witness {
    let counterparty = BitcoinSignature { signature: *counterparty, sighash_type: format.htlc_sighash() };
    let mut witness = Witness::new();
    witness.push([]);
    witness.push(counterparty.serialize());
    witness.push(BitcoinSignature::sighash_all(*owner).serialize());
    match preimage {
        Some(preimage) => witness.push(preimage.0),
        None => witness.push([]),
    }
    witness.push(witness_script);
    witness
}

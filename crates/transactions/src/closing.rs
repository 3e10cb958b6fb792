//! The mutual close of `closing_signed` (BOLT 3 "Legacy Closing Transaction").

use astrape_primitives::{Msat, Sat, Side};
use bitcoin::absolute::LockTime;
use bitcoin::secp256k1::{Message, Secp256k1, Verification, ecdsa::Signature};
use bitcoin::transaction::Version;
use bitcoin::{ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness};

use crate::funding::{funding_sighash, funding_witness};
use crate::terms::FundingTerms;
use crate::weights;

/// What a closing transaction pays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosingContent {
    /// `scriptpubkey` of our `shutdown`.
    pub local_script: ScriptBuf,
    /// `scriptpubkey` of the peer's `shutdown`.
    pub remote_script: ScriptBuf,
    /// Our final balance.
    pub local_balance: Msat,
    /// The peer's final balance.
    pub remote_balance: Msat,
    /// `fee_satoshis`: the opener pays it.
    pub fee: Sat,
}

/// Why there is no such closing transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClosingError {
    /// The opener's balance is less than the fee.
    #[error("the opener cannot pay a closing fee of {fee} from {balance}")]
    OpenerCannotPay {
        /// `fee_satoshis`.
        fee: Sat,
        /// What the opener has.
        balance: Sat,
    },
    /// HTLCs are still pending, or money was made or lost.
    #[error("final balances are {sum} but the channel holds {capacity}")]
    MoneyNotConserved {
        /// Both balances.
        sum: Msat,
        /// The funding output.
        capacity: Msat,
    },
    /// Nothing would be paid to anybody.
    #[error("both outputs of the closing transaction are below the dust limit")]
    NoOutputs,
}

/// A closing transaction, unsigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosingTransaction {
    terms: FundingTerms,
    local: Option<TxOut>,
    remote: Option<TxOut>,
    tx: Transaction,
}

impl ClosingTransaction {
    /// The transaction as this node signs it: without what is below the larger of both dust limits.
    ///
    /// A signer has to leave out what is below its own limit, and may leave out its own output. But many peers know no variant beside
    /// that which they build themselves, by their own limit or by the larger one: an output between the limits would end the talk.
    ///
    /// # Errors
    /// See [`ClosingError`].
    pub fn build(terms: &FundingTerms, content: &ClosingContent) -> Result<Self, ClosingError> {
        Self::above(terms, content, terms.local.dust_limit.max(terms.remote.dust_limit))
    }

    /// Each transaction that `signer` may have signed: cut by either side's dust limit, with its own output or without.
    ///
    /// # Errors
    /// See [`ClosingError`], where there is none.
    pub fn variants_of(
        terms: &FundingTerms,
        content: &ClosingContent,
        signer: Side,
    ) -> Result<Vec<Self>, ClosingError> {
        let cut =
            [signer, signer.other()].map(|side| Self::above(terms, content, terms.party(side).dust_limit));
        if let [Err(error), Err(_)] = cut {
            return Err(error);
        }
        let whole = cut.into_iter().flatten();
        Ok(whole.flat_map(|tx| [tx.without_output_of(signer), Some(tx)]).flatten().collect())
    }

    /// The transaction with the outputs that are not below `dust_limit`.
    fn above(terms: &FundingTerms, content: &ClosingContent, dust_limit: Sat) -> Result<Self, ClosingError> {
        let sum = content.local_balance.saturating_add(content.remote_balance);
        let capacity = terms.capacity.to_msat();
        if sum != capacity {
            return Err(ClosingError::MoneyNotConserved { sum, capacity });
        }
        let output = |side: Side, balance: Msat, script: &ScriptBuf| {
            let balance = balance.to_sat_floor();
            let fee = if side == terms.opener { content.fee } else { Sat::ZERO };
            let value = balance.checked_sub(fee).ok_or(ClosingError::OpenerCannotPay { fee, balance })?;
            let out = TxOut { value: value.into(), script_pubkey: script.clone() };
            Ok((value >= dust_limit).then_some(out))
        };
        let local = output(Side::Local, content.local_balance, &content.local_script)?;
        let remote = output(Side::Remote, content.remote_balance, &content.remote_script)?;
        Self::assemble(terms, local, remote)
    }

    /// The variant in which `side` eliminated its own output, as it may; `None` when that leaves nothing, or it had none.
    #[must_use]
    pub fn without_output_of(&self, side: Side) -> Option<Self> {
        let (local, remote) = match side {
            Side::Local => (None, self.remote.clone()),
            Side::Remote => (self.local.clone(), None),
        };
        self.output_of(side)?;
        Self::assemble(&self.terms, local, remote).ok()
    }

    fn assemble(
        terms: &FundingTerms,
        local: Option<TxOut>,
        remote: Option<TxOut>,
    ) -> Result<Self, ClosingError> {
        let mut output: Vec<TxOut> = local.iter().chain(&remote).cloned().collect();
        if output.is_empty() {
            return Err(ClosingError::NoOutputs);
        }
        output.sort_by(|a, b| (a.value, &a.script_pubkey).cmp(&(b.value, &b.script_pubkey)));
        let input = TxIn {
            previous_output: terms.outpoint,
            script_sig: ScriptBuf::new(),
            sequence: Sequence::MAX,
            witness: Witness::new(),
        };
        let tx = Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input: vec![input], output };
        Ok(Self { terms: *terms, local, remote, tx })
    }

    /// The transaction, without its witness.
    #[must_use]
    pub const fn tx(&self) -> &Transaction {
        &self.tx
    }

    /// Its id.
    #[must_use]
    pub fn txid(&self) -> Txid {
        self.tx.compute_txid()
    }

    /// The output of one side, if it has one.
    #[must_use]
    pub const fn output_of(&self, side: Side) -> Option<&TxOut> {
        match side {
            Side::Local => self.local.as_ref(),
            Side::Remote => self.remote.as_ref(),
        }
    }

    /// What both funding keys sign.
    #[must_use]
    pub fn sighash(&self) -> Message {
        funding_sighash(&self.terms, &self.tx)
    }

    /// Whether `signature` is that of `signer` over this very transaction. High-S signatures are none.
    #[must_use]
    pub fn verify<C: Verification>(&self, secp: &Secp256k1<C>, signer: Side, signature: &Signature) -> bool {
        // libsecp256k1 takes no high S for valid.
        let key = &self.terms.party(signer).basepoints.funding;
        secp.verify_ecdsa(&self.sighash(), signature, key).is_ok()
    }

    /// The transaction with both signatures, ready to be broadcast.
    #[must_use]
    pub fn signed(&self, local: &Signature, remote: &Signature) -> Transaction {
        let mut tx = self.tx.clone();
        tx.input[0].witness = funding_witness(&self.terms, local, remote);
        tx
    }
}

/// Whether a transaction is a closing transaction that pays to nothing but the scripts of both `shutdown`s, with whatever fee.
/// The scripts alone say nothing: the peer may have named that of an output of a commitment which it has revoked. But a
/// commitment has its number in locktime and sequence, where a closing transaction has none.
#[must_use]
pub fn is_closing(terms: &FundingTerms, tx: &Transaction, scripts: [&ScriptBuf; 2]) -> bool {
    let [input] = &tx.input[..] else { return false };
    let has_form = input.previous_output == terms.outpoint
        && input.sequence == Sequence::MAX
        && tx.lock_time == LockTime::ZERO
        && !tx.output.is_empty();
    has_form && tx.output.iter().all(|output| scripts.contains(&&output.script_pubkey))
}

/// Weight of a closing transaction with outputs of these scripts, to estimate its fee before it exists.
#[must_use]
pub fn closing_weight<'a>(scripts: impl IntoIterator<Item = &'a ScriptBuf>) -> u64 {
    let outputs: u64 = scripts.into_iter().map(|script| weights::output_weight(script.len() as u64)).sum();
    weights::TRANSACTION_FIELDS_WEIGHT + weights::INPUT_WEIGHT + weights::FUNDING_WITNESS_WEIGHT + outputs
}

//! Coins for whoever asks: the playground's and the scenarios' first money.

use crate::chain::RegtestChain;
use crate::consensus::COINBASE_MATURITY;
use crate::policy::fee_at;
use crate::reject::MempoolReject;
use astrape_primitives::{FeeratePerKw, Sat, Timestamp};
use bitcoin::absolute::LockTime;
use bitcoin::blockdata::opcodes::OP_TRUE;
use bitcoin::script::Builder;
use bitcoin::{OutPoint, Script, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness, transaction};

/// Most inputs of one gift, so that it stays a standard transaction.
const MAX_INPUTS: usize = 500;

/// Coinbases beyond the immature ones that [`RegtestChain::with_faucet`] starts with: as many gifts fit in one block.
const READY_COINBASES: u32 = 30;

/// Why the faucet gives nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FundError {
    /// The faucet has less than that, even after mining more.
    #[error("the faucet cannot pay {0}: ask for less (regtest makes 15,000 bitcoin in all)")]
    Dry(Sat),
    /// The mempool refuses the gift, for example because it is dust.
    #[error("the mempool refuses the gift: {0}")]
    Refused(#[from] MempoolReject),
}

impl RegtestChain {
    /// A chain whose faucet has mature coins: 130 blocks. With it [`RegtestChain::fund`] need not mine.
    #[must_use]
    pub fn with_faucet(now: Timestamp) -> Self {
        let mut chain = Self::new(now);
        chain.mine(COINBASE_MATURITY + READY_COINBASES, &Self::faucet_script());
        chain
    }

    /// Whom to give the coinbases to, so that the faucet never runs dry: P2WSH of `OP_TRUE`, which anybody can spend.
    #[must_use]
    pub fn faucet_script() -> ScriptBuf {
        anyone().to_p2wsh()
    }

    /// Sends coins to a script; the transaction waits in the mempool, the outpoint is its first output. Where the faucet
    /// has no mature coin it mines blocks to itself first, at most 101.
    ///
    /// # Errors
    /// When the faucet cannot pay that much, or the mempool refuses the payment.
    pub fn fund(&mut self, script: &Script, amount: Sat) -> Result<OutPoint, FundError> {
        for _ in 0..=COINBASE_MATURITY + 1 {
            if let Some(tx) = self.gift(script, amount) {
                let txid = self.submit(tx)?;
                return Ok(OutPoint { txid, vout: 0 });
            }
            self.mine(1, &Self::faucet_script());
        }
        Err(FundError::Dry(amount))
    }

    /// A payment out of the largest coins at twice the floor, or `None` when they do not suffice.
    fn gift(&self, script: &Script, amount: Sat) -> Option<Transaction> {
        let faucet = Self::faucet_script();
        let mut coins = self.spendable(&faucet);
        coins.sort_by_key(|(outpoint, value)| (std::cmp::Reverse(*value), *outpoint));
        let rate = FeeratePerKw(self.policy().floor().0.saturating_mul(2));
        let mut tx = Transaction {
            version: transaction::Version::TWO,
            lock_time: LockTime::ZERO,
            input: Vec::new(),
            output: vec![TxOut { value: amount.into(), script_pubkey: script.to_owned() }],
        };
        let mut total = Sat::ZERO;
        for (previous_output, value) in coins.into_iter().take(MAX_INPUTS) {
            let witness = Witness::from_slice(&[anyone().as_bytes()]);
            let sequence = Sequence::ENABLE_RBF_NO_LOCKTIME;
            tx.input.push(TxIn { previous_output, script_sig: ScriptBuf::new(), sequence, witness });
            total = total.checked_add(value)?;
            let mut with_change = tx.clone();
            with_change.output.push(TxOut { value: bitcoin::Amount::ZERO, script_pubkey: faucet.clone() });
            let fee = Sat(fee_at(rate, with_change.weight().to_vbytes_ceil()));
            let Some(change) = total.checked_sub(amount).and_then(|rest| rest.checked_sub(fee)) else {
                continue;
            };
            if change >= faucet.minimal_non_dust().into() {
                with_change.output[1].value = change.into();
                return Some(with_change);
            }
            return Some(tx);
        }
        None
    }
}

/// The witness script of the faucet.
fn anyone() -> ScriptBuf {
    Builder::new().push_opcode(OP_TRUE).into_script()
}

//! Events and blocks, and what a node would do with what follows.

use super::{Court, us, wallet_script};
use astrape_onchain::{ClaimParent, Event, LiveHtlc, Output, View};
use astrape_primitives::{Height, Side};
use astrape_regtest::RegtestChain;
use astrape_transactions::{Keychain, Signer as _, WalletInput};
use bitcoin::{OutPoint, Transaction};
use std::sync::Arc;

impl Court {
    /// Gives an event, and does what follows.
    pub(crate) fn event(&mut self, event: Event) -> Vec<Output> {
        let coins: Vec<WalletInput> = self
            .coins
            .iter()
            .filter(|coin| self.chain.confirmations(&coin.outpoint.txid) > 0)
            .cloned()
            .collect();
        let coins: Vec<WalletInput> =
            coins.into_iter().filter(|c| self.is_unspent_in_blocks(&c.outpoint)).collect();
        let view = View {
            secp: &self.secp,
            tip: self.tip(),
            feerates: self.feerates,
            closing_depth: 6,
            coins: &coins,
            evidence: &self.evidence,
            nights: &self.nights,
            waiting: self.waiting,
        };
        let (next, outputs) = self.resolution.handle(event, &view);
        self.resolution = next;
        self.told.extend(outputs.clone());
        for output in outputs.clone() {
            self.act(output);
        }
        outputs
    }

    fn is_unspent_in_blocks(&self, outpoint: &OutPoint) -> bool {
        self.chain.is_unspent(outpoint) || self.chain.spender_in_mempool(outpoint).is_some()
    }

    fn act(&mut self, output: Output) {
        match output {
            Output::ScriptNeeded => {
                self.event(Event::Script(wallet_script(Keychain::Internal, 0)));
            }
            Output::RowsNeeded(_) => {
                self.event(Event::Rows(self.htlcs.retired.clone()));
            }
            Output::Preimage { htlc, preimage } => {
                let hash = preimage.payment_hash();
                let fits = |l: &&mut LiveHtlc| {
                    l.htlc.offered_by == Side::Local
                        && l.htlc.payment_hash == hash
                        && htlc.is_none_or(|id| l.htlc.id == id)
                };
                self.evidence.htlcs.iter_mut().filter(fits).for_each(|l| l.preimage = Some(preimage));
            }
            Output::Broadcast { request, parent, .. } if !self.deaf => {
                let tx = us().sign_claim(&request).expect("a claim that can be signed");
                let txid = tx.compute_txid();
                let outcome = match parent {
                    Some(parent) => {
                        let parent = match parent {
                            ClaimParent::Ours => self.our_commitment(),
                            ClaimParent::Signed(tx) => (*tx).clone(),
                        };
                        self.chain.submit_package(&[parent, tx]).map(|_| ()).map_err(|e| e.to_string())
                    }
                    _ => match self.chain.submit(tx) {
                        Err(reject) if !reject.is_already_there() => Err(reject.to_string()),
                        _ => Ok(()),
                    },
                };
                if let Err(reason) = outcome {
                    self.refused.push((txid, reason));
                }
            }
            // The mempool may have it, or ask for more than it pays.
            Output::Again(tx) if !self.deaf => drop(self.chain.submit((*tx).clone())),
            _ => {}
        }
    }

    /// Mines so many blocks of what is in the mempool.
    pub(crate) fn mine(&mut self, blocks: u32) -> Vec<Output> {
        let mut all = Vec::new();
        for _ in 0..blocks {
            self.chain.mine(1, &RegtestChain::faucet_script());
            all.extend(self.look_at_the_tip());
        }
        all
    }

    /// Mines one block with these transactions alone, whatever the mempool has.
    pub(crate) fn mine_with(&mut self, txs: &[Transaction]) -> Vec<Output> {
        self.chain.mine_with(txs, &RegtestChain::faucet_script()).expect("a valid block");
        self.look_at_the_tip()
    }

    /// Mines until this height is the tip.
    pub(crate) fn mine_to(&mut self, height: u32) -> Vec<Output> {
        let missing = height.saturating_sub(self.tip().0);
        self.mine(missing)
    }

    pub(crate) fn look_at_the_tip(&mut self) -> Vec<Output> {
        let height = self.tip();
        let block = self.chain.block_at(height).expect("the tip");
        let mut all = Vec::new();
        for tx in &block.txdata {
            let spends = |f: &dyn Fn(&OutPoint) -> bool| tx.input.iter().any(|i| f(&i.previous_output));
            if spends(&|o| *o == self.terms.outpoint) {
                all.extend(self.event(Event::FundingSpent { tx: Arc::new(tx.clone()), height }));
            }
            if spends(&|o| self.resolution.outputs.contains_key(o)) {
                all.extend(self.event(Event::Spent { tx: Arc::new(tx.clone()), height }));
            }
        }
        all.extend(self.event(Event::Block));
        all
    }

    /// The last blocks go; their transactions are in the mempool again.
    pub(crate) fn reorg(&mut self, depth: u32) {
        let from = Height(self.tip().0 + 1 - depth);
        self.chain.reorg(depth);
        self.event(Event::Reorged { from });
    }

    /// The mempool shows transactions.
    pub(crate) fn see(&mut self, txs: &[&Transaction]) -> Vec<Output> {
        self.event(Event::Seen(txs.iter().map(|tx| Arc::new((*tx).clone())).collect()))
    }
}

//! What the user of a node does with a transaction that shall get into the chain, with the means of that node.

use crate::chain::RegtestChain;
use bitcoin::Transaction;

/// What became of what was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// The mempool took it.
    Taken,
    /// The mempool or the chain had it before.
    AlreadyThere,
}

impl RegtestChain {
    /// Offers one transaction, or a child with its parents, the child last: as a package where the node takes packages
    /// ([`crate::Policy::packages`]), and one after the other where it does not, or refuses the package as such, as it does
    /// when a parent is confirmed. What became of the last one is the answer.
    ///
    /// # Errors
    /// Why the last one was not taken, in the words of the mempool.
    pub fn offer(&mut self, txs: &[Transaction]) -> Result<Offer, String> {
        let Some(last) = txs.last() else { return Err("there is no transaction to send".to_owned()) };
        if self.transaction(&last.compute_txid()).is_some() {
            return Ok(Offer::AlreadyThere);
        }
        let mut refused = None;
        if txs.len() > 1 && self.policy().packages {
            match self.submit_package(txs) {
                Ok(_) => return Ok(Offer::Taken),
                Err(reject) => refused = Some(reject.to_string()),
            }
        }
        let mut outcome = Ok(Offer::Taken);
        for tx in txs {
            outcome = match self.submit(tx.clone()) {
                Ok(_) => Ok(Offer::Taken),
                Err(reject) if reject.is_already_there() => Ok(Offer::AlreadyThere),
                Err(reject) => Err(reject.to_string()),
            };
        }
        outcome.map_err(|alone| refused.unwrap_or(alone))
    }
}

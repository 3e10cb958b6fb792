//! What the core waits for in the chain, as its effects said.

use astrape_chain::Watch;
use bitcoin::{OutPoint, ScriptBuf};
use std::collections::BTreeMap;

/// The watch set, with what it takes to take a funding out of it again.
#[derive(Default)]
pub(crate) struct Watches {
    watch: Watch,
    scripts: BTreeMap<OutPoint, ScriptBuf>,
}

impl Watches {
    /// Follows a wish of the core.
    pub(crate) fn apply(&mut self, wish: astrape_node::Watch) {
        use astrape_node::Watch as Wish;
        match wish {
            // The core sees every block above the one at which it made the wish: nothing older is to be looked through.
            Wish::Funding { outpoint, script, from: _ } => {
                self.watch.add_outpoint(outpoint);
                self.watch.add_script(script.clone());
                self.scripts.insert(outpoint, script);
            }
            // The same: what a block made the core wait for is watched before the next block is looked at, and found in that
            // block itself because what hangs on a told transaction is told with it.
            Wish::Output { outpoint, script: _, from: _ } => self.watch.add_outpoint(outpoint),
            Wish::Transaction(txid) => self.watch.add_txid(txid),
            Wish::Forget(outpoint) => {
                self.watch.remove_outpoint(&outpoint);
                if let Some(script) = self.scripts.remove(&outpoint) {
                    self.watch.remove_script(&script);
                }
            }
        }
    }

    /// What picks the transactions out of a block.
    pub(crate) fn watch(&self) -> &Watch {
        &self.watch
    }
}

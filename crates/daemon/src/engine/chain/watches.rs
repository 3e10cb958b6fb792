//! What the core waits for in the chain, as its effects said.

use super::unseen::Unseen;
use astrape_chain::Watch;
use astrape_primitives::Height;
use bitcoin::{OutPoint, ScriptBuf};
use std::collections::BTreeMap;

/// The watch set, with what it takes to take a funding out of it again.
#[derive(Default)]
pub(crate) struct Watches {
    watch: Watch,
    scripts: BTreeMap<OutPoint, ScriptBuf>,
    /// Outputs whose spend may be in a block that was told before they were watched.
    pub(super) unseen: Unseen,
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
            Wish::Output { outpoint, script: _, from } => {
                self.watch.add_outpoint(outpoint);
                self.unseen.add(outpoint, from);
            }
            Wish::Transaction(txid) => self.watch.add_txid(txid),
            Wish::Forget(outpoint) => {
                self.watch.remove_outpoint(&outpoint);
                self.unseen.forget(&outpoint);
                if let Some(script) = self.scripts.remove(&outpoint) {
                    self.watch.remove_script(&script);
                }
            }
        }
    }

    /// A block was looked at after all these watches were set: it is the first that could have their spends.
    pub(crate) fn looked_at(&mut self, height: Height) {
        self.unseen.looked_at(height);
    }

    /// The lowest block that is to be looked through for what is watched.
    pub(crate) fn lowest_unseen(&self) -> Option<Height> {
        self.unseen.lowest()
    }

    /// What picks the transactions out of a block.
    pub(crate) fn watch(&self) -> &Watch {
        &self.watch
    }
}

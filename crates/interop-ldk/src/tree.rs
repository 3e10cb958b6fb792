//! All that the chain made of a channel: the transactions that hang on its funding, and who got what.

use anyhow::{Context as _, Result};
use astrape_interop::Bitcoind;
use bitcoin::{Block, OutPoint, Transaction, Txid, consensus};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// What an anchor output holds (BOLT 3).
pub const ANCHOR_SAT: u64 = 330;

/// The transactions that spend a funding, and what hangs on it, as far as they are in blocks.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// In the order of the chain; the first spends the funding.
    pub branches: Vec<Branch>,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct Branch {
    /// Its id.
    pub txid: Txid,
    /// Itself.
    pub tx: Transaction,
    /// Its block.
    pub height: u32,
    /// What it pays to the miner, in satoshi.
    pub fee_sat: u64,
    /// What it takes from the channel: outputs of branches before it, and for the first the funding.
    pub takes: Vec<OutPoint>,
}

impl Tree {
    /// Reads the blocks from `from` on.
    ///
    /// # Errors
    /// When bitcoind does not answer.
    pub fn grown(bitcoind: &Bitcoind, funding: OutPoint, from: u32) -> Result<Self> {
        let (mut tree, mut followed) = (Self::default(), BTreeSet::from([funding]));
        for height in from..=bitcoind.height()? {
            let hash: String = bitcoind.call("getblockhash", json!([height]))?;
            let hex: String = bitcoind.call("getblock", json!([hash, 0]))?;
            let block: Block = consensus::encode::deserialize_hex(&hex)?;
            for tx in block.txdata {
                let inputs = tx.input.iter().map(|input| input.previous_output);
                let takes: Vec<OutPoint> = inputs.filter(|spent| followed.contains(spent)).collect();
                if takes.is_empty() {
                    continue;
                }
                let txid = tx.compute_txid();
                // What is not paid to a witness script is in a wallet, except in the commitment itself.
                let goes_on = |script: &bitcoin::ScriptBuf| tree.branches.is_empty() || script.is_p2wsh();
                let outputs = (0..).zip(&tx.output).filter(|(_, output)| goes_on(&output.script_pubkey));
                followed.extend(outputs.map(|(vout, _)| OutPoint { txid, vout }));
                let fee_sat = bitcoind.fee_of(&txid.to_string())?;
                tree.branches.push(Branch { txid, tx, height, fee_sat, takes });
            }
        }
        Ok(tree)
    }

    /// What spends the funding.
    ///
    /// # Errors
    /// When nothing does.
    pub fn root(&self) -> Result<&Branch> {
        self.branches.first().context("the funding is not spent")
    }

    /// The branch that takes an output.
    #[must_use]
    pub fn taker(&self, of: &OutPoint) -> Option<&Branch> {
        self.branches.iter().find(|branch| branch.takes.contains(of))
    }

    /// What an output of a branch holds, in satoshi.
    #[must_use]
    pub fn value(&self, of: &OutPoint) -> u64 {
        let branch = self.branches.iter().find(|branch| branch.txid == of.txid);
        let output = branch.and_then(|branch| branch.tx.output.get(usize::try_from(of.vout).ok()?));
        output.map_or(0, |output| output.value.to_sat())
    }

    /// Whether a branch is Astrape's: its wallet alone has taproot scripts here.
    #[must_use]
    pub fn is_astrapes(&self, branch: &Branch) -> bool {
        let is_wallets = branch.tx.output.iter().any(|output| output.script_pubkey.is_p2tr());
        let outputs = (0..).zip(&branch.tx.output).map(|(vout, _)| OutPoint { txid: branch.txid, vout });
        let mut next = outputs.filter_map(|outpoint| self.taker(&outpoint));
        is_wallets || next.any(|taker| self.is_astrapes(taker))
    }

    /// Whether a branch pays to Astrape's wallet and to nothing that hangs on the channel.
    #[must_use]
    pub fn is_sweep(&self, branch: &Branch) -> bool {
        branch.tx.output.iter().all(|output| output.script_pubkey.is_p2tr())
    }

    /// Those of Astrape that end in its wallet. Of a revoked commitment it makes no others, and an HTLC transaction of the thief
    /// is the thief's, though its output is Astrape's.
    pub fn sweeps(&self) -> impl Iterator<Item = &Branch> {
        self.branches.iter().skip(1).filter(|branch| self.is_sweep(branch))
    }

    /// Those beyond the first that are Astrape's, or those that are not.
    pub fn of_astrape(&self, astrape: bool) -> impl Iterator<Item = &Branch> {
        self.branches.iter().skip(1).filter(move |branch| self.is_astrapes(branch) == astrape)
    }

    /// What Astrape paid to miners.
    #[must_use]
    pub fn fees_of_astrape(&self) -> u64 {
        self.of_astrape(true).map(|branch| branch.fee_sat).sum()
    }

    /// What the anchors brought that Astrape took.
    #[must_use]
    pub fn anchors_of_astrape(&self) -> u64 {
        let taken = self.of_astrape(true).flat_map(|branch| &branch.takes).map(|of| self.value(of));
        taken.filter(|&value| value == ANCHOR_SAT).sum()
    }

    /// Values of the outputs of the first transaction, and how often there is each.
    ///
    /// # Errors
    /// When the funding is not spent.
    pub fn values(&self) -> Result<BTreeMap<u64, usize>> {
        let mut values = BTreeMap::new();
        for output in &self.root()?.tx.output {
            *values.entry(output.value.to_sat()).or_default() += 1;
        }
        Ok(values)
    }

    /// In short, for who looks at a failed test.
    #[must_use]
    pub fn told(&self) -> String {
        let line = |branch: &Branch| {
            let is_root = self.root().is_ok_and(|root| root.txid == branch.txid);
            let whose = if is_root {
                "both"
            } else if self.is_astrapes(branch) {
                "ours"
            } else {
                "theirs"
            };
            let taken: Vec<String> = branch
                .takes
                .iter()
                .map(|of| format!("{}:{} ({})", of.txid, of.vout, self.value(of)))
                .collect();
            let made: Vec<u64> = branch.tx.output.iter().map(|output| output.value.to_sat()).collect();
            format!(
                "block {}: {} of {whose} takes {taken:?}, makes {made:?}, fee {}",
                branch.height, branch.txid, branch.fee_sat
            )
        };
        self.branches.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

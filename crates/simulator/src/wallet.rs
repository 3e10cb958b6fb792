//! The shell's on-chain wallet: knows the scripts of a node, and finds its coins in blocks and in the mempool.

use astrape_node::Node;
use astrape_primitives::{Height, Sat};
use astrape_regtest::RegtestChain;
use astrape_signer::InProcessSigner;
use astrape_transactions::signing::Keychain;
use astrape_wallet::{FoundCoin, WalletFinding};
use bitcoin::bip32::{ChildNumber, Xpub};
use bitcoin::secp256k1::Secp256k1;
use bitcoin::{Block, OutPoint, ScriptBuf, Transaction};
use std::collections::BTreeMap;
use std::str::FromStr as _;

/// Addresses of each branch: more than any run uses.
const ADDRESSES: u32 = 48;

/// The scripts of one node.
#[derive(Debug)]
pub(crate) struct Wallet {
    scripts: BTreeMap<ScriptBuf, (Keychain, u32)>,
    external: Vec<ScriptBuf>,
    internal: Vec<ScriptBuf>,
}

impl Wallet {
    /// Derives the BIP 86 scripts from the descriptors that the signer tells.
    pub(crate) fn new(signer: &InProcessSigner) -> Self {
        let external = branch(signer, Keychain::External, 0);
        let internal = branch(signer, Keychain::Internal, 1);
        let entries = |keychain, scripts: &[ScriptBuf]| -> Vec<_> {
            (0..).zip(scripts).map(|(index, script)| (script.clone(), (keychain, index))).collect()
        };
        let mut scripts = BTreeMap::new();
        scripts.extend(entries(Keychain::External, &external));
        scripts.extend(entries(Keychain::Internal, &internal));
        Self { scripts, external, internal }
    }

    /// An address that was handed out.
    pub(crate) fn external(&self, index: usize) -> ScriptBuf {
        self.external[index % self.external.len()].clone()
    }

    /// An address for change.
    pub(crate) fn internal(&self, index: usize) -> ScriptBuf {
        self.internal[index % self.internal.len()].clone()
    }

    pub(crate) fn owns(&self, script: &ScriptBuf) -> bool {
        self.scripts.contains_key(script)
    }

    /// The coins that a transaction makes for us.
    fn coins_of<'a>(&'a self, tx: &'a Transaction, ours: bool) -> impl Iterator<Item = FoundCoin> + 'a {
        let txid = tx.compute_txid();
        (0_u32..).zip(&tx.output).filter_map(move |(vout, output)| {
            let (keychain, index) = *self.scripts.get(&output.script_pubkey)?;
            Some(FoundCoin {
                outpoint: OutPoint { txid, vout },
                keychain,
                index,
                amount: Sat::from(output.value),
                script_pubkey: output.script_pubkey.clone(),
                is_coinbase: tx.is_coinbase(),
                ours_change: ours,
            })
        })
    }

    /// What a block has for us.
    pub(crate) fn scan(&self, node: &Node, block: &Block, height: Height) -> Vec<WalletFinding> {
        let mut known: Vec<OutPoint> = node.coins().map(|coin| coin.outpoint()).collect();
        let mut findings = Vec::new();
        for tx in &block.txdata {
            let spent: Vec<OutPoint> =
                tx.input.iter().map(|i| i.previous_output).filter(|o| known.contains(o)).collect();
            let ours = !tx.input.is_empty() && spent.len() == tx.input.len();
            let by = tx.compute_txid();
            findings.extend(spent.into_iter().map(|outpoint| WalletFinding::Spent { outpoint, height, by }));
            for coin in self.coins_of(tx, ours) {
                known.push(coin.outpoint);
                findings.push(WalletFinding::Confirmed { coin, height });
            }
        }
        findings
    }

    /// What a transaction in the mempool has for us.
    pub(crate) fn unconfirmed(&self, node: &Node, tx: &Transaction) -> Vec<WalletFinding> {
        let known: Vec<OutPoint> = node.coins().map(|coin| coin.outpoint()).collect();
        let ours = tx.input.iter().all(|i| known.contains(&i.previous_output));
        self.coins_of(tx, ours).map(|coin| WalletFinding::Unconfirmed { coin }).collect()
    }

    /// All that there is, after a restart: the wallet keeps nothing of its own.
    pub(crate) fn scan_all(&self, node: &Node, chain: &RegtestChain, from: Height) -> Vec<WalletFinding> {
        let mut findings = vec![WalletFinding::Reorged { from: Height(1) }];
        let mut ours: Vec<OutPoint> = Vec::new();
        for height in (from.0..=chain.tip().height.0).map(Height) {
            let Some(block) = chain.block_at(height) else { continue };
            for tx in &block.txdata {
                let spent: Vec<OutPoint> =
                    tx.input.iter().map(|i| i.previous_output).filter(|o| ours.contains(o)).collect();
                let own = spent.len() == tx.input.len();
                let by = tx.compute_txid();
                findings.extend(spent.into_iter().map(|outpoint| WalletFinding::Spent {
                    outpoint,
                    height,
                    by,
                }));
                for coin in self.coins_of(tx, own) {
                    ours.push(coin.outpoint);
                    findings.push(WalletFinding::Confirmed { coin, height });
                }
            }
        }
        for tx in chain.mempool() {
            let own = tx.input.iter().all(|i| ours.contains(&i.previous_output));
            for coin in self.coins_of(&tx, own) {
                ours.push(coin.outpoint);
                findings.push(WalletFinding::Unconfirmed { coin });
            }
        }
        let gone = node.coins().map(|coin| coin.outpoint()).filter(|o| !ours.contains(o));
        findings.extend(gone.map(|outpoint| WalletFinding::Dropped { outpoint }));
        findings
    }

    /// What our unspent outputs in the best chain and the mempool come to, as the chain itself has it.
    pub(crate) fn total(&self, chain: &RegtestChain, from: Height) -> Sat {
        self.coins(chain, from).iter().map(|coin| coin.amount).sum()
    }

    /// These outputs.
    pub(crate) fn coins(&self, chain: &RegtestChain, from: Height) -> Vec<FoundCoin> {
        let mut coins: BTreeMap<OutPoint, FoundCoin> = BTreeMap::new();
        let mut take = |tx: &Transaction| {
            for input in &tx.input {
                coins.remove(&input.previous_output);
            }
            coins.extend(self.coins_of(tx, false).map(|coin| (coin.outpoint, coin)));
        };
        for block in (from.0..=chain.tip().height.0).filter_map(|h| chain.block_at(Height(h))) {
            block.txdata.iter().for_each(&mut take);
        }
        chain.mempool().iter().for_each(|tx| take(tx));
        coins.into_values().collect()
    }
}

/// The scripts of one branch of `tr([fingerprint/86'/coin'/0']xpub/branch/*)`.
fn branch(signer: &InProcessSigner, keychain: Keychain, number: u32) -> Vec<ScriptBuf> {
    let descriptor = signer.wallet_descriptor(keychain);
    let key = descriptor.split_once(']').and_then(|(_, rest)| rest.split_once('/')).map(|(key, _)| key);
    let account = Xpub::from_str(key.expect("the descriptor has a key after its origin")).expect("an xpub");
    let secp = Secp256k1::verification_only();
    let derive = |index| {
        let path = [ChildNumber::Normal { index: number }, ChildNumber::Normal { index }];
        let key = account.derive_pub(&secp, &path).expect("unhardened steps can be derived");
        ScriptBuf::new_p2tr(&secp, key.public_key.x_only_public_key().0, None)
    };
    (0..ADDRESSES).map(derive).collect()
}

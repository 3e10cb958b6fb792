//! What the scanner found, in the core's words.

use astrape_primitives::Height;
use astrape_transactions::Keychain;
use astrape_wallet::{Coin, FoundCoin, WalletFinding};
use bdk_wallet::chain::ChainPosition;
use bdk_wallet::{KeychainKind, Wallet};
use bitcoin::{Block, OutPoint, Transaction};
use std::collections::BTreeSet;

/// What a block did to our coins.
pub(super) fn of_block(wallet: &Wallet, block: &Block, height: Height) -> Vec<WalletFinding> {
    block.txdata.iter().flat_map(|tx| of_confirmed(wallet, tx, height)).collect()
}

/// All that the wallet knows of the best chain, and what waits above it, in order.
pub(super) fn all(wallet: &Wallet) -> Vec<WalletFinding> {
    let mut txs: Vec<_> = wallet
        .transactions()
        .map(|known| {
            let height = match known.chain_position {
                ChainPosition::Confirmed { anchor, .. } => Some(Height(anchor.block_id.height)),
                ChainPosition::Unconfirmed { .. } => None,
            };
            (height, known.tx_node.tx)
        })
        .collect();
    // What has no block comes last.
    txs.sort_by_key(|(height, _)| height.unwrap_or(Height(u32::MAX)));
    let coins = txs.iter().flat_map(|(height, tx)| match height {
        Some(height) => made(wallet, tx, Some(*height)),
        None => of_unconfirmed(wallet, tx),
    });
    let spends = txs.iter().filter_map(|(height, tx)| Some(spent(wallet, tx, (*height)?))).flatten();
    // Within a block transactions come in no particular order here, so all coins come before all spends.
    coins.chain(spends).collect()
}

/// The lowest height at which the core's coins have what the best chain, of which the wallet knows `all` up to `tip`, has not: a
/// reorganisation that the wallet kept, and of which the core was not told before a stop.
pub(super) fn lowest_undone(all: &[WalletFinding], coins: &[Coin], tip: Height) -> Option<Height> {
    let (mut confirmed, mut spent) = (BTreeSet::new(), BTreeSet::new());
    for finding in all {
        match finding {
            WalletFinding::Confirmed { coin, height } => drop(confirmed.insert((coin.outpoint, *height))),
            WalletFinding::Spent { outpoint, height, .. } => drop(spent.insert((*outpoint, *height))),
            _ => {}
        }
    }
    let is_gone = |known: &BTreeSet<(OutPoint, Height)>, coin: &Coin, height: Option<Height>| {
        height.filter(|height| *height <= tip && !known.contains(&(coin.outpoint(), *height)))
    };
    let gone = coins
        .iter()
        .flat_map(|coin| [is_gone(&confirmed, coin, coin.confirmed), is_gone(&spent, coin, coin.spent)]);
    gone.flatten().min()
}

/// The coins that an unconfirmed transaction of ours makes. Those of strangers count only once they are in a block.
pub(super) fn of_unconfirmed(wallet: &Wallet, tx: &Transaction) -> Vec<WalletFinding> {
    if is_all_ours(wallet, tx) { made(wallet, tx, None) } else { Vec::new() }
}

fn of_confirmed(wallet: &Wallet, tx: &Transaction, height: Height) -> Vec<WalletFinding> {
    let mut found = made(wallet, tx, Some(height));
    found.extend(spent(wallet, tx, height));
    found
}

fn made(wallet: &Wallet, tx: &Transaction, height: Option<Height>) -> Vec<WalletFinding> {
    let mut found = Vec::new();
    for (vout, output) in (0_u32..).zip(&tx.output) {
        if !output.script_pubkey.is_p2tr() {
            continue;
        }
        let Some((kind, index)) = wallet.derivation_of_spk(output.script_pubkey.clone()) else { continue };
        let coin = FoundCoin {
            outpoint: OutPoint { txid: tx.compute_txid(), vout },
            keychain: match kind {
                KeychainKind::External => Keychain::External,
                KeychainKind::Internal => Keychain::Internal,
            },
            index,
            amount: output.value.into(),
            script_pubkey: output.script_pubkey.clone(),
            is_coinbase: tx.is_coinbase(),
            ours_change: is_all_ours(wallet, tx),
        };
        found.push(match height {
            Some(height) => WalletFinding::Confirmed { coin, height },
            None => WalletFinding::Unconfirmed { coin },
        });
    }
    found
}

fn spent(wallet: &Wallet, tx: &Transaction, height: Height) -> Vec<WalletFinding> {
    let by = tx.compute_txid();
    let ours = tx.input.iter().filter(|input| wallet.spk_index().txout(input.previous_output).is_some());
    ours.map(|input| WalletFinding::Spent { outpoint: input.previous_output, height, by }).collect()
}

/// Whether all that a transaction spends is ours.
fn is_all_ours(wallet: &Wallet, tx: &Transaction) -> bool {
    tx.input.iter().all(|input| wallet.spk_index().txout(input.previous_output).is_some())
}

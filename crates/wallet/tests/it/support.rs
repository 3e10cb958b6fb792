//! Coins to test with.

use astrape_primitives::{FeeratePerKw, Height, Sat};
use astrape_transactions::signing::Keychain;
use astrape_wallet::{Coin, Coins, FoundCoin, Terms, WalletFinding};
use bitcoin::hashes::Hash as _;
use bitcoin::{OutPoint, ScriptBuf, TxOut, Txid};

pub(crate) const TIP: Height = Height(1_000);

pub(crate) fn outpoint(n: u32) -> OutPoint {
    let mut txid = [0; 32];
    txid[..4].copy_from_slice(&n.to_be_bytes());
    OutPoint { txid: Txid::from_byte_array(txid), vout: n % 3 }
}

/// P2TR, as all our scripts.
pub(crate) fn p2tr(n: u32) -> ScriptBuf {
    let mut bytes = vec![0x51, 0x20];
    bytes.extend([7; 28]);
    bytes.extend(n.to_be_bytes());
    ScriptBuf::from_bytes(bytes)
}

/// P2WSH, as a funding output.
pub(crate) fn p2wsh() -> ScriptBuf {
    ScriptBuf::from_bytes([&[0x00, 0x20][..], &[9; 32]].concat())
}

pub(crate) fn found(n: u32, amount: u64) -> FoundCoin {
    FoundCoin {
        outpoint: outpoint(n),
        keychain: Keychain::External,
        index: n,
        amount: Sat(amount),
        script_pubkey: p2tr(n),
        is_coinbase: false,
        ours_change: false,
    }
}

/// A free coin with 10 confirmations.
pub(crate) fn coin(n: u32, amount: u64) -> Coin {
    Coin { found: found(n, amount), confirmed: Some(Height(991)), spent: None, reserved: None }
}

pub(crate) fn confirmed(n: u32, amount: u64, height: u32) -> WalletFinding {
    WalletFinding::Confirmed { coin: found(n, amount), height: Height(height) }
}

/// Free coins of these amounts, numbered from 0.
pub(crate) fn coins(amounts: &[u64]) -> Coins {
    (0..).zip(amounts).map(|(n, amount)| coin(n, *amount)).collect()
}

pub(crate) fn with(coins: &Coins, coin: Coin) -> Coins {
    coins.iter().cloned().chain([coin]).collect()
}

pub(crate) fn terms(feerate: u32, reserve: u64) -> Terms {
    Terms {
        feerate: FeeratePerKw(feerate),
        tip: TIP,
        min_confirmations: 1,
        reserve: Sat(reserve),
        change_script: p2tr(u32::MAX),
    }
}

pub(crate) fn output(amount: u64) -> TxOut {
    TxOut { value: Sat(amount).into(), script_pubkey: p2wsh() }
}

//! The coins that pay where a commitment or an HTLC transaction brings no fee of its own: those of bitcoind's wallet.

use astrape_interop::Bitcoind;
use bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use bitcoin::{Amount, OutPoint, Psbt, ScriptBuf, Transaction};
use lightning::events::bump_transaction::Utxo;
use lightning::events::bump_transaction::sync::WalletSourceSync;
use serde_json::{Value, json};
use std::sync::Arc;

/// Bitcoind's wallet, as LDK wants one.
pub(super) struct Purse(pub(super) Arc<Bitcoind>);

impl Purse {
    fn coins(&self) -> anyhow::Result<Vec<Utxo>> {
        let unspent: Vec<Value> = self.0.call("listunspent", json!([1]))?;
        let mut coins = Vec::new();
        for coin in &unspent {
            let text = |field: &str| coin[field].as_str().unwrap_or_default();
            let script = ScriptBuf::from_hex(text("scriptPubKey"))?;
            let (Some(amount), Some(vout)) = (coin["amount"].as_f64(), coin["vout"].as_u64()) else {
                continue;
            };
            let outpoint = OutPoint { txid: text("txid").parse()?, vout: u32::try_from(vout)? };
            if let Some(hash) = script.as_bytes().get(2..).filter(|_| script.is_p2wpkh()) {
                let hash = bitcoin::hashes::Hash::from_slice(hash)?;
                coins.push(Utxo::new_v0_p2wpkh(outpoint, Amount::from_btc(amount)?, &hash));
            }
        }
        Ok(coins)
    }

    fn change_script(&self) -> anyhow::Result<ScriptBuf> {
        let address: String = self.0.call("getrawchangeaddress", json!(["bech32"]))?;
        Ok(address.parse::<bitcoin::Address<_>>()?.assume_checked().script_pubkey())
    }

    fn sign(&self, transaction: &Transaction) -> anyhow::Result<Transaction> {
        let signed: Value =
            self.0.call("signrawtransactionwithwallet", json!([serialize_hex(transaction)]))?;
        Ok(deserialize_hex(signed["hex"].as_str().unwrap_or_default())?)
    }
}

impl WalletSourceSync for Purse {
    fn list_confirmed_utxos(&self) -> Result<Vec<Utxo>, ()> {
        self.coins().map_err(drop)
    }

    fn get_change_script(&self) -> Result<ScriptBuf, ()> {
        self.change_script().map_err(drop)
    }

    fn sign_psbt(&self, psbt: Psbt) -> Result<Transaction, ()> {
        self.sign(&psbt.unsigned_tx).map_err(drop)
    }
}

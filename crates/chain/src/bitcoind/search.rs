//! The set of unspent outputs is searched for scripts: without reading a block, also where blocks are pruned.

use super::{Bitcoind, INVALID_PARAMETER};
use crate::source::{FoundOutput, SourceError};
use bitcoin::amount::serde::as_btc;
use bitcoin::{Amount, OutPoint, ScriptBuf, Txid};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

/// How long bitcoind may take to look through all unspent outputs: minutes on a slow disk.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// `scantxoutset`
#[derive(Deserialize)]
struct Scanned {
    /// The tip when it began.
    height: u32,
    unspents: Vec<Unspent>,
}

#[derive(Deserialize)]
struct Unspent {
    txid: Txid,
    vout: u32,
    #[serde(rename = "scriptPubKey")]
    script: ScriptBuf,
    #[serde(with = "as_btc")]
    amount: Amount,
    height: u32,
}

impl Bitcoind {
    pub(super) async fn search_unspent(
        &self,
        scripts: &[ScriptBuf],
    ) -> Result<Vec<FoundOutput>, SourceError> {
        let descriptors: Vec<String> =
            scripts.iter().map(|script| format!("raw({})", script.to_hex_string())).collect();
        let searched =
            self.rpc.call_within::<Scanned>("scantxoutset", json!(["start", descriptors]), PATIENCE).await;
        if searched.as_ref().is_err_and(|error| error.code() == Some(INVALID_PARAMETER)) {
            return Err(SourceError::Refused(
                "bitcoind searches its unspent outputs for somebody else already: try again when it is done"
                    .to_owned(),
            ));
        }
        let Scanned { height, unspents } = searched?;
        let found = unspents.into_iter().map(|unspent| FoundOutput {
            outpoint: OutPoint { txid: unspent.txid, vout: unspent.vout },
            value: unspent.amount.into(),
            script: unspent.script,
            confirmations: height.saturating_sub(unspent.height) + 1,
        });
        Ok(found.collect())
    }
}

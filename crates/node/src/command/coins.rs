//! What is to be done with coins.

use astrape_primitives::{FeeratePerKw, Sat};
use bitcoin::{ScriptBuf, Txid};

/// Send coins on chain.
#[derive(Clone, Debug)]
pub struct WithdrawCommand {
    /// Where.
    pub script: ScriptBuf,
    /// How much; all there is if absent.
    pub amount: Option<Sat>,
    /// Our estimate otherwise.
    pub feerate: Option<FeeratePerKw>,
    /// Whether it may take what should stay for the closes of channels ([`crate::Node::anchor_reserve`]).
    pub spend_reserve: bool,
    /// Whether it may cost more than it sends.
    pub accept_high_fee: bool,
    /// A fresh script of our wallet for the change.
    pub change_script: ScriptBuf,
}

/// Have a transaction of our coins mined sooner, by another that spends its change and pays for both. Done again with the same
/// feerate, it changes nothing.
#[derive(Clone, Debug)]
pub struct BumpFeeCommand {
    /// Which: a withdrawal or a funding that waits for its block.
    pub txid: Txid,
    /// What both are to pay together; our estimate otherwise.
    pub feerate: Option<FeeratePerKw>,
    /// Whether it may take what should stay for the closes of channels ([`crate::Node::anchor_reserve`]).
    pub spend_reserve: bool,
    /// A fresh script of our wallet for what is left.
    pub change_script: ScriptBuf,
}

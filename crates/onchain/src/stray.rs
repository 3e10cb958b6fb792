//! What peers paid out of channels that this node does not know any more: all that comes back to one who has the words of the seed
//! and nothing else.
//!
//! `to_remote` of a peer's commitment pays to one of few keys, which follow from the seed alone, in each format by another script
//! (BOLT 3). The shell has the chain searched for these scripts; here it is said which they are, and how what is found is spent.

use astrape_primitives::{ChannelKeysId, FeeratePerKw, Sat};
use astrape_transactions::{ClaimInput, ClaimRequest, CommitmentFormat, Spend, SpendPath};
use astrape_wallet::build::fee;
use bitcoin::absolute::LockTime;
use bitcoin::secp256k1::PublicKey;
use bitcoin::transaction::Version;
use bitcoin::{OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness};
use std::collections::BTreeMap;

/// Confirmations from which on a stray is swept: what is younger may be of a channel that is known, and about to be told of.
pub const MIN_DEPTH: u32 = 6;

/// Strays in one transaction: those that are left make the next.
pub const MAX_INPUTS: usize = 200;

/// Version, lock time, counts and one output that pays to a taproot key (43 bytes); the two bytes that announce witnesses.
const FRAME_WEIGHT: u64 = 4 * (4 + 4 + 1 + 1 + 43) + 2;

/// An input without its witness: outpoint, empty script, sequence.
const INPUT_WEIGHT: u64 = 4 * 41;

/// The least that an output to a taproot key may have.
const DUST_LIMIT: Sat = Sat(330);

/// How an output with one of the scripts is spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Under these keys the signer finds the one that it takes: many channels have the same.
    pub keys: ChannelKeysId,
    /// The format of the commitment.
    pub format: CommitmentFormat,
    /// That of the output, where it has one.
    witness_script: Option<ScriptBuf>,
}

/// The scripts that some payment keys have, with how they are spent.
pub fn scripts(
    payment_keys: impl IntoIterator<Item = (ChannelKeysId, PublicKey)>,
) -> BTreeMap<ScriptBuf, Key> {
    let of_key = |(keys, payment): (ChannelKeysId, PublicKey)| {
        [CommitmentFormat::StaticRemotekey, CommitmentFormat::Anchors].map(|format| {
            let witness_script = format.to_remote_witness_script(&payment);
            (format.to_remote_script(&payment), Key { keys, format, witness_script })
        })
    };
    payment_keys.into_iter().flat_map(of_key).collect()
}

/// An output that nobody claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// Where it is.
    pub outpoint: OutPoint,
    /// What it is worth.
    pub value: Sat,
    /// Its script, one of [`scripts`].
    pub script: ScriptBuf,
    /// How it is spent.
    pub key: Key,
    /// How deep it is.
    pub confirmations: u32,
}

impl Stray {
    fn input(&self) -> ClaimInput {
        let Key { keys, witness_script, .. } = &self.key;
        let (keys, witness_script) = (*keys, witness_script.clone());
        let spend = Spend::Channel { keys, witness_script, path: SpendPath::ToRemote };
        let prevout = TxOut { value: self.value.into(), script_pubkey: self.script.clone() };
        ClaimInput { prevout, spend }
    }

    /// `nSequence`: with anchors `to_remote` has a delay of one block (BOLT 3).
    fn sequence(&self) -> Sequence {
        match self.key.format {
            CommitmentFormat::StaticRemotekey => Sequence::ENABLE_RBF_NO_LOCKTIME,
            CommitmentFormat::Anchors => Sequence(1),
        }
    }

    /// Whether it brings more than it costs.
    fn is_worth(&self, feerate: FeeratePerKw) -> bool {
        self.value > fee(feerate, INPUT_WEIGHT + self.input().spend.max_witness_weight())
    }
}

/// A transaction that brings strays home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// To be signed.
    pub request: ClaimRequest,
    /// What it brings.
    pub amount: Sat,
    /// What it costs.
    pub fee: Sat,
}

/// The transactions that bring home to taproot scripts of ours, one for each from `to`, what is deep enough and worth its fee. Each
/// may be replaced by a later one that pays more (BIP 125).
pub fn sweeps(strays: &[Stray], feerate: FeeratePerKw, mut to: impl FnMut() -> ScriptBuf) -> Vec<Sweep> {
    let ripe = strays.iter().filter(|stray| stray.confirmations >= MIN_DEPTH && stray.is_worth(feerate));
    let ripe: Vec<&Stray> = ripe.collect();
    ripe.chunks(MAX_INPUTS).filter_map(|strays| sweep(strays, feerate, &mut to)).collect()
}

fn sweep(strays: &[&Stray], feerate: FeeratePerKw, to: &mut impl FnMut() -> ScriptBuf) -> Option<Sweep> {
    let inputs: Vec<ClaimInput> = strays.iter().map(|stray| stray.input()).collect();
    let witnesses: u64 = inputs.iter().map(|input| input.spend.max_witness_weight()).sum();
    let cost = fee(feerate, FRAME_WEIGHT + INPUT_WEIGHT * inputs.len() as u64 + witnesses);
    let spent: Sat = strays.iter().map(|stray| stray.value).sum();
    let amount = spent.checked_sub(cost).filter(|amount| *amount >= DUST_LIMIT)?;
    let spend = |stray: &&Stray| TxIn {
        previous_output: stray.outpoint,
        sequence: stray.sequence(),
        witness: Witness::new(),
        ..TxIn::default()
    };
    let tx = Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: strays.iter().map(spend).collect(),
        output: vec![TxOut { value: amount.into(), script_pubkey: to() }],
    };
    Some(Sweep { request: ClaimRequest { tx, inputs }, amount, fee: cost })
}

//! The value: how one funding was spent, what of it is ours, what is claimed, and what was told of its HTLCs.

pub mod again;
mod close;
mod ends;
mod reorg;
mod seen;
mod spend;
mod sums;
mod waiting;

use crate::claim::{Claim, ClaimId};
use crate::evidence::Evidence;
use crate::nights::Nights;
use crate::output::Output;
use crate::plan::{Occasion, plan};
use crate::spender::Spender;
use crate::tracked::Tracked;
use again::Left;
use astrape_primitives::{ChannelKeysId, Feerates, Height, HtlcId, Sat};
use astrape_transactions::{CommitmentFormat, CommittedHtlc, WalletInput};
use bitcoin::secp256k1::{All, Secp256k1};
use bitcoin::{OutPoint, ScriptBuf, Transaction, Txid};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use sums::Sums;
pub use waiting::Waiting;

/// The deepest reorganisation that costs nothing: so many of the last blocks may be replaced by others.
pub const DEEPEST_REORG_BLOCKS: u32 = 6;

/// Least depth at which a spend counts as irrevocable, whatever the operator says: no reorganisation that we claim to bear
/// reaches below it.
pub const MIN_IRREVOCABLE_DEPTH: u32 = DEEPEST_REORG_BLOCKS + 1;

/// For each so much at stake one block of depth more: a reorganisation costs a miner the rewards of its blocks.
pub const SAT_PER_BLOCK_OF_DEPTH: u64 = 50_000_000;

/// Most blocks of depth that an amount adds.
pub const MAX_DEPTH_BY_AMOUNT: u32 = 6;

/// The enforcement of one channel that goes, or went, on chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// Our keys of the channel: its name in our records.
    pub keys: ChannelKeysId,
    /// Its format.
    pub format: CommitmentFormat,
    /// Its capacity.
    pub capacity: Sat,
    /// Where the money goes: asked for once.
    pub script: Option<ScriptBuf>,
    /// The confirmed spend of the funding.
    pub close: Option<Close>,
    /// A spend of the funding that was confirmed and left the chain, until another confirms or our commitment goes out.
    pub left: Option<Left>,
    /// A commitment of the peer with an anchor of ours, while the mempool has it as far as was told: ours would not get past it.
    pub seen: Option<Arc<Transaction>>,
    /// The outputs that are followed.
    pub outputs: BTreeMap<OutPoint, Tracked>,
    /// The claims that are owed to the network, and those that confirmed.
    pub claims: BTreeMap<ClaimId, Claim>,
    /// The next claim's.
    pub next_claim: ClaimId,
    /// HTLCs of ours of which the other parts of the node know how they ended.
    pub told: BTreeSet<HtlcId>,
    /// Whether the user was told that coins are missing for a fee.
    pub short_of_coins: bool,
}

/// The confirmed spend of a funding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// By which transaction.
    pub tx: Arc<Transaction>,
    /// In which block.
    pub height: Height,
    /// What it is.
    pub spender: Spender,
    /// Witness script of what the HTLC transactions of its owner pay to, where that concerns us.
    pub delayed: Option<ScriptBuf>,
    /// Whether the HTLCs of a revoked commitment were looked up.
    pub has_rows: bool,
}

impl Close {
    /// Id of the transaction.
    #[must_use]
    pub fn txid(&self) -> Txid {
        self.tx.compute_txid()
    }
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// Our own commitment goes to the network.
    GoOnChain,
    /// A confirmed transaction spends the funding.
    FundingSpent {
        /// It.
        tx: Arc<Transaction>,
        /// Its block.
        height: Height,
    },
    /// A confirmed transaction spends outputs that are followed.
    Spent {
        /// It.
        tx: Arc<Transaction>,
        /// Its block.
        height: Height,
    },
    /// The unconfirmed transactions that spend the funding or outputs that are followed: all there are.
    Seen(Vec<Arc<Transaction>>),
    /// The blocks from this height on are gone.
    Reorged {
        /// The lowest that went.
        from: Height,
    },
    /// The channel knows more than before: a preimage.
    Learnt,
    /// The archived HTLCs of the revoked commitment: the answer to [`Output::RowsNeeded`].
    Rows(Vec<CommittedHtlc>),
    /// A fresh script of our wallet: the answer to [`Output::ScriptNeeded`].
    Script(ScriptBuf),
    /// A block was read to its end; what of it concerns this resolution was told before.
    Block,
}

/// The world as a resolution needs it in one step.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// Tables of the curve.
    pub secp: &'a Secp256k1<All>,
    /// The best block.
    pub tip: Height,
    /// What it costs to confirm.
    pub feerates: Feerates,
    /// The operator's depth at which a channel is forgotten; HTLCs end earlier ([`Resolution::depth_for`]).
    pub closing_depth: u32,
    /// Coins of the wallet that may pay for claims: confirmed and not spent, free or set aside for this resolution.
    pub coins: &'a [WalletInput],
    /// What the channel brings.
    pub evidence: &'a Evidence,
    /// The blocks that came while we slept: they raise no fee.
    pub nights: &'a Nights,
    /// Other channels that wait for a coin of the same wallet.
    pub waiting: Waiting,
}

impl Resolution {
    /// Of a channel whose end begins.
    #[must_use]
    pub fn new(evidence: &Evidence) -> Self {
        Self {
            keys: evidence.keys,
            format: evidence.terms.format,
            capacity: evidence.terms.capacity,
            script: None,
            close: None,
            left: None,
            seen: None,
            outputs: BTreeMap::new(),
            claims: BTreeMap::new(),
            next_claim: ClaimId(0),
            told: BTreeSet::new(),
            short_of_coins: false,
        }
    }

    /// Takes one event: the next value, and what follows from it in order.
    #[must_use]
    pub fn handle(&self, event: Event, view: &View<'_>) -> (Resolution, Vec<Output>) {
        let (mut next, mut out) = (self.clone(), Vec::new());
        let occasion = match event {
            Event::Block | Event::GoOnChain => Some(Occasion::Block),
            // Of a block that is still being read: it is planned once at its end.
            Event::FundingSpent { .. } | Event::Spent { .. } | Event::Reorged { .. } => None,
            Event::Seen(_) | Event::Learnt | Event::Rows(_) | Event::Script(_) => Some(Occasion::Change),
        };
        match event {
            Event::GoOnChain => next.go_on_chain(view, &mut out),
            Event::FundingSpent { tx, height } => next.funding_spent(tx, height, view, &mut out),
            Event::Spent { tx, height } => next.spent(&tx, height, view, &mut out),
            Event::Seen(txs) => next.seen(&txs, view, &mut out),
            Event::Reorged { from } => next.reorged(from, &mut out),
            Event::Learnt => {}
            Event::Rows(rows) => next.take_rows(&rows, view, &mut out),
            Event::Script(script) => {
                next.script.get_or_insert(script);
            }
            Event::Block => {
                next.ask(&mut out);
                next.bring_back(view, &mut out);
            }
        }
        next.learn(view);
        next.end_htlcs(view, &mut out);
        if let Some(occasion) = occasion {
            plan(&mut next, view, occasion, &mut out);
            next.tell_shortage_once(&mut out);
        }
        if next.is_resolved(view) {
            out.push(Output::Resolved);
        }
        (next, out)
    }

    /// Confirmations from which the end of something worth so much is irrevocable.
    #[must_use]
    pub fn depth_for(amount: Sat) -> u32 {
        let extra = u32::try_from(amount.0 / SAT_PER_BLOCK_OF_DEPTH).unwrap_or(u32::MAX);
        MIN_IRREVOCABLE_DEPTH + extra.min(MAX_DEPTH_BY_AMOUNT)
    }

    /// The coins of the wallet that claims spend: set aside until then.
    pub fn coins(&self) -> impl Iterator<Item = OutPoint> + '_ {
        self.claims.values().flat_map(|claim| claim.coins.iter().map(|coin| coin.outpoint))
    }

    /// What must be watched, after a restart too.
    pub fn watches(&self) -> impl Iterator<Item = Output> + '_ {
        let of = |(outpoint, tracked): (&OutPoint, &Tracked)| Output::Watch {
            outpoint: *outpoint,
            script: tracked.output.script_pubkey.clone(),
            from: tracked.confirmed.unwrap_or(tracked.since),
        };
        self.outputs.iter().map(of)
    }

    /// What must go out again after a restart: the claims, and what was asked and not answered.
    #[must_use]
    pub fn owed(&self) -> Vec<Output> {
        let mut out = Vec::new();
        self.owed_again(&mut out);
        crate::plan::owed(self, &mut out);
        self.ask(&mut out);
        out
    }

    /// Asks for the HTLCs of a revoked commitment, until they come.
    fn ask(&self, out: &mut Vec<Output>) {
        if let Some(Close { spender: Spender::Revoked { number, .. }, has_rows: false, .. }) = &self.close {
            out.push(Output::RowsNeeded(*number));
        }
    }

    /// Takes a claim back: what it claimed and is not spent is claimed anew, each alone where it can be contested.
    pub(crate) fn split(&mut self, id: ClaimId) {
        let Some(claim) = self.claims.remove(&id) else {
            return;
        };
        for outpoint in &claim.inputs {
            if let Some(tracked) = self.outputs.get_mut(outpoint).filter(|t| !t.is_safe()) {
                tracked.alone = true;
            }
        }
    }

    /// The user is told once that coins are missing, and again when they were there meanwhile.
    fn tell_shortage_once(&mut self, out: &mut Vec<Output>) {
        let is_shortage = |o: &Output| matches!(o, Output::Story(crate::output::Story::NoCoins { .. }));
        let short = out.iter().any(is_shortage);
        if short && self.short_of_coins {
            out.retain(|o| !is_shortage(o));
        }
        self.short_of_coins = short;
    }
}

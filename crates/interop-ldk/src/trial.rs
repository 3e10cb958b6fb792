//! A channel with payments in flight that goes on chain: what must come of it is reckoned before, and compared after.
//!
//! L pays M through Astrape and M pays L, so that Astrape stands between two who claim, or do not, whenever the test wants.
//! The channel with L goes on chain; the one with M lives on, and must end as the chain says.

use crate::ldk::hash_of;
use crate::stage::{feerate, side};
use crate::tree::{ANCHOR_SAT, Branch, Tree};
use crate::{Ended, Kind, Ldk, Stage};
use anyhow::{Context as _, Result, ensure};
use astrape_interop::accounts::{number, text};
use astrape_interop::line::SOON;
use astrape_interop::{accounts, wait};
use bitcoin::OutPoint;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What the channel with L holds, and what the other has of it at first; the same with M.
pub const CAPACITY_SAT: u64 = 2_000_000;
const PUSH_SAT: u64 = 1_000_000;

/// Blocks after which a thief can take what nobody has taken from it.
const DELAY: u32 = 144;

/// Blocks within which all must be over: a delay of 144, the last expiry before it, and the depth of both.
const MAX_BLOCKS: u32 = 420;

/// What Astrape says of a close that LDK began: LDK tells by an `error` that it goes.
const THEIR_REASON: &str = "the peer failed the channel: the test wants it";

/// Who.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Astrape.
    Ours,
    /// LDK.
    Theirs,
}

/// What is done to Astrape between blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nights {
    /// Nothing.
    Quiet,
    /// It is killed between any two blocks of which one holds something of the channel, and between others now and then.
    Killed,
}

/// What Astrape's wallet has, and what is in the channel, before a thief takes it on chain.
#[derive(Clone, Copy, Debug)]
pub struct Eve {
    coins_sat: u64,
}

/// The stage after the channels with L and M were opened.
pub struct Trial {
    /// Bitcoind, Astrape, and L and M.
    pub stage: Stage,
    /// The channel that goes on chain.
    pub with_l: String,
    /// The channel that stays.
    pub with_m: String,
    /// Funding of the first.
    pub funding: OutPoint,
    kind: Kind,
    opener: Who,
    nights: Nights,
    born: u32,
    /// How often Astrape was killed.
    pub kills: u32,
    blocks: u32,
}

/// What is Astrape's and what is L's, on the eve of a forced close.
#[derive(Clone, Debug)]
pub struct Due {
    coins_sat: u64,
    /// Outputs of the commitment for what is settled.
    mains: [u64; 2],
    /// Fee of the commitment without what is too small for an output.
    fee_sat: u64,
    lost_sat: u64,
    htlcs: Vec<(u64, Who)>,
}

impl Trial {
    /// Opens both channels. `None` where tests beside a bitcoind are left out.
    ///
    /// # Errors
    /// When one does not come about.
    pub fn begin(kind: Kind, opener: Who, nights: Nights) -> Result<Option<Self>> {
        let coin = CAPACITY_SAT + 200_000;
        let coins = [coin, coin, 150_000, 150_000, 150_000];
        let Some(stage) = Stage::start(1, 2, kind, &coins)? else { return Ok(None) };
        stage.connect(0, 0)?;
        stage.connect(1, 0)?;
        let born = stage.bitcoind.height()?;
        let with_l = match opener {
            Who::Ours => stage.astrape_opens(0, 0, CAPACITY_SAT, PUSH_SAT)?,
            Who::Theirs => stage.ldk_opens(0, 0, CAPACITY_SAT, PUSH_SAT)?,
        };
        let with_m = stage.astrape_opens(0, 1, CAPACITY_SAT, PUSH_SAT)?;
        let details = stage.ldk[0].channel(&with_l)?;
        let funding = details.funding_txo.context("no funding")?.into_bitcoin_outpoint();
        Ok(Some(Self { stage, with_l, with_m, funding, kind, opener, nights, born, kills: 0, blocks: 0 }))
    }

    /// The LDK node whose channel goes on chain.
    #[must_use]
    pub fn l(&self) -> &Ldk {
        &self.stage.ldk[0]
    }

    /// The LDK node whose channel stays.
    #[must_use]
    pub fn m(&self) -> &Ldk {
        &self.stage.ldk[1]
    }

    /// Sends a payment that its recipient holds. Returns its hash.
    ///
    /// # Errors
    /// When it does not arrive.
    pub fn in_flight(&self, from: &Ldk, to: &Ldk, amount_sat: u64) -> Result<[u8; 32]> {
        let invoice = to.invoice_to_hold(amount_sat * 1_000)?;
        from.begin_to_pay(&invoice.to_string())?;
        to.wait_to_hold(hash_of(&invoice)).with_context(|| from.log_end())?;
        Ok(hash_of(&invoice))
    }

    /// The same, with no block more to its expiry than both hops ask for. Two such in one channel expire together, at which LDK's
    /// own debug assertion fails where it goes on chain with anchors.
    ///
    /// # Errors
    /// When it does not arrive.
    pub fn in_flight_exactly(&self, from: &Ldk, to: &Ldk, amount_sat: u64) -> Result<[u8; 32]> {
        let invoice = to.invoice_to_hold(amount_sat * 1_000)?;
        let channel = if from.id() == self.l().id() { &self.with_l } else { &self.with_m };
        from.begin_to_pay_exactly(&invoice, channel)?;
        to.wait_to_hold(hash_of(&invoice)).with_context(|| from.log_end())?;
        Ok(hash_of(&invoice))
    }

    /// Reckons what must come of the channel when it goes on chain now, with these HTLCs above dust, in satoshi, and whose
    /// each will be.
    ///
    /// # Errors
    /// When Astrape does not answer.
    pub fn due(&self, htlcs: &[(u64, Who)]) -> Result<Due> {
        let node = &self.stage.astrape[0];
        let side = side(node, &self.with_l)?;
        let (base, anchors) = match self.kind {
            Kind::Anchors => (1_124, 2 * ANCHOR_SAT),
            Kind::StaticRemoteKey => (724, 0),
        };
        let fee_sat = (base + 172 * htlcs.len() as u64) * feerate(node, &self.with_l)? / 1_000;
        let pays = |who: Who| if self.opener == who { fee_sat + anchors } else { 0 };
        let mains = [side.local_msat / 1_000 - pays(Who::Ours), side.remote_msat / 1_000 - pays(Who::Theirs)];
        let told: u64 = mains.iter().sum::<u64>() + htlcs.iter().map(|(sat, _)| sat).sum::<u64>();
        let lost_sat =
            CAPACITY_SAT.checked_sub(told + anchors).with_context(|| format!("{side:?}, {htlcs:?}"))?;
        let coins_sat = accounts::on_chain(node)?;
        Ok(Due { coins_sat, mains, fee_sat, lost_sat, htlcs: htlcs.to_vec() })
    }

    /// Has one of them go on chain, and waits for the commitment in the mempool.
    ///
    /// # Errors
    /// When that does not come.
    pub fn goes_on_chain(&self, closer: Who) -> Result<()> {
        match closer {
            Who::Ours => {
                // Told that the channel has failed, L would go on chain itself, and who comes first is chance.
                self.l().stay_away();
                self.stage.astrape[0].ask(&["close", &self.with_l, "--force", "--yes"]).map(drop)?;
            }
            Who::Theirs => self.l().force_close(&self.with_l)?,
        }
        self.l().wait("a commitment", SOON, || self.stage.spender(self.funding))?;
        if closer == Who::Ours {
            self.stage.connect(0, 0)?;
        }
        Ok(())
    }

    /// Mines a block, and does to Astrape what is done to it between blocks: it is killed in turn as soon as the block is there,
    /// and when it has seen it.
    ///
    /// # Errors
    /// When somebody does not see it.
    pub fn block(&mut self) -> Result<()> {
        self.blocks += 1;
        let full = !self.stage.bitcoind.mempool()?.is_empty();
        self.stage.bitcoind.mine(1)?;
        if self.nights == Nights::Killed && (full || self.blocks.is_multiple_of(16)) {
            if self.kills.is_multiple_of(2) {
                self.stage.wait_for_height()?;
            }
            self.kills += 1;
            self.stage.astrape[0].kill()?;
            self.stage.astrape[0].start()?;
        }
        self.stage.wait_for_height()
    }

    /// Mines blocks.
    ///
    /// # Errors
    /// When somebody does not see them.
    pub fn blocks(&mut self, blocks: u32) -> Result<()> {
        (0..blocks).try_for_each(|_| self.block())
    }

    /// Mines blocks until Astrape has nothing more to do with the channel. Returns what hangs on its funding.
    ///
    /// # Errors
    /// When that never comes.
    pub fn is_over(&mut self) -> Result<Tree> {
        for _ in 0..MAX_BLOCKS {
            self.block()?;
            if !accounts::sides(&self.stage.astrape[0])?.contains_key(&self.with_l) {
                return self.tree();
            }
        }
        let told = self.stage.astrape[0].ask(&["channels"])?;
        anyhow::bail!(
            "not over after {MAX_BLOCKS} blocks: {told}\n{}\n{}",
            self.tree()?.told(),
            self.stage.astrape[0].log_end()
        )
    }

    /// Takes note of what Astrape has before L cheats.
    ///
    /// # Errors
    /// When it does not say.
    pub fn eve(&self) -> Result<Eve> {
        Ok(Eve { coins_sat: accounts::on_chain(&self.stage.astrape[0])? })
    }

    /// Has L broadcast the state that it kept, and waits for it in the mempool.
    ///
    /// # Errors
    /// When it does not come.
    pub fn l_cheats(&self) -> Result<()> {
        self.l().cheat()?;
        self.l().wait("its old commitment", SOON, || self.stage.spender(self.funding)).map(drop)
    }

    /// Mines blocks while Astrape does not run, until `wanted` of what hangs on the funding.
    ///
    /// # Errors
    /// When that does not come before the theft is safe.
    pub fn asleep_until(&mut self, wanted: impl Fn(&Tree) -> bool) -> Result<()> {
        self.stage.astrape[0].kill()?;
        for _ in 0..DELAY {
            self.stage.bitcoind.mine(1)?;
            let height = self.stage.bitcoind.height()?;
            for ldk in &self.stage.ldk {
                ldk.wait("to see a block", SOON, || Ok((ldk.height() >= height).then_some(())))?;
            }
            // L makes its next transaction of what it has just seen.
            std::thread::sleep(Duration::from_millis(300));
            if wanted(&self.tree()?) {
                return self.stage.astrape[0].start();
            }
        }
        anyhow::bail!("L does not go on: {}\n{}", self.tree()?.told(), self.l().log_end())
    }

    /// Holds that all of a revoked commitment is Astrape's, whatever L has made of it: everything but L's anchor, the fee that L
    /// took out of it for HTLC transactions, and Astrape's own fees. Returns these.
    ///
    /// # Errors
    /// What L has kept.
    pub fn all_is_ours(&self, eve: Eve, tree: &Tree) -> Result<u64> {
        let (root, taken) = (tree.root()?, |branch: &Branch| -> Vec<u64> {
            branch.takes.iter().map(|of| tree.value(of)).collect()
        });
        let ours: Vec<u64> = tree.sweeps().flat_map(taken).collect();
        let anchor_sat = ours.iter().filter(|&&sat| sat == ANCHOR_SAT).sum::<u64>();
        let brings = ours.iter().sum::<u64>();
        let anchors = if self.kind == Kind::Anchors { 2 * ANCHOR_SAT } else { 0 };
        let took = |branch: &Branch| {
            let kept =
                branch.tx.output.iter().filter(|o| o.script_pubkey.is_p2wsh()).map(|o| o.value.to_sat());
            taken(branch).into_iter().filter(|&sat| sat != ANCHOR_SAT).sum::<u64>().saturating_sub(kept.sum())
        };
        let theirs = tree.branches.iter().skip(1).filter(|branch| !tree.is_sweep(branch));
        let took: u64 = theirs.map(took).sum();
        ensure!(
            brings - anchor_sat == CAPACITY_SAT - root.fee_sat - anchors - took,
            "{brings} of {CAPACITY_SAT} - {} - {anchors} - {took}: {}",
            root.fee_sat,
            tree.told()
        );
        let fees: u64 = tree.sweeps().map(|branch| branch.fee_sat).sum();
        self.coins_are(eve.coins_sat + brings - fees, tree)?;
        let why = "the peer tried to take back a state that it had revoked: all of it is ours";
        let told = self.story()?;
        ensure!(told["over"] == true && told["kind"] == "revoked" && text(&told, "why")? == why, "{told}");
        let sums = (number(&told, "returned_sat")?, number(&told, "fees_sat")?);
        ensure!(sums == (brings - fees, fees), "{sums:?}: {told}\n{}", tree.told());
        ensure!(self.l().seen().returned.is_empty(), "L has {:?}", self.l().seen().returned);
        Ok(fees)
    }

    /// What hangs on the funding, so far.
    ///
    /// # Errors
    /// When bitcoind does not answer.
    pub fn tree(&self) -> Result<Tree> {
        Tree::grown(&self.stage.bitcoind, self.funding, self.born)
    }

    /// Holds that the commitment on chain pays out what was due, to the satoshi.
    ///
    /// # Errors
    /// What it does not.
    pub fn commitment_is_right(&self, due: &Due, tree: &Tree) -> Result<()> {
        let mut expected: BTreeMap<u64, usize> = BTreeMap::new();
        let anchors = if self.kind == Kind::Anchors { 2 } else { 0 };
        let outputs = due.mains.into_iter().chain(due.htlcs.iter().map(|(sat, _)| *sat));
        for value in outputs.chain(std::iter::repeat_n(ANCHOR_SAT, anchors)) {
            *expected.entry(value).or_default() += 1;
        }
        let (values, root) = (tree.values()?, tree.root()?);
        ensure!(values == expected, "{due:?}: {values:?}");
        ensure!(root.fee_sat == due.lost_sat && due.lost_sat >= due.fee_sat, "{due:?}: {}", root.fee_sat);
        Ok(())
    }

    /// Holds that Astrape has on chain what was due, less the fees of its own transactions, to the satoshi, and tells it.
    /// Returns the fees.
    ///
    /// # Errors
    /// When it has not.
    pub fn ours_is_right(&self, due: &Due, closer: Who, tree: &Tree) -> Result<u64> {
        let ours = due.htlcs.iter().filter(|(_, who)| *who == Who::Ours).map(|(sat, _)| sat).sum::<u64>();
        let brings = due.mains[0] + ours;
        let fees = tree.fees_of_astrape();
        self.coins_are(due.coins_sat + brings + tree.anchors_of_astrape() - fees, tree)?;
        let (kind, why) = match closer {
            Who::Ours => ("ours", "we went on chain: by the user's wish"),
            Who::Theirs => ("theirs", THEIR_REASON),
        };
        self.story_is_right(kind, why, brings, tree)?;
        Ok(fees)
    }

    /// Holds that Astrape's wallet has exactly so much.
    ///
    /// # Errors
    /// When it has not.
    pub fn coins_are(&self, expected_sat: u64, tree: &Tree) -> Result<()> {
        let ours = &self.stage.astrape[0];
        let mut has = 0;
        let found = wait::until(&format!("ours to have {expected_sat} sat"), SOON, || {
            has = accounts::on_chain(ours)?;
            Ok((has == expected_sat).then_some(()))
        });
        found.with_context(|| {
            format!("it has {has}: {}\n{}\n{}", tree.told(), ours.log_end(), self.l().log_end())
        })
    }

    /// Mines until L has on chain what was due, less what its own transactions take of it for fees, to the satoshi.
    ///
    /// # Errors
    /// When it has not in time.
    pub fn theirs_is_right(&mut self, due: &Due) -> Result<()> {
        let theirs = due.htlcs.iter().filter(|(_, who)| *who == Who::Theirs).map(|(sat, _)| sat).sum::<u64>();
        let brings = due.mains[1] + theirs;
        let mut has = (0, 0);
        for _ in 0..MAX_BLOCKS / 10 {
            let (tree, returned) = (self.tree()?, self.l().seen().returned);
            let scripts: BTreeSet<&[u8]> = returned.iter().map(|(script, _)| script.as_slice()).collect();
            let fee = |branch: &Branch| {
                let taken: u64 =
                    branch.takes.iter().map(|of| tree.value(of)).filter(|&v| v != ANCHOR_SAT).sum();
                let kept = branch.tx.output.iter().filter(|output| {
                    output.script_pubkey.is_p2wsh() || scripts.contains(output.script_pubkey.as_bytes())
                });
                taken.saturating_sub(kept.map(|output| output.value.to_sat()).sum())
            };
            has = (returned.iter().map(|(_, sat)| sat).sum(), tree.of_astrape(false).map(fee).sum());
            if has.0 + has.1 == brings {
                return Ok(());
            }
            self.stage.bitcoind.mine(10)?;
            self.stage.wait_for_height()?;
        }
        anyhow::bail!("L has {has:?} of {brings}: {}\n{}", self.tree()?.told(), self.l().log_end())
    }

    /// What Astrape tells of the close, found by the beginning of the channel's id.
    ///
    /// # Errors
    /// When it tells nothing.
    pub fn story(&self) -> Result<Value> {
        let told = self.stage.astrape[0].ask(&["onchain", &self.with_l[..16]])?;
        ensure!(told["closes"].as_array().is_some_and(|closes| closes.len() == 1), "{told}");
        Ok(told["closes"][0].clone())
    }

    /// Holds that Astrape tells of the close, now that it is over, what it was and why, and what it brought and cost, to the
    /// satoshi; and that the wallet has so much more than before.
    ///
    /// # Errors
    /// What it tells wrongly.
    pub fn story_is_right(&self, kind: &str, why: &str, brings_sat: u64, tree: &Tree) -> Result<()> {
        let told = self.story()?;
        ensure!(told["over"] == true && told["kind"] == kind, "{told}");
        ensure!(text(&told, "why")? == why, "{told}");
        ensure!(text(&told, "txid")? == tree.root()?.txid.to_string(), "{told}");
        let sums = (number(&told, "returned_sat")?, number(&told, "fees_sat")?);
        let (fees, anchors) = (tree.fees_of_astrape(), tree.anchors_of_astrape());
        // Who opened the channel pays for what closed it, and for the anchors that nobody gave back.
        let made = *tree.values()?.get(&ANCHOR_SAT).unwrap_or(&0) as u64 * ANCHOR_SAT;
        let cost = if self.opener == Who::Ours { tree.root()?.fee_sat + made - anchors } else { 0 };
        let expected = (brings_sat + anchors - fees, fees + cost);
        ensure!(sums == expected, "{expected:?}: {told}\n{}", tree.told());
        ensure!(told["events"].as_array().is_some_and(|events| events.len() >= 3), "{told}");
        Ok(())
    }

    /// Holds that payments of LDK's ended so: whether each was paid.
    ///
    /// # Errors
    /// When one did not.
    pub fn ended(&self, payer: &Ldk, payments: &[([u8; 32], bool)]) -> Result<u64> {
        let mut fees = 0;
        for (hash, is_paid) in payments {
            match payer.end_of(*hash)? {
                Ended::Paid { fee_msat } if *is_paid => fees += fee_msat,
                Ended::Failed { .. } if !is_paid => {}
                other => anyhow::bail!("{other:?}, paid should be {is_paid}\n{}", payer.log_end()),
            }
        }
        Ok(fees)
    }
}

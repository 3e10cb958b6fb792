//! Where the plays take place: bitcoind, nodes of both kinds, channels between them, and whether both sides say the same.

use crate::ldk::{Kind, Ldk};
use anyhow::{Context as _, Result, ensure};
use astrape_interop::Wire;
use astrape_interop::accounts::{self, Side, number, text};
use astrape_interop::line::{DEEP, SOON};
use astrape_interop::{Bitcoind, Cli, Daemon, wait};
use bitcoin::secp256k1::PublicKey;
use bitcoin::{OutPoint, Transaction};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long payments that are under way may take to end.
pub const TO_END: Duration = Duration::from_secs(150);

/// Most that a closing transaction may cost here: it has two outputs, and nothing is urgent on regtest.
const MAX_CLOSING_FEE_SAT: u64 = 5_000;

/// A bitcoind, and the nodes beside it.
pub struct Stage {
    /// The chain.
    pub bitcoind: Arc<Bitcoind>,
    /// Nodes of ours, as processes.
    pub astrape: Vec<Daemon>,
    /// Nodes of theirs.
    pub ldk: Vec<Ldk>,
}

impl Stage {
    /// Starts so many nodes of ours, funded with `coins_sat` each, and so many of theirs. `None` where tests beside a bitcoind
    /// are left out.
    ///
    /// # Errors
    /// When one does not come up.
    pub fn start(ours: usize, theirs: usize, kind: Kind, coins_sat: &[u64]) -> Result<Option<Self>> {
        let Some(bitcoind) = Bitcoind::start()? else { return Ok(None) };
        let bitcoind = Arc::new(bitcoind);
        let mut astrape = Vec::new();
        for name in ["A", "B"].iter().take(ours) {
            let mut node = Daemon::new(name, &bitcoind, &[])?;
            node.spawn()?;
            astrape.push(node);
        }
        for node in &mut astrape {
            node.wait_until_up()?;
            for coin in coins_sat {
                bitcoind.fund(&node.ask_for(&["newaddr"], "address")?, *coin)?;
            }
        }
        let names = ["L", "M"].iter().take(theirs);
        let ldk = names.map(|name| Ldk::start(name, &bitcoind, kind)).collect::<Result<_>>()?;
        let stage = Self { bitcoind, astrape, ldk };
        stage.wait_for_height()?;
        Ok(Some(stage))
    }

    /// Connects a node of theirs with one of ours.
    ///
    /// # Errors
    /// When they do not find each other.
    pub fn connect(&self, ldk: usize, astrape: usize) -> Result<PublicKey> {
        let (id, address) = address_of(&self.astrape[astrape])?;
        self.ldk[ldk].connect(id, address)?;
        self.met(ldk, astrape, id)
    }

    /// Connects them by a wire that can be cut.
    ///
    /// # Errors
    /// When they do not find each other.
    pub fn connect_by_wire(&self, ldk: usize, astrape: usize) -> Result<(PublicKey, Wire)> {
        let (id, address) = address_of(&self.astrape[astrape])?;
        let wire = Wire::to(address)?;
        self.ldk[ldk].connect(id, wire.address())?;
        Ok((self.met(ldk, astrape, id)?, wire))
    }

    fn met(&self, ldk: usize, astrape: usize, id: PublicKey) -> Result<PublicKey> {
        let peer = self.ldk[ldk].id().to_string();
        wait::until("ours to know theirs", SOON, || {
            let peers = self.astrape[astrape].ask(&["peers"])?.to_string();
            Ok(peers.contains(&peer).then_some(()))
        })?;
        Ok(id)
    }

    /// Has a node of theirs open a channel with one of ours and buries it. Returns its id.
    ///
    /// # Errors
    /// When it does not come about.
    pub fn ldk_opens(&self, ldk: usize, astrape: usize, amount_sat: u64, push_sat: u64) -> Result<String> {
        let (peer, _) = address_of(&self.astrape[astrape])?;
        let channel = self.ldk[ldk].open(peer, amount_sat, push_sat * 1_000)?;
        self.bury(ldk, astrape, &channel)?;
        Ok(channel)
    }

    /// Has a node of ours open a private channel with one of theirs and buries it. Returns its id.
    ///
    /// # Errors
    /// When it does not come about.
    pub fn astrape_opens(
        &self,
        astrape: usize,
        ldk: usize,
        amount_sat: u64,
        push_sat: u64,
    ) -> Result<String> {
        self.opened(astrape, ldk, amount_sat, push_sat, &["--private"])
    }

    /// The same with a channel that the network is told of.
    ///
    /// # Errors
    /// When it does not come about.
    pub fn astrape_opens_announced(
        &self,
        astrape: usize,
        ldk: usize,
        amount_sat: u64,
        push_sat: u64,
    ) -> Result<String> {
        self.opened(astrape, ldk, amount_sat, push_sat, &[])
    }

    fn opened(
        &self,
        astrape: usize,
        ldk: usize,
        amount_sat: u64,
        push_sat: u64,
        options: &[&str],
    ) -> Result<String> {
        let peer = self.ldk[ldk].id().to_string();
        let (amount, push) = (format!("{amount_sat}sat"), format!("{push_sat}sat"));
        let command = [&["open", &peer, &amount, "--push", &push][..], options].concat();
        let opened = self.astrape[astrape].ask(&command);
        let opened = opened.with_context(|| self.ldk[ldk].log_end())?;
        let channel = text(&opened, "channel_id")?;
        self.bury(ldk, astrape, &channel)?;
        Ok(channel)
    }

    fn bury(&self, ldk: usize, astrape: usize, channel: &str) -> Result<()> {
        wait::until("the funding to be broadcast", SOON, || {
            Ok((!self.bitcoind.mempool()?.is_empty()).then_some(()))
        })?;
        self.bitcoind.mine(DEEP)?;
        self.wait_for_height()?;
        self.wait_for_rest(ldk, astrape, channel)?;
        self.ldk[ldk].wait("the peer's channel_update", SOON, || {
            Ok(self.ldk[ldk].channel(channel)?.counterparty.forwarding_info.map(drop))
        })?;
        if self.ldk[ldk].channel(channel)?.is_announced {
            return Ok(());
        }
        // Hints in invoices need what the peer's channel_update says; a node that the network knows gives none.
        let (ours, theirs) = (&self.astrape[astrape], self.ldk[ldk].id().to_string());
        wait::until("ours to know what theirs asks for forwarding", SOON, || {
            let invoice = ours.invoice("any", "hints")?;
            let read = ours.ask(&["decode", &invoice])?["route_hints"].to_string();
            Ok(read.contains(&theirs).then_some(()))
        })
    }

    /// Waits until all have seen the newest block.
    ///
    /// # Errors
    /// When they have not soon.
    pub fn wait_for_height(&self) -> Result<()> {
        let height = self.bitcoind.height()?;
        for node in &self.astrape {
            wait::until(&format!("{} to see block {height}", node.name()), SOON, || {
                Ok((node.ask(&["getinfo"])?["block_height"] == height).then_some(()))
            })?;
        }
        for node in &self.ldk {
            node.wait(&format!("to see block {height}"), SOON, || {
                Ok((node.height() >= height).then_some(()))
            })?;
        }
        Ok(())
    }

    /// Waits until nothing is in flight in a channel, on either side.
    ///
    /// # Errors
    /// When that takes too long, or the channel is gone.
    pub fn wait_for_rest(&self, ldk: usize, astrape: usize, channel: &str) -> Result<()> {
        let (theirs, ours) = (&self.ldk[ldk], &self.astrape[astrape]);
        let rest = theirs.wait("to rest with its peer", TO_END, || {
            let side = side(ours, channel)?;
            let details = theirs.channel(channel)?;
            let rests = details.is_usable
                && details.pending_inbound_htlcs.is_empty()
                && details.pending_outbound_htlcs.is_empty()
                && (side.htlcs, side.connected, side.state.as_str()) == (0, true, "ready");
            Ok(rests.then_some(()))
        });
        rest.with_context(|| {
            format!("ours says {:?}, theirs {:?}", side(ours, channel), theirs.channel(channel))
        })
    }

    /// Holds that both sides say the same of a channel at rest. Returns what is ours and what is theirs, in millisatoshi.
    ///
    /// # Errors
    /// What they do not agree on.
    pub fn agree(&self, ldk: usize, astrape: usize, channel: &str) -> Result<(u64, u64)> {
        self.wait_for_rest(ldk, astrape, channel)?;
        let side = side(&self.astrape[astrape], channel)?;
        let (theirs, ours) = self.ldk[ldk].shares(channel)?;
        ensure!(
            (side.local_msat, side.remote_msat) == (ours, theirs),
            "ours says {side:?}; theirs says {theirs} is its own and {ours} ours"
        );
        Ok((ours, theirs))
    }

    /// Follows a channel to its end, which a side has begun with `close`, and holds that what both said is what both get, to the
    /// satoshi. Returns the fee.
    ///
    /// # Errors
    /// What does not come out.
    pub fn closes(
        &self,
        (ldk, astrape, channel): (usize, usize, &str),
        close: impl FnOnce(&Self) -> Result<()>,
    ) -> Result<u64> {
        let (theirs, ours) = (&self.ldk[ldk], &self.astrape[astrape]);
        let (ours_msat, theirs_msat) = self.agree(ldk, astrape, channel)?;
        let details = theirs.channel(channel)?;
        let funding = details.funding_txo.context("no funding")?.into_bitcoin_outpoint();
        let (coins_before, seen_before) = (accounts::on_chain(ours)?, theirs.seen().returned.len());
        close(self)?;
        let closing = theirs.wait("a closing transaction", SOON, || self.spender(funding))?;
        self.bitcoind.mine(DEEP)?;
        self.wait_for_height()?;
        let returned = theirs
            .wait("its part on chain", SOON, || Ok(theirs.seen().returned.get(seen_before).cloned()))?;
        let closed =
            theirs.wait("to call the channel closed", SOON, || Ok(theirs.seen().closed.remove(channel)))?;
        ensure!(closed.own_msat == theirs_msat, "at the end theirs says {closed:?}, before {theirs_msat}");
        let fee = details.channel_value_satoshis
            - closing.output.iter().map(|output| output.value.to_sat()).sum::<u64>();
        // The opener pays. A satoshi that belongs to both in part goes to the miner as well.
        let shared = u64::from(ours_msat % 1_000 != 0);
        let opener_pays = |is_opener: bool| if is_opener { fee - shared } else { 0 };
        let (ours_sat, theirs_sat) = (
            ours_msat / 1_000 - opener_pays(!details.is_outbound),
            theirs_msat / 1_000 - opener_pays(details.is_outbound),
        );
        let script = theirs.shutdown_script()?;
        ensure!(
            returned == (script.to_bytes(), theirs_sat),
            "theirs got {returned:?}, and expected {theirs_sat}"
        );
        let paid = |sat: u64| closing.output.iter().find(|output| output.value.to_sat() == sat);
        ensure!(closing.output.len() == 2, "{closing:?}");
        ensure!(paid(theirs_sat).is_some_and(|o| o.script_pubkey == script), "{theirs_sat}: {closing:?}");
        ensure!(paid(ours_sat).is_some(), "{ours_sat}: {closing:?}");
        ensure!((1..=MAX_CLOSING_FEE_SAT).contains(&fee), "a fee of {fee}: {closing:?}");
        wait::until(&format!("ours to have {ours_sat} sat more than {coins_before}"), SOON, || {
            Ok((accounts::on_chain(ours)? == coins_before + ours_sat).then_some(()))
        })
        .with_context(|| format!("{:?}; {closing:?}", ours.ask(&["balance"])))?;
        Ok(fee)
    }

    /// What in the mempool spends an output.
    ///
    /// # Errors
    /// When bitcoind does not answer.
    pub fn spender(&self, of: OutPoint) -> Result<Option<Transaction>> {
        for txid in self.bitcoind.mempool()? {
            // It may have been replaced or mined since.
            let Some(transaction) = self.bitcoind.find_transaction(&txid)? else { continue };
            if transaction.input.iter().any(|input| input.previous_output == of) {
                return Ok(Some(transaction));
            }
        }
        Ok(None)
    }
}

/// What a node of ours says of a channel.
///
/// # Errors
/// When it says nothing.
pub fn side(node: &Cli, channel: &str) -> Result<Side> {
    let mut sides = accounts::sides(node)?;
    sides.remove(channel).with_context(|| format!("ours has no channel {channel}, but {sides:?}"))
}

/// The feerate of a channel's commitments, by a node of ours.
///
/// # Errors
/// When it does not say.
pub fn feerate(node: &Cli, channel: &str) -> Result<u64> {
    let channels = node.channels()?;
    let found = channels.iter().find(|of| of["channel_id"] == channel);
    number(found.with_context(|| format!("no channel {channel}"))?, "feerate_perkw")
}

fn address_of(node: &Daemon) -> Result<(PublicKey, SocketAddr)> {
    let address = node.peer_address()?;
    let (id, at) = address.split_once('@').context("no address")?;
    Ok((id.parse()?, at.parse()?))
}

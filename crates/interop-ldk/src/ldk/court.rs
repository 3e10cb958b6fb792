//! What an LDK node does at the end of a channel: hold payments, go on chain, and cheat.

use super::{Inner, Ldk, SOON, driver, hash_of, lock};
use anyhow::{Context as _, Result, bail, ensure};
use bitcoin::{Block, Transaction};
use lightning::bolt11_invoice::Bolt11Invoice;
use lightning::chain::channelmonitor::ChannelMonitor;
use lightning::events::Event;
use lightning::ln::channelmanager::{PaymentId, RecipientOnionFields};
use lightning::routing::router::{Path, Route, RouteHop};
use lightning::sign::InMemorySigner;
use lightning::types::features::{ChannelFeatures, NodeFeatures};
use lightning::types::payment::{PaymentHash, PaymentPreimage};
use lightning::util::ser::ReadableArgs as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Payments that are neither claimed nor refused until the test says so.
#[derive(Default)]
pub(super) struct Holding {
    /// Hashes of those that are to be held when they arrive.
    pub(super) wanted: BTreeSet<[u8; 32]>,
    /// Those that arrived.
    arrived: BTreeMap<[u8; 32], PaymentPreimage>,
}

impl Holding {
    /// Whether a payment that arrived is to be held.
    pub(super) fn takes(&mut self, hash: [u8; 32], preimage: PaymentPreimage) -> bool {
        let takes = self.wanted.contains(&hash);
        if takes {
            self.arrived.insert(hash, preimage);
        }
        takes
    }
}

/// A state of a channel that its owner should have forgotten, with all that LDK makes of it on chain.
pub(super) struct Old(ChannelMonitor<InMemorySigner>);

impl Old {
    /// Feeds it the blocks that it has not seen.
    pub(super) fn follow(
        &self,
        node: &Inner,
        block_at: impl Fn(u32) -> Result<Block>,
        best: u32,
    ) -> Result<()> {
        for height in self.0.current_best_block().height + 1..=best {
            let block = block_at(height)?;
            let all: Vec<(usize, &Transaction)> = block.txdata.iter().enumerate().collect();
            self.0.block_connected(&block.header, &all, height, &*node.mailbox, &*node.fees, &node.notes);
        }
        Ok(())
    }

    /// Pays for what it wants to broadcast.
    pub(super) fn turn(&self, node: &Inner) {
        let handle = |event: Event| {
            if let Event::BumpTransaction(bump) = &event {
                node.bumper.handle_event(bump);
            }
            Ok(())
        };
        let _ = self.0.process_pending_events(&&handle, &node.notes);
    }
}

impl Ldk {
    /// Begins to pay an invoice over one of its channels and the hop that the invoice names, with the expiries that both ask for
    /// and not a block more: LDK's router adds up to 120, so that nobody on the way knows how near its end is.
    ///
    /// # Errors
    /// When LDK refuses to, or the invoice names no hop.
    pub fn begin_to_pay_exactly(&self, invoice: &Bolt11Invoice, channel: &str) -> Result<()> {
        let hints = invoice.route_hints();
        let hint = hints.first().and_then(|hint| hint.0.first()).context("no hint")?;
        let amount = invoice.amount_milli_satoshis().context("no amount")?;
        let fee = u64::from(hint.fees.base_msat)
            + amount * u64::from(hint.fees.proportional_millionths) / 1_000_000;
        let first = self.channel(channel)?.get_outbound_payment_scid().context("not usable")?;
        let hop = |pubkey, short_channel_id, fee_msat, cltv_expiry_delta| RouteHop {
            pubkey,
            node_features: NodeFeatures::empty(),
            short_channel_id,
            channel_features: ChannelFeatures::empty(),
            fee_msat,
            cltv_expiry_delta,
            maybe_announced_channel: false,
        };
        let last_delta = u32::try_from(invoice.min_final_cltv_expiry_delta())?;
        let hops = vec![
            hop(hint.src_node_id, first, fee, hint.cltv_expiry_delta.into()),
            hop(invoice.get_payee_pub_key(), hint.short_channel_id, amount, last_delta),
        ];
        let route = Route { paths: vec![Path { hops, blinded_tail: None }], route_params: None };
        let hash = hash_of(invoice);
        let secret = RecipientOnionFields::secret_only(*invoice.payment_secret());
        let sent =
            self.inner.manager.send_payment_with_route(route, PaymentHash(hash), secret, PaymentId(hash));
        sent.map_err(|error| anyhow::anyhow!("{error:?}"))
    }

    /// An invoice whose payment it holds until [`Ldk::claim`].
    ///
    /// # Errors
    /// When LDK makes none.
    pub fn invoice_to_hold(&self, amount_msat: u64) -> Result<Bolt11Invoice> {
        let invoice = self.invoice(amount_msat)?;
        lock(&self.inner.holding).wanted.insert(hash_of(&invoice));
        Ok(invoice)
    }

    /// Waits until it holds a payment.
    ///
    /// # Errors
    /// When that does not arrive.
    pub fn wait_to_hold(&self, hash: [u8; 32]) -> Result<()> {
        self.wait("to hold a payment", SOON, || {
            Ok(lock(&self.inner.holding).arrived.contains_key(&hash).then_some(()))
        })
    }

    /// Claims a payment that it holds.
    ///
    /// # Errors
    /// When it holds none of this hash.
    pub fn claim(&self, hash: [u8; 32]) -> Result<()> {
        let preimage = lock(&self.inner.holding).arrived.remove(&hash).context("it holds no such payment")?;
        self.inner.manager.claim_funds(preimage);
        Ok(())
    }

    /// Goes on chain with its commitment.
    ///
    /// # Errors
    /// When LDK refuses to.
    pub fn force_close(&self, channel: &str) -> Result<()> {
        let details = self.channel(channel)?;
        let peer = details.counterparty.node_id;
        let text = "the test wants it".to_owned();
        let _gate = lock(&self.inner.gate);
        let closed = self.inner.manager.force_close_broadcasting_latest_txn(&details.channel_id, &peer, text);
        closed.map_err(|error| anyhow::anyhow!("{error:?}"))?;
        driver::broadcast_first(&self.inner);
        Ok(())
    }

    /// Keeps, to cheat with, the state that a channel has when it has claimed a payment that it holds and not yet told of it.
    ///
    /// # Errors
    /// When it holds none of this hash.
    pub fn claim_and_keep_state(&self, hash: [u8; 32]) -> Result<()> {
        self.inner.drawer.keep_next();
        self.claim(hash)
    }

    /// Broadcasts the commitment that was kept, and whatever LDK makes of it as blocks come.
    ///
    /// # Errors
    /// When none was kept.
    pub fn cheat(&self) -> Result<()> {
        let kept = self.inner.drawer.kept().context("no state was kept")?;
        let keys = &*self.keys;
        let read = <(bitcoin::BlockHash, ChannelMonitor<InMemorySigner>)>::read(&mut &kept[..], (keys, keys));
        let (_, monitor) = read.map_err(|error| anyhow::anyhow!("{error:?}"))?;
        let node: &Arc<Inner> = &self.inner;
        monitor.broadcast_latest_holder_commitment_txn(&node.mailbox, &node.fees, &node.notes);
        lock(&node.old).push(Old(monitor));
        Ok(())
    }

    /// Holds that nothing went wrong in its own wheels.
    ///
    /// # Errors
    /// What did.
    pub fn is_well(&self) -> Result<()> {
        let trouble = lock(&self.inner.trouble).clone();
        ensure!(trouble.is_empty(), "{}: {trouble:?}", self.notes.name);
        if self.inner.stopping.load(std::sync::atomic::Ordering::SeqCst) {
            bail!("{} has stopped", self.notes.name);
        }
        Ok(())
    }
}

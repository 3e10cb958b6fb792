//! Requests and their answers.

use crate::payments::Payments;
use anyhow::{Context as _, Result, anyhow, bail};
use ldk_node::Node;
use ldk_node::lightning_invoice::{Bolt11InvoiceDescription, Description};
use std::io::{BufRead as _, Write as _};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

/// Requests that are worked on at a time. The calls of ldk-node block; their answers mostly wait for its SQLite.
const WORKERS: usize = 8;

/// Seconds for which an invoice holds.
const EXPIRY_SECS: u32 = 3_600;

/// Writes answers, one line each, from any thread.
#[derive(Debug, Default)]
pub(crate) struct Answers(Mutex<()>);

impl Answers {
    /// Answers the request of this number.
    pub(crate) fn give(&self, number: &str, answer: Result<String>) {
        let line = match answer {
            Ok(result) => format!("{number} ok {result}\n"),
            Err(why) => format!("{number} no {}\n", format!("{why:#}").replace('\n', " ")),
        };
        let _one_at_a_time = self.0.lock();
        let mut out = std::io::stdout().lock();
        // Whoever asked and has gone wants no answer.
        out.write_all(line.as_bytes()).and_then(|()| out.flush()).ok();
    }
}

/// Reads requests and has them worked on.
pub(crate) struct Desk {
    node: Arc<Node>,
    payments: Arc<Payments>,
    answers: Arc<Answers>,
}

impl Desk {
    /// A desk for this node, and its record of payments under way, which wants to follow the node's events.
    pub(crate) fn open(node: Arc<Node>) -> (Self, Arc<Payments>) {
        let answers = Arc::new(Answers::default());
        let payments = Arc::new(Payments::new(Arc::clone(&node), Arc::clone(&answers)));
        (Self { node, payments: Arc::clone(&payments), answers }, payments)
    }

    /// Serves until the input ends.
    pub(crate) fn serve(self) -> Result<()> {
        let (give, requests) = channel::<String>();
        let (desk, requests) = (Arc::new(self), Arc::new(Mutex::new(requests)));
        for _ in 0..WORKERS {
            let (desk, requests) = (Arc::clone(&desk), Arc::clone(&requests));
            std::thread::spawn(move || while desk.serve_one(&requests).is_some() {});
        }
        for line in std::io::stdin().lock().lines() {
            give.send(line?)?;
        }
        Ok(())
    }

    fn serve_one(&self, requests: &Mutex<Receiver<String>>) -> Option<()> {
        let line = requests.lock().ok()?.recv().ok()?;
        let mut words = line.split(' ');
        let number = words.next().unwrap_or_default();
        let request: Vec<&str> = words.collect();
        match request[..] {
            // Answered by the event that ends the payment.
            ["pay", invoice] => self.payments.begin(number, invoice),
            _ => self.answers.give(number, self.answer(&request)),
        }
        Some(())
    }

    fn answer(&self, request: &[&str]) -> Result<String> {
        match request {
            ["id"] => Ok(self.node.node_id().to_string()),
            ["address"] => Ok(self.node.onchain_payment().new_address()?.to_string()),
            ["sync"] => self.node.sync_wallets().map(|()| String::new()).map_err(Into::into),
            ["spendable"] => Ok(self.node.list_balances().spendable_onchain_balance_sats.to_string()),
            ["open", peer, address, amount_sat, push_sat] => {
                self.open_channel(peer, address, amount_sat, push_sat)
            }
            ["usable"] => {
                Ok(self.node.list_channels().iter().filter(|channel| channel.is_usable).count().to_string())
            }
            ["known"] => Ok(self.known().to_string()),
            ["reconnect"] => self.reconnect(),
            ["invoice", amount_msat] => self.invoice(amount_msat.parse()?),
            _ => bail!("no such request"),
        }
    }

    fn open_channel(&self, peer: &str, address: &str, amount_sat: &str, push_sat: &str) -> Result<String> {
        let address = address.parse().map_err(|why| anyhow!("{why:?}"))?;
        let push_msat = push_sat.parse::<u64>()?.checked_mul(1_000).context("too much")?;
        self.node.open_announced_channel(
            peer.parse()?,
            address,
            amount_sat.parse()?,
            Some(push_msat),
            None,
        )?;
        Ok(String::new())
    }

    /// Channels that payments could be routed through, ours or not: both sides have told their terms.
    fn known(&self) -> usize {
        let graph = self.node.network_graph();
        let channels = graph.list_channels().into_iter().filter_map(|id| graph.channel(id));
        channels.filter(|channel| channel.one_to_two.is_some() && channel.two_to_one.is_some()).count()
    }

    /// Ends the connections that it dialled and dials anew: a peer then tells all the gossip that it has.
    fn reconnect(&self) -> Result<String> {
        for peer in self.node.list_peers().into_iter().filter(|peer| peer.is_persisted) {
            self.node.disconnect(peer.node_id)?;
            self.node.connect(peer.node_id, peer.address, true)?;
        }
        Ok(String::new())
    }

    fn invoice(&self, amount_msat: u64) -> Result<String> {
        let description = Bolt11InvoiceDescription::Direct(Description::new("one of many".to_owned())?);
        Ok(self.node.bolt11_payment().receive(amount_msat, &description, EXPIRY_SECS)?.to_string())
    }
}

//! Commands that ask a node: each is one call of the API, shown.

mod channels;
mod events;
mod graph;
mod invoices;
mod money;
mod node;
mod payments;
mod place;

use super::exit::Failure;
use super::fields::in_words_of;
use super::{Action, output};
use crate::config::Invocation;
use astrape_api::Client;

/// A node to ask, and how to show its answers.
struct Asking {
    client: Client,
    json: bool,
}

/// Asks the node.
pub(crate) fn ask(invocation: &Invocation) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::Refused(format!("cannot start: {e}")))?;
    runtime.block_on(async {
        let client = place::reach(invocation).await?;
        let asking = Asking { client, json: invocation.cli.json };
        asking.perform(&invocation.cli.action).await.map_err(|failure| in_words_of(invocation, failure))
    })
}

impl Asking {
    async fn perform(self, action: &Action) -> Result<(), Failure> {
        match action {
            Action::Getinfo => self.getinfo().await,
            Action::Newaddr => self.newaddr().await,
            Action::Balance => self.balance().await,
            Action::Listfunds => self.listfunds().await,
            Action::Withdraw(withdraw) => self.withdraw(withdraw).await,
            Action::Bumpfee(bump) => self.bumpfee(bump).await,
            Action::Recover(recover) => self.recover(recover).await,
            Action::Connect { peer } => self.connect(peer).await,
            Action::Disconnect { peer } => self.disconnect(peer).await,
            Action::Peers => self.peers().await,
            Action::Open(open) => self.open(open).await,
            Action::Channels => self.channels().await,
            Action::Setchannel(change) => self.setchannel(change).await,
            Action::Stats(stats) => self.stats(stats).await,
            Action::Close(close) => self.close(close).await,
            Action::Onchain(onchain) => self.onchain(onchain).await,
            Action::Invoice(invoice) => self.invoice(invoice).await,
            Action::Invoices(page) => self.invoices(page).await,
            Action::Settle(settle) => self.settle(settle).await,
            Action::Cancel { payment_hash } => self.cancel(payment_hash).await,
            Action::Decode { invoice } => self.decode(invoice).await,
            Action::Pay(pay) => self.pay(pay).await,
            Action::Route(route) => self.route(route).await,
            Action::Probe(probe) => self.probe(probe).await,
            Action::Rebalance(rebalance) => self.rebalance(rebalance).await,
            Action::Payments(page) => self.payments(page).await,
            Action::Forwards(forwards) => self.forwards(forwards).await,
            Action::Events { since } => self.events(*since).await,
            Action::Graph { part } => self.graph(part.as_ref()).await,
            Action::Stop => self.stop().await,
            Action::Run(_) | Action::Playground { .. } | Action::Completion { .. } => Ok(()),
        }
    }

    fn show<T: serde::Serialize>(
        &self,
        answer: &T,
        people: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        output::show(self.json, answer, people)
    }
}

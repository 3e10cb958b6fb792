//! Payments under way, and the events that end them.

use crate::desk::Answers;
use anyhow::{Context as _, Result, anyhow};
use ldk_node::bitcoin::hashes::Hash as _;
use ldk_node::lightning::ln::channelmanager::PaymentId;
use ldk_node::lightning_invoice::Bolt11Invoice;
use ldk_node::{Event, Node};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Who waits for which payment.
pub(crate) struct Payments {
    node: Arc<Node>,
    answers: Arc<Answers>,
    /// Numbers of the requests, by payment.
    under_way: Mutex<HashMap<PaymentId, String>>,
}

impl Payments {
    pub(crate) fn new(node: Arc<Node>, answers: Arc<Answers>) -> Self {
        Self { node, answers, under_way: Mutex::default() }
    }

    /// Begins to pay an invoice. The request is answered once it is paid, or cannot be.
    pub(crate) fn begin(&self, number: &str, invoice: &str) {
        if let Err(why) = self.try_begin(number, invoice) {
            self.answers.give(number, Err(why));
        }
    }

    fn try_begin(&self, number: &str, invoice: &str) -> Result<()> {
        let invoice: Bolt11Invoice = invoice.parse().map_err(|why| anyhow!("{why:?}"))?;
        let id = PaymentId(invoice.payment_hash().to_byte_array());
        // Entered first: the event that ends the payment may come before `send` returns.
        self.wait_for(id, number)?;
        if let Err(why) = self.node.bolt11_payment().send(&invoice, None) {
            self.take(id).context("its event came as well")?;
            return Err(why.into());
        }
        Ok(())
    }

    fn wait_for(&self, id: PaymentId, number: &str) -> Result<()> {
        self.under_way.lock().map_err(|_| anyhow!("a thread panicked"))?.insert(id, number.to_owned());
        Ok(())
    }

    fn take(&self, id: PaymentId) -> Option<String> {
        self.under_way.lock().ok()?.remove(&id)
    }

    /// Handles all events, for ever: an ldk-node whose events nobody takes grows.
    pub(crate) fn follow_events(&self) {
        loop {
            let event = self.node.wait_next_event();
            // The event is marked as handled after its answer: this write is no part of the latency.
            match event {
                Event::PaymentSuccessful { payment_id: Some(id), .. } => self.end(id, Ok(String::new())),
                Event::PaymentFailed { payment_id: Some(id), reason, .. } => {
                    self.end(id, Err(anyhow!("the payment failed: {reason:?}")));
                }
                _ => {}
            }
            if let Err(why) = self.node.event_handled() {
                eprintln!("an event cannot be marked as handled: {why}");
                return;
            }
        }
    }

    fn end(&self, id: PaymentId, outcome: Result<String>) {
        if let Some(number) = self.take(id) {
            self.answers.give(&number, outcome);
        }
    }
}

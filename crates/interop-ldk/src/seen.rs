//! What an LDK node said of what happened.

use lightning::events::Event;
use lightning::ln::types::ChannelId;
use lightning::sign::SpendableOutputDescriptor;
use lightning::types::payment::PaymentHash;
use std::collections::{BTreeMap, BTreeSet};

/// How a payment of the node ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The recipient has it.
    Paid {
        /// What the way cost.
        fee_msat: u64,
    },
    /// The recipient does not have it.
    Failed {
        /// What LDK says of it.
        reason: String,
    },
}

/// How a channel ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// What LDK says of it.
    pub reason: String,
    /// What was the node's own, by its last word.
    pub own_msat: u64,
}

/// A payment that the node passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// What the node earned.
    pub fee_msat: u64,
    /// What it passed on.
    pub amount_msat: u64,
}

/// All that the events of a node said so far.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Payments sent that ended, by hash. A payment that is told twice is in [`Seen::twice`].
    pub ended: BTreeMap<[u8; 32], Ended>,
    /// Payments received and claimed, by hash, in millisatoshi.
    pub claimed: BTreeMap<[u8; 32], u64>,
    /// Payments that were offered to the node, and which it was told to refuse.
    pub refused: BTreeSet<[u8; 32]>,
    /// Payments passed on.
    pub forwarded: Vec<Forwarded>,
    /// HTLCs that it could or would not take or pass on.
    pub not_handled: u32,
    /// Channels that are under way, with their type.
    pub pending: BTreeMap<String, String>,
    /// Channels that ended.
    pub closed: BTreeMap<String, Closed>,
    /// What came back on chain, in satoshi, by the script that it is at.
    pub returned: Vec<(Vec<u8>, u64)>,
    /// Hashes that were told paid or claimed twice: must stay empty.
    pub twice: Vec<[u8; 32]>,
}

impl Seen {
    /// Takes note of an event.
    pub(crate) fn note(&mut self, event: &Event) {
        match event {
            Event::PaymentSent { payment_hash, fee_paid_msat, .. } => {
                self.end(*payment_hash, Ended::Paid { fee_msat: fee_paid_msat.unwrap_or(0) });
            }
            Event::PaymentFailed { payment_id, reason, .. } => {
                // Our payments have their hash as id.
                let reason = reason.map_or_else(String::new, |reason| format!("{reason:?}"));
                self.end(PaymentHash(payment_id.0), Ended::Failed { reason });
            }
            Event::PaymentClaimed { payment_hash, amount_msat, .. } => {
                let earlier = self.claimed.insert(payment_hash.0, *amount_msat);
                self.twice.extend(earlier.map(|_| payment_hash.0));
            }
            Event::PaymentForwarded { total_fee_earned_msat, outbound_amount_forwarded_msat, .. } => {
                self.forwarded.push(Forwarded {
                    fee_msat: total_fee_earned_msat.unwrap_or(0),
                    amount_msat: outbound_amount_forwarded_msat.unwrap_or(0),
                });
            }
            Event::HTLCHandlingFailed { .. } => self.not_handled += 1,
            Event::ChannelPending { channel_id, channel_type, .. } => {
                let kind = channel_type.as_ref().map_or_else(String::new, ToString::to_string);
                self.pending.insert(name(*channel_id), kind);
            }
            Event::ChannelClosed { channel_id, reason, last_local_balance_msat, .. } => {
                let closed =
                    Closed { reason: reason.to_string(), own_msat: last_local_balance_msat.unwrap_or(0) };
                self.closed.insert(name(*channel_id), closed);
            }
            Event::SpendableOutputs { outputs, .. } => {
                self.returned.extend(outputs.iter().map(returned));
            }
            _ => {}
        }
    }

    fn end(&mut self, hash: PaymentHash, ended: Ended) {
        if self.ended.insert(hash.0, ended).is_some() {
            self.twice.push(hash.0);
        }
    }
}

/// The name of a channel, as Astrape writes it.
#[must_use]
pub fn name(channel: ChannelId) -> String {
    channel.to_string()
}

fn returned(output: &SpendableOutputDescriptor) -> (Vec<u8>, u64) {
    let output = match output {
        SpendableOutputDescriptor::StaticOutput { output, .. } => output,
        SpendableOutputDescriptor::DelayedPaymentOutput(delayed) => &delayed.output,
        SpendableOutputDescriptor::StaticPaymentOutput(paid) => &paid.output,
    };
    (output.script_pubkey.to_bytes(), output.value.to_sat())
}

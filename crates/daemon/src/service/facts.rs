//! Facts of the ledger as messages, and as a stream.

use super::{NodeService, refusal};
use crate::engine::Stopped;
use astrape_api::v1::event::Fact as FactMessage;
use astrape_api::v1::{
    BumpFeeResponse, ChannelEvent, ChannelEventKind, CustomRecord, Event, EventsRequest, Forward,
    InvoiceEvent, InvoiceState, NeverConfirmed, Payment, PaymentDirection, PaymentState, WithdrawResponse,
};
use astrape_node::{ChannelFact, Entry, Fact};
use astrape_primitives::Msat;
use astrape_storage::sqlite::MAX_PAGE;
use astrape_wire::text::printable;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// Events that wait for a slow reader: the rest waits in the ledger.
const MAX_WAITING: usize = 64;

/// The stream of a caller.
pub(super) type Events = ReceiverStream<Result<Event, Status>>;

impl NodeService {
    pub(super) async fn events(&self, request: EventsRequest) -> Result<Events, Status> {
        let wake = self.handle.facts();
        let first = match request.since {
            Some(first) => first,
            None => self
                .handle
                .read(|ledger| ledger.newest_fact())
                .await
                .map_err(refusal::ledger)?
                .map_or(0, |n| n + 1),
        };
        let (to, events) = mpsc::channel(MAX_WAITING);
        let service = self.clone();
        tokio::spawn(async move {
            if let Err(status) = service.tell(first, wake, &to).await {
                // The caller may be gone.
                let _ = to.send(Err(status)).await;
            }
        });
        Ok(ReceiverStream::new(events))
    }

    /// Tells facts from `next` on. They are always read from the ledger; what was published only says that there are more.
    async fn tell(
        &self,
        mut next: u64,
        mut wake: Receiver<Entry>,
        to: &mpsc::Sender<Result<Event, Status>>,
    ) -> Result<(), Status> {
        loop {
            let page = self.facts_from(next).await?;
            for entry in &page {
                next = entry.number + 1;
                if to.send(Ok(event(entry))).await.is_err() {
                    return Ok(());
                }
            }
            if page.len() < MAX_PAGE && !self.more(&mut wake, next, to).await? {
                return Ok(());
            }
        }
    }

    /// Waits until there is a fact of number `next`; `false` when the caller has gone.
    async fn more(
        &self,
        wake: &mut Receiver<Entry>,
        next: u64,
        to: &mpsc::Sender<Result<Event, Status>>,
    ) -> Result<bool, Status> {
        loop {
            let heard = tokio::select! {
                heard = self.hear(wake) => heard?,
                () = to.closed() => return Ok(false),
            };
            match heard {
                Heard::Fact(entry) if entry.number < next => {}
                Heard::Fact(_) | Heard::Missed => return Ok(true),
            }
        }
    }

    /// Waits for the next fact that is published.
    pub(super) async fn hear(&self, facts: &mut Receiver<Entry>) -> Result<Heard, Status> {
        let published = tokio::select! {
            published = facts.recv() => published,
            stopped = self.closed() => return Err(refusal::stopped(stopped)),
        };
        match published {
            Ok(entry) => Ok(Heard::Fact(entry)),
            Err(RecvError::Lagged(_)) => Ok(Heard::Missed),
            Err(RecvError::Closed) => Err(refusal::stopped(Stopped)),
        }
    }

    /// A page of facts from a number on.
    pub(super) async fn facts_from(&self, first: u64) -> Result<Vec<Entry>, Status> {
        self.handle.read(move |ledger| ledger.facts_from(first, MAX_PAGE)).await.map_err(refusal::ledger)
    }
}

/// What a listener hears.
pub(super) enum Heard {
    /// The next fact.
    Fact(Entry),
    /// Some were published too fast: they are in the ledger.
    Missed,
}

/// A fact as the contract has it.
pub(super) fn event(entry: &Entry) -> Event {
    let fact = match &entry.fact {
        Fact::PaymentSent { .. } | Fact::PaymentFailed { .. } | Fact::PaymentReceived { .. } => {
            payment(entry).map(FactMessage::Payment)
        }
        Fact::Forwarded { .. } | Fact::ForwardFailed { .. } => forward(entry).map(FactMessage::Forward),
        Fact::InvoiceHeld { payment_hash, amount, until } => Some(FactMessage::Invoice(InvoiceEvent {
            payment_hash: payment_hash.to_string(),
            state: InvoiceState::Held.into(),
            amount_msat: amount.0,
            until_height: Some(until.0),
            text: format!("{amount} wait to be settled or cancelled before block {}", until.0),
        })),
        Fact::InvoiceCanceled { payment_hash, amount, reason } => Some(FactMessage::Invoice(InvoiceEvent {
            payment_hash: payment_hash.to_string(),
            state: InvoiceState::Canceled.into(),
            amount_msat: amount.0,
            until_height: None,
            text: format!("cancelled: {reason}"),
        })),
        Fact::Channel { keys, channel_id, peer, event } => Some(FactMessage::Channel(ChannelEvent {
            keys_id: keys.to_string(),
            channel_id: channel_id.to_string(),
            peer: peer.to_string(),
            ..channel_event(event)
        })),
        Fact::FeeBumped { txid, child, fee } => Some(FactMessage::FeeBumped(BumpFeeResponse {
            txid: txid.to_string(),
            child_txid: child.to_string(),
            fee_sat: fee.0,
            ..BumpFeeResponse::default()
        })),
        Fact::NeverConfirmed { txid, by } => Some(FactMessage::NeverConfirmed(NeverConfirmed {
            txid: txid.to_string(),
            spent_by_txid: by.to_string(),
        })),
        Fact::Withdrawn { txid, amount, fee } => Some(FactMessage::Withdrawn(WithdrawResponse {
            txid: txid.to_string(),
            amount_sat: amount.0,
            fee_sat: fee.0,
            warning: None,
        })),
    };
    Event { number: entry.number, at_ms: entry.at.0, fact }
}

/// A payment of ours that ended; `None` for any other fact.
pub(super) fn payment(entry: &Entry) -> Option<Payment> {
    let ended = |state: PaymentState, direction: PaymentDirection, amount: Msat| Payment {
        state: state.into(),
        direction: direction.into(),
        amount_msat: amount.0,
        ended_at_ms: Some(entry.at.0),
        number: Some(entry.number),
        ..Payment::default()
    };
    match &entry.fact {
        Fact::PaymentSent { payment_hash, preimage, amount, fee, destination, rebalance } => Some(Payment {
            payment_hash: payment_hash.to_string(),
            fee_msat: fee.0,
            destination: Some(destination.to_string()),
            preimage: Some(preimage.reveal_hex()),
            rebalance: *rebalance,
            ..ended(PaymentState::Succeeded, PaymentDirection::Sent, *amount)
        }),
        Fact::PaymentFailed { payment_hash, amount, destination, reason, rebalance } => Some(Payment {
            payment_hash: payment_hash.to_string(),
            destination: Some(destination.to_string()),
            reason: Some(reason.clone()),
            rebalance: *rebalance,
            ..ended(PaymentState::Failed, PaymentDirection::Sent, *amount)
        }),
        Fact::PaymentReceived {
            payment_hash,
            preimage,
            amount,
            keysend,
            custom_records,
            rebalance,
            description,
            bolt11: _,
        } => Some(Payment {
            description: (!description.is_empty()).then(|| description.clone()),
            payment_hash: payment_hash.to_string(),
            preimage: Some(preimage.reveal_hex()),
            keysend: *keysend,
            rebalance: *rebalance,
            custom_records: custom_records
                .iter()
                .map(|(r#type, value)| CustomRecord { r#type: *r#type, value: hex::encode(value) })
                .collect(),
            ..ended(PaymentState::Succeeded, PaymentDirection::Received, *amount)
        }),
        _ => None,
    }
}

/// A payment of others; `None` for any other fact.
pub(super) fn forward(entry: &Entry) -> Option<Forward> {
    let (number, at_ms) = (entry.number, entry.at.0);
    match &entry.fact {
        Fact::Forwarded { payment_hash, incoming, outgoing, amount_in, amount_out, took_ms } => {
            Some(Forward {
                number,
                at_ms,
                payment_hash: payment_hash.to_string(),
                incoming: incoming.to_string(),
                outgoing: Some(outgoing.to_string()),
                amount_in_msat: amount_in.0,
                amount_out_msat: Some(amount_out.0),
                fee_msat: amount_in.saturating_sub(*amount_out).0,
                took_ms: *took_ms,
                failure: None,
                failed_here: false,
                incoming_channel: None,
                outgoing_channel: None,
            })
        }
        Fact::ForwardFailed {
            payment_hash,
            incoming,
            outgoing,
            amount_in,
            amount_out,
            took_ms,
            by_us,
            reason,
        } => Some(Forward {
            number,
            at_ms,
            payment_hash: payment_hash.to_string(),
            incoming: incoming.to_string(),
            outgoing: outgoing.map(|keys| keys.to_string()),
            amount_in_msat: amount_in.0,
            amount_out_msat: Some(amount_out.0),
            fee_msat: 0,
            took_ms: *took_ms,
            failure: Some(printable(reason.as_bytes())),
            failed_here: *by_us,
            incoming_channel: None,
            outgoing_channel: None,
        }),
        _ => None,
    }
}

/// A turning point without the names of its channel.
pub(super) fn channel_event(fact: &ChannelFact) -> ChannelEvent {
    let told = |kind: ChannelEventKind, text: String| ChannelEvent {
        kind: kind.into(),
        text,
        ..ChannelEvent::default()
    };
    let why = |reason: &str| printable(reason.as_bytes());
    let who = |by_us: bool| if by_us { "by us" } else { "by the peer" };
    match fact {
        ChannelFact::NotOpened { reason } => {
            told(ChannelEventKind::NotOpened, format!("not opened: {}", why(reason)))
        }
        ChannelFact::Opened { outpoint, capacity, by_us } => ChannelEvent {
            funding_outpoint: Some(outpoint.to_string()),
            txid: Some(outpoint.txid.to_string()),
            ..told(ChannelEventKind::Opened, format!("opened {} with {capacity}", who(*by_us)))
        },
        ChannelFact::FundingConfirmed => {
            told(ChannelEventKind::FundingConfirmed, "the funding is in the chain".to_owned())
        }
        ChannelFact::FundingReorged => {
            told(ChannelEventKind::FundingReorged, "the funding left the chain".to_owned())
        }
        ChannelFact::Ready => told(ChannelEventKind::Ready, "ready for payments".to_owned()),
        ChannelFact::ShuttingDown { by_us } => {
            told(ChannelEventKind::ShuttingDown, format!("shutting down, begun {}", who(*by_us)))
        }
        ChannelFact::ClosingAgreed { txid, fee } => ChannelEvent {
            txid: Some(txid.to_string()),
            ..told(
                ChannelEventKind::ClosingAgreed,
                format!("the closing transaction is agreed on, for a fee of {fee}"),
            )
        },
        ChannelFact::ForceClosing { reason } => {
            told(ChannelEventKind::ForceClosing, format!("going on chain: {}", why(reason)))
        }
        ChannelFact::WaitingForPeersCommitment { reason } => told(
            ChannelEventKind::WaitingForPeersCommitment,
            format!("only the peer may go on chain: {}", why(reason)),
        ),
        ChannelFact::Spent { txid, how } => ChannelEvent {
            txid: Some(txid.to_string()),
            ..told(ChannelEventKind::Spent, format!("the funding was spent: {}", why(how)))
        },
        ChannelFact::OnChain { txid, what, fee, .. } => ChannelEvent {
            txid: txid.map(|txid| txid.to_string()),
            ..told(
                ChannelEventKind::OnChain,
                match fee {
                    Some(fee) => format!("{}, for a fee of {fee}", why(what)),
                    None => why(what),
                },
            )
        },
        ChannelFact::Over { returned, fees } => told(
            ChannelEventKind::Over,
            match (returned, fees) {
                (Some(returned), Some(fees)) => {
                    format!(
                        "over: {} came back, beside {fees} that fees took",
                        returned.saturating_sub(*fees)
                    )
                }
                _ => "over".to_owned(),
            },
        ),
        ChannelFact::Quarantined { reason } => {
            told(ChannelEventKind::Quarantined, format!("stopped: {}", why(reason)))
        }
    }
}

//! Calls that their caller has named, so that asking again does nothing again: what came of them before, told as the first call
//! would have been told by now.

use super::{NodeService, argument, refusal};
use astrape_api::digest::digest;
use astrape_api::v1::{OpenChannelResponse, PayResponse, WithdrawResponse};
use astrape_node::{ChannelFact, Command, Fact, Outcome, Reply, Request};
use astrape_primitives::PaymentHash;
use prost::Message;
use tonic::Status;

/// What a call is named by its caller, if it is.
pub(super) fn named(
    call: &'static str,
    id: Option<&str>,
    message: &impl Message,
) -> Result<Option<Request>, Status> {
    let Some(id) = id else { return Ok(None) };
    let id = id.parse().map_err(|error| argument::invalid("request_id", error))?;
    Ok(Some(Request { id, digest: digest(call, message) }))
}

/// What came of a command, now or before.
pub(super) fn outcome(reply: Reply) -> Result<Outcome, Status> {
    Ok(match reply {
        Reply::DoneBefore(outcome) => *outcome,
        Reply::Opening { channel } => Outcome::Opening { channel },
        Reply::Paying { payment_hash } => Outcome::Paying { payment_hash },
        Reply::Withdrawing { txid, amount, fee } => Outcome::Withdrawing { txid, amount, fee },
        other => return Err(Status::internal(format!("the core gave another answer: {other:?}"))),
    })
}

/// What only another call leads to: the digest holds the call's name.
pub(super) fn of_another_call(outcome: &Outcome) -> Status {
    Status::internal(format!("the request led to something else before: {outcome:?}"))
}

/// Coins that leave, or have left.
pub(super) fn withdrawn(outcome: &Outcome) -> Result<WithdrawResponse, Status> {
    match outcome {
        Outcome::Withdrawing { txid, amount, fee } => {
            let (txid, amount_sat, fee_sat) = (txid.to_string(), amount.0, fee.0);
            Ok(WithdrawResponse { txid, amount_sat, fee_sat, ..WithdrawResponse::default() })
        }
        other => Err(of_another_call(other)),
    }
}

impl NodeService {
    /// What came of a call that was carried out before; none if it has no name, or was not. It is asked before anything else that
    /// may have changed since: a peer that is away, a channel that is closed.
    pub(super) async fn recall(&self, request: Option<&Request>) -> Result<Option<Outcome>, Status> {
        let Some(request) = request.cloned() else { return Ok(None) };
        // By the core: whatever it knows of is in the snapshot that is looked at then.
        match self.handle.command(Command::Recall { request, earlier: None }).await {
            Ok(Reply::NotDone) => Ok(None),
            Ok(reply) => outcome(reply).map(Some),
            Err(error) => Err(refusal::command(error)),
        }
    }

    /// How an opening of before has ended, or ends.
    pub(super) async fn opened_before(&self, outcome: &Outcome) -> Result<OpenChannelResponse, Status> {
        let Outcome::Opening { channel } = *outcome else { return Err(of_another_call(outcome)) };
        // In this order: what is not there any more has its end in the ledger, and what ends from now on is heard of.
        let mut facts = self.handle.facts();
        let is_there = self.snapshot().channel(&channel).is_some();
        let end = self.handle.read(move |ledger| ledger.end_of_opening(&channel)).await;
        match end.map_err(refusal::ledger)?.map(|entry| entry.fact) {
            Some(Fact::Channel { event: ChannelFact::Opened { outpoint, .. }, .. }) => {
                Ok(self.funded(&outpoint))
            }
            Some(Fact::Channel { event: ChannelFact::NotOpened { reason }, .. }) => {
                Err(not_opened_before(&reason))
            }
            _ if is_there => self.opened(channel, &mut facts).await,
            _ => Err(not_opened_before("the node stopped before it was funded")),
        }
    }

    /// How a payment of before has ended, or ends.
    pub(super) async fn paid_before(&self, outcome: &Outcome) -> Result<PayResponse, Status> {
        let Outcome::Paying { payment_hash } = *outcome else { return Err(of_another_call(outcome)) };
        let end = self.handle.payment_end(payment_hash);
        let is_under_way = self.is_under_way(&payment_hash);
        let entry = if is_under_way {
            self.told(end).await?
        } else {
            let last = self.handle.last_payment_fact(&payment_hash).map_err(refusal::ledger)?;
            last.ok_or_else(|| Status::internal(format!("the ledger does not have payment {payment_hash}")))?
        };
        Ok(self.paid(&entry, &payment_hash, !is_under_way))
    }

    /// Whether a payment of ours has not ended.
    pub(super) fn is_under_way(&self, payment_hash: &PaymentHash) -> bool {
        self.snapshot().payment(payment_hash).is_some_and(|payment| payment.preimage.is_none())
    }
}

fn not_opened_before(reason: &str) -> Status {
    Status::failed_precondition(format!(
        "the channel was not opened: {reason}. Asking with the same request id tells no more: to try again, choose a new one"
    ))
}

//! Forwards that wait for an application: told as a stream, and decided on one by one.

use super::{NodeService, argument, named, refusal};
use astrape_api::v1::{HeldHtlc, InterceptRequest, ResolveHtlcRequest, ResolveHtlcResponse};
use astrape_channel::Htlc;
use astrape_node::command::Verdict;
use astrape_node::{Command, Node};
use astrape_payment::intercept::{Held, Intercept, held_until};
use astrape_primitives::{ChannelKeysId, HtlcId};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// What waits for a slow reader: the rest waits in the node.
const MAX_WAITING: usize = 64;

/// How often the newest snapshot is looked at, while somebody listens.
const LOOK: Duration = Duration::from_millis(50);

/// The stream of a caller.
pub(super) type HeldHtlcs = ReceiverStream<Result<HeldHtlc, Status>>;

impl NodeService {
    pub(super) async fn intercept(&self, _: InterceptRequest) -> Result<HeldHtlcs, Status> {
        if self.snapshot().config().payment.intercept == Intercept::Nothing {
            return Err(Status::failed_precondition(
                "nothing waits for an application here: start the node with --intercept",
            ));
        }
        let (to, held) = mpsc::channel(MAX_WAITING);
        let service = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = service.tell_held(&to) => {}
                stopped = service.closed() => drop(to.send(Err(refusal::stopped(stopped))).await),
            }
        });
        Ok(ReceiverStream::new(held))
    }

    /// Tells each that waits once, until the caller goes. A caller that comes back is told all again.
    async fn tell_held(&self, to: &mpsc::Sender<Result<HeldHtlc, Status>>) {
        let mut told: BTreeSet<(ChannelKeysId, HtlcId)> = BTreeSet::new();
        loop {
            let node = self.snapshot();
            let waiting: BTreeSet<_> = node.held().map(|(channel, htlc, _)| (channel, htlc.id)).collect();
            told.retain(|id| waiting.contains(id));
            for (channel, htlc, held) in node.held() {
                let is_new = told.insert((channel, htlc.id));
                let message = message(&node, channel, &htlc, held).filter(|_| is_new);
                if let Some(message) = message
                    && to.send(Ok(message)).await.is_err()
                {
                    return;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = to.closed() => return,
            }
        }
    }

    pub(super) async fn resolve_htlc(
        &self,
        request: ResolveHtlcRequest,
    ) -> Result<ResolveHtlcResponse, Status> {
        let node = self.snapshot();
        let channel = named::channel(&node, "channel", &request.channel)?;
        let over = request.over.as_deref().map(|name| named::channel(&node, "over", name)).transpose()?;
        let amount = request.amount_msat.map(|amount| argument::msat("amount_msat", amount)).transpose()?;
        if request.fail && (over.is_some() || amount.is_some()) {
            return Err(argument::invalid("fail", "what goes back goes over no channel and with no amount"));
        }
        let verdict = if request.fail { Verdict::Fail } else { Verdict::Resume { over, amount } };
        let command = Command::Intercepted { channel, htlc: HtlcId(request.htlc_id), verdict };
        self.handle.command(command).await.map_err(refusal::command)?;
        Ok(ResolveHtlcResponse {})
    }
}

/// What an application needs to know to decide.
fn message(node: &Node, channel: ChannelKeysId, htlc: &Htlc, held: Held) -> Option<HeldHtlc> {
    let payload = astrape_node::forward_of(htlc)?.0;
    let policy = &node.config().payment;
    Some(HeldHtlc {
        channel: channel.to_string(),
        htlc_id: htlc.id.0,
        payment_hash: htlc.payment_hash.to_string(),
        amount_msat: htlc.amount.0,
        expiry_height: htlc.cltv_expiry.0,
        short_channel_id: payload.short_channel_id.to_string(),
        forward_amount_msat: payload.amt_to_forward.0,
        forward_expiry_height: payload.outgoing_cltv_value.0,
        since_ms: held.since.0,
        until_ms: held.since.plus(policy.intercept_millis).0,
        until_height: held_until(payload, policy).0,
    })
}

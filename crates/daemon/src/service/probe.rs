//! Whether a payment could arrive: tried, and nothing paid.

use super::payable::Wanted;
use super::{NodeService, argument, refusal};
use astrape_api::v1::{ProbeRequest, ProbeResponse};
use astrape_node::command::{PayCommand, ProbeCommand};
use astrape_node::{Command, Reply};
use astrape_payment::Payee;
use astrape_primitives::{PaymentHash, PaymentSecret};
use tonic::Status;

/// Longest time for which a probe is tried and waited for.
const MAX_TIMEOUT_SECS: u64 = 600;

/// What is said of a probe that has reached its node.
const REACHED: &str = "the node was reached";

impl NodeService {
    pub(super) async fn probe(&self, request: ProbeRequest) -> Result<ProbeResponse, Status> {
        let wanted = Wanted {
            invoice: request.invoice.as_deref(),
            node_id: request.node_id.as_deref(),
            preimage: None,
            custom_records: &[],
            amount_msat: request.amount_msat,
        };
        let PayCommand { payee, amount, .. } = self.payable(&wanted)?;
        let max_fee =
            request.max_fee_msat.map(|fee| argument::msat_or_none("max_fee_msat", fee)).transpose()?;
        let retry_secs = argument::seconds("timeout_secs", request.timeout_secs, MAX_TIMEOUT_SECS)?;
        let command = ProbeCommand {
            node: payee.node(),
            invoice: match payee {
                Payee::Invoice(invoice) => Some(invoice),
                Payee::Keysend { .. } | Payee::Probe { .. } => None,
            },
            amount,
            max_fee,
            retry_secs,
            payment_hash: PaymentHash(self.handle.random()),
            payment_secret: PaymentSecret(self.handle.random()),
        };
        let answer = tokio::select! {
            answer = self.handle.command(Command::Probe(Box::new(command))) => answer,
            stopped = self.closed() => return Err(refusal::stopped(stopped)),
        };
        match answer.map_err(refusal::command)? {
            Reply::Probed(probed) => Ok(ProbeResponse {
                reached: probed.reached,
                fee_msat: probed.fee.0,
                hops: probed.hops.iter().map(ToString::to_string).collect(),
                attempts: probed.attempts,
                // What a node says of a hash that it does not know is meant for payers.
                reason: if probed.reached { REACHED.to_owned() } else { probed.words },
                hold_times_ms: probed.hold_times,
            }),
            other => Err(Status::internal(format!("the core gave another answer: {other:?}"))),
        }
    }
}

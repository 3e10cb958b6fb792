//! Invoices: made and read.

use super::{NodeService, argument, refusal};
use crate::engine::{CommandError, InvoiceError, InvoiceRequest, clock};
use astrape_api::v1::{
    CreateInvoiceRequest, CreateInvoiceResponse, DecodeInvoiceRequest, DecodeInvoiceResponse, RouteHint,
    RouteHintHop,
};
use astrape_invoice::Description;
use astrape_node::{Fact, Node, Refusal};
use astrape_primitives::{Msat, PaymentPreimage};
use astrape_wire::text::printable;
use tonic::Status;

/// Longest description (BOLT 11: 1023 groups of five bits).
const MAX_DESCRIPTION: usize = 639;

/// Longest life of an invoice: each is kept in memory as long.
const MAX_EXPIRY_SECS: u64 = 366 * 86_400;

impl NodeService {
    pub(super) async fn create_invoice(
        &self,
        request: CreateInvoiceRequest,
    ) -> Result<CreateInvoiceResponse, Status> {
        let amount = request.amount_msat.map(|amount| argument::msat("amount_msat", amount)).transpose()?;
        let description = description(&request)?;
        let preimage = request.preimage.as_deref().map(|hex| argument::hex32("preimage", hex)).transpose()?;
        let expiry = argument::seconds("expiry_secs", request.expiry_secs, MAX_EXPIRY_SECS)?;
        let preimage = match preimage {
            None => PaymentPreimage(self.handle.random()),
            Some(given) => {
                let given = PaymentPreimage(given);
                self.refuse_used(&given)?;
                given
            }
        };
        let request = InvoiceRequest { amount, description, preimage, expiry_secs: expiry };
        let invoice = self.handle.make_invoice(request).await.map_err(refused)?;
        let node = self.snapshot();
        Ok(CreateInvoiceResponse {
            invoice: invoice.to_string(),
            payment_hash: invoice.payment_hash().to_string(),
            expires_at: invoice.expires_at(),
            warnings: warnings(&node, amount),
        })
    }

    /// A preimage that was given for a payment is no secret any more.
    fn refuse_used(&self, preimage: &PaymentPreimage) -> Result<(), Status> {
        let hash = preimage.payment_hash();
        let fact = self.handle.last_payment_fact(&hash).map_err(refusal::ledger)?;
        match fact.map(|entry| entry.fact) {
            Some(Fact::PaymentReceived { .. } | Fact::PaymentSent { .. }) => {
                Err(Status::failed_precondition(Refusal::HashUsed(hash).to_string()))
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn decode_invoice(
        &self,
        request: DecodeInvoiceRequest,
    ) -> Result<DecodeInvoiceResponse, Status> {
        let invoice = argument::invoice("invoice", &request.invoice)?;
        let (description, description_hash) = match invoice.description() {
            Description::Text(text) => (Some(printable(text.as_bytes())), None),
            Description::Hash(hash) => (None, Some(hex::encode(hash))),
        };
        let fallbacks =
            invoice.fallbacks().iter().map(|fallback| fallback.address(invoice.network()).to_string());
        Ok(DecodeInvoiceResponse {
            network: invoice.network().name().to_owned(),
            amount_msat: invoice.amount().map(|amount| amount.0),
            created_at: invoice.timestamp(),
            expires_at: invoice.expires_at(),
            expired: invoice.is_expired_at(clock::now().secs()),
            payee: invoice.payee().to_string(),
            payment_hash: invoice.payment_hash().to_string(),
            description,
            description_hash,
            min_final_cltv_expiry_delta: invoice.min_final_cltv_expiry_delta().0.into(),
            features: hex::encode(invoice.features().to_be_bytes()),
            route_hints: invoice.route_hints().iter().map(|way| RouteHint { hops: hops(way) }).collect(),
            fallback_addresses: fallbacks.collect(),
            payment_metadata: invoice.payment_metadata().map(hex::encode),
        })
    }
}

fn refused(error: InvoiceError) -> Status {
    match error {
        InvoiceError::Draft(error) => Status::invalid_argument(error.to_string()),
        InvoiceError::Signature(error) => Status::internal(error.to_string()),
        InvoiceError::Command(error) => refusal::command(error),
        InvoiceError::Stopped => refusal::command(CommandError::Stopped),
    }
}

fn description(request: &CreateInvoiceRequest) -> Result<Description, Status> {
    match &request.description_hash {
        Some(_) if !request.description.is_empty() => {
            Err(argument::invalid("description_hash", "give either a description or the hash of one"))
        }
        Some(hash) => Ok(Description::Hash(argument::hex32("description_hash", hash)?)),
        None if request.description.len() > MAX_DESCRIPTION => Err(argument::invalid(
            "description",
            format!("it has at most {MAX_DESCRIPTION} bytes: give description_hash for a longer text"),
        )),
        None => Ok(Description::Text(request.description.clone())),
    }
}

fn hops(way: &[astrape_invoice::RouteHint]) -> Vec<RouteHintHop> {
    let hop = |hop: &astrape_invoice::RouteHint| RouteHintHop {
        node_id: hop.node_id.to_string(),
        short_channel_id: hop.short_channel_id.to_string(),
        fee_base_msat: hop.fee_base_msat,
        fee_proportional_millionths: hop.fee_proportional_millionths,
        cltv_expiry_delta: hop.cltv_expiry_delta.0.into(),
    };
    way.iter().map(hop).collect()
}

/// Why nobody could pay it now.
fn warnings(node: &Node, amount: Option<Msat>) -> Vec<String> {
    let usable = node.channels().filter(|(_, channel)| channel.is_usable());
    let inbound: Vec<Msat> = usable
        .filter_map(|(_, channel)| {
            let open = channel.open()?;
            let kept = open.params.reserve_of(astrape_primitives::Side::Remote).to_msat();
            Some(open.balances.remote.saturating_sub(kept))
        })
        .collect();
    let total: Msat = inbound.iter().copied().sum();
    if inbound.is_empty() {
        vec!["no channel is ready: nobody can pay this invoice now".to_owned()]
    } else if amount.is_some_and(|amount| amount > total) || total == Msat::ZERO {
        vec![format!(
            "the channels can receive {total} in all now, less than the invoice asks for: pay something first, or have a peer open a \
             channel"
        )]
    } else {
        Vec::new()
    }
}

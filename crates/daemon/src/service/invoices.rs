//! Invoices: made and read.

use super::{NodeService, argument, once, refusal};
use crate::engine::invoice::made_before;
use crate::engine::{CommandError, InvoiceError, InvoiceRequest, InvoiceSecret, clock};
use astrape_api::v1::{
    CancelInvoiceRequest, CancelInvoiceResponse, CreateInvoiceRequest, CreateInvoiceResponse,
    DecodeInvoiceRequest, DecodeInvoiceResponse, InvoiceState, RouteHint, RouteHintHop, SettleInvoiceRequest,
    SettleInvoiceResponse,
};
use astrape_invoice::{Description, Invoice};
use astrape_node::{Command, Node};
use astrape_payment::OpenInvoice;
use astrape_payment::policy::{DEFAULT_HOLD_BLOCKS, MAX_HOLD_BLOCKS};
use astrape_primitives::{Msat, PaymentHash, PaymentPreimage, Timestamp};
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
        let named = once::named("CreateInvoice", request.request_id.as_deref(), &request)?;
        if let Some(before) = self.recall(named.as_ref()).await? {
            return Ok(self.made(&made_before(&before).map_err(refused)?));
        }
        let amount = request.amount_msat.map(|amount| argument::msat("amount_msat", amount)).transpose()?;
        let description = description(&request)?;
        let preimage = request.preimage.as_deref().map(|hex| argument::hex32("preimage", hex)).transpose()?;
        let expiry = argument::seconds("expiry_secs", request.expiry_secs, MAX_EXPIRY_SECS)?;
        let hash =
            request.payment_hash.as_deref().map(|hex| argument::hex32("payment_hash", hex)).transpose()?;
        let hold_blocks = hold_blocks(&request)?;
        let secret = match (preimage, hash) {
            (Some(_), Some(_)) => {
                return Err(argument::invalid("payment_hash", "give either a preimage or the hash of one"));
            }
            (None, Some(_)) if hold_blocks.is_none() => {
                let why =
                    "only a hold invoice can be made of its hash alone: nobody could settle it otherwise";
                return Err(argument::invalid("payment_hash", why));
            }
            (Some(given), None) => InvoiceSecret::Preimage(PaymentPreimage(given)),
            (None, Some(hash)) => InvoiceSecret::Hash(PaymentHash(hash)),
            (None, None) => InvoiceSecret::Preimage(PaymentPreimage(self.handle.random())),
        };
        let mut earlier = None;
        if preimage.is_some() || hash.is_some() {
            let fact = self.handle.last_payment_fact(&secret.payment_hash());
            earlier = fact.map_err(refusal::ledger)?;
        }
        let request =
            InvoiceRequest { amount, description, secret, hold_blocks, expiry_secs: expiry, earlier, named };
        let invoice = self.handle.make_invoice(request).await.map_err(refused)?;
        Ok(self.made(&invoice))
    }

    /// An invoice of ours, with what its owner should know now.
    fn made(&self, invoice: &Invoice) -> CreateInvoiceResponse {
        CreateInvoiceResponse {
            invoice: invoice.to_string(),
            payment_hash: invoice.payment_hash().to_string(),
            expires_at: invoice.expires_at(),
            warnings: warnings(&self.snapshot(), invoice.amount()),
        }
    }

    pub(super) async fn settle_invoice(
        &self,
        request: SettleInvoiceRequest,
    ) -> Result<SettleInvoiceResponse, Status> {
        let given =
            |field, text: &Option<String>| text.as_deref().map(|hex| argument::hex32(field, hex)).transpose();
        let hash = given("payment_hash", &request.payment_hash)?.map(PaymentHash);
        let preimage = given("preimage", &request.preimage)?.map(PaymentPreimage);
        let payment_hash = hash.or(preimage.map(|preimage| preimage.payment_hash()));
        let payment_hash =
            payment_hash.ok_or_else(|| argument::invalid("payment_hash", "give it, or the preimage"))?;
        let command = Command::SettleInvoice { payment_hash, preimage, earlier: None };
        self.handle.command(command).await.map_err(refusal::command)?;
        Ok(SettleInvoiceResponse { payment_hash: payment_hash.to_string() })
    }

    pub(super) async fn cancel_invoice(
        &self,
        request: CancelInvoiceRequest,
    ) -> Result<CancelInvoiceResponse, Status> {
        let payment_hash = PaymentHash(argument::hex32("payment_hash", &request.payment_hash)?);
        let command = Command::CancelInvoice { payment_hash, earlier: None };
        self.handle.command(command).await.map_err(refusal::command)?;
        Ok(CancelInvoiceResponse {})
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

/// An invoice that is not paid, as the contract has it.
pub(super) fn unpaid(node: &Node, invoice: &OpenInvoice, now: Timestamp) -> astrape_api::v1::Invoice {
    let set = node.receiving(&invoice.payment_hash);
    let held = set.filter(|set| set.held_since.is_some());
    let state = match (invoice.canceled, set) {
        (true, _) => InvoiceState::Canceled,
        (false, Some(_)) if held.is_some() => InvoiceState::Held,
        (false, Some(_)) => InvoiceState::PartlyPaid,
        (false, None) if invoice.expires_at < now => InvoiceState::Expired,
        (false, None) => InvoiceState::Open,
    };
    let until = held.and_then(|set| set.given_back_at(&node.config().payment));
    astrape_api::v1::Invoice {
        payment_hash: invoice.payment_hash.to_string(),
        invoice: invoice.bolt11.clone(),
        amount_msat: invoice.amount.map(|amount| amount.0),
        description: printable(invoice.description.as_bytes()),
        created_at: invoice.created_at.secs(),
        expires_at: invoice.expires_at.secs(),
        hold: invoice.hold,
        state: state.into(),
        received_msat: set.map_or(0, |set| set.amount().0),
        parts: set.map_or(0, |set| u32::try_from(set.parts.len()).unwrap_or(u32::MAX)),
        until_height: until.map(|height| height.0),
        ended_at_ms: None,
        preimage: None,
    }
}

/// For how long the payment of a hold invoice may be held.
fn hold_blocks(request: &CreateInvoiceRequest) -> Result<Option<u16>, Status> {
    let most = u32::from(MAX_HOLD_BLOCKS);
    match request.hold_blocks {
        Some(_) if !request.hold => Err(argument::invalid("hold_blocks", "it is for hold invoices only")),
        Some(blocks) if !(1..=most).contains(&blocks) => {
            Err(argument::invalid("hold_blocks", format!("it is from 1 to {most}")))
        }
        Some(blocks) => Ok(u16::try_from(blocks).ok()),
        None => Ok(request.hold.then_some(DEFAULT_HOLD_BLOCKS)),
    }
}

fn refused(error: InvoiceError) -> Status {
    match error {
        InvoiceError::Draft(error) => Status::invalid_argument(error.to_string()),
        InvoiceError::Signature(_) | InvoiceError::Before(_) => Status::internal(error.to_string()),
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
            format!("it has at most {MAX_DESCRIPTION} bytes: give the hash of a longer text instead"),
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
    let inbound: Vec<Msat> = usable.filter_map(|(_, channel)| Some(channel.open()?.receivable())).collect();
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

//! What a caller wants to pay: an invoice, a link with one, or a node without any.

use super::{NodeService, argument};
use astrape_invoice::{Invoice, PaymentLink};
use astrape_node::command::PayCommand;
use astrape_onion::FIRST_CUSTOM_TYPE;
use astrape_payment::Payee;
use astrape_primitives::{Msat, PaymentPreimage};
use std::collections::BTreeMap;
use tonic::Status;

/// Most bytes that an application is told: with them, an onion still has room for a long way.
const MAX_RECORDS: usize = 512;

/// The fields of a call that say what is to be paid.
pub(super) struct Wanted<'a> {
    pub(super) invoice: Option<&'a str>,
    pub(super) node_id: Option<&'a str>,
    pub(super) preimage: Option<&'a str>,
    pub(super) custom_records: &'a [String],
    pub(super) amount_msat: Option<u64>,
}

impl NodeService {
    /// Reads them. Nothing is chosen yet beside the amount.
    pub(super) fn payable(&self, wanted: &Wanted<'_>) -> Result<PayCommand, Status> {
        let given = wanted.amount_msat.map(|amount| argument::msat("amount_msat", amount)).transpose()?;
        let Some(node_id) = wanted.node_id else {
            return by_invoice(wanted, given);
        };
        if wanted.invoice.is_some() {
            return Err(argument::invalid("node_id", "give either an invoice or a node"));
        }
        let node = argument::node_id("node_id", node_id)?;
        let preimage = match wanted.preimage {
            Some(preimage) => argument::hex32("preimage", preimage)?,
            None => self.handle.random(),
        };
        let custom_records = records(wanted.custom_records)?;
        let amount = given.ok_or_else(|| {
            argument::invalid("amount_msat", "no invoice says how much: say how much to pay")
        })?;
        if node == self.handle.node_id() {
            let own = "this is the node itself (to move balance between channels, see `rebalance`)";
            return Err(argument::invalid("node_id", own));
        }
        let payee = Payee::Keysend { node, preimage: PaymentPreimage(preimage), custom_records };
        Ok(PayCommand { amount: Some(amount), ..PayCommand::to(payee) })
    }
}

fn by_invoice(wanted: &Wanted<'_>, given: Option<Msat>) -> Result<PayCommand, Status> {
    let only = "it is for a node that is paid without an invoice";
    if wanted.preimage.is_some() {
        return Err(argument::invalid("preimage", only));
    }
    if !wanted.custom_records.is_empty() {
        return Err(argument::invalid("custom_records", only));
    }
    let text = wanted.invoice.unwrap_or_default().trim();
    let (invoice, asked) = if PaymentLink::is_link(text) { linked(text)? } else { (read(text)?, None) };
    // What a link asks for counts where its invoice leaves it open.
    let amount = amount(&invoice, given.or(asked.filter(|_| invoice.amount().is_none())))?;
    Ok(PayCommand { amount, ..PayCommand::new(invoice) })
}

fn read(text: &str) -> Result<Invoice, Status> {
    argument::invoice("invoice", text)
}

fn linked(text: &str) -> Result<(Invoice, Option<Msat>), Status> {
    let link = PaymentLink::read(text).map_err(|error| argument::invalid("invoice", error))?;
    let none =
        "the link carries no invoice: `astrape withdraw ADDRESS AMOUNT` sends coins to its address on chain";
    let invoice = link.lightning.ok_or_else(|| argument::invalid("invoice", none))?;
    Ok((read(&invoice)?, link.amount))
}

/// How much is to be paid, where the caller must or may say it.
fn amount(invoice: &Invoice, given: Option<Msat>) -> Result<Option<Msat>, Status> {
    match (invoice.amount(), given) {
        (Some(_), Some(_)) => {
            Err(argument::invalid("amount_msat", "the invoice says how much; leave this out"))
        }
        (None, None) => {
            Err(argument::invalid("amount_msat", "the invoice leaves it open: say how much to pay"))
        }
        (_, given) => Ok(given),
    }
}

fn records(texts: &[String]) -> Result<BTreeMap<u64, Vec<u8>>, Status> {
    let wrong = |why: &str| argument::invalid("custom_records", why);
    let mut records = BTreeMap::new();
    let mut bytes = 0;
    for text in texts {
        let form = "each is TYPE=HEX: a number from 65536 on, and bytes in hexadecimal digits";
        let (kind, value) = text.split_once('=').ok_or_else(|| wrong(form))?;
        let kind: u64 =
            kind.parse().ok().filter(|kind| *kind >= FIRST_CUSTOM_TYPE).ok_or_else(|| wrong(form))?;
        let value = hex::decode(value).map_err(|_| wrong(form))?;
        bytes += value.len() + 12;
        if bytes > MAX_RECORDS {
            return Err(wrong("there is no room in an onion for so much"));
        }
        if records.insert(kind, value).is_some() {
            return Err(wrong("one type is there twice"));
        }
    }
    Ok(records)
}

//! Who is paid, and what it must be told: as an invoice says, or without one (bLIP 3, "keysend").

use super::{Payee, Payment, Told, What};
use astrape_invoice::{Invoice, RouteHint};
use astrape_primitives::{
    CltvDelta, Feature, Features, NodeId, PaymentPreimage, PaymentSecret, ShortChannelId,
};
use astrape_routing::Direction;
use std::collections::BTreeMap;

/// Blocks from the tip to the expiry of a payment without an invoice, where nothing says of what its recipient asks for: more
/// than the implementations ask for by default.
const USUAL_FINAL_DELTA: CltvDelta = CltvDelta(42);

/// Who is paid, and what it must be told.
pub(super) struct Recipient {
    pub(super) node: NodeId,
    /// As the invoice says; unknown without one.
    pub(super) features: Option<Features>,
    pub(super) hints: Vec<Vec<RouteHint>>,
    pub(super) final_delta: CltvDelta,
    pub(super) secret: Option<PaymentSecret>,
    pub(super) metadata: Option<Vec<u8>>,
    pub(super) keysend_preimage: Option<PaymentPreimage>,
    pub(super) custom_records: BTreeMap<u64, Vec<u8>>,
    /// It is only to be reached.
    is_probed: bool,
}

impl Payment {
    /// Who is paid, and what the hints ask by now. The error says what is wrong with the text of the invoice.
    pub(super) fn recipient(&self) -> Result<Recipient, String> {
        let mut recipient = Recipient::again(self.destination, &self.what)?;
        recipient.reprice(&self.lessons.asked);
        Ok(recipient)
    }
}

impl Recipient {
    /// From what the user wants to pay.
    pub(super) fn of(payee: &Payee) -> Self {
        match payee {
            Payee::Invoice(invoice) => Self::by_invoice(invoice),
            Payee::Keysend { node, preimage, custom_records } => {
                Self::by_keysend(*node, *preimage, custom_records)
            }
            Payee::Probe { node, payment_secret, invoice, .. } => {
                Self::by_probe(*node, *payment_secret, invoice.as_deref())
            }
        }
    }

    /// From what a payment keeps.
    fn again(node: NodeId, what: &What) -> Result<Self, String> {
        match what {
            What::Invoice(text) => {
                let invoice = Invoice::read_again(text, node).map_err(|error| error.to_string())?;
                Ok(Self::by_invoice(&invoice))
            }
            What::Keysend { preimage, custom_records } => {
                Ok(Self::by_keysend(node, *preimage, custom_records))
            }
            What::Probe { payment_secret, invoice } => {
                Ok(Self::by_probe(node, *payment_secret, invoice.as_deref()))
            }
        }
    }

    /// Hops of its hints that have told what they ask ask that.
    fn reprice(&mut self, told: &BTreeMap<(ShortChannelId, Direction), Told>) {
        if told.is_empty() {
            return;
        }
        for hint in &mut self.hints {
            let next: Vec<NodeId> = hint.iter().skip(1).map(|hop| hop.node_id).chain([self.node]).collect();
            for (hop, next) in hint.iter_mut().zip(next) {
                let direction = if hop.node_id < next { Direction::FromNode1 } else { Direction::FromNode2 };
                let Some(Told { asked, .. }) = told.get(&(hop.short_channel_id, direction)) else { continue };
                hop.fee_base_msat = asked.fee_base_msat;
                hop.fee_proportional_millionths = asked.fee_proportional_millionths;
                hop.cltv_expiry_delta = asked.cltv_expiry_delta;
            }
        }
    }

    fn by_invoice(invoice: &Invoice) -> Self {
        Self {
            node: invoice.payee(),
            features: Some(invoice.features().clone()),
            hints: invoice.route_hints().to_vec(),
            final_delta: invoice.min_final_cltv_expiry_delta(),
            secret: Some(invoice.payment_secret()),
            metadata: invoice.payment_metadata().map(<[u8]>::to_vec),
            keysend_preimage: None,
            custom_records: BTreeMap::new(),
            is_probed: false,
        }
    }

    fn by_keysend(node: NodeId, preimage: PaymentPreimage, custom_records: &BTreeMap<u64, Vec<u8>>) -> Self {
        Self {
            node,
            features: None,
            hints: Vec::new(),
            final_delta: USUAL_FINAL_DELTA,
            secret: None,
            metadata: None,
            keysend_preimage: Some(preimage),
            custom_records: custom_records.clone(),
            is_probed: false,
        }
    }

    /// Somebody who knows nothing of it, reached as its invoice says or as usual.
    fn by_probe(node: NodeId, secret: PaymentSecret, invoice: Option<&Invoice>) -> Self {
        Self {
            node,
            features: invoice.map(|invoice| invoice.features().clone()),
            hints: invoice.map_or_else(Vec::new, |invoice| invoice.route_hints().to_vec()),
            final_delta: invoice.map_or(USUAL_FINAL_DELTA, Invoice::min_final_cltv_expiry_delta),
            secret: Some(secret),
            metadata: None,
            keysend_preimage: None,
            custom_records: BTreeMap::new(),
            is_probed: true,
        }
    }

    /// Whether it takes a payment in several parts. A probe goes in one: parts of nothing are given back one by one, before the
    /// others are there.
    pub(super) fn takes_parts(&self) -> bool {
        !self.is_probed
            && self.secret.is_some()
            && self.features.as_ref().is_some_and(|f| f.supports(Feature::BasicMpp))
    }
}

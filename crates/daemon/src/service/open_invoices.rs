//! Invoices that are not paid, page by page. The newest come first, so that those made meanwhile move no other page; a page begins
//! behind a place in that order, and not behind an invoice, which may be paid by then.

use super::invoices::unpaid;
use super::{NodeService, argument};
use crate::engine::clock;
use astrape_api::v1::{ListInvoicesRequest, ListInvoicesResponse};
use astrape_payment::OpenInvoice;
use astrape_primitives::PaymentHash;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use tonic::Status;

/// Digits of a place: when the invoice was made, in milliseconds since 1970, and its hash.
const PLACE_DIGITS: usize = 16 + 64;

/// Where an invoice stands in the list.
type Place = (Reverse<u64>, [u8; 32]);

fn place_of(invoice: &OpenInvoice) -> Place {
    (Reverse(invoice.created_at.0), invoice.payment_hash.0)
}

impl NodeService {
    pub(super) async fn list_invoices(
        &self,
        request: ListInvoicesRequest,
    ) -> Result<ListInvoicesResponse, Status> {
        let limit = argument::limit("limit", request.limit)?;
        let (node, now) = (self.snapshot(), clock::now());
        let after = request
            .after
            .as_deref()
            .map(|text| place("after", text, |hash| node.invoice(hash).map(place_of)));
        let after = after.transpose()?;
        // Those of moves between channels are nobody's but the node's own.
        let us = self.handle.node_id();
        let to_us = node.payments().filter(|payment| payment.destination == us);
        let own: BTreeSet<PaymentHash> = to_us.map(|payment| payment.payment_hash).collect();
        let is_asked = |i: &&OpenInvoice| after.is_none_or(|after| place_of(i) > after);
        let mut invoices: Vec<&OpenInvoice> =
            node.invoices().filter(is_asked).filter(|i| !own.contains(&i.payment_hash)).collect();
        invoices.sort_unstable_by_key(|invoice| place_of(invoice));
        let is_more = invoices.len() > limit;
        invoices.truncate(limit);
        let next = invoices.last().filter(|_| is_more).map(|last| text_of(&place_of(last)));
        let page = invoices.into_iter().map(|invoice| unpaid(&node, invoice, now));
        Ok(ListInvoicesResponse { invoices: page.collect(), next })
    }
}

fn text_of((Reverse(made), hash): &Place) -> String {
    format!("{made:016x}{}", hex::encode(hash))
}

/// A place that was told, or that of an invoice which is there.
fn place(
    field: &str,
    text: &str,
    of_invoice: impl FnOnce(&PaymentHash) -> Option<Place>,
) -> Result<Place, Status> {
    if text.len() != PLACE_DIGITS {
        let hash = PaymentHash(argument::hex32(field, text)?);
        let none =
            "no invoice that is not paid has this hash (any more): give what the page before told as `next`";
        return of_invoice(&hash).ok_or_else(|| argument::invalid(field, none));
    }
    let mut bytes = [0; PLACE_DIGITS / 2];
    hex::decode_to_slice(text, &mut bytes)
        .map_err(|_| argument::invalid(field, "it is no `next` of a page"))?;
    let (made, hash) = bytes.split_at(8);
    let made = made.iter().fold(0, |made, byte| made << 8 | u64::from(*byte));
    Ok((Reverse(made), hash.try_into().expect("40 bytes are 8 and 32")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_told_and_newer_ones_come_first() {
        let places = [(2, [1; 32]), (1, [0; 32]), (1, [9; 32]), (0, [5; 32])];
        let places = places.map(|(made, hash)| (Reverse(made), hash));
        assert!(places.is_sorted());
        for told in places {
            assert_eq!(place("after", &text_of(&told), |_| None).ok(), Some(told));
            assert_eq!(place("after", &"ab".repeat(32), |_| Some(told)).ok(), Some(told));
        }
        for text in ["", "x", &"ab".repeat(32), &"zz".repeat(40), &"ab".repeat(41)] {
            let refused = place("after", text, |_| None).expect_err(text);
            assert!(refused.message().starts_with("after: "), "{}", refused.message());
        }
    }
}

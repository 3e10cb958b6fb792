//! Every payment ends, once, and both ends agree how.

use crate::user::Deal;
use crate::violation::{Checker, Violation, ensure};
use crate::world::World;
use astrape_node::Fact;
use astrape_primitives::PaymentHash;

fn wrong(what: String) -> Violation {
    Violation::new(Checker::Payments, what)
}

fn deal<'a>(world: &'a mut World, hash: &PaymentHash) -> Result<&'a mut Deal, Violation> {
    let number = world.users.by_hash.get(hash).copied();
    let number = number.ok_or_else(|| wrong(format!("nobody has begun payment {hash}")))?;
    Ok(&mut world.users.deals[number])
}

/// The same of one payer: several may pay the same invoice.
fn deal_of<'a>(world: &'a mut World, hash: &PaymentHash, payer: usize) -> Result<&'a mut Deal, Violation> {
    let mut deals = world.users.deals.iter_mut();
    deals
        .find(|deal| deal.payment_hash == *hash && deal.payer == payer)
        .ok_or_else(|| wrong(format!("{payer} sent what it was not asked to: {hash}")))
}

/// A fact of the ledger.
pub(super) fn fact(world: &mut World, node: usize, fact: &Fact) -> Result<(), Violation> {
    if world.is_of_a_trap(node, fact) {
        return Ok(());
    }
    match fact {
        Fact::PaymentSent { payment_hash, preimage, amount, fee, .. } => {
            world.totals.payments_settled += 1;
            let deal = deal_of(world, payment_hash, node)?;
            ensure(*preimage == deal.preimage, Checker::Payments, || format!("{node} has a false proof"))?;
            ensure(deal.sent.is_none(), Checker::Payments, || format!("{payment_hash} was sent twice"))?;
            ensure(deal.failed < deal.tries, Checker::Payments, || {
                format!("{payment_hash} had failed, and was sent then")
            })?;
            deal.sent = Some((*amount, *fee));
        }
        Fact::PaymentFailed { payment_hash, .. } => {
            world.totals.payments_failed += 1;
            let deal = deal_of(world, payment_hash, node)?;
            deal.failed += 1;
            let ends = deal.failed + u32::from(deal.sent.is_some());
            ensure(ends <= deal.tries, Checker::Payments, || format!("{payment_hash} ended {ends} times"))?;
            ensure(deal.sent.is_none(), Checker::Payments, || {
                format!("{payment_hash} was sent and then failed")
            })?;
        }
        Fact::PaymentReceived { payment_hash, amount, .. } => {
            let deal = deal(world, payment_hash)?;
            ensure(deal.payee == node, Checker::Payments, || format!("{node} got what was not for it"))?;
            ensure(deal.received.is_none(), Checker::Payments, || {
                format!("{payment_hash} was received twice")
            })?;
            ensure(*amount >= deal.amount, Checker::Payments, || {
                format!("{payment_hash} was settled for {amount} where {} was asked", deal.amount)
            })?;
            deal.received = Some(*amount);
        }
        Fact::Forwarded { payment_hash, amount_in, amount_out, .. } => {
            world.totals.forwards += 1;
            let kept = amount_in.saturating_sub(*amount_out);
            let deal = deal(world, payment_hash)?;
            deal.forwarded = deal.forwarded.saturating_add(kept);
        }
        Fact::InvoiceHeld { payment_hash, amount, .. } => {
            world.totals.payments_held += 1;
            let deal = deal(world, payment_hash)?;
            ensure(deal.payee == node && *amount >= deal.amount, Checker::Payments, || {
                format!("{node} holds {amount} where {} was asked", deal.amount)
            })?;
            let number = world.users.by_hash[payment_hash];
            world.go(crate::user::Errand::Decide(number));
        }
        Fact::InvoiceCanceled { payment_hash, .. } => {
            world.totals.payments_given_back += 1;
            let deal = deal(world, payment_hash)?;
            ensure(deal.received.is_none(), Checker::Payments, || {
                format!("{payment_hash} was received and given back")
            })?;
        }
        Fact::ForwardFailed { .. }
        | Fact::Channel { .. }
        | Fact::FeeBumped { .. }
        | Fact::NeverConfirmed { .. }
        | Fact::Withdrawn { .. } => {}
    }
    Ok(())
}

/// Nothing is under way, and nobody disagrees.
pub(super) fn at_rest(world: &World) -> Result<(), Violation> {
    for deal in &world.users.deals {
        let hash = deal.payment_hash;
        ensure(deal.is_over() || deal.tries == 0, Checker::Payments, || {
            format!("payment {hash} does not end")
        })?;
        ensure(deal.sent.is_some() == deal.received.is_some(), Checker::Payments, || {
            format!("payment {hash}: sent {:?}, received {:?}", deal.sent, deal.received)
        })?;
        if let (Some((sent, fee)), Some(received)) = (deal.sent, deal.received) {
            ensure(sent == received, Checker::Payments, || {
                format!("{hash}: {sent} sent, {received} received")
            })?;
            ensure(fee == deal.forwarded, Checker::Payments, || {
                format!("{hash}: {fee} paid in fees, {} kept by others", deal.forwarded)
            })?;
        }
    }
    for node in 0..world.machines.len() {
        let Some(process) = world.process(node) else { continue };
        let under_way = process.node.payments().count();
        ensure(under_way == 0, Checker::Payments, || {
            format!("node {node} has {under_way} payments under way")
        })?;
        for (keys, channel) in process.node.channels() {
            let Some(open) = channel.open() else { continue };
            ensure(open.htlcs.is_empty() && open.waiting.is_empty(), Checker::Payments, || {
                format!(
                    "node {node} at rest has {} HTLCs in channel {keys}",
                    open.htlcs.len() + open.waiting.len()
                )
            })?;
        }
    }
    Ok(())
}

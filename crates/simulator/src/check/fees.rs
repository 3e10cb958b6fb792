//! Fees are within their bounds: no more is paid than was granted, no less taken than the policy asks.

use crate::violation::{Checker, Violation, ensure};
use crate::world::World;
use astrape_node::{ChannelFact, Config, Fact};
use astrape_payment::{ForwardPolicy, PaymentPolicy};
use astrape_primitives::{Msat, Sat};

/// Most that a closing transaction may cost: its weight at the highest feerate of any world, twice.
const MAX_CLOSING_FEE: Sat = Sat(10_000);

/// A fact of the ledger.
pub(super) fn fact(world: &World, node: usize, fact: &Fact) -> Result<(), Violation> {
    match fact {
        Fact::PaymentSent { payment_hash, amount, fee, .. } => {
            let deal = world.users.by_hash.get(payment_hash).map(|number| &world.users.deals[*number]);
            let granted = deal.and_then(|deal| deal.max_fee());
            let most = granted.unwrap_or_else(|| PaymentPolicy::default().default_max_fee(*amount));
            ensure(*fee <= most, Checker::Fees, || format!("node {node} paid {fee} where {most} was granted"))
        }
        Fact::Forwarded { amount_in, amount_out, .. } => {
            let asked = ForwardPolicy::default().fee(*amount_out).unwrap_or(Msat(u64::MAX));
            let kept = amount_in.saturating_sub(*amount_out);
            ensure(kept >= asked, Checker::Fees, || {
                format!("node {node} kept {kept} where it asks for {asked}")
            })
        }
        Fact::Channel { event: ChannelFact::ClosingAgreed { fee, .. }, .. } => {
            ensure(*fee <= MAX_CLOSING_FEE, Checker::Fees, || format!("node {node} closes for {fee}"))
        }
        _ => Ok(()),
    }
}

/// The feerate of every commitment is within reason.
pub(super) fn at_rest(world: &World) -> Result<(), Violation> {
    for node in 0..world.machines.len() {
        let Some(process) = world.process(node) else { continue };
        for (keys, channel) in process.node.channels() {
            let Some(open) = channel.open() else { continue };
            let feerate = open.fees.newest();
            let policy = &world.machines[node].config.channel;
            let most = policy.max_feerate_factor.saturating_mul(world.feerate.0).max(10_000);
            ensure(feerate >= policy.feerate_floor && feerate.0 <= most, Checker::Fees, || {
                format!("node {node} pays {feerate} in channel {keys}")
            })?;
        }
    }
    Ok(())
}

/// For [`crate::Plant::ChargesNothing`].
pub(crate) fn charge_nothing(config: &mut Config) {
    config.payment.forward.fee_base = Msat::ZERO;
    config.payment.forward.fee_proportional_millionths = 0;
}

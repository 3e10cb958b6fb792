//! Fees stay within budget: a claim pays at most half of what it is about, and the child of a commitment at most half of what
//! the channel holds.

use crate::violation::{Checker, Violation, ensure};
use crate::world::World;
use astrape_primitives::Sat;
use astrape_transactions::CommitmentFormat;
use astrape_transactions::signing::{ClaimRequest, Spend, SpendPath};

/// A claim that goes out.
pub(crate) fn check(world: &World, node: usize, request: &ClaimRequest) -> Result<(), Violation> {
    let value = |of_channel: bool| -> Sat {
        let inputs = request.inputs.iter();
        let wanted = inputs.filter(|i| matches!(i.spend, Spend::Channel { .. }) == of_channel);
        wanted.map(|input| Sat::from(input.prevout.value)).sum()
    };
    let (of_channel, of_wallet) = (value(true), value(false));
    let paid_out: Sat = request.tx.output.iter().map(|out| Sat::from(out.value)).sum();
    let fee = of_channel.saturating_add(of_wallet).saturating_sub(paid_out);
    let bound = match request.inputs.iter().find_map(|input| path(&input.spend)) {
        Some((keys, SpendPath::Anchor)) => {
            let open = world.process(node).and_then(|p| p.node.channel(keys)).and_then(|c| c.open());
            open.map_or(Sat::ZERO, |open| open.funding.terms.capacity)
        }
        // Both have signed its fee long ago.
        Some((_, SpendPath::HtlcTransaction { format: CommitmentFormat::StaticRemotekey, .. })) => {
            return Ok(());
        }
        _ => of_channel,
    };
    ensure(fee.0 * 2 <= bound.0.saturating_add(1), Checker::Budget, || {
        format!("node {node} pays {fee} for a claim of {of_channel}: at most half of {bound} is its budget")
    })
}

fn path(spend: &Spend) -> Option<(&astrape_primitives::ChannelKeysId, &SpendPath)> {
    match spend {
        Spend::Channel { keys, path, .. } => Some((keys, path)),
        Spend::Wallet { .. } => None,
    }
}

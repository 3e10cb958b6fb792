//! Fees stay within budget: a claim pays at most half of what it is about, and the child of a commitment at most half of what
//! the channel holds.

use crate::violation::{Checker, Violation, ensure};
use crate::world::World;
use astrape_primitives::{ChannelKeysId, Sat};
use astrape_transactions::CommitmentFormat;
use astrape_transactions::signing::{ClaimRequest, Spend, SpendPath};
use bitcoin::{OutPoint, Txid};

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
    let spent = request.tx.input.iter().map(|input| input.previous_output).zip(&request.inputs);
    let mut of_channels = spent.filter_map(|(outpoint, input)| Some((outpoint, path(&input.spend)?)));
    let bound = match of_channels.next() {
        Some((outpoint, (keys, SpendPath::Anchor))) => {
            let open = world.process(node).and_then(|p| p.node.channel(keys)).and_then(|c| c.open());
            let known = open.map(|open| open.funding.terms.capacity);
            known.or_else(|| capacity(world, outpoint)).unwrap_or_default()
        }
        // Both have signed its fee long ago.
        Some((_, (_, SpendPath::HtlcTransaction { format: CommitmentFormat::StaticRemotekey, .. }))) => {
            return Ok(());
        }
        _ => of_channel,
    };
    ensure(fee.0 * 2 <= bound.0.saturating_add(1), Checker::Budget, || {
        format!("node {node} pays {fee} for a claim of {of_channel}: at most half of {bound} is its budget")
    })
}

/// What a channel holds that its node has forgotten in a later step of the same commit, by an output of its commitment.
fn capacity(world: &World, of_commitment: OutPoint) -> Option<Sat> {
    let spent = |txid: &Txid| world.chain.transaction(txid).map(|seen| seen.tx);
    let funding = spent(&of_commitment.txid)?.input.first()?.previous_output;
    let output = spent(&funding.txid)?.output.get(usize::try_from(funding.vout).ok()?)?.value;
    Some(output.into())
}

fn path(spend: &Spend) -> Option<(&ChannelKeysId, &SpendPath)> {
    match spend {
        Spend::Channel { keys, path, .. } => Some((keys, path)),
        Spend::Wallet { .. } => None,
    }
}

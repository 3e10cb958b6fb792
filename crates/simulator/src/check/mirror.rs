//! At rest both sides of a channel say the same of it, each from its own side.

use crate::plant::Plant;
use crate::violation::{Checker, Violation, ensure};
use crate::world::World;
use astrape_channel::{Channel, Link, Open, Phase};
use astrape_primitives::{CommitmentNumber, FeeratePerKw, Msat, Side};
use astrape_transactions::Commitment;
use bitcoin::Txid;

/// What both sides must agree on, seen by one of them.
#[derive(Debug, PartialEq, Eq)]
struct Face {
    ours: Msat,
    theirs: Msat,
    our_number: CommitmentNumber,
    their_number: CommitmentNumber,
    our_commitment: Option<Txid>,
    their_commitment: Option<Txid>,
    feerate: FeeratePerKw,
    htlcs: usize,
}

impl Face {
    fn of(world: &World, node: usize, open: &Open) -> Self {
        let txid =
            |content| Commitment::build(&world.secp, &open.funding.terms, &content).ok().map(|c| c.txid());
        let blur = u64::from(world.plant == Some(Plant::BlursMirror { node }));
        Self {
            ours: open.balances.of(Side::Local).saturating_sub(Msat(blur)),
            theirs: open.balances.of(Side::Remote),
            our_number: open.local.number,
            their_number: open.remote.number,
            our_commitment: txid(open.local_content()),
            their_commitment: txid(open.remote_request().content),
            feerate: open.fees.newest(),
            htlcs: open.htlcs.len(),
        }
    }

    fn turned(self) -> Self {
        Self {
            ours: self.theirs,
            theirs: self.ours,
            our_number: self.their_number,
            their_number: self.our_number,
            our_commitment: self.their_commitment,
            their_commitment: self.our_commitment,
            ..self
        }
    }
}

/// Every channel that is open on both sides.
pub(super) fn check(world: &World) -> Result<(), Violation> {
    for node in 0..world.machines.len() {
        let Some(process) = world.process(node) else { continue };
        for (keys, channel) in process.node.channels() {
            let Some(other) = world.index_of(&channel.peer()) else { continue };
            let Some(twin) = world.twin(node, other, channel) else {
                // The peer may forget a funding that never confirmed, or be done with a spend first.
                let forgotten = !matches!(&channel.phase, Phase::Open(open) if open.is_ready());
                ensure(forgotten, Checker::Mirror, || {
                    format!("node {other} does not know channel {keys} of {node}")
                })?;
                continue;
            };
            if node < other {
                compare(world, (node, channel), (other, twin))?;
            }
        }
    }
    Ok(())
}

fn compare(
    world: &World,
    (node, a): (usize, &Channel),
    (other, b): (usize, &Channel),
) -> Result<(), Violation> {
    let (Phase::Open(left), Phase::Open(right)) = (&a.phase, &b.phase) else {
        return Ok(());
    };
    if !matches!((&a.link, &b.link), (Link::Up(_), Link::Up(_))) {
        return Err(Violation::new(
            Checker::Mirror,
            format!("{node} and {other} are at rest and not connected"),
        ));
    }
    let (left, right) = (Face::of(world, node, left), Face::of(world, other, right).turned());
    ensure(left == right, Checker::Mirror, || format!("{node} and {other} differ: {left:?} and {right:?}"))
}

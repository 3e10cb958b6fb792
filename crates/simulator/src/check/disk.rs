//! Rule 2: the disk is the node. What a restart would give is what the node is, less its connections.

use crate::violation::{Checker, Violation, ensure};
use crate::world::World;
use astrape_node::Node;

/// After a commit, as often as the world says.
pub(super) fn check(world: &World, node: usize) -> Result<(), Violation> {
    if world.steps.is_multiple_of(world.disk_check_every) { compare(world, node) } else { Ok(()) }
}

/// The whole value.
pub(super) fn compare(world: &World, node: usize) -> Result<(), Violation> {
    let machine = &world.machines[node];
    let Some(process) = &machine.process else { return Ok(()) };
    if process.pending.step.is_some() {
        return Ok(());
    }
    let config = machine.config_with(machine.doubted.clone());
    let (restored, _) = Node::restore(config, &machine.disk)
        .map_err(|error| Violation::new(Checker::Disk, format!("node {node} could not start: {error}")))?;
    let kept = process.node.after_losing_all_connections();
    ensure(restored == kept, Checker::Disk, || {
        let (disk, memory) = (format!("{restored:#?}"), format!("{kept:#?}"));
        let differs = disk.lines().zip(memory.lines()).find(|(a, b)| a != b);
        format!("node {node} differs from its disk (disk, memory): {differs:?}")
    })
}

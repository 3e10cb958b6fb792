//! What is not over yet, for people.

use crate::world::World;
use astrape_channel::Phase;
use astrape_onchain::Resolution;
use astrape_primitives::{ChannelKeysId, Height};

impl World {
    pub(super) fn what_is_before_court(&self) -> String {
        let of_node = |node: usize| {
            let process = self.process(node)?;
            let channels = process.node.channels().filter(|(_, c)| self.is_busy(&c.phase));
            let open =
                |keys: &ChannelKeysId| process.node.resolution(keys).map_or_else(String::new, open_outputs);
            let names: Vec<String> =
                channels.map(|(keys, c)| format!("{keys}: {}{}", words(&c.phase), open(&keys))).collect();
            let payments = process.node.payments().count();
            Some(format!("node {node}: {payments} payments, channels [{}]", names.join(", ")))
        };
        let honest = (0..self.machines.len()).filter(|n| self.court.is_honest(*n));
        honest.filter_map(of_node).collect::<Vec<_>>().join("; ")
    }
}

fn words(phase: &Phase) -> String {
    match phase {
        Phase::Opening(_) => "opening".to_owned(),
        Phase::Open(open) => format!("open with {} HTLCs", open.htlcs.len()),
        Phase::Closing(closing) => {
            let spent: Option<Height> = closing.open.funding.spent.as_ref().map(|s| s.height);
            format!("closing, {:?}, spent at {spent:?}", closing.how)
        }
        Phase::Closed(_) => "closed".to_owned(),
    }
}

/// What of a close nobody has spent in a block.
fn open_outputs(resolution: &Resolution) -> String {
    let open = resolution.outputs.iter().filter(|(_, tracked)| tracked.spent.is_none());
    open.map(|(outpoint, t)| format!(", {}: {} of {:?}", outpoint.vout, t.value(), t.role)).collect()
}

//! Failures of payments, told for people: where, what, and what helps.

use crate::send::PaymentPart;
use astrape_channel::Refusal;
use astrape_onion::Failure;
use astrape_primitives::{Height, NodeId};

/// A hop said why it failed a part.
pub(crate) fn hop_failed(part: &PaymentPart, index: usize, failure: &Failure) -> String {
    let (hops, node) = (part.recipe.hops.len(), part.node(index));
    match part.channels.get(index) {
        Some(channel) => format!(
            "{node} (hop {} of {hops}) did not pass it on over channel {channel}: {failure}; {}",
            index + 1,
            failure.describe()
        ),
        None => format!("the recipient {node} did not take it: {failure}; {}", failure.describe()),
    }
}

/// A scout came back from the recipient.
pub(crate) const fn scout_arrived() -> &'static str {
    "sent ahead to try the way, and got there: the payment follows"
}

/// The recipient says that something is wrong, and its chain is ahead of ours.
pub(crate) fn behind(theirs: Height, ours: Height) -> String {
    format!(
        "the recipient is at height {theirs} and this node at {ours}, so that the payment may have expired too soon: wait until this \
         node has caught up with the chain, then try again"
    )
}

/// Nobody has signed the failure.
pub(crate) fn unreadable(part: &PaymentPart, blamed: Option<usize>) -> String {
    match blamed {
        Some(index) => format!(
            "the failure cannot be read: {} (hop {} of {}) or the node before it changed it",
            part.node(index),
            index + 1,
            part.recipe.hops.len()
        ),
        None => {
            let nodes: Vec<String> =
                (0..part.recipe.hops.len()).map(|index| part.node(index).to_string()).collect();
            format!("the failure cannot be read: one of {} changed it", nodes.join(", "))
        }
    }
}

/// Our peer could not read our onion.
pub(crate) fn malformed(peer: NodeId, failure_code: u16) -> String {
    format!(
        "the peer {peer} could not read the onion (code {failure_code:#06x}): if it happens often, report it with the log of this \
         payment"
    )
}

/// Our own channel did not take the HTLC.
pub(crate) fn not_offered(peer: NodeId, refusal: &Refusal) -> String {
    format!("the channel with {peer} did not take it: {refusal}")
}

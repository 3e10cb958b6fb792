//! What an operator must see in the log whatever else is in it, with what to do about it.

use astrape_channel::{How, Phase};
use astrape_node::{ChannelFact, Entry, Fact, Node};
use astrape_primitives::{ChannelId, NodeId};

/// What is told of the coins of a node that was put back from a copy.
pub(super) const OLD_COPY: &str = "the on-chain wallet looks further than it knows to have given out addresses; if coins are missing all the \
     same, or the node is started again before they come, start it with `--wallet-birthday HEIGHT`, a block before the copy was made";

/// The same as an alarm.
pub(super) fn old_copy(reason: &str) -> String {
    format!("the node's state may be old ({reason}). Until the next start {OLD_COPY}")
}

/// What is told of a channel of which the peer has proven to know more than this node.
#[must_use]
pub fn old_state(channel: &ChannelId, peer: &NodeId) -> String {
    format!(
        "the state of channel {channel} is older here than what its peer {peer} has proven to know: the database was put back from a copy. \
         Only the peer can close it now, and was asked to. Keep this node running and connected with it, so that it sweeps what is yours; if \
         the peer does not close within a day, ask whoever runs it to. Do not start this node from any other copy"
    )
}

/// A fact became durable: the log has the life of channels and coins, and says what cannot wait until somebody looks.
pub(crate) fn tell(entry: &Entry) {
    match &entry.fact {
        Fact::Channel { channel_id, peer, event, .. } => {
            tracing::info!(channel = %channel_id, %peer, ?event, "a channel's story goes on");
        }
        Fact::Withdrawn { .. } | Fact::FeeBumped { .. } | Fact::NeverConfirmed { .. } => {
            tracing::info!(fact = ?entry.fact, "coins");
        }
        // There may be a thousand in a second.
        fact => tracing::debug!(?fact, "a fact"),
    }
    if let Fact::Channel { channel_id, peer, event: ChannelFact::WaitingForPeersCommitment { .. }, .. } =
        &entry.fact
    {
        tracing::error!("{}", old_state(channel_id, peer));
    }
}

/// At a start from what is older than the mark beside it: channels that the mark knows and the database does not.
pub(crate) fn tell_of_lost(node: &Node) {
    let lost: Vec<String> =
        node.suspect().filter(|keys| node.channel(keys).is_none()).map(|keys| keys.to_string()).collect();
    if !lost.is_empty() {
        tracing::error!(
            channels = %lost.join(", "),
            "the database is older than these channels and knows nothing of them: when their peers call they are told to close them; \
             `astrape recover` brings home what they pay out, six blocks later"
        );
    }
}

/// The same at the start, of what was so before, and of channels whose state is in doubt until their peers connect.
pub(crate) fn tell_of(node: &Node) {
    for keys in node.suspect() {
        if let Some(channel) = node.channel(&keys) {
            tracing::error!(
                channel = %channel.channel_id(), peer = %channel.peer(),
                "the state of this channel may be older than what its peer knows: it does nothing until the peer has connected and said \
                 where it is. Let the node run, and do not start it from any other copy of its database"
            );
        }
    }
    for (_, channel) in node.channels() {
        if let Phase::Closing(closing) = &channel.phase
            && closing.open.funding.spent.is_none()
            && matches!(closing.how, How::AwaitPeersCommitment { .. })
        {
            tracing::error!("{}", old_state(&channel.channel_id(), &channel.peer()));
        }
    }
}

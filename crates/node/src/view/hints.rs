//! What an invoice of ours says of the ways to us (BOLT 11 `r`): what is private is told only where it is needed.

use crate::node::Node;
use crate::turn::scid_towards_peer;
use astrape_channel::{Channel, Open, Phase, Shutdown};
use astrape_invoice::RouteHint;
use astrape_payment::WayBack;
use astrape_primitives::{ChannelKeysId, Msat};
use astrape_routing::search::HintHop;
use astrape_wire::ChannelUpdate;

/// Route hints in an invoice: more make it too long for a QR code.
const MAX_ROUTE_HINTS: usize = 5;

/// Of an open amount nobody knows how large it will be: what the network knows will do for it where it takes this part of what the best
/// of all channels does.
const OPEN_AMOUNT_SHARE: u64 = 10;

impl Node {
    /// How others can reach us with `amount`, where it is known: one hop over each channel whose peer has told what it asks
    /// (BOLT 11 `r`). None where the network knows a channel of ours that carries it now, and never one that it knows. Channels
    /// whose peers are away are named where there is no other: who pays a node that the network does not know needs one, and they
    /// may be back by then.
    #[must_use]
    pub fn route_hints(&self, amount: Option<Msat>) -> Vec<Vec<RouteHint>> {
        let is_known = |channel: &Channel| channel.open().is_some_and(Open::is_announced);
        let is_usable = |keys: &ChannelKeysId, channel: &Channel| {
            channel.is_usable() && !self.quarantined.contains_key(keys)
        };
        let needed = amount.unwrap_or_else(|| {
            let usable = self.channels.iter().filter(|(keys, channel)| is_usable(keys, channel));
            let best = usable.filter_map(|(_, channel)| Some(channel.open()?.receivable())).max();
            Msat(best.unwrap_or_default().0 / OPEN_AMOUNT_SHARE)
        });
        let needed = needed.max(Msat(1));
        let carries = |channel: &Channel| channel.open().is_some_and(|open| open.receivable() >= needed);
        let mut channels = self.channels.iter();
        if channels.any(|(keys, c)| is_known(c) && is_usable(keys, c) && carries(c)) {
            return Vec::new();
        }
        let private = self.channels.iter().filter(|(_, channel)| !is_known(channel));
        let mut hints: Vec<_> = private
            .filter_map(|(keys, channel)| {
                let open = match &channel.phase {
                    Phase::Open(open) if open.is_ready() && open.shutdown == Shutdown::default() => open,
                    _ => return None,
                };
                let hint = hint_of(open, self.peer_updates.get(keys)?)?;
                Some((is_usable(keys, channel), carries(channel), hint))
            })
            .collect();
        // By their ids, which tell nothing: the order of their balances would tell anybody who reads the invoice.
        hints.sort_by_key(|(usable, carries, hint)| (!usable, !carries, hint.short_channel_id));
        let is_any_usable = hints.first().is_some_and(|(is_usable, ..)| *is_usable);
        hints.retain(|(is_usable, ..)| *is_usable == is_any_usable);
        hints.into_iter().take(MAX_ROUTE_HINTS).map(|(.., hint)| vec![hint]).collect()
    }
}

/// How what we pay to ourselves comes back over a channel.
pub(crate) fn way_back(open: &Open, update: &ChannelUpdate) -> Option<WayBack> {
    let RouteHint {
        node_id,
        short_channel_id,
        fee_base_msat,
        fee_proportional_millionths,
        cltv_expiry_delta,
    } = hint_of(open, update)?;
    let hop = HintHop {
        node: node_id,
        short_channel_id,
        fee_base_msat,
        fee_proportional_millionths,
        cltv_expiry_delta,
    };
    Some(WayBack { hop, receivable: open.receivable() })
}

/// The way over a channel to us, for what its peer asks.
fn hint_of(open: &Open, update: &ChannelUpdate) -> Option<RouteHint> {
    Some(RouteHint {
        node_id: open.params.peer,
        short_channel_id: scid_towards_peer(open)?,
        fee_base_msat: update.fee_base_msat,
        fee_proportional_millionths: update.fee_proportional_millionths,
        cltv_expiry_delta: update.cltv_expiry_delta,
    })
}

//! What payments may begin with, and what path search is asked.

use super::hints;
use crate::command::PayCommand;
use crate::index::real_scid;
use crate::node::Node;
use crate::turn::scid_towards_peer;
use astrape_payment::{OwnChannel, PayRefusal, PayRequest, PayView, Payment, RouteQuery};
use astrape_primitives::{NodeId, PaymentHash, Timestamp};
use astrape_routing::search::InFlight;
use std::borrow::Cow;

/// Channels of others under HTLCs of our other payments that path search is told of: what more would tell it is worth less
/// than its time.
const MAX_UNDER_WAY: usize = 10_000;

impl Node {
    /// The channels that a payment may begin with.
    #[must_use]
    pub fn own_channels(&self) -> Vec<OwnChannel> {
        let usable = self.channels.iter().filter(|(k, c)| c.is_usable() && !self.quarantined.contains_key(k));
        usable
            .filter_map(|(keys, channel)| {
                let open = channel.open()?;
                Some(OwnChannel {
                    keys: *keys,
                    alias: open.params.local_alias,
                    inbound: [real_scid(open), scid_towards_peer(open)],
                    peer: open.params.peer,
                    sendable: channel.sendable(),
                    back: None,
                    htlc_minimum: open.params.remote.htlc_minimum,
                })
            })
            .collect()
    }

    /// The same for a payment to somebody. How money comes back is looked at for a payment to ourselves alone: it takes its time.
    pub(crate) fn own_channels_towards(&self, destination: &NodeId) -> Vec<OwnChannel> {
        self.with_ways_back(&self.own_channels(), destination).into_owned()
    }

    /// Our channels with how money comes back by them, where it is to come back.
    pub(crate) fn with_ways_back<'a>(
        &self,
        channels: &'a [OwnChannel],
        destination: &NodeId,
    ) -> Cow<'a, [OwnChannel]> {
        let mut channels = Cow::Borrowed(channels);
        if *destination == self.config.node_id {
            for own in channels.to_mut() {
                let open = self.channels.get(&own.keys).and_then(|channel| channel.open());
                let update = self.peer_updates.get(&own.keys);
                own.back = open.zip(update).and_then(|(open, update)| hints::way_back(open, update));
            }
        }
        channels
    }

    /// What path search would be asked for a payment: nothing is sent. The error says why there can be no way.
    ///
    /// # Errors
    /// As when it is paid.
    pub fn route_query(&self, command: PayCommand, now: Timestamp) -> Result<RouteQuery, PayRefusal> {
        let destination = command.payee.node();
        let request = PayRequest {
            network: self.config.channel.network,
            payee: command.payee,
            amount: command.amount,
            max_fee: command.max_fee,
            retry_secs: command.retry_secs,
            session_key_seed: [0; 32],
            circle: command.circle,
        };
        let view = PayView {
            payer: self.config.node_id,
            channels: &self.own_channels_towards(&destination),
            now,
            tip: self.height(),
            policy: &self.config.payment,
            secp: &self.secp,
        };
        let mut query = Payment::preview(request, &view)?;
        query.in_flight.extend(self.under_way_beside(query.payment_hash));
        Ok(query)
    }

    /// What HTLCs of our other payments take of channels of others.
    pub(crate) fn under_way_beside(&self, payment_hash: PaymentHash) -> impl Iterator<Item = InFlight> + '_ {
        let others = self.payments.iter().filter(move |(hash, _)| **hash != payment_hash);
        others.flat_map(|(_, payment)| payment.under_way()).take(MAX_UNDER_WAY)
    }
}

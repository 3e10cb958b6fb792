//! What follows from a node's effects: messages go onto wires, questions are answered, the network is told.

use super::{Net, number_of, script};
use crate::Broadcast;
use crate::effect::{Announcement, Effect, Find, Speech};
use crate::input::{Found, Input, SignerAnswer};
use crate::release::{find, sign_broadcast, speak};
use astrape_payment::{RouteQuery, Trip};
use astrape_primitives::Features;
use astrape_routing::graph::{Direction, NewChannel, Policy};
use astrape_routing::{Crossing, Finder};
use astrape_wire::ChannelUpdate;

impl Net {
    pub(super) fn release(&mut self, who: usize, effect: Effect) {
        match effect {
            Effect::Send { peer, speech: Speech::Probe } => self.probed.push((who, peer)),
            Effect::Send { peer, speech } => {
                let spoken = speak(speech, &self.members[who].signer).expect("the signer signs");
                if let Some(answer) = spoken.answer {
                    self.input(who, Input::Signer(answer));
                }
                if let Some(message) = spoken.message {
                    self.members[who].said.push((peer, message.clone()));
                    if let Some(to) = self.index_of(peer).filter(|to| self.is_up(who, *to)) {
                        self.wires.entry((who, to)).or_default().push_back(message);
                    }
                }
            }
            Effect::Disconnect { peer, .. } => {
                if let Some(to) = self.index_of(peer) {
                    self.cut(who, to);
                }
            }
            Effect::Broadcast(Broadcast::Wallet { request, .. }) => {
                self.members[who].broadcast.push(request.tx)
            }
            Effect::Broadcast(broadcast) => {
                let package =
                    sign_broadcast(&broadcast, &self.members[who].signer).expect("the signer signs");
                self.members[who].broadcast.extend(package);
            }
            Effect::Watch(_) => {}
            Effect::Announce(announcement) => self.tell_all(announcement),
            Effect::Teach(trip) => self.learn(*trip),
            Effect::Find(Find::ProbeTargets) => {
                self.asked_for_targets += 1;
                let nodes = self.targets.clone();
                self.input(who, Input::Found(Found::ProbeTargets { nodes }));
            }
            Effect::Find(Find::Route(query)) => {
                if self.searches {
                    let found = self.ways(&query);
                    self.input(who, Input::Found(found));
                } else {
                    self.unanswered.push((who, *query));
                }
            }
            Effect::Reply { reply, .. } => self.members[who].replies.push(reply),
            Effect::Publish(entry) => self.members[who].facts.push(entry.fact),
            Effect::Find(question) => {
                let member = &self.members[who];
                let answer = match question {
                    Find::ShutdownScript { channel } => {
                        Some(SignerAnswer::ShutdownScript { channel, script: script(number_of(who)) })
                    }
                    question => find(&question, &member.signer, &member.node.secp),
                };
                if let Some(answer) = answer {
                    self.input(who, Input::Signer(answer));
                }
            }
        }
    }

    /// What the network is told of a channel goes into the one graph that all search.
    pub(super) fn tell_all(&mut self, announcement: Announcement) {
        match announcement {
            Announcement::Channel { announcement: m, funding: (_, capacity), .. } => {
                let channel = NewChannel {
                    short_channel_id: m.short_channel_id,
                    node_1: m.node_id_1.proven(),
                    node_2: m.node_id_2.proven(),
                    capacity: Some(capacity),
                    features: Features::empty(),
                    received: 1,
                    stored: None,
                };
                // Both ends tell of it.
                let _ = self.graph.add_channel(channel);
            }
            Announcement::Update(m) => {
                let direction = Direction::from_flags(m.channel_flags);
                let _ = self.graph.set_policy(m.short_channel_id, direction, policy(&m));
            }
            // Its sender tells it too.
            Announcement::PeerUpdate(_) | Announcement::Node(_) => {}
        }
    }

    pub(super) fn learn(&mut self, trip: Trip) {
        for taught in trip.taught() {
            self.taught.push(taught);
            // Of the channels of hints nothing is known.
            let Some(channel) = self.graph.channel(taught.short_channel_id) else { continue };
            let crossing = Crossing {
                short_channel_id: taught.short_channel_id,
                direction: taught.direction,
                capacity: channel.capacity.expect("it was told").to_msat(),
                amount: taught.amount,
            };
            self.scores.learn(&crossing, taught.outcome, self.now);
        }
        for (channel, delay_ms) in trip.delays(&trip.hold_times()) {
            self.scores.learn_delay(channel, delay_ms);
        }
        self.trips.push(trip);
    }

    /// What path search says.
    pub(in crate::tests) fn ways(&mut self, query: &RouteQuery) -> Found {
        let mut finder = Finder::new(self.graph.snapshot(), &self.scores);
        let route = Box::new(finder.find(&query.request(self.now)));
        Found::Route { payment_hash: query.payment_hash, number: query.number, route }
    }
}

fn policy(m: &ChannelUpdate) -> Policy {
    Policy {
        timestamp: m.timestamp,
        fee_base_msat: m.fee_base_msat,
        fee_proportional_millionths: m.fee_proportional_millionths,
        cltv_expiry_delta: m.cltv_expiry_delta,
        htlc_minimum: m.htlc_minimum_msat,
        htlc_maximum: m.htlc_maximum_msat,
        disabled: m.channel_flags & ChannelUpdate::DISABLE != 0,
        checksum: 0,
        stored: None,
    }
}

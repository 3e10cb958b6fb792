//! A network with its truth: what its channels hold, and what its nodes do to HTLCs.

use crate::support::{NOW, PREIMAGE, TIP, draft, failed_by, finish_as, node_of, request};
use astrape_channel::{NewHtlc, OnionSource, Refusal, Resolution};
use astrape_onion::{Failure, FailurePacket, OnionRecipe};
use astrape_payment::{OwnChannel, PayOutput, PayRequest, PayView, Payment, PaymentPolicy, Taught};
use astrape_primitives::{ChannelKeysId, Msat, NodeId, ShortChannelId, Timestamp};
use astrape_routing::synthetic::flow::Balances;
use astrape_routing::synthetic::{self, Dice, Link};
use astrape_routing::{Crossing, Finder, Graph, Scores};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// How large a network.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) nodes: u16,
    channels: usize,
}

pub(super) const LARGE: Size = Size { nodes: 200, channels: 600 };

/// So few ways that who pays as much as can flow needs nearly all of them.
pub(super) const SMALL: Size = Size { nodes: 20, channels: 45 };

/// What a node does to an HTLC that it is to pass on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    Honest,
    /// Says that its channel is short of money, whatever it holds.
    Stingy,
    /// Fails everything as a node.
    Ill,
    /// Answers with what nobody can read.
    Garbling,
}

/// A network with its truth.
pub(super) struct World {
    ids: Vec<NodeId>,
    links: Vec<Link>,
    /// Of each channel, what its first and its second end can send.
    balances: Vec<[u64; 2]>,
    habits: Vec<Habit>,
    graph: Graph,
    scores: Scores,
    pub(super) now: Timestamp,
    /// Payments that were given up while parts of them waited at the recipient, a minute for each of these.
    pub(super) waited: u32,
}

/// An HTLC that is locked: over which channel, by which of its ends, how much.
type Locked = (usize, usize, u64);

/// How a payment ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Paid,
    Failed(String),
}

/// How long payments are tried: a recipient gives back twice what waits for parts that do not come.
const RETRY_SECS: u64 = 150;

impl World {
    pub(super) fn new(seed: u64, size: Size, dishonest: u64) -> Self {
        let mut dice = Dice::new(seed);
        let ids: Vec<NodeId> = (0..size.nodes).map(node_of).collect();
        let began = u32::try_from(NOW.secs()).expect("in time");
        let mut links = synthetic::links(seed, size.nodes.into(), size.channels, began);
        for link in &mut links {
            link.policies.iter_mut().for_each(|policy| policy.disabled = false);
        }
        let balances = links.iter().map(|link| {
            let all = link.capacity.to_msat().0;
            let here = dice.below(all + 1);
            [here, all - here]
        });
        let balances = balances.collect();
        let habits = (0..size.nodes)
            .map(|_| match dice.below(100) {
                roll if roll >= dishonest => Habit::Honest,
                roll => {
                    [Habit::Stingy, Habit::Ill, Habit::Garbling][usize::try_from(roll % 3).expect("small")]
                }
            })
            .collect();
        let graph = synthetic::graph(&links, &ids).expect("all ids differ");
        Self { ids, links, balances, habits, graph, scores: Scores::new(), now: NOW, waited: 0 }
    }

    fn link_of(&self, id: ShortChannelId) -> usize {
        usize::try_from(id.0 >> 40).expect("small") - 1
    }

    fn index(&self, id: &NodeId) -> usize {
        self.ids.iter().position(|other| other == id).expect("a node of this world")
    }

    /// The end of a channel that a node is.
    fn end(&self, link: usize, node: usize) -> usize {
        usize::from(self.links[link].ends[1] as usize == node)
    }

    /// The payer's channels, as its node would tell of them.
    fn own(&self, payer: usize) -> Vec<OwnChannel> {
        let of = (0..)
            .zip(&self.links)
            .filter(|(_, link)| link.ends.contains(&u32::try_from(payer).expect("small")));
        of.map(|(number, link): (usize, &Link)| {
            let end = self.end(number, payer);
            OwnChannel {
                keys: keys_of(number),
                alias: ShortChannelId(u64::MAX - number as u64),
                inbound: [Some(ShortChannelId((number as u64 + 1) << 40 | 1 << 16)), None],
                peer: self.ids[link.ends[1 - end] as usize],
                sendable: Msat(self.balances[number][end]),
                htlc_minimum: Msat(1),
            }
        })
        .collect()
    }

    fn learn(&mut self, taught: &[Taught]) {
        for taught in taught {
            let capacity = self.links[self.link_of(taught.short_channel_id)].capacity.to_msat();
            let Taught { short_channel_id, direction, amount, outcome } = *taught;
            let crossing = Crossing { short_channel_id, direction, capacity, amount };
            self.scores.learn(&crossing, outcome, self.now);
        }
    }

    /// An HTLC of ours takes its way: what is locked on it, or who answers it and how.
    fn travel(
        &mut self,
        payer: usize,
        channel: ChannelKeysId,
        channels: &[ShortChannelId],
        new: &NewHtlc,
    ) -> Result<Vec<Locked>, (usize, Failure)> {
        let OnionSource::Recipe(recipe) = &new.onion else { panic!("an onion of ours") };
        let first = number_of(channel);
        let mut locked = vec![(first, self.end(first, payer), new.amount.0)];
        assert!(self.balances[first][locked[0].1] >= new.amount.0, "more is sent than is there");
        self.lock(locked[0]);
        let mut failed = None;
        for (index, hop) in channels.iter().enumerate() {
            let at = self.index(&NodeId::from_key(&recipe.hops[index].node));
            let amount = forwarded(recipe, index);
            let link = self.link_of(*hop);
            let end = self.end(link, at);
            let policy = &self.links[link].policies[end];
            let fee = u64::from(policy.fee_base_msat)
                + amount * u64::from(policy.fee_proportional_millionths) / 1_000_000;
            assert!(locked[index].2 >= amount + fee, "hop {index} gets its fee");
            assert!(amount >= policy.htlc_minimum.0 && amount <= policy.htlc_maximum.0);
            let failure = match self.habits[at] {
                Habit::Ill => Some(Failure::TemporaryNodeFailure),
                Habit::Garbling => Some(Failure::InvalidOnionVersion { sha256_of_onion: [0; 32] }),
                Habit::Stingy => Some(Failure::TemporaryChannelFailure),
                Habit::Honest if self.balances[link][end] < amount => Some(Failure::TemporaryChannelFailure),
                Habit::Honest => None,
            };
            if let Some(failure) = failure {
                failed = Some((index, failure));
                break;
            }
            locked.push((link, end, amount));
            self.lock((link, end, amount));
        }
        match failed {
            None => Ok(locked),
            Some(failure) => {
                locked.into_iter().for_each(|place| self.unlock(place));
                Err(failure)
            }
        }
    }

    fn own_balance(&self, payer: usize, channel: ChannelKeysId) -> u64 {
        let link = number_of(channel);
        self.balances[link][self.end(link, payer)]
    }

    fn lock(&mut self, (link, end, amount): Locked) {
        self.balances[link][end] -= amount;
    }

    fn unlock(&mut self, (link, end, amount): Locked) {
        self.balances[link][end] += amount;
    }

    /// Pays, and says how it ended and after how many HTLCs.
    pub(super) fn pay(&mut self, payer: usize, payee: usize, amount: Msat, seed: u8) -> (End, u64) {
        let policy = PaymentPolicy { max_fee_millionths: 50_000, ..PaymentPolicy::default() };
        let mut draft = draft(Some(amount), vec![]);
        draft.payee = self.ids[payee];
        let request = PayRequest {
            session_key_seed: [seed; 32],
            retry_secs: Some(RETRY_SECS),
            ..request(finish_as(u16::try_from(payee).expect("small"), &draft))
        };
        let mut finder = Finder::new(self.graph.snapshot(), &self.scores);
        let started = {
            let own = self.own(payer);
            Payment::start(request, &self.view(payer, &own, &policy))
        };
        let Ok((mut payment, outputs)) = started else {
            return (End::Failed("refused".to_owned()), 0);
        };
        let mut outputs = VecDeque::from(outputs);
        // Parts that have arrived, and wait for the others.
        let mut waiting: BTreeMap<u64, Vec<Locked>> = BTreeMap::new();
        let (mut end, mut offered) = (None, 0);
        loop {
            let Some(output) = outputs.pop_front() else {
                if end.is_some() || payment.in_flight().0 == amount {
                    break;
                }
                // The rest finds no way beside what has arrived.
                assert!(!waiting.is_empty() && payment.gave_up.is_none() && payment.asked_at.is_none());
                self.now = self.now.plus(policy.mpp_timeout_ms);
                outputs.extend(self.give_back(payer, &mut payment, &mut waiting, &policy));
                continue;
            };
            assert_eq!(end, None, "nothing follows the end");
            let (amount_out, fee_out) = payment.in_flight();
            assert!(amount_out <= amount && fee_out <= payment.max_fee);
            let (next, more) = match output {
                PayOutput::Teach(trip) => {
                    self.learn(&trip.taught());
                    continue;
                }
                PayOutput::Search(query) => {
                    finder.look_at(&self.graph.snapshot(), &self.scores);
                    let found = finder.find(&query.request(self.now));
                    let own = self.own(payer);
                    payment.on_route(query.number, &found, &self.view(payer, &own, &policy))
                }
                PayOutput::Offer(channel, new) => {
                    let astrape_channel::Origin::Payment { part, .. } = new.origin else { panic!("ours") };
                    let way = payment.parts[&part].clone();
                    // Another part may have taken the balance since this one was planned.
                    let missing = new.amount.0.saturating_sub(self.own_balance(payer, channel));
                    if missing > 0 {
                        let refusal = Refusal::InsufficientBalance { missing: Msat(missing) };
                        let own = self.own(payer);
                        let view = self.view(payer, &own, &policy);
                        let (next, more) = payment.on_not_offered(part, &refusal, &view);
                        payment = next;
                        outputs.extend(more);
                        continue;
                    }
                    offered += 1;
                    match self.travel(payer, channel, &way.channels, &new) {
                        // The recipient knows no such hash.
                        Ok(locked) if new.payment_hash != payment.payment_hash => {
                            locked.into_iter().for_each(|place| self.unlock(place));
                            let failure = Failure::IncorrectOrUnknownPaymentDetails {
                                htlc_msat: way.amount,
                                height: TIP,
                            };
                            let how = failed_by(&way, way.channels.len(), &failure);
                            let own = self.own(payer);
                            payment.on_failed(part, &how, &self.view(payer, &own, &policy))
                        }
                        Ok(locked) => {
                            waiting.insert(part, locked);
                            (payment, Vec::new())
                        }
                        Err((index, failure)) => {
                            let how = match failure {
                                Failure::InvalidOnionVersion { .. } => Resolution::Failed(FailurePacket {
                                    reason: vec![index.to_be_bytes()[7]; 292],
                                    attribution_data: None,
                                }),
                                failure => failed_by(&way, index, &failure),
                            };
                            let own = self.own(payer);
                            payment.on_failed(part, &how, &self.view(payer, &own, &policy))
                        }
                    }
                }
                PayOutput::Sent { .. } => {
                    end = Some(End::Paid);
                    continue;
                }
                reached @ PayOutput::Reached { .. } => panic!("this is no probe: {reached:?}"),
                PayOutput::Failed { reason } => {
                    end = Some(End::Failed(reason));
                    continue;
                }
            };
            payment = next;
            outputs.extend(more);
            if payment.gave_up.is_some() {
                outputs.extend(self.give_back(payer, &mut payment, &mut waiting, &policy));
            }
        }
        if end.is_none() {
            // Nothing is left to do but to wait: all has arrived, and the payee settles it.
            assert_eq!(payment.in_flight().0, amount, "all parts are there");
            for (part, locked) in std::mem::take(&mut waiting) {
                for (link, end, amount) in locked {
                    self.balances[link][1 - end] += amount;
                }
                let (next, outputs) = payment.on_fulfilled(part, PREIMAGE, None, self.now);
                payment = next;
                for output in outputs {
                    match output {
                        PayOutput::Teach(trip) => self.learn(&trip.taught()),
                        PayOutput::Sent { preimage, .. } => {
                            assert_eq!((preimage, end.take()), (PREIMAGE, None), "it is sent once");
                            end = Some(End::Paid);
                        }
                        other => panic!("after the preimage: {other:?}"),
                    }
                }
            }
        }
        assert!(payment.is_over() && waiting.is_empty());
        (end.expect("it has ended"), offered)
    }

    /// The payee gives back what waits for parts that will not come.
    fn give_back(
        &mut self,
        payer: usize,
        payment: &mut Payment,
        waiting: &mut BTreeMap<u64, Vec<Locked>>,
        policy: &PaymentPolicy,
    ) -> Vec<PayOutput> {
        let mut told = Vec::new();
        self.waited += u32::from(!waiting.is_empty());
        for (part, locked) in std::mem::take(waiting) {
            locked.into_iter().for_each(|place| self.unlock(place));
            let way = &payment.parts[&part];
            let how = failed_by(way, way.channels.len(), &Failure::MppTimeout);
            let own = self.own(payer);
            let (next, outputs) = payment.on_failed(part, &how, &self.view(payer, &own, policy));
            *payment = next;
            told.extend(outputs);
        }
        told
    }

    fn view<'a>(&self, payer: usize, own: &'a [OwnChannel], policy: &'a PaymentPolicy) -> PayView<'a> {
        PayView { payer: self.ids[payer], channels: own, now: self.now, tip: TIP, policy }
    }

    /// The most that could flow between two nodes, by the balances that nobody knows, less what is not passed on by a node
    /// that fails everything: the bound of any payment, fees left out.
    pub(super) fn max_flow(&self, from: usize, to: usize) -> u64 {
        let mut known = Balances::default();
        for (number, link) in self.links.iter().enumerate() {
            let ends = link.ends.map(|end| end as usize);
            for (end, sender) in ends.into_iter().enumerate() {
                if sender != from && self.habits[sender] != Habit::Honest {
                    continue;
                }
                let most = self.balances[number][end].min(link.policies[end].htlc_maximum.0 * 16);
                known.add(sender, ends[1 - end], most);
            }
        }
        known.max_flow(from, to)
    }

    pub(super) fn money(&self) -> u64 {
        self.balances.iter().flatten().sum()
    }
}

fn keys_of(number: usize) -> ChannelKeysId {
    let mut keys = [0; 32];
    keys[..8].copy_from_slice(&(number as u64).to_be_bytes());
    ChannelKeysId(keys)
}

fn number_of(keys: ChannelKeysId) -> usize {
    let (number, _) = keys.0.split_first_chunk::<8>().expect("32 bytes");
    usize::try_from(u64::from_be_bytes(*number)).expect("small")
}

fn forwarded(recipe: &Arc<OnionRecipe>, index: usize) -> u64 {
    astrape_onion::forwarded_amount(&recipe.hops[index].payload).expect("a payload of ours").0
}

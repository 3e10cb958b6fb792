//! A network with its truth: what its channels hold, and what its nodes do to HTLCs.

use crate::support::{NOW, SECP, TIP, node_of};
use astrape_channel::{NewHtlc, OnionSource};
use astrape_onion::{Failure, OnionRecipe};
use astrape_payment::probing::Unpaid;
use astrape_payment::{ForwardPolicy, OwnChannel, PayView, PaymentPolicy, Taught};
use astrape_primitives::{ChannelKeysId, Msat, NodeId, Sat, ShortChannelId, Timestamp};
use astrape_routing::synthetic::flow::Balances;
use astrape_routing::synthetic::{self, Dice, Link};
use astrape_routing::{Crossing, Graph, Scores};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// How large a network.
#[derive(Clone, Debug)]
pub(super) struct Size {
    pub(super) nodes: u16,
    channels: usize,
    /// Where all ask for the same: what channels hold, in satoshi.
    plain: Option<Range<u64>>,
    /// What any payment may cost.
    pub(super) max_fee_floor: Msat,
    /// A payment can arrive that leaves so much of what can flow for fees: one part in so many.
    pub(super) fees_one_in: u64,
}

pub(super) const LARGE: Size =
    Size { nodes: 200, channels: 600, plain: None, max_fee_floor: Msat(5_000), fees_one_in: 20 };

/// As `cargo xtask network` builds it.
pub(super) const PLAIN: Size = Size {
    nodes: 30,
    channels: 60,
    plain: Some(400_000..4_000_000),
    max_fee_floor: Msat(200_000),
    fees_one_in: 200,
};

/// So few ways that who pays as much as can flow needs nearly all of them.
pub(super) const SMALL: Size =
    Size { nodes: 20, channels: 45, plain: None, max_fee_floor: Msat(5_000), fees_one_in: 50 };

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
    pub(super) ids: Vec<NodeId>,
    links: Vec<Link>,
    /// Of each channel, what its first and its second end can send.
    pub(super) balances: Vec<[u64; 2]>,
    habits: Vec<Habit>,
    /// What nodes know of forwards from one channel over another that came back unpaid (attack 51).
    unpaid: BTreeMap<(Place, Place), Unpaid>,
    pub(super) graph: Graph,
    pub(super) scores: Scores,
    pub(super) now: Timestamp,
    pub(super) max_fee_floor: Msat,
    /// In which order answers come.
    pub(super) dice: Dice,
    /// Payments that were given up while parts of them waited at the recipient, a minute for each of these.
    pub(super) waited: u32,
}

/// A channel, by the end that sends.
type Place = (usize, usize);

/// An HTLC that is locked: over which channel, by which of its ends, how much.
pub(super) type Locked = (usize, usize, u64);

impl World {
    pub(super) fn new(seed: u64, size: &Size, dishonest: u64) -> Self {
        let mut dice = Dice::new(seed);
        let ids: Vec<NodeId> = (0..size.nodes).map(node_of).collect();
        let began = u32::try_from(NOW.secs()).expect("in time");
        let mut links = synthetic::links(seed, size.nodes.into(), size.channels, began);
        if let Some(range) = &size.plain {
            links.iter_mut().for_each(|link| make_plain(link, range, &mut dice));
        }
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
        let (unpaid, scores) = (BTreeMap::new(), Scores::new());
        let (now, waited, max_fee_floor) = (NOW, 0, size.max_fee_floor);
        Self { ids, links, balances, habits, unpaid, graph, scores, now, max_fee_floor, dice, waited }
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
    pub(super) fn own(&self, payer: usize) -> Vec<OwnChannel> {
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
                back: None,
            }
        })
        .collect()
    }

    pub(super) fn learn(&mut self, taught: &[Taught]) {
        for taught in taught {
            let capacity = self.links[self.link_of(taught.short_channel_id)].capacity.to_msat();
            let Taught { short_channel_id, direction, amount, outcome } = *taught;
            let crossing = Crossing { short_channel_id, direction, capacity, amount };
            self.scores.learn(&crossing, outcome, self.now);
        }
    }

    /// An HTLC of ours takes its way: what is locked on it, and who does not pass it on and why.
    pub(super) fn travel(
        &mut self,
        payer: usize,
        channel: ChannelKeysId,
        channels: &[ShortChannelId],
        new: &NewHtlc,
    ) -> (Vec<Locked>, Option<(usize, Failure)>) {
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
                Habit::Honest => self.refuses(&locked, (link, end, amount)),
            };
            if let Some(failure) = failure {
                failed = Some((index, failure));
                break;
            }
            locked.push((link, end, amount));
            self.lock((link, end, amount));
        }
        (locked, failed)
    }

    /// Why an honest node does not pass on what has come so far.
    fn refuses(&mut self, so_far: &[Locked], (link, end, amount): Locked) -> Option<Failure> {
        let came = so_far.last().map(|(link, end, _)| (*link, *end)).expect("it came over a channel");
        let account = self.unpaid.entry((came, (link, end))).or_default();
        if account.is_used_up(self.now) {
            return Some(Failure::TemporaryChannelFailure);
        }
        if self.balances[link][end] < amount {
            *account = account.after_refused(self.now);
            return Some(Failure::TemporaryChannelFailure);
        }
        None
    }

    /// An HTLC comes back: whoever passed it on counts it.
    pub(super) fn come_back(&mut self, locked: Vec<Locked>) {
        self.count(&locked, Unpaid::after_unpaid);
        locked.into_iter().for_each(|place| self.unlock(place));
    }

    pub(super) fn count(&mut self, locked: &[Locked], how: impl Fn(&Unpaid, Timestamp) -> Unpaid) {
        for pair in locked.windows(2) {
            let place = |at: usize| (pair[at].0, pair[at].1);
            let account = self.unpaid.entry((place(0), place(1))).or_default();
            *account = how(account, self.now);
        }
    }

    pub(super) fn own_balance(&self, payer: usize, channel: ChannelKeysId) -> u64 {
        let link = number_of(channel);
        self.balances[link][self.end(link, payer)]
    }

    fn lock(&mut self, (link, end, amount): Locked) {
        self.balances[link][end] -= amount;
    }

    fn unlock(&mut self, (link, end, amount): Locked) {
        self.balances[link][end] += amount;
    }

    pub(super) fn view<'a>(
        &self,
        payer: usize,
        own: &'a [OwnChannel],
        policy: &'a PaymentPolicy,
    ) -> PayView<'a> {
        PayView { payer: self.ids[payer], channels: own, now: self.now, tip: TIP, policy, secp: &SECP }
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

/// Between any two nodes, for what a node of ours asks.
fn make_plain(link: &mut Link, capacities: &Range<u64>, dice: &mut Dice) {
    let forward = ForwardPolicy::default();
    link.capacity = Sat(capacities.start + dice.below(capacities.end - capacities.start));
    for policy in &mut link.policies {
        policy.fee_base_msat = u32::try_from(forward.fee_base.0).expect("small");
        policy.fee_proportional_millionths = forward.fee_proportional_millionths;
        policy.htlc_minimum = forward.htlc_minimum;
        policy.htlc_maximum = link.capacity.to_msat();
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

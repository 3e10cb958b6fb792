//! What a failure teaches (BOLT 4, "Receiving Failure Codes"): what to avoid, or that it makes no sense to go on.

mod recipient;
mod update;

use super::teach::{Passage, Taught};
use super::{Lessons, Limit, PayView, Payment, PaymentPart};
use crate::words;
use astrape_channel::{Refusal, Resolution};
use astrape_onion::{DecodedFailure, Failure, FailureSource, HoldTime, decode_failure};
use astrape_primitives::{ChannelKeysId, Msat, NodeId, ShortChannelId};
use astrape_routing::Direction;
use astrape_routing::search::Asked;
use recipient::Failed;

/// What was learnt.
pub(super) struct Lesson {
    /// For people.
    pub(super) words: String,
    /// For the payment.
    pub(super) verdict: Verdict,
    /// For path search.
    pub(super) taught: Vec<Taught>,
    /// How long the hops held the part, as they tell.
    pub(super) hold_times: Vec<HoldTime>,
    /// Which hop signed what was read, from 0: those before have passed it on as it was.
    pub(super) read_from: Option<usize>,
    /// Whether the recipient had it and looked what it was for.
    pub(super) arrived: bool,
}

pub(super) enum Verdict {
    /// No way helps.
    GiveUp,
    /// The recipient did not wait any longer for the parts that lacked: from anew, once all are back.
    Anew,
    /// The recipient cannot take it now: from anew after a while.
    Later,
    /// Other ways may help.
    Avoid(Vec<Avoid>),
}

/// Something that is not to be used, or only for less.
pub(super) enum Avoid {
    Own(ChannelKeysId, Msat),
    Channel(Passage, Msat),
    /// The channel of a part of this number asks something else.
    Asks(Asked, u64),
    Node(NodeId),
    /// One of several may have done it.
    Suspect(NodeId),
}

/// How often a node may be suspected and be used again. Who stood on two such ways is more likely to be the one, or another
/// like it.
const MAX_BORNE: u32 = 1;

/// How often more is dared: then a five hundredth of what may be in a channel is left.
const MAX_DARED: u32 = 8;

impl Lessons {
    /// `attempts` is the number of the next part.
    pub(super) fn add(&mut self, avoid: Avoid, attempts: u64) {
        let lower = |old: &mut Msat, most: Msat| *old = most.min(*old);
        match avoid {
            Avoid::Own(keys, most) => lower(self.own.entry(keys).or_insert(most), most),
            Avoid::Channel(passage, Msat::ZERO) => self.close(passage.short_channel_id),
            Avoid::Channel(passage, most) => {
                let limit = self.channels.entry((passage.short_channel_id, passage.direction));
                let limit = limit.or_insert(Limit { most, dared: 0 });
                *limit = Limit { most: most.min(limit.most), dared: 0 };
            }
            Avoid::Asks(asked, part) => self.ask(asked, part, attempts),
            Avoid::Node(node) => {
                self.nodes.insert(node);
            }
            Avoid::Suspect(node) => *self.suspects.entry(node).or_default() += 1,
        }
    }
}

impl Payment {
    /// A part has passed so many channels of others before it came back; when it was given back since others lacked, those that are
    /// still in flight were there with it. So a limit below what was carried is none: a part that failed there may have stood beside a
    /// later one, which was not known then.
    pub(super) fn carried(&mut self, part: &PaymentPart, passed: usize, together: bool) {
        for passage in part.crossings().take(passed) {
            let beside = if together { in_flight(self.parts.values(), &passage) } else { Msat::ZERO };
            self.lessons.carries(&passage, passage.amount.saturating_add(beside));
        }
    }
}

impl Lessons {
    /// A channel of others has carried this. One that is not to be used at all stays so.
    fn carries(&mut self, passage: &Passage, amount: Msat) {
        let limit = self.channels.get_mut(&(passage.short_channel_id, passage.direction));
        if let Some(limit) = limit.filter(|limit| limit.most > Msat::ZERO && limit.most < amount) {
            *limit = Limit { most: amount, dared: 0 };
        }
    }

    /// A channel of others is not to be used, whichever way.
    pub(super) fn close(&mut self, channel: ShortChannelId) {
        self.channels.extend(Direction::BOTH.map(|direction| ((channel, direction), Limit::default())));
    }

    /// Nodes that are not to be used: those that failed, and those that are suspected more often than is borne.
    pub(super) fn avoided(&self) -> impl Iterator<Item = NodeId> + '_ {
        let suspected = self.suspects.iter().filter(|(_, times)| **times > self.bears).map(|(node, _)| *node);
        self.nodes.iter().copied().chain(suspected)
    }

    /// Whether a node is not to be used.
    pub(super) fn avoids(&self, node: &NodeId) -> bool {
        self.nodes.contains(node) || self.suspects.get(node).is_some_and(|times| *times > self.bears)
    }

    /// There is no way without those that are suspected: some are to be used again. `false` when that opens none.
    pub(super) fn bear(&mut self) -> bool {
        let opens = self.bears < MAX_BORNE && self.suspects.values().any(|times| *times == self.bears + 1);
        self.bears += u32::from(opens);
        opens
    }

    /// There is no way with half of what may be in channels that failed: more of it is to be tried. `false` when that opens none.
    pub(super) fn dare(&mut self) -> bool {
        let mut opens = false;
        let tried = |limit: &&mut Limit| limit.most > Msat::ZERO && limit.dared < MAX_DARED;
        for limit in self.channels.values_mut().filter(tried) {
            (limit.dared, opens) = (limit.dared + 1, true);
        }
        opens
    }

    /// Takes what an answer of a part says of the nodes before the one that it comes from: who has passed on what can be read is
    /// suspected no more.
    pub(super) fn read(&mut self, part: &PaymentPart, read_from: Option<usize>) {
        if let Some(index) = read_from {
            for node in part.nodes().take(index) {
                self.suspects.remove(&node);
            }
        }
    }
}

impl Limit {
    /// What is worth a try beside what is in flight: half of what else may be there, or three quarters, or seven eighths. Whether
    /// that arrives or not, what is not known gets less, and few attempts tell how much a channel has.
    pub(super) fn worth_a_try(&self, in_flight: Msat) -> Msat {
        let room = self.most.saturating_sub(in_flight);
        room.saturating_sub(Msat(room.0.checked_shr(self.dared.saturating_add(1)).unwrap_or(0)))
    }
}

/// Of a channel of ours that did not take a part beside those that were made earlier: smaller parts may fit where only the amount
/// was wrong.
pub(super) fn from_refusal<'a>(
    part: &PaymentPart,
    earlier: impl Iterator<Item = &'a PaymentPart>,
    refusal: &Refusal,
) -> (String, Verdict) {
    let sent = part.sent();
    let fits = match refusal {
        Refusal::InsufficientBalance { missing } => Some(sent.saturating_sub(*missing)),
        Refusal::TooMuchInFlight { over } => Some(sent.saturating_sub(*over)),
        _ => None,
    };
    let there: Msat = earlier.filter(|other| other.channel == part.channel).map(PaymentPart::sent).sum();
    // Lower in any case, so that the same is never tried again.
    let fits = fits.map(|fits| fits.min(sent.saturating_sub(Msat(1))));
    let most = fits.map_or(Msat::ZERO, |fits| there.saturating_add(fits));
    (words::not_offered(part.node(0), refusal), Verdict::Avoid(vec![Avoid::Own(part.channel, most)]))
}

/// Of the answer to a part. Those that were made earlier and are in flight have got where it did not: what they have in a channel
/// can be carried. So have those that `ended` since they were there, by how many channels the part crosses before. Of later ones that
/// is not known.
pub(super) fn from_answer<'a>(
    (number, part): (u64, &PaymentPart),
    earlier: impl Iterator<Item = &'a PaymentPart>,
    ended: impl Fn(usize) -> Option<Msat>,
    how: &Resolution,
    view: &PayView<'_>,
) -> Lesson {
    let Resolution::Failed(packet) = how else {
        return from_malformed(part, how);
    };
    let DecodedFailure { source, update, hold_times } =
        decode_failure(&part.recipe.shared_secrets(), packet.clone());
    match source {
        FailureSource::Unreadable { blamed } => Lesson {
            words: words::unreadable(part, blamed),
            verdict: Verdict::Avoid(match blamed {
                Some(index) => vec![channel_to(part, index, Msat::ZERO)],
                None => anybody(part),
            }),
            taught: Vec::new(),
            hold_times,
            read_from: None,
            arrived: false,
        },
        FailureSource::Hop { index, failure } if index < part.channels.len() => {
            let crossing = part.crossings().nth(index);
            let there = crossing.map_or(Msat::ZERO, |failed| in_flight(earlier, &failed));
            let there = there.saturating_add(ended(index).unwrap_or_default());
            let less = crossing.map_or(Msat::ZERO, |failed| failed.amount.saturating_sub(Msat(1)));
            let asked = update.and_then(|update| update::asked(part, index, &failure, &update, view.secp));
            let verdict = match asked {
                Some(asked) => Verdict::Avoid(vec![Avoid::Asks(asked, number)]),
                None => from_hop(part, there.saturating_add(less), index, &failure),
            };
            let taught = part.stuck(there, index, &failure);
            let words = words::hop_failed(part, index, &failure);
            Lesson { words, verdict, taught, hold_times, read_from: Some(index), arrived: false }
        }
        FailureSource::Hop { index, failure } => {
            let last = index.checked_sub(1).and_then(|before| part.crossings().nth(before));
            let there = last
                .map(|last| in_flight(earlier, &last).saturating_add(ended(index - 1).unwrap_or_default()));
            let failed = Failed { part, index, failure: &failure, there: there.unwrap_or_default() };
            Lesson { hold_times, ..failed.lesson(view.tip) }
        }
    }
}

fn from_malformed(part: &PaymentPart, how: &Resolution) -> Lesson {
    let code = match how {
        Resolution::Malformed { failure_code, .. } => *failure_code,
        Resolution::Failed(_) | Resolution::Fulfilled { .. } => 0,
    };
    Lesson {
        words: words::malformed(part.node(0), code),
        verdict: Verdict::Avoid(vec![Avoid::Own(part.channel, Msat::ZERO)]),
        taught: Vec::new(),
        hold_times: Vec::new(),
        read_from: None,
        arrived: false,
    }
}

/// Nobody has signed the failure and nothing tells who changed it: whoever passes on is suspected alike, and the same way is not
/// gone again. The recipient has no reason to.
fn anybody(part: &PaymentPart) -> Vec<Avoid> {
    let between = part.nodes().take(part.channels.len());
    std::iter::once(channel_to(part, 1.min(part.channels.len()), Msat::ZERO))
        .chain(between.map(Avoid::Suspect))
        .collect()
}

/// A hop between our peer and the recipient, whose next channel has `most` if it is too little that failed.
fn from_hop(part: &PaymentPart, most: Msat, index: usize, failure: &Failure) -> Verdict {
    let avoid = if failure.is_node() && !failure.is_bad_onion() {
        Avoid::Node(part.node(index))
    } else if matches!(failure, Failure::TemporaryChannelFailure) {
        // How much it can carry is not said: less is worth a try where the payment may be split.
        channel_to(part, index + 1, most)
    } else {
        // Also where the channel asks for more, and does not say what.
        channel_to(part, index + 1, Msat::ZERO)
    };
    Verdict::Avoid(vec![avoid])
}

/// What parts have in flight over a channel, in the direction of one of them.
fn in_flight<'a>(parts: impl Iterator<Item = &'a PaymentPart>, over: &Passage) -> Msat {
    let same = |other: &Passage| other.is_same_way(over);
    parts.flat_map(PaymentPart::crossings).filter(same).map(|passage| passage.amount).sum()
}

/// The channel by which hop `index` was reached.
fn channel_to(part: &PaymentPart, index: usize, most: Msat) -> Avoid {
    match index.checked_sub(1).and_then(|before| part.crossings().nth(before)) {
        Some(passage) => Avoid::Channel(passage, most),
        None => Avoid::Own(part.channel, most),
    }
}

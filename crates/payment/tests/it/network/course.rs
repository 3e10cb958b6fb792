//! One payment in a world, from its begin to its end. Its HTLCs are under way together: their answers come in any order, and until
//! then what they have locked is locked.

use super::world::{Locked, World};
use crate::support::{PREIMAGE, TIP, draft, failed_by, finish_as, request};
use astrape_channel::{NewHtlc, Origin, Refusal, Resolution};
use astrape_onion::{Failure, FailurePacket};
use astrape_payment::probing::Unpaid;
use astrape_payment::{OwnChannel, PayOutput, PayRequest, PayView, Payment, PaymentPolicy};
use astrape_primitives::{ChannelKeysId, Msat};
use astrape_routing::Finder;
use std::collections::{BTreeMap, VecDeque};

/// How long payments are tried: a recipient gives back twice what waits for parts that do not come.
const RETRY_SECS: u64 = 150;

/// How a payment ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Paid,
    Failed(String),
}

/// An HTLC that comes back: where it is locked until then, who answers, and how.
struct Answer {
    part: u64,
    locked: Vec<Locked>,
    by: usize,
    failure: Failure,
}

struct Course<'a> {
    world: &'a mut World,
    policy: PaymentPolicy,
    payer: usize,
    payment: Payment,
    outputs: VecDeque<PayOutput>,
    answers: Vec<Answer>,
    /// Parts that have arrived, and wait for the others.
    waiting: BTreeMap<u64, Vec<Locked>>,
    end: Option<End>,
    offered: u64,
}

impl World {
    /// Pays, and says how it ended and after how many HTLCs.
    pub(super) fn pay(&mut self, payer: usize, payee: usize, amount: Msat, seed: u8) -> (End, u64) {
        let max_fee_floor = self.max_fee_floor;
        let policy = PaymentPolicy { max_fee_millionths: 50_000, max_fee_floor, ..PaymentPolicy::default() };
        let mut draft = draft(Some(amount), vec![]);
        draft.payee = self.ids[payee];
        let request = PayRequest {
            session_key_seed: [seed; 32],
            retry_secs: Some(RETRY_SECS),
            ..request(finish_as(u16::try_from(payee).expect("small"), &draft))
        };
        let own = self.own(payer);
        let Ok((payment, outputs)) = Payment::start(request, &self.view(payer, &own, &policy)) else {
            return (End::Failed("refused".to_owned()), 0);
        };
        let outputs = VecDeque::from(outputs);
        let (answers, waiting) = (Vec::new(), BTreeMap::new());
        Course { world: self, policy, payer, payment, outputs, answers, waiting, end: None, offered: 0 }.run()
    }
}

impl Course<'_> {
    fn run(mut self) -> (End, u64) {
        let amount = self.payment.amount;
        let mut finder = Finder::new(self.world.graph.snapshot(), &self.world.scores);
        loop {
            let (out, fee) = self.payment.in_flight();
            assert!(out <= amount && fee <= self.payment.max_fee);
            if !self.answers.is_empty() && (self.outputs.is_empty() || self.world.dice.below(2) == 0) {
                let any = self.world.dice.below(self.answers.len() as u64);
                let answer = self.answers.swap_remove(usize::try_from(any).expect("small"));
                self.answered(answer);
            } else if let Some(output) = self.outputs.pop_front() {
                self.follow(output, &mut finder);
            } else if self.end.is_some() {
                break;
            } else if self.payment.gave_up.is_none() && self.payment.in_flight().0 == amount {
                self.settle();
            } else {
                // The rest finds no way beside what has arrived.
                assert!(!self.waiting.is_empty() && self.payment.asked_at.is_none());
                self.give_back();
            }
        }
        assert!(self.payment.is_over() && self.waiting.is_empty());
        (self.end.expect("it has ended"), self.offered)
    }

    fn follow(&mut self, output: PayOutput, finder: &mut Finder) {
        match output {
            PayOutput::Teach(trip) => self.world.learn(&trip.taught()),
            PayOutput::Search(query) => {
                finder.look_at(&self.world.graph.snapshot(), &self.world.scores);
                let found = finder.find(&query.request(self.world.now));
                self.change(|payment, view| payment.on_route(query.number, &found, view));
            }
            PayOutput::Offer(channel, new) => self.offer(channel, &new),
            PayOutput::Sent { preimage, .. } => {
                assert_eq!(preimage, PREIMAGE);
                self.ends(End::Paid);
            }
            PayOutput::Failed { reason } => self.ends(End::Failed(reason)),
            reached @ PayOutput::Reached { .. } => panic!("this is no probe: {reached:?}"),
        }
    }

    fn ends(&mut self, end: End) {
        assert_eq!(self.end.replace(end), None, "it ends once");
    }

    fn change(&mut self, how: impl FnOnce(&Payment, &PayView<'_>) -> (Payment, Vec<PayOutput>)) {
        let own: Vec<OwnChannel> = self.world.own(self.payer);
        let (next, outputs) = how(&self.payment, &self.world.view(self.payer, &own, &self.policy));
        self.payment = next;
        self.outputs.extend(outputs);
    }

    fn offer(&mut self, channel: ChannelKeysId, new: &NewHtlc) {
        let Origin::Payment { part, .. } = new.origin else { panic!("ours") };
        // Another part may have taken the balance since this one was planned.
        let missing = new.amount.0.saturating_sub(self.world.own_balance(self.payer, channel));
        if missing > 0 {
            let refusal = Refusal::InsufficientBalance { missing: Msat(missing) };
            return self.change(|payment, view| payment.on_not_offered(part, &refusal, view));
        }
        self.offered += 1;
        let way = &self.payment.parts[&part];
        let (amount, last) = (way.amount, way.channels.len());
        let (locked, failed) = self.world.travel(self.payer, channel, &way.channels.clone(), new);
        match failed {
            Some((by, failure)) => self.answers.push(Answer { part, locked, by, failure }),
            // The recipient knows no such hash.
            None if new.payment_hash != self.payment.payment_hash => {
                let failure = Failure::IncorrectOrUnknownPaymentDetails { htlc_msat: amount, height: TIP };
                self.answers.push(Answer { part, locked, by: last, failure });
            }
            None => {
                self.waiting.insert(part, locked);
            }
        }
    }

    fn answered(&mut self, answer: Answer) {
        let Answer { part, locked, by, failure } = answer;
        self.world.come_back(locked);
        let how = match failure {
            Failure::InvalidOnionVersion { .. } => Resolution::Failed(FailurePacket {
                reason: vec![by.to_be_bytes()[7]; 292],
                attribution_data: None,
            }),
            failure => failed_by(&self.payment.parts[&part], by, &failure),
        };
        self.change(|payment, view| payment.on_failed(part, &how, view));
    }

    /// A minute later, the payee gives back what waits for parts that do not come.
    fn give_back(&mut self) {
        self.world.waited += 1;
        self.world.now = self.world.now.plus(self.policy.mpp_timeout_ms);
        for (part, locked) in std::mem::take(&mut self.waiting) {
            let by = self.payment.parts[&part].channels.len();
            self.answers.push(Answer { part, locked, by, failure: Failure::MppTimeout });
        }
    }

    /// All is there, and the payee settles it.
    fn settle(&mut self) {
        for (part, locked) in std::mem::take(&mut self.waiting) {
            self.world.count(&locked, Unpaid::after_paid);
            for (link, end, amount) in locked {
                self.world.balances[link][1 - end] += amount;
            }
            let now = self.world.now;
            self.change(|payment, _| payment.on_fulfilled(part, PREIMAGE, None, now));
        }
    }
}

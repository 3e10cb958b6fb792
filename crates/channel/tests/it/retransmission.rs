//! Connections cut at every message of an exchange: what was lost is said again, in order, and nothing is said twice.

use crate::pair::{A, B, Pair, Setup, failure};
use astrape_channel::Command;
use astrape_primitives::{FeeratePerKw, Msat, PaymentHash};
use std::collections::BTreeSet;

/// Whose message arrives next when both have some.
#[derive(Clone, Copy, Debug)]
enum Schedule {
    First(usize),
    InTurn,
    /// By the bits of a number.
    Bits(u64),
}

impl Schedule {
    fn first(self, step: usize) -> usize {
        match self {
            Schedule::First(who) => who,
            Schedule::InTurn => step % 2,
            Schedule::Bits(bits) => usize::from(bits >> (step % 64) & 1 == 1),
        }
    }
}

/// Payments both ways, one that fails, and a new feerate.
struct Exchange {
    pair: Pair,
    schedule: Schedule,
    paid: Vec<PaymentHash>,
    failed: PaymentHash,
    steps: usize,
}

impl Exchange {
    fn start(anchors: bool, eager: bool, schedule: Schedule) -> Self {
        let mut pair = Pair::ready(Setup { anchors, ..Setup::default() });
        pair.eager = eager;
        let paid =
            vec![pair.pay(A, Msat(30_000_000)), pair.pay(B, Msat(9_000_000)), pair.pay(A, Msat(300_000))];
        let (failed, _) = pair.pay_held(B, Msat(11_000_000));
        pair.nodes[A].plans.insert(failed, failure());
        pair.command(A, Command::UpdateFee(FeeratePerKw(1500)));
        Self { pair, schedule, paid, failed, steps: 0 }
    }

    /// Lets so many messages arrive; `false` when all was quiet before.
    fn deliver(&mut self, messages: usize) -> bool {
        let mut delivered = 0;
        while delivered < messages {
            let waits: usize = self.pair.nodes.iter().map(|n| n.outbox.len()).sum();
            let more = self.pair.step(self.schedule.first(self.steps));
            self.steps += 1;
            if waits > 0 {
                delivered += 1;
            } else if !more {
                return false;
            }
        }
        true
    }

    /// Cuts, reconnects, and tells what each end said again.
    fn reconnect(&mut self) -> [Vec<&'static str>; 2] {
        self.pair.cut();
        self.pair.connect();
        let eager = std::mem::replace(&mut self.pair.eager, false);
        let before = [self.pair.nodes[A].said.len(), self.pair.nodes[B].said.len()];
        for from in [A, B] {
            self.pair.deliver(from).expect("both are honest");
        }
        self.pair.eager = eager;
        [A, B].map(|who| {
            let said = self.pair.nodes[who].said[before[who]..].iter();
            said.copied().filter(|name| ["revoke_and_ack", "commitment_signed"].contains(name)).collect()
        })
    }

    fn finish(mut self) {
        self.pair.run();
        for hash in &self.paid {
            let ended = self.pair.nodes.iter().any(|n| n.fulfilled.contains_key(hash));
            assert!(ended, "{hash} was not paid");
        }
        assert!(self.pair.nodes[B].failed.contains_key(&self.failed));
        for node in &self.pair.nodes {
            assert!(node.open().htlcs.is_empty() && node.not_offered.is_empty());
            assert_eq!(node.open().fees.newest(), FeeratePerKw(1500));
            assert!(node.open().is_at_rest());
        }
        assert_eq!(self.pair.balance(A), Msat(600_000_000 - 30_000_000 + 9_000_000 - 300_000));
    }
}

const SCHEDULES: [Schedule; 5] = [
    Schedule::First(A),
    Schedule::First(B),
    Schedule::InTurn,
    Schedule::Bits(0x5bd1_e995_9d1b_54a3),
    Schedule::Bits(0x0f0f_33cc_aa1e_7077),
];

// BOLT 2.message-retransmission.5
// BOLT 2.message-retransmission.6
// BOLT 2.message-retransmission.11
// BOLT 2.message-retransmission.12
// BOLT 2.message-retransmission.15
// BOLT 2.message-retransmission.30
// BOLT 2.message-retransmission.32
// BOLT 2.message-retransmission.33
// BOLT 2.message-retransmission.47
// BOLT 2.adding-an-htlc-update_add_htlc.19
#[test]
fn every_payment_ends_whichever_message_is_the_last_before_a_cut() {
    let mut cases: [BTreeSet<Vec<&str>>; 2] = [BTreeSet::new(), BTreeSet::new()];
    for (n, schedule) in SCHEDULES.into_iter().enumerate() {
        for eager in [false, true] {
            if eager && matches!(schedule, Schedule::First(_)) {
                // Nothing crosses then that does not cross in turn.
                continue;
            }
            for messages in 0.. {
                let mut exchange = Exchange::start(n % 2 == 0, eager, schedule);
                let more = exchange.deliver(messages);
                for (who, said) in exchange.reconnect().into_iter().enumerate() {
                    cases[who].insert(said);
                }
                exchange.finish();
                if !more {
                    assert!(messages > 15, "a real exchange");
                    break;
                }
            }
        }
    }
    let (revoke, sign) = ("revoke_and_ack", "commitment_signed");
    for (who, seen) in cases.iter().enumerate() {
        for case in [vec![], vec![revoke], vec![sign], vec![revoke, sign], vec![sign, revoke]] {
            assert!(seen.contains(&case), "{who} never had to say {case:?} again");
        }
    }
}

#[test]
fn every_payment_ends_when_the_connection_is_cut_again_and_again() {
    for (n, schedule) in SCHEDULES.into_iter().enumerate() {
        for messages in 1..9 {
            let mut exchange = Exchange::start(n % 2 == 1, messages % 2 == 0, schedule);
            for cut in 0..8 {
                exchange.deliver(messages + cut % 3);
                exchange.pair.cut();
                exchange.pair.connect();
            }
            exchange.deliver(2);
            exchange.finish();
        }
    }
}

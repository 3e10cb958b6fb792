//! A random walk: both ends do what they like, the wire is cut at will, and in the end all is quiet and equal.

use crate::pair::{A, B, Pair, Setup, failure, p2wpkh};
use astrape_channel::{Command, Link, Resolution};
use astrape_primitives::{FeeratePerKw, Msat, Sat};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Move {
    Pay { from: usize, amount: u64 },
    PayAndFail { from: usize, amount: u64 },
    PayMalformed { from: usize, amount: u64 },
    Feerate(u32),
    Deliver(usize),
    Settle(usize),
    Propose(usize),
    Cut,
    Shutdown(usize),
}

fn moves(closing: bool) -> impl Strategy<Value = Move> {
    let amount = prop_oneof![1u64..3_000_000, 1u64..400_000_000];
    let side = 0usize..2;
    prop_oneof![
        4 => (side.clone(), amount.clone()).prop_map(|(from, amount)| Move::Pay { from, amount }),
        2 => (side.clone(), amount.clone()).prop_map(|(from, amount)| Move::PayAndFail { from, amount }),
        1 => (side.clone(), amount).prop_map(|(from, amount)| Move::PayMalformed { from, amount }),
        1 => (253u32..5000).prop_map(Move::Feerate),
        14 => side.clone().prop_map(Move::Deliver),
        4 => side.clone().prop_map(Move::Settle),
        6 => side.clone().prop_map(Move::Propose),
        1 => Just(Move::Cut),
        u32::from(closing) => side.prop_map(Move::Shutdown),
    ]
}

/// Ends of payments that never overlap: the sum of what was paid is what moved.
struct Walk {
    pair: Pair,
    start: u64,
    amounts: Vec<(usize, u64, astrape_primitives::PaymentHash)>,
}

impl Walk {
    fn new(anchors: bool) -> Self {
        let mut pair = Pair::ready(Setup { anchors, ..Setup::default() });
        // The estimates differ here by far more than two nodes on one chain would ever see.
        pair.nodes.iter_mut().for_each(|n| n.policy.min_feerate_percent = 0);
        let start = pair.balance(A).0;
        Self { pair, start, amounts: Vec::new() }
    }

    fn apply(&mut self, step: Move) {
        let pair = &mut self.pair;
        match step {
            Move::Pay { from, amount } => {
                let hash = pair.pay(from, Msat(amount));
                self.amounts.push((from, amount, hash));
            }
            Move::PayAndFail { from, amount } => {
                let (hash, _) = pair.pay_held(from, Msat(amount));
                pair.nodes[1 - from].plans.insert(hash, failure());
            }
            Move::PayMalformed { from, amount } => {
                let (hash, _) = pair.pay_held(from, Msat(amount));
                let plan = Resolution::Malformed { sha256_of_onion: [4; 32], failure_code: 0xc006 };
                pair.nodes[1 - from].plans.insert(hash, plan);
            }
            Move::Feerate(feerate) => pair.command(A, Command::UpdateFee(FeeratePerKw(feerate))),
            Move::Deliver(from) => {
                pair.deliver(from).expect("both are honest");
            }
            Move::Settle(who) => pair.settle(who),
            Move::Propose(who) => pair.propose(who),
            Move::Cut => {
                pair.cut();
                pair.connect();
            }
            Move::Shutdown(who) => {
                let script = p2wpkh(90 + u8::try_from(who).expect("0 or 1"));
                pair.nodes[who].shutdown_script = script.clone();
                pair.command(who, Command::Shutdown { script });
            }
        }
    }

    fn paid(&self, from: usize) -> u64 {
        let done = |(who, _, hash): &&(usize, u64, _)| {
            *who == from && self.pair.nodes[from].fulfilled.contains_key(hash)
        };
        self.amounts.iter().filter(done).map(|(_, amount, _)| amount).sum()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_two_honest_ends_do_all_payments_end_and_both_agree(
        anchors: bool,
        moves in prop::collection::vec(moves(false), 1..120),
    ) {
        let mut walk = Walk::new(anchors);
        moves.into_iter().for_each(|step| walk.apply(step));
        walk.pair.run();
        for node in &walk.pair.nodes {
            prop_assert!(matches!(node.channel.as_ref().map(|c| &c.link), Some(Link::Up(_))));
            prop_assert!(node.open().htlcs.is_empty());
            prop_assert!(node.open().is_at_rest());
        }
        for (from, _, hash) in &walk.amounts {
            let node = &walk.pair.nodes[*from];
            let ends = [
                node.fulfilled.contains_key(hash),
                node.failed.contains_key(hash),
                node.not_offered.contains_key(hash),
            ];
            prop_assert_eq!(ends.iter().filter(|end| **end).count(), 1, "each payment ends once");
        }
        prop_assert_eq!(walk.pair.balance(A).0, walk.start + walk.paid(B) - walk.paid(A));
    }

    #[test]
    fn whenever_they_close_they_end_with_one_closing_transaction(
        anchors: bool,
        rates in (253u32..20_000, 253u32..20_000),
        moves in prop::collection::vec(moves(true), 1..80),
        who in 0usize..2,
    ) {
        let mut walk = Walk::new(anchors);
        moves.into_iter().for_each(|step| walk.apply(step));
        walk.pair.nodes[A].feerate = FeeratePerKw(rates.0);
        walk.pair.nodes[B].feerate = FeeratePerKw(rates.1);
        walk.apply(Move::Shutdown(who));
        walk.pair.run();
        let (a, b) = (walk.pair.closing_txid(A), walk.pair.closing_txid(B));
        prop_assert!(a.is_some(), "{} and {}", walk.pair.nodes[A].phase(), walk.pair.nodes[B].phase());
        prop_assert_eq!(a, b);
        prop_assert_eq!(walk.pair.balance(A).0, walk.start + walk.paid(B) - walk.paid(A));
        let capacity = Sat(1_000_000).to_msat();
        prop_assert_eq!(walk.pair.balance(A).saturating_add(walk.pair.balance(B)), capacity);
    }
}

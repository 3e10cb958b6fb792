//! Payments over a whole network whose balances only an oracle knows: nodes that forward, are short of money, fail what they
//! should not, or garble. What is looked at is the payer's value alone, as it goes from answer to answer.

mod course;
mod world;

use astrape_primitives::Msat;
use astrape_routing::synthetic::Dice;
use course::End;
use world::{LARGE, PLAIN, SMALL, Size, World};

/// What a run has seen.
#[derive(Debug, Default)]
struct Seen {
    paid: u32,
    failed: u32,
    failed_with_flow: u32,
    no_flow: u32,
    htlcs: u64,
    /// How those failed that could have been paid.
    words: Vec<String>,
}

impl Seen {
    /// Counts a payment: how it ended, after how many HTLCs, and whether it could have been made.
    fn count(&mut self, end: End, htlcs: u64, could_flow: bool, what: &str) {
        self.htlcs += htlcs;
        match end {
            End::Paid => self.paid += 1,
            End::Failed(reason) => {
                assert!(!reason.is_empty());
                self.failed += 1;
                if could_flow {
                    self.failed_with_flow += 1;
                    self.words.push(format!("{what} after {htlcs} HTLCs: {reason}"));
                } else {
                    self.no_flow += 1;
                }
            }
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            paid: self.paid + other.paid,
            failed: self.failed + other.failed,
            failed_with_flow: self.failed_with_flow + other.failed_with_flow,
            no_flow: self.no_flow + other.no_flow,
            htlcs: self.htlcs + other.htlcs,
            words: [self.words, other.words].concat(),
        }
    }

    /// Of payments that could be made, so few may fail.
    fn assert_nearly_all_arrive(&self) {
        assert!(self.failed_with_flow * 200 <= self.paid, "less than 99.5% of what can arrive: {self:?}");
    }
}

fn any_node(dice: &mut Dice, size: &Size) -> usize {
    usize::try_from(dice.below(size.nodes.into())).expect("small")
}

fn run(seed: u64, dishonest: u64, payments: u32) -> Seen {
    let mut world = World::new(seed, &LARGE, dishonest);
    let mut dice = Dice::new(seed ^ 0xabcd);
    let mut seen = Seen::default();
    let money = world.money();
    for number in 0..payments {
        let (payer, payee) = (any_node(&mut dice, &LARGE), any_node(&mut dice, &LARGE));
        if payer == payee {
            continue;
        }
        let amount = Msat(
            [20_000, 200_000, 2_000_000][usize::try_from(dice.below(3)).expect("small")]
                * (500 + dice.below(500)),
        );
        let flow = world.max_flow(payer, payee);
        let (end, htlcs) = world.pay(payer, payee, amount, u8::try_from(number % 251).expect("small"));
        assert_eq!(world.money(), money, "no money appears or goes");
        assert!(end != End::Paid || flow >= amount.0, "nothing flows that cannot");
        // A twentieth more pays the fees, wherever they are due.
        let could_flow = flow >= amount.0 + amount.0 / LARGE.fees_one_in;
        seen.count(end, htlcs, could_flow, &format!("{amount} of {flow}"));
        world.now = world.now.plus(1_000);
    }
    seen
}

#[test]
fn payments_arrive_where_an_oracle_says_that_they_can() {
    let all = (1..=3).map(|seed| run(seed, 0, 120)).fold(Seen::default(), Seen::and);
    assert!(all.paid > 200 && all.no_flow > 5, "{all:?}");
    all.assert_nearly_all_arrive();
}

#[test]
fn among_nodes_that_fail_and_garble_every_payment_ends_once() {
    let seen = run(7, 15, 150);
    assert!(seen.paid > 60, "{seen:?}");
    assert!(seen.htlcs > u64::from(seen.paid), "some had to be tried again");
}

/// No channel asks for more than this at least.
const LEAST: u64 = 10_000;

/// Payments of any order of magnitude up to what can flow, and of just that in a third of the cases.
fn run_to_the_limit(seed: u64, size: &Size, payments: u32) -> Seen {
    let mut world = World::new(seed, size, 0);
    let mut dice = Dice::new(seed ^ 0xabcd);
    let mut seen = Seen::default();
    while seen.paid + seen.failed < payments {
        let (payer, payee) = (any_node(&mut dice, size), any_node(&mut dice, size));
        let flow = world.max_flow(payer, payee);
        if payer == payee || flow < LEAST {
            continue;
        }
        let most = flow + flow / 10;
        let most = if dice.below(3) == 0 { most } else { most >> dice.below(most.ilog2().into()) };
        let amount = LEAST + dice.below(most.max(1));
        let number = u8::try_from((seen.paid + seen.failed) % 251).expect("small");
        let (end, htlcs) = world.pay(payer, payee, Msat(amount), number);
        let fees = (amount / size.fees_one_in).max(size.max_fee_floor.0);
        seen.count(end, htlcs, flow >= amount + fees, &format!("{amount} of {flow}"));
        world.now = world.now.plus(1_000);
    }
    seen
}

#[test]
fn payments_arrive_that_need_nearly_all_that_can_flow() {
    let all = (1..=6).map(|seed| run_to_the_limit(seed, &SMALL, 100)).fold(Seen::default(), Seen::and);
    all.assert_nearly_all_arrive();
}

#[test]
fn payments_arrive_that_need_nearly_all_that_can_flow_among_nodes_that_ask_for_the_same() {
    let all = (1..=5).map(|seed| run_to_the_limit(seed, &PLAIN, 100)).fold(Seen::default(), Seen::and);
    all.assert_nearly_all_arrive();
}

/// The recipient keeps parts that arrived for a minute: what goes ahead of them finds out before that there is too little.
#[test]
fn of_payments_for_more_than_can_flow_hardly_any_keeps_the_payer_waiting() {
    let mut world = World::new(3, &SMALL, 0);
    let mut dice = Dice::new(33);
    let mut failed = 0;
    while failed < 100 {
        let (payer, payee) = (any_node(&mut dice, &SMALL), any_node(&mut dice, &SMALL));
        let flow = world.max_flow(payer, payee);
        if payer == payee || flow < LEAST {
            continue;
        }
        let (end, _) = world.pay(payer, payee, Msat(flow + flow / 2), 1);
        assert!(matches!(end, End::Failed(_)));
        failed += 1;
        world.now = world.now.plus(1_000);
    }
    assert!(world.waited * 5 <= failed, "{} of {failed}", world.waited);
}

//! Every message in every state: early, late, twice, from the other side. Never a panic, and never a broken channel.

use crate::pair::{A, B, Pair, Setup, event, failure};
use astrape_channel::{Channel, Command, Event, Phase};
use astrape_primitives::{FeeratePerKw, Msat};
use astrape_transactions::Commitment;
use astrape_wire::Message;

/// What was said, and all the values that a channel had, each with whose it was.
#[derive(Default)]
struct Record {
    states: Vec<(usize, Channel)>,
    messages: Vec<Message>,
}

impl Record {
    fn note(&mut self, pair: &Pair) {
        for (who, node) in pair.nodes.iter().enumerate() {
            if let Some(channel) = &node.channel
                && !self.states.iter().any(|(w, c)| *w == who && c == channel)
            {
                self.states.push((who, channel.clone()));
            }
            for message in &node.outbox {
                if !self.messages.contains(message) {
                    self.messages.push(message.clone());
                }
            }
        }
    }

    fn run(&mut self, pair: &mut Pair) {
        for n in 0.. {
            self.note(pair);
            if !pair.step(n % 2) {
                return;
            }
        }
    }
}

/// A life: opened, used, cut, closed.
fn life() -> (Pair, Record) {
    let mut pair = Pair::new(Setup::default());
    let mut record = Record::default();
    pair.propose_channel();
    record.run(&mut pair);
    pair.confirm_funding();
    record.run(&mut pair);
    pair.pay(A, Msat(9_000_000));
    let (failed, _) = pair.pay_held(B, Msat(8_000_000));
    pair.nodes[A].plans.insert(failed, failure());
    pair.command(A, Command::UpdateFee(FeeratePerKw(1200)));
    record.run(&mut pair);
    pair.pay(A, Msat(700_000));
    pair.propose(A);
    record.note(&pair);
    pair.deliver(A).expect("good");
    pair.cut();
    record.note(&pair);
    pair.connect();
    record.run(&mut pair);
    let script = pair.nodes[B].shutdown_script.clone();
    pair.command(B, Command::Shutdown { script });
    record.run(&mut pair);
    pair.command(A, Command::ForceClose { reason: "too late".into() });
    record.note(&pair);
    let channel_id = pair.channel_id();
    record.messages.push(Message::Error(astrape_wire::Error { channel_id, data: vec![0xff; 40] }));
    record.messages.push(Message::Warning(astrape_wire::Warning { channel_id, data: vec![] }));
    (pair, record)
}

fn holds_together(pair: &Pair, channel: &Channel) {
    let Some(open) = channel.open() else {
        return;
    };
    let capacity = open.funding.terms.capacity.to_msat();
    assert_eq!(open.balances.local.saturating_add(open.balances.remote), capacity);
    let ours = Commitment::build(&pair.secp, &open.funding.terms, &open.local_content())
        .expect("money is conserved");
    let signatures = &open.local.signatures;
    ours.verify(&pair.secp, &signatures.commitment, &signatures.htlcs).expect("we can always go on chain");
    Commitment::build(&pair.secp, &open.funding.terms, &open.remote_request().content)
        .expect("money is conserved");
}

// attack 72
#[test]
fn every_message_in_every_state_is_answered_or_refused() {
    let (pair, record) = life();
    let phases = |name: &str| {
        let is = |c: &Channel| match &c.phase {
            Phase::Opening(_) => "opening",
            Phase::Open(_) => "open",
            Phase::Closing(_) => "closing",
            Phase::Closed(_) => "closed",
        };
        record.states.iter().filter(|(_, c)| is(c) == name).count()
    };
    assert!(
        phases("opening") >= 3 && phases("open") >= 40 && phases("closing") >= 2,
        "a life of many states"
    );
    let mut refused = 0;
    for (who, state) in &record.states {
        for message in &record.messages {
            match state.handle(event(message.clone()), &pair.view(*who)) {
                Ok(transition) => {
                    if transition.next != *state {
                        holds_together(&pair, &transition.next);
                    }
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > record.states.len() * record.messages.len() / 2, "most of it has no place");
}

#[test]
fn every_event_in_every_state_keeps_the_channel_whole() {
    let (pair, record) = life();
    let (tx, height) = (pair.funding_tx(), pair.tip);
    let point = pair.nodes[A].open().params.local.basepoints.htlc;
    let new = pair.new_htlc(Msat(5_000_000), astrape_primitives::PaymentHash([1; 32]));
    let script = pair.nodes[A].shutdown_script.clone();
    let id = astrape_primitives::HtlcId(0);
    let outpoint = bitcoin::OutPoint { txid: tx.compute_txid(), vout: 0 };
    let events = [
        Event::Connected,
        Event::Disconnected,
        Event::Propose,
        Event::Tip(height.plus(5000)),
        Event::FundingConfirmed { tx: tx.clone(), height, index: 0 },
        Event::FundingReorged,
        Event::FundingSpent { tx: tx.clone(), height },
        Event::SpendReorged,
        Event::SecretChecked { genuine: true },
        Event::SecretChecked { genuine: false },
        Event::Point { number: astrape_primitives::CommitmentNumber(2), point },
        Event::Command(Command::Fund { tx, outpoint }),
        Event::Command(Command::Add(new)),
        Event::Command(Command::Resolve { id, resolution: failure() }),
        Event::Command(Command::UpdateFee(FeeratePerKw(u32::MAX))),
        Event::Command(Command::Shutdown { script }),
        Event::Command(Command::ForceClose { reason: "x".repeat(70_000) }),
    ];
    for (who, state) in &record.states {
        for event in &events {
            if let Ok(transition) = state.handle(event.clone(), &pair.view(*who)) {
                if transition.next != *state {
                    holds_together(&pair, &transition.next);
                }
                // A second event upon the first.
                let _ = transition.next.handle(Event::Propose, &pair.view(*who));
            }
        }
    }
}

//! Going on chain, what spends the funding, how deep, and what is owed after a restart.

use crate::pair::{A, B, Pair, Setup, failure, p2wpkh, transaction};
use astrape_channel::output::Story;
use astrape_channel::{Channel, Command, Event, How, Link, Output, Phase, Refusal};
use astrape_primitives::{FeeratePerKw, Height, HtlcId, Msat, PaymentPreimage, Sat};
use astrape_transactions::Commitment;
use astrape_wire::{Error, Message, Shutdown, UpdateFulfillHtlc};
use bitcoin::{Transaction, TxOut};
use std::sync::Arc;

fn force_close(pair: &mut Pair, who: usize) {
    pair.command(who, Command::ForceClose { reason: "enough".into() });
}

fn spend(pair: &mut Pair, who: usize, tx: &Transaction, height: u32) {
    let event = Event::FundingSpent { tx: Arc::new(tx.clone()), height: Height(height) };
    pair.handle(who, event).expect("no fault");
}

/// The commitment of `who`, unsigned.
fn commitment(pair: &Pair, who: usize) -> Transaction {
    let open = pair.nodes[who].open();
    Commitment::build(&pair.secp, &open.funding.terms, &open.local_content()).expect("valid").tx().clone()
}

fn how_it_was_spent(pair: &Pair, who: usize) -> &'static str {
    let stories = pair.nodes[who].seen.iter().rev();
    let how = |o: &Output| match o {
        Output::Story(Story::Spent { how, .. }) => Some(*how),
        _ => None,
    };
    stories.filter_map(how).next().expect("a story")
}

/// What is owed to the chain, as words.
fn owed(channel: &Channel) -> Vec<&'static str> {
    let word = |o: &Output| match o {
        Output::BroadcastFunding(_) => "funding",
        Output::BroadcastCommitment(_) => "commitment",
        Output::BroadcastClosing { .. } => "closing",
        _ => "?",
    };
    channel.owed_to_chain().iter().map(word).collect()
}

fn channel(pair: &Pair, who: usize) -> &Channel {
    pair.nodes[who].channel.as_ref().expect("there is one")
}

#[test]
fn a_preimage_that_comes_after_the_close_is_worth_its_htlc_all_the_same() {
    let mut pair = Pair::default_ready();
    let (hash, preimage) = pair.pay_held(A, Msat(9_000_000));
    pair.run();
    force_close(&mut pair, A);
    let channel_id = pair.nodes[A].open().params.channel_id;
    let id = pair.nodes[A].open().htlcs.values().next().expect("one is held").id;
    let says = |id, payment_preimage| {
        let fulfill = UpdateFulfillHtlc { channel_id, id, payment_preimage, attribution_data: None };
        Event::Message(Message::UpdateFulfillHtlc(fulfill))
    };
    let (wrong, unknown) = (says(id, PaymentPreimage([7; 32])), says(HtlcId(99), preimage));
    let right = says(id, preimage);
    for event in [wrong, unknown] {
        pair.handle(A, event).expect("no fault");
        assert!(!pair.nodes[A].saw(|o| matches!(o, Output::Fulfilled { .. })));
    }
    pair.handle(A, right).expect("no fault");
    let paid = |o: &Output| matches!(o, Output::Fulfilled { payment_hash, .. } if *payment_hash == hash);
    assert!(pair.nodes[A].saw(paid));
}

#[test]
fn a_force_close_refuses_what_waits_and_is_owed_until_spent() {
    let mut pair = Pair::default_ready();
    pair.pay_held(A, Msat(9_000_000));
    pair.run();
    let waiting = pair.pay(A, Msat(9_000_000));
    force_close(&mut pair, A);
    assert!(matches!(pair.nodes[A].not_offered[&waiting], Refusal::NotUsable(_)));
    assert!(pair.nodes[A].saw(|o| matches!(o, Output::BroadcastCommitment(_))));
    assert!(pair.nodes[A].saw(|o| matches!(o, Output::Story(Story::ForceClosing { .. }))));
    assert_eq!(owed(channel(&pair, A)), ["commitment"]);
    let late = pair.pay(A, Msat(9_000_000));
    assert!(pair.nodes[A].not_offered.contains_key(&late));
    // B hears of it by `error`, and does the same.
    pair.run();
    assert_eq!([pair.nodes[A].phase(), pair.nodes[B].phase()], ["closing", "closing"]);
    let tx = commitment(&pair, A);
    spend(&mut pair, A, &tx, 600);
    spend(&mut pair, B, &tx, 600);
    assert_eq!(
        [how_it_was_spent(&pair, A), how_it_was_spent(&pair, B)],
        ["our commitment", "the peer's commitment"]
    );
    assert!(owed(channel(&pair, A)).is_empty());
    assert_eq!(pair.nodes[B].open().htlcs.len(), 1, "what is pending is kept for the chain");
}

#[test]
fn a_preimage_that_comes_after_the_force_close_is_kept() {
    let mut pair = Pair::default_ready();
    let (_, preimage) = pair.pay_held(A, Msat(9_000_000));
    pair.run();
    force_close(&mut pair, B);
    let id = HtlcId(0);
    let resolution = astrape_channel::Resolution::Fulfilled {
        preimage,
        attribution: astrape_channel::Attribution::Silent,
    };
    pair.command(B, Command::Resolve { id, resolution });
    let htlc = pair.nodes[B].open().htlcs.values().next().expect("pending");
    assert_eq!(htlc.preimage(), Some(preimage));
}

/// The peer may go on chain with the commitment before, and what was signed of the next must be known again.
#[test]
fn a_preimage_that_comes_after_a_signed_failure_changes_no_commitment_and_can_be_claimed() {
    let mut pair = Pair::default_ready();
    let (_, preimage) = pair.pay_held(A, Msat(9_000_000));
    pair.run();
    let id = HtlcId(0);
    pair.command(B, Command::Resolve { id, resolution: failure() });
    pair.propose(B);
    let contents = |pair: &Pair| {
        let open = pair.nodes[B].open();
        (open.remote_contents(), open.local_content())
    };
    let fulfilled = || astrape_channel::Resolution::Fulfilled {
        preimage,
        attribution: astrape_channel::Attribution::Silent,
    };
    let before = contents(&pair);
    let pending: Vec<usize> = before.0.iter().map(|content| content.htlcs.len()).collect();
    assert_eq!(pending, [1, 0], "A is bound to the one that has it, and may have the next");
    pair.command(B, Command::Resolve { id, resolution: fulfilled() });
    let known = |pair: &Pair| pair.nodes[B].open().htlcs.values().next().expect("pending").preimage();
    assert_eq!(known(&pair), None, "what was said is final while the channel lives");
    force_close(&mut pair, B);
    assert_eq!(contents(&pair), before);
    pair.command(B, Command::Resolve { id, resolution: fulfilled() });
    assert_eq!(known(&pair), Some(preimage));
    assert_eq!(contents(&pair), before);
    pair.command(B, Command::Resolve { id, resolution: failure() });
    assert_eq!(known(&pair), Some(preimage));
}

// BOLT 5.htlc-output-handling-local-commitment-local-offers.1
#[test]
fn a_preimage_that_the_chain_shows_is_told_once_and_only_for_its_hash() {
    let mut pair = Pair::default_ready();
    let (_, preimage) = pair.pay_held(A, Msat(9_000_000));
    pair.run();
    force_close(&mut pair, A);
    let id = HtlcId(0);
    let wrong = PaymentPreimage([0; 32]);
    for (preimage, told) in [(wrong, 0), (preimage, 1), (preimage, 1)] {
        pair.handle(A, Event::PreimageSeen { id, preimage }).expect("no fault");
        let fulfilled = pair.nodes[A].seen.iter().filter(|o| matches!(o, Output::Fulfilled { .. })).count();
        assert_eq!(fulfilled, told);
    }
    let htlc = pair.nodes[A].open().htlcs.values().next().expect("kept");
    assert_eq!(htlc.preimage(), Some(preimage));
    let unknown = Event::PreimageSeen { id: HtlcId(9), preimage };
    pair.handle(A, unknown).expect("no fault");
}

#[test]
fn an_error_of_the_peer_closes_with_our_commitment() {
    let mut pair = Pair::default_ready();
    let error = Error { channel_id: pair.channel_id(), data: b"bad\nnews".to_vec() };
    pair.receive(B, Message::Error(error)).expect("no fault");
    let Phase::Closing(closing) = &channel(&pair, B).phase else {
        panic!("it goes on chain");
    };
    assert!(matches!(&closing.how, How::OurCommitment { reason } if !reason.contains('\n')));
    assert_eq!(pair.nodes[B].times_said("error"), 0, "the peer knows");
}

#[test]
fn a_warning_changes_nothing() {
    let mut pair = Pair::default_ready();
    let before = pair.nodes[B].channel.clone();
    let warning = astrape_wire::Warning { channel_id: pair.channel_id(), data: vec![] };
    pair.receive(B, Message::Warning(warning)).expect("no fault");
    assert_eq!(pair.nodes[B].channel, before);
}

// attack 73
#[test]
fn whatever_spends_the_funding_is_recognised() {
    // The peer's newest and the one before are both valid while the newest is not answered.
    let mut pair = Pair::default_ready();
    let first = commitment(&pair, B);
    pair.pay(A, Msat(9_000_000));
    pair.propose(A);
    pair.deliver_until(A, "commitment_signed");
    let second = commitment(&pair, B);
    assert_ne!(first, second);
    for tx in [&first, &second] {
        let channel = channel(&pair, A).clone();
        let event = Event::FundingSpent { tx: Arc::new(tx.clone()), height: Height(600) };
        let outputs = channel.handle(event, &pair.view(A)).expect("no fault").outputs;
        let is_theirs =
            |o: &Output| matches!(o, Output::Story(Story::Spent { how: "the peer's commitment", .. }));
        assert!(outputs.iter().any(is_theirs));
    }
    pair.run();
    spend(&mut pair, A, &first, 600);
    assert_eq!(how_it_was_spent(&pair, A), "a revoked commitment of the peer");
    let odd = transaction(9, vec![TxOut { value: Sat(5).into(), script_pubkey: p2wpkh(1) }]);
    spend(&mut pair, B, &odd, 600);
    assert_eq!(how_it_was_spent(&pair, B), "an unknown transaction");
    let empty = Transaction { input: vec![], output: vec![], ..odd };
    spend(&mut pair, B, &empty, 600);
}

#[test]
fn a_revoked_commitment_that_pays_to_the_scripts_of_both_shutdowns_is_no_closing_transaction() {
    // The peer has chosen the script of its `shutdown` so; with our own output, when we answered with the plain script.
    for msat in [0, 300_000_000] {
        let setup = Setup { anchors: false, push: Msat(msat), ..Setup::default() };
        let mut pair = Pair::ready(setup);
        let revoked = commitment(&pair, A);
        pair.pay(A, Msat(9_000_000));
        pair.run();
        let plain = pair.nodes[B].open().plain_close_script();
        let theirs = revoked.output.iter().find(|output| output.script_pubkey != plain);
        let script = theirs.expect("A has a balance").script_pubkey.clone();
        assert!(revoked.output.iter().all(|o| [&plain, &script].contains(&&o.script_pubkey)));
        pair.command(B, Command::Shutdown { script: plain });
        let shutdown = Shutdown { channel_id: pair.channel_id(), scriptpubkey: script };
        pair.receive(B, Message::Shutdown(shutdown)).expect("a form that is allowed");
        spend(&mut pair, B, &revoked, 600);
        assert_eq!(how_it_was_spent(&pair, B), "a revoked commitment of the peer");
    }
}

// BOLT 2.message-retransmission.48
// BOLT 2.message-retransmission.49
#[test]
fn what_was_signed_for_before_a_cut_may_come_out_at_any_time_got_or_not() {
    for arrives in [false, true] {
        let mut pair = Pair::default_ready();
        let first = commitment(&pair, B);
        pair.pay(A, Msat(9_000_000));
        pair.propose(A);
        if arrives {
            pair.deliver_until(A, "commitment_signed");
        }
        // What B has, or would have had: A cannot know which.
        let mut got = Pair::default_ready();
        got.pay(A, Msat(9_000_000));
        got.propose(A);
        got.deliver_until(A, "commitment_signed");
        let second = commitment(&got, B);
        assert_ne!(first, second);
        pair.cut();
        for connected in [false, true] {
            if connected {
                pair.connect();
            }
            for tx in [&first, &second] {
                let mut fork = channel(&pair, A).clone();
                let event = Event::FundingSpent { tx: Arc::new(tx.clone()), height: Height(600) };
                let transition = fork.handle(event, &pair.view(A)).expect("no fault");
                fork = transition.next;
                let is_theirs = |o: &Output| {
                    matches!(o, Output::Story(Story::Spent { how: "the peer's commitment", .. }))
                };
                assert!(transition.outputs.iter().any(is_theirs), "{arrives} {connected}");
                assert_eq!(
                    fork.open().map(|open| open.htlcs.len()),
                    Some(1),
                    "its HTLC is kept for the chain"
                );
            }
        }
    }
}

#[test]
fn a_commitment_from_the_future_is_named_so() {
    let mut pair = Pair::default_ready();
    let old = channel(&pair, A).clone();
    for _ in 0..2 {
        pair.pay(B, Msat(1_000_000));
        pair.run();
    }
    let tx = commitment(&pair, B);
    pair.nodes[A].channel = Some(old);
    spend(&mut pair, A, &tx, 600);
    assert_eq!(how_it_was_spent(&pair, A), "a commitment of the peer that is newer than our records");
    // A reorganisation that takes it away leaves us late all the same: ours is never broadcast, not even when asked for.
    pair.handle(A, Event::SpendReorged).expect("no fault");
    force_close(&mut pair, A);
    assert!(owed(channel(&pair, A)).is_empty());
    assert!(!pair.nodes[A].saw(|o| matches!(o, Output::BroadcastCommitment(_))));
}

/// Both have agreed on a closing transaction.
fn closed_cooperatively() -> (Pair, Transaction) {
    let mut pair = Pair::default_ready();
    let script = pair.nodes[A].shutdown_script.clone();
    pair.command(A, Command::Shutdown { script });
    pair.run();
    let Phase::Closing(closing) = &channel(&pair, A).phase else {
        panic!("agreed");
    };
    let How::Cooperative { request, .. } = &closing.how else {
        panic!("agreed");
    };
    let tx = request.tx.clone();
    (pair, tx)
}

/// Its fee may be too low for any block, and it is nothing that a child of ours could pay for.
#[test]
fn a_closing_transaction_that_no_block_takes_gives_way_to_our_commitment_and_may_still_confirm() {
    let (mut pair, tx) = closed_cooperatively();
    pair.nodes[A].feerate = FeeratePerKw(2_000);
    force_close(&mut pair, A);
    assert!(pair.nodes[A].saw(|o| matches!(o, Output::BroadcastCommitment(_))));
    assert_eq!(owed(channel(&pair, A)), ["commitment"]);
    spend(&mut pair, A, &tx, 600);
    assert_eq!(how_it_was_spent(&pair, A), "the closing transaction that both sides signed");
}

// attack 25
#[test]
fn a_channel_is_over_only_when_all_is_resolved() {
    let (mut pair, tx) = closed_cooperatively();
    assert_eq!(owed(channel(&pair, A)), ["closing"]);
    spend(&mut pair, A, &tx, 600);
    assert_eq!(how_it_was_spent(&pair, A), "the closing transaction that both sides signed");
    pair.handle(A, Event::Tip(Height(900))).expect("no fault");
    assert_eq!(pair.nodes[A].phase(), "closing", "no height ends it");
    pair.handle(A, Event::Resolved).expect("no fault");
    assert_eq!(pair.nodes[A].phase(), "closed");
    assert!(pair.nodes[A].saw(|o| matches!(o, Output::Over)));
    let over = channel(&pair, A).clone();
    assert!(over.owed_to_chain().is_empty() && over.watches().is_empty() && over.owed_to_signer().is_empty());
    assert_eq!(over.keys(), pair.nodes[A].keys);
    pair.handle(A, Event::Connected).expect("no fault");
    assert!(matches!(channel(&pair, A).link, Link::Up(_)));
    for event in [Event::Tip(Height(900)), Event::Propose, Event::Disconnected] {
        pair.handle(A, event).expect("no fault");
    }
    assert_eq!((pair.nodes[A].phase(), &channel(&pair, A).link), ("closed", &Link::Down));
}

// attack 25
#[test]
fn an_end_that_leaves_the_chain_is_owed_again() {
    let (mut pair, tx) = closed_cooperatively();
    spend(&mut pair, A, &tx, 600);
    assert!(owed(channel(&pair, A)).is_empty());
    pair.handle(A, Event::SpendReorged).expect("no fault");
    assert_eq!(owed(channel(&pair, A)), ["closing"]);
    pair.handle(A, Event::Resolved).expect("no fault");
    assert_eq!(pair.nodes[A].phase(), "closing", "what is not spent is not resolved");
    let theirs = commitment(&pair, B);
    spend(&mut pair, A, &theirs, 701);
    assert_eq!(how_it_was_spent(&pair, A), "the peer's commitment");
}

#[test]
fn a_spend_that_surprised_us_and_left_the_chain_lets_us_go_on_chain_ourselves() {
    let mut pair = Pair::default_ready();
    let theirs = commitment(&pair, B);
    spend(&mut pair, A, &theirs, 600);
    force_close(&mut pair, A);
    assert!(owed(channel(&pair, A)).is_empty(), "it is spent");
    pair.handle(A, Event::SpendReorged).expect("no fault");
    force_close(&mut pair, A);
    assert_eq!(owed(channel(&pair, A)), ["commitment"]);
}

// BOLT 5.failing-a-channel.4
#[test]
fn a_force_close_in_a_cooperative_close_is_refused_and_changes_nothing() {
    let (mut pair, _) = closed_cooperatively();
    force_close(&mut pair, A);
    assert_eq!(owed(channel(&pair, A)), ["closing"], "it needs no delay");
    assert!(pair.nodes[A].saw(|o| matches!(o, Output::Refused(_))), "and whoever asked for it is told");
}

#[test]
fn our_funding_is_owed_until_it_is_confirmed() {
    let mut pair = Pair::new(Setup::default());
    pair.propose_channel();
    pair.run();
    assert_eq!(owed(channel(&pair, A)), ["funding"]);
    assert!(owed(channel(&pair, B)).is_empty());
    assert!(pair.nodes.iter().all(|n| n.channel.as_ref().expect("open").watches().len() == 1));
    force_close(&mut pair, A);
    assert_eq!(owed(channel(&pair, A)), ["funding", "commitment"], "parents first");
    pair.confirm_funding();
    assert_eq!(owed(channel(&pair, A)), ["commitment"]);
    pair.handle(A, Event::FundingReorged).expect("no fault");
    assert_eq!(owed(channel(&pair, A)), ["funding", "commitment"]);
}

#[test]
fn the_signers_answer_is_owed_when_a_restart_came_before_it() {
    let mut pair = Pair::default_ready();
    pair.pay_held(A, Msat(9_000_000));
    pair.propose(A);
    pair.deliver(A).expect("good");
    let message = pair.intercept(A);
    let channel = channel(&pair, B).clone();
    let stepped = channel.handle(Event::Message(message.clone()), &pair.view(B)).expect("good").next;
    let restarted = stepped.after_losing_the_connection().expect("open");
    let [Output::PointNeeded(number)] = restarted.owed_to_signer()[..] else {
        panic!("one point");
    };
    assert_eq!(number.0, 3);
    let point = astrape_transactions::Signer::point(&pair.nodes[B].signer, &pair.nodes[B].keys, number);
    let given = restarted.handle(Event::Point { number, point }, &pair.view(B)).expect("no fault").next;
    assert!(given.owed_to_signer().is_empty());
    let other = restarted
        .handle(Event::Point { number: number.next(), point }, &pair.view(B))
        .expect("no fault")
        .next;
    assert_eq!(other, restarted);
}

#[test]
fn a_closing_fee_that_comes_after_the_block_is_no_fault() {
    let mut pair = Pair::default_ready();
    let script = pair.nodes[A].shutdown_script.clone();
    pair.command(A, Command::Shutdown { script });
    pair.run();
    // The opener speaks first of the fee, and again after a disconnection.
    pair.cut();
    pair.connect();
    pair.deliver_until(A, "channel_reestablish");
    pair.deliver_until(B, "shutdown");
    pair.deliver_until(A, "closing_signed");
    let Phase::Closing(closing) = &channel(&pair, A).phase else {
        panic!("agreed before");
    };
    let How::Cooperative { request, .. } = &closing.how else {
        panic!("by both");
    };
    let tx = request.tx.clone();
    spend(&mut pair, A, &tx, 600);
    pair.deliver_until(B, "closing_signed");
    assert_eq!(pair.nodes[A].phase(), "closing");
}

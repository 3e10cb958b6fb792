//! Payments to nodes that only gossip tells of.

use crate::support::{Member, until};
use astrape_daemon::engine::EmbeddedChain;
use astrape_node::command::PayCommand;
use astrape_node::{Command, Fact, Reply};
use astrape_payment::Payee;
use astrape_primitives::{Msat, PaymentPreimage, Sat};
use std::collections::BTreeMap;

const FUNDING: Sat = Sat(1_000_000);
const AMOUNT: Msat = Msat(40_000_000);

fn without_invoice(to: &Member, preimage: u8) -> PayCommand {
    let payee = Payee::Keysend {
        node: to.id(),
        preimage: PaymentPreimage([preimage; 32]),
        custom_records: BTreeMap::from([(65_537, vec![1, 2, 3])]),
    };
    PayCommand { amount: Some(AMOUNT), ..PayCommand::to(payee) }
}

/// Pays, and tells how it ended.
async fn pay(member: &Member, command: PayCommand) -> Fact {
    let end = member.handle.payment_end(command.payee.payment_hash());
    match member.handle.command(Command::Pay(Box::new(command))).await.unwrap() {
        Reply::AlreadyPaid(entry) => entry.fact,
        _ => end.told().await.unwrap().fact,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_only_gossip_tells_of_is_found_and_paid_also_after_a_restart() {
    let chain = EmbeddedChain::new();
    let (alice, bob, carol) =
        (Member::start(91, &chain).await, Member::start(92, &chain).await, Member::start(93, &chain).await);
    alice.fund(Sat(2_000_000)).await;
    bob.fund(Sat(2_000_000)).await;
    alice.connect(&bob).await;
    carol.connect(&bob).await;
    alice.open_announced(&bob, FUNDING, Msat(0)).await;
    // Before anything leads there, the user is told so.
    let why = alice.handle.find_route(without_invoice(&carol, 1)).await.unwrap_err().to_string();
    assert!(why.contains("no channel of") && why.contains("wait for gossip"), "{why}");
    let Fact::PaymentFailed { reason, .. } = pay(&alice, without_invoice(&carol, 1)).await else {
        panic!("there is no way")
    };
    assert!(reason.contains("open a channel with"), "{reason}");

    bob.open_announced(&carol, FUNDING, Msat(0)).await;
    until("there is a way", async || alice.handle.find_route(without_invoice(&carol, 1)).await.is_ok()).await;
    let route = alice.handle.find_route(without_invoice(&carol, 1)).await.unwrap();
    assert_eq!((route.parts.len(), route.parts[0].hops.len(), route.fee), (1, 2, Msat(1_000 + 4_000)));
    assert_eq!(route.parts[0].hops[1].node, carol.id());

    let sent = pay(&alice, without_invoice(&carol, 1)).await;
    assert!(matches!(sent, Fact::PaymentSent { amount, fee, .. } if amount == AMOUNT && fee == route.fee));
    assert_eq!(pay(&alice, without_invoice(&carol, 1)).await, sent, "asked for twice, it is paid once");

    // More than what is known to be there has a lesser chance than before.
    let chance = async |alice: &Member, amount| {
        let command = PayCommand { amount: Some(amount), ..without_invoice(&carol, 2) };
        alice.handle.find_route(command).await.unwrap().chance_millionths
    };
    let much = Msat(900_000_000);
    let before = chance(&alice, much).await;
    let alice = alice.restart().await;
    alice.connect(&bob).await;
    until("the channel is usable again", async || alice.is_usable_with(bob.id()).await).await;
    let after = chance(&alice, much).await;
    assert!(after.abs_diff(before) < 20_000, "what was learnt is known after a restart: {before}, {after}");
    let sent = pay(&alice, without_invoice(&carol, 2)).await;
    assert!(matches!(sent, Fact::PaymentSent { .. }), "{sent:?}");
    for member in [alice, bob, carol] {
        member.stop().await.unwrap();
    }
}

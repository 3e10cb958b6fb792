//! Nodes that open channels, pay, restart and close.

use crate::api::served;
use crate::support::{Member, of_channel, until, wait_for};
use astrape_api::v1::OpenChannelRequest;
use astrape_chain::{Auth, BitcoindConfig};
use astrape_daemon::engine::{AddressError, ChainBackend, EmbeddedChain, EngineConfig, start};
use astrape_node::{ChannelFact, Command, Fact, Reply};
use astrape_primitives::{Msat, Network, Sat};

const FUNDING: Sat = Sat(1_000_000);

fn sat(amount: u64) -> Msat {
    Msat(amount * 1_000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_open_a_channel_pay_restart_pay_again_and_close() {
    let chain = EmbeddedChain::new();
    let (alice, bob) = (Member::start(1, &chain).await, Member::start(2, &chain).await);
    alice.fund(Sat(2_000_000)).await;
    alice.connect(&bob).await;
    let channel = alice.open(&bob, FUNDING, Msat(0)).await;

    let invoice = bob.invoice(sat(50_000)).await;
    let sent = alice.pay(&invoice).await;
    assert!(
        matches!(&sent, Fact::PaymentSent { amount, fee, .. } if *amount == sat(50_000) && *fee == Msat(0)),
        "{sent:?}"
    );
    assert_eq!(alice.pay(&invoice).await, sent, "it is not paid twice");

    // Alice comes back and finds Bob by herself.
    let alice = alice.restart().await;
    until("the channel is usable again", async || alice.is_usable_with(bob.id()).await).await;
    assert_eq!(alice.pay(&invoice).await, sent, "not after a restart either");
    let back = alice.invoice(sat(10_000)).await;
    assert!(matches!(bob.pay(&back).await, Fact::PaymentSent { .. }));

    let mut facts = alice.handle.facts();
    let script = alice.handle.new_address().await.unwrap().script_pubkey();
    let closing = alice.handle.command(Command::CloseChannel { channel, script }).await;
    assert_eq!(closing, Ok(Reply::Done));
    let txid = wait_for(&mut facts, |fact| match of_channel(fact, channel)? {
        ChannelFact::ClosingAgreed { txid, .. } => Some(*txid),
        _ => None,
    })
    .await;
    until("the closing transaction is in the mempool", async || chain.look(|c| c.in_mempool(&txid))).await;
    chain.mine(7);
    wait_for(&mut facts, |fact| matches!(of_channel(fact, channel)?, ChannelFact::Over { .. }).then_some(()))
        .await;
    until("both sides have their money back", async || {
        let of = async |member: &Member| member.handle.snapshot().coin_balance().confirmed;
        of(&bob).await == Sat(40_000) && of(&alice).await > Sat(1_950_000)
    })
    .await;
    alice.stop().await.unwrap();
    bob.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_alone_takes_each_side_two_signatures_of_commitments_and_one_of_the_htlc() {
    let chain = EmbeddedChain::new();
    let (alice, bob) = (Member::start(21, &chain).await, Member::start(22, &chain).await);
    alice.fund(Sat(2_000_000)).await;
    alice.connect(&bob).await;
    alice.open(&bob, FUNDING, Msat(0)).await;
    let count = || [&alice, &bob].map(|member| member.handle.commitment_signatures());
    let before = count();
    let invoice = bob.invoice(sat(50_000)).await;
    assert!(matches!(alice.pay(&invoice).await, Fact::PaymentSent { .. }));
    until("both have signed", async || count() == before.map(|made| made + 3)).await;
    alice.stop().await.unwrap();
    bob.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_pay_over_the_middle_one_which_restarts_meanwhile() {
    let chain = EmbeddedChain::new();
    let (alice, bob, carol) =
        (Member::start(11, &chain).await, Member::start(12, &chain).await, Member::start(13, &chain).await);
    alice.fund(Sat(2_000_000)).await;
    bob.fund(Sat(2_000_000)).await;
    alice.connect(&bob).await;
    carol.connect(&bob).await;
    alice.open(&bob, FUNDING, Msat(0)).await;
    bob.open(&carol, FUNDING, Msat(0)).await;

    let invoice = carol.invoice(sat(20_000)).await;
    let sent = alice.pay(&invoice).await;
    assert!(matches!(sent, Fact::PaymentSent { fee, .. } if fee == Msat(1_000 + 2_000)), "{sent:?}");

    // Bob stops and comes back elsewhere: he dials whom he had dialled; the others are told where he is.
    let bob = bob.restart().await;
    alice.connect(&bob).await;
    carol.connect(&bob).await;
    for (member, peer) in [(&alice, &bob), (&carol, &bob)] {
        until("it is usable again", async || member.is_usable_with(peer.id()).await).await;
    }
    let invoice = carol.invoice(sat(30_000)).await;
    assert!(matches!(alice.pay(&invoice).await, Fact::PaymentSent { .. }));
    let forwards = bob.handle.read(|reader| reader.forwards_of(None, (0, u64::MAX), None, 10)).await.unwrap();
    assert_eq!(forwards.len(), 2);
    for member in [alice, bob, carol] {
        member.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_id_is_told_as_another_node_and_a_remembered_peer_is_called_to_open() {
    let chain = EmbeddedChain::new();
    let (mut alice, bob) = (served(23, &chain).await, Member::start(24, &chain).await);
    let wrong = alice
        .member
        .handle
        .connect(astrape_transactions::Signer::node_id(&*crate::support::signer(25)), &bob.address())
        .await
        .unwrap_err()
        .to_string();
    assert!(wrong.contains("another node than") && wrong.contains("check the id"), "{wrong}");
    alice.member.fund(Sat(300_000)).await;
    alice.member.handle.synced().await.unwrap();
    bob.handle.synced().await.unwrap();
    let addresses = vec!["127.0.0.1:1".to_owned(), bob.address()];
    let remember = Command::RememberPeer { peer: bob.id(), addresses };
    assert_eq!(alice.member.handle.command(remember).await, Ok(Reply::Done));
    let open =
        OpenChannelRequest { node_id: bob.id().to_string(), amount_sat: 100_000, ..Default::default() };
    alice.client.open_channel(open).await.expect("it is called at where it was reached before");
    alice.end().await;
    bob.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wallet_finds_what_came_while_its_node_was_down() {
    let chain = EmbeddedChain::new();
    let alice = Member::start(21, &chain).await;
    alice.fund(Sat(100_000)).await;
    let script = alice.handle.new_address().await.unwrap().script_pubkey();
    // Down: a reorganisation, and another coin.
    let alice = alice.stopped().await;
    chain.change(|chain| {
        chain.reorg(2);
        chain.fund(&script, Sat(30_000)).unwrap();
    });
    chain.mine(4);
    let alice = alice.start().await;
    until("both coins are there", async || alice.handle.snapshot().coin_balance().confirmed == Sat(130_000))
        .await;
    let fresh = alice.handle.new_address().await.unwrap().script_pubkey();
    assert_ne!(fresh, script, "an address is given out once");
    alice.stop().await.unwrap();
}

#[tokio::test]
async fn a_new_node_gives_out_no_address_before_it_has_seen_the_chain() {
    let (chain, home) = (EmbeddedChain::new(), tempfile::tempdir().unwrap());
    // A port at which nobody listens.
    let nobody = astrape_regtest::ports::free().unwrap();
    let auth = Auth::UserPassword { user: "user".into(), password: "password".into() };
    let bitcoind = BitcoindConfig {
        address: format!("127.0.0.1:{nobody}"),
        ..BitcoindConfig::local(Network::Regtest, auth)
    };
    let config = crate::support::config(22, home.path(), &chain);
    let (handle, running) =
        start(EngineConfig { chain: ChainBackend::Bitcoind(bitcoind), ..config }).await.unwrap();
    let refused = handle.new_address().await.unwrap_err();
    assert!(matches!(refused, AddressError::NotBegun), "{refused}");
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_is_one_nodes_and_one_process_at_a_time() {
    let chain = EmbeddedChain::new();
    let alice = Member::start(31, &chain).await;
    let again = start(alice.config()).await.err().expect("it is locked").to_string();
    assert!(again.contains("held by another process"), "{again}");
    alice.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_lost_its_journal_to_another_stops_and_says_nothing_more() {
    let chain = EmbeddedChain::new();
    let (alice, bob) = (Member::start(41, &chain).await, Member::start(42, &chain).await);
    let journal = rusqlite::Connection::open(alice.config().data_dir.join("journal.sqlite")).unwrap();
    journal.execute("UPDATE meta SET epoch = epoch + 1", []).unwrap();
    // It would be remembered, had it been committed.
    let answer = alice.handle.connect(bob.id(), &bob.address()).await;
    assert!(answer.is_err(), "{answer:?}");
    let ended = alice.joined().await.unwrap_err().to_string();
    assert!(ended.contains("epoch"), "{ended}");
    bob.stop().await.unwrap();
}

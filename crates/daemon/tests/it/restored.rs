//! A node that is made again from its words: coins on chain come back by them alone.

use crate::api::serve;
use crate::gate::Gate;
use crate::support::{Member, PATIENCE, until};
use astrape_api::v1::{CloseChannelRequest, GetInfoRequest, WithdrawRequest};
use astrape_daemon::config::values::HostPort;
use astrape_daemon::engine::{ChainBackend, EmbeddedChain, start};
use astrape_daemon::service::server::offer;
use astrape_primitives::{Height, Msat, Sat};
use astrape_regtest::RegtestChain;
use std::path::Path;
use tempfile::TempDir;

/// More blocks than a wallet reads at once.
const MANY: u32 = 450;

async fn confirmed(member: &Member, amount: Sat) {
    until("its coins are there", async || member.handle.snapshot().coin_balance().confirmed == amount).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_made_of_the_words_of_an_earlier_one_finds_its_coins() {
    let chain = EmbeddedChain::new();
    chain.mine(300);
    let alice = Member::start(41, &chain).await;
    alice.fund(Sat(100_000)).await;
    let paid = alice.handle.new_address().await.unwrap();
    chain.change(|chain| chain.fund(&paid.script_pubkey(), Sat(20_000))).unwrap();
    chain.mine(1);
    // The machine is lost, with all but the words. Longer ago than a node remembers.
    alice.stop().await.unwrap();
    chain.mine(MANY);
    let forgetful = Member::start(41, &chain).await;
    forgetful.fund(Sat(1_000)).await;
    assert_eq!(forgetful.handle.snapshot().coin_balance().confirmed, Sat(1_000), "it looks at what is new");
    let alice = Member::start_with(41, &chain, |config| config.wallet_birthday = Some(Height(0))).await;
    confirmed(&alice, Sat(121_000)).await;
    let fresh = alice.handle.new_address().await.unwrap();
    assert_ne!(fresh, paid, "no address is given out that was paid to");
    // It is up to date: what comes now is seen, and once.
    alice.fund(Sat(500)).await;
    confirmed(&alice, Sat(121_500)).await;
    alice.restart().await.stop().await.unwrap();
    // The other one is told that its words are older than it thought: it begins anew.
    let mut config = forgetful.config();
    config.wallet_birthday = Some(Height(300));
    let given_out = forgetful.handle.new_address().await.unwrap();
    let forgetful = forgetful.stopped().await;
    let (handle, running) = start(config).await.unwrap();
    until("all coins are there", async || handle.snapshot().coin_balance().confirmed == Sat(121_500)).await;
    assert_ne!(handle.new_address().await.unwrap(), given_out, "it knows what it gave out");
    running.stop().await.unwrap();
    let forgetful = forgetful.start().await;
    confirmed(&forgetful, Sat(121_500)).await;
    forgetful.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wallet_that_still_reads_old_blocks_says_how_far_it_is_and_spends_nothing() {
    let chain = EmbeddedChain::new();
    let alice = Member::start(47, &chain).await;
    alice.fund(Sat(100_000)).await;
    chain.mine(2 * MANY);
    alice.fund(Sat(20_000)).await;
    alice.stop().await.unwrap();
    // It comes no further than here until it was asked.
    let gate = Gate::at(&chain, Height(MANY));
    let member = Member::start_with(47, &chain, |config| {
        config.wallet_birthday = Some(Height(0));
        config.chain = ChainBackend::Other(gate.clone());
    });
    let member = member.await;
    let mut alice = serve(member).await;
    let to = RegtestChain::faucet_script();
    let address = bitcoin::Address::from_script(&to, bitcoin::Network::Regtest).unwrap().to_string();
    let withdraw = WithdrawRequest { address, all: true, ..WithdrawRequest::default() };
    let mut refused = Vec::new();
    let is_reading = |why: &String| why.contains("the on-chain wallet has read block ");
    let sent = tokio::time::timeout(PATIENCE, async {
        loop {
            match alice.client.clone().withdraw(withdraw.clone()).await {
                Ok(sent) => break sent.into_inner(),
                Err(why) => refused.push(why.message().to_owned()),
            }
            if refused.iter().any(is_reading) {
                gate.open();
            }
        }
    });
    let sent = sent.await.expect("it reads on");
    assert!(sent.amount_sat + sent.fee_sat == 120_000, "not without the later coin: {sent:?}");
    assert!(refused.iter().any(is_reading), "{refused:?}");
    assert_eq!(alice.balance().await.wallet_reading, None, "it is complete");
    alice.end().await;
}

/// Of a shop that gives one out for each order, most of which are never paid.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coin_is_found_again_though_hundreds_of_addresses_before_its_own_were_never_paid_to() {
    let chain = EmbeddedChain::new();
    let alice = Member::start(46, &chain).await;
    for _ in 0..300 {
        alice.handle.new_address().await.unwrap();
    }
    let paid = alice.handle.new_address().await.unwrap();
    let change = alice.handle.change_script().await.unwrap();
    for _ in 0..3 {
        assert_eq!(alice.handle.change_script().await.unwrap(), change, "none is lost to what never happens");
    }
    chain.change(|chain| chain.fund(&paid.script_pubkey(), Sat(20_000))).unwrap();
    chain.change(|chain| chain.fund(&change, Sat(3_000))).unwrap();
    chain.mine(1);
    confirmed(&alice, Sat(23_000)).await;
    assert_ne!(alice.handle.change_script().await.unwrap(), change, "it was paid to");
    alice.stop().await.unwrap();
    let again = Member::start_with(46, &chain, |config| config.wallet_birthday = Some(Height(0))).await;
    confirmed(&again, Sat(23_000)).await;
    // And after a start in between.
    let again = again.restart().await;
    chain.change(|chain| chain.fund(&paid.script_pubkey(), Sat(1_000))).unwrap();
    chain.mine(1);
    confirmed(&again, Sat(24_000)).await;
    again.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn coins_from_before_this_node_can_be_spent_and_stay_spent() {
    let chain = EmbeddedChain::new();
    let alice = Member::start(42, &chain).await;
    alice.fund(Sat(300_000)).await;
    alice.stop().await.unwrap();
    chain.mine(MANY);
    let birthday = Some(Height(1));
    let alice = Member::start_with(42, &chain, |config| config.wallet_birthday = birthday).await;
    confirmed(&alice, Sat(300_000)).await;
    let bob = Member::start(43, &chain).await;
    alice.connect(&bob).await;
    alice.open(&bob, Sat(200_000), Msat(0)).await;
    let left = alice.handle.snapshot().coin_balance();
    assert!(left.confirmed < Sat(100_000) && left.confirmed > Sat(90_000), "{left:?}");
    alice.stop().await.unwrap();
    // The words once more: what they have spent is not there again.
    let again = Member::start_with(42, &chain, |config| config.wallet_birthday = birthday).await;
    confirmed(&again, left.confirmed).await;
    for member in [again, bob] {
        member.stop().await.unwrap();
    }
}

// attack 48
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_alarm_about_a_state_that_may_be_old_ends_when_the_peer_has_told_that_it_is_not() {
    let chain = EmbeddedChain::new();
    let (alice, bob) = (Member::start(44, &chain).await, Member::start(45, &chain).await);
    alice.fund(Sat(300_000)).await;
    alice.connect(&bob).await;
    let channel = alice.open(&bob, Sat(200_000), Msat(0)).await;
    let bob = bob.stopped().await;
    let mut config = alice.config();
    config.node.suspect.insert(channel);
    let alice = alice.stopped().await;
    let (handle, running) = start(config).await.unwrap();
    let credentials = TempDir::new().unwrap();
    let at = HostPort::new("127.0.0.1", 0);
    let offered = offer(handle.clone(), None, credentials.path(), &at).await.unwrap();
    let client = astrape_api::connect(credentials.path(), &offered.address().to_string()).await.unwrap();
    let is_alarmed = async || {
        let info = client.clone().get_info(GetInfoRequest {}).await.unwrap().into_inner();
        info.alarms.iter().any(|alarm| alarm.contains("the state of 1 channels may be older"))
    };
    assert!(is_alarmed().await);
    let bob = bob.start().await;
    bob.handle.connect(alice.id(), &handle.listening()[0].to_string()).await.unwrap();
    until("bob has told where the channel is", async || !is_alarmed().await).await;
    offered.close().await;
    running.stop().await.unwrap();
    bob.stop().await.unwrap();
}

/// The files of a directory as they are in another.
fn put(from: &Path, to: &Path) {
    let files = |dir: &Path| -> Vec<std::path::PathBuf> {
        let all = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        all.filter(|path| path.is_file()).collect()
    };
    files(to).iter().for_each(|file| std::fs::remove_file(file).unwrap());
    for file in files(from) {
        std::fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
}

// attack 48
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_put_back_from_an_old_copy_raises_an_alarm_and_does_not_pretend_to_close_by_force() {
    let chain = EmbeddedChain::new();
    let (alice, bob) = (Member::start(118, &chain).await, Member::start(119, &chain).await);
    alice.fund(Sat(300_000)).await;
    alice.connect(&bob).await;
    alice.open(&bob, Sat(200_000), Msat(0)).await;
    let dir = alice.config().data_dir;
    let copy = TempDir::new().unwrap();
    let alice = alice.stopped().await;
    put(&dir, copy.path());
    let alice = alice.start().await;
    until("the channel is usable again", async || alice.is_usable_with(bob.id()).await).await;
    alice.pay(&bob.invoice(Msat(10_000_000)).await).await;
    let alice = alice.stopped().await;
    put(copy.path(), &dir);
    let mut alice = serve(alice.start().await).await;
    let channels = alice.member.handle.snapshot();
    let channel = channels.channels().next().expect("open").1.channel_id().to_string();
    until("the alarm", async || {
        let info = alice.client.clone().get_info(GetInfoRequest {}).await.unwrap().into_inner();
        let is_old =
            |alarm: &String| alarm.contains(&channel) && alarm.contains("Only the peer can close it");
        info.alarms.iter().any(is_old)
    })
    .await;
    for dry_run in [true, false] {
        let close =
            CloseChannelRequest { channel: channel.clone(), force: true, dry_run, ..Default::default() };
        let refused = alice.client.close_channel(close).await.expect_err("it would lose all");
        assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
        assert!(refused.message().contains("only the peer can close this channel"), "{}", refused.message());
    }
    alice.end().await;
    bob.stop().await.unwrap();
}

// attack 48
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_put_back_from_an_old_copy_finds_what_comes_to_addresses_that_were_given_out_since() {
    let chain = EmbeddedChain::new();
    let alice = Member::start(48, &chain).await;
    alice.fund(Sat(100_000)).await;
    let dir = alice.config().data_dir;
    let copy = TempDir::new().unwrap();
    let alice = alice.stopped().await;
    put(&dir, copy.path());
    let alice = alice.start().await;
    for _ in 0..300 {
        alice.handle.new_address().await.unwrap();
    }
    let paid = alice.handle.new_address().await.unwrap();
    chain.change(|chain| chain.fund(&paid.script_pubkey(), Sat(20_000))).unwrap();
    chain.mine(1);
    confirmed(&alice, Sat(120_000)).await;
    let alice = alice.stopped().await;
    // The copy was made without the file that stands beside the database and tells of it.
    put(copy.path(), &dir);
    std::fs::remove_file(dir.join("journal.mark")).unwrap();
    let mut alice = serve(alice.start().await).await;
    confirmed(&alice.member, Sat(120_000)).await;
    let info = alice.client.get_info(GetInfoRequest {}).await.unwrap().into_inner();
    assert!(info.alarms.iter().any(|alarm| alarm.contains("--wallet-birthday HEIGHT")), "{:?}", info.alarms);
    alice.end().await;
}

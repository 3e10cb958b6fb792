//! A machine is lost with its database: what was in channels comes back by the words of the seed and the help of their peers.

use crate::support::{Member, until};
use astrape_channel::Phase;
use astrape_daemon::engine::EmbeddedChain;
use astrape_node::{Command, Reply};
use astrape_onchain::stray::MIN_DEPTH;
use astrape_primitives::{FeeratePerKw, Height, Msat, Sat};

const FUNDING: Sat = Sat(200_000);
const PUSHED: Sat = Sat(50_000);
const FEERATE: FeeratePerKw = FeeratePerKw(500);

/// Waits until the commitment of a channel waits for a block, mines one, and waits until a node has seen it.
async fn closed(chain: &EmbeddedChain, member: &Member) {
    until("the commitment is offered", async || chain.change(|chain| !chain.mempool().is_empty())).await;
    chain.mine(1);
    until("the channel is closed on chain", async || {
        let node = member.handle.snapshot();
        let spent =
            |phase: &Phase| matches!(phase, Phase::Closing(closing) if closing.open.funding.spent.is_some());
        node.channels().any(|(_, channel)| spent(&channel.phase))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_nothing_but_the_words_gets_his_part_of_a_channel_when_the_peer_has_closed_it() {
    let chain = EmbeddedChain::new();
    let (alice, bob) = (Member::start(47, &chain).await, Member::start(48, &chain).await);
    alice.fund(Sat(300_000)).await;
    alice.connect(&bob).await;
    alice.open(&bob, FUNDING, PUSHED.to_msat()).await;
    alice.stop().await.unwrap();
    // Another machine, and the words.
    let alice = Member::start_with(47, &chain, |config| config.wallet_birthday = Some(Height(0))).await;
    alice.handle.synced().await.unwrap();
    assert_eq!(alice.handle.recover(Some(FEERATE)).await.unwrap(), Default::default(), "it is open yet");
    alice.connect(&bob).await;
    closed(&chain, &bob).await;
    alice.handle.synced().await.unwrap();
    let at_first = alice.handle.recover(Some(FEERATE)).await.unwrap();
    assert_eq!((at_first.found.len(), at_first.sweeps.len()), (1, 0), "it may yet be one that is known");
    chain.mine(MIN_DEPTH);
    alice.handle.synced().await.unwrap();
    let seen = alice.handle.recover(None).await.unwrap();
    assert_eq!((seen.found.len(), seen.sweeps.len()), (1, 0), "only looked at");
    let ours = seen.found[0].value;
    assert!(ours > Sat(140_000) && ours < Sat(150_000), "what was not given to bob, but for the fee: {ours}");
    until("the wallet has read the chain", async || {
        alice.handle.snapshot().coin_balance().confirmed > Sat(90_000)
    })
    .await;
    let before = alice.handle.snapshot().coin_balance().confirmed;
    let done = alice.handle.recover(Some(FEERATE)).await.unwrap();
    let [sweep] = &done.sweeps[..] else { panic!("{done:?}") };
    assert_eq!((sweep.refused.clone(), done.found[0].swept_by), (None, Some(sweep.txid)));
    assert_eq!(sweep.amount.0 + sweep.fee.0, ours.0);
    // Until it is in a block it may be done again, for more.
    let more = alice.handle.recover(Some(FeeratePerKw(900))).await.unwrap();
    assert!(more.sweeps[0].fee > sweep.fee && more.sweeps[0].refused.is_none(), "{more:?}");
    chain.mine(1);
    let after = Sat(before.0 + more.sweeps[0].amount.0);
    until("it is in the wallet", async || alice.handle.snapshot().coin_balance().confirmed == after).await;
    assert_eq!(alice.handle.recover(Some(FEERATE)).await.unwrap(), Default::default());
    for member in [alice, bob] {
        member.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_node_follows_itself_is_left_alone() {
    let chain = EmbeddedChain::new();
    let (alice, bob) = (Member::start(49, &chain).await, Member::start(50, &chain).await);
    alice.fund(Sat(300_000)).await;
    alice.connect(&bob).await;
    alice.open(&bob, FUNDING, Msat(0)).await;
    let (channel, _) = bob.handle.snapshot().channels().map(|(keys, c)| (keys, c.peer())).next().unwrap();
    let closing = bob.handle.command(Command::ForceCloseChannel { channel }).await;
    assert_eq!(closing, Ok(Reply::Done));
    closed(&chain, &alice).await;
    alice.handle.synced().await.unwrap();
    assert_eq!(alice.handle.recover(Some(FEERATE)).await.unwrap(), Default::default());
    chain.mine(2 * MIN_DEPTH);
    until("it was swept as ever", async || {
        chain.mine(1);
        alice.handle.snapshot().coin_balance().confirmed > Sat(290_000)
    })
    .await;
    for member in [alice, bob] {
        member.stop().await.unwrap();
    }
}

//! The story of a close, as the API tells it: while it goes on, and when it is over.

use crate::api::{Served, serve, served};
use crate::support::{Member, until};
use astrape_api::v1::*;
use astrape_daemon::engine::EmbeddedChain;
use astrape_primitives::{Feature, Features, Msat, Sat};

const FUNDING: Sat = Sat(1_000_000);

/// What Bob gets of it.
const PUSHED: u64 = 400_000;

async fn opened(seed: u8, chain: &EmbeddedChain) -> (Served, Served) {
    opened_with(served(seed, chain).await, served(seed + 1, chain).await).await
}

async fn opened_with(alice: Served, bob: Served) -> (Served, Served) {
    alice.member.fund(Sat(1_500_000)).await;
    alice.member.connect(&bob.member).await;
    alice.member.open(&bob.member, FUNDING, Msat(PUSHED * 1_000)).await;
    (alice, bob)
}

impl Served {
    async fn closes(&mut self, channel: Option<String>) -> Vec<Close> {
        let request = ListClosesRequest { channel, ..ListClosesRequest::default() };
        self.client.list_closes(request).await.unwrap().into_inner().closes
    }

    pub(crate) async fn only_close(&mut self) -> Close {
        let mut closes = self.closes(None).await;
        assert_eq!(closes.len(), 1, "{closes:?}");
        closes.remove(0)
    }

    /// Mines until the close is over.
    pub(crate) async fn over(&mut self, chain: &EmbeddedChain) -> Close {
        until("the close to be over", async || {
            chain.mine(1);
            let over = self.client.clone().list_closes(ListClosesRequest::default()).await.unwrap();
            over.into_inner().closes.iter().all(|close| close.over)
        })
        .await;
        self.only_close().await
    }
}

/// The id of the closing transaction: from the answer, or from the list once both sides agree; the command waits for that only so
/// long.
pub(crate) async fn closing_txid(of: &Served, answer: CloseChannelResponse, channel: &str) -> String {
    let listed = async || {
        let closes = of.client.clone().list_closes(ListClosesRequest::default()).await.unwrap().into_inner();
        closes.closes.into_iter().find(|close| close.channel_id == channel).and_then(|close| close.txid)
    };
    if let Some(txid) = answer.closing_txid {
        return txid;
    }
    until("both sides agree how to close", async || listed().await.is_some()).await;
    listed().await.expect("what was agreed stays")
}

async fn channel_id(of: &mut Served) -> String {
    of.client.list_channels(ListChannelsRequest {}).await.unwrap().into_inner().channels.remove(0).channel_id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_in_good_order_is_told_on_both_sides_and_for_ever() {
    let chain = EmbeddedChain::new();
    let (mut alice, mut bob) = opened(51, &chain).await;
    assert!(alice.closes(None).await.is_empty());
    let id = channel_id(&mut alice).await;
    let before = alice.balance().await.confirmed_sat;
    let close = CloseChannelRequest { channel: id.clone(), ..CloseChannelRequest::default() };
    let answer = alice.client.close_channel(close).await.unwrap().into_inner();
    let txid = closing_txid(&alice, answer, &id).await;
    let told = alice.only_close().await;
    assert_eq!((told.over, told.txid.as_deref(), told.confirmations), (false, Some(txid.as_str()), 0));
    assert_eq!(told.how, "no transaction is in a block yet");
    until("the close is in the mempool", async || chain.look(|c| c.in_mempool(&txid.parse().unwrap()))).await;

    let told = alice.over(&chain).await;
    assert_eq!(told.why, "both sides agreed to close it, asked for by us");
    assert_eq!(told.how, "the closing transaction that both sides signed");
    assert_eq!((told.kind(), told.txid.as_deref()), (CloseKind::Cooperative, Some(txid.as_str())));
    let gained = alice.balance().await.confirmed_sat - before;
    assert_eq!((told.returned_sat, told.pending_sat), (Some(gained), 0));
    assert_eq!(
        gained + told.fees_sat.unwrap(),
        FUNDING.0 - PUSHED,
        "she has opened it, and pays for its close"
    );
    let told = bob.over(&chain).await;
    assert_eq!(told.why, "both sides agreed to close it, asked for by the peer");
    assert_eq!((told.returned_sat, told.fees_sat), (Some(PUSHED), Some(0)));

    // By the beginning of its id.
    let found = alice.closes(Some(id[..8].to_owned())).await;
    assert_eq!(found, [alice.only_close().await]);
    assert_eq!(alice.closes(Some(found[0].keys_id.clone())).await, found, "or by our own name");
    let page = ListClosesRequest { before: found[0].number, ..ListClosesRequest::default() };
    assert!(alice.client.list_closes(page).await.unwrap().into_inner().closes.is_empty());
    alice.end().await;
    bob.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forced_close_tells_when_the_money_comes_back_and_what_came() {
    let chain = EmbeddedChain::new();
    let (mut alice, mut bob) = opened(53, &chain).await;
    let id = channel_id(&mut alice).await;
    let (before, bob_before) = (alice.balance().await.confirmed_sat, bob.balance().await.confirmed_sat);
    let close = CloseChannelRequest { channel: id.clone(), force: true, ..CloseChannelRequest::default() };
    let done = alice.client.close_channel(close).await.unwrap().into_inner();
    let words = done.forced.expect("it is told what it costs").warning;
    assert!(words.contains("astrape onchain") && !words.contains("try `astrape close`"), "{words}");
    let open = |member: &Served| member.member.handle.snapshot().channels().count();
    until("the commitment is in the mempool", async || {
        let closes =
            alice.client.clone().list_closes(ListClosesRequest::default()).await.unwrap().into_inner();
        let txid = closes.closes.first().and_then(|close| close.txid.clone());
        chain.mine(1);
        txid.is_some_and(|txid| chain.look(|c| c.confirmations(&txid.parse().unwrap()) > 0))
    })
    .await;
    let told = alice.only_close().await;
    assert_eq!(
        (told.kind(), told.over, told.why.as_str()),
        (CloseKind::Ours, false, "we went on chain: by the user's wish")
    );
    assert_eq!(told.how, "our commitment");
    let height = told.height.unwrap();
    // A delay of 144 lets the money into the block that is 144 above.
    assert_eq!(told.spendable_height, Some(height + 143));
    assert!(told.spendable_in_secs.unwrap() <= 143 * 600 && told.pending_sat > 590_000, "{told:?}");
    let ours: Vec<&CloseOutput> =
        told.outputs.iter().filter(|o| o.what.starts_with("ours, after a delay")).collect();
    assert_eq!(ours.len(), 1, "{told:?}");
    assert_eq!((ours[0].amount_sat, ours[0].spent), (told.pending_sat, false));
    assert_eq!(ours[0].status, format!("waits for block {}", height + 143));
    let channels = alice.client.list_channels(ListChannelsRequest {}).await.unwrap().into_inner().channels;
    let to_come = format!("to come, the last at block {} (about ", height + 143);
    assert!(channels[0].status.contains(&to_come), "{}", channels[0].status);
    assert_eq!(alice.balance().await.closing_msat, told.pending_sat * 1_000);

    let theirs = bob.over(&chain).await;
    assert_eq!((theirs.kind(), theirs.how.as_str()), (CloseKind::Theirs, "the peer's commitment"));
    assert_eq!(theirs.why, "the peer failed the channel: by the user's wish");
    let gained = bob.balance().await.confirmed_sat - bob_before;
    assert_eq!(theirs.returned_sat, Some(gained), "{theirs:?}");
    let anchor = 330;
    assert_eq!(
        gained + theirs.fees_sat.unwrap(),
        PUSHED + anchor,
        "Alice has paid for his anchor: {theirs:?}"
    );

    let told = alice.over(&chain).await;
    assert_eq!(alice.balance().await.closing_msat, 0, "nothing is counted twice");
    let gained = alice.balance().await.confirmed_sat.checked_sub(before).unwrap();
    assert_eq!(told.returned_sat, Some(gained), "{told:?}");
    assert_eq!(gained + told.fees_sat.unwrap(), FUNDING.0 - PUSHED, "{told:?}");
    assert!(told.fees_sat.unwrap() > 0 && told.events.len() > 3, "{told:?}");
    assert_eq!(told.events.last().unwrap().number, told.number.unwrap());
    assert_eq!(open(&alice), 0);
    alice.end().await;
    bob.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closes_come_in_pages_whether_they_are_over_or_not() {
    let chain = EmbeddedChain::new();
    let (mut alice, bob) = opened(59, &chain).await;
    for _ in 0..2 {
        alice.member.fund(Sat(500_000)).await;
        alice.member.open(&bob.member, Sat(400_000), Msat(0)).await;
    }
    let channels = alice.client.list_channels(ListChannelsRequest {}).await.unwrap().into_inner().channels;
    for channel in channels.into_iter().map(|channel| channel.channel_id) {
        let close = CloseChannelRequest { channel, force: true, ..CloseChannelRequest::default() };
        alice.client.close_channel(close).await.unwrap();
    }
    let page = async |alice: &mut Served, before: Option<u64>, after: Option<String>| {
        let request = ListClosesRequest { limit: Some(2), before, after, channel: None };
        alice.client.list_closes(request).await.unwrap().into_inner().closes
    };
    let first = page(&mut alice, None, None).await;
    assert!(matches!(&first[..], [one, other] if !one.over && !other.over), "{first:?}");
    let second = page(&mut alice, None, Some(first[1].keys_id.clone())).await;
    assert!(matches!(&second[..], [one] if !first.iter().any(|other| other.keys_id == one.keys_id)));
    assert!(page(&mut alice, None, Some(second[0].keys_id.clone())).await.is_empty());
    until("all closes to be over", async || {
        chain.mine(1);
        let closes = alice.client.clone().list_closes(ListClosesRequest::default()).await.unwrap();
        closes.into_inner().closes.iter().all(|close| close.over)
    })
    .await;
    let first = page(&mut alice, None, None).await;
    assert!(matches!(&first[..], [one, other] if one.number > other.number), "{first:?}");
    let second = page(&mut alice, first[1].number, None).await;
    assert!(matches!(&second[..], [one] if one.over && one.number < first[1].number), "{second:?}");
    let both = ListClosesRequest { before: Some(1), after: Some("ab".repeat(32)), ..Default::default() };
    let refused = alice.client.list_closes(both).await.unwrap_err();
    assert!(refused.message().contains("after: "), "{refused}");
    alice.end().await;
    bob.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_knows_no_taproot_scripts_is_closed_with_all_the_same_and_the_money_is_swept() {
    let chain = EmbeddedChain::new();
    // Bob's own wallet has no script that he may name, so where he begins he names another.
    let named = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
    for (seed, closes_first, address) in [(55, 0, None), (57, 1, Some(named.to_owned()))] {
        let bob = serve(
            Member::start_with(seed + 1, &chain, |config| {
                config.node.features = without(&config.node.features, Feature::ShutdownAnysegwit);
            })
            .await,
        );
        let (alice, bob) = opened_with(served(seed, &chain).await, bob.await).await;
        let mut both = [alice, bob];
        let id = channel_id(&mut both[0]).await;
        let before = [both[0].balance().await.confirmed_sat, both[1].balance().await.confirmed_sat];
        let close = CloseChannelRequest { channel: id.clone(), address, ..CloseChannelRequest::default() };
        let answer = both[closes_first].client.close_channel(close).await.unwrap().into_inner();
        let txid = closing_txid(&both[closes_first], answer, &id).await;
        until("the close is in the mempool", async || chain.look(|c| c.in_mempool(&txid.parse().unwrap())))
            .await;
        for (one, before) in both.iter_mut().zip(before).take(2 - closes_first) {
            let told = one.over(&chain).await;
            assert_eq!(told.kind(), CloseKind::Cooperative);
            let gained = one.balance().await.confirmed_sat - before;
            assert_eq!(told.returned_sat, Some(gained), "{told:?}");
            assert!(gained > 390_000 && told.fees_sat > Some(0), "it was swept: {told:?}");
        }
        for one in both {
            one.end().await;
        }
    }
}

fn without(features: &Features, feature: Feature) -> Features {
    let gone = [feature.optional_bit(), feature.required_bit()];
    features.iter_bits().filter(|bit| !gone.contains(bit)).fold(Features::empty(), Features::with_bit)
}

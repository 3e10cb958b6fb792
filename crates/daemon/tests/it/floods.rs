//! Strangers by the hundred, over real sockets, while an honest peer pays: memory stays bounded and the payment arrives.

use crate::api::serve;
use crate::strangers::Stranger;
use crate::support::{Member, PATIENCE, until};
use astrape_api::Client;
use astrape_api::v1::GetInfoRequest;
use astrape_daemon::engine::EmbeddedChain;
use astrape_node::Fact;
use astrape_primitives::{ChannelId, ChannelKeysId, FeeratePerKw, Msat, Network, Sat, ShortChannelId};
use astrape_signer::{InProcessSigner, Seed};
use astrape_transactions::{CommitmentFormat, Signer as _};
use astrape_wire::{Message, OnionMessage, OpenChannel, Ping, QueryShortChannelIds};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Strangers that shake hands at a time.
const AT_THE_DOOR: usize = 32;

/// One of many.
fn stranger(number: u16) -> InProcessSigner {
    let mut entropy = [0xee; 32];
    entropy[..2].copy_from_slice(&number.to_be_bytes());
    InProcessSigner::new(&Seed::from_entropy(entropy), Network::Regtest)
}

/// Memory of this process that is really there, in bytes: of the nodes, and of those who attack them.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("with the memory");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok()).expect("in KiB") * 1024
}

/// Two nodes with a channel, the first of which is flooded.
async fn pair(seed: u8) -> (Arc<Member>, Member) {
    let chain = EmbeddedChain::new();
    let (alice, bob) = (Member::start(seed, &chain).await, Member::start(seed + 1, &chain).await);
    bob.handle.synced().await.unwrap();
    bob.fund(Sat(2_000_000)).await;
    bob.connect(&alice).await;
    bob.open(&alice, Sat(1_000_000), Msat(0)).await;
    (Arc::new(alice), bob)
}

async fn pays(bob: &Member, alice: &Member) {
    let invoice = alice.invoice(Msat(5_000_000)).await;
    let paid = tokio::time::timeout(PATIENCE, bob.pay(&invoice)).await.expect("in time");
    assert!(matches!(paid, Fact::PaymentSent { .. }), "{paid:?}");
}

async fn end(alice: Arc<Member>, bob: Member) {
    bob.stop().await.unwrap();
    Arc::into_inner(alice).expect("nobody else has her").stop().await.unwrap();
}

// attack 63
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn five_hundred_peers_that_send_without_end_and_never_read_keep_nobody_else_from_paying() {
    const PEERS: u16 = 500;
    const MESSAGES: usize = 8;
    let (alice, bob) = pair(101).await;
    let before = resident();
    let (mut flood, sent) = (JoinSet::new(), Arc::new(AtomicUsize::new(0)));
    // Handshakes have little time: on a busy machine not all of them can be under way at once.
    let doors = Arc::new(Semaphore::new(AT_THE_DOOR));
    for number in 0..PEERS {
        let (alice, sent, doors) = (Arc::clone(&alice), Arc::clone(&sent), Arc::clone(&doors));
        flood.spawn(async move {
            let mut loud = {
                let _door = doors.acquire().await.unwrap();
                Stranger::connect_as(&stranger(number), &alice).await
            };
            loud.say_init().await;
            // The longest message there is, and one that wants an answer as long.
            let query = Message::QueryShortChannelIds(QueryShortChannelIds {
                chain_hash: Network::Regtest.chain_hash(),
                encoded_short_ids: vec![ShortChannelId(7); 8_000],
                query_flags: None,
            });
            let ping = Message::Ping(Ping { num_pong_bytes: 65_531, ignored: Vec::new() });
            for _ in 0..MESSAGES {
                if loud.say(&query).await.is_err() || loud.say(&ping).await.is_err() {
                    break;
                }
                sent.fetch_add(64_000, Ordering::Relaxed);
            }
            loud
        });
    }
    for _ in 0..3 {
        pays(&bob, &alice).await;
    }
    let deaf = tokio::time::timeout(PATIENCE, flood.join_all()).await.expect("the flood is over");
    pays(&bob, &alice).await;
    let (grown, sent) = (resident().saturating_sub(before), sent.load(Ordering::Relaxed));
    assert!(sent > 100 << 20, "{sent} bytes were sent");
    // Half a MiB for each, with what the strangers themselves and their sockets hold in this process; what was sent and not
    // read would be twice as much, with its answers three times.
    assert!(grown < usize::from(PEERS) << 19, "{grown} bytes more than before");
    drop(deaf);
    let bob_id = bob.id();
    until("only the honest one is left", async || {
        alice.handle.snapshot().connected_peers().map(|(peer, _)| peer).eq([bob_id])
    })
    .await;
    end(alice, bob).await;
}

// attack 78
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_thousand_onion_messages_of_strangers_cost_nothing_but_their_reading() {
    const PEERS: u16 = 4;
    const MESSAGES: usize = 25_000;
    let (alice, bob) = pair(105).await;
    pays(&bob, &alice).await;
    let before = resident();
    let (mut flood, sent) = (JoinSet::new(), Arc::new(AtomicUsize::new(0)));
    for number in 0..PEERS {
        let (alice, sent) = (Arc::clone(&alice), Arc::clone(&sent));
        flood.spawn(async move {
            let signer = stranger(number);
            let mut loud = Stranger::connect_as(&signer, &alice).await;
            loud.say_init().await;
            let message = Message::OnionMessage(OnionMessage {
                path_key: signer.node_id().key(),
                onion_message_packet: vec![7; 1_366],
            });
            for _ in 0..MESSAGES {
                loud.say(&message).await.expect("nobody hangs up on it");
                sent.fetch_add(1, Ordering::Relaxed);
            }
            // What came before was read when the answer to this is there; it is the first answer.
            loud.say(&Message::Ping(Ping { num_pong_bytes: 1, ignored: Vec::new() })).await.unwrap();
            while !matches!(loud.hear().await, Message::Pong(_)) {}
            loud
        });
    }
    let mut paid_meanwhile = 0;
    while !flood.is_empty() {
        pays(&bob, &alice).await;
        paid_meanwhile += usize::from(sent.load(Ordering::Relaxed) < usize::from(PEERS) * MESSAGES);
        while let Some(done) = flood.try_join_next() {
            drop(done.unwrap());
        }
    }
    assert_eq!(sent.load(Ordering::Relaxed), usize::from(PEERS) * MESSAGES);
    // However fast the machine: what waited behind all of it would be the only one. There are seven or more.
    assert!(paid_meanwhile >= 2, "{paid_meanwhile} payments in the flood");
    assert!(resident().saturating_sub(before) < 64 << 20, "nothing of it was kept");
    end(alice, bob).await;
}

fn open_channel(signer: &InProcessSigner, number: u8) -> Message {
    let keys = signer.channel_keys(&ChannelKeysId([number; 32]));
    Message::OpenChannel(OpenChannel {
        chain_hash: Network::Regtest.chain_hash(),
        temporary_channel_id: ChannelId([number; 32]),
        funding_satoshis: Sat(1_000_000),
        push_msat: Msat::ZERO,
        dust_limit_satoshis: Sat(354),
        max_htlc_value_in_flight_msat: Msat(1_000_000_000),
        channel_reserve_satoshis: Sat(10_000),
        htlc_minimum_msat: Msat(1),
        feerate_per_kw: FeeratePerKw(1_000),
        to_self_delay: 144,
        max_accepted_htlcs: 30,
        funding_pubkey: keys.basepoints.funding,
        revocation_basepoint: keys.basepoints.revocation,
        payment_basepoint: keys.basepoints.payment,
        delayed_payment_basepoint: keys.basepoints.delayed_payment,
        htlc_basepoint: keys.basepoints.htlc,
        first_per_commitment_point: keys.points[0],
        channel_flags: 0,
        upfront_shutdown_script: None,
        channel_type: Some(CommitmentFormat::Anchors.channel_type()),
    })
}

// attack 55
// attack 56
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn openings_by_strangers_at_the_same_time_take_no_more_places_than_there_are() {
    const PEERS: u16 = 120;
    const EACH: u8 = 6;
    let (alice, bob) = pair(103).await;
    let before = resident();
    let (mut flood, doors) = (JoinSet::new(), Arc::new(Semaphore::new(AT_THE_DOOR)));
    for number in 0..PEERS {
        let (alice, doors) = (Arc::clone(&alice), Arc::clone(&doors));
        flood.spawn(async move {
            let signer = stranger(number);
            let mut opener = {
                let _door = doors.acquire().await.unwrap();
                Stranger::connect_as(&signer, &alice).await
            };
            opener.say_init().await;
            for number in 1..=EACH {
                opener.say(&open_channel(&signer, number)).await.unwrap();
            }
            let mut answers = BTreeMap::new();
            while answers.values().sum::<u8>() < EACH {
                let name = opener.hear().await.name();
                if matches!(name, "accept_channel" | "error") {
                    *answers.entry(name).or_default() += 1;
                }
            }
            (opener, answers)
        });
    }
    let all = tokio::time::timeout(PATIENCE, flood.join_all()).await.expect("all are answered");
    let accepted = |answers: &BTreeMap<&str, u8>| answers.get("accept_channel").copied().unwrap_or_default();
    assert!(all.iter().all(|(_, answers)| accepted(answers) <= 4), "a few for each");
    let total: usize = all.iter().map(|(_, answers)| usize::from(accepted(answers))).sum();
    assert_eq!(total, 200, "and for all together, however they race");
    let node = alice.handle.snapshot();
    assert_eq!(node.channels().count(), 201, "with the honest one");
    drop(node);
    assert!(resident().saturating_sub(before) < 128 << 20);
    pays(&bob, &alice).await;
    drop(all);
    until("what was never funded is gone with its peers", async || {
        alice.handle.snapshot().channels().count() == 1
    })
    .await;
    end(alice, bob).await;
}

/// Files and sockets that this process has open.
fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("Linux tells").count()
}

// attack 85
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn strangers_at_the_api_by_the_hundred_hold_few_places_and_only_for_seconds() {
    const PLACES: usize = 128;
    const SILENT: usize = 120;
    let asks = async |client: &mut Client| client.get_info(GetInfoRequest {}).await;
    let (alice, bob) = pair(109).await;
    let mut alice = serve(Arc::into_inner(alice).expect("nobody else has her")).await;
    asks(&mut alice.client).await.expect("with the token");
    let (before, stranger) = (open_files(), alice.without_the_token());
    // Those who have found the certificate speak as well as any client, but for the token, and keep their connections.
    let mut loud = Vec::new();
    for _ in 1..PLACES {
        let mut client = astrape_api::connect(stranger.path(), &alice.address().to_string()).await.unwrap();
        let status = asks(&mut client).await.expect_err("no token");
        assert_eq!(status.code(), tonic::Code::Unauthenticated);
        loud.push(client);
    }
    let mut silent = Vec::new();
    for _ in 0..SILENT {
        silent.push(TcpStream::connect(alice.address()).await.unwrap());
    }
    pays(&bob, &alice.member).await;
    let (ours, taken) = (loud.len() + silent.len(), open_files().saturating_sub(before));
    assert!(taken <= ours + PLACES + 16, "{taken} files for {ours} strangers");
    asks(&mut alice.client).await.expect("who is in is not held up");
    // It waits behind the silent ones until the loud ones are let go, and no longer: it is in before the last of the silent.
    let another = async { asks(&mut alice.another().await.unwrap()).await };
    let mut byte = [0; 1];
    let last = silent.last_mut().unwrap().read(&mut byte);
    let first = tokio::time::timeout(PATIENCE / 2, async {
        tokio::select! {
            biased;
            asked = another => asked,
            end = last => panic!("the last of the silent is gone before who waits is in: {end:?}"),
        }
    });
    first.await.expect("whoever waits gets in").expect("with the token");
    for mut stream in silent {
        let end = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 1])).await.expect("it is let go");
        assert!(!matches!(end, Ok(1..)), "nothing is said to it");
    }
    pays(&bob, &alice.member).await;
    bob.stop().await.unwrap();
    alice.end().await;
}

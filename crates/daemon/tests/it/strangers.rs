//! Peers that are silent, slow or loud.

use crate::support::{Member, PATIENCE, signer, until};
use astrape_channel::Phase;
use astrape_daemon::engine::{EmbeddedChain, clock};
use astrape_node::Speech;
use astrape_node::release::speak;
use astrape_primitives::{ChannelId, CommitmentNumber, Features, Msat, Network, NodeId, Sat, ShortChannelId};
use astrape_signer::InProcessSigner;
use astrape_transactions::Signer as _;
use astrape_transport::{Decryptor, Encryptor, Handshake, Progress, Secured};
use astrape_wire::{ChannelReestablish, ChannelUpdate, Error, Extension, Init, Message, Ping, UpdateFee};
use bitcoin::secp256k1::ecdsa::Signature;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A peer that is not a node of ours: only its transport is.
pub(crate) struct Stranger {
    socket: TcpStream,
    encryptor: Encryptor,
    decryptor: Decryptor,
}

impl Stranger {
    /// Connects and shakes hands.
    pub(crate) async fn connect(seed: u8, to: &Member) -> Self {
        Self::connect_as(&signer(seed), to).await
    }

    pub(crate) async fn connect_as(signer: &InProcessSigner, to: &Member) -> Self {
        let mut socket = TcpStream::connect(to.address()).await.unwrap();
        let (mut handshake, act_one) =
            Handshake::initiate(signer.node_id(), to.id(), clock::fresh32(), clock::now()).unwrap();
        socket.write_all(&act_one).await.unwrap();
        let mut act_two = [0; 50];
        socket.read_exact(&mut act_two).await.unwrap();
        let (_, progress) = handshake.receive(&act_two, clock::now(), &|p| signer.ecdh(p)).unwrap();
        let Progress::Initiated(act_three, Secured { encryptor, decryptor, .. }) = progress else {
            panic!("{progress:?}")
        };
        socket.write_all(&act_three).await.unwrap();
        Self { socket, encryptor, decryptor }
    }

    pub(crate) fn id(seed: u8) -> NodeId {
        signer(seed).node_id()
    }

    pub(crate) async fn say(&mut self, message: &Message) -> std::io::Result<()> {
        let mut out = Vec::new();
        self.encryptor.seal(&message.encode().unwrap(), &mut out).unwrap();
        self.socket.write_all(&out).await
    }

    pub(crate) async fn say_init(&mut self) {
        let features = astrape_node::config::default_features();
        let init = Init { globalfeatures: Features::empty(), features, networks: None, remote_addr: None };
        self.say(&Message::Init(init)).await.unwrap();
    }

    /// The next message.
    pub(crate) async fn hear(&mut self) -> Message {
        loop {
            if let Some(bytes) = self.decryptor.next_message().unwrap() {
                let astrape_wire::Decoded::Known(message) = Message::decode(bytes).unwrap() else {
                    continue;
                };
                return message;
            }
            let count = self.socket.read(self.decryptor.spare()).await.unwrap();
            assert!(count > 0, "the node closed the connection");
            self.decryptor.filled(count);
        }
    }

    /// Whether the node closes the connection in time.
    async fn is_closed(&mut self) -> bool {
        let reading = async {
            let mut buffer = vec![0; 65_536];
            while !matches!(self.socket.read(&mut buffer).await, Ok(0) | Err(_)) {}
        };
        tokio::time::timeout(PATIENCE, reading).await.is_ok()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_peer_does_not_count_as_connected() {
    let alice = Member::start(41, &EmbeddedChain::new()).await;
    let _mute = TcpStream::connect(alice.address()).await.unwrap();
    let mut shaken = Stranger::connect(42, &alice).await;
    assert!(matches!(shaken.hear().await, Message::Init(_)));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(alice.handle.snapshot().connected_peers().count(), 0, "it has not said init");
    shaken.say_init().await;
    until("it is up", async || {
        alice.handle.snapshot().connected_peers().any(|(id, _)| id == Stranger::id(42))
    })
    .await;
    alice.stop().await.unwrap();
}

/// Whoever reaches the port can open connections and say nothing on them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_sockets_keep_nobody_out_and_are_closed_within_seconds() {
    let alice = Member::start(45, &EmbeddedChain::new()).await;
    let (is_let_in, closed_after) = comes_beside_silent_ones(&alice).await;
    assert!(is_let_in, "beside them");
    assert!(closed_after < Duration::from_secs(12), "{closed_after:?}");
    alice.stop().await.unwrap();
}

/// Somebody comes after 300 who say nothing. Whether it is let in while they are there, and how long it takes from the first until
/// the last of them is gone.
async fn comes_beside_silent_ones(alice: &Member) -> (bool, Duration) {
    let begun = Instant::now();
    let mut mutes = Vec::new();
    for _ in 0..300 {
        mutes.push(TcpStream::connect(alice.address()).await.unwrap());
    }
    let mut last = mutes.pop().unwrap();
    let coming = async {
        let mut honest = Stranger::connect(46, alice).await;
        assert!(matches!(honest.hear().await, Message::Init(_)));
    };
    let mut byte = [0; 1];
    let mut gone = std::pin::pin!(last.read(&mut byte));
    let limit = tokio::time::timeout(PATIENCE, async {
        tokio::select! {
            biased;
            end = &mut gone => (false, end),
            () = coming => (true, gone.await),
        }
    });
    let (is_let_in, end) = limit.await.expect("they are closed");
    assert!(matches!(end, Ok(0) | Err(_)), "nothing is said to it");
    (is_let_in, begun.elapsed())
}

// attack 63
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_does_not_read_is_disconnected_and_costs_no_more_than_its_queue() {
    let alice = Member::start(51, &EmbeddedChain::new()).await;
    let mut deaf = Stranger::connect(52, &alice).await;
    deaf.say_init().await;
    // Each of these is answered by an error; nobody reads the answers. They fill its sockets, then its queue.
    let flood = Message::UpdateFee(UpdateFee {
        channel_id: ChannelId([7; 32]),
        feerate_per_kw: astrape_primitives::FeeratePerKw(1_000),
    });
    let flooding = async { while deaf.say(&flood).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, flooding).await.expect("the node hangs up");
    until("it is gone", async || alice.handle.snapshot().connected_peers().count() == 0).await;
    alice.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_pings_ends_the_connection_and_others_are_served_meanwhile() {
    let chain = EmbeddedChain::new();
    let (alice, bob) = (Member::start(61, &chain).await, Member::start(62, &chain).await);
    let mut loud = Stranger::connect(63, &alice).await;
    loud.say_init().await;
    let ping = Message::Ping(Ping { num_pong_bytes: 65_000, ignored: Vec::new() });
    for _ in 0..1_000 {
        if loud.say(&ping).await.is_err() {
            break;
        }
    }
    bob.connect(&alice).await;
    assert!(loud.is_closed().await);
    // The stranger sees its socket closed before the core hears of it.
    let bob_id = bob.handle.node_id();
    until("Bob alone is there", async || {
        let node = alice.handle.snapshot();
        node.connected_peers().map(|(peer, _)| peer).eq([bob_id])
    })
    .await;
    alice.stop().await.unwrap();
    bob.stop().await.unwrap();
}

/// The peer counts as heard what it said before its connection broke, and does not say it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_came_before_a_frame_that_is_broken_is_heard() {
    let chain = EmbeddedChain::new();
    let (alice, bob) = (Member::start(91, &chain).await, Member::start(92, &chain).await);
    alice.fund(Sat(2_000_000)).await;
    alice.connect(&bob).await;
    let channel = alice.open(&bob, Sat(1_000_000), Msat(0)).await;
    bob.stop().await.unwrap();
    let mut as_bob = Stranger::connect_as(&signer(92), &alice).await;
    as_bob.say_init().await;
    assert!(matches!(as_bob.hear().await, Message::Init(_)));
    let (channel_id, point) = {
        let node = alice.handle.snapshot();
        let (_, found) = node.channels().find(|(keys, _)| *keys == channel).unwrap();
        (found.channel_id(), found.open().unwrap().params.remote.basepoints.payment)
    };
    let heard = Message::ChannelReestablish(ChannelReestablish {
        channel_id,
        next_commitment_number: CommitmentNumber(1),
        next_revocation_number: CommitmentNumber(0),
        your_last_per_commitment_secret: [0; 32],
        my_current_per_commitment_point: point,
        next_funding: None,
        my_current_funding_locked: None,
    });
    let error = Message::Error(Error { channel_id, data: b"the end".to_vec() });
    // In one piece: all is there when the node reads.
    let mut out = Vec::new();
    for message in [heard, error] {
        as_bob.encryptor.seal(&message.encode().unwrap(), &mut out).unwrap();
    }
    out.extend([0; 18]);
    as_bob.socket.write_all(&out).await.unwrap();
    assert!(as_bob.is_closed().await);
    until("the error has ended the channel", async || {
        let node = alice.handle.snapshot();
        node.channels().any(|(keys, found)| keys == channel && matches!(found.phase, Phase::Closing(_)))
    })
    .await;
    alice.stop().await.unwrap();
}

/// A peer may pass on all that it knows as soon as it is connected.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_peer_asks_over_a_private_channel_is_heard_among_much_of_others() {
    let chain = EmbeddedChain::new();
    let (alice, bob) = (Member::start(95, &chain).await, Member::start(96, &chain).await);
    alice.fund(Sat(2_000_000)).await;
    alice.connect(&bob).await;
    alice.open(&bob, Sat(1_000_000), Msat(0)).await;
    let (bob_id, old) = (bob.id(), alice.handle.snapshot().route_hints(None)[0][0]);
    bob.stop().await.unwrap();
    let mut as_bob = Stranger::connect_as(&signer(96), &alice).await;
    as_bob.say_init().await;
    let update = |short_channel_id| ChannelUpdate {
        signature: Signature::from_compact(&[0; 64]).unwrap(),
        chain_hash: Network::Regtest.chain_hash(),
        short_channel_id,
        timestamp: u32::try_from(clock::now().secs()).unwrap() + 60,
        // Not only for the peer, by its flags: older nodes leave that out.
        message_flags: ChannelUpdate::MUST_BE_ONE,
        channel_flags: u8::from(bob_id > alice.id()),
        cltv_expiry_delta: old.cltv_expiry_delta,
        htlc_minimum_msat: Msat(1),
        fee_base_msat: old.fee_base_msat + 7,
        fee_proportional_millionths: 0,
        htlc_maximum_msat: Msat(1_000_000),
        extension: Extension::default(),
    };
    for n in 1..100 {
        let of_others = ShortChannelId::new(n, 1, 0).unwrap();
        as_bob.say(&Message::ChannelUpdate(update(of_others))).await.unwrap();
    }
    let own = Speech::SignChannelUpdate(Box::new(update(old.short_channel_id)));
    as_bob.say(&speak(own, &*signer(96)).unwrap().message.unwrap()).await.unwrap();
    until("what bob asks is known", async || {
        let hints = alice.handle.snapshot().route_hints(None);
        hints[0][0].fee_base_msat == old.fee_base_msat + 7
    })
    .await;
    alice.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_connections_of_a_peer_the_newer_one_stays() {
    let alice = Member::start(71, &EmbeddedChain::new()).await;
    let mut first = Stranger::connect(72, &alice).await;
    first.say_init().await;
    let peers = async || alice.handle.snapshot().connected_peers().count();
    until("the first is up", async || peers().await == 1).await;
    let mut second = Stranger::connect(72, &alice).await;
    second.say_init().await;
    assert!(first.is_closed().await);
    assert!(matches!(second.hear().await, Message::Init(_)));
    until("the second is up", async || peers().await == 1).await;
    // It can be spoken with.
    second.say(&Message::Ping(Ping { num_pong_bytes: 7, ignored: Vec::new() })).await.unwrap();
    loop {
        if matches!(second.hear().await, Message::Pong(pong) if pong.ignored.len() == 7) {
            break;
        }
    }
    assert!(alice.handle.disconnect(Stranger::id(72)).await.unwrap());
    assert!(second.is_closed().await);
    alice.stop().await.unwrap();
}

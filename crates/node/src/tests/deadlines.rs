//! What the chain shows late or not at all, and what must be on it in time.

use super::{NOW, channel, config, node_with, peer, step};
use crate::effect::Effect;
use crate::input::{Input, PeerEvent, PeerMessage};
use crate::node::Node;
use crate::record::tests::examples::Gen;
use astrape_channel::{Phase, Resolution};
use astrape_primitives::{BlockId, ChannelKeysId, Height, Network, Sat};
use astrape_signer::{InProcessSigner, Seed};
use astrape_wire::Message;
use bitcoin::hashes::Hash as _;
use std::sync::Arc;

fn nothing(lock_time: u32) -> bitcoin::Transaction {
    let lock_time = bitcoin::absolute::LockTime::from_consensus(lock_time);
    bitcoin::Transaction {
        version: bitcoin::transaction::Version::TWO,
        lock_time,
        input: vec![],
        output: vec![],
    }
}

#[test]
fn a_claim_goes_out_behind_its_parent() {
    let signer = InProcessSigner::new(&Seed::from_entropy([1; 32]), Network::Regtest);
    let request = astrape_transactions::signing::ClaimRequest { tx: nothing(2), inputs: vec![] };
    let claim = |parent| {
        let request = Box::new(request.clone());
        crate::Broadcast::Claim { request, parent, deadline: Some(Height(500)) }
    };
    assert_eq!(claim(None).txid(), Some(nothing(2).compute_txid()));
    assert_eq!(claim(None).deadline(), Some(Height(500)));
    let alone = crate::release::sign_broadcast(&claim(None), &signer).expect("it has no inputs");
    assert_eq!(alone, [nothing(2)]);
    let parent = crate::Parent::Signed(Arc::new(nothing(1)));
    let package = crate::release::sign_broadcast(&claim(Some(parent)), &signer).expect("it has no inputs");
    assert_eq!(package, [nothing(1), nothing(2)], "the child last");
}

#[test]
fn a_spend_that_a_late_watch_finds_in_a_block_of_ours_is_taken_and_one_of_another_chain_is_not() {
    let theirs = channel(1, peer(2));
    let outpoint = theirs.open().expect("it is open").funding.terms.outpoint;
    let mut tx = nothing(0);
    tx.input.push(bitcoin::TxIn { previous_output: outpoint, ..bitcoin::TxIn::default() });
    let matched = vec![astrape_primitives::ConfirmedTx { tx: Arc::new(tx), index: 3 }];
    for is_quarantined in [false, true] {
        let mut node = node_with(config(), vec![theirs.clone()]);
        if is_quarantined {
            node.quarantined.insert(theirs.keys(), NOW);
        }
        let tip = node.chain().tip().expect("it has one");
        let late = |block| Input::Chain(crate::ChainInput::Late { block, matched: matched.clone() });
        let spent_at = |node: &Node| {
            let channel = node.channel(&theirs.keys()).expect("it is there");
            channel.open().and_then(|open| open.funding.spent.as_ref()).map(|spent| spent.height)
        };
        step(&mut node, NOW, late(BlockId { hash: bitcoin::BlockHash::from_byte_array([9; 32]), ..tip }));
        assert_eq!(spent_at(&node), None, "that block is of another chain");
        step(&mut node, NOW, late(tip));
        assert_eq!(spent_at(&node), Some(tip.height), "a panic does not blind us to the chain");
    }
}

#[test]
fn a_secret_that_is_not_ours_is_not_genuine() {
    let signer = InProcessSigner::new(&Seed::from_entropy([1; 32]), Network::Regtest);
    let (keys, number) = (ChannelKeysId([3; 32]), astrape_primitives::CommitmentNumber(5));
    let check = astrape_channel::output::SecretCheck { keys, number, secret: [9; 32] };
    let secp = bitcoin::secp256k1::Secp256k1::new();
    let answer = crate::release::find(&crate::Find::CheckSecret(check), &signer, &secp);
    let is_refused = |answer: &crate::SignerAnswer| matches!(answer, crate::SignerAnswer::SecretChecked { channel, genuine: false } if *channel == keys);
    assert!(answer.as_ref().is_some_and(is_refused), "{answer:?}");
}

/// An HTLC of a channel from its beginning on.
fn pending(side: astrape_primitives::Side, expiry: u32) -> astrape_channel::Htlc {
    let mut htlc = Gen(3).htlc(side, astrape_primitives::HtlcId(0));
    htlc.amount = Sat(100_000).to_msat();
    htlc.payment_hash = astrape_primitives::PaymentPreimage([7; 32]).payment_hash();
    htlc.cltv_expiry = astrape_primitives::CltvExpiry(expiry);
    htlc.added = astrape_channel::commitments::Numbers::FROM_THE_START;
    htlc.removal = None;
    htlc
}

/// A payment on its way: it came in on the first channel, expiring at block 120, and went out on the second, expiring at 103.
fn relayed(format: astrape_transactions::CommitmentFormat) -> (Node, ChannelKeysId, ChannelKeysId) {
    let (mut first, mut second) = (channel(1, peer(2)), channel(2, peer(3)));
    let (incoming, mut outgoing) =
        (pending(astrape_primitives::Side::Remote, 120), pending(astrape_primitives::Side::Local, 103));
    let origin = astrape_channel::Origin::Relay { channel: first.keys(), id: incoming.id };
    if let astrape_channel::htlc::Direction::Outgoing { onion, .. } = outgoing.direction.clone() {
        outgoing.direction = astrape_channel::htlc::Direction::Outgoing { origin, onion, preimage: None };
    }
    for (channel, htlc) in [(&mut first, incoming), (&mut second, outgoing)] {
        if let Phase::Open(open) = &mut channel.phase {
            let terms = Arc::make_mut(&mut open.funding.terms);
            terms.format = format;
            terms.local.dust_limit = Sat(354);
            let mut params = (*open.params).clone();
            params.format = format;
            open.params = Arc::new(params);
            open.fees = astrape_channel::fee::Fees::new(astrape_primitives::FeeratePerKw(1_000));
            open.htlcs.insert(htlc.key(), Arc::new(htlc));
        }
    }
    let keys = (first.keys(), second.keys());
    (node_with(config(), vec![first, second]), keys.0, keys.1)
}

fn block(node: &mut Node) -> Vec<Effect> {
    let tip = node.chain().tip().expect("it has one");
    let height = Height(tip.height.0 + 1);
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&height.0.to_be_bytes());
    let next = BlockId { height, hash: bitcoin::BlockHash::from_byte_array(hash) };
    let event = astrape_primitives::ChainEvent::Connected {
        block: next,
        previous: tip.hash,
        time: 0,
        matched: Vec::new(),
    };
    step(node, NOW, Input::Chain(crate::ChainInput::Event(event))).1
}

fn goes_on_chain(effects: &[Effect]) -> bool {
    effects.iter().any(|e| matches!(e, Effect::Broadcast(crate::Broadcast::Commitment(_))))
}

// attack 32
// attack 52
#[test]
fn a_stuck_payment_closes_its_channel_and_is_failed_back_before_the_one_it_came_from_must_close() {
    for format in [
        astrape_transactions::CommitmentFormat::Anchors,
        astrape_transactions::CommitmentFormat::StaticRemotekey,
    ] {
        let (mut node, first, second) = relayed(format);
        let is_failed = |node: &Node| {
            let open = node.channel(&first).and_then(|c| c.open()).expect("it is open");
            open.htlcs.values().next().expect("still there").removal.is_some()
        };
        let phase = |node: &Node, keys| matches!(node.channel(keys).expect("there").phase, Phase::Open(_));
        while node.chain().height() < Height(105) {
            assert!(!goes_on_chain(&block(&mut node)), "the peer has its grace");
        }
        assert!(goes_on_chain(&block(&mut node)));
        assert!(phase(&node, &first) && !phase(&node, &second));
        while node.chain().height() < Height(113) {
            block(&mut node);
            assert!(!is_failed(&node), "the preimage may still come");
        }
        block(&mut node);
        assert!(is_failed(&node));
        assert!(phase(&node, &first), "and its channel lives on");
    }
}

// attack 43
#[test]
fn no_channel_is_closed_from_a_stale_view_of_the_chain_nor_at_once_when_it_is_back() {
    let (mut node, _, second) = relayed(astrape_transactions::CommitmentFormat::Anchors);
    let told = |freshness| Input::Chain(crate::ChainInput::Freshness(freshness));
    step(&mut node, NOW, told(crate::Freshness::Behind("syncing".to_owned())));
    while node.chain().height() < Height(111) {
        assert!(!goes_on_chain(&block(&mut node)));
    }
    let (_, effects) = step(&mut node, NOW, told(crate::Freshness::Fresh));
    assert!(!goes_on_chain(&effects), "the peer may not have had a chance to fail it");
    block(&mut node);
    assert!(!goes_on_chain(&block(&mut node)));
    assert!(goes_on_chain(&block(&mut node)), "three blocks later it had");
    assert!(matches!(node.channel(&second).expect("there").phase, Phase::Closing(_)));
}

// attack 43
// attack 32
#[test]
fn blocks_that_come_hours_late_or_by_a_wrong_clock_count_all_the_same() {
    let (mut node, _, second) = relayed(astrape_transactions::CommitmentFormat::Anchors);
    let told = |freshness| Input::Chain(crate::ChainInput::Freshness(freshness));
    step(&mut node, NOW, told(crate::Freshness::Behind("starting".to_owned())));
    step(&mut node, NOW, told(crate::Freshness::Doubtful("its newest block is three hours old".to_owned())));
    while node.chain().height() < Height(105) {
        assert!(!goes_on_chain(&block(&mut node)));
    }
    assert!(goes_on_chain(&block(&mut node)), "at its expiry and three");
    assert!(!is_open(&node, second));
}

/// A node that has just been started, long after it stopped or from an old copy: it has the preimage of an HTLC that the peer may
/// take back from block 110 on.
fn started_late(tip: u32) -> (Node, ChannelKeysId) {
    started_before(tip, 110)
}

fn started_before(tip: u32, expiry: u32) -> (Node, ChannelKeysId) {
    let mut theirs = channel(1, peer(2));
    let mut htlc = pending(astrape_primitives::Side::Remote, expiry);
    let attribution = astrape_channel::htlc::Attribution::Silent;
    let preimage = astrape_primitives::PaymentPreimage([7; 32]);
    htlc.removal = Some(astrape_channel::htlc::Removal {
        resolution: Resolution::Fulfilled { preimage, attribution },
        from: Default::default(),
        late_preimage: None,
    });
    if let Phase::Open(open) = &mut theirs.phase {
        let terms = Arc::make_mut(&mut open.funding.terms);
        terms.local.dust_limit = Sat(354);
        open.fees = astrape_channel::fee::Fees::new(astrape_primitives::FeeratePerKw(1_000));
        open.htlcs.insert(htlc.key(), Arc::new(htlc));
    }
    let keys = theirs.keys();
    let mut node = node_with(config(), vec![theirs]).after_losing_all_connections();
    let told = |freshness| Input::Chain(crate::ChainInput::Freshness(freshness));
    step(&mut node, NOW, told(crate::Freshness::Behind("starting".to_owned())));
    while node.chain().height() < Height(tip) {
        block(&mut node);
    }
    let (_, effects) = step(&mut node, NOW, told(crate::Freshness::Fresh));
    assert!(!goes_on_chain(&effects) && is_open(&node, keys), "nobody was dialled yet");
    (node, keys)
}

// attack 48
#[test]
fn a_deadline_at_a_start_waits_until_the_peer_could_tell_that_our_state_is_old() {
    let (mut node, keys) = started_late(100);
    for _ in 0..2 {
        assert!(!goes_on_chain(&block(&mut node)));
    }
    assert!(goes_on_chain(&block(&mut node)), "it is not there, and the expiry comes nearer");
    assert!(!is_open(&node, keys));
    // With little time left it is one block.
    let (mut node, _) = started_late(105);
    assert!(goes_on_chain(&block(&mut node)));
}

// attack 48
#[test]
fn what_a_peer_failed_and_what_left_the_chain_wait_at_a_start_as_a_deadline_does() {
    let (mut node, keys) = started_late(100);
    let failed = crate::state::FailedByPeer { since: Height(20), words: "long ago".to_owned() };
    node.failed_by_peer.set(keys, failed);
    let mut turn = crate::turn::Turn::new(&mut node, NOW, astrape_primitives::Entropy::new([1; 32]));
    turn.deadlines();
    turn.go_in_place_of_what_left(keys);
    assert!(matches!(turn.node.channels.get(&keys).expect("there").phase, Phase::Open(_)));
    for _ in 0..2 {
        assert!(!goes_on_chain(&block(&mut node)));
    }
    assert!(goes_on_chain(&block(&mut node)));
}

// attack 48
#[test]
fn an_outage_of_the_chain_source_gives_a_peer_that_was_never_there_no_more_time() {
    let (mut node, keys) = started_before(100, 210);
    let told = |freshness| Input::Chain(crate::ChainInput::Freshness(freshness));
    for _ in 0..20 {
        assert!(!goes_on_chain(&block(&mut node)));
    }
    step(&mut node, NOW, told(crate::Freshness::Behind("no answer".to_owned())));
    while node.chain().height() < Height(200) {
        block(&mut node);
    }
    let (_, effects) = step(&mut node, NOW, told(crate::Freshness::Fresh));
    assert!(goes_on_chain(&effects) && !is_open(&node, keys), "it had a hundred blocks");
}

/// How the payment that came in will end, if that is decided.
fn end_of(node: &Node, first: ChannelKeysId) -> Option<Resolution> {
    let open = node.channel(&first).and_then(|channel| channel.open()).expect("it is there");
    open.htlcs.values().next().and_then(|htlc| htlc.removal.clone()).map(|removal| removal.resolution)
}

/// The next peer gives the preimage.
fn settled(node: &mut Node, second: ChannelKeysId) -> Vec<Effect> {
    let channel = node.channel(&second).expect("it is there");
    let (from, channel_id) = (channel.peer(), channel.channel_id());
    let message = astrape_wire::UpdateFulfillHtlc {
        channel_id,
        id: astrape_primitives::HtlcId(0),
        payment_preimage: astrape_primitives::PaymentPreimage([7; 32]),
        attribution_data: None,
    };
    let event = PeerEvent::Message(PeerMessage::Other(Message::UpdateFulfillHtlc(message)));
    step(node, NOW, Input::Peer { peer: from, event }).1
}

/// The same payment, worth this.
fn relayed_of(amount: Sat) -> (Node, ChannelKeysId, ChannelKeysId) {
    let (node, first, second) = relayed(astrape_transactions::CommitmentFormat::Anchors);
    let of_amount = |keys: ChannelKeysId| {
        let mut channel = node.channel(&keys).expect("it is there").clone();
        if let Phase::Open(open) = &mut channel.phase {
            let mut htlc = (**open.htlcs.values().next().expect("one")).clone();
            htlc.amount = amount.to_msat();
            open.htlcs.insert(htlc.key(), Arc::new(htlc));
            // What is decided is said at once.
            open.remote.unrevoked = None;
            open.remote.next_point = Some(peer(9).key());
        }
        channel
    };
    (node_with(config(), vec![of_amount(first), of_amount(second)]), first, second)
}

fn is_open(node: &Node, keys: ChannelKeysId) -> bool {
    matches!(node.channel(&keys).expect("it is there").phase, Phase::Open(_))
}

#[test]
fn a_preimage_is_kept_for_a_channel_that_may_do_nothing_now() {
    for is_suspect in [true, false] {
        let (mut node, first, second) = relayed(astrape_transactions::CommitmentFormat::Anchors);
        if is_suspect {
            node.suspect.insert(first);
        } else {
            node.quarantined.insert(first, NOW);
        }
        let effects = settled(&mut node, second);
        assert!(
            matches!(end_of(&node, first), Some(Resolution::Fulfilled { .. })),
            "the next has it already"
        );
        let to_first = |effect: &&Effect| matches!(effect, Effect::Send { peer: to, .. } if *to == peer(2));
        assert_eq!(effects.iter().filter(to_first).count(), 0, "and nothing is said of it: {effects:?}");
    }
}

#[test]
fn a_channel_in_which_the_program_failed_goes_on_chain_for_its_htlcs_all_the_same() {
    let (mut node, _, second) = relayed(astrape_transactions::CommitmentFormat::Anchors);
    node.quarantined.insert(second, NOW);
    while node.chain().height() < Height(105) {
        assert!(!goes_on_chain(&block(&mut node)));
    }
    assert!(goes_on_chain(&block(&mut node)));
}

// attack 52
#[test]
fn who_settles_what_was_failed_back_after_its_expiry_loses_the_channel() {
    let (mut node, first, second) = relayed_of(Sat(300));
    while node.chain().height() < Height(114) {
        assert!(!goes_on_chain(&block(&mut node)), "300 sat are not worth it");
    }
    assert!(matches!(end_of(&node, first), Some(Resolution::Failed(_))));
    assert!(is_open(&node, second));
    assert!(goes_on_chain(&settled(&mut node, second)), "it would do so again");
    assert!(is_open(&node, first) && !is_open(&node, second));
}

// attack 38
// attack 52
#[test]
fn no_more_is_left_to_a_peer_of_what_was_failed_back_than_may_be_lost_in_dust() {
    for (bound, closes) in [(300_000, false), (299_999, true)] {
        let (mut node, first, second) = relayed_of(Sat(300));
        Arc::make_mut(&mut node.config).channel.max_dust_htlc_exposure = astrape_primitives::Msat(bound);
        while node.chain().height() < Height(113) {
            assert!(!goes_on_chain(&block(&mut node)));
        }
        assert_eq!(goes_on_chain(&block(&mut node)), closes, "{bound}");
        assert_eq!((is_open(&node, first), is_open(&node, second)), (true, !closes));
    }
}

// attack 43
// attack 52
#[test]
fn a_peer_has_time_to_fail_what_expired_while_we_saw_no_chain_though_what_pays_for_it_is_failed_back_at_once()
{
    let (mut node, first, second) = relayed_of(Sat(1_000_000));
    let told = |freshness| Input::Chain(crate::ChainInput::Freshness(freshness));
    step(&mut node, NOW, told(crate::Freshness::Behind("syncing".to_owned())));
    while node.chain().height() < Height(114) {
        block(&mut node);
    }
    step(&mut node, NOW, told(crate::Freshness::Fresh));
    assert!(matches!(end_of(&node, first), Some(Resolution::Failed(_))), "its peer would close else");
    for _ in 0..2 {
        assert!(is_open(&node, second), "its peer could not say so while we were away");
        block(&mut node);
    }
    assert!(is_open(&node, second));
    assert!(goes_on_chain(&block(&mut node)), "three blocks later it could");
    assert!(is_open(&node, first) && !is_open(&node, second));
}

// attack 38
// attack 47
#[test]
fn what_is_left_to_a_peer_is_looked_at_again_with_each_block() {
    let (node, first, second) = relayed_of(Sat(300));
    let mut claims = node.channel(&second).expect("it is there").clone();
    claims.link = astrape_channel::Link::CheckingClaim;
    let mut node = node_with(config(), vec![node.channel(&first).expect("it is there").clone(), claims]);
    Arc::make_mut(&mut node.config).channel.max_dust_htlc_exposure = astrape_primitives::Msat(299_999);
    while node.chain().height() < Height(115) {
        assert!(!goes_on_chain(&block(&mut node)), "its peer says that our state is old");
    }
    assert!(matches!(end_of(&node, first), Some(Resolution::Failed(_))));
    step(&mut node, NOW, Input::Peer { peer: peer(3), event: PeerEvent::Down });
    node.suspect.insert(second);
    assert!(!goes_on_chain(&block(&mut node)), "it may be true");
    node.suspect.clear();
    assert!(goes_on_chain(&block(&mut node)), "it has not proved that");
}

#[test]
fn a_failure_that_nobody_was_told_gives_way_to_a_preimage() {
    let (mut node, first, second) = relayed(astrape_transactions::CommitmentFormat::Anchors);
    step(&mut node, NOW, Input::Peer { peer: peer(2), event: PeerEvent::Down });
    while node.chain().height() < Height(114) {
        block(&mut node);
    }
    assert!(matches!(end_of(&node, first), Some(Resolution::Failed(_))));
    settled(&mut node, second);
    assert!(matches!(end_of(&node, first), Some(Resolution::Fulfilled { .. })), "its peer was away");
}

#[test]
fn what_came_by_a_channel_that_is_on_chain_is_not_failed_there_and_waits_for_its_preimage() {
    let (mut node, first, second) = relayed(astrape_transactions::CommitmentFormat::Anchors);
    let outpoint = node.channel(&first).and_then(|c| c.open()).expect("open").funding.terms.outpoint;
    let mut tx = nothing(0);
    tx.input.push(bitcoin::TxIn { previous_output: outpoint, ..bitcoin::TxIn::default() });
    let matched = vec![astrape_primitives::ConfirmedTx { tx: Arc::new(tx), index: 3 }];
    while node.chain().height() < Height(112) {
        block(&mut node);
    }
    let tip = node.chain().tip().expect("it has one");
    step(&mut node, NOW, Input::Chain(crate::ChainInput::Late { block: tip, matched }));
    while node.chain().height() < Height(115) {
        block(&mut node);
    }
    assert_eq!(end_of(&node, first), None);
    settled(&mut node, second);
    assert!(matches!(end_of(&node, first), Some(Resolution::Fulfilled { .. })));
}

/// Its peer may go on chain with the commitment before, which has it still.
#[test]
fn a_preimage_counts_in_a_channel_on_chain_though_the_failure_was_signed() {
    let (mut node, first, second) = relayed_of(Sat(100_000));
    while node.chain().height() < Height(114) {
        block(&mut node);
    }
    let htlc = |node: &Node| {
        let open = node.channel(&first).and_then(|channel| channel.open()).expect("it is there");
        (**open.htlcs.values().next().expect("it is there")).clone()
    };
    let signed = htlc(&node).removal.expect("failed back");
    assert!(signed.from.remote.is_some(), "it was told at once");
    let outpoint = node.channel(&first).and_then(|c| c.open()).expect("open").funding.terms.outpoint;
    let mut tx = nothing(0);
    tx.input.push(bitcoin::TxIn { previous_output: outpoint, ..bitcoin::TxIn::default() });
    let matched = vec![astrape_primitives::ConfirmedTx { tx: Arc::new(tx), index: 3 }];
    let tip = node.chain().tip().expect("it has one");
    step(&mut node, NOW, Input::Chain(crate::ChainInput::Late { block: tip, matched }));
    settled(&mut node, second);
    let now = htlc(&node);
    assert_eq!(now.preimage(), Some(astrape_primitives::PaymentPreimage([7; 32])));
    let removal = now.removal.expect("failed back");
    assert_eq!(
        (removal.from, removal.resolution),
        (signed.from, signed.resolution),
        "what was signed stays so"
    );
}

/// The next peer went away, or answers nothing, before the payment was signed.
#[test]
fn what_waits_to_be_passed_on_is_failed_back_when_its_time_is_over() {
    let (node, first, second) = relayed(astrape_transactions::CommitmentFormat::Anchors);
    let (incoming, mut waiting) =
        (node.channel(&first).expect("there").clone(), node.channel(&second).expect("there").clone());
    waiting.link = astrape_channel::Link::Down;
    if let Phase::Open(open) = &mut waiting.phase {
        let htlc = open.htlcs.values().next().cloned().expect("one");
        let astrape_channel::htlc::Direction::Outgoing { origin, onion, .. } = htlc.direction.clone() else {
            panic!("ours")
        };
        // Nothing else makes it look at blocks.
        open.announcement.sent = true;
        let (height, index) = (Height(1), 1);
        open.funding.confirmed = Some(astrape_channel::funding::Confirmation { height, index });
        open.htlcs.clear();
        open.waiting.push(Arc::new(astrape_channel::NewHtlc {
            amount: htlc.amount,
            payment_hash: htlc.payment_hash,
            cltv_expiry: htlc.cltv_expiry,
            onion,
            origin,
        }));
    }
    let mut node = node_with(config(), vec![incoming, waiting]);
    while node.chain().height() < Height(102) {
        block(&mut node);
        assert_eq!(end_of(&node, first), None, "it may come back");
    }
    block(&mut node);
    assert!(matches!(end_of(&node, first), Some(Resolution::Failed(_))), "long before block 120");
}

// attack 32
#[test]
fn a_chain_source_that_fails_for_a_moment_at_every_block_gives_a_stuck_payment_no_more_time() {
    let (mut node, _, second) = relayed(astrape_transactions::CommitmentFormat::Anchors);
    let told = |freshness| Input::Chain(crate::ChainInput::Freshness(freshness));
    step(&mut node, NOW, told(crate::Freshness::Behind("starting".to_owned())));
    step(&mut node, NOW, told(crate::Freshness::Fresh));
    while node.chain().height() < Height(106) {
        assert!(matches!(node.channel(&second).expect("there").phase, Phase::Open(_)));
        let is_doubtful = node.chain().height().0 % 2 == 0;
        let moment = if is_doubtful { crate::Freshness::Doubtful } else { crate::Freshness::Behind };
        step(&mut node, NOW, told(moment("no answer".to_owned())));
        block(&mut node);
        step(&mut node, NOW, told(crate::Freshness::Fresh));
    }
    assert!(
        matches!(node.channel(&second).expect("there").phase, Phase::Closing(_)),
        "at its expiry and three"
    );
}

//! `error`: for one channel, for all, for none that we know; and what our own leave behind.

use super::net::Net;
use astrape_channel::{How, Phase};
use astrape_primitives::{ChannelId, ChannelKeysId};
use astrape_wire::{AcceptChannel, Error, FundingCreated, Message, OpenChannel, UpdateFee, Warning};
use std::sync::Arc;

fn error(channel_id: ChannelId) -> Message {
    Message::Error(Error { channel_id, data: b"broken".to_vec() })
}

fn phase(net: &Net, who: usize, channel: &ChannelKeysId) -> &'static str {
    match net.members[who].node.channel(channel).map(|c| &c.phase) {
        None => "none",
        Some(Phase::Opening(_)) => "opening",
        Some(Phase::Open(_)) => "open",
        Some(Phase::Closing(_)) => "closing",
        Some(Phase::Closed(_)) => "closed",
    }
}

/// What it said last, which must be an error.
fn last_error(net: &Net, who: usize) -> ChannelId {
    match net.members[who].said.last() {
        Some((_, Message::Error(error))) => error.channel_id,
        other => panic!("{other:?}"),
    }
}

/// A row of three, in which the middle has two channels with each neighbour: its own names for them.
fn middle() -> (Net, [ChannelKeysId; 4]) {
    let mut net = Net::new(3);
    let channels = [(1, 0), (1, 0), (1, 2), (1, 2)].map(|(from, to)| net.open(from, to));
    (net, channels)
}

// BOLT 1.the-error-and-warning-messages.12
#[test]
fn an_error_for_the_zero_id_fails_all_channels_with_its_sender_and_no_other() {
    let (mut net, channels) = middle();
    net.receive(1, 0, &error(ChannelId::ALL));
    let phases = channels.map(|channel| phase(&net, 1, &channel));
    assert_eq!(phases, ["closing", "closing", "open", "open"]);
    let funding = |tx: &bitcoin::Transaction| tx.input[0].previous_output;
    let commitments: Vec<_> = net.members[1].broadcast.iter().rev().take(2).map(funding).collect();
    for channel in &channels[..2] {
        let open = net.members[1].node.channel(channel).and_then(|c| c.open()).expect("kept");
        assert!(commitments.contains(&open.funding.terms.outpoint), "our commitment is on its way");
    }
    // A warning for all is no error.
    net.receive(1, 2, &Message::Warning(Warning { channel_id: ChannelId::ALL, data: Vec::new() }));
    assert_eq!(phase(&net, 1, &channels[2]), "open");
}

// BOLT 1.the-error-and-warning-messages.13
#[test]
fn an_error_fails_the_channel_that_it_names_and_only_when_that_is_with_its_sender() {
    let (mut net, channels) = middle();
    let id = net.members[1].node.channel(&channels[0]).expect("open").channel_id();
    net.receive(1, 2, &error(id));
    assert_eq!(channels.map(|channel| phase(&net, 1, &channel)), ["open"; 4], "it is none of theirs");
    net.receive(1, 0, &error(id));
    assert_eq!(channels.map(|channel| phase(&net, 1, &channel)), ["closing", "open", "open", "open"]);
}

// attack 48
#[test]
fn an_error_before_the_peer_told_where_it_is_leaves_its_commitment_the_time_to_show() {
    let mut net = Net::new(2);
    let channel = net.open(0, 1);
    let id = net.members[0].node.channel(&channel).expect("open").channel_id();
    net.cut(0, 1);
    net.connect(0, 1);
    let broadcast = net.members[0].broadcast.len();
    net.receive(0, 1, &error(id));
    assert_eq!(net.members[0].broadcast.len(), broadcast, "our state may be older than we know");
    assert_eq!(phase(&net, 0, &channel), "open");
    for _ in 0..11 {
        net.mine(Vec::new());
    }
    assert_eq!(net.members[0].broadcast.len(), broadcast);
    net.mine(Vec::new());
    assert_eq!(phase(&net, 0, &channel), "closing", "it has not come");
    assert!(net.members[0].broadcast.len() > broadcast);
}

// attack 48
#[test]
fn a_peer_that_mirrors_a_state_that_the_mark_proves_old_gets_no_commitment_but_is_asked_to_close() {
    let mut net = Net::new(2);
    net.is_checked = true;
    let channel = net.open(0, 1);
    let id = net.members[0].node.channel(&channel).expect("open").channel_id();
    let config = Arc::make_mut(&mut net.members[0].node.config);
    config.suspect.insert(channel);
    config.led.insert(channel);
    net.restart(0);
    let (began, said) = (net.members[0].broadcast.len(), net.times_said(0, "error"));
    net.connect(0, 1);
    let mirrored = net.intercept_until(1, 0, "channel_reestablish");
    net.receive(0, 1, &mirrored);
    assert_eq!(net.times_said(0, "error"), said + 1, "it is told what is left to do");
    let awaits = |net: &Net| match net.members[0].node.channel(&channel).map(|c| &c.phase) {
        Some(Phase::Closing(closing)) => matches!(closing.how, How::AwaitPeersCommitment { .. }),
        _ => false,
    };
    assert!(awaits(&net), "{}", phase(&net, 0, &channel));
    // What it had to gain.
    net.receive(0, 1, &error(id));
    for _ in 0..20 {
        net.mine(Vec::new());
    }
    net.restart(0);
    net.connect(0, 1);
    assert_eq!(net.times_said(0, "error"), said + 1, "nothing unasked");
    net.run();
    assert_eq!(net.times_said(0, "error"), said + 2, "it goes on with it, and is asked again");
    assert!(awaits(&net), "for as long as it takes");
    assert_eq!(net.members[0].broadcast.len(), began);
    assert_eq!(net.members[0].node.suspect().collect::<Vec<_>>(), [channel]);
}

/// A row of two whose first has lost the connection, come back, and heard an error in place of `channel_reestablish`.
fn failed_unheard() -> (Net, ChannelKeysId) {
    let mut net = Net::new(2);
    net.is_checked = true;
    let channel = net.open(0, 1);
    net.cut(0, 1);
    net.connect(0, 1);
    let id = net.members[0].node.channel(&channel).expect("open").channel_id();
    net.receive(0, 1, &error(id));
    (net, channel)
}

// attack 48
#[test]
fn the_time_that_a_peers_commitment_has_after_its_error_goes_on_through_any_crash() {
    // The process dies in any of the twelve blocks, or in all of them, and the peer never says it again.
    for dies in (0..12).map(Some).chain([None]) {
        let (mut net, channel) = failed_unheard();
        let broadcast = net.members[0].broadcast.len();
        for block in 0..12 {
            assert_eq!(phase(&net, 0, &channel), "open", "{dies:?}, block {block}");
            if dies.is_none_or(|at| at == block) {
                net.restart(0);
            }
            net.mine(Vec::new());
        }
        assert_eq!(phase(&net, 0, &channel), "closing", "{dies:?}");
        assert!(net.members[0].broadcast.len() > broadcast, "{dies:?}");
        let open = net.members[0].node.channel(&channel).and_then(|c| c.open()).expect("kept");
        let funding = open.funding.terms.outpoint;
        let last = net.members[0].broadcast.last().expect("broadcast");
        assert!(last.input.iter().any(|i| i.previous_output == funding), "our commitment");
        let rows = net.members[0].disk.rows();
        net.mine(Vec::new());
        assert_eq!(net.members[0].disk.rows(), rows, "the wait is over, on the disk too");
    }
}

// attack 48
#[test]
fn a_peers_commitment_that_comes_after_its_error_ends_the_wait_and_ours_never_goes_out() {
    let (mut net, channel) = failed_unheard();
    let theirs = net.channels(1)[0];
    let open = net.members[1].node.channel(&theirs).and_then(|c| c.open()).expect("open");
    let request = open.local_request();
    let commitment = {
        use astrape_transactions::signing::Signer as _;
        net.members[1].signer.sign_local_commitment(&request).expect("its own")
    };
    net.restart(0);
    (0..5).for_each(|_| net.mine(Vec::new()));
    net.mine(vec![commitment]);
    let funding = request.terms.outpoint;
    for _ in 0..20 {
        net.restart(0);
        net.mine(Vec::new());
    }
    let ours = net.members[0].broadcast.iter();
    assert_eq!(ours.filter(|tx| tx.input.iter().any(|i| i.previous_output == funding)).count(), 0);
    assert_eq!(phase(&net, 0, &channel), "closing");
}

// BOLT 1.the-error-and-warning-messages.16
#[test]
fn an_error_or_a_warning_for_a_channel_that_we_do_not_know_is_ignored() {
    let (mut net, channels) = middle();
    let (said, broadcast) = (net.members[1].said.len(), net.members[1].broadcast.len());
    let unknown = ChannelId([9; 32]);
    for message in [error(unknown), Message::Warning(Warning { channel_id: unknown, data: vec![0xff; 9] })] {
        net.receive(1, 0, &message);
    }
    assert_eq!(channels.map(|channel| phase(&net, 1, &channel)), ["open"; 4]);
    assert_eq!(net.members[1].said.len(), said, "no answer, which could be answered again");
    assert_eq!(net.members[1].broadcast.len(), broadcast);
    // The connection is as good as before: what is unknown and no error is answered.
    let channel_id = unknown;
    let feerate_per_kw = astrape_primitives::FeeratePerKw(1_000);
    net.receive(1, 0, &Message::UpdateFee(UpdateFee { channel_id, feerate_per_kw }));
    assert_eq!(last_error(&net, 1), unknown);
}

/// A node that has lost its database, but not the words of its seed, gets what is its own when the peer closes. LND does not for an
/// `error` alone.
#[test]
fn who_goes_on_with_a_channel_that_we_do_not_know_is_told_that_we_know_nothing() {
    let (mut net, channels) = middle();
    let unknown = ChannelId([9; 32]);
    let reestablish = |number| {
        Message::ChannelReestablish(astrape_wire::ChannelReestablish {
            channel_id: unknown,
            next_commitment_number: astrape_primitives::CommitmentNumber(number),
            next_revocation_number: astrape_primitives::CommitmentNumber(5),
            your_last_per_commitment_secret: [3; 32],
            my_current_per_commitment_point: super::peer(5).key(),
            next_funding: None,
            my_current_funding_locked: None,
        })
    };
    let answers = |net: &mut Net, message: &Message| {
        let said = net.members[1].said.len();
        net.receive(1, 0, message);
        net.members[1].said[said..].iter().map(|(_, message)| message.clone()).collect::<Vec<_>>()
    };
    let told = answers(&mut net, &reestablish(7));
    assert!(
        matches!(
            &told[..],
            [Message::ChannelReestablish(nothing), Message::Error(error)]
                if nothing.channel_id == unknown
                    && nothing.next_commitment_number.0 == 0
                    && nothing.next_revocation_number.0 == 0
                    && error.channel_id == unknown
        ),
        "{told:?}"
    );
    // Who says that it knows nothing itself is not told so again and again.
    let told = answers(&mut net, &reestablish(0));
    assert!(matches!(&told[..], [Message::Error(_)]), "{told:?}");
    assert_eq!(channels.map(|channel| phase(&net, 1, &channel)), ["open"; 4]);
}

// BOLT 1.the-error-and-warning-messages.2
#[test]
fn who_is_asked_for_a_channel_names_it_in_errors_as_the_opener_does() {
    // Refused at once.
    let mut net = Net::new(2);
    net.propose(0, 1);
    let Some(Message::OpenChannel(good)) = net.intercept(0, 1) else { panic!("it is proposed") };
    let temporary = good.temporary_channel_id;
    let bad = OpenChannel { channel_type: None, ..good.clone() };
    net.receive(1, 0, &Message::OpenChannel(bad));
    let named = |net: &Net| match net.members[1].said.last() {
        Some((
            _,
            Message::Error(Error { channel_id, .. }) | Message::Warning(Warning { channel_id, .. }),
        )) => *channel_id,
        other => panic!("{other:?}"),
    };
    assert_eq!(named(&net), temporary);
    let bad = OpenChannel { feerate_per_kw: astrape_primitives::FeeratePerKw(1), ..good.clone() };
    net.receive(1, 0, &Message::OpenChannel(bad));
    assert_eq!(last_error(&net, 1), temporary);
    // Accepted, then funded badly.
    net.clear(1, 0);
    net.receive(1, 0, &Message::OpenChannel(good));
    let accept = net.intercept(1, 0).expect("accepted");
    net.receive(0, 1, &accept);
    let Some(Message::FundingCreated(good)) = net.intercept(0, 1) else { panic!("it is funded") };
    let bad = FundingCreated { funding_output_index: good.funding_output_index ^ 1, ..good };
    net.receive(1, 0, &Message::FundingCreated(bad));
    assert_eq!(last_error(&net, 1), temporary);
    assert_eq!(net.channels(1), [], "the error ends it");
}

// BOLT 1.the-error-and-warning-messages.1
#[test]
fn who_opens_a_channel_names_it_in_errors_as_in_open_channel() {
    let mut net = Net::new(2);
    let channel = net.propose(0, 1);
    let proposal = net.intercept(0, 1).expect("proposed");
    net.receive(1, 0, &proposal);
    let Message::OpenChannel(proposal) = proposal else { panic!("{proposal:?}") };
    let Some(Message::AcceptChannel(good)) = net.intercept(1, 0) else { panic!("accepted") };
    let bad = AcceptChannel { to_self_delay: u16::MAX, ..good };
    net.receive(0, 1, &Message::AcceptChannel(bad));
    let named = match net.members[0].said.last() {
        Some((
            _,
            Message::Error(Error { channel_id, .. }) | Message::Warning(Warning { channel_id, .. }),
        )) => *channel_id,
        other => panic!("{other:?}"),
    };
    assert_eq!(named, proposal.temporary_channel_id);
    assert_eq!(phase(&net, 0, &channel), "none");
}

// BOLT 1.the-error-and-warning-messages.7
#[test]
fn whoever_says_error_has_failed_what_it_names() {
    // A funded channel: a secret that is not the one that is due.
    let mut net = Net::new(2);
    let channel = net.open(0, 1);
    let id = net.members[0].node.channel(&channel).expect("open").channel_id();
    let next = net.members[1].signer_key();
    let lie = astrape_wire::RevokeAndAck {
        channel_id: id,
        per_commitment_secret: [5; 32],
        next_per_commitment_point: next,
    };
    net.receive(0, 1, &Message::RevokeAndAck(lie));
    assert_eq!(last_error(&net, 0), id);
    assert_eq!(phase(&net, 0, &channel), "closing");
    assert_eq!(net.members[0].broadcast.len(), 2, "the funding, and now our commitment");
    // The zero id stands for all channels: no error of ours names it.
    let mut net = Net::new(2);
    let channel = net.open(0, 1);
    let zero =
        UpdateFee { channel_id: ChannelId::ALL, feerate_per_kw: astrape_primitives::FeeratePerKw(1_000) };
    net.receive(0, 1, &Message::UpdateFee(zero));
    assert_eq!((net.times_said(0, "error"), phase(&net, 0, &channel)), (0, "open"));
    // An id that is in use stands for a channel that goes on: no error may name it.
    let mut net = Net::new(2);
    let channel = net.open(0, 1);
    let id = net.members[0].node.channel(&channel).expect("open").channel_id();
    net.propose(0, 1);
    let Some(Message::OpenChannel(good)) = net.intercept(0, 1) else { panic!("proposed") };
    let errors = net.times_said(1, "error");
    for temporary_channel_id in [id, ChannelId::ALL] {
        net.receive(1, 0, &Message::OpenChannel(OpenChannel { temporary_channel_id, ..good.clone() }));
    }
    assert_eq!(net.times_said(1, "error"), errors);
    assert_eq!(net.times_said(1, "warning"), 2);
    assert_eq!(net.channels(1).len(), 1);
}

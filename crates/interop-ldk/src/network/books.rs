//! Who can send how much to whom, and at the end whether all that was paid is where it belongs.

use super::build::Net;
use super::member::Member;
use anyhow::{Context as _, Result, ensure};
use astrape_api::v1::{ChannelState, ListChannelsRequest};
use astrape_interop::accounts::{self, number};
use astrape_routing::synthetic::flow::Balances;
use std::collections::{BTreeMap, BTreeSet};

/// What all nodes can send at a moment.
pub(super) struct Books {
    pub(super) balances: Balances,
    /// Whether nothing is in flight, and all channels can be used.
    pub(super) rests: bool,
    /// What does not rest.
    pub(super) restless: Vec<String>,
}

/// A payment that ended.
pub(super) struct Record {
    pub(super) payee: usize,
    pub(super) hash: String,
    pub(super) is_paid: bool,
}

/// What a node says of a channel.
struct View {
    peer: String,
    sendable_msat: u64,
    rests: bool,
}

impl Net {
    /// Asks all nodes at once.
    pub(super) fn books(&self) -> Result<Books> {
        let clients = self.members.iter().enumerate().filter_map(|(at, member)| match member {
            Member::Ours { client, .. } => Some((at, client.clone())),
            Member::Theirs { .. } => None,
        });
        let asked = super::all(clients.map(|(at, mut client)| async move {
            Ok((at, client.list_channels(ListChannelsRequest {}).await?.into_inner().channels))
        }))?;
        let of_ours =
            asked.into_iter().map(|(at, channels)| (at, channels.into_iter().map(View::ours).collect()));
        let of_theirs = self.members.iter().enumerate().filter_map(|(at, member)| match member {
            Member::Ours { .. } => None,
            Member::Theirs { node, .. } => Some((at, node.channels().iter().map(View::theirs).collect())),
        });
        let mut books = Books { balances: Balances::default(), rests: true, restless: Vec::new() };
        let mut told = 0;
        for (at, views) in of_ours.chain(of_theirs) {
            let views: Vec<View> = views;
            told += views.len();
            for view in views {
                let to = *self.by_id.get(&view.peer).context("a channel with a stranger")?;
                books.balances.add(at, to, view.sendable_msat);
                if !view.rests {
                    books.rests = false;
                    books.restless.push(format!(
                        "{} with {}",
                        self.members[at].name(),
                        self.members[to].name()
                    ));
                }
            }
        }
        ensure!(told == 2 * self.channels.len(), "{told} ends of {} channels are told", self.channels.len());
        Ok(books)
    }

    /// What each of our nodes owns in channels, in millisatoshi.
    pub(super) fn owned(&self) -> Result<BTreeMap<usize, u64>> {
        let owned = self.members.iter().enumerate().filter_map(|(at, member)| match member {
            Member::Ours { daemon, .. } => Some(accounts::in_channels(daemon).map(|owned| (at, owned))),
            Member::Theirs { .. } => None,
        });
        owned.collect()
    }

    /// Holds that both ends of each channel say the same, that each node of ours has what its lists of payments and forwards
    /// say, and that what was paid was received, once, and nothing else.
    pub(super) fn settles(&self, before: &BTreeMap<usize, u64>, records: &[Record]) -> Result<()> {
        self.agree()?;
        let after = self.owned()?;
        for (at, member) in self.members.iter().enumerate() {
            match member {
                Member::Ours { daemon, .. } => {
                    let sent = accounts::payments(daemon, "sent")?;
                    let received = accounts::payments(daemon, "received")?;
                    let spent: u64 = sent
                        .values()
                        .filter(|payment| payment.state == "succeeded")
                        .map(|payment| payment.amount_msat + payment.fee_msat)
                        .sum();
                    let got: u64 = received.values().map(|payment| payment.amount_msat).sum();
                    let passed = daemon.forwards()?;
                    let passed = passed.iter().filter(|forward| forward["failure"].is_null());
                    let earned: u64 =
                        passed.map(|forward| number(forward, "fee_msat")).sum::<Result<u64>>()?;
                    ensure!(
                        before[&at] + got + earned == after[&at] + spent,
                        "{} had {} msat and has {}; it got {got}, earned {earned} and spent {spent}",
                        member.name(),
                        before[&at],
                        after[&at]
                    );
                    let hashes: BTreeSet<&String> = received.keys().collect();
                    self.received(at, &hashes, records)?;
                    let info = daemon.ask(&["getinfo"])?;
                    ensure!(info["alarms"].as_array().is_some_and(Vec::is_empty), "{info}");
                    ensure!(daemon.complaints()?.is_empty(), "{}: {:#?}", member.name(), daemon.complaints());
                }
                Member::Theirs { node, .. } => {
                    let seen = node.seen();
                    ensure!(seen.twice.is_empty(), "{} tells something twice", member.name());
                    let claimed: Vec<String> = seen.claimed.keys().map(|hash| hex(hash)).collect();
                    self.received(at, &claimed.iter().collect(), records)?;
                }
            }
        }
        Ok(())
    }

    fn received(&self, at: usize, got: &BTreeSet<&String>, records: &[Record]) -> Result<()> {
        let due = records.iter().filter(|record| record.payee == at && record.is_paid);
        let due: BTreeSet<&String> = due.map(|record| &record.hash).collect();
        ensure!(due == *got, "{} got other payments than were made", self.members[at].name());
        Ok(())
    }

    /// Both ends of each channel say the same.
    fn agree(&self) -> Result<()> {
        for (id, ends) in &self.channels {
            let mut shares = Vec::new();
            for (end, at) in ends.iter().enumerate() {
                let (own, peers) = match &self.members[*at] {
                    Member::Ours { daemon, .. } => {
                        let side = crate::stage::side(daemon, id)?;
                        (side.local_msat, side.remote_msat)
                    }
                    Member::Theirs { node, .. } => node.shares(id)?,
                };
                shares.push(if end == 0 { (own, peers) } else { (peers, own) });
            }
            ensure!(shares[0] == shares[1], "channel {id}: the ends say {shares:?}");
        }
        Ok(())
    }
}

impl View {
    fn ours(channel: astrape_api::v1::Channel) -> Self {
        let rests = channel.htlcs == 0 && channel.connected && channel.state() == ChannelState::Ready;
        Self { rests, sendable_msat: channel.sendable_msat, peer: channel.peer }
    }

    fn theirs(channel: &lightning::ln::channel_state::ChannelDetails) -> Self {
        Self {
            peer: channel.counterparty.node_id.to_string(),
            sendable_msat: channel.next_outbound_htlc_limit_msat,
            rests: channel.is_usable
                && channel.pending_inbound_htlcs.is_empty()
                && channel.pending_outbound_htlcs.is_empty(),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bitcoin::hex::DisplayHex::to_lower_hex_string(bytes)
}

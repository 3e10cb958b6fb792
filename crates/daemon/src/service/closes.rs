//! How channels end, and ended: the story of each close, from what is followed and from the ledger.

mod outputs;

pub(super) use outputs::last_spendable;

use super::facts::channel_event;
use super::forced::BLOCK_SECS;
use super::info::saturate;
use super::money::share;
use super::{NodeService, argument, named, refusal};
use astrape_api::v1::{Close, CloseEvent, CloseKind, ListClosesRequest, ListClosesResponse};
use astrape_channel::{Channel, Phase};
use astrape_node::{ChannelFact, Entry, Fact, Node};
use astrape_onchain::SpenderKind;
use astrape_primitives::{ChannelKeysId, Height};
use astrape_storage::SqliteReader;
use astrape_wire::text::printable;
use tonic::Status;

/// Closes in one answer, unless the caller says otherwise.
const USUAL_LIMIT: u32 = 20;

/// Outputs in one answer, and events, of all closes together: with texts as long as a peer can make them they take a third of a
/// message. One channel has hardly more.
const MAX_DETAILS: usize = 1_000;

impl NodeService {
    pub(super) async fn list_closes(&self, request: ListClosesRequest) -> Result<ListClosesResponse, Status> {
        let limit = argument::limit("limit", Some(request.limit.unwrap_or(USUAL_LIMIT)))?;
        let before = request.before;
        let after = request.after.as_deref().map(|keys| argument::hex32("after", keys)).transpose()?;
        if before.is_some() && after.is_some() {
            return Err(argument::invalid("after", "give either this or `before`"));
        }
        let node = self.snapshot();
        let named = request.channel.as_deref().map(|name| (name, named::channel(&node, "channel", name)));
        let (live, digits) = match named {
            None if before.is_some() => (Vec::new(), Some(String::new())),
            None => (closing(&node, after.map(ChannelKeysId), limit), Some(String::new())),
            Some((_, Ok(keys))) => (vec![keys], None),
            Some((name, Err(none))) => {
                let digits = named::digits(name).filter(|_| none.code() == tonic::Code::NotFound);
                (Vec::new(), Some(digits.ok_or(none)?))
            }
        };
        let is_named = request.channel.is_some();
        let told =
            self.handle.read(move |ledger| told(ledger, &live, digits.as_deref(), before, limit)).await;
        let (live, over) = told.map_err(refusal::ledger)?;
        if is_named && live.is_empty() && over.is_empty() {
            return Err(Status::not_found(
                "there is no such channel: see `astrape channels` and `astrape onchain`",
            ));
        }
        let of_live = live.iter().filter_map(|(keys, facts)| {
            let channel = node.channel(keys)?;
            Some(live_close(&node, *keys, channel, facts))
        });
        let mut closes: Vec<Close> = of_live.chain(over.iter().map(|facts| close(facts))).collect();
        bound(&mut closes);
        Ok(ListClosesResponse { closes })
    }
}

/// Leaves out what an answer has no room for.
fn bound(closes: &mut [Close]) {
    let most = MAX_DETAILS / closes.len().max(1);
    for close in closes {
        let (outputs, events) =
            (close.outputs.len().saturating_sub(most), close.events.len().saturating_sub(most));
        close.outputs.truncate(most);
        close.events.drain(..events);
        (close.outputs_left_out, close.events_left_out) = (saturate(outputs), saturate(events));
    }
}

/// Channels on their way out, in the order of their names, after one of them if it is given.
fn closing(node: &Node, after: Option<ChannelKeysId>, limit: usize) -> Vec<ChannelKeysId> {
    let is_closing = |channel: &Channel| match &channel.phase {
        Phase::Closing(_) => true,
        Phase::Open(open) => open.shutdown.local.is_some() || open.shutdown.remote.is_some(),
        Phase::Opening(_) | Phase::Closed(_) => false,
    };
    let rest = node.channels().filter(|(keys, _)| after.is_none_or(|after| *keys > after));
    rest.filter(|(_, channel)| is_closing(channel)).map(|(keys, _)| keys).take(limit).collect()
}

type Told = (Vec<(ChannelKeysId, Vec<Entry>)>, Vec<Vec<Entry>>);

/// What the ledger says of channels that are not over, and of those that are.
fn told(
    ledger: &SqliteReader,
    live: &[ChannelKeysId],
    digits: Option<&str>,
    before: Option<u64>,
    limit: usize,
) -> Result<Told, astrape_node::JournalError> {
    let of_live =
        live.iter().map(|keys| Ok((*keys, ledger.story_of_channel(keys)?))).collect::<Result<_, _>>()?;
    let Some(digits) = digits else { return Ok((of_live, Vec::new())) };
    let (mut over, limit) = (Vec::new(), limit.saturating_sub(live.len()));
    for end in ledger.ends_of_channels(digits, before, limit)? {
        // What is over since the snapshot was taken is told with what is followed.
        if let Fact::Channel { keys, .. } = &end.fact
            && !live.contains(keys)
        {
            over.push(ledger.story_of_channel(keys)?);
        }
    }
    Ok((of_live, over))
}

/// The story that the ledger tells.
fn close(facts: &[Entry]) -> Close {
    let mut close = Close::default();
    let mut ask = None;
    let mut spent = None;
    for entry in facts {
        let Fact::Channel { keys, channel_id, peer, event } = &entry.fact else { continue };
        (close.keys_id, close.channel_id, close.peer) =
            (keys.to_string(), channel_id.to_string(), peer.to_string());
        if is_of_the_close(event) {
            close.events.push(told_event(entry, event));
        }
        match event {
            ChannelFact::ShuttingDown { by_us } => {
                let who = if *by_us { "us" } else { "the peer" };
                ask = Some(format!("both sides agreed to close it, asked for by {who}"));
            }
            ChannelFact::ForceClosing { reason } => {
                let reason = printable(reason.as_bytes());
                ask = Some(match reason.strip_prefix("the peer sent: ") {
                    Some(error) => format!("the peer failed the channel: {error}"),
                    None => format!("we went on chain: {reason}"),
                });
            }
            ChannelFact::WaitingForPeersCommitment { reason } => {
                ask = Some(format!("only the peer may go on chain: {}", printable(reason.as_bytes())));
            }
            ChannelFact::ClosingAgreed { txid, .. } => close.txid = Some(txid.to_string()),
            ChannelFact::Spent { txid, how } => {
                close.txid = Some(txid.to_string());
                spent = Some(how.clone());
            }
            ChannelFact::Over { returned, fees } => {
                (close.over, close.number) = (true, Some(entry.number));
                // The ledger has what came back before the fees.
                let net = returned.map(|returned| returned.saturating_sub(fees.unwrap_or_default()));
                (close.returned_sat, close.fees_sat) = (net.map(|sat| sat.0), fees.map(|sat| sat.0));
            }
            _ => {}
        }
    }
    let kind = spent.as_deref().map_or(CloseKind::Unspecified, kind);
    close.kind = kind.into();
    close.why = why(kind, ask);
    close.how =
        spent.map_or_else(|| "no transaction is in a block yet".to_owned(), |how| printable(how.as_bytes()));
    close
}

/// Whether a fact belongs to the end of a channel.
const fn is_of_the_close(fact: &ChannelFact) -> bool {
    !matches!(
        fact,
        ChannelFact::NotOpened { .. }
            | ChannelFact::Opened { .. }
            | ChannelFact::FundingConfirmed
            | ChannelFact::FundingReorged
            | ChannelFact::Ready
    )
}

fn told_event(entry: &Entry, fact: &ChannelFact) -> CloseEvent {
    let told = channel_event(fact);
    CloseEvent { number: entry.number, at_ms: entry.at.0, text: told.text, txid: told.txid }
}

/// What closed a channel, by the words of the fact. Words that this version does not know are told as they are: nothing is
/// concluded from them.
fn kind(how: &str) -> CloseKind {
    match SpenderKind::of_words(how) {
        Some(SpenderKind::Cooperative) => CloseKind::Cooperative,
        Some(SpenderKind::Ours) => CloseKind::Ours,
        Some(SpenderKind::Theirs) => CloseKind::Theirs,
        Some(SpenderKind::Revoked) => CloseKind::Revoked,
        Some(SpenderKind::Future) => CloseKind::DataLoss,
        Some(SpenderKind::Unknown) => CloseKind::Unknown,
        None => CloseKind::Unspecified,
    }
}

/// Why a channel was closed, in words: what the chain proves counts more than what was said before.
fn why(kind: CloseKind, said: Option<String>) -> String {
    let proven = match kind {
        CloseKind::Revoked => "the peer tried to take back a state that it had revoked: all of it is ours",
        CloseKind::DataLoss => "the peer has a newer state than our records: what is certainly ours is swept",
        CloseKind::Unknown => {
            "something that this channel does not know of took its funding: a key may have leaked"
        }
        CloseKind::Theirs => match said {
            Some(said) => return said,
            None => "the peer went on chain, and did not say why",
        },
        CloseKind::Unspecified | CloseKind::Cooperative | CloseKind::Ours => {
            return said.unwrap_or_else(|| "the reason was not kept".to_owned());
        }
    };
    proven.to_owned()
}

/// The same of a channel that is followed still.
fn live_close(node: &Node, keys: ChannelKeysId, channel: &Channel, facts: &[Entry]) -> Close {
    let mut close = close(facts);
    (close.keys_id, close.channel_id) = (keys.to_string(), channel.channel_id().to_string());
    close.peer = channel.peer().to_string();
    let tip = node.height();
    if let Some(open) = channel.open() {
        // Until something is in a block, all of it is to come.
        close.pending_sat = share(node, keys, open).to_sat_floor().0;
    }
    let spend = channel.open().and_then(|open| open.funding.spent.as_ref());
    match spend {
        Some(spend) => {
            (close.height, close.confirmations) = (Some(spend.height.0), spend.height.confirmations_at(tip));
        }
        None => {
            // A reorganisation took it away.
            close.kind = CloseKind::Unspecified.into();
            close.how = "no transaction is in a block yet".to_owned();
        }
    }
    if let (Some(resolution), Some(sums)) = (node.resolution(&keys), node.close_sums(&keys)) {
        let cost = node.closing_cost(&keys).unwrap_or_default();
        close.returned_sat = Some(sums.returned.saturating_sub(sums.fees).0);
        if spend.is_some() {
            close.pending_sat = sums.pending.0;
        }
        close.fees_sat = Some(sums.fees.saturating_add(cost).0);
        let last = last_spendable(resolution);
        close.spendable_height = last.map(|height| height.0);
        close.spendable_in_secs = last.map(|height| secs_until(height, tip));
        close.outputs = outputs::outputs(resolution, tip);
    }
    close
}

/// About how long until a transaction can be in a block that only the tip `height` lets in.
pub(super) fn secs_until(height: Height, tip: Height) -> u64 {
    u64::from(height.0.saturating_sub(tip.0)) * BLOCK_SECS
}

#[cfg(test)]
mod tests {
    use super::*;
    use astrape_onchain::Spender;
    use astrape_primitives::{ChannelId, CommitmentNumber, NodeId, Sat, Timestamp};
    use bitcoin::hashes::Hash as _;

    const TXID: [u8; 32] = [7; 32];

    fn story(events: &[ChannelFact]) -> Close {
        let secp = bitcoin::secp256k1::Secp256k1::new();
        let key = bitcoin::secp256k1::SecretKey::from_slice(&[1; 32]).expect("a key");
        let peer = NodeId::from_key(&bitcoin::secp256k1::PublicKey::from_secret_key(&secp, &key));
        let entry = |(number, event): (u64, &ChannelFact)| Entry {
            number,
            at: Timestamp(number * 1_000),
            fact: Fact::Channel {
                keys: ChannelKeysId([1; 32]),
                channel_id: ChannelId([2; 32]),
                peer,
                event: event.clone(),
            },
        };
        close(&(0..).zip(events).map(entry).collect::<Vec<_>>())
    }

    fn spent(spender: &Spender) -> ChannelFact {
        ChannelFact::Spent { txid: bitcoin::Txid::from_byte_array(TXID), how: spender.words().to_owned() }
    }

    #[test]
    fn every_way_to_spend_a_funding_has_its_kind() {
        let number = CommitmentNumber(3);
        for (spender, expected) in [
            (Spender::Cooperative, CloseKind::Cooperative),
            (Spender::Ours { number }, CloseKind::Ours),
            (Spender::Revoked { number, secret: [1; 32] }, CloseKind::Revoked),
            (Spender::Future { number }, CloseKind::DataLoss),
            (Spender::Unknown, CloseKind::Unknown),
        ] {
            let told = story(&[spent(&spender)]);
            assert_eq!(told.kind(), expected);
            assert_eq!(told.how, spender.words());
            assert_eq!(told.txid, Some(bitcoin::Txid::from_byte_array(TXID).to_string()));
        }
        for known in SpenderKind::ALL {
            let is_unknown = known == SpenderKind::Unknown;
            assert_eq!(kind(known.words()) == CloseKind::Unknown, is_unknown, "{known:?}");
            assert_ne!(kind(known.words()), CloseKind::Unspecified, "{known:?}");
        }
        assert_eq!(kind(SpenderKind::Theirs.words()), CloseKind::Theirs);
        let how = "words of another version".to_owned();
        let told =
            story(&[ChannelFact::Spent { txid: bitcoin::Txid::from_byte_array(TXID), how: how.clone() }]);
        assert_eq!((told.kind(), told.how), (CloseKind::Unspecified, how));
        assert_eq!(told.why, "the reason was not kept", "no key has leaked because of words");
    }

    #[test]
    fn the_reason_is_told_for_every_close_and_what_the_chain_proves_counts_more() {
        let asked = |by_us| ChannelFact::ShuttingDown { by_us };
        let forced = || ChannelFact::ForceClosing { reason: "by the user's wish".to_owned() };
        let by_error = || ChannelFact::ForceClosing { reason: "the peer sent: too late".to_owned() };
        let number = CommitmentNumber(3);
        let theirs = || ChannelFact::Spent {
            txid: bitcoin::Txid::from_byte_array(TXID),
            how: "the peer's commitment".to_owned(),
        };
        for (events, expected) in [
            (
                vec![asked(true), spent(&Spender::Cooperative)],
                "both sides agreed to close it, asked for by us",
            ),
            (vec![asked(false)], "both sides agreed to close it, asked for by the peer"),
            (vec![forced(), spent(&Spender::Ours { number })], "we went on chain: by the user's wish"),
            (vec![forced(), theirs()], "we went on chain: by the user's wish"),
            (vec![by_error(), theirs()], "the peer failed the channel: too late"),
            (vec![theirs()], "the peer went on chain, and did not say why"),
            (
                vec![forced(), spent(&Spender::Revoked { number, secret: [1; 32] })],
                "the peer tried to take back a state that it had revoked: all of it is ours",
            ),
        ] {
            assert_eq!(story(&events).why, expected);
        }
    }

    #[test]
    fn the_longest_answer_fits_into_a_message_and_one_channel_is_told_whole() {
        let text = "\u{65e5}".repeat(600);
        let forced = ChannelFact::ForceClosing { reason: text.clone() };
        let whole = Close {
            outputs: vec![
                astrape_api::v1::CloseOutput {
                    outpoint: format!("{}:4294967295", "ab".repeat(32)),
                    what: "w".repeat(100),
                    status: "s".repeat(100),
                    claim_txid: Some("ab".repeat(32)),
                    ..Default::default()
                };
                966
            ],
            ..story(&vec![forced; MAX_DETAILS])
        };
        let mut one = [whole.clone()];
        bound(&mut one);
        assert_eq!(one[0], whole);
        let mut few = vec![whole.clone(); 20];
        bound(&mut few);
        assert!(few.iter().all(|close| (close.outputs.len(), close.outputs_left_out) == (50, 916)));
        assert!(few.iter().all(|close| (close.events.len(), close.events_left_out) == (50, 950)));
        assert_eq!(few[0].events.last(), whole.events.last(), "the newest are told");
        assert_eq!(few[0].outputs[..], whole.outputs[..50], "and those that are due first");
        let mut many = vec![whole; 1_000];
        bound(&mut many);
        let size = prost::Message::encoded_len(&ListClosesResponse { closes: many });
        assert!(size < astrape_api::MAX_MESSAGE, "{size} bytes");
    }

    #[test]
    fn what_came_back_and_what_it_cost_is_told_of_a_channel_that_is_over() {
        let over = ChannelFact::Over { returned: Some(Sat(90_000)), fees: Some(Sat(1_000)) };
        let told = story(&[ChannelFact::Ready, spent(&Spender::Cooperative), over]);
        assert_eq!((told.over, told.number), (true, Some(2)));
        assert_eq!(
            (told.returned_sat, told.fees_sat),
            (Some(89_000), Some(1_000)),
            "so much more is in the wallet"
        );
        assert_eq!(told.events.len(), 2, "what was before its close is no part of it: {:?}", told.events);
        assert_eq!(told.events[1].text, "over: 89,000 sat came back, beside 1,000 sat that fees took");
        let older = story(&[ChannelFact::Over { returned: None, fees: None }]);
        assert_eq!((older.returned_sat, older.fees_sat), (None, None));
    }
}

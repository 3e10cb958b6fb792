//! A channel by one of its names.

use super::argument::invalid;
use super::refusal;
use crate::render::words::SHORT_DIGITS;
use astrape_channel::Channel;
use astrape_node::{Entry, Fact, Node};
use astrape_primitives::{ChannelKeysId, ShortChannelId};
use bitcoin::OutPoint;
use std::collections::{BTreeMap, BTreeSet};
use tonic::Status;

/// Fewest digits of an id: less would name one channel today and two tomorrow.
const MIN_DIGITS: usize = 4;

impl super::NodeService {
    /// What other answers call channels, by our own names for them: their short channel ids or, where they have none, their ids. Those
    /// that are over are looked up in the ledger; what it does not know has no name.
    pub(super) async fn channel_names(
        &self,
        keys: BTreeSet<ChannelKeysId>,
    ) -> Result<BTreeMap<ChannelKeysId, String>, Status> {
        let node = self.snapshot();
        let live = |keys: &ChannelKeysId| {
            let scid = node.short_channel_id(keys).map(|scid| scid.to_string());
            scid.or_else(|| node.channel(keys).map(|channel| channel.channel_id().to_string()))
        };
        let (known, over): (Vec<_>, Vec<_>) =
            keys.into_iter().map(|keys| (keys, live(&keys))).partition(|(_, name)| name.is_some());
        let mut names: BTreeMap<_, _> =
            known.into_iter().filter_map(|(keys, name)| Some((keys, name?))).collect();
        if !over.is_empty() {
            let of_ledger = self.handle.read(move |ledger| {
                over.into_iter().map(|(keys, _)| Ok((keys, ledger.story_of_channel(&keys)?))).collect()
            });
            let stories: Vec<(ChannelKeysId, Vec<Entry>)> = of_ledger.await.map_err(refusal::ledger)?;
            names.extend(stories.iter().filter_map(|(keys, story)| Some((*keys, last_id(story)?))));
        }
        Ok(names)
    }

    /// The same for a channel that may be over: then our own name for it is all there is.
    pub(crate) fn once_channel(&self, field: &str, name: &str) -> Result<ChannelKeysId, Status> {
        channel(&self.snapshot(), field, name).or_else(|status| {
            let mut keys = [0; 32];
            hex::decode_to_slice(name, &mut keys).map(|()| ChannelKeysId(keys)).map_err(|_| status)
        })
    }
}

/// The id of a channel, which had another while it was negotiated.
fn last_id(story: &[Entry]) -> Option<String> {
    story.iter().rev().find_map(|entry| match &entry.fact {
        Fact::Channel { channel_id, .. } => Some(channel_id.to_string()),
        _ => None,
    })
}

/// The channel that `name` means: its id, our own name for it, its short channel id, its alias, its funding outpoint, or a
/// beginning of one of the first two that fits no other.
pub(crate) fn channel(node: &Node, field: &str, name: &str) -> Result<ChannelKeysId, Status> {
    find(node, field, name, MIN_DIGITS)
}

/// The same for what cannot be undone: a beginning is as long as tables show it, for a slip of the pen in a few digits may well
/// name another channel.
pub(crate) fn channel_to_close(node: &Node, field: &str, name: &str) -> Result<ChannelKeysId, Status> {
    match digits(name) {
        Some(digits) if digits.len() < SHORT_DIGITS => Err(invalid(
            field,
            format!(
                "a close cannot be undone: give the first {SHORT_DIGITS} or more digits of the id, as `astrape channels` shows them"
            ),
        )),
        _ => find(node, field, name, SHORT_DIGITS),
    }
}

fn find(node: &Node, field: &str, name: &str, least: usize) -> Result<ChannelKeysId, Status> {
    let form = Form::read(name).ok_or_else(|| {
        let digits = format!("or the first {least} or more digits of the id");
        invalid(
            field,
            format!("a channel is named by its id, 800000x1x0, its funding outpoint txid:vout, {digits}"),
        )
    })?;
    let mut found = node.channels().filter(|(keys, channel)| form.means(node, *keys, channel));
    match (found.next(), found.next()) {
        (Some((keys, _)), None) => Ok(keys),
        (Some(_), Some(_)) => Err(invalid(field, "several channels begin so: give more of the id")),
        (None, _) => Err(Status::not_found("there is no such channel: see `astrape channels`")),
    }
}

/// The hexadecimal digits that `name` is, if it may be the beginning of an id.
pub(crate) fn digits(name: &str) -> Option<String> {
    match Form::read(name)? {
        Form::Digits(digits) => Some(digits),
        Form::Short(_) | Form::Outpoint(_) => None,
    }
}

enum Form {
    Short(ShortChannelId),
    Outpoint(OutPoint),
    Digits(String),
}

impl Form {
    fn read(name: &str) -> Option<Self> {
        // Tables cut ids so.
        let name = name.trim().trim_end_matches('…');
        if let Ok(short) = name.parse() {
            return Some(Form::Short(short));
        }
        if name.contains(':') {
            return name.parse().ok().map(Form::Outpoint);
        }
        let fits = (MIN_DIGITS..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_hexdigit());
        fits.then(|| Form::Digits(name.to_ascii_lowercase()))
    }

    fn means(&self, node: &Node, keys: ChannelKeysId, channel: &Channel) -> bool {
        match self {
            Form::Short(short) => {
                let alias = channel.open().map(|open| open.params.local_alias);
                node.short_channel_id(&keys) == Some(*short) || alias == Some(*short)
            }
            Form::Outpoint(outpoint) => {
                channel.open().is_some_and(|open| open.funding.terms.outpoint == *outpoint)
            }
            Form::Digits(digits) => {
                channel.channel_id().to_string().starts_with(digits) || keys.to_string().starts_with(digits)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_of_the_forms() {
        let txid = "ab".repeat(32);
        assert!(matches!(Form::read("800000x1x0"), Some(Form::Short(_))));
        assert!(matches!(Form::read(&format!("{txid}:1")), Some(Form::Outpoint(_))));
        assert!(matches!(Form::read(" ABcd… "), Some(Form::Digits(digits)) if digits == "abcd"));
        assert!(matches!(Form::read(&txid), Some(Form::Digits(_))));
        for name in ["", "abc", "xyzw", "1x2", ":", &format!("{txid}:"), &format!("{txid}0"), "\u{202e}abcd"]
        {
            assert!(Form::read(name).is_none(), "{name}");
        }
    }
}

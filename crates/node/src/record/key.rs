//! Names of records: a kind, then what it is about. What belongs to one channel lies together.

use crate::journal::Key;
use astrape_primitives::{ChannelKeysId, HtlcId, Side};

/// Kinds of records. A number is never used again for another kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Channel = 1,
    Payment = 2,
    Invoice = 3,
    Receiving = 4,
    Coin = 5,
    KnownPeer = 6,
    PeerUpdate = 7,
    Owed = 8,
    Chain = 9,
    Counters = 10,
    OwnUpdate = 11,
    OwnNode = 12,
    Resolution = 13,
    FailedByPeer = 14,
    ChannelPolicy = 20,
    Held = 21,
}

impl Kind {
    pub(crate) fn of(key: &Key) -> Option<(Kind, &[u8])> {
        let (kind, rest) = key.0.split_first()?;
        let all = [
            Kind::Channel,
            Kind::Payment,
            Kind::Invoice,
            Kind::Receiving,
            Kind::Coin,
            Kind::KnownPeer,
            Kind::PeerUpdate,
            Kind::Owed,
            Kind::Chain,
            Kind::Counters,
            Kind::OwnUpdate,
            Kind::OwnNode,
            Kind::Resolution,
            Kind::FailedByPeer,
            Kind::ChannelPolicy,
            Kind::Held,
        ];
        all.into_iter().find(|k| *k as u8 == *kind).map(|k| (k, rest))
    }

    pub(crate) fn key(self, about: &[u8]) -> Key {
        let mut bytes = Vec::with_capacity(1 + about.len());
        bytes.push(self as u8);
        bytes.extend_from_slice(about);
        Key(bytes)
    }
}

/// The parts of a channel that are rows of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChannelRow {
    /// What was agreed on.
    Params,
    /// Phase, balances, ids, readiness, shutdown, fees.
    Head,
    /// The funding and what was seen of it.
    Funding,
    /// Our commitments.
    Local,
    /// The peer's commitments.
    Remote,
    /// The peer's secrets.
    Secrets,
    /// One HTLC.
    Htlc(Side, HtlcId),
    /// One HTLC that waits, by its place.
    Waiting(u32),
    /// How far the announcement is.
    Announcement,
}

impl ChannelRow {
    pub(crate) fn key(self, channel: &ChannelKeysId) -> Key {
        let mut about = channel.0.to_vec();
        match self {
            ChannelRow::Params => about.push(0),
            ChannelRow::Head => about.push(1),
            ChannelRow::Funding => about.push(2),
            ChannelRow::Local => about.push(3),
            ChannelRow::Remote => about.push(4),
            ChannelRow::Secrets => about.push(5),
            ChannelRow::Htlc(side, id) => {
                about.push(if side == Side::Local { 6 } else { 7 });
                about.extend(id.0.to_be_bytes());
            }
            ChannelRow::Waiting(place) => {
                about.push(8);
                about.extend(place.to_be_bytes());
            }
            ChannelRow::Announcement => about.push(9),
        }
        Kind::Channel.key(&about)
    }

    /// Reads what follows the kind.
    pub(crate) fn of(about: &[u8]) -> Option<(ChannelKeysId, ChannelRow)> {
        let (channel, rest) = about.split_first_chunk::<32>()?;
        let (row, rest) = rest.split_first()?;
        let id = || rest.try_into().ok().map(|bytes| HtlcId(u64::from_be_bytes(bytes)));
        let row = match (row, rest.len()) {
            (0, 0) => ChannelRow::Params,
            (1, 0) => ChannelRow::Head,
            (2, 0) => ChannelRow::Funding,
            (3, 0) => ChannelRow::Local,
            (4, 0) => ChannelRow::Remote,
            (5, 0) => ChannelRow::Secrets,
            (6, _) => ChannelRow::Htlc(Side::Local, id()?),
            (7, _) => ChannelRow::Htlc(Side::Remote, id()?),
            (9, 0) => ChannelRow::Announcement,
            (8, _) => ChannelRow::Waiting(rest.try_into().ok().map(u32::from_be_bytes)?),
            _ => return None,
        };
        Some((ChannelKeysId(*channel), row))
    }
}

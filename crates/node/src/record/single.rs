//! Values that are one row each: coins, peers, what is owed to the chain, the chain, counters.

use super::Row;
use super::codec::{In, Out, Unreadable};
use super::key::Kind;
use super::parts::{
    arc_tx_of, get_all, get_keychain, get_outpoint, get_wallet_input, put_keychain, put_outpoint,
    put_wallet_input, tx_bytes,
};
use crate::state::{
    ChainState, Counters, FailedByPeer, KnownPeer, OwedTransaction, OwnNode, OwnUpdate, Prices, Span,
};
use astrape_onchain::Nights;
use astrape_primitives::{BlockId, ChannelKeysId, FeeratePerKw, Height, NodeId};
use astrape_wallet::{Coin, FoundCoin, Reservation};
use astrape_wire::codec::{Field as _, Reader, read_whole};
use astrape_wire::{ChannelUpdate, Decoded, Message, ValueError};
use bitcoin::hashes::Hash as _;
use bitcoin::{BlockHash, OutPoint, Txid};

impl Row for Coin {
    type Id = OutPoint;
    const KIND: Kind = Kind::Coin;

    fn id_bytes(id: &OutPoint) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_outpoint(id, &mut bytes);
        bytes
    }

    fn id_of(bytes: &[u8]) -> Option<OutPoint> {
        let mut reader = Reader::new(bytes);
        get_outpoint(&mut reader).ok().filter(|_| reader.is_empty())
    }

    fn encode(&self) -> Vec<u8> {
        let found = &self.found;
        let out = Out::new()
            .field(0, |out| put_keychain(found.keychain, out))
            .value(2, &found.index)
            .value(4, &found.amount)
            .value(6, &found.script_pubkey)
            .field(8, |out| out.extend([u8::from(found.is_coinbase), u8::from(found.ours_change)]))
            .some(10, self.confirmed.as_ref())
            .some(12, self.spent.as_ref());
        match &self.reserved {
            None => out,
            Some(Reservation::Opening(keys)) => out.bytes(14, &keys.0),
            Some(Reservation::Withdrawal(id)) => out.bytes(16, id),
            Some(Reservation::Claim(keys)) => out.bytes(18, &keys.0),
        }
        .finish()
    }

    fn decode(id: &OutPoint, bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut r = In::new(bytes)?;
        let keychain = r.field(0, get_keychain)?;
        let (index, amount, script_pubkey) = (r.value(2)?, r.value(4)?, r.value(6)?);
        let flags: [u8; 2] = r.field(8, |r| r.array())?;
        let (confirmed, spent) = (r.some(10)?, r.some(12)?);
        let opening = r.some_field(14, |r| r.array())?.map(|keys| Reservation::Opening(ChannelKeysId(keys)));
        let withdrawal = r.some_field(16, |r| r.array())?.map(Reservation::Withdrawal);
        let claim = r.some_field(18, |r| r.array())?.map(|keys| Reservation::Claim(ChannelKeysId(keys)));
        r.finish()?;
        let found = FoundCoin {
            outpoint: *id,
            keychain,
            index,
            amount,
            script_pubkey,
            is_coinbase: flags[0] != 0,
            ours_change: flags[1] != 0,
        };
        Ok(Coin { found, confirmed, spent, reserved: opening.or(withdrawal).or(claim) })
    }
}

impl Row for KnownPeer {
    type Id = NodeId;
    const KIND: Kind = Kind::KnownPeer;

    fn id_bytes(id: &NodeId) -> Vec<u8> {
        id.as_bytes().to_vec()
    }

    fn id_of(bytes: &[u8]) -> Option<NodeId> {
        NodeId::from_bytes(bytes.try_into().ok()?).ok()
    }

    fn encode(&self) -> Vec<u8> {
        Out::new()
            .field(0, |out| self.addresses.iter().for_each(|address| address.as_bytes().to_vec().write(out)))
            .finish()
    }

    fn decode(_: &NodeId, bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut r = In::new(bytes)?;
        let addresses = r.field(0, |r| get_all(r, |r| r.read::<Vec<u8>>()))?;
        r.finish()?;
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes).map_err(|_| Unreadable::Senseless("an address that is no text"))
        };
        Ok(Self { addresses: addresses.into_iter().map(text).collect::<Result<_, _>>()? })
    }
}

impl Row for ChannelUpdate {
    type Id = ChannelKeysId;
    const KIND: Kind = Kind::PeerUpdate;

    fn id_bytes(id: &ChannelKeysId) -> Vec<u8> {
        id.0.to_vec()
    }

    fn id_of(bytes: &[u8]) -> Option<ChannelKeysId> {
        Some(ChannelKeysId(bytes.try_into().ok()?))
    }

    fn encode(&self) -> Vec<u8> {
        message_row(Message::ChannelUpdate(self.clone()))
    }

    fn decode(_: &ChannelKeysId, bytes: &[u8]) -> Result<Self, Unreadable> {
        match message_of(bytes)? {
            Message::ChannelUpdate(update) => Ok(update),
            _ => Err(Unreadable::Senseless("a message that is no channel_update")),
        }
    }
}

impl Row for OwnUpdate {
    type Id = ChannelKeysId;
    const KIND: Kind = Kind::OwnUpdate;

    fn id_bytes(id: &ChannelKeysId) -> Vec<u8> {
        id.0.to_vec()
    }

    fn id_of(bytes: &[u8]) -> Option<ChannelKeysId> {
        Some(ChannelKeysId(bytes.try_into().ok()?))
    }

    fn encode(&self) -> Vec<u8> {
        self.0.encode()
    }

    fn decode(id: &ChannelKeysId, bytes: &[u8]) -> Result<Self, Unreadable> {
        ChannelUpdate::decode(id, bytes).map(OwnUpdate)
    }
}

impl Row for OwnNode {
    type Id = ();
    const KIND: Kind = Kind::OwnNode;

    fn id_bytes((): &()) -> Vec<u8> {
        Vec::new()
    }

    fn id_of(bytes: &[u8]) -> Option<()> {
        bytes.is_empty().then_some(())
    }

    fn encode(&self) -> Vec<u8> {
        message_row(Message::NodeAnnouncement(self.0.clone()))
    }

    fn decode((): &(), bytes: &[u8]) -> Result<Self, Unreadable> {
        match message_of(bytes)? {
            Message::NodeAnnouncement(announcement) => Ok(OwnNode(announcement)),
            _ => Err(Unreadable::Senseless("a message that is no node_announcement")),
        }
    }
}

fn message_row(message: Message) -> Vec<u8> {
    Out::new().bytes(0, &message.encode().expect("what was decoded, or made of what fits, encodes")).finish()
}

fn message_of(bytes: &[u8]) -> Result<Message, Unreadable> {
    let mut r = In::new(bytes)?;
    let message = Message::decode(r.bytes(0)?).map_err(|e| Unreadable::Field(0, e.to_string()))?;
    r.finish()?;
    match message {
        Decoded::Known(message) => Ok(message),
        _ => Err(Unreadable::Senseless("a message of an unknown type")),
    }
}

impl Row for OwedTransaction {
    type Id = Txid;
    const KIND: Kind = Kind::Owed;

    fn id_bytes(id: &Txid) -> Vec<u8> {
        id.to_byte_array().to_vec()
    }

    fn id_of(bytes: &[u8]) -> Option<Txid> {
        read_whole(bytes).ok()
    }

    fn encode(&self) -> Vec<u8> {
        Out::new()
            .bytes(0, &tx_bytes(&self.tx))
            .field(2, |out| self.inputs.iter().for_each(|input| put_wallet_input(input, out)))
            .some(4, self.confirmed.as_ref())
            .some(5, self.since.as_ref())
            .finish()
    }

    fn decode(id: &Txid, bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut r = In::new(bytes)?;
        let owed = Self {
            tx: arc_tx_of(0, r.bytes(0)?)?,
            inputs: r.field(2, |r| get_all(r, get_wallet_input))?,
            confirmed: r.some(4)?,
            since: r.some(5)?,
        };
        r.finish()?;
        if owed.tx.compute_txid() != *id {
            return Err(Unreadable::Senseless("another transaction than its key says"));
        }
        Ok(owed)
    }
}

impl Row for ChainState {
    type Id = ();
    const KIND: Kind = Kind::Chain;

    fn id_bytes((): &()) -> Vec<u8> {
        Vec::new()
    }

    fn id_of(bytes: &[u8]) -> Option<()> {
        bytes.is_empty().then_some(())
    }

    /// The heights are those up to the tip: only the first is written.
    fn encode(&self) -> Vec<u8> {
        Out::new()
            .some(0, self.recent.first().map(|block| &block.height))
            .field(2, |out| self.recent.iter().for_each(|block| out.extend(block.hash.to_byte_array())))
            .value(4, &self.tip_time)
            .some_field(5, Some(&self.nights).filter(|nights| **nights != Nights::NONE), put_nights)
            .some_field(7, Some(&self.prices).filter(|prices| **prices != Prices::NONE), put_lowest)
            .some_field(9, Some(&self.prices).filter(|prices| **prices != Prices::NONE), put_highest)
            .some(11, self.looked_to.as_ref())
            .finish()
    }

    fn decode((): &(), bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut r = In::new(bytes)?;
        let first: Option<Height> = r.some(0)?;
        let hashes: Vec<[u8; 32]> = r.field(2, |r| get_all(r, |r| r.array()))?;
        let tip_time = r.value(4)?;
        // Records of the first version have none.
        let nights = r.some_field(5, get_nights)?.unwrap_or_default();
        let nights = Nights::from_runs(nights).ok_or(Unreadable::Senseless("nights out of their order"))?;
        // Nor prices, which came later; and the highest came after the lowest.
        let lowest = r.some_field(7, get_lowest)?.unwrap_or_default();
        let highest = r.some_field(9, |r| get_all(r, |r| r.read()))?;
        let prices = prices(lowest, highest).ok_or(Unreadable::Senseless("prices out of their order"))?;
        let looked_to = r.some(11)?;
        r.finish()?;
        let first = first.unwrap_or_default().0;
        let last = u32::try_from(hashes.len()).ok().and_then(|count| first.checked_add(count));
        let Some(last) = last.filter(|_| hashes.len() <= ChainState::MAX_RECENT) else {
            return Err(Unreadable::Senseless("more blocks than are remembered"));
        };
        let block = |(height, hash): (u32, [u8; 32])| BlockId {
            height: Height(height),
            hash: BlockHash::from_byte_array(hash),
        };
        let recent = (first..last).zip(hashes).map(block).collect();
        Ok(Self { recent, tip_time, nights, prices, looked_to })
    }
}

fn put_nights(nights: &Nights, out: &mut Vec<u8>) {
    for (first, last) in nights.runs() {
        first.write(out);
        last.write(out);
    }
}

fn get_nights(r: &mut Reader<'_>) -> Result<Vec<(Height, Height)>, ValueError> {
    get_all(r, |r| Ok((r.read()?, r.read()?)))
}

fn put_lowest(prices: &Prices, out: &mut Vec<u8>) {
    for span in prices.spans() {
        span.first.write(out);
        span.lowest.write(out);
    }
}

fn put_highest(prices: &Prices, out: &mut Vec<u8>) {
    prices.spans().iter().for_each(|span| span.highest.write(out));
}

/// Where nobody wrote the highest, nothing higher than the lowest is known.
fn prices(lowest: Vec<(Height, FeeratePerKw)>, highest: Option<Vec<FeeratePerKw>>) -> Option<Prices> {
    let highest = highest.unwrap_or_else(|| lowest.iter().map(|(_, lowest)| *lowest).collect());
    let is_whole = highest.len() == lowest.len();
    let spans = lowest.into_iter().zip(highest);
    let spans = spans.map(|((first, lowest), highest)| Span { first, lowest, highest });
    Prices::from_spans(spans.collect()).filter(|_| is_whole)
}

fn get_lowest(r: &mut Reader<'_>) -> Result<Vec<(Height, FeeratePerKw)>, ValueError> {
    get_all(r, |r| Ok((r.read()?, r.read()?)))
}

impl Row for FailedByPeer {
    type Id = ChannelKeysId;
    const KIND: Kind = Kind::FailedByPeer;

    fn id_bytes(id: &ChannelKeysId) -> Vec<u8> {
        id.0.to_vec()
    }

    fn id_of(bytes: &[u8]) -> Option<ChannelKeysId> {
        Some(ChannelKeysId(bytes.try_into().ok()?))
    }

    fn encode(&self) -> Vec<u8> {
        Out::new().value(0, &self.since).bytes(2, self.words.as_bytes()).finish()
    }

    fn decode(_: &ChannelKeysId, bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut r = In::new(bytes)?;
        let failed = Self { since: r.value(0)?, words: r.text(2)? };
        r.finish()?;
        Ok(failed)
    }
}

impl Row for Counters {
    type Id = ();
    const KIND: Kind = Kind::Counters;

    fn id_bytes((): &()) -> Vec<u8> {
        Vec::new()
    }

    fn id_of(bytes: &[u8]) -> Option<()> {
        bytes.is_empty().then_some(())
    }

    fn encode(&self) -> Vec<u8> {
        Out::new().value(0, &self.next_fact).value(2, &self.last_gossip_timestamp).finish()
    }

    fn decode((): &(), bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut r = In::new(bytes)?;
        let counters = Self { next_fact: r.value(0)?, last_gossip_timestamp: r.value(2)? };
        r.finish()?;
        Ok(counters)
    }
}

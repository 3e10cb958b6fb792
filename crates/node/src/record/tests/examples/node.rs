//! What is of the whole node: its coins, peers, announcements and chain.

use super::Gen;
use crate::state::{ChainState, Counters, KnownPeer, OwedTransaction};
use astrape_primitives::{BlockId, ChannelKeysId, CltvDelta, Height, NodeId, ShortChannelId};
use astrape_transactions::signing::WalletInput;
use astrape_wallet::{Coin, FoundCoin, Reservation};
use astrape_wire::{ChannelUpdate, Extension, NodeAnnouncement};
use bitcoin::hashes::Hash as _;
use bitcoin::{BlockHash, TxOut};
use std::sync::Arc;

impl Gen {
    pub(crate) fn coin(&mut self) -> Coin {
        Coin {
            found: FoundCoin {
                outpoint: self.outpoint(),
                keychain: self.keychain(),
                index: self.u32(),
                amount: self.sat(),
                script_pubkey: self.script(),
                is_coinbase: self.coin_flip(),
                ours_change: self.coin_flip(),
            },
            confirmed: self.some(Self::height),
            spent: self.some(Self::height),
            reserved: match self.below(3) {
                0 => None,
                1 => Some(Reservation::Opening(ChannelKeysId(self.bytes()))),
                _ => Some(Reservation::Withdrawal(self.bytes())),
            },
        }
    }

    pub(crate) fn known_peer(&mut self) -> (NodeId, KnownPeer) {
        (self.node(), KnownPeer { addresses: self.many(3, Self::text) })
    }

    pub(crate) fn channel_update(&mut self) -> ChannelUpdate {
        ChannelUpdate {
            signature: self.signature(),
            chain_hash: self.bytes(),
            short_channel_id: ShortChannelId(self.next()),
            timestamp: self.u32(),
            message_flags: 1,
            channel_flags: 1,
            cltv_expiry_delta: CltvDelta(self.u16()),
            htlc_minimum_msat: self.msat(),
            fee_base_msat: self.u32(),
            fee_proportional_millionths: self.u32(),
            htlc_maximum_msat: self.msat(),
            extension: Extension(vec![]),
        }
    }

    pub(crate) fn node_announcement(&mut self) -> NodeAnnouncement {
        NodeAnnouncement {
            signature: self.signature(),
            features: Default::default(),
            timestamp: self.u32(),
            node_id: self.node(),
            rgb_color: self.bytes(),
            alias: self.bytes(),
            addresses: Default::default(),
            extension: Extension(self.blob(9)),
        }
    }

    pub(crate) fn owed(&mut self) -> OwedTransaction {
        let tx = self.transaction(false);
        let inputs = self.many(3, |g| WalletInput {
            outpoint: g.outpoint(),
            prevout: TxOut { value: g.sat().into(), script_pubkey: g.script() },
            keychain: g.keychain(),
            index: g.u32(),
        });
        OwedTransaction { tx: Arc::new(tx), inputs, confirmed: self.some(Self::height), since: None }
    }

    pub(crate) fn chain_state(&mut self) -> ChainState {
        let first = self.u32() / 2;
        let count = u32::try_from(self.below(5)).expect("small");
        let block =
            |height| BlockId { height: Height(height), hash: BlockHash::from_byte_array(self.bytes()) };
        ChainState {
            recent: (first..first + count).map(block).collect(),
            tip_time: self.u32(),
            ..Default::default()
        }
    }

    pub(crate) fn counters(&mut self) -> Counters {
        Counters { next_fact: self.next(), last_gossip_timestamp: self.u32() }
    }
}

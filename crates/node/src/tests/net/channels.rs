//! Blocks, coins, and channels from the question to their depth.

use super::{Net, script};
use crate::command::{Command, OpenChannelCommand, Reply};
use crate::input::{ChainInput, FreshKeys, Input};
use astrape_channel::{Opening, Phase};
use astrape_primitives::{BlockId, ChainEvent, ChannelKeysId, ConfirmedTx, FeeratePerKw, Height, Msat, Sat};
use astrape_signer::InProcessSigner;
use astrape_transactions::signing::{Keychain, Signer as _};
use astrape_wallet::{FoundCoin, WalletFinding};
use bitcoin::bip32::{ChildNumber, Xpub};
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::Secp256k1;
use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::{BlockHash, OutPoint, ScriptBuf, Transaction, Txid};
use std::sync::Arc;

/// The script of a wallet's first address, as its descriptor says.
fn first_script(signer: &InProcessSigner) -> ScriptBuf {
    let descriptor = signer.wallet_descriptor(Keychain::External);
    let xpub = descriptor.split(']').nth(1).and_then(|rest| rest.split('/').next()).expect("an xpub");
    let xpub: Xpub = xpub.parse().expect("an xpub");
    let secp = Secp256k1::new();
    let path = [0, 0].map(|index| ChildNumber::Normal { index });
    let key = xpub.derive_pub(&secp, &path).expect("derives").to_x_only_pub();
    ScriptBuf::new_p2tr(&secp, key, None)
}

impl Net {
    /// A block with these transactions, for everybody.
    pub(in crate::tests) fn mine(&mut self, transactions: Vec<Transaction>) {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&(self.tip.height.0 + 1).to_be_bytes());
        let block = BlockId { height: self.tip.height.plus(1), hash: BlockHash::from_byte_array(hash) };
        let previous = std::mem::replace(&mut self.tip, block).hash;
        let confirmed = (1..).zip(transactions).map(|(index, tx)| ConfirmedTx { tx: Arc::new(tx), index });
        let matched: Vec<_> = confirmed.collect();
        for who in 0..self.members.len() {
            let event = ChainEvent::Connected { block, previous, time: 0, matched: matched.clone() };
            self.input(who, Input::Chain(ChainInput::Event(event)));
        }
    }

    /// Coins of ten million satoshi, one for each channel that a test may open.
    pub(super) fn fund(&mut self, who: usize) {
        let script_pubkey = first_script(&self.members[who].signer);
        let coins = (0..16).map(|_| FoundCoin {
            outpoint: OutPoint { txid: Txid::from_byte_array(self.fresh32()), vout: 0 },
            keychain: Keychain::External,
            index: 0,
            amount: Sat(10_000_000),
            script_pubkey: script_pubkey.clone(),
            is_coinbase: false,
            ours_change: false,
        });
        let found = coins.map(|coin| WalletFinding::Confirmed { coin, height: Height(50) }).collect();
        self.input(who, Input::Coins(found));
    }

    /// Asks for a channel.
    pub(in crate::tests) fn propose(&mut self, from: usize, to: usize) -> ChannelKeysId {
        let command = self.opening(from, to);
        let channel = command.keys.id;
        let reply = self.command(from, Command::OpenChannel(Box::new(command)));
        assert_eq!(reply, Ok(Reply::Opening { channel }));
        channel
    }

    /// What is asked for with a channel.
    pub(in crate::tests) fn opening(&mut self, from: usize, to: usize) -> OpenChannelCommand {
        OpenChannelCommand {
            peer: self.id(to),
            funding: Sat(1_000_000),
            push: Msat(400_000_000),
            announce: self.announces,
            format: None,
            feerate: Some(FeeratePerKw::FLOOR),
            keys: self.fresh_keys(from),
            change_script: script(77),
            upfront_shutdown_script: None,
            spend_reserve: false,
            accept_high_fee: false,
        }
    }

    /// A channel that is ready for payments; the opener's name for it.
    pub(in crate::tests) fn open(&mut self, from: usize, to: usize) -> ChannelKeysId {
        let channel = self.propose(from, to);
        self.run();
        self.confirm(from);
        assert!(self.members[from].node.channel(&channel).is_some_and(astrape_channel::Channel::is_usable));
        channel
    }

    /// What a node broadcast last gets into a block, and is deep.
    pub(in crate::tests) fn confirm(&mut self, who: usize) {
        let tx = self.members[who].broadcast.last().cloned().expect("it is broadcast");
        self.mine(vec![tx]);
        for _ in 0..6 {
            self.mine(Vec::new());
        }
        self.run();
    }

    /// The first commitment of the other side, signed for a funding output that the channel does not have.
    pub(in crate::tests) fn sign_funding(&self, who: usize, outpoint: OutPoint) -> Option<Signature> {
        let member = &self.members[who];
        let agreed = member.node.channels().find_map(|(_, channel)| match &channel.phase {
            Phase::Opening(Opening::AwaitingFundingSigned(state)) => Some(state.agreed.clone()),
            _ => None,
        })?;
        let request = agreed.remote_request(outpoint);
        member.signer.sign_remote_commitment(&request).ok().map(|(signature, _)| signature)
    }

    /// The names of all channels of a node.
    pub(in crate::tests) fn channels(&self, who: usize) -> Vec<ChannelKeysId> {
        self.members[who].node.channels().map(|(keys, _)| keys).collect()
    }

    pub(in crate::tests) fn fresh_keys(&mut self, who: usize) -> FreshKeys {
        let id = ChannelKeysId(self.fresh32());
        FreshKeys { id, keys: self.members[who].signer.channel_keys(&id) }
    }
}

//! From the question for a channel until its funding is deep.

use super::{A, B, FUNDED_AT, Pair};
use astrape_channel::{Channel, Event, IncomingRequest, OpenRequest, Opening, Phase, Signing};
use astrape_primitives::{ChannelId, Height, ShortChannelId};
use astrape_transactions::Signer;
use astrape_wire::Message;
use bitcoin::{OutPoint, Transaction};
use std::sync::Arc;

impl Pair {
    pub(crate) fn open_request(&self) -> OpenRequest {
        let node = &self.nodes[A];
        OpenRequest {
            peer: self.nodes[B].signer.node_id(),
            keys: node.keys,
            channel_keys: node.signer.channel_keys(&node.keys),
            funding: self.setup.funding,
            push: self.setup.push,
            announce: self.setup.announce,
            format: None,
            feerate: Some(self.setup.feerate),
            funding_feerate: None,
            temporary_channel_id: ChannelId([77; 32]),
            local_alias: ShortChannelId(1111),
            upfront_shutdown_script: self.upfront[A].clone(),
        }
    }

    pub(crate) fn incoming_request(&self) -> IncomingRequest {
        let node = &self.nodes[B];
        IncomingRequest {
            peer: self.nodes[A].signer.node_id(),
            keys: node.keys,
            channel_keys: node.signer.channel_keys(&node.keys),
            local_alias: ShortChannelId(2222),
            upfront_shutdown_script: self.upfront[B].clone(),
        }
    }

    /// A sends `open_channel`.
    pub(crate) fn propose_channel(&mut self) {
        let transition = Channel::open_outgoing(self.open_request(), &self.view(A)).expect("a good request");
        self.install(A, transition.next, transition.outputs);
    }

    /// The funding transaction as A broadcasts it.
    pub(crate) fn funding_tx(&self) -> Arc<Transaction> {
        self.nodes[A].open().funding.tx.clone().expect("A funded it")
    }

    /// The funding gets into a block, deep enough for both.
    pub(crate) fn confirm_funding(&mut self) {
        let tx = self.funding_tx();
        self.tip = FUNDED_AT.plus(10);
        for who in [A, B] {
            let event = Event::FundingConfirmed { tx: tx.clone(), height: FUNDED_AT, index: 3 };
            self.handle(who, event).expect("it is as agreed");
        }
    }

    /// A channel whose opener names a transaction that may not fund it; both have signed for its output 1.
    pub(crate) fn fake_funding(&mut self, tx: Transaction) {
        self.propose_channel();
        self.deliver(A).expect("good");
        let Some(Message::AcceptChannel(accept)) = self.nodes[B].outbox.pop_front() else {
            panic!("B accepts");
        };
        let channel = self.nodes[A].channel.clone().expect("negotiating");
        let event = Event::Message(Message::AcceptChannel(accept));
        let Phase::Opening(Opening::AwaitingFunding(state)) =
            channel.handle(event, &self.view(A)).expect("good").next.phase
        else {
            panic!("A would ask its wallet");
        };
        let open = state.agreed.clone();
        let outpoint = OutPoint { txid: tx.compute_txid(), vout: 1 };
        let request = open.remote_request(outpoint);
        let (signature, _) = self.nodes[A].signer.sign_remote_commitment(&request).expect("consistent");
        let signing = Signing::FundingCreated {
            request: Box::new(request),
            temporary_channel_id: open.proposal.temporary_channel_id,
        };
        self.nodes[A].channel = None;
        self.receive(B, signing.complete(signature, Vec::new())).expect("B cannot know");
        self.nodes[B].outbox.clear();
    }

    pub(crate) fn tip_at(&mut self, tip: Height) {
        self.tip = tip;
        for who in [A, B] {
            if self.nodes[who].channel.is_some() {
                self.handle(who, Event::Tip(tip)).expect("no fault");
            }
        }
    }
}

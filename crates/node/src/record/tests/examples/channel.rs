//! Channels as a restart gives them back.

use super::Gen;
use astrape_channel::commitments::{
    LocalCommitments, Numbers, RemoteCommitments, RemoteSignatures, Unrevoked,
};
use astrape_channel::fee::{FeeChange, Fees};
use astrape_channel::funding::{Confirmation, Funding, Spend};
use astrape_channel::{
    Announced, Announcement, AnnouncementHalf, Balances, Channel, Closed, Closing, How, Link, Open, Params,
    Phase, Readiness, Shutdown,
};
use astrape_primitives::{
    ChannelId, ChannelKeysId, CommitmentNumber, FeeratePerKw, HtlcId, SharedMap, ShortChannelId,
};
use astrape_transactions::signing::ClosingRequest;
use astrape_transactions::{
    Basepoints, CommitmentFormat, FundingTerms, PartyTerms, ReceivedSecrets, per_commitment_secret,
};
use bitcoin::Txid;
use bitcoin::hashes::Hash as _;
use std::sync::Arc;

impl Gen {
    pub(super) fn basepoints(&mut self) -> Basepoints {
        Basepoints {
            funding: self.point(),
            revocation: self.point(),
            payment: self.point(),
            delayed_payment: self.point(),
            htlc: self.point(),
        }
    }

    pub(super) fn announced(&mut self) -> Announced {
        Announced {
            basepoints: self.basepoints(),
            dust_limit: self.sat(),
            max_htlc_value_in_flight: self.msat(),
            channel_reserve: self.sat(),
            htlc_minimum: self.msat(),
            to_self_delay: self.u16(),
            max_accepted_htlcs: self.u16(),
            upfront_shutdown_script: self.some(Self::script),
        }
    }

    pub(super) fn params(&mut self, keys: ChannelKeysId) -> Params {
        Params {
            keys,
            peer: self.node(),
            channel_id: ChannelId(self.bytes()),
            opener: self.side(),
            format: if self.coin_flip() {
                CommitmentFormat::Anchors
            } else {
                CommitmentFormat::StaticRemotekey
            },
            scid_alias: self.coin_flip(),
            announce: self.coin_flip(),
            local: self.announced(),
            remote: self.announced(),
            minimum_depth: self.u32(),
            local_alias: ShortChannelId(self.next()),
            funded_at: self.height(),
        }
    }

    pub(super) fn funding(&mut self, params: &Params) -> Funding {
        let party = |own: &Announced, other: &Announced| PartyTerms {
            basepoints: own.basepoints,
            dust_limit: own.dust_limit,
            to_self_delay: other.to_self_delay,
        };
        let terms = FundingTerms {
            format: params.format,
            outpoint: self.outpoint(),
            capacity: self.sat(),
            opener: params.opener,
            local: party(&params.local, &params.remote),
            remote: party(&params.remote, &params.local),
        };
        Funding {
            terms: Arc::new(terms),
            tx: self.some(|g| Arc::new(g.transaction(false))),
            confirmed: self.some(|g| Confirmation { height: g.height(), index: g.u32() }),
            spent: self.some(|g| Spend { tx: Arc::new(g.transaction(true)), height: g.height() }),
        }
    }

    /// Made of a number of its own: what is drawn after it was frozen before there were announcements.
    pub(super) fn announcement(&self) -> Announcement {
        let mut g = Gen(self.0 ^ 0x6173_7472_6170_6521);
        let half = |g: &mut Gen| AnnouncementHalf {
            node_signature: g.signature(),
            bitcoin_signature: g.signature(),
        };
        Announcement { sent: g.coin_flip(), received: g.some(half) }
    }

    pub(super) fn local(&mut self) -> LocalCommitments {
        LocalCommitments {
            number: self.number(),
            points: [self.point(), self.point()],
            revoked_points: [self.some(Self::point), self.some(Self::point)],
            third_point: self.some(Self::point),
            signatures: Arc::new(RemoteSignatures {
                commitment: self.signature(),
                htlcs: self.many(3, Self::signature),
            }),
        }
    }

    /// The secrets of a channel are those of one seed, however many were received.
    pub(super) fn remote(&mut self, keys: &ChannelKeysId) -> RemoteCommitments {
        let revoked = self.below(10);
        let mut secrets = ReceivedSecrets::new();
        for number in (0..revoked).map(CommitmentNumber) {
            secrets.insert(number, per_commitment_secret(&keys.0, number)).expect("in order, of one seed");
        }
        let unrevoked = self.some(|g| Unrevoked { signed_after_local: g.number() });
        let number = CommitmentNumber(revoked + u64::from(unrevoked.is_some()));
        let next_point = if unrevoked.is_some() { Some(self.point()) } else { self.some(Self::point) };
        RemoteCommitments { number, unrevoked, point: self.point(), next_point, secrets }
    }

    pub(super) fn fees(&mut self) -> Fees {
        let first = FeeChange {
            feerate: FeeratePerKw(self.u32()),
            from: Numbers { local: Some(self.number()), remote: Some(self.number()) },
        };
        let rest = self.many(2, |g| FeeChange { feerate: FeeratePerKw(g.u32()), from: g.numbers() });
        Fees::from_changes([vec![first], rest].concat()).expect("it begins with one that holds")
    }

    pub(crate) fn open(&mut self, keys: ChannelKeysId) -> Open {
        let params = Arc::new(self.params(keys));
        let funding = self.funding(&params);
        let mut htlcs = SharedMap::new();
        for _ in 0..self.below(4) {
            let (side, id) = (self.side(), HtlcId(self.below(6)));
            htlcs.insert((side, id), Arc::new(self.htlc(side, id)));
        }
        Open {
            params,
            funding,
            balances: Balances { local: self.msat(), remote: self.msat() },
            htlcs,
            fees: self.fees(),
            local: self.local(),
            remote: self.remote(&keys),
            next_local_id: HtlcId(self.next()),
            next_remote_id: HtlcId(self.next()),
            waiting: self.many(2, |g| Arc::new(g.new_htlc())),
            waiting_feerate: self.some(|g| FeeratePerKw(g.u32())),
            announcement: self.announcement(),
            readiness: Readiness {
                sent: self.coin_flip(),
                received: self.coin_flip(),
                remote_alias: self.some(|g| ShortChannelId(g.next())),
            },
            shutdown: Shutdown {
                local: self.some(Self::script),
                remote: self.some(Self::script),
                by_us: self.coin_flip(),
                late_from: None,
                fees_apart: false,
            },
        }
    }

    pub(super) fn how(&mut self, open: &Open) -> How {
        match self.below(4) {
            0 => How::Cooperative {
                request: Box::new(ClosingRequest {
                    keys: open.params.keys,
                    terms: Arc::clone(&open.funding.terms),
                    tx: self.transaction(false),
                }),
                remote_signature: self.signature(),
            },
            1 => How::OurCommitment { reason: self.text() },
            2 => How::AwaitPeersCommitment { reason: self.text() },
            _ => How::Spent,
        }
    }

    /// A channel that has records, as a restart gives it back.
    pub(crate) fn channel(&mut self, keys: ChannelKeysId) -> Channel {
        let phase = match self.below(6) {
            0 => Phase::Closed(Closed {
                params: Arc::new(self.params(keys)),
                txid: Txid::from_byte_array(self.bytes()),
            }),
            1 | 2 => {
                let open = self.open(keys);
                let how = self.how(&open);
                Phase::Closing(Box::new(Closing { open, how }))
            }
            _ => Phase::Open(Box::new(self.open(keys))),
        };
        Channel { link: Link::Down, phase }
    }
}

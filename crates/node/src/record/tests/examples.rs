//! Values of every kind, each made from a number. The frozen rows in `tests/fixtures` were made from them: what is here never
//! changes, it is only added to.

use crate::state::{ChainState, Counters, KnownPeer, OwedTransaction};
use astrape_channel::commitments::{
    LocalCommitments, Numbers, RemoteCommitments, RemoteSignatures, Unrevoked,
};
use astrape_channel::fee::{FeeChange, Fees};
use astrape_channel::funding::{Confirmation, Funding, Spend};
use astrape_channel::htlc::{Direction, Htlc, NewHtlc, OnionSource, Origin, Removal, Resolution};
use astrape_channel::{
    Announced, Announcement, AnnouncementHalf, Balances, Channel, Closed, Closing, How, Link, Open, Params,
    Phase, Readiness, Shutdown,
};
use astrape_onchain::{
    Claim, ClaimId, Close, Left, Parent, Resolution as CourtResolution, Role, Spender, Spent, Tracked,
};
use astrape_onion::{
    Failure, FailurePacket, FinalPayload, ForwardPayload, Hop, OnionHop, OnionRecipe, PaymentData,
    PeelFailure, Peeled, SharedSecret,
};
use astrape_payment::send::{Lessons, Limit, What};
use astrape_payment::{
    ChannelPolicy, ForwardPolicy, InboundFee, OpenInvoice, Part, Payment, PaymentPart, Receiving,
};
use astrape_primitives::{
    BlockId, ChannelId, ChannelKeysId, CltvDelta, CltvExpiry, CommitmentNumber, FeeratePerKw, Height, HtlcId,
    Msat, NodeId, PaymentHash, PaymentPreimage, PaymentSecret, Sat, SharedMap, ShortChannelId, Side,
    Timestamp,
};
use astrape_transactions::signing::{ClosingRequest, Keychain, WalletInput};
use astrape_transactions::{
    Basepoints, CommitmentFormat, CommittedHtlc, FundingTerms, PartyTerms, ReceivedSecrets,
    per_commitment_secret,
};
use astrape_wallet::{Coin, FoundCoin, Reservation};
use astrape_wire::{AttributionData, ChannelUpdate, Extension, NodeAnnouncement, OnionPacket};
use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::secp256k1::{PublicKey, Secp256k1, SecretKey};
use bitcoin::transaction::Version;
use bitcoin::{BlockHash, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness};
use std::sync::Arc;

/// Numbers that look random and are always the same (SplitMix64).
pub(crate) struct Gen(pub(crate) u64);

impl Gen {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn u32(&mut self) -> u32 {
        u32::try_from(self.below(1 << 32)).expect("below 2^32")
    }

    fn u16(&mut self) -> u16 {
        u16::try_from(self.below(1 << 16)).expect("below 2^16")
    }

    fn coin_flip(&mut self) -> bool {
        self.below(2) == 1
    }

    fn some<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.coin_flip().then(|| make(self))
    }

    fn many<T>(&mut self, most: u64, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| make(self)).collect()
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next().to_be_bytes()[0])
    }

    fn blob(&mut self, most: u64) -> Vec<u8> {
        self.many(most, |g| g.next().to_be_bytes()[0])
    }

    fn text(&mut self) -> String {
        self.many(20, |g| char::from_u32(g.u32() % 0xd800).unwrap_or('?')).into_iter().collect()
    }

    fn side(&mut self) -> Side {
        if self.coin_flip() { Side::Local } else { Side::Remote }
    }

    fn point(&mut self) -> PublicKey {
        let mut secret = self.bytes::<32>();
        secret[0] = 1;
        SecretKey::from_slice(&secret).expect("below the order").public_key(&Secp256k1::new())
    }

    pub(crate) fn node(&mut self) -> NodeId {
        NodeId::from_key(&self.point())
    }

    fn signature(&mut self) -> Signature {
        let mut bytes = self.bytes::<64>();
        (bytes[0], bytes[32]) = (1, 1);
        Signature::from_compact(&bytes).expect("below the order")
    }

    fn script(&mut self) -> ScriptBuf {
        ScriptBuf::from_bytes(self.blob(40))
    }

    fn height(&mut self) -> Height {
        Height(self.u32())
    }

    fn msat(&mut self) -> Msat {
        Msat(self.next())
    }

    fn sat(&mut self) -> Sat {
        Sat(self.below(astrape_primitives::amount::MAX_MONEY_SAT))
    }

    fn outpoint(&mut self) -> OutPoint {
        OutPoint { txid: Txid::from_byte_array(self.bytes()), vout: self.u32() }
    }

    fn number(&mut self) -> CommitmentNumber {
        CommitmentNumber(self.below(1 << 48))
    }

    fn numbers(&mut self) -> Numbers {
        Numbers { local: self.some(Self::number), remote: self.some(Self::number) }
    }

    fn transaction(&mut self, with_witness: bool) -> Transaction {
        let mut input = self.many(2, |g| TxIn {
            previous_output: g.outpoint(),
            script_sig: ScriptBuf::new(),
            sequence: Sequence(g.u32()),
            witness: Witness::new(),
        });
        input.push(TxIn { previous_output: self.outpoint(), ..TxIn::default() });
        if with_witness {
            input[0].witness = Witness::from_slice(&[self.blob(70), self.blob(3), vec![]]);
        }
        let output =
            (0..2).map(|_| TxOut { value: self.sat().into(), script_pubkey: self.script() }).collect();
        Transaction { version: Version::TWO, lock_time: LockTime::from_consensus(self.u32()), input, output }
    }

    fn basepoints(&mut self) -> Basepoints {
        Basepoints {
            funding: self.point(),
            revocation: self.point(),
            payment: self.point(),
            delayed_payment: self.point(),
            htlc: self.point(),
        }
    }

    fn announced(&mut self) -> Announced {
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

    fn params(&mut self, keys: ChannelKeysId) -> Params {
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

    fn funding(&mut self, params: &Params) -> Funding {
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
    fn announcement(&self) -> Announcement {
        let mut g = Gen(self.0 ^ 0x6173_7472_6170_6521);
        let half = |g: &mut Gen| AnnouncementHalf {
            node_signature: g.signature(),
            bitcoin_signature: g.signature(),
        };
        Announcement { sent: g.coin_flip(), received: g.some(half) }
    }

    fn local(&mut self) -> LocalCommitments {
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
    fn remote(&mut self, keys: &ChannelKeysId) -> RemoteCommitments {
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

    fn fees(&mut self) -> Fees {
        let first = FeeChange {
            feerate: FeeratePerKw(self.u32()),
            from: Numbers { local: Some(self.number()), remote: Some(self.number()) },
        };
        let rest = self.many(2, |g| FeeChange { feerate: FeeratePerKw(g.u32()), from: g.numbers() });
        Fees::from_changes([vec![first], rest].concat()).expect("it begins with one that holds")
    }

    fn attribution(&mut self) -> AttributionData {
        AttributionData::from_bytes(&self.bytes())
    }

    fn resolution(&mut self) -> Resolution {
        match self.below(3) {
            0 => Resolution::Fulfilled {
                preimage: PaymentPreimage(self.bytes()),
                attribution_data: self.some(Self::attribution),
            },
            1 => Resolution::Failed(FailurePacket {
                reason: self.blob(300),
                attribution_data: self.some(Self::attribution),
            }),
            _ => Resolution::Malformed { sha256_of_onion: self.bytes(), failure_code: self.u16() },
        }
    }

    fn shared_secret(&mut self) -> SharedSecret {
        SharedSecret::from_bytes(self.bytes())
    }

    fn peeled(&mut self) -> Result<Peeled, PeelFailure> {
        match self.below(4) {
            0 => Ok(Peeled {
                shared_secret: self.shared_secret(),
                hop: Hop::Forward {
                    payload: ForwardPayload {
                        short_channel_id: ShortChannelId(self.next()),
                        amt_to_forward: Msat(self.below(1 << 40)),
                        outgoing_cltv_value: CltvExpiry(self.u32() % CltvExpiry::FIRST_TIME),
                    },
                    next: OnionPacket::from_bytes(&self.bytes()),
                },
            }),
            1 => Ok(Peeled {
                shared_secret: self.shared_secret(),
                hop: Hop::Final { payload: self.final_payload() },
            }),
            2 => Err(PeelFailure::Malformed { failure_code: self.u16(), sha256_of_onion: self.bytes() }),
            _ => Err(PeelFailure::Payload {
                shared_secret: self.shared_secret(),
                failure: Failure::InvalidOnionPayload { tlv_type: self.below(1 << 20), offset: self.u16() },
            }),
        }
    }

    fn final_payload(&mut self) -> FinalPayload {
        FinalPayload {
            amt_to_forward: Msat(self.below(1 << 40)),
            outgoing_cltv_value: CltvExpiry(self.u32() % CltvExpiry::FIRST_TIME),
            payment_data: self.some(|g| PaymentData {
                payment_secret: PaymentSecret(g.bytes()),
                total_msat: Msat(g.below(1 << 40)),
            }),
            payment_metadata: self.some(|g| g.blob(30)),
            keysend_preimage: self.some(|g| PaymentPreimage(g.bytes())),
            custom_records: self.many(2, |g| (65_537 + 2 * g.below(1_000), g.blob(10))).into_iter().collect(),
        }
    }

    fn origin(&mut self) -> Origin {
        if self.coin_flip() {
            Origin::Payment { payment_hash: PaymentHash(self.bytes()), part: self.next() }
        } else {
            Origin::Relay { channel: ChannelKeysId(self.bytes()), id: HtlcId(self.next()) }
        }
    }

    fn recipe(&mut self) -> OnionRecipe {
        let mut session_key = self.bytes();
        session_key[0] = 1;
        OnionRecipe {
            session_key,
            hops: self.many(4, |g| OnionHop { node: g.point(), payload: g.blob(60) }),
            associated_data: PaymentHash(self.bytes()),
        }
    }

    fn onion(&mut self) -> OnionSource {
        if self.below(3) == 0 {
            OnionSource::Packet(OnionPacket::from_bytes(&self.bytes()))
        } else {
            OnionSource::Recipe(Arc::new(self.recipe()))
        }
    }

    pub(crate) fn htlc(&mut self, offered_by: Side, id: HtlcId) -> Htlc {
        Htlc {
            offered_by,
            id,
            amount: self.msat(),
            payment_hash: PaymentHash(self.bytes()),
            cltv_expiry: CltvExpiry(self.u32()),
            direction: match offered_by {
                Side::Remote => Direction::Incoming(Arc::new(self.peeled())),
                Side::Local => Direction::Outgoing {
                    origin: self.origin(),
                    onion: self.onion(),
                    preimage: self.some(|g| PaymentPreimage(g.bytes())),
                },
            },
            added: self.numbers(),
            removal: self.some(|g| Removal { resolution: g.resolution(), from: g.numbers() }),
            over_dust_exposure: self.coin_flip(),
            at: Timestamp(self.next()),
        }
    }

    fn new_htlc(&mut self) -> NewHtlc {
        NewHtlc {
            amount: self.msat(),
            payment_hash: PaymentHash(self.bytes()),
            cltv_expiry: CltvExpiry(self.u32()),
            onion: self.onion(),
            origin: self.origin(),
        }
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
            },
        }
    }

    fn how(&mut self, open: &Open) -> How {
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

    fn committed(&mut self) -> CommittedHtlc {
        CommittedHtlc {
            offered_by: if self.coin_flip() { Side::Local } else { Side::Remote },
            id: HtlcId(self.next()),
            amount: self.msat(),
            payment_hash: PaymentHash(self.bytes()),
            cltv_expiry: CltvExpiry(self.u32()),
        }
    }

    fn parent(&mut self) -> Parent {
        Parent {
            owner: if self.coin_flip() { Side::Local } else { Side::Remote },
            fee: self.sat(),
            weight: self.next(),
            at_stake: self.sat(),
            balance: self.sat(),
            deadline: self.some(Self::height),
        }
    }

    fn role(&mut self) -> Role {
        match self.below(9) {
            0 => Role::Delayed { number: CommitmentNumber(self.next()), delay: self.u16() },
            1 => Role::ToRemote,
            2 => Role::Anchor { parent: None },
            3 => Role::Anchor { parent: Some(self.parent()) },
            4 => Role::OurHtlc {
                htlc: self.committed(),
                number: CommitmentNumber(self.next()),
                remote_signature: self.signature(),
                second_stage: self.sat(),
                preimage: self.some(|g| PaymentPreimage(g.bytes())),
                upstream_expiry: self.some(Self::height),
            },
            5 => Role::TheirHtlc {
                htlc: self.committed(),
                point: self.point(),
                preimage: self.some(|g| PaymentPreimage(g.bytes())),
                upstream_expiry: self.some(Self::height),
            },
            6 => Role::RevokedDelayed { secret: self.bytes(), delay: self.u16() },
            7 => Role::RevokedHtlc { htlc: self.committed(), secret: self.bytes(), delay: self.u16() },
            _ => Role::Foreign,
        }
    }

    fn spender(&mut self) -> Spender {
        let number = CommitmentNumber(self.next());
        match self.below(6) {
            0 => Spender::Cooperative,
            1 => Spender::Ours { number },
            2 => Spender::Theirs { number, point: self.point() },
            3 => Spender::Revoked { number, secret: self.bytes() },
            4 => Spender::Future { number },
            _ => Spender::Unknown,
        }
    }

    fn tracked(&mut self) -> Tracked {
        Tracked {
            output: TxOut { value: self.sat().into(), script_pubkey: self.script() },
            witness_script: self.some(Self::script),
            role: self.role(),
            since: self.height(),
            confirmed: self.some(Self::height),
            spent: self.some(|g| Spent {
                txid: Txid::from_byte_array(g.bytes()),
                height: g.height(),
                by_us: g.coin_flip(),
            }),
            alone: self.coin_flip(),
            paid: FeeratePerKw(self.u32()),
        }
    }

    fn claim(&mut self) -> Claim {
        Claim {
            inputs: self.many(3, Self::outpoint),
            coins: self.many(2, Self::wallet_input),
            tx: Arc::new(self.transaction(false)),
            fee: self.sat(),
            feerate: FeeratePerKw(self.u32()),
            weight: self.next(),
            made: self.height(),
            deadline: self.some(Self::height),
        }
    }

    pub(crate) fn left(&mut self) -> Left {
        Left { tx: Arc::new(self.transaction(true)), spender: self.spender(), since: self.height() }
    }

    pub(crate) fn court(&mut self, keys: ChannelKeysId) -> CourtResolution {
        CourtResolution {
            keys,
            format: if self.coin_flip() {
                CommitmentFormat::Anchors
            } else {
                CommitmentFormat::StaticRemotekey
            },
            capacity: self.sat(),
            script: self.some(Self::script),
            close: self.some(|g| Close {
                tx: Arc::new(g.transaction(true)),
                height: g.height(),
                spender: g.spender(),
                delayed: g.some(Self::script),
                has_rows: g.coin_flip(),
            }),
            // Came later than the frozen rows: [`Gen::left`].
            left: None,
            outputs: self.many(6, |g| (g.outpoint(), g.tracked())).into_iter().collect(),
            claims: self.many(3, |g| (ClaimId(g.next()), g.claim())).into_iter().collect(),
            next_claim: ClaimId(self.next()),
            told: self.many(3, |g| HtlcId(g.next())).into_iter().collect(),
            short_of_coins: self.coin_flip(),
        }
    }

    fn wallet_input(&mut self) -> WalletInput {
        WalletInput {
            outpoint: self.outpoint(),
            prevout: TxOut { value: self.sat().into(), script_pubkey: self.script() },
            keychain: self.keychain(),
            index: self.u32(),
        }
    }

    fn keychain(&mut self) -> Keychain {
        if self.coin_flip() { Keychain::Internal } else { Keychain::External }
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
        OwedTransaction { tx: Arc::new(tx), inputs, confirmed: self.some(Self::height) }
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

    pub(crate) fn invoice(&mut self) -> OpenInvoice {
        OpenInvoice {
            payment_hash: PaymentHash(self.bytes()),
            preimage: Some(PaymentPreimage(self.bytes())),
            payment_secret: PaymentSecret(self.bytes()),
            amount: self.some(Self::msat),
            metadata: self.some(|g| g.blob(30)),
            expires_at: Timestamp(self.next()),
            min_final_cltv_expiry_delta: CltvDelta(self.u16()),
            created_at: Timestamp(self.next()),
            description: self.text(),
            bolt11: self.text(),
            hold: false,
            canceled: false,
        }
    }

    /// An invoice of today: it may be held, cancelled, and made of a hash alone.
    pub(crate) fn held_invoice(&mut self) -> OpenInvoice {
        let hold = self.next() & 1 == 0;
        let preimage = self.some(|g| PaymentPreimage(g.bytes()));
        let preimage = preimage.or_else(|| (!hold).then(|| PaymentPreimage(self.bytes())));
        OpenInvoice { hold, preimage, canceled: self.next() & 1 == 0, ..self.invoice() }
    }

    pub(crate) fn channel_policy(&mut self) -> ChannelPolicy {
        let own = self.some(Self::forward_policy);
        let before = self.many(3, |g| (g.forward_policy(), Timestamp(g.next())));
        ChannelPolicy { own, before }
    }

    fn forward_policy(&mut self) -> ForwardPolicy {
        ForwardPolicy {
            fee_base: self.msat(),
            fee_proportional_millionths: self.u32(),
            cltv_expiry_delta: CltvDelta(self.u16()),
            htlc_minimum: self.msat(),
            htlc_maximum: self.some(Self::msat),
            inbound: InboundFee {
                base_msat: self.u32().cast_signed(),
                proportional_millionths: self.u32().cast_signed(),
            },
        }
    }

    /// A set of today: it may be held, and carry what applications said.
    pub(crate) fn held_set(&mut self) -> Receiving {
        let records = self.many(3, |g| (u64::from(g.u16()) + 65_537, g.blob(9)));
        Receiving {
            held_since: self.some(|g| Timestamp(g.next())),
            custom_records: records.into_iter().collect(),
            ..self.receiving()
        }
    }

    pub(crate) fn receiving(&mut self) -> Receiving {
        Receiving {
            payment_hash: PaymentHash(self.bytes()),
            total: self.msat(),
            promised: self.msat(),
            parts: self.many(3, |g| Part {
                channel: ChannelKeysId(g.bytes()),
                id: HtlcId(g.next()),
                amount: g.msat(),
                cltv_expiry: CltvExpiry(g.u32()),
                at: Timestamp(g.next()),
            }),
            since: Timestamp(self.next()),
            held_since: None,
            custom_records: Default::default(),
        }
    }

    pub(crate) fn payment(&mut self) -> Payment {
        Payment {
            payment_hash: PaymentHash(self.bytes()),
            destination: self.node(),
            amount: self.msat(),
            max_fee: self.msat(),
            what: What::Invoice(self.text()),
            session_key_seed: self.bytes(),
            parts: self.many(3, |g| (g.next(), g.payment_part())).into_iter().collect(),
            attempts: self.next(),
            searches: 0,
            asked_at: None,
            lessons: Lessons {
                own: self.many(2, |g| (ChannelKeysId(g.bytes()), g.msat())).into_iter().collect(),
                channels: self
                    .many(2, |g| (ShortChannelId(g.next()), Limit { most: g.msat(), dared: 0 }))
                    .into_iter()
                    .flat_map(|(channel, limit)| {
                        astrape_routing::Direction::BOTH.map(|way| ((channel, way), limit))
                    })
                    .collect(),
                nodes: self.many(2, Self::node).into_iter().collect(),
                suspects: Default::default(),
                bears: 0,
            },
            preimage: self.some(|g| PaymentPreimage(g.bytes())),
            gave_up: self.some(Self::text),
            last_failure: self.some(Self::text),
            started_at: Timestamp(self.next()),
            retry_until: Timestamp(self.next()),
        }
    }

    fn payment_part(&mut self) -> PaymentPart {
        let mut recipe = self.recipe();
        recipe.hops.push(OnionHop { node: self.point(), payload: self.blob(60) });
        PaymentPart {
            channel: ChannelKeysId(self.bytes()),
            amount: self.msat(),
            fee: self.msat(),
            channels: self.many(3, |g| ShortChannelId(g.next())),
            recipe: Arc::new(recipe),
        }
    }
}

//! Two channels, two signers, a wire between them that can be cut, and what must hold after every step.

use astrape_channel::announcement::{announcement_signatures, signed_part};
use astrape_channel::fee::Fees;
use astrape_channel::output::revoke_and_ack;
use astrape_channel::{
    Channel, Command, Event, Fault, How, Htlc, IncomingRequest, Link, NewHtlc, OnionSource, Open,
    OpenRequest, Opening, Origin, Outgoing, Output, Phase, Policy, Reaction, Refusal, Resolution, Signing,
    View, reaction,
};
use astrape_onion::{FailurePacket, PeelFailure};
use astrape_primitives::{
    ChannelId, ChannelKeysId, CltvExpiry, Feature, Features, FeeratePerKw, Height, Msat, Network,
    PaymentHash, PaymentPreimage, Sat, ShortChannelId, Side, Timestamp,
};
use astrape_signer::{InProcessSigner, Seed};
use astrape_transactions::{Commitment, CommitmentContent, Signer};
use astrape_wire::{Decoded, Message, OnionPacket};
use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::{All, PublicKey, Secp256k1, SecretKey};
use bitcoin::transaction::Version;
use bitcoin::{OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// The one who opens.
pub(crate) const A: usize = 0;
/// The other.
pub(crate) const B: usize = 1;

/// Where the funding is mined.
pub(crate) const FUNDED_AT: Height = Height(500);

/// One end of the channel, with what a node would be around it.
pub(crate) struct Node {
    pub(crate) channel: Option<Channel>,
    pub(crate) signer: InProcessSigner,
    pub(crate) keys: ChannelKeysId,
    pub(crate) policy: Policy,
    pub(crate) features: Features,
    pub(crate) feerate: FeeratePerKw,
    pub(crate) shutdown_script: ScriptBuf,
    /// What it has said and the other has not got yet.
    pub(crate) outbox: VecDeque<Message>,
    /// Names of all that it ever said.
    pub(crate) said: Vec<&'static str>,
    /// All outputs but `Send`.
    pub(crate) seen: Vec<Output>,
    /// How it will end what comes in; what is not here is held.
    pub(crate) plans: BTreeMap<PaymentHash, Resolution>,
    /// Payments of its own that ended.
    pub(crate) fulfilled: BTreeMap<PaymentHash, PaymentPreimage>,
    pub(crate) failed: BTreeMap<PaymentHash, Resolution>,
    pub(crate) not_offered: BTreeMap<PaymentHash, Refusal>,
}

/// How a pair starts.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) anchors: bool,
    pub(crate) announce: bool,
    pub(crate) funding: Sat,
    pub(crate) push: Msat,
    pub(crate) feerate: FeeratePerKw,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            anchors: true,
            announce: true,
            funding: Sat(1_000_000),
            push: Msat(400_000_000),
            feerate: FeeratePerKw(1000),
        }
    }
}

/// Both ends.
pub(crate) struct Pair {
    pub(crate) nodes: [Node; 2],
    pub(crate) secp: Secp256k1<All>,
    pub(crate) tip: Height,
    pub(crate) setup: Setup,
    /// Whether what a step made is proposed at once, or when the wire is empty: then both sides sign at the same time.
    pub(crate) eager: bool,
    /// Scripts that the ends bind themselves to when they open.
    pub(crate) upfront: [Option<ScriptBuf>; 2],
    payments: u8,
}

impl Node {
    fn new(name: u8, setup: &Setup) -> Self {
        let features = [
            Feature::StaticRemotekey,
            Feature::ChannelType,
            Feature::ScidAlias,
            Feature::UpfrontShutdownScript,
            Feature::ShutdownAnysegwit,
        ];
        let mut features = features.into_iter().fold(Features::empty(), Features::with_optional);
        if setup.anchors {
            features = features.with_optional(Feature::Anchors);
        }
        Self {
            channel: None,
            signer: InProcessSigner::new(&Seed::from_entropy([name; 32]), Network::Regtest),
            keys: ChannelKeysId([name; 32]),
            policy: Policy::default_for(Network::Regtest),
            features,
            feerate: setup.feerate,
            shutdown_script: p2wpkh(name),
            outbox: VecDeque::new(),
            said: Vec::new(),
            seen: Vec::new(),
            plans: BTreeMap::new(),
            fulfilled: BTreeMap::new(),
            failed: BTreeMap::new(),
            not_offered: BTreeMap::new(),
        }
    }

    pub(crate) fn open(&self) -> &Open {
        self.channel.as_ref().and_then(Channel::open).expect("funded")
    }

    /// The phase as a word.
    pub(crate) fn phase(&self) -> &'static str {
        match self.channel.as_ref().map(|c| &c.phase) {
            None => "none",
            Some(Phase::Opening(_)) => "opening",
            Some(Phase::Open(_)) => "open",
            Some(Phase::Closing(_)) => "closing",
            Some(Phase::Closed(_)) => "closed",
        }
    }

    pub(crate) fn saw(&self, what: impl Fn(&Output) -> bool) -> bool {
        self.seen.iter().any(what)
    }

    pub(crate) fn times_said(&self, name: &str) -> usize {
        self.said.iter().filter(|said| **said == name).count()
    }
}

/// A P2WPKH that is nobody's.
pub(crate) fn p2wpkh(byte: u8) -> ScriptBuf {
    let mut bytes = vec![0, 20];
    bytes.resize(22, byte);
    ScriptBuf::from(bytes)
}

/// A transaction with these outputs, different for each `salt`.
pub(crate) fn transaction(salt: u8, output: Vec<TxOut>) -> Transaction {
    let previous_output = OutPoint { txid: Txid::from_byte_array([salt; 32]), vout: 0 };
    let sequence = Sequence::MAX;
    let input = TxIn { previous_output, script_sig: ScriptBuf::new(), sequence, witness: Witness::new() };
    Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input: vec![input], output }
}

impl Pair {
    /// Two nodes without a channel.
    pub(crate) fn new(setup: Setup) -> Self {
        let nodes = [Node::new(1, &setup), Node::new(2, &setup)];
        Self {
            nodes,
            secp: Secp256k1::new(),
            tip: Height(499),
            setup,
            eager: false,
            upfront: [None, None],
            payments: 0,
        }
    }

    /// A channel that is ready for payments.
    pub(crate) fn ready(setup: Setup) -> Self {
        Self::ready_with(setup, |_| {})
    }

    /// The same, with other policies.
    pub(crate) fn ready_with(setup: Setup, change: impl FnOnce(&mut Self)) -> Self {
        let mut pair = Self::new(setup);
        change(&mut pair);
        pair.propose_channel();
        pair.run();
        pair.confirm_funding();
        pair.run();
        assert!(pair.nodes.iter().all(|n| n.channel.as_ref().expect("open").is_usable()));
        pair
    }

    pub(crate) fn default_ready() -> Self {
        Self::ready(Setup::default())
    }

    pub(crate) fn view(&self, who: usize) -> View<'_> {
        View {
            now: Timestamp(0),
            tip: self.tip,
            feerate: self.nodes[who].feerate,
            peer_features: &self.nodes[1 - who].features,
            our_id: self.nodes[who].signer.node_id(),
            our_features: &self.nodes[who].features,
            policy: &self.nodes[who].policy,
            secp: &self.secp,
        }
    }

    pub(crate) fn open_request(&self) -> OpenRequest {
        let node = &self.nodes[A];
        OpenRequest {
            peer: self.nodes[B].signer.node_id(),
            keys: node.keys,
            channel_keys: node.signer.channel_keys(&node.keys),
            funding: self.setup.funding,
            push: self.setup.push,
            announce: self.setup.announce,
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

    /// Hands an event to one end. On a fault nothing has changed.
    pub(crate) fn handle(&mut self, who: usize, event: Event) -> Result<(), Fault> {
        let channel = self.nodes[who].channel.clone().expect("there is a channel");
        let transition = channel.handle(event, &self.view(who))?;
        self.install(who, transition.next, transition.outputs);
        Ok(())
    }

    pub(crate) fn command(&mut self, who: usize, command: Command) {
        self.handle(who, Event::Command(command)).expect("a command is no fault of the peer");
    }

    /// What a node does with a step: keep, sign, say, answer.
    fn install(&mut self, who: usize, next: Channel, outputs: Vec<Output>) {
        self.nodes[who].channel = Some(next);
        self.check(who);
        for output in outputs {
            self.nodes[who].seen.push(output.clone());
            match output {
                Output::Send(outgoing) => {
                    self.nodes[who].seen.pop();
                    self.say(who, outgoing);
                }
                Output::FundingNeeded { script, amount, .. } => {
                    let change = TxOut { value: Sat(7777).into(), script_pubkey: p2wpkh(9) };
                    let funding = TxOut { value: amount.into(), script_pubkey: script };
                    let tx = transaction(42, vec![change, funding]);
                    let outpoint = OutPoint { txid: tx.compute_txid(), vout: 1 };
                    self.command(who, Command::Fund { tx: Arc::new(tx), outpoint });
                }
                Output::Fulfilled { payment_hash, preimage, .. } => {
                    assert_eq!(self.nodes[who].fulfilled.insert(payment_hash, preimage), None, "told once");
                }
                Output::Failed { payment_hash, resolution, .. } => {
                    assert!(
                        !self.nodes[who].fulfilled.contains_key(&payment_hash),
                        "what was paid never fails"
                    );
                    assert_eq!(self.nodes[who].failed.insert(payment_hash, resolution), None, "told once");
                }
                Output::NotOffered { payment_hash, refusal, .. } => {
                    self.nodes[who].not_offered.insert(payment_hash, refusal);
                }
                Output::CheckSecret(check) => {
                    let point = self.nodes[who].signer.point(&check.keys, check.number);
                    let shown = SecretKey::from_slice(&check.secret).ok();
                    let genuine = shown.is_some_and(|s| PublicKey::from_secret_key(&self.secp, &s) == point);
                    self.handle(who, Event::SecretChecked { genuine }).expect("no fault");
                }
                Output::ShutdownScriptNeeded => {
                    let script = self.nodes[who].shutdown_script.clone();
                    self.command(who, Command::Shutdown { script });
                }
                Output::BroadcastCommitment(request) => {
                    let signed = self.nodes[who].signer.sign_local_commitment(&request);
                    assert!(signed.is_ok(), "our newest commitment is never revoked");
                }
                Output::Forgotten { .. } => self.nodes[who].channel = None,
                _ => {}
            }
        }
    }

    /// Signs what is to be said and puts it on the wire, as its bytes.
    fn say(&mut self, who: usize, outgoing: Outgoing) {
        let signer = &self.nodes[who].signer;
        let message = match outgoing {
            Outgoing::Plain(message) => message,
            Outgoing::Add { channel_id, id, amount, payment_hash, cltv_expiry, onion } => {
                let OnionSource::Packet(packet) = onion else {
                    panic!("tests hand in packets");
                };
                Message::UpdateAddHtlc(astrape_wire::UpdateAddHtlc {
                    channel_id,
                    id,
                    amount_msat: amount,
                    payment_hash,
                    cltv_expiry,
                    onion_routing_packet: packet,
                    path_key: None,
                })
            }
            Outgoing::Sign(signing) => {
                let (signature, htlcs) = match &signing {
                    Signing::ClosingSigned { request, .. } => {
                        (signer.sign_closing(request).expect("a consistent closing transaction"), Vec::new())
                    }
                    Signing::FundingCreated { request, .. }
                    | Signing::FundingSigned { request, .. }
                    | Signing::CommitmentSigned { request, .. } => {
                        signer.sign_remote_commitment(request).expect("one content for each number")
                    }
                };
                signing.complete(signature, htlcs)
            }
            Outgoing::Revoke { channel_id, request, next_per_commitment_point } => {
                let (secret, point) =
                    signer.reveal(&request).expect("in order, and never one that was broadcast");
                let number = request.content.number.plus(2);
                self.handle(who, Event::Point { number, point }).expect("no fault");
                revoke_and_ack(channel_id, secret, next_per_commitment_point)
            }
            Outgoing::AnnouncementSignatures { channel_id, keys, announcement } => {
                let signed = signer.sign_channel_announcement(&keys, &signed_part(&announcement));
                announcement_signatures(channel_id, &announcement, signed.expect("it is ours"))
            }
        };
        let node = &mut self.nodes[who];
        node.said.push(message.name());
        node.outbox.push_back(message);
    }

    /// Hands the next message of `from` to the other end; `false` when there is none.
    pub(crate) fn deliver(&mut self, from: usize) -> Result<bool, Fault> {
        let Some(message) = self.nodes[from].outbox.pop_front() else {
            return Ok(false);
        };
        let bytes = message.encode().expect("ours encode");
        let Ok(Decoded::Known(message)) = Message::decode(&bytes) else {
            panic!("ours decode");
        };
        self.receive(1 - from, message)?;
        Ok(true)
    }

    /// A message arrives at `to`.
    pub(crate) fn receive(&mut self, to: usize, message: Message) -> Result<(), Fault> {
        match (&self.nodes[to].channel, message) {
            (None, Message::OpenChannel(m)) => {
                let transition = Channel::open_incoming(&m, self.incoming_request(), &self.view(to))?;
                self.install(to, transition.next, transition.outputs);
            }
            (None, _) => {}
            (Some(_), message) => self.handle(to, event(message))?,
        }
        if self.eager {
            self.settle(to);
            self.propose(to);
        }
        Ok(())
    }

    /// Ends what came in, by plan.
    pub(crate) fn settle(&mut self, who: usize) {
        for (htlc, resolution) in self.planned(who) {
            self.command(who, Command::Resolve { id: htlc.id, resolution });
        }
    }

    fn planned(&self, who: usize) -> Vec<(Arc<Htlc>, Resolution)> {
        let node = &self.nodes[who];
        let Some(open) = node.channel.as_ref().and_then(Channel::open) else {
            return Vec::new();
        };
        let due =
            |h: &&Arc<Htlc>| h.offered_by == Side::Remote && h.removal.is_none() && open.is_irrevocable(h);
        let plan = |h: &Arc<Htlc>| {
            let plan =
                if h.over_dust_exposure { Some(failure()) } else { node.plans.get(&h.payment_hash).cloned() };
            plan.map(|resolution| (h.clone(), resolution))
        };
        open.htlcs.values().filter(due).filter_map(plan).collect()
    }

    pub(crate) fn propose(&mut self, who: usize) {
        if self.nodes[who].channel.is_some() {
            self.handle(who, Event::Propose).expect("no fault");
        }
    }

    /// One thing that can happen now: a message, else what the nodes want. `false` when all is quiet.
    pub(crate) fn step(&mut self, first: usize) -> bool {
        for from in [first, 1 - first] {
            if self.deliver(from).unwrap_or_else(|fault| panic!("{} at {}", fault, 1 - from)) {
                return true;
            }
        }
        for who in [first, 1 - first] {
            self.settle(who);
        }
        for who in [first, 1 - first] {
            self.propose(who);
        }
        self.nodes.iter().any(|n| !n.outbox.is_empty())
    }

    /// Until all is quiet. Ends look alike then.
    pub(crate) fn run(&mut self) {
        let mut steps = 0;
        while self.step(steps % 2) {
            steps += 1;
            assert!(steps < 10_000, "no end");
        }
        if self.nodes.iter().all(|n| n.phase() == "open") {
            self.check_mirrors();
        }
    }

    /// The connection is lost, with all that is on its way.
    pub(crate) fn cut(&mut self) {
        for who in [A, B] {
            self.nodes[who].outbox.clear();
            let Some(channel) = self.nodes[who].channel.clone() else {
                continue;
            };
            let remembered = channel.after_losing_the_connection();
            self.handle(who, Event::Disconnected).expect("no fault");
            assert_eq!(self.nodes[who].channel, remembered, "a restart is a disconnection and nothing else");
        }
    }

    pub(crate) fn connect(&mut self) {
        for who in [A, B] {
            if self.nodes[who].channel.is_some() {
                self.handle(who, Event::Connected).expect("no fault");
            }
        }
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

    /// A new payment that the other end will fulfil; not run yet.
    pub(crate) fn pay(&mut self, from: usize, amount: Msat) -> PaymentHash {
        let (hash, preimage) = self.new_payment();
        self.nodes[1 - from].plans.insert(hash, Resolution::Fulfilled { preimage, attribution_data: None });
        self.offer(from, amount, hash);
        hash
    }

    /// A new payment that the other end holds.
    pub(crate) fn pay_held(&mut self, from: usize, amount: Msat) -> (PaymentHash, PaymentPreimage) {
        let (hash, preimage) = self.new_payment();
        self.offer(from, amount, hash);
        (hash, preimage)
    }

    pub(crate) fn new_payment(&mut self) -> (PaymentHash, PaymentPreimage) {
        self.payments += 1;
        let preimage = PaymentPreimage([self.payments; 32]);
        (preimage.payment_hash(), preimage)
    }

    pub(crate) fn offer(&mut self, from: usize, amount: Msat, hash: PaymentHash) {
        self.command(from, Command::Add(self.new_htlc(amount, hash)));
    }

    pub(crate) fn new_htlc(&self, amount: Msat, payment_hash: PaymentHash) -> NewHtlc {
        NewHtlc {
            amount,
            payment_hash,
            cltv_expiry: CltvExpiry(self.tip.0 + 200),
            onion: OnionSource::Packet(OnionPacket::from_bytes(&[7; 1366])),
            origin: Origin::Payment { payment_hash, part: 0 },
        }
    }

    /// Delivers messages of `from` up to and with the first of this name.
    pub(crate) fn deliver_until(&mut self, from: usize, name: &str) {
        loop {
            let next = self.nodes[from].outbox.front().map(Message::name);
            assert!(next.is_some(), "{from} says no {name}");
            self.deliver(from).expect("honest");
            if next == Some(name) {
                return;
            }
        }
    }

    /// Takes the next message of `from` off the wire.
    pub(crate) fn intercept(&mut self, from: usize) -> Message {
        self.nodes[from].outbox.pop_front().expect("it has said something")
    }

    pub(crate) fn channel_id(&self) -> ChannelId {
        self.nodes[A].open().params.channel_id
    }

    /// A message that breaks a rule: nothing changes, and this is what we do about it.
    pub(crate) fn refused(&mut self, to: usize, message: Message) -> (Fault, Reaction) {
        let before = self.nodes[to].channel.clone();
        let fault = self.receive(to, message).expect_err("it breaks a rule");
        assert_eq!(self.nodes[to].channel, before, "a fault changes nothing");
        let reaction = reaction(&fault, true);
        (fault, reaction)
    }

    pub(crate) fn balance(&self, who: usize) -> Msat {
        self.nodes[who].open().balances.local
    }

    /// The transaction of a cooperative close, if it is agreed on.
    pub(crate) fn closing_txid(&self, who: usize) -> Option<Txid> {
        match self.nodes[who].channel.as_ref().map(|c| &c.phase) {
            Some(Phase::Closing(closing)) => match &closing.how {
                How::Cooperative { request, .. } => Some(request.tx.compute_txid()),
                _ => None,
            },
            _ => None,
        }
    }

    /// What must hold after every step.
    fn check(&self, who: usize) {
        let channel = self.nodes[who].channel.as_ref().expect("just installed");
        if let Some(after) = channel.after_losing_the_connection() {
            assert_eq!(after.after_losing_the_connection().as_ref(), Some(&after));
            assert_eq!(after.link, Link::Down);
        }
        let Some(open) = channel.open() else {
            return;
        };
        let capacity = open.funding.terms.capacity.to_msat();
        assert_eq!(open.balances.local.saturating_add(open.balances.remote), capacity);
        assert!(open.fees.changes().len() <= Fees::MAX_CHANGES);
        assert!(Fees::from_changes(open.fees.changes().to_vec()).is_some(), "{:?}", open.fees);
        assert_eq!(open.remote.secrets.next(), open.remote.acked());
        let local = self.build(open, &open.local_content());
        let signatures = &open.local.signatures;
        local.verify(&self.secp, &signatures.commitment, &signatures.htlcs).expect("ours can be broadcast");
        assert_eq!(local.number(), open.local.number);
        self.build(open, &open.remote_request().content);
    }

    fn build(&self, open: &Open, content: &CommitmentContent) -> Commitment {
        Commitment::build(&self.secp, &open.funding.terms, content).expect("money is conserved")
    }

    /// At rest, what one holds for its own is what the other holds for the peer's.
    pub(crate) fn check_mirrors(&self) {
        for (one, other) in [(A, B), (B, A)] {
            let (one, other) = (self.nodes[one].open(), self.nodes[other].open());
            let (ours, theirs) =
                (self.build(one, &one.local_content()), self.build(other, &other.remote_request().content));
            assert_eq!(ours.tx(), theirs.tx());
            assert_eq!(one.remote.unrevoked, None);
            assert_eq!(one.balances.local, other.balances.remote);
            assert_eq!(one.htlcs.len(), other.htlcs.len());
        }
    }
}

/// The event of a message.
pub(crate) fn event(message: Message) -> Event {
    match message {
        Message::UpdateAddHtlc(message) => {
            let failure = PeelFailure::Malformed { failure_code: 0xc005, sha256_of_onion: [3; 32] };
            Event::Add { message, onion: Arc::new(Err(failure)) }
        }
        message => Event::Message(message),
    }
}

/// A failure that only its origin can read.
pub(crate) fn failure() -> Resolution {
    Resolution::Failed(FailurePacket { reason: vec![1; 292], attribution_data: None })
}

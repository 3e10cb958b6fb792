//! A channel between us and a peer on a regtest chain: commitments are signed by two signers, claims go into a mempool with
//! Bitcoin Core's policy, and every script is judged by Bitcoin Core's engine.

use astrape_onchain::{
    ClaimParent, Event, Evidence, HtlcKey, LiveHtlc, Nights, Output, Resolution, Story, View, Waiting,
};
use astrape_primitives::{
    ChannelKeysId, CltvExpiry, CommitmentNumber, FeeratePerKw, Feerates, Height, HtlcId, Msat, Network,
    PaymentPreimage, Sat, Side, Timestamp,
};
use astrape_regtest::RegtestChain;
use astrape_signer::{InProcessSigner, Seed};
use astrape_transactions::{
    ClaimInput, ClaimRequest, ClosingRequest, Commitment, CommitmentContent, CommitmentFormat, CommittedHtlc,
    FundingTerms, Keychain, LocalCommitmentRequest, PartyTerms, ReceivedSecrets, RemoteCommitmentRequest,
    RevocationRequest, Signer as _, Spend, SpendPath, WalletInput,
};
use bitcoin::absolute::LockTime;
use bitcoin::bip32::{ChildNumber, Xpub};
use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::secp256k1::{All, Secp256k1};
use bitcoin::transaction::Version;
use bitcoin::{OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness};
use std::sync::Arc;

pub(crate) const FORMATS: [CommitmentFormat; 2] =
    [CommitmentFormat::StaticRemotekey, CommitmentFormat::Anchors];
pub(crate) const CAPACITY: Sat = Sat(10_000_000);
pub(crate) const DELAY: u16 = 20;
/// Far above the chain's first blocks.
pub(crate) const EXPIRY: u32 = 200;

/// The numbers of our newest commitment, of the one that the peer is bound to, of its next, and of one that it revoked.
pub(crate) const OURS: u64 = 5;
pub(crate) const ACKED: u64 = 3;
pub(crate) const NEXT: u64 = 4;
pub(crate) const REVOKED: u64 = 1;

const A: ChannelKeysId = ChannelKeysId([0xa; 32]);
const B: ChannelKeysId = ChannelKeysId([0xb; 32]);

fn signer(byte: u8) -> InProcessSigner {
    InProcessSigner::new(&Seed::from_entropy([byte; 32]), Network::Regtest)
}

/// Us: a fresh process of the signer, which remembers nothing.
pub(crate) fn us() -> InProcessSigner {
    signer(1)
}

/// The peer.
pub(crate) fn peer() -> InProcessSigner {
    signer(2)
}

pub(crate) fn preimage(byte: u8) -> PaymentPreimage {
    PaymentPreimage([byte; 32])
}

/// An HTLC of so many satoshi; its preimage is 32 times `hash`.
pub(crate) fn htlc(offered_by: Side, id: u64, sat: u64, hash: u8, expiry: u32) -> CommittedHtlc {
    CommittedHtlc {
        offered_by,
        id: HtlcId(id),
        amount: Sat(sat).to_msat(),
        payment_hash: preimage(hash).payment_hash(),
        cltv_expiry: CltvExpiry(expiry),
    }
}

/// The HTLCs of each commitment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Htlcs {
    pub(crate) ours: Vec<CommittedHtlc>,
    pub(crate) acked: Vec<CommittedHtlc>,
    pub(crate) next: Option<Vec<CommittedHtlc>>,
    pub(crate) revoked: Vec<CommittedHtlc>,
    /// Those that are gone for good: of a revoked commitment only.
    pub(crate) retired: Vec<CommittedHtlc>,
}

impl Htlcs {
    /// The same in all valid commitments.
    pub(crate) fn everywhere(htlcs: Vec<CommittedHtlc>) -> Self {
        Self { ours: htlcs.clone(), acked: htlcs, ..Self::default() }
    }
}

pub(crate) struct Court {
    pub(crate) secp: Secp256k1<All>,
    pub(crate) chain: RegtestChain,
    pub(crate) format: CommitmentFormat,
    pub(crate) terms: Arc<FundingTerms>,
    pub(crate) htlcs: Htlcs,
    pub(crate) evidence: Evidence,
    pub(crate) resolution: Resolution,
    pub(crate) feerates: Feerates,
    pub(crate) coins: Vec<WalletInput>,
    /// All that came out.
    pub(crate) told: Vec<Output>,
    /// Our claims that the mempool refused, with its words.
    pub(crate) refused: Vec<(Txid, String)>,
    /// Whether claims reach the mempool at all.
    pub(crate) deaf: bool,
    /// Blocks that came while we slept.
    pub(crate) nights: Nights,
    /// Other channels that wait for a coin of our wallet.
    pub(crate) waiting: Waiting,
}

/// A chain with nothing of ours in it.
pub(crate) fn first_blocks() -> RegtestChain {
    RegtestChain::with_faucet(Timestamp::from_secs(1_735_689_600))
}

impl Court {
    pub(crate) fn new(format: CommitmentFormat, htlcs: Htlcs) -> Self {
        let mut court = Self::on(first_blocks(), format, htlcs);
        court.chain.mine(1, &RegtestChain::faucet_script());
        court.give_coins(3, 100_000);
        court
    }

    /// On that chain; its funding waits to be mined, and there are no coins.
    pub(crate) fn on(mut chain: RegtestChain, format: CommitmentFormat, htlcs: Htlcs) -> Self {
        let party = |signer: InProcessSigner, id: &ChannelKeysId| PartyTerms {
            basepoints: signer.channel_keys(id).basepoints,
            dust_limit: Sat(354),
            to_self_delay: DELAY,
        };
        let mut terms = FundingTerms {
            format,
            outpoint: OutPoint::null(),
            capacity: CAPACITY,
            opener: Side::Local,
            local: party(us(), &A),
            remote: party(peer(), &B),
        };
        terms.outpoint = chain.fund(&terms.funding_script(), CAPACITY).expect("a gift");
        let terms = Arc::new(terms);
        let secp = Secp256k1::new();
        let evidence = evidence(&terms, &htlcs);
        let resolution = Resolution::new(&evidence);
        Self {
            secp,
            chain,
            format,
            terms,
            htlcs,
            evidence,
            resolution,
            feerates: Feerates::flat(FeeratePerKw(500)),
            coins: Vec::new(),
            told: Vec::new(),
            refused: Vec::new(),
            deaf: false,
            nights: Nights::NONE,
            waiting: Waiting::default(),
        }
    }

    /// Coins for our wallet.
    pub(crate) fn give_coins(&mut self, count: u32, sat: u64) {
        self.promise_coins(count, sat);
        self.chain.mine(1, &RegtestChain::faucet_script());
    }

    /// The same, to be mined.
    pub(crate) fn promise_coins(&mut self, count: u32, sat: u64) {
        for _ in 0..count {
            let index = u32::try_from(self.coins.len()).expect("few");
            let script = wallet_script(Keychain::External, index);
            let outpoint = self.chain.fund(&script, Sat(sat)).expect("a gift");
            let prevout = TxOut { value: Sat(sat).into(), script_pubkey: script };
            self.coins.push(WalletInput { outpoint, prevout, keychain: Keychain::External, index });
        }
    }

    pub(crate) fn tip(&self) -> Height {
        self.chain.tip().height
    }

    /// Gives an event, and does what follows.
    pub(crate) fn event(&mut self, event: Event) -> Vec<Output> {
        let coins: Vec<WalletInput> = self
            .coins
            .iter()
            .filter(|coin| self.chain.confirmations(&coin.outpoint.txid) > 0)
            .cloned()
            .collect();
        let coins: Vec<WalletInput> =
            coins.into_iter().filter(|c| self.is_unspent_in_blocks(&c.outpoint)).collect();
        let view = View {
            secp: &self.secp,
            tip: self.tip(),
            feerates: self.feerates,
            closing_depth: 6,
            coins: &coins,
            evidence: &self.evidence,
            nights: &self.nights,
            waiting: self.waiting,
        };
        let (next, outputs) = self.resolution.handle(event, &view);
        self.resolution = next;
        self.told.extend(outputs.clone());
        for output in outputs.clone() {
            self.act(output);
        }
        outputs
    }

    fn is_unspent_in_blocks(&self, outpoint: &OutPoint) -> bool {
        self.chain.is_unspent(outpoint) || self.chain.spender_in_mempool(outpoint).is_some()
    }

    fn act(&mut self, output: Output) {
        match output {
            Output::ScriptNeeded => {
                self.event(Event::Script(wallet_script(Keychain::Internal, 0)));
            }
            Output::RowsNeeded(_) => {
                self.event(Event::Rows(self.htlcs.retired.clone()));
            }
            Output::Preimage { htlc, preimage } => {
                let hash = preimage.payment_hash();
                let fits = |l: &&mut LiveHtlc| {
                    l.htlc.offered_by == Side::Local
                        && l.htlc.payment_hash == hash
                        && htlc.is_none_or(|id| l.htlc.id == id)
                };
                self.evidence.htlcs.iter_mut().filter(fits).for_each(|l| l.preimage = Some(preimage));
            }
            Output::Broadcast { request, parent, .. } if !self.deaf => {
                let tx = us().sign_claim(&request).expect("a claim that can be signed");
                let txid = tx.compute_txid();
                let outcome = match parent {
                    Some(parent) => {
                        let parent = match parent {
                            ClaimParent::Ours => self.our_commitment(),
                            ClaimParent::Signed(tx) => (*tx).clone(),
                        };
                        self.chain.submit_package(&[parent, tx]).map(|_| ()).map_err(|e| e.to_string())
                    }
                    _ => match self.chain.submit(tx) {
                        Err(reject) if !reject.is_already_there() => Err(reject.to_string()),
                        _ => Ok(()),
                    },
                };
                if let Err(reason) = outcome {
                    self.refused.push((txid, reason));
                }
            }
            // The mempool may have it, or ask for more than it pays.
            Output::Again(tx) if !self.deaf => drop(self.chain.submit((*tx).clone())),
            _ => {}
        }
    }

    /// The peer gives the preimage of an HTLC that it offered, or its own is learnt off chain.
    pub(crate) fn know(&mut self, key: HtlcKey, byte: u8) -> Vec<Output> {
        for live in self.evidence.htlcs.iter_mut().filter(|l| l.key() == key) {
            live.preimage = Some(preimage(byte));
        }
        self.event(Event::Learnt)
    }

    /// Sets when the HTLC expires that pays for one of ours.
    pub(crate) fn upstream(&mut self, id: u64, expiry: u32) {
        for live in self.evidence.htlcs.iter_mut().filter(|l| l.key() == (Side::Local, HtlcId(id))) {
            live.upstream_expiry = Some(Height(expiry));
        }
    }

    /// Mines so many blocks of what is in the mempool.
    pub(crate) fn mine(&mut self, blocks: u32) -> Vec<Output> {
        let mut all = Vec::new();
        for _ in 0..blocks {
            self.chain.mine(1, &RegtestChain::faucet_script());
            all.extend(self.look_at_the_tip());
        }
        all
    }

    /// Mines one block with these transactions alone, whatever the mempool has.
    pub(crate) fn mine_with(&mut self, txs: &[Transaction]) -> Vec<Output> {
        self.chain.mine_with(txs, &RegtestChain::faucet_script()).expect("a valid block");
        self.look_at_the_tip()
    }

    /// Mines until this height is the tip.
    pub(crate) fn mine_to(&mut self, height: u32) -> Vec<Output> {
        let missing = height.saturating_sub(self.tip().0);
        self.mine(missing)
    }

    pub(crate) fn look_at_the_tip(&mut self) -> Vec<Output> {
        let height = self.tip();
        let block = self.chain.block_at(height).expect("the tip");
        let mut all = Vec::new();
        for tx in &block.txdata {
            let spends = |f: &dyn Fn(&OutPoint) -> bool| tx.input.iter().any(|i| f(&i.previous_output));
            if spends(&|o| *o == self.terms.outpoint) {
                all.extend(self.event(Event::FundingSpent { tx: Arc::new(tx.clone()), height }));
            }
            if spends(&|o| self.resolution.outputs.contains_key(o)) {
                all.extend(self.event(Event::Spent { tx: Arc::new(tx.clone()), height }));
            }
        }
        all.extend(self.event(Event::Block));
        all
    }

    /// The last blocks go; their transactions are in the mempool again.
    pub(crate) fn reorg(&mut self, depth: u32) {
        let from = Height(self.tip().0 + 1 - depth);
        self.chain.reorg(depth);
        self.event(Event::Reorged { from });
    }

    /// The mempool shows transactions.
    pub(crate) fn see(&mut self, txs: &[&Transaction]) -> Vec<Output> {
        self.event(Event::Seen(txs.iter().map(|tx| Arc::new((*tx).clone())).collect()))
    }

    /// Our newest commitment, signed.
    pub(crate) fn our_commitment(&self) -> Transaction {
        let (remote_signature, _) = sign_for(&self.terms, &self.evidence.local);
        let request = LocalCommitmentRequest {
            keys: A,
            terms: Arc::clone(&self.terms),
            content: self.evidence.local.clone(),
            remote_signature,
        };
        us().sign_local_commitment(&request).expect("signed")
    }

    /// A transaction that spends the funding output with both signatures.
    pub(crate) fn signed_by_both(&self, tx: &Transaction) -> Transaction {
        let request = |keys, terms| ClosingRequest { keys, terms, tx: tx.clone() };
        let ours = request(A, Arc::clone(&self.terms));
        let theirs = request(B, Arc::new(mirrored(&self.terms)));
        let local = us().sign_closing(&ours).expect("signed");
        let remote = peer().sign_closing(&theirs).expect("signed");
        ours.signed(&local, &remote)
    }

    pub(crate) fn content(&self, number: u64) -> CommitmentContent {
        let htlcs = match number {
            ACKED => self.htlcs.acked.clone(),
            NEXT => self.htlcs.next.clone().unwrap_or_default(),
            _ => self.htlcs.revoked.clone(),
        };
        content(&self.terms, Side::Remote, number, htlcs)
    }

    /// A commitment of the peer, as we build it.
    pub(crate) fn built(&self, number: u64) -> Commitment {
        Commitment::build(&self.secp, &self.terms, &self.content(number)).expect("valid")
    }

    /// A commitment of the peer, signed by both.
    pub(crate) fn their_commitment(&self, number: u64) -> Transaction {
        let (ours, _) = us_signs(&self.terms, &self.content(number));
        let request = LocalCommitmentRequest {
            keys: B,
            terms: Arc::new(mirrored(&self.terms)),
            content: mirror(&self.content(number)),
            remote_signature: ours,
        };
        peer().sign_local_commitment(&request).expect("signed")
    }

    /// The peer's HTLC transaction for its commitment: by preimage, or by timeout. Several are one transaction, as anchors
    /// allow; without anchors only one.
    pub(crate) fn second_stage(
        &self,
        number: u64,
        outputs: &[(OutPoint, Option<PaymentPreimage>)],
    ) -> Transaction {
        let content = self.content(number);
        let commitment = self.built(number);
        let (_, signatures) = us_signs(&self.terms, &content);
        let mut inputs = Vec::new();
        let mut tx = empty();
        for (outpoint, known) in outputs {
            let index = commitment.htlcs().iter().position(|h| h.outpoint() == *outpoint).expect("an HTLC");
            let second = &commitment.htlcs()[index];
            tx.input.push(second.tx().input[0].clone());
            tx.output.push(second.tx().output[0].clone());
            tx.lock_time = tx.lock_time.max_of(second.tx().lock_time);
            let path = SpendPath::HtlcTransaction {
                number: CommitmentNumber(number),
                format: self.format,
                remote_signature: signatures[index],
                preimage: *known,
            };
            let witness_script = Some(second.witness_script().clone());
            inputs.push(ClaimInput {
                prevout: second.output(),
                spend: Spend::Channel { keys: B, witness_script, path },
            });
        }
        peer().sign_claim(&ClaimRequest { tx, inputs }).expect("signed")
    }

    /// The peer takes an HTLC of our commitment, or of its own by timeout: with its key alone.
    pub(crate) fn peer_takes(&self, outpoint: OutPoint, known: Option<PaymentPreimage>) -> Transaction {
        let tracked = &self.resolution.outputs[&outpoint];
        let mut tx = empty();
        tx.lock_time = match known {
            Some(_) => LockTime::ZERO,
            None => LockTime::from_consensus(tracked.htlc().expect("an HTLC").cltv_expiry.0),
        };
        tx.input.push(input(outpoint, self.format.htlc_sequence()));
        tx.output.push(TxOut { value: Sat(tracked.value().0 - 2_000).into(), script_pubkey: elsewhere() });
        let per_commitment_point = us().point(&A, CommitmentNumber(OURS));
        let path = SpendPath::RemoteHtlc { per_commitment_point, preimage: known };
        let witness_script = tracked.witness_script.clone();
        let spend = Spend::Channel { keys: B, witness_script, path };
        let inputs = vec![ClaimInput { prevout: tracked.output.clone(), spend }];
        peer().sign_claim(&ClaimRequest { tx, inputs }).expect("signed")
    }

    /// The output that holds an HTLC.
    pub(crate) fn output_of(&self, key: HtlcKey) -> OutPoint {
        let found = self.resolution.outputs.iter().find(|(_, t)| t.key() == Some(key));
        *found.expect("the HTLC has an output").0
    }

    /// Whether the end of an HTLC of ours was told as failed.
    pub(crate) fn has_failed(&self, id: u64) -> bool {
        self.told.contains(&Output::Failed(HtlcId(id)))
    }

    /// The preimages that were told, by HTLC.
    pub(crate) fn preimages(&self) -> Vec<Option<HtlcId>> {
        let of = |o: &Output| match o {
            Output::Preimage { htlc, .. } => Some(*htlc),
            _ => None,
        };
        self.told.iter().filter_map(of).collect()
    }

    pub(crate) fn is_resolved(&self) -> bool {
        self.told.contains(&Output::Resolved)
    }

    pub(crate) fn stories(&self) -> Vec<&Story> {
        let mut stories = Vec::new();
        for output in &self.told {
            if let Output::Story(story) = output {
                stories.push(story);
            }
        }
        stories
    }

    /// What stands on chain for our wallet, without the coins that it had.
    pub(crate) fn in_our_wallet(&self) -> Sat {
        let script = wallet_script(Keychain::Internal, 0);
        let mut sum = Sat::ZERO;
        for height in 0..=self.tip().0 {
            let Some(block) = self.chain.block_at(Height(height)) else { continue };
            for tx in &block.txdata {
                let txid = tx.compute_txid();
                for (vout, output) in (0_u32..).zip(&tx.output).filter(|(_, o)| o.script_pubkey == script) {
                    if self.chain.is_unspent(&OutPoint { txid, vout }) {
                        sum = sum.saturating_add(output.value.into());
                    }
                }
            }
        }
        sum
    }

    /// Asserts that every claim that was sent was taken by the mempool.
    pub(crate) fn assert_none_refused(&self) {
        assert!(self.refused.is_empty(), "{:?}", self.refused);
    }
}

trait MaxOf {
    fn max_of(self, other: LockTime) -> LockTime;
}

impl MaxOf for LockTime {
    fn max_of(self, other: LockTime) -> LockTime {
        LockTime::from_consensus(self.to_consensus_u32().max(other.to_consensus_u32()))
    }
}

pub(crate) fn empty() -> Transaction {
    Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input: Vec::new(), output: Vec::new() }
}

pub(crate) fn input(previous_output: OutPoint, sequence: Sequence) -> TxIn {
    TxIn { previous_output, script_sig: ScriptBuf::new(), sequence, witness: Witness::new() }
}

/// Somebody else's script.
pub(crate) fn elsewhere() -> ScriptBuf {
    ScriptBuf::from([vec![0, 20], vec![9; 20]].concat())
}

/// A script of our wallet, as its descriptor says.
pub(crate) fn wallet_script(keychain: Keychain, index: u32) -> ScriptBuf {
    let descriptor = us().wallet_descriptor(keychain);
    let xpub = descriptor.split(']').nth(1).and_then(|rest| rest.split('/').next()).expect("an xpub");
    let xpub: Xpub = xpub.parse().expect("an xpub");
    let branch = u32::from(keychain == Keychain::Internal);
    let secp = Secp256k1::new();
    let path = [branch, index].map(|n| ChildNumber::Normal { index: n });
    let key = xpub.derive_pub(&secp, &path).expect("derives").to_x_only_pub();
    ScriptBuf::new_p2tr(&secp, key, None)
}

fn mirrored(terms: &FundingTerms) -> FundingTerms {
    FundingTerms { opener: terms.opener.other(), local: terms.remote, remote: terms.local, ..*terms }
}

fn mirror(content: &CommitmentContent) -> CommitmentContent {
    let flip = |htlc: &CommittedHtlc| CommittedHtlc { offered_by: htlc.offered_by.other(), ..*htlc };
    CommitmentContent {
        owner: content.owner.other(),
        local_balance: content.remote_balance,
        remote_balance: content.local_balance,
        htlcs: content.htlcs.iter().map(flip).collect(),
        ..content.clone()
    }
}

fn content(terms: &FundingTerms, owner: Side, number: u64, htlcs: Vec<CommittedHtlc>) -> CommitmentContent {
    let pending: Msat = htlcs.iter().map(|htlc| htlc.amount).sum();
    let remote = Msat(3_000_000_000);
    let number = CommitmentNumber(number);
    let per_commitment_point =
        if owner == Side::Local { us().point(&A, number) } else { peer().point(&B, number) };
    CommitmentContent {
        owner,
        number,
        per_commitment_point,
        feerate: FeeratePerKw(1_000),
        local_balance: terms.capacity.to_msat().saturating_sub(remote).saturating_sub(pending),
        remote_balance: remote,
        htlcs,
    }
}

/// The peer's signatures on our commitment.
fn sign_for(terms: &FundingTerms, content: &CommitmentContent) -> (Signature, Vec<Signature>) {
    let terms = Arc::new(mirrored(terms));
    let request = RemoteCommitmentRequest { keys: B, terms, content: mirror(content) };
    peer().sign_remote_commitment(&request).expect("signed")
}

/// Our signatures on the peer's.
fn us_signs(terms: &FundingTerms, content: &CommitmentContent) -> (Signature, Vec<Signature>) {
    let request = RemoteCommitmentRequest { keys: A, terms: Arc::new(*terms), content: content.clone() };
    us().sign_remote_commitment(&request).expect("signed")
}

/// The secret of a commitment of the peer.
fn secret_of(terms: &FundingTerms, number: u64) -> [u8; 32] {
    let next = content(terms, Side::Remote, number + 1, Vec::new());
    let (signature, htlc_signatures) = us_signs(terms, &next);
    let request = RevocationRequest {
        keys: B,
        terms: Arc::new(mirrored(terms)),
        revoked: CommitmentNumber(number),
        content: mirror(&next),
        signature,
        htlc_signatures,
    };
    peer().reveal(&request).expect("revealed").0
}

fn evidence(terms: &Arc<FundingTerms>, htlcs: &Htlcs) -> Evidence {
    let local = content(terms, Side::Local, OURS, htlcs.ours.clone());
    let (_, htlc_signatures) = sign_for(terms, &local);
    let mut remote = vec![content(terms, Side::Remote, ACKED, htlcs.acked.clone())];
    if let Some(next) = &htlcs.next {
        remote.push(content(terms, Side::Remote, NEXT, next.clone()));
    }
    let mut secrets = ReceivedSecrets::new();
    for number in 0..ACKED {
        secrets.insert(CommitmentNumber(number), secret_of(terms, number)).expect("in order");
    }
    let mut live: Vec<LiveHtlc> = Vec::new();
    let all = htlcs.ours.iter().chain(&htlcs.acked).chain(htlcs.next.iter().flatten()).chain(&htlcs.revoked);
    for htlc in all {
        let is_known =
            live.iter().any(|l| l.key() == (htlc.offered_by, htlc.id)) || htlcs.retired.contains(htlc);
        if is_known {
            continue;
        }
        let in_revoked = htlcs.revoked.contains(htlc);
        let first_remote = if in_revoked {
            Some(CommitmentNumber(REVOKED))
        } else if htlcs.acked.contains(htlc) {
            Some(CommitmentNumber(ACKED))
        } else {
            htlcs.next.as_ref().filter(|n| n.contains(htlc)).map(|_| CommitmentNumber(NEXT))
        };
        live.push(LiveHtlc {
            htlc: *htlc,
            preimage: None,
            upstream_expiry: None,
            first_remote,
            end_remote: None,
        });
    }
    Evidence {
        keys: A,
        terms: Arc::clone(terms),
        local,
        htlc_signatures,
        remote,
        secrets,
        shutdown: None,
        htlcs: live,
    }
}

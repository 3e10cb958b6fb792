//! A channel between us and a peer on a regtest chain: commitments are signed by two signers, claims go into a mempool with
//! Bitcoin Core's policy, and every script is judged by Bitcoin Core's engine.
//!
//! | room | what is in it |
//! |---|---|
//! | `steps` | events and blocks, and what a node would do with what follows |
//! | `told` | what was told, and what it came to |
//! | `txs` | transactions of both |
//! | `proof` | what we hold |

mod proof;
mod steps;
mod told;
mod txs;

use astrape_onchain::{Event, Evidence, HtlcKey, Nights, Output, Resolution, Waiting};
use astrape_primitives::{
    ChannelKeysId, CltvExpiry, FeeratePerKw, Feerates, Height, HtlcId, Network, PaymentPreimage, Sat, Side,
    Timestamp,
};
use astrape_regtest::RegtestChain;
use astrape_signer::{InProcessSigner, Seed};
use astrape_transactions::{
    CommitmentFormat, CommittedHtlc, FundingTerms, Keychain, PartyTerms, Signer as _, WalletInput,
};
use bitcoin::absolute::LockTime;
use bitcoin::bip32::{ChildNumber, Xpub};
use bitcoin::secp256k1::{All, Secp256k1};
use bitcoin::transaction::Version;
use bitcoin::{OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness};
use proof::evidence;
use std::sync::Arc;
pub(crate) use txs::with_dummy;

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

/// One offered by us and one by the peer, with an output each.
pub(crate) fn both() -> Vec<CommittedHtlc> {
    vec![htlc(Side::Local, 0, 60_000, 1, EXPIRY), htlc(Side::Remote, 0, 80_000, 2, EXPIRY + 30)]
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

//! Values of every kind, each made from a number. The frozen rows in `tests/fixtures` were made from them: what is here never
//! changes, it is only added to.
//!
//! | room | what is in it |
//! |---|---|
//! | `channel` | channels as a restart gives them back |
//! | `htlc` | HTLCs, their onions, and how they end |
//! | `court` | channels on chain: outputs that are followed, and claims |
//! | `payments` | what is asked for, received, passed on and sent |
//! | `node` | what is of the whole node: coins, peers, announcements, chain |

mod channel;
mod court;
mod htlc;
mod node;
mod payments;

use astrape_channel::commitments::Numbers;
use astrape_primitives::{CommitmentNumber, Height, Msat, NodeId, Sat, Side};
use astrape_transactions::signing::{Keychain, WalletInput};
use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::secp256k1::{PublicKey, Secp256k1, SecretKey};
use bitcoin::transaction::Version;
use bitcoin::{OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness};

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
}

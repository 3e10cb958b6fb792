//! BOLT 3: the keys of one commitment, and per-commitment secrets made and stored.

use crate::clock::{Row, Table, work};
use crate::commitments::Channel;
use anyhow::Result;
use astrape_primitives::{CommitmentNumber, Side};
use astrape_transactions::{CommitmentKeys, ReceivedSecrets, per_commitment_secret};
use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::secp256k1::{PublicKey, Scalar};
use lightning::ln::chan_utils::{CounterpartyCommitmentSecrets, TxCreationKeys, build_commitment_secret};

const SEED: [u8; 32] = [0x51; 32];

/// Number 1 is the dearest to make but one: all bits of its index but one are set, and each is a hash.
const NUMBER: CommitmentNumber = CommitmentNumber(1);
const HASHES: u32 = 47;

/// So many secrets are received and stored.
const RECEIVED: u64 = 1_000;

/// BOLT 3 counts downwards.
const FIRST_INDEX: u64 = (1 << 48) - 1;

pub(crate) fn measure(table: &mut Table) -> Result<()> {
    commitment_keys(table)?;
    table.row(Row {
        name: "per-commitment secret made".into(),
        bare: Some(work(|| {
            let mut secret = SEED;
            for _ in 0..HASHES {
                secret = sha256::Hash::hash(&secret).to_byte_array();
            }
            secret
        })),
        astrape: work(|| per_commitment_secret(&SEED, NUMBER)),
        ldk: Some(work(|| build_commitment_secret(&SEED, FIRST_INDEX - NUMBER.0))),
    });
    let secrets: Vec<_> = (0..RECEIVED).map(|n| per_commitment_secret(&SEED, CommitmentNumber(n))).collect();
    table.row(Row {
        name: format!("{RECEIVED} secrets stored"),
        // Every second secret lets the one before be derived, every fourth two, and so on: one hash for each on average.
        bare: Some(work(|| secrets.iter().fold(0, |sum, secret| sum ^ sha256::Hash::hash(secret)[0]))),
        astrape: work(|| {
            let mut store = ReceivedSecrets::new();
            let numbered = (0..).map(CommitmentNumber).zip(&secrets);
            numbered.map(|(number, secret)| store.insert(number, *secret)).filter(Result::is_ok).count()
        }),
        ldk: Some(work(|| {
            let mut store = CounterpartyCommitmentSecrets::new();
            let numbered = (0..).map(|n| FIRST_INDEX - n).zip(&secrets);
            numbered.map(|(index, secret)| store.provide_secret(index, *secret)).filter(Result::is_ok).count()
        })),
    });
    Ok(())
}

fn commitment_keys(table: &mut Table) -> Result<()> {
    let channel = Channel::open()?;
    let (secp, terms) = (&channel.secp, &channel.terms);
    let point = channel.content(0).per_commitment_point;
    let parameters = channel.ldk.parameters();
    let directed = parameters.as_holder_broadcastable();
    table.row(Row {
        name: "keys of a commitment".into(),
        bare: Some(work(|| channel.bare_keys())),
        astrape: work(|| CommitmentKeys::derive(secp, terms, Side::Local, &point)),
        ldk: Some(work(|| {
            let (ours, theirs) = (directed.broadcaster_pubkeys(), directed.countersignatory_pubkeys());
            TxCreationKeys::from_channel_static_keys(&point, ours, theirs, secp)
        })),
    });
    Ok(())
}

impl Channel {
    /// What deriving the keys takes: two multiplications and a sum for the revocation key, a multiplication of the base
    /// point and a sum for each of three others. Points come out in their compact form, which is part of it.
    pub(crate) fn bare_keys(&self) -> [Option<PublicKey>; 4] {
        let (secp, own, other) = (&self.secp, &self.terms.local.basepoints, &self.terms.remote.basepoints);
        let tweak = Scalar::from(self.some_key);
        let sum = |point: &PublicKey| point.add_exp_tweak(secp, &tweak).ok();
        let revocation = other
            .revocation
            .mul_tweak(secp, &tweak)
            .ok()
            .and_then(|base| base.combine(&own.revocation.mul_tweak(secp, &tweak).ok()?).ok());
        [revocation, sum(&own.delayed_payment), sum(&own.htlc), sum(&other.htlc)]
    }
}

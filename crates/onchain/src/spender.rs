//! What spends a funding output (BOLT 5).

use crate::evidence::Evidence;
use astrape_primitives::CommitmentNumber;
use astrape_transactions::numbering::commitment_number;
use astrape_transactions::{Commitment, CommitmentContent, is_closing, per_commitment_point};
use bitcoin::Transaction;
use bitcoin::secp256k1::{All, PublicKey, Secp256k1};

/// Which transaction spends the funding output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spender {
    /// A closing transaction that both signed.
    Cooperative,
    /// Our newest commitment.
    Ours {
        /// Its number.
        number: CommitmentNumber,
    },
    /// A commitment of the peer that is not revoked.
    Theirs {
        /// Its number.
        number: CommitmentNumber,
        /// Its per-commitment point.
        point: PublicKey,
    },
    /// A commitment that the peer has revoked: all of it is ours.
    Revoked {
        /// Its number.
        number: CommitmentNumber,
        /// What the peer revealed.
        secret: [u8; 32],
    },
    /// A commitment of the peer that is newer than our records: we have lost state.
    Future {
        /// Its number.
        number: CommitmentNumber,
    },
    /// None of these. A key has leaked, or our records are not whole: the user is warned.
    Unknown,
}

impl Spender {
    /// What it is, without what is known of it.
    #[must_use]
    pub const fn kind(&self) -> SpenderKind {
        match self {
            Spender::Cooperative => SpenderKind::Cooperative,
            Spender::Ours { .. } => SpenderKind::Ours,
            Spender::Theirs { .. } => SpenderKind::Theirs,
            Spender::Revoked { .. } => SpenderKind::Revoked,
            Spender::Future { .. } => SpenderKind::Future,
            Spender::Unknown => SpenderKind::Unknown,
        }
    }

    /// What it is, in words.
    #[must_use]
    pub const fn words(&self) -> &'static str {
        self.kind().words()
    }
}

/// A [`Spender`] without what is known of it: what is left of it in the ledger, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpenderKind {
    /// See [`Spender::Cooperative`].
    Cooperative,
    /// See [`Spender::Ours`].
    Ours,
    /// See [`Spender::Theirs`].
    Theirs,
    /// See [`Spender::Revoked`].
    Revoked,
    /// See [`Spender::Future`].
    Future,
    /// See [`Spender::Unknown`].
    Unknown,
}

impl SpenderKind {
    /// All of them.
    pub const ALL: [SpenderKind; 6] = [
        SpenderKind::Cooperative,
        SpenderKind::Ours,
        SpenderKind::Theirs,
        SpenderKind::Revoked,
        SpenderKind::Future,
        SpenderKind::Unknown,
    ];

    /// What it is, in words. Ledgers hold them: words that are changed must still be read.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            SpenderKind::Cooperative => "the closing transaction that both sides signed",
            SpenderKind::Ours => "our commitment",
            SpenderKind::Theirs => "the peer's commitment",
            SpenderKind::Revoked => "a revoked commitment of the peer",
            SpenderKind::Future => "a commitment of the peer that is newer than our records",
            SpenderKind::Unknown => "an unknown transaction",
        }
    }

    /// The one that has these words, if one has.
    #[must_use]
    pub fn of_words(words: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.words() == words)
    }
}

/// Says what spends the funding output, with the commitment where its content is known. Nothing that a peer can put into a
/// transaction makes this fail (attack 73).
#[must_use]
pub fn classify(
    secp: &Secp256k1<All>,
    evidence: &Evidence,
    tx: &Transaction,
) -> (Spender, Option<Commitment>) {
    if evidence
        .shutdown
        .as_ref()
        .is_some_and(|(local, remote)| is_closing(&evidence.terms, tx, [local, remote]))
    {
        return (Spender::Cooperative, None);
    }
    let txid = tx.compute_txid();
    let built = |content: &CommitmentContent| {
        Commitment::build(secp, &evidence.terms, content).ok().filter(|c| c.txid() == txid)
    };
    if let Some(commitment) = built(&evidence.local) {
        return (Spender::Ours { number: evidence.local.number }, Some(commitment));
    }
    for content in &evidence.remote {
        if let Some(commitment) = built(content) {
            let spender = Spender::Theirs { number: content.number, point: content.per_commitment_point };
            return (spender, Some(commitment));
        }
    }
    (by_number(secp, evidence, tx), None)
}

/// A transaction whose content is not at hand, by the number that it carries.
fn by_number(secp: &Secp256k1<All>, evidence: &Evidence, tx: &Transaction) -> Spender {
    let Some(number) = commitment_number(&evidence.terms, tx) else {
        return Spender::Unknown;
    };
    // A secret that is no key belongs to no commitment that was ever built.
    let secret = evidence.secrets.get(number).filter(|s| per_commitment_point(secp, s).is_some());
    if let Some(secret) = secret {
        return Spender::Revoked { number, secret };
    }
    match evidence.remote.iter().map(|content| content.number).max() {
        Some(newest) if number > newest && number <= CommitmentNumber::MAX => Spender::Future { number },
        _ => Spender::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_in_ledgers_are_read_as_what_they_were_written_for() {
        for (place, kind) in SpenderKind::ALL.into_iter().enumerate() {
            let (number, written) = match kind {
                SpenderKind::Cooperative => (0, "the closing transaction that both sides signed"),
                SpenderKind::Ours => (1, "our commitment"),
                SpenderKind::Theirs => (2, "the peer's commitment"),
                SpenderKind::Revoked => (3, "a revoked commitment of the peer"),
                SpenderKind::Future => (4, "a commitment of the peer that is newer than our records"),
                SpenderKind::Unknown => (5, "an unknown transaction"),
            };
            assert_eq!(place, number, "each is one of all");
            assert_eq!(SpenderKind::of_words(written), Some(kind));
            assert_eq!(SpenderKind::of_words(kind.words()), Some(kind));
        }
        assert_eq!(SpenderKind::of_words("something that was never written"), None);
    }
}

//! Channels on chain: outputs that are followed, and claims.

use super::Gen;
use astrape_onchain::{
    Claim, ClaimId, Close, Left, Parent, Resolution as CourtResolution, Role, Spender, Spent, Tracked,
};
use astrape_primitives::{
    ChannelKeysId, CltvExpiry, CommitmentNumber, FeeratePerKw, HtlcId, PaymentHash, PaymentPreimage, Side,
};
use astrape_transactions::{CommitmentFormat, CommittedHtlc};
use bitcoin::hashes::Hash as _;
use bitcoin::{TxOut, Txid};
use std::sync::Arc;

impl Gen {
    pub(super) fn committed(&mut self) -> CommittedHtlc {
        CommittedHtlc {
            offered_by: if self.coin_flip() { Side::Local } else { Side::Remote },
            id: HtlcId(self.next()),
            amount: self.msat(),
            payment_hash: PaymentHash(self.bytes()),
            cltv_expiry: CltvExpiry(self.u32()),
        }
    }

    pub(super) fn parent(&mut self) -> Parent {
        Parent {
            owner: if self.coin_flip() { Side::Local } else { Side::Remote },
            fee: self.sat(),
            weight: self.next(),
            at_stake: self.sat(),
            balance: self.sat(),
            deadline: self.some(Self::height),
        }
    }

    pub(super) fn role(&mut self) -> Role {
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

    pub(super) fn spender(&mut self) -> Spender {
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

    pub(super) fn tracked(&mut self) -> Tracked {
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

    pub(crate) fn claim(&mut self) -> Claim {
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
            // Later still.
            seen: None,
            outputs: self.many(6, |g| (g.outpoint(), g.tracked())).into_iter().collect(),
            claims: self.many(3, |g| (ClaimId(g.next()), g.claim())).into_iter().collect(),
            next_claim: ClaimId(self.next()),
            told: self.many(3, |g| HtlcId(g.next())).into_iter().collect(),
            short_of_coins: self.coin_flip(),
        }
    }
}

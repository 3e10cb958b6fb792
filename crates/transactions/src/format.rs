//! The kinds of commitment transaction. What differs between them lies in one file each; this one only dispatches.

mod anchors;
mod static_remotekey;

use astrape_primitives::{Feature, Features, Sat};
use bitcoin::secp256k1::PublicKey;
use bitcoin::{EcdsaSighashType, ScriptBuf, Sequence};

use crate::terms::HtlcDirection;

/// A kind of commitment transaction (BOLT 2 "Defined Channel Types").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CommitmentFormat {
    /// `option_static_remotekey` alone: HTLC transactions pay their own fee.
    StaticRemotekey,
    /// `option_anchors`: anchor outputs, and HTLC transactions without fee.
    Anchors,
}

impl CommitmentFormat {
    /// The `channel_type` of this format, without `scid_alias` and `zeroconf`.
    #[must_use]
    pub fn channel_type(self) -> Features {
        let base = Features::empty().with_required(Feature::StaticRemotekey);
        match self {
            CommitmentFormat::StaticRemotekey => base,
            CommitmentFormat::Anchors => base.with_required(Feature::Anchors),
        }
    }

    /// The format of a `channel_type`, which may also ask for `scid_alias` and `zeroconf`. `None` when the type is none
    /// that BOLT 2 defines.
    #[must_use]
    pub fn from_channel_type(channel_type: &Features) -> Option<Self> {
        let variants = [Feature::ScidAlias.required_bit(), Feature::Zeroconf.required_bit()];
        let mut plain = Features::empty();
        channel_type.iter_bits().filter(|bit| !variants.contains(bit)).for_each(|bit| plain.set_bit(bit));
        [CommitmentFormat::StaticRemotekey, CommitmentFormat::Anchors]
            .into_iter()
            .find(|f| f.channel_type() == plain)
    }

    /// Weight of a commitment transaction without HTLCs.
    #[must_use]
    pub const fn commitment_weight(self) -> u64 {
        match self {
            CommitmentFormat::StaticRemotekey => static_remotekey::COMMITMENT_WEIGHT,
            CommitmentFormat::Anchors => anchors::COMMITMENT_WEIGHT,
        }
    }

    /// Expected weight of an HTLC transaction.
    #[must_use]
    pub const fn htlc_weight(self, direction: HtlcDirection) -> u64 {
        match self {
            CommitmentFormat::StaticRemotekey => static_remotekey::htlc_weight(direction),
            CommitmentFormat::Anchors => anchors::htlc_weight(direction),
        }
    }

    /// Whether HTLC transactions pay a fee of their own.
    #[must_use]
    pub const fn htlcs_pay_fee(self) -> bool {
        match self {
            CommitmentFormat::StaticRemotekey => true,
            CommitmentFormat::Anchors => false,
        }
    }

    /// Value of each anchor output, if there are any.
    #[must_use]
    pub const fn anchor(self) -> Option<Sat> {
        match self {
            CommitmentFormat::StaticRemotekey => None,
            CommitmentFormat::Anchors => Some(anchors::ANCHOR),
        }
    }

    /// What the opener pays for the anchors, present or not: twice [`CommitmentFormat::anchor`].
    #[must_use]
    pub const fn anchors_cost(self) -> Sat {
        match self.anchor() {
            Some(anchor) => Sat(anchor.0 * 2),
            None => Sat::ZERO,
        }
    }

    /// Sighash type of the counterparty's signature in an HTLC transaction. The owner's own is always `SIGHASH_ALL`.
    #[must_use]
    pub const fn htlc_sighash(self) -> EcdsaSighashType {
        match self {
            CommitmentFormat::StaticRemotekey => EcdsaSighashType::All,
            CommitmentFormat::Anchors => EcdsaSighashType::SinglePlusAnyoneCanPay,
        }
    }

    /// `nSequence` with which HTLC outputs of a commitment are spent, by whomever and on whatever path but the penalty.
    #[must_use]
    pub const fn htlc_sequence(self) -> Sequence {
        match self {
            CommitmentFormat::StaticRemotekey => Sequence::ZERO,
            CommitmentFormat::Anchors => Sequence(1),
        }
    }

    /// The witness script of `to_remote`, or `None` when that output is P2WPKH.
    #[must_use]
    pub fn to_remote_witness_script(self, payment: &PublicKey) -> Option<ScriptBuf> {
        match self {
            CommitmentFormat::StaticRemotekey => None,
            CommitmentFormat::Anchors => Some(anchors::to_remote(payment)),
        }
    }

    /// `scriptpubkey` of `to_remote`.
    #[must_use]
    pub fn to_remote_script(self, payment: &PublicKey) -> ScriptBuf {
        match self.to_remote_witness_script(payment) {
            None => static_remotekey::to_remote(payment),
            Some(script) => script.to_p2wsh(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // BOLT 3.fee-calculation.1
    // BOLT 3.fee-calculation.3
    #[test]
    fn htlc_transactions_of_anchor_channels_pay_nothing() {
        assert!(!CommitmentFormat::Anchors.htlcs_pay_fee());
        assert_eq!(CommitmentFormat::Anchors.anchors_cost(), Sat(660));
        assert_eq!(CommitmentFormat::StaticRemotekey.anchors_cost(), Sat::ZERO);
    }

    // attack 5
    #[test]
    fn only_the_defined_channel_types_name_a_format() {
        for format in [CommitmentFormat::StaticRemotekey, CommitmentFormat::Anchors] {
            assert_eq!(CommitmentFormat::from_channel_type(&format.channel_type()), Some(format));
            let private = format.channel_type().with_bit(46).with_bit(50);
            assert_eq!(CommitmentFormat::from_channel_type(&private), Some(format));
        }
        let with_fees = Features::empty().with_bit(12).with_bit(20);
        for bad in
            [Features::empty(), with_fees, Features::empty().with_bit(22), Features::empty().with_bit(13)]
        {
            assert_eq!(CommitmentFormat::from_channel_type(&bad), None, "{bad:?}");
        }
    }
}

//! Which HTLCs get an output, and what a commitment costs (BOLT 3 "Trimmed Outputs", "Fee Calculation").
//!
//! The builder uses these same functions, so that whoever asks beforehand gets the answer that the transaction will give.

use astrape_primitives::{FeeratePerKw, Msat, Sat};

use crate::format::CommitmentFormat;
use crate::terms::HtlcDirection;
use crate::weights::HTLC_OUTPUT_WEIGHT;

/// Fee of an HTLC transaction.
#[must_use]
pub const fn htlc_fee(format: CommitmentFormat, direction: HtlcDirection, feerate: FeeratePerKw) -> Sat {
    if format.htlcs_pay_fee() { feerate.fee(format.htlc_weight(direction)) } else { Sat::ZERO }
}

/// Least amount, in whole satoshi, with which an HTLC gets an output in a commitment with this dust limit.
#[must_use]
pub const fn trim_threshold(
    format: CommitmentFormat,
    direction: HtlcDirection,
    dust_limit: Sat,
    feerate: FeeratePerKw,
) -> Sat {
    dust_limit.saturating_add(htlc_fee(format, direction, feerate))
}

/// Whether an HTLC gets no output in a commitment with this dust limit: its owner's.
#[must_use]
pub const fn is_trimmed(
    format: CommitmentFormat,
    direction: HtlcDirection,
    amount: Msat,
    dust_limit: Sat,
    feerate: FeeratePerKw,
) -> bool {
    amount.to_sat_floor().0 < trim_threshold(format, direction, dust_limit, feerate).0
}

/// Base fee of a commitment: what the opener pays, beside the anchors ([`CommitmentFormat::anchors_cost`]).
#[must_use]
pub const fn commitment_fee(format: CommitmentFormat, feerate: FeeratePerKw, untrimmed_htlcs: usize) -> Sat {
    feerate.fee(commitment_weight(format, untrimmed_htlcs))
}

/// Expected weight of a commitment with so many HTLC outputs.
#[must_use]
pub const fn commitment_weight(format: CommitmentFormat, untrimmed_htlcs: usize) -> u64 {
    format.commitment_weight().saturating_add(HTLC_OUTPUT_WEIGHT.saturating_mul(untrimmed_htlcs as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use HtlcDirection::{Offered, Received};

    // BOLT 3.fee-calculation.2
    // BOLT 3.fee-calculation.4
    // BOLT 3.fee-calculation.5
    // BOLT 3.fee-calculation.6
    // BOLT 3.fee-calculation.7
    #[test]
    fn the_example_of_the_bolt_comes_out() {
        let (format, feerate, dust) = (CommitmentFormat::StaticRemotekey, FeeratePerKw(5000), Sat(546));
        assert_eq!(htlc_fee(format, Offered, feerate), Sat(3315));
        assert_eq!(htlc_fee(format, Received, feerate), Sat(3515));
        let trimmed = |direction, msat| is_trimmed(format, direction, Msat(msat), dust, feerate);
        assert!(!trimmed(Offered, 5_000_000) && trimmed(Offered, 1_000_000));
        assert!(!trimmed(Received, 7_000_000) && trimmed(Received, 800_000));
        assert_eq!(commitment_fee(format, feerate, 2), Sat(5340));
        assert_eq!(commitment_fee(CommitmentFormat::Anchors, FeeratePerKw(1001), 1), Sat(1297));
    }

    #[test]
    fn hostile_feerates_do_not_overflow() {
        let fee = commitment_fee(CommitmentFormat::Anchors, FeeratePerKw(u32::MAX), usize::MAX);
        assert_eq!(fee, Sat(u64::MAX / 1000));
        assert!(is_trimmed(
            CommitmentFormat::StaticRemotekey,
            Offered,
            Msat(1),
            Sat(u64::MAX),
            FeeratePerKw(u32::MAX)
        ));
    }
}

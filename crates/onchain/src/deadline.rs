//! When to go on chain, and when an HTLC is failed back although its end is open (BOLT 2 "Forwarding HTLCs", BOLT 5).
//!
//! All of it is counted in blocks of a chain that we see freshly: a stale view leads to no decision, and no channel is closed
//! for what our own machine missed.

use astrape_primitives::{CltvExpiry, Feerates, Height, PaymentHash, Sat, Side};
use astrape_transactions::{CommitmentFormat, HtlcDirection};

/// Blocks after its expiry that the peer has to fail an HTLC of ours, before we take it back on chain (`G` of BOLT 2).
pub const OFFERED_GRACE_BLOCKS: u32 = 3;

/// Blocks before the expiry of the HTLC that pays for one of ours by which that is failed back, though ours is still open: its
/// peer would go on chain soon after, and one stuck HTLC would close a whole row of channels (attack 52).
pub const FAIL_BACK_BLOCKS: u32 = 6;

/// Blocks before the expiry of the HTLC that pays for one of ours by which our timeout of it must be in a block: so that it is
/// deep when [`FAIL_BACK_BLOCKS`] come.
pub const TIMEOUT_MARGIN_BLOCKS: u32 = 12;

/// Going on chain for HTLCs must bring this many times what it costs.
pub const WORTH_FACTOR: u64 = 2;

/// Within so many blocks the claims that are reckoned with shall confirm.
const WORTH_TARGET_BLOCKS: u32 = 6;

/// Weight of the transaction that sweeps the output of an HTLC transaction to a taproot script.
const SWEEP_WEIGHT: u64 = 42 + 164 + 160 + 172;

/// An HTLC of an open channel, as these rules see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingHtlc {
    /// Who offered it.
    pub offered_by: Side,
    /// What it is worth.
    pub amount: Sat,
    /// Its hash.
    pub payment_hash: PaymentHash,
    /// When it times out.
    pub cltv_expiry: CltvExpiry,
    /// Whether our commitment has an output for it.
    pub has_output: bool,
    /// For one that the peer offered: whether we know its preimage.
    pub has_preimage: bool,
}

/// Whether an HTLC is due: ours is to be timed out, or the peer's to be claimed, while that is safe. `fresh_since` is the tip
/// when we began to see the chain: what expired before that is the peer's to fail first, once it had its blocks for it.
#[must_use]
pub fn is_due(htlc: &PendingHtlc, tip: Height, fresh_since: Height, fulfil_deadline_blocks: u32) -> bool {
    match htlc.offered_by {
        Side::Local => is_overdue(htlc.cltv_expiry, tip, fresh_since),
        Side::Remote => htlc.has_preimage && tip.plus(fulfil_deadline_blocks) >= Height(htlc.cltv_expiry.0),
    }
}

/// Whether the peer has had its blocks to fail an HTLC of ours that expired, as far as we saw them; `fresh_since` as in [`is_due`].
#[must_use]
pub fn is_overdue(cltv_expiry: CltvExpiry, tip: Height, fresh_since: Height) -> bool {
    tip >= Height(cltv_expiry.0).max(fresh_since).plus(OFFERED_GRACE_BLOCKS)
}

/// Why a channel must go on chain now, if it must: HTLCs are due, and they are worth what that costs.
#[must_use]
pub fn reason_to_close(
    htlcs: &[PendingHtlc],
    format: CommitmentFormat,
    tip: Height,
    fresh_since: Height,
    fulfil_deadline_blocks: u32,
    feerates: &Feerates,
) -> Option<String> {
    let due: Vec<&PendingHtlc> =
        htlcs.iter().filter(|h| is_due(h, tip, fresh_since, fulfil_deadline_blocks)).collect();
    if !are_worth(&due, format, feerates) {
        return None;
    }
    let first = due.iter().min_by_key(|h| h.cltv_expiry)?;
    let (expiry, amount) = (first.cltv_expiry, first.amount);
    let others = match due.len() {
        1 => String::new(),
        n => format!(", and {} more", n - 1),
    };
    Some(match first.offered_by {
        Side::Local => format!(
            "an HTLC of ours of {amount} expired at block {expiry} and the peer has not removed it by block {tip}{others}"
        ),
        Side::Remote => format!(
            "the peer has not removed an HTLC of {amount} although we gave its preimage; it expires at block {expiry}, \
             and it is block {tip}{others}"
        ),
    })
}

/// Whether HTLCs bring [`WORTH_FACTOR`] times what their claims cost. Those without an output bring nothing.
fn are_worth(due: &[&PendingHtlc], format: CommitmentFormat, feerates: &Feerates) -> bool {
    let (mut brings, mut costs) = (Sat::ZERO, Sat::ZERO);
    for htlc in due.iter().filter(|h| h.has_output) {
        let cost = claim_cost(htlc.offered_by, format, feerates);
        if htlc.amount > cost {
            brings = brings.saturating_add(htlc.amount);
            costs = costs.saturating_add(cost);
        }
    }
    brings > Sat::ZERO && Some(brings) >= costs.checked_mul(WORTH_FACTOR)
}

/// What it costs to bring one HTLC from our commitment into our wallet.
fn claim_cost(offered_by: Side, format: CommitmentFormat, feerates: &Feerates) -> Sat {
    let direction = if offered_by == Side::Local { HtlcDirection::Offered } else { HtlcDirection::Received };
    feerates.within(WORTH_TARGET_BLOCKS).fee(format.htlc_weight(direction) + SWEEP_WEIGHT)
}

/// Whether the HTLC that pays for one of ours must be failed back now, though ours is open.
#[must_use]
pub fn must_fail_back(upstream_expiry: CltvExpiry, tip: Height) -> bool {
    tip.plus(FAIL_BACK_BLOCKS) >= Height(upstream_expiry.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: CommitmentFormat = CommitmentFormat::Anchors;

    fn htlc(offered_by: Side, amount: u64) -> PendingHtlc {
        PendingHtlc {
            offered_by,
            amount: Sat(amount),
            payment_hash: PaymentHash([1; 32]),
            cltv_expiry: CltvExpiry(600),
            has_output: true,
            has_preimage: true,
        }
    }

    fn closes(htlcs: &[PendingHtlc], tip: u32, fresh: u32, feerate: u32) -> bool {
        let feerates = Feerates::flat(astrape_primitives::FeeratePerKw(feerate));
        reason_to_close(htlcs, FORMAT, Height(tip), Height(fresh), 18, &feerates).is_some()
    }

    // attack 34
    #[test]
    fn ours_is_timed_out_after_its_grace_and_the_peers_claimed_well_before_its_expiry() {
        assert!(!closes(&[htlc(Side::Local, 50_000)], 602, 0, 300));
        assert!(closes(&[htlc(Side::Local, 50_000)], 603, 0, 300));
        assert!(!closes(&[htlc(Side::Remote, 50_000)], 581, 0, 300));
        assert!(closes(&[htlc(Side::Remote, 50_000)], 582, 0, 300));
        let unknown = PendingHtlc { has_preimage: false, ..htlc(Side::Remote, 50_000) };
        assert!(!closes(&[unknown], 700, 0, 300), "it is the peer's to take back");
    }

    // attack 32
    #[test]
    fn nothing_is_closed_for_htlcs_that_are_not_worth_it() {
        // 666 + 538 weight units at 10,000 sat/kw cost 12,040 sat.
        assert!(!closes(&[htlc(Side::Local, 24_000)], 650, 0, 10_000));
        assert!(closes(&[htlc(Side::Local, 24_200)], 650, 0, 10_000));
        let small = htlc(Side::Local, 12_000);
        assert!(!closes(&[small; 400], 650, 0, 10_000), "each would cost more than it brings");
        let dust = PendingHtlc { has_output: false, ..htlc(Side::Local, 5_000_000) };
        assert!(!closes(&[dust], 650, 0, 300), "on chain there is nothing to claim");
    }

    #[test]
    fn what_expired_while_we_saw_no_chain_is_the_peers_to_fail_first() {
        assert!(!closes(&[htlc(Side::Local, 50_000)], 800, 799, 300));
        assert!(closes(&[htlc(Side::Local, 50_000)], 802, 799, 300));
        assert!(closes(&[htlc(Side::Remote, 50_000)], 598, 598, 300), "a preimage is at stake: at once");
    }

    // attack 52
    #[test]
    fn upstream_is_failed_back_before_its_peer_would_close() {
        assert!(!must_fail_back(CltvExpiry(680), Height(673)));
        assert!(must_fail_back(CltvExpiry(680), Height(674)));
        assert!(must_fail_back(CltvExpiry(0), Height(u32::MAX)));
    }
}

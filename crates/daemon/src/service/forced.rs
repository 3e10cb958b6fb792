//! What a forced close costs, and when the money comes back: told before it is done.

use super::channels::settled;
use crate::render::words::{about, count, msat, sat, short};
use astrape_api::v1::ForcedClose;
use astrape_channel::{Channel, Open, Phase};
use astrape_node::reserve::CHILD_WEIGHT;
use astrape_node::{Node, Refusal};
use astrape_primitives::{ChannelKeysId, FeeratePerKw, Msat, Sat, Side};
use astrape_transactions::{CommitmentFormat, commitment_fee};
use tonic::Status;

/// Seconds of a block.
pub(super) const BLOCK_SECS: u64 = 600;

/// Weight of the transaction that brings our share home: `to_local` as input, a script of the wallet as output.
const SWEEP_WEIGHT: u64 = 42 + (164 + 155) + 172;

/// Whether our own commitment may go on chain at all: not one that may be old, and never one that is.
pub(super) fn check(node: &Node, keys: ChannelKeysId) -> Result<(), Status> {
    if node.suspect().any(|suspect| suspect == keys) {
        return Err(Status::failed_precondition(Refusal::Suspect.to_string()));
    }
    match node.channel(&keys).map(|channel| &channel.phase) {
        Some(Phase::Closing(closing)) if closing.open.funding.spent.is_none() => {
            closing.how.why_not_forced().map_or(Ok(()), |why| Err(Status::failed_precondition(why)))
        }
        _ => Ok(()),
    }
}

/// What a forced close of this channel costs; `None` while it is not funded. What is told of one that is done gives no advice
/// against it.
pub(super) fn forced_close(node: &Node, channel: &Channel, is_done: bool) -> Option<ForcedClose> {
    let open = channel.open()?;
    let in_flight: Msat = open.htlcs.values().map(|htlc| htlc.amount).sum();
    let last_expiry = open.htlcs.values().map(|htlc| htlc.cltv_expiry.0).max();
    let delay_blocks = u32::from(open.funding.terms.local.to_self_delay);
    let mut forced = ForcedClose {
        ours_sat: settled(open, Side::Local).to_sat_floor().0,
        fee_sat: fee(open, node.feerate()).0,
        delay_blocks,
        delay_secs: u64::from(delay_blocks) * BLOCK_SECS,
        htlcs: super::info::saturate(open.htlcs.len()),
        in_flight_msat: in_flight.0,
        htlc_blocks: last_expiry.map_or(0, |expiry| expiry.saturating_sub(node.height().0)),
        warning: String::new(),
    };
    let advice = match is_done {
        true => format!("`astrape onchain {}` tells how it goes on.", short(&channel.channel_id().to_string())),
        false => "A close with the peer's consent costs less and locks nothing: try `astrape close` without --force first.".into(),
    };
    forced.warning = format!("{} {advice}", warning(&forced));
    Some(forced)
}

/// What goes to miners of our share, at a feerate.
fn fee(open: &Open, feerate: FeeratePerKw) -> Sat {
    let format = open.params.format;
    let of_commitment =
        commitment_fee(format, open.fees.at(Side::Local, open.local.number), open.htlcs.len())
            .saturating_add(format.anchors_cost());
    let ours = if open.params.opener == Side::Local { of_commitment } else { Sat::ZERO };
    let child = match format {
        CommitmentFormat::Anchors => feerate.fee(CHILD_WEIGHT),
        CommitmentFormat::StaticRemotekey => Sat::ZERO,
    };
    ours.saturating_add(child).saturating_add(feerate.fee(SWEEP_WEIGHT))
}

fn warning(forced: &ForcedClose) -> String {
    let mut text = format!(
        "A forced close costs about {} of the {} that are ours, and locks the rest for {} ({}) from the block of the \
         commitment on.",
        sat(forced.fee_sat),
        sat(forced.ours_sat),
        count(forced.delay_blocks, "block"),
        about(forced.delay_secs),
    );
    if forced.htlcs > 0 {
        text += &format!(
            " {} in flight, {} in all, end on chain too: each costs further fees, and the last can take {} ({}) before the \
             lock begins.",
            count(forced.htlcs, "payment"),
            msat(forced.in_flight_msat),
            count(forced.htlc_blocks, "block"),
            about(u64::from(forced.htlc_blocks) * BLOCK_SECS),
        );
    }
    text
}

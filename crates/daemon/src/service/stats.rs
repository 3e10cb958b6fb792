//! What forwarding has earned.

use super::{NodeService, argument, refusal};
use crate::engine::clock;
use astrape_api::v1::{ChannelStats, ForwardStats, GetStatsRequest, GetStatsResponse, PeriodStats};
use astrape_node::Node;
use astrape_primitives::ChannelKeysId;
use astrape_storage::{ChannelTally, Tally};
use std::collections::BTreeMap;
use tonic::Status;

/// What is told when the caller does not say since when.
const USUAL_SECS: u64 = 30 * 86_400;

/// Length of a period when the caller does not say.
const USUAL_PERIOD_SECS: u64 = 86_400;

/// Most periods in an answer: a year of days.
pub(crate) const MAX_PERIODS: u64 = 366;

impl NodeService {
    pub(super) async fn get_stats(&self, request: GetStatsRequest) -> Result<GetStatsResponse, Status> {
        let limit = argument::limit("limit", request.limit)?;
        // What happens in this very second belongs to it too.
        let until = request.until.unwrap_or_else(|| clock::now().secs() + 1);
        let since = request.since.unwrap_or_else(|| until.saturating_sub(USUAL_SECS));
        let period = request.period_secs.unwrap_or(USUAL_PERIOD_SECS);
        if since >= until {
            let field = if request.since.is_some() { "since" } else { "until" };
            return Err(argument::invalid(field, "the end must come after the begin"));
        }
        // Periods begin where those of everybody do, days at midnight: the first and the last may be told in part.
        let periods = (until - 1).checked_div(period).map(|last| last - since / period + 1);
        if periods.is_none_or(|periods| periods > MAX_PERIODS) {
            let why = format!("there would be more than {MAX_PERIODS} periods: ask for longer ones");
            let field = if request.period_secs.is_some() { "period_secs" } else { "since" };
            return Err(argument::invalid(field, why));
        }
        let (from_ms, to_ms) = (since.saturating_mul(1_000), until.saturating_mul(1_000));
        let period_ms = period.saturating_mul(1_000);
        let tallies = self.handle.read(move |ledger| {
            let periods = ledger.forwards_by_period(from_ms, to_ms, period_ms)?;
            Ok((periods, ledger.forwards_by_channel(from_ms, to_ms)?))
        });
        let (periods, mut channels) = tallies.await.map_err(refusal::ledger)?;
        let total = periods.iter().fold(Tally::default(), |sum, (_, tally)| sum.with(tally));
        channels.sort_by_key(|c| (std::cmp::Reverse((c.outgoing.fee_msat, c.incoming.fee_msat)), c.channel));
        let node = self.snapshot();
        let shown = || channels.iter().take(limit);
        let names = self.channel_names(shown().map(|tally| ChannelKeysId(tally.channel)).collect()).await?;
        let told = |(number, tally): &(u64, Tally)| PeriodStats {
            from: number.saturating_mul(period),
            stats: Some(stats(tally)),
        };
        Ok(GetStatsResponse {
            total: Some(stats(&total)),
            periods: periods.iter().map(told).collect(),
            period_secs: period,
            channels: shown().map(|tally| channel(&node, tally, &names)).collect(),
        })
    }
}

fn channel(node: &Node, tally: &ChannelTally, names: &BTreeMap<ChannelKeysId, String>) -> ChannelStats {
    let keys = ChannelKeysId(tally.channel);
    let id = node.channel(&keys).map(|channel| channel.channel_id().to_string());
    ChannelStats {
        keys_id: keys.to_string(),
        short_channel_id: node.short_channel_id(&keys).map(|scid| scid.to_string()),
        peer: node.channel(&keys).map(|channel| channel.peer().to_string()),
        channel_id: id.or_else(|| names.get(&keys).cloned()),
        incoming: Some(stats(&tally.incoming)),
        outgoing: Some(stats(&tally.outgoing)),
    }
}

fn stats(tally: &Tally) -> ForwardStats {
    let all = tally.forwarded + tally.failed_here + tally.failed_beyond;
    let per_mille = (tally.forwarded * 1_000).checked_div(all).unwrap_or(0);
    ForwardStats {
        forwarded: tally.forwarded,
        failed_here: tally.failed_here,
        failed_beyond: tally.failed_beyond,
        amount_msat: tally.amount_msat,
        fee_msat: tally.fee_msat,
        took_ms: tally.took_ms.checked_div(tally.forwarded).unwrap_or(0),
        success_per_mille: u32::try_from(per_mille).unwrap_or(0),
    }
}

//! What forwarding has earned.

use super::payments::took;
use super::table::table;
use super::words::{msat, short, time};
use astrape_api::v1::{ChannelStats, ForwardStats, GetStatsResponse, PeriodStats};

/// In all, by period and by channel.
#[must_use]
pub fn stats(answer: &GetStatsResponse) -> String {
    let total = answer.total.unwrap_or_default();
    if total == ForwardStats::default() {
        return "Nothing was forwarded in that time.\n".to_owned();
    }
    let periods = answer.periods.iter().map(period).chain([all(&total)]).collect();
    let headings =
        ["from (utc)", "forwarded", "failed here", "failed beyond", "success", "amount", "earned", "took"];
    let periods = table(&headings, &[1, 2, 3, 4, 5, 6, 7], periods);
    let headings = ["channel", "came in", "success", "went out", "success", "amount out", "earned"];
    let channels = table(&headings, &[1, 2, 3, 4, 5, 6], answer.channels.iter().map(channel).collect());
    format!("{periods}\n{channels}")
}

fn period(period: &PeriodStats) -> Vec<String> {
    row(time(period.from), &period.stats.unwrap_or_default())
}

fn all(total: &ForwardStats) -> Vec<String> {
    row("in all".to_owned(), total)
}

fn row(name: String, stats: &ForwardStats) -> Vec<String> {
    vec![
        name,
        stats.forwarded.to_string(),
        stats.failed_here.to_string(),
        stats.failed_beyond.to_string(),
        success(stats),
        msat(stats.amount_msat),
        msat(stats.fee_msat),
        took(stats.took_ms),
    ]
}

fn channel(channel: &ChannelStats) -> Vec<String> {
    let (incoming, outgoing) = (channel.incoming.unwrap_or_default(), channel.outgoing.unwrap_or_default());
    vec![
        channel.short_channel_id.clone().unwrap_or_else(|| short(&channel.keys_id)),
        incoming.forwarded.to_string(),
        success(&incoming),
        outgoing.forwarded.to_string(),
        success(&outgoing),
        msat(outgoing.amount_msat),
        msat(outgoing.fee_msat),
    ]
}

fn success(stats: &ForwardStats) -> String {
    if stats.forwarded + stats.failed_here + stats.failed_beyond == 0 {
        return "-".to_owned();
    }
    format!("{}.{} %", stats.success_per_mille / 10, stats.success_per_mille % 10)
}

//! What forwarding has earned.

use super::table::table;
use super::words::{bare, day, minute, short, time};
use astrape_api::v1::{ChannelStats, ForwardStats, GetStatsResponse};

/// In all, by period and by channel.
#[must_use]
pub fn stats(answer: &GetStatsResponse) -> String {
    let total = answer.total.unwrap_or_default();
    if total == ForwardStats::default() {
        return "Nothing was forwarded in that time.\n".to_owned();
    }
    let by_period = answer
        .periods
        .iter()
        .map(|of| row(label(of.from, answer.period_secs), &of.stats.unwrap_or_default()));
    let periods = by_period.chain([all(&total)]).collect();
    let headings = ["from (utc)", "passed", "failed", "(here)", "success", "amount (sat)", "earned"];
    let periods = table(&headings, &[1, 2, 3, 4, 5, 6], periods);
    let headings = ["channel", "came in", "success", "went out", "success", "out (sat)", "earned"];
    let channels = table(&headings, &[1, 2, 3, 4, 5, 6], answer.channels.iter().map(channel).collect());
    format!("{periods}\n{channels}")
}

/// When a period begins, as fine as periods are.
fn label(from: u64, period_secs: u64) -> String {
    match period_secs {
        secs if secs > 0 && secs.is_multiple_of(86_400) => day(from),
        secs if secs.is_multiple_of(60) => minute(from),
        _ => time(from),
    }
}

fn all(total: &ForwardStats) -> Vec<String> {
    row("in all".to_owned(), total)
}

fn row(name: String, stats: &ForwardStats) -> Vec<String> {
    vec![
        name,
        stats.forwarded.to_string(),
        stats.failed_here.saturating_add(stats.failed_beyond).to_string(),
        format!("({})", stats.failed_here),
        success(stats),
        bare(stats.amount_msat),
        bare(stats.fee_msat),
    ]
}

fn channel(channel: &ChannelStats) -> Vec<String> {
    let (incoming, outgoing) = (channel.incoming.unwrap_or_default(), channel.outgoing.unwrap_or_default());
    vec![
        channel
            .short_channel_id
            .clone()
            .unwrap_or_else(|| short(channel.channel_id.as_ref().unwrap_or(&channel.keys_id))),
        incoming.forwarded.to_string(),
        success(&incoming),
        outgoing.forwarded.to_string(),
        success(&outgoing),
        bare(outgoing.amount_msat),
        bare(outgoing.fee_msat),
    ]
}

fn success(stats: &ForwardStats) -> String {
    if stats.forwarded + stats.failed_here + stats.failed_beyond == 0 {
        return "-".to_owned();
    }
    format!("{}.{} %", stats.success_per_mille / 10, stats.success_per_mille % 10)
}

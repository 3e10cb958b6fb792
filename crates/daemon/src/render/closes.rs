//! How channels end, and ended.

use super::table::{Row, table_with_notes, wrapped, wrapped_list};
use super::words::{about, bare_sat, count, sat, short, short_outpoint, time};
use astrape_api::v1::{Close, CloseOutput, ListClosesResponse};

/// Spaces in front of the further lines of an event, whose first begins with its time.
const EVENT_INDENT: usize = 4;

/// All closes, or with everything that is known the one that was asked for.
#[must_use]
pub fn closes(answer: &ListClosesResponse, asked_for_one: bool) -> String {
    if answer.closes.is_empty() {
        return "No channel has been closed, and none is closing.\n".to_owned();
    }
    let stories = answer.closes.iter().map(|close| story(close, asked_for_one || !close.over));
    stories.collect::<Vec<_>>().join("\n")
}

/// How to ask for what comes after a page that is full; nothing where there is no more.
#[must_use]
pub fn next_page(answer: &ListClosesResponse, limit: u32) -> String {
    let last = answer.closes.last().filter(|_| answer.closes.len() >= limit as usize);
    match last.map(|close| (close.number, &close.keys_id)) {
        Some((Some(number), _)) => format!("\nThere may be more: `astrape onchain --before {number}`\n"),
        Some((None, keys)) => format!("\nThere may be more: `astrape onchain --after {keys}`\n"),
        None => String::new(),
    }
}

fn story(close: &Close, whole: bool) -> String {
    let mut rows = vec![
        ("channel", format!("{} with {}", id(&close.channel_id, whole), id(&close.peer, whole))),
        ("why", close.why.clone()),
        ("closed by", closed_by(close)),
        ("ours", ours(close)),
    ];
    rows.extend(spendable(close).map(|when| ("spendable", when)));
    let mut text = wrapped_list(&rows);
    if whole && !close.outputs.is_empty() {
        text.push('\n');
        let rows = close.outputs.iter().map(row).collect();
        text.push_str(&table_with_notes(&["amount (sat)", "output", "claimed by"], &[0], rows));
    }
    if whole && close.outputs_left_out > 0 {
        text.push_str(&left_out(close.outputs_left_out, "output", close));
    }
    if whole && close.events_left_out > 0 {
        text.push('\n');
        text.push_str(&left_out(close.events_left_out, "earlier event", close));
    }
    if whole && !close.events.is_empty() {
        text.push('\n');
        for event in &close.events {
            let txid = event.txid.as_ref().map_or_else(String::new, |txid| format!(" ({txid})"));
            let line = wrapped(&format!("{} {}{txid}", time(event.at_ms / 1_000), event.text), EVENT_INDENT);
            text.push_str(line.get(EVENT_INDENT..).unwrap_or_default());
        }
    }
    text
}

fn left_out(left_out: u32, what: &str, close: &Close) -> String {
    format!(
        "Left out: {}. `astrape onchain {}` tells all.\n",
        count(left_out, what),
        short(&close.channel_id)
    )
}

fn id(id: &str, whole: bool) -> String {
    if whole { id.to_owned() } else { short(id) }
}

fn closed_by(close: &Close) -> String {
    let txid = close.txid.as_ref().map_or_else(String::new, |txid| format!(", {txid}"));
    let block = close.height.map_or_else(String::new, |height| {
        format!(", in block {height} ({})", count(close.confirmations, "confirmation"))
    });
    format!("{}{txid}{block}", close.how)
}

fn ours(close: &Close) -> String {
    let fees = match close.fees_sat {
        None | Some(0) => String::new(),
        Some(fees) => format!(", beside {} that fees took", sat(fees)),
    };
    match (close.over, close.returned_sat) {
        (true, Some(returned)) => format!("{} came back{fees}", sat(returned)),
        (true, None) => "all came back that was to come".to_owned(),
        (false, returned) => {
            format!(
                "{} to come, {} came back already{fees}",
                sat(close.pending_sat),
                sat(returned.unwrap_or(0))
            )
        }
    }
}

fn spendable(close: &Close) -> Option<String> {
    let (height, secs) =
        close.spendable_height.zip(close.spendable_in_secs).filter(|_| close.pending_sat > 0)?;
    Some(match secs {
        0 => "all of it now".to_owned(),
        _ => format!("the last of it at block {height}, in {}", about(secs)),
    })
}

fn row(output: &CloseOutput) -> Row {
    let when = output.spendable_in_secs.filter(|secs| *secs > 0 && output.claim_txid.is_none());
    let when = when.map_or_else(String::new, |secs| format!(", in {}", about(secs)));
    let by = output.claim_txid.as_deref().map_or("-".to_owned(), short);
    Row {
        cells: vec![bare_sat(output.amount_sat), short_outpoint(&output.outpoint), by],
        below: vec![format!("{}: {}{when}", output.what, output.status)],
    }
}

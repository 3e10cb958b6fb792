//! What channels ask for forwarding.

use super::table::{Row, table_with_notes};
use super::words::{msat, short};
use astrape_api::v1::{Channel, SetChannelResponse};

/// What channels ask, a line each.
#[must_use]
pub fn policies(answer: &SetChannelResponse) -> String {
    if answer.channels.is_empty() {
        return "No channels.\n".to_owned();
    }
    let headings = ["channel", "base", "millionths", "blocks", "smallest", "largest", "usual"];
    table_with_notes(&headings, &[1, 2, 3, 4, 5], answer.channels.iter().map(row).collect())
}

fn row(channel: &Channel) -> Row {
    let policy = channel.policy.unwrap_or_default();
    let inbound = match (policy.inbound_base_msat, policy.inbound_proportional_millionths) {
        (0, 0) => String::new(),
        (base, share) => {
            let sign = if base < 0 { "-" } else { "" };
            let base = msat(base.unsigned_abs().into());
            format!("for what comes in over it: {sign}{base}, {share} millionths")
        }
    };
    let cells = vec![
        short(&channel.channel_id),
        msat(policy.fee_base_msat),
        policy.fee_proportional_millionths.to_string(),
        policy.cltv_expiry_delta.to_string(),
        msat(policy.htlc_minimum_msat),
        policy.htlc_maximum_msat.map_or("all".to_owned(), msat),
        if policy.is_default { "yes" } else { "no" }.to_owned(),
    ];
    Row { cells, below: vec![inbound] }
}

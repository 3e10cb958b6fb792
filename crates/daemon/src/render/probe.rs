//! What a probe has found.

use super::table::table;
use super::words::{msat, short};
use astrape_api::v1::ProbeResponse;

/// Whether a payment could arrive, and by which way.
#[must_use]
pub fn probe(answer: &ProbeResponse) -> String {
    let tried = match answer.attempts {
        1 => "1 way was tried".to_owned(),
        ways => format!("{ways} ways were tried"),
    };
    let headline = if answer.reached {
        format!("Reached: a payment could arrive, for a fee of {}; {tried}.", msat(answer.fee_msat))
    } else {
        format!("Not reached: {}. {tried}.", answer.reason)
    };
    if answer.hops.is_empty() {
        return format!("{headline}\n");
    }
    let rows = (1..).zip(&answer.hops).map(|(at, hop): (usize, _)| vec![at.to_string(), short(hop)]);
    format!("{headline}\n{}", table(&["hop", "node"], &[0], rows.collect()))
}

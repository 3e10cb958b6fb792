//! What a probe has found.

use super::payments::took;
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
    let times = answer.hold_times_ms.iter().copied().map(Some).chain(std::iter::repeat(None));
    let rows = (1..).zip(&answer.hops).zip(times).map(|((at, hop), time): ((usize, _), _)| {
        let held = time.filter(|time| *time > 0).map_or("-".to_owned(), took);
        vec![at.to_string(), short(hop), held]
    });
    format!("{headline}\n{}", table(&["hop", "node", "held it for"], &[0, 2], rows.collect()))
}

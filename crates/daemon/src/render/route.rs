//! The way that a payment would take.

use super::table::table;
use super::words::{msat, short};
use astrape_api::v1::{FindRouteResponse, RouteHop};

/// A way, or several, hop by hop.
#[must_use]
pub fn route(route: &FindRouteResponse) -> String {
    let parts = match route.parts.len() {
        1 => String::new(),
        parts => format!(" in {parts} parts"),
    };
    let (amount, fee) = (msat(route.amount_msat), msat(route.fee_msat));
    let headline = format!("{amount}{parts} for a fee of {fee}; chance {}.", chance(route.chance_millionths));
    let rows = (1..).zip(&route.parts).flat_map(|(number, part)| {
        (1..).zip(&part.hops).map(move |(at, hop)| row(number, at, hop)).collect::<Vec<_>>()
    });
    let headings = ["part", "hop", "channel", "to", "amount", "blocks"];
    format!("{headline}\n{}", table(&headings, &[0, 1, 4, 5], rows.collect()))
}

fn row(part: usize, at: usize, hop: &RouteHop) -> Vec<String> {
    vec![
        part.to_string(),
        at.to_string(),
        hop.short_channel_id.clone(),
        short(&hop.node_id),
        msat(hop.amount_msat),
        hop.blocks.to_string(),
    ]
}

/// Millionths as a share of a hundred.
fn chance(millionths: u32) -> String {
    format!("{}.{}%", millionths / 10_000, millionths / 1_000 % 10)
}

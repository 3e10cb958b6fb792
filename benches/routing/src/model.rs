//! One measure for what both sides find: fees, and the chance that all parts get through.

use astrape_routing::search::Weights;
use astrape_routing::synthetic::Link;
use std::collections::BTreeMap;

/// What was found: for each part what arrives, and the channels with the HTLC over each.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub parts: Vec<(u64, Vec<(u64, u64)>)>,
}

/// Weights like those of LDK 0.2's defaults: 10 sat and 1,250 / 2^20 of the amount for a factor 10 of the chance; for a hop
/// 1.024 sat and 131,072 / 2^30, and what it adds for a channel that has not been tried (78 / 64 on the chance).
pub const WEIGHTS: Weights = Weights {
    risk_msat: 4_343,
    risk_millionths: 518,
    hop_msat: 1_883,
    hop_millionths: 224,
    lock_billionths: 0,
};

#[derive(Clone, Copy, Debug)]
pub struct Quality {
    pub fee_msat: u64,
    pub chance: f64,
    /// Fees, hops and risk weighed together, in msat.
    pub cost: f64,
}

impl Found {
    pub fn quality(&self, links: &[Link]) -> Quality {
        let amount: u64 = self.parts.iter().map(|(delivered, _)| delivered).sum();
        let sent: u64 = self.parts.iter().map(|(_, hops)| hops[0].1).sum();
        let hops: usize = self.parts.iter().map(|(_, hops)| hops.len()).sum();
        let mut flows: BTreeMap<u64, u64> = BTreeMap::new();
        for (id, over) in self.parts.iter().flat_map(|(_, hops)| hops) {
            *flows.entry(*id).or_default() += over;
        }
        let chance: f64 = flows.iter().map(|(id, flow)| chance(*flow, capacity_msat(links, *id))).product();
        let fee_msat = sent - amount;
        let share = |millionths: u64| amount as f64 * millionths as f64 / 1e6;
        let hop = WEIGHTS.hop_msat as f64 + share(WEIGHTS.hop_millionths);
        let nat = WEIGHTS.risk_msat as f64 + share(WEIGHTS.risk_millionths);
        let cost = fee_msat as f64 + hops as f64 * hop - chance.max(1e-6).ln() * nat;
        Quality { fee_msat, chance, cost }
    }
}

fn capacity_msat(links: &[Link], id: u64) -> u64 {
    let number = usize::try_from(id >> 40).expect("a number") - 1;
    links[number].capacity.to_msat().0
}

/// The density that LDK's scorer and ours assume: half anywhere, half near the ends.
fn chance(amount: u64, capacity: u64) -> f64 {
    let x = 2.0 * amount as f64 / capacity as f64 - 1.0;
    ((2.0 - x - x.powi(9)) / 4.0).clamp(0.0, 1.0)
}

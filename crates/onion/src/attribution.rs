//! Attribution data: which hop held the HTLC for how long, and which hop changed the answer (BOLT 4, "Returning Errors",
//! and "Hold times for successful payments").
//!
//! Each hop writes its hold time and 20 truncated HMACs, one for each distance it may have from the end of the route,
//! since only the origin knows the distance. HMAC `(x, y)` was written by the node `x` hops after the one at hand,
//! for the case that it is `y` hops before the end; the HMACs of one node lie together, largest `y` first.

use crate::keys::{KeyKind, SharedSecret, finish};
use astrape_wire::AttributionData;
use bitcoin::hashes::{HashEngine as _, cmp::fixed_time_eq};

/// Most hops that attribution data speaks of.
pub const MAX_ATTRIBUTED_HOPS: usize = AttributionData::MAX_HOPS;

const HOLD_TIME_LEN: usize = 4;
const HOLD_TIMES_LEN: usize = AttributionData::HOLD_TIMES_LEN;
const MAC_LEN: usize = 4;
const MACS: usize = AttributionData::HMACS_LEN / MAC_LEN;

/// How long a hop held an HTLC, in units of 100 milliseconds; 0 also means that it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HoldTime(pub u32);

impl HoldTime {
    /// From milliseconds, rounded down, held at the largest value.
    #[must_use]
    pub fn from_millis(millis: u64) -> Self {
        Self(u32::try_from(millis / 100).unwrap_or(u32::MAX))
    }

    /// In milliseconds.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0 as u64 * 100
    }
}

/// Attribution data that is being worked on.
pub(crate) struct Attribution([u8; AttributionData::LEN]);

impl Attribution {
    /// What was received; zeros when nothing was.
    pub(crate) fn from_received(received: Option<&AttributionData>) -> Self {
        Self(received.map_or([0; AttributionData::LEN], |data| *data.as_bytes()))
    }

    /// For the wire.
    pub(crate) fn finish(&self) -> AttributionData {
        AttributionData::from_bytes(&self.0)
    }

    /// Writes one hop's hold time and HMACs in front of those from downstream, then obfuscates. `packet` is the return
    /// packet before this hop's obfuscation; empty for a fulfilment.
    pub(crate) fn add_hop(&mut self, secret: &SharedSecret, packet: &[u8], hold_time: HoldTime) {
        self.shift_right();
        self.0[..HOLD_TIME_LEN].copy_from_slice(&hold_time.0.to_be_bytes());
        let mut covered = secret.mac(KeyKind::Um);
        covered.input(packet);
        for y in 0..MAX_ATTRIBUTED_HOPS {
            covered.input(self.hold_time_bytes(y));
            let mut mac = covered.clone();
            self.downstream_macs(y).for_each(|downstream| mac.input(downstream));
            let full = finish(mac);
            self.0[mac_at(0, y)..][..MAC_LEN].copy_from_slice(&full[..MAC_LEN]);
        }
        secret.obfuscate(KeyKind::Ammagext, &mut self.0[..]);
    }

    /// Takes one hop's layer off: its hold time, when its HMAC for the distance `y` from the end is right. `packet` is the
    /// return packet as this hop received it.
    pub(crate) fn take_hop(&mut self, secret: &SharedSecret, packet: &[u8], y: usize) -> Option<HoldTime> {
        secret.obfuscate(KeyKind::Ammagext, &mut self.0[..]);
        let mut mac = secret.mac(KeyKind::Um);
        mac.input(packet);
        (0..=y).for_each(|hop| mac.input(self.hold_time_bytes(hop)));
        self.downstream_macs(y).for_each(|downstream| mac.input(downstream));
        let at = mac_at(0, y);
        if !fixed_time_eq(&finish(mac)[..MAC_LEN], &self.0[at..at + MAC_LEN]) {
            return None;
        }
        let hold_time = self.0.first_chunk().map(|bytes| HoldTime(u32::from_be_bytes(*bytes)));
        self.shift_left();
        hold_time
    }

    fn hold_time_bytes(&self, hop: usize) -> &[u8] {
        &self.0[hop * HOLD_TIME_LEN..][..HOLD_TIME_LEN]
    }

    /// The HMACs of the `y` nodes after the one at hand, when it is `y` hops from the end.
    fn downstream_macs(&self, y: usize) -> impl Iterator<Item = &[u8]> {
        (1..=y).map(move |x| &self.0[mac_at(x, y - x)..][..MAC_LEN])
    }

    /// Makes room for a hop upstream: all nodes are one further away, and nobody can be as far from the end as before.
    fn shift_right(&mut self) {
        let old = self.0;
        self.0[HOLD_TIME_LEN..HOLD_TIMES_LEN].copy_from_slice(&old[..HOLD_TIMES_LEN - HOLD_TIME_LEN]);
        for x in 1..MAX_ATTRIBUTED_HOPS {
            let kept = macs_of(x - 1).start + MAC_LEN..macs_of(x - 1).end;
            self.0[macs_of(x)].copy_from_slice(&old[kept]);
        }
    }

    /// The inverse of `shift_right`, as far as it can be: what was pruned is zero, and is not looked at.
    fn shift_left(&mut self) {
        let old = self.0;
        self.0.fill(0);
        self.0[..HOLD_TIMES_LEN - HOLD_TIME_LEN].copy_from_slice(&old[HOLD_TIME_LEN..HOLD_TIMES_LEN]);
        for x in 1..MAX_ATTRIBUTED_HOPS {
            let restored = macs_of(x - 1).start + MAC_LEN..macs_of(x - 1).end;
            self.0[restored].copy_from_slice(&old[macs_of(x)]);
        }
    }
}

/// Where the HMACs of the node `x` hops away lie: before them those of nearer nodes, 20, then 19, and so on.
const fn macs_of(x: usize) -> core::ops::Range<usize> {
    let count = MAX_ATTRIBUTED_HOPS - x;
    let before = MACS - count * (count + 1) / 2;
    let start = HOLD_TIMES_LEN + before * MAC_LEN;
    start..start + count * MAC_LEN
}

/// Where HMAC `(x, y)` lies.
const fn mac_at(x: usize, y: usize) -> usize {
    macs_of(x).end - (y + 1) * MAC_LEN
}

/// The distance from the end at which the origin checks hop `index` of `hops`; `None` beyond what attribution data holds.
pub(crate) fn distance(index: usize, hops: usize) -> Option<usize> {
    hops.min(MAX_ATTRIBUTED_HOPS).checked_sub(index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_fills_the_field_without_overlap() {
        assert_eq!(AttributionData::LEN, 920);
        assert_eq!(mac_at(0, 19), HOLD_TIMES_LEN);
        assert_eq!(mac_at(1, 18), mac_at(0, 0) + MAC_LEN);
        assert_eq!(mac_at(19, 0), AttributionData::LEN - MAC_LEN);
    }

    #[test]
    fn hold_times_count_tenths_of_a_second() {
        assert_eq!(HoldTime::from_millis(349), HoldTime(3));
        assert_eq!(HoldTime::from_millis(u64::MAX), HoldTime(u32::MAX));
        assert_eq!(HoldTime(3).millis(), 300);
    }
}

//! The lowest estimates of about a day.
//!
//! An opener signs an `update_fee`, the wire is cut, prices rise: after the cut it must say the same again (BOLT 2), and what
//! was right when it was signed looks too low now. Both are honest, so what is asked of it is measured by what we ourselves
//! held for right since.

use astrape_primitives::{FeeratePerKw, Height};

/// Blocks that share one price.
const SPAN: u32 = 24;

/// The lowest estimate of each 24 blocks in which there was one, as far back as [`Prices::WINDOW`].
///
/// Only blocks that came while we had an estimate count: a night forgets nothing, since a peer may have signed just before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    /// First block of each span and its lowest estimate, oldest first.
    spans: Vec<(Height, FeeratePerKw)>,
}

impl Prices {
    /// A price is remembered for at least so many blocks, and for less than another span more.
    pub const WINDOW: u32 = 144;

    /// Spans that are remembered: those that fill the window, and the one that has begun.
    pub const MAX: usize = (Self::WINDOW / SPAN) as usize + 1;

    /// None yet.
    pub const NONE: Prices = Prices { spans: Vec::new() };

    /// Of spans that were written down; `None` when they are no such spans.
    #[must_use]
    pub fn from_spans(spans: Vec<(Height, FeeratePerKw)>) -> Option<Self> {
        let apart =
            spans.windows(2).all(|pair| matches!(pair, [a, b] if a.0.0.saturating_add(SPAN) <= b.0.0));
        (apart && spans.len() <= Self::MAX).then_some(Self { spans })
    }

    /// First block and lowest estimate of each span, oldest first.
    pub fn spans(&self) -> impl Iterator<Item = (Height, FeeratePerKw)> + '_ {
        self.spans.iter().copied()
    }

    /// What we hold for right while this block is the newest. After a reorganisation the newest span is the right one still.
    pub fn note(&mut self, tip: Height, estimate: FeeratePerKw) {
        match self.spans.last_mut() {
            Some((first, lowest)) if tip.0 < first.0.saturating_add(SPAN) => *lowest = estimate.min(*lowest),
            _ => self.spans.push((tip, estimate)),
        }
        let excess = self.spans.len().saturating_sub(Self::MAX);
        self.spans.drain(..excess);
    }

    /// The lowest that is remembered.
    #[must_use]
    pub fn lowest(&self) -> Option<FeeratePerKw> {
        self.spans.iter().map(|(_, lowest)| *lowest).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices(noted: impl IntoIterator<Item = (u32, u32)>) -> Prices {
        let mut prices = Prices::NONE;
        noted.into_iter().for_each(|(tip, estimate)| prices.note(Height(tip), FeeratePerKw(estimate)));
        prices
    }

    #[test]
    fn a_price_is_remembered_for_the_window_and_hardly_longer() {
        for low_at in 1_000..1_000 + SPAN {
            let at = |tip| if tip == low_at { 300 } else { 4_000 };
            let lowest_at = |end: u32| prices((1_000..=end).map(|tip| (tip, at(tip)))).lowest();
            assert_eq!(lowest_at(low_at + Prices::WINDOW), Some(FeeratePerKw(300)), "low at {low_at}");
            assert_eq!(
                lowest_at(low_at + Prices::WINDOW + SPAN),
                Some(FeeratePerKw(4_000)),
                "low at {low_at}"
            );
        }
    }

    #[test]
    fn what_is_not_lower_changes_nothing_until_the_span_is_over() {
        let before = prices([(100, 900)]);
        for (tip, estimate) in [(100, 900), (110, 901), (123, u32::MAX), (90, 4_000), (0, 4_000)] {
            let mut after = before.clone();
            after.note(Height(tip), FeeratePerKw(estimate));
            assert_eq!(after, before, "{estimate} at {tip}");
        }
        assert_eq!(
            prices([(100, 900), (90, 800)]).lowest(),
            Some(FeeratePerKw(800)),
            "after a reorganisation"
        );
        assert_eq!(prices([(100, 900), (124, 4_000)]).spans().count(), 2);
    }

    #[test]
    fn a_night_forgets_nothing() {
        let mut prices = prices([(100, 300), (2_000, 4_000)]);
        assert_eq!(prices.lowest(), Some(FeeratePerKw(300)), "a peer may have signed just before it");
        (2_001..=2_000 + Prices::WINDOW).for_each(|tip| prices.note(Height(tip), FeeratePerKw(4_000)));
        assert_eq!(prices.lowest(), Some(FeeratePerKw(4_000)));
    }

    #[test]
    fn spans_are_bounded_and_only_such_are_read_again() {
        let prices = prices((0..10_000).map(|tip| (tip, 253 + tip)).chain([(u32::MAX, 1), (u32::MAX, 2)]));
        assert_eq!(prices.spans().count(), Prices::MAX);
        assert_eq!(Prices::from_spans(prices.spans().collect()), Some(prices));
        let span = |first, lowest| (Height(first), FeeratePerKw(lowest));
        assert_eq!(Prices::from_spans(vec![span(100, 300), span(123, 300)]), None, "they overlap");
        assert_eq!(Prices::from_spans(vec![span(100, 300), span(40, 300)]), None, "out of their order");
        let many = (0..=Prices::MAX).map(|n| span(u32::try_from(n).expect("small") * SPAN, 300));
        assert_eq!(Prices::from_spans(many.collect()), None, "too many");
    }
}

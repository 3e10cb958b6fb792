//! The lowest and highest estimates of about a day.
//!
//! An opener signs an `update_fee`, the wire is cut, prices change: after the cut it must say the same again (BOLT 2), and what
//! was right when it was signed looks too low now, or far too high. Both are honest, so what is asked of it is measured by what
//! we ourselves held for right since.

use astrape_primitives::{FeeratePerKw, Height};

/// Blocks that share one price.
const SPAN: u32 = 24;

/// The estimates of 24 blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first of the blocks in which there was one.
    pub first: Height,
    /// The lowest.
    pub lowest: FeeratePerKw,
    /// The highest.
    pub highest: FeeratePerKw,
}

/// The lowest and the highest estimate of each 24 blocks in which there was one, as far back as [`Prices::WINDOW`].
///
/// Only blocks that came while we had an estimate count: a night forgets nothing, since a peer may have signed just before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    /// Oldest first.
    spans: Vec<Span>,
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
    pub fn from_spans(spans: Vec<Span>) -> Option<Self> {
        let ends = |span: &Span| span.first.0.saturating_add(SPAN);
        let apart = spans.windows(2).all(|pair| matches!(pair, [a, b] if ends(a) <= b.first.0));
        let in_order = spans.iter().all(|span| span.lowest <= span.highest);
        (apart && in_order && spans.len() <= Self::MAX).then_some(Self { spans })
    }

    /// The spans, oldest first.
    #[must_use]
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// What we hold for right while this block is the newest. After a reorganisation the newest span is the right one still.
    pub fn note(&mut self, tip: Height, estimate: FeeratePerKw) {
        match self.spans.last_mut() {
            Some(span) if tip.0 < span.first.0.saturating_add(SPAN) => {
                span.lowest = span.lowest.min(estimate);
                span.highest = span.highest.max(estimate);
            }
            _ => self.spans.push(Span { first: tip, lowest: estimate, highest: estimate }),
        }
        let excess = self.spans.len().saturating_sub(Self::MAX);
        self.spans.drain(..excess);
    }

    /// The lowest that is remembered.
    #[must_use]
    pub fn lowest(&self) -> Option<FeeratePerKw> {
        self.spans.iter().map(|span| span.lowest).min()
    }

    /// The highest that is remembered.
    #[must_use]
    pub fn highest(&self) -> Option<FeeratePerKw> {
        self.spans.iter().map(|span| span.highest).max()
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

    fn extremes(prices: &Prices) -> [u32; 2] {
        [prices.lowest(), prices.highest()].map(|price| price.expect("some are remembered").0)
    }

    #[test]
    fn a_price_is_remembered_for_the_window_and_hardly_longer() {
        for odd in [300, 90_000] {
            for odd_at in 1_000..1_000 + SPAN {
                let at = |tip| if tip == odd_at { odd } else { 4_000 };
                let extremes_at = |end: u32| extremes(&prices((1_000..=end).map(|tip| (tip, at(tip)))));
                let remembered = [odd.min(4_000), odd.max(4_000)];
                assert_eq!(extremes_at(odd_at + Prices::WINDOW), remembered, "{odd} at {odd_at}");
                assert_eq!(extremes_at(odd_at + Prices::WINDOW + SPAN), [4_000; 2], "{odd} at {odd_at}");
            }
        }
    }

    #[test]
    fn what_lies_between_changes_nothing_until_the_span_is_over() {
        let before = prices([(100, 900), (101, 5_000)]);
        for (tip, estimate) in [(100, 900), (110, 901), (123, 5_000), (90, 4_000), (0, 4_000)] {
            let mut after = before.clone();
            after.note(Height(tip), FeeratePerKw(estimate));
            assert_eq!(after, before, "{estimate} at {tip}");
        }
        assert_eq!(
            extremes(&prices([(100, 900), (90, 800), (80, 950)])),
            [800, 950],
            "after a reorganisation"
        );
        assert_eq!(prices([(100, 900), (124, 4_000)]).spans().len(), 2);
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
        assert_eq!(prices.spans().len(), Prices::MAX);
        assert_eq!(Prices::from_spans(prices.spans().to_vec()), Some(prices));
        let span =
            |first| Span { first: Height(first), lowest: FeeratePerKw(300), highest: FeeratePerKw(300) };
        assert_eq!(Prices::from_spans(vec![span(100), span(123)]), None, "they overlap");
        assert_eq!(Prices::from_spans(vec![span(100), span(40)]), None, "out of their order");
        let wrong = Span { highest: FeeratePerKw(299), ..span(100) };
        assert_eq!(Prices::from_spans(vec![wrong]), None, "the highest is below the lowest");
        let many = (0..=Prices::MAX).map(|n| span(u32::try_from(n).expect("small") * SPAN));
        assert_eq!(Prices::from_spans(many.collect()), None, "too many");
    }
}

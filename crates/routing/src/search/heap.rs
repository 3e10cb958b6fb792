//! A queue of nodes by cost for searches that never look back: a radix heap. What is put in must not cost less than what was
//! taken out last; then each entry moves through a few buckets by the highest bit in which it differs from that.

/// Nodes by cost.
#[derive(Clone, Debug)]
pub(super) struct Heap {
    last: u64,
    buckets: Vec<Vec<(u64, u32)>>,
    /// Bit n is set when bucket n holds something; bucket 64 apart.
    filled: u128,
}

impl Heap {
    pub(super) fn new() -> Self {
        Self { last: 0, buckets: vec![Vec::new(); 65], filled: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.buckets.iter_mut().for_each(Vec::clear);
        (self.last, self.filled) = (0, 0);
    }

    pub(super) fn push(&mut self, cost: u64, node: u32) {
        let cost = cost.max(self.last);
        let bucket = Self::bucket(cost ^ self.last);
        self.buckets[bucket].push((cost, node));
        self.filled |= 1 << bucket;
    }

    pub(super) fn pop(&mut self) -> Option<(u64, u32)> {
        if self.filled & 1 == 0 {
            self.refill()?;
        }
        let taken = self.buckets[0].pop();
        if self.buckets[0].is_empty() {
            self.filled &= !1;
        }
        taken
    }

    /// Spreads the first bucket that holds something over those below it.
    fn refill(&mut self) -> Option<()> {
        if self.filled == 0 {
            return None;
        }
        let bucket = self.filled.trailing_zeros() as usize;
        let mut entries = core::mem::take(&mut self.buckets[bucket]);
        self.filled &= !(1 << bucket);
        self.last = entries.iter().map(|(cost, _)| *cost).min()?;
        for (cost, node) in entries.drain(..) {
            let bucket = Self::bucket(cost ^ self.last);
            self.buckets[bucket].push((cost, node));
            self.filled |= 1 << bucket;
        }
        self.buckets[bucket] = entries;
        Some(())
    }

    fn bucket(difference: u64) -> usize {
        (u64::BITS - difference.leading_zeros()) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::Heap;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_taken_out_ascends(steps in proptest::collection::vec((0u64..1 << 40, any::<bool>()), 0..300)) {
            let (mut heap, mut held, mut last) = (Heap::new(), Vec::new(), 0);
            for (more, takes) in steps {
                heap.push(last + more, 7);
                held.push(last + more);
                if takes {
                    held.sort_unstable();
                    last = held.remove(0);
                    prop_assert_eq!(heap.pop(), Some((last, 7)));
                }
            }
            held.sort_unstable();
            let rest: Vec<u64> = core::iter::from_fn(|| heap.pop()).map(|(cost, _)| cost).collect();
            prop_assert_eq!(rest, held);
        }
    }
}

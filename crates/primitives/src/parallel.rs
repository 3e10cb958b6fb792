//! Work that needs no state, shared by threads when there is enough of it. None of them outlives it.

use std::sync::LazyLock;

/// Most threads that share one piece of work.
const MAX_THREADS: usize = 8;

/// Processors that we may use, as it was when it was first asked: the system reads files to know it.
static PROCESSORS: LazyLock<usize> =
    LazyLock::new(|| std::thread::available_parallelism().map_or(1, usize::from));

/// Does the same to each item, and answers in their order: on as many threads as there are processors, or on this one alone for fewer
/// than `least`, where to start a thread costs more than it saves.
pub fn in_parallel<T: Sync, R: Send>(items: &[T], least: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = (*PROCESSORS).min(MAX_THREADS);
    if items.len() < least || threads == 1 {
        return items.iter().map(work).collect();
    }
    let share = items.len().div_ceil(threads).max(1);
    let (first, rest) = items.split_at(share.min(items.len()));
    let work = &work;
    std::thread::scope(|scope| {
        let others: Vec<_> = rest
            .chunks(share)
            .map(|items| scope.spawn(move || items.iter().map(work).collect::<Vec<_>>()))
            .collect();
        let mut done = Vec::with_capacity(items.len());
        done.extend(first.iter().map(work));
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        done
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_number_all_is_done_in_order() {
        for count in 0..40_u32 {
            let items: Vec<_> = (0..count).collect();
            let doubled: Vec<_> = items.iter().map(|n| n * 2).collect();
            for least in [0, 8, 100] {
                assert_eq!(in_parallel(&items, least, |n| n * 2), doubled);
            }
        }
    }

    #[test]
    fn a_panic_in_another_thread_is_not_swallowed() {
        let items: Vec<_> = (0..64_u32).collect();
        let caught = std::panic::catch_unwind(|| in_parallel(&items, 8, |n| assert!(*n < 63, "the last")));
        assert!(caught.is_err());
    }
}

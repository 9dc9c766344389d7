//! Many runs on all processors.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{available_parallelism, scope};

/// Does `count` pieces of work, each once, on as many threads as there are processors; what came of them, in their order.
///
/// # Errors
///
/// The first failure that was seen; the pieces that had not begun are left.
pub(crate) fn share_out<T: Send, E: Send>(
    count: usize,
    work: impl Fn(usize) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let ended = Mutex::new(Vec::with_capacity(count));
    let worker = || {
        while !failed.load(Ordering::Relaxed) {
            let piece = next.fetch_add(1, Ordering::Relaxed);
            if piece >= count {
                break;
            }
            let result = work(piece);
            failed.fetch_or(result.is_err(), Ordering::Relaxed);
            ended.lock().unwrap_or_else(PoisonError::into_inner).push((piece, result));
        }
    };
    scope(|threads| {
        for _ in 0..available_parallelism().map_or(1, usize::from).min(count) {
            threads.spawn(worker);
        }
    });
    let mut ended = ended.into_inner().unwrap_or_else(PoisonError::into_inner);
    ended.sort_by_key(|(piece, _)| *piece);
    ended.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_is_done_once_and_in_its_place() {
        let done = AtomicUsize::new(0);
        let work = |piece| {
            done.fetch_add(1, Ordering::Relaxed);
            Ok::<_, ()>(piece * piece)
        };
        assert_eq!(share_out(100, work), Ok((0..100).map(|piece| piece * piece).collect()));
        assert_eq!(done.load(Ordering::Relaxed), 100);
        assert_eq!(share_out(0, work), Ok(Vec::new()));
    }

    #[test]
    fn after_a_failure_nothing_more_is_begun() {
        let begun = AtomicUsize::new(0);
        let work = |piece| {
            begun.fetch_add(1, Ordering::Relaxed);
            if piece == 0 {
                Err("broken")
            } else {
                std::thread::yield_now();
                Ok(())
            }
        };
        assert_eq!(share_out(1_000_000, work), Err("broken"));
        assert!(begun.load(Ordering::Relaxed) < 1_000_000);
    }
}

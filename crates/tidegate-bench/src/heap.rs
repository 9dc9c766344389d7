//! Allocations, counted by a global allocator, and time measured without that counting.

use allocation_counter::{AllocationInfo, measure, opt_out};

/// What `act` allocated on this thread, and what it returned.
pub(crate) fn counted<T>(act: impl FnOnce() -> T) -> (AllocationInfo, Option<T>) {
    let mut done = None;
    let info = measure(|| done = Some(act()));
    (info, done)
}

/// Runs `act` with counting off on this thread, so that subjects that allocate do not pay for the counter.
pub(crate) fn uncounted<T>(act: impl FnOnce() -> T) -> Option<T> {
    let mut done = None;
    opt_out(|| done = Some(act()));
    done
}

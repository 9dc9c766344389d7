//! What one measurement of one subject in one case gave.

use crate::clock::Elapsed;
use crate::num::ns_each;

/// The figures of one pass. Times are per operation, the bare service included.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    /// Processor time, ns.
    pub(crate) ns: f64,
    /// Time on the wall, ns.
    pub(crate) wall_ns: f64,
    /// Allocations per operation.
    pub(crate) allocs: f64,
    /// Bytes per operation: allocated by a call, or owned by a waiter.
    pub(crate) bytes: f64,
    /// Bytes of the heap that a waiter owns outside its own future.
    pub(crate) heap_bytes: Option<f64>,
    /// Completions of the task that had most, over those of the task that had least (counted as one if it had none).
    pub(crate) fairness: Option<f64>,
}

impl Sample {
    pub(crate) fn timed(elapsed: Elapsed, operations: u64) -> Self {
        Self {
            ns: ns_each(elapsed.cpu, operations),
            wall_ns: ns_each(elapsed.wall, operations),
            ..Self::default()
        }
    }

    /// What is left when the same measurement of the bare service is taken off.
    pub(crate) fn over(self, bare: Self) -> Self {
        Self {
            ns: self.ns - bare.ns,
            wall_ns: self.wall_ns - bare.wall_ns,
            allocs: self.allocs - bare.allocs,
            bytes: self.bytes - bare.bytes,
            ..self
        }
    }
}

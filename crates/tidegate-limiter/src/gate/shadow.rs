//! Shadow mode: nobody is made to wait or refused, and what would have been is counted.
//!
//! The limit stands as in the other mode, and the fast path obeys it. A call that finds no permit comes to the lock, where
//! shadow mode lets it in all the same, up to the most permits the gate can count. So in either mode the counts have the
//! same owners, and the permits above the limit are an overhang like that after a shrink: to enforce again is to let it run
//! off.

use tidegate_core::MAX_LIMIT;

use super::queue::{Queue, QueueConfig, time_for};
use super::word::Word;
use super::{Gate, nanos};
use crate::sync::{Ordering, lock};

/// How many calls shadow mode let through that would have had to wait, or been refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WouldHave {
    pub(crate) waited: u64,
    pub(crate) refused: u64,
}

impl WouldHave {
    /// What has been added since `earlier`.
    pub(crate) const fn since(self, earlier: Self) -> Self {
        Self { waited: self.waited - earlier.waited, refused: self.refused - earlier.refused }
    }
}

/// What becomes of a call that finds no permit where the limit is enforced.
#[derive(Clone, Copy, Debug)]
pub(super) enum Would {
    /// It waits in the line without a bound.
    Wait,
    /// It waits in the bounded queue, unless that is full or its turn would come after so many nanoseconds.
    WaitOr { left: Option<u64> },
    /// It does not wait.
    Refuse,
}

impl Gate {
    /// How many permits may be out or reserved now.
    #[inline]
    pub(super) fn allowed(&self, queue: &Queue) -> u32 {
        if queue.is_shadow { MAX_LIMIT } else { self.limit.load(Ordering::Relaxed) }
    }

    /// Begins to let everybody in, those who wait first, or to hold back what comes above the limit from now on.
    pub(crate) fn set_shadow(&self, on: bool) {
        let mut queue = lock(&self.queue);
        queue.is_shadow = on;
        queue.is_braked &= !on;
        self.word.fetch_or(Word::GATED, Ordering::AcqRel);
        self.revoke_above(self.allowed(&queue));
        self.grant(queue);
    }

    /// Bounds the queue otherwise from `now` on, in nanoseconds since the limiter was built.
    pub(crate) fn set_queue(&self, config: QueueConfig, now: u64) {
        let mut queue = lock(&self.queue);
        queue.configure(config, now);
        // There may be room now.
        self.grant(queue);
    }

    /// Counts a call that has just been let in, if only shadow mode let it in.
    #[inline]
    pub(super) fn note_would(&self, queue: &mut Queue, would: Would) {
        if queue.is_shadow {
            self.count_would(queue, would);
        }
    }

    #[cold]
    fn count_would(&self, queue: &mut Queue, would: Would) {
        let limit = self.limit.load(Ordering::Relaxed);
        let word = self.load();
        // Reservations that stand idle would have been taken back for it.
        let idle = self.aged.load(Ordering::Relaxed).min(word.reserved());
        let ahead = (word.occupied() - idle).saturating_sub(limit);
        if ahead == 0 {
            return;
        }
        let is_refused = match would {
            Would::Wait => false,
            Would::Refuse => true,
            Would::WaitOr { left } => {
                let is_late =
                    |left| queue.pace.is_some_and(|pace| nanos(time_for(ahead.into(), pace)) > left);
                ahead > queue.places(limit) || left.is_some_and(is_late)
            }
        };
        let count = if is_refused { &mut queue.would_have.refused } else { &mut queue.would_have.waited };
        *count += 1;
    }
}

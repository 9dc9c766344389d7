//! What the driver and the owner of a limiter do to its gate.

use std::task::{Context, Poll, Waker};

use tidegate_core::MAX_LIMIT;

use super::queue::Queue;
use super::word::Word;
use super::{Gate, Kind, Ticket, WouldHave};
use crate::Mode;
use crate::occupancy::Occupancy;
use crate::sync::{Ordering, lock};

/// What the driver sees at a tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Observation {
    pub(crate) limit: u32,
    pub(crate) in_flight: u32,
    pub(crate) reserved: u32,
    pub(crate) peak: u32,
    pub(crate) queued: u32,
    pub(crate) held_back: bool,
    pub(crate) is_braked: bool,
    pub(crate) is_closed: bool,
    pub(crate) is_shadow: bool,
    /// What shadow mode let through since the limiter was built.
    pub(crate) would_have: WouldHave,
    /// Admissions, modulo [`Gate::ADMITTED_MODULUS`].
    pub(crate) admitted: u32,
}

impl Observation {
    pub(crate) const fn mode(&self) -> Mode {
        if self.is_shadow { Mode::Shadow } else { Mode::Enforce }
    }
}

impl Gate {
    /// Sets the limit; permits above it stay out, but none is given until they have come back.
    pub(crate) fn set_limit(&self, limit: u32) {
        let queue = lock(&self.queue);
        self.limit.store(limit.clamp(1, MAX_LIMIT), Ordering::Relaxed);
        // After this change of the word every fast taker sees the new limit.
        self.word.fetch_or(Word::GATED, Ordering::AcqRel);
        self.revoke_above(self.allowed(&queue));
        self.grant(queue);
    }

    /// Turns the brake on (nobody at all gets in) or off.
    pub(crate) fn set_brake(&self, on: bool) {
        let mut queue = lock(&self.queue);
        queue.is_braked = on && !queue.is_shadow;
        self.word.fetch_or(Word::GATED, Ordering::AcqRel);
        if queue.is_braked {
            self.revoke_above(0);
        }
        self.grant(queue);
    }

    /// The driver is gone: nobody takes off the brake any more, measures the pace, or takes back what was told.
    pub(crate) fn undriven(&self) {
        let mut queue = lock(&self.queue);
        queue.is_undriven = true;
        queue.pace = None;
        drop(queue);
        self.set_brake(false);
    }

    /// Begins to integrate the time of the permits out, or ends it; those that are out just now count from now on, or up to
    /// now. Nobody else turns it on or off meanwhile.
    pub(crate) fn time_calls(&self, on: bool) {
        if self.load().is_timed() == on {
            return;
        }
        let before = if on {
            self.word.fetch_or(Word::TIMED, Ordering::AcqRel)
        } else {
            self.word.fetch_and(!Word::TIMED, Ordering::AcqRel)
        };
        let in_flight = i64::from(Word::from_bits(before).in_flight());
        self.occupancy.change(if on { in_flight } else { -in_flight });
    }

    pub(crate) const fn occupancy(&self) -> &Occupancy {
        &self.occupancy
    }

    /// Tells the queue how many permits come back in a second while calls wait, if that is known.
    pub(crate) fn set_pace(&self, permits_per_second: Option<f64>) {
        lock(&self.queue).pace = permits_per_second;
    }

    /// Lets nobody in any more but calls that were promised a permit, and refuses all calls that wait.
    pub(crate) fn close(&self) {
        let mut queue = lock(&self.queue);
        self.word.fetch_or(Word::GATED, Ordering::AcqRel);
        let refused = queue.close();
        // A call whose reservation this takes is let in before all others.
        self.revoke_above(0);
        self.grant(queue);
        refused.into_iter().for_each(Waker::wake);
    }

    /// One look of the driver, `now` nanoseconds after the limiter was built: takes back, for those who wait, the
    /// reservations that stood uncalled since the last one, and refuses those who have stood too long.
    pub(crate) fn look(&self, now: u64) {
        let mut queue = lock(&self.queue);
        if queue.waiting() > 0 {
            for _ in 0..self.aged.load(Ordering::Relaxed) {
                self.update(Word::unreserve);
            }
        }
        self.look.fetch_add(1, Ordering::Relaxed);
        self.aged.store(self.load().reserved(), Ordering::Relaxed);
        let refused = queue.look(now);
        self.grant(queue);
        refused.into_iter().for_each(Waker::wake);
    }

    /// The counts, and what happened since the last observation.
    pub(crate) fn observe(&self) -> Observation {
        let mut queue = lock(&self.queue);
        let mut seen = self.peek_locked(&queue);
        seen.held_back |= std::mem::take(&mut queue.held_back);
        seen.peak = self.peak.swap(seen.in_flight, Ordering::Relaxed).max(seen.in_flight);
        seen
    }

    /// The counts, changing nothing.
    pub(crate) fn peek(&self) -> Observation {
        self.peek_locked(&lock(&self.queue))
    }

    /// Lets the driver sleep while nobody is in or waits, and nobody was let in since the tick that saw `admitted`
    /// admissions (a call that is over already still has to be counted); the next caller wakes it.
    pub(crate) fn poll_idle(&self, cx: &mut Context<'_>, admitted: u32) -> Poll<()> {
        let waker = cx.waker().clone();
        let mut queue = lock(&self.queue);
        self.is_asleep.store(true, Ordering::Release);
        self.word.fetch_or(Word::GATED, Ordering::AcqRel);
        let word = self.load();
        let is_idle = word.in_flight() == 0 && word.admitted() == admitted && queue.is_idle();
        if is_idle {
            // By the time somebody waits again it is not the pace of the last seconds.
            queue.pace = None;
        }
        let old = if is_idle { queue.driver.replace(waker) } else { queue.driver.take() };
        self.is_asleep.store(is_idle, Ordering::Release);
        self.settle(&queue);
        drop(queue);
        drop(old);
        if is_idle { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Wakes the driver if it sleeps, so that it sees that its limiter is gone.
    pub(crate) fn wake_driver(&self) {
        let driver = self.take_driver(&mut lock(&self.queue));
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// Whether the bounded queue has a place, as one who does not wait for it sees it.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        !self.is_full.load(Ordering::Acquire)
    }

    /// Whether the bounded queue has a place; if not, the task is woken when it may have one.
    ///
    /// Being told is not a place: others may be faster.
    pub(crate) fn poll_room(&self, place: &mut Option<Ticket>, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_news(place, Kind::Room, cx, |gate, queue| {
            queue.is_closed || !queue.is_full(gate.limit.load(Ordering::Relaxed))
        })
    }

    /// Whether the gate is closed and nothing is in flight; if not, the task is woken when that is so.
    pub(crate) fn poll_drained(&self, place: &mut Option<Ticket>, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_news(place, Kind::Drain, cx, |gate, queue| {
            queue.is_closed && gate.load().in_flight() == 0 && queue.has_none_promised()
        })
    }

    fn poll_news(
        &self,
        place: &mut Option<Ticket>,
        kind: Kind,
        cx: &mut Context<'_>,
        is_so: impl FnOnce(&Self, &Queue) -> bool,
    ) -> Poll<()> {
        if let Some(ticket) = place {
            let answer = self.poll_ticket(ticket, cx);
            if answer.is_ready() {
                *place = None;
            }
            return answer.map(drop);
        }
        let waker = cx.waker().clone();
        let mut queue = lock(&self.queue);
        if is_so(self, &queue) {
            drop(queue);
            return Poll::Ready(());
        }
        *place = Some(queue.push_aside(kind, Some(waker)));
        // The driver looks after those who wait for room.
        self.leave(queue);
        Poll::Pending
    }

    fn peek_locked(&self, queue: &Queue) -> Observation {
        let word = self.load();
        let queued = queue.waiting();
        Observation {
            limit: self.limit.load(Ordering::Relaxed),
            in_flight: word.in_flight(),
            reserved: word.reserved(),
            peak: self.peak.load(Ordering::Relaxed),
            queued,
            held_back: queue.held_back || (queued > 0 && !queue.is_braked && !queue.is_closed),
            is_braked: queue.is_braked,
            is_closed: queue.is_closed,
            is_shadow: queue.is_shadow,
            would_have: queue.would_have,
            admitted: word.admitted(),
        }
    }

    /// Revokes reservations until permits out and reserved are at most `limit`, or none is left.
    pub(super) fn revoke_above(&self, limit: u32) {
        while self.update(|word| (word.occupied() > limit).then(|| word.unreserve()).flatten()).is_some() {}
    }
}

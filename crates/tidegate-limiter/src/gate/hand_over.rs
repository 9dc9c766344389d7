//! How permits that come back, or are free, get to those who wait.

use std::task::Waker;

use super::queue::Queue;
use super::word::Word;
use super::{Gate, Kind};
use crate::sync::{MutexGuard, Ordering, lock};

/// Whom a step of handing out has reached, to be woken.
#[derive(Debug)]
enum Granted {
    /// Nobody: those who wait, if any, cannot be served now.
    Nobody,
    One(Option<Waker>),
}

impl Gate {
    /// The same where somebody may wait for it: it is handed over in one change of the word.
    #[inline(never)]
    pub(super) fn release_gated(&self) {
        let mut queue = lock(&self.queue);
        let is_exact = self.load().occupied() == self.limit.load(Ordering::Relaxed);
        if !is_exact || !queue.is_plain() {
            self.grant_with(queue, 1);
            return;
        }
        // The commonest hand-over by far: one for one. If this was the last in line the fast path stays closed for now: the
        // next one to look under the lock opens it, or waits.
        let kind = queue.plain_kind();
        let is_permit = kind == Kind::Permit;
        let before = self.word.fetch_add(Word::handed_over(is_permit), Ordering::AcqRel);
        if !is_permit {
            self.note_change(Word::from_bits(before), -1);
        }
        let waker = queue.grant_plain(kind, self.stamp().0);
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(super) fn grant_locked(&self) {
        self.grant(lock(&self.queue));
    }

    /// Hands free permits to those who wait, in order, and wakes them outside the lock.
    pub(super) fn grant<'a>(&'a self, queue: MutexGuard<'a, Queue>) {
        self.grant_with(queue, 0);
    }

    /// The same with so many permits that have come back and are still in the word.
    pub(super) fn grant_with<'a>(&'a self, mut queue: MutexGuard<'a, Queue>, mut back: u32) {
        loop {
            let granted = self.grant_one(&mut queue, std::mem::take(&mut back));
            let is_done = match granted {
                Granted::Nobody => {
                    self.settle(&queue);
                    true
                }
                Granted::One(_) => self.is_settled(&queue),
            };
            drop(queue);
            if let Granted::One(Some(waker)) = granted {
                waker.wake();
            }
            if is_done {
                return;
            }
            queue = lock(&self.queue);
        }
    }

    /// Whether there is nobody to go on with; then the fast path is as it should be.
    pub(super) fn is_settled(&self, queue: &Queue) -> bool {
        let may_go_on = queue.may_go_on(self.allowed(queue), self.load().occupied());
        if !may_go_on {
            self.settle(queue);
        }
        !may_go_on
    }

    fn grant_one(&self, queue: &mut Queue, back: u32) -> Granted {
        let (limit, allowed) = (self.limit.load(Ordering::Relaxed), self.allowed(queue));
        let word = self.load();
        let Some(turn) = queue.next_turn(limit, allowed, word.occupied() - back) else {
            let in_flight = if back > 0 { self.take_back(back).in_flight() - back } else { word.in_flight() };
            let told = queue.next_with_room(allowed).or_else(|| queue.next_drained(in_flight));
            return told.map_or(Granted::Nobody, Granted::One);
        };
        // Nobody else takes while the lock is held and `GATED` is set.
        let taken = self.update(|word| {
            let free = word.release(back);
            Some(if turn.kind == Kind::Permit { free.take(turn.permits) } else { free.reserve() })
        });
        if let Some(word) = taken {
            self.note_peak(word);
            let given = if turn.kind == Kind::Permit { turn.permits } else { 0 };
            self.note_change(word, i64::from(given) - i64::from(back));
        }
        Granted::One(queue.grant(turn, self.stamp().0))
    }

    /// Opens the fast path again once nothing needs the lock.
    pub(super) fn settle(&self, queue: &Queue) {
        let is_full = queue.is_full(self.limit.load(Ordering::Relaxed));
        if self.is_full.load(Ordering::Relaxed) != is_full {
            self.is_full.store(is_full, Ordering::Release);
        }
        if queue.waiting() == 0 && !queue.needs_gate() && self.load().is_gated() {
            self.word.fetch_and(!Word::GATED, Ordering::AcqRel);
        }
    }
}

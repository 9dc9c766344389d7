//! The gate: who is in, who waits, and the limit between them.
//!
//! # Counts and their owners
//!
//! One atomic word holds `in_flight` (permits out), `reserved` (permits kept for services that said "ready" and have not
//! been called), a mark `GATED`, and a wrapping count of admissions. `limit` stands beside it.
//! A permit of `in_flight` is owned by a `Permit` or by a granted [`Ticket`]; a permit of `reserved` by a `Reservation` or
//! by a granted ticket of that kind. Each of them gives back what it owns when it is dropped.
//!
//! # Transitions
//!
//! ```text
//! free      → in_flight   take (fast, unless GATED) | granted from the queue
//! free      → reserved    the same, for a Reservation
//! reserved  → in_flight   claim, by any holder | revoked for a caller that finds no permit and nobody waiting
//! reserved  → free        given back | revoked by a shrink, by the brake, by the driver while others wait
//! in_flight → free        release
//! waiting   → granted     in line order, while in_flight + reserved < limit and the brake is off
//! waiting   → gone        cancel
//! ```
//!
//! Reservations are anonymous: revoking one lowers `reserved`, whoever holds it. A holder that claims later takes one of
//! those that are left, or waits first in line. As `reserved` never exceeds the number of holders, and each holder lowers
//! it at most once, no count can drift.
//!
//! # Why no wake-up is lost and nobody barges
//!
//! `GATED` is set, under the lock, whenever somebody waits (or the brake is on, or the driver sleeps). While it is set the
//! fast path takes nothing, and every release goes on to lock and grant. A caller that wants to wait sets `GATED` first
//! and looks at the counts afterwards, so a release either came before (and its permit is seen) or sees `GATED` (and
//! grants).
//!
//! # Why a shrink holds at once
//!
//! `set_limit` stores the limit, then changes the word. A fast taker changes the word, then looks at the limit again: if
//! its change came after, it sees the new limit and undoes the change before anybody holds a permit.

mod waiters;
mod word;

#[cfg(all(test, tidegate_loom))]
mod loom_tests;
#[cfg(all(test, not(tidegate_loom)))]
mod tests;

use std::task::{Context, Poll, Waker};

use tidegate_core::MAX_LIMIT;

use self::waiters::Waiters;
pub(crate) use self::waiters::{Kind, Line, Stamp, Ticket};
use self::word::Word;
use crate::sync::{AtomicU32, AtomicU64, Mutex, MutexGuard, Ordering, lock};

#[derive(Debug)]
pub(crate) struct Gate {
    word: AtomicU64,
    limit: AtomicU32,
    /// The most permits out at once since the last [`observe`](Self::observe).
    peak: AtomicU32,
    /// The number of the driver's next look.
    look: AtomicU32,
    /// Reservations that stood at the last look and have not been spent since.
    aged: AtomicU32,
    queue: Mutex<Queue>,
}

#[derive(Debug)]
struct Queue {
    waiters: Waiters,
    is_braked: bool,
    /// Whether the limit (not the brake) made a caller wait since the last observation.
    held_back: bool,
    /// The sleeping driver.
    driver: Option<Waker>,
}

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
    /// Admissions, modulo [`Gate::ADMITTED_MODULUS`].
    pub(crate) admitted: u32,
}

/// Whether a caller got in.
#[derive(Debug)]
pub(crate) enum Entry {
    Admitted,
    Queued(Ticket),
}

impl Gate {
    /// The modulus of the wrapping count of admissions.
    pub(crate) const ADMITTED_MODULUS: u32 = Word::ADMITTED_MODULUS;

    pub(crate) fn new(limit: u32) -> Self {
        Self {
            word: AtomicU64::new(0),
            limit: AtomicU32::new(limit.clamp(1, MAX_LIMIT)),
            peak: AtomicU32::new(0),
            look: AtomicU32::new(0),
            aged: AtomicU32::new(0),
            queue: Mutex::new(Queue {
                waiters: Waiters::default(),
                is_braked: false,
                held_back: false,
                driver: None,
            }),
        }
    }

    /// Takes a permit or a reservation if one is free and nobody waits.
    pub(crate) fn try_take(&self, kind: Kind) -> bool {
        let mut seen = self.load();
        loop {
            if seen.is_gated() || seen.occupied() >= self.limit.load(Ordering::Relaxed) {
                return false;
            }
            let taken = seen.take(kind);
            match self.word.compare_exchange_weak(
                seen.bits(),
                taken.bits(),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                // The second look at the limit: see "Why a shrink holds at once".
                Ok(_) if taken.occupied() > self.limit.load(Ordering::Relaxed) => {
                    self.give_back(kind);
                    return false;
                }
                Ok(_) => {
                    self.note_peak(taken);
                    return true;
                }
                Err(now) => seen = Word::from_bits(now),
            }
        }
    }

    /// Takes a permit or reservation, or a place in the line.
    ///
    /// Without a waker the ticket must be polled before it can wake anybody.
    pub(crate) fn enter(&self, kind: Kind, line: Line, mut waker: Option<Waker>) -> Entry {
        // A waker that is not needed is dropped by the caller's frame, outside the lock.
        self.gated(|queue| {
            if self.take_if_first(queue, kind, line) {
                return Entry::Admitted;
            }
            queue.held_back |= !queue.is_braked;
            Entry::Queued(queue.waiters.push(kind, line, waker.take()))
        })
    }

    /// Takes a permit without waiting for it, also where only a sleeping driver has closed the fast path.
    pub(crate) fn try_enter(&self) -> bool {
        self.try_take(Kind::Permit)
            || self.gated(|queue| {
                let is_admitted = self.take_if_first(queue, Kind::Permit, Line::Ordinary);
                // A caller that does not wait was held back all the same.
                queue.held_back |= !is_admitted && !queue.is_braked;
                is_admitted
            })
    }

    /// Runs `act` with the fast path closed, and wakes a sleeping driver: there is work.
    fn gated<T>(&self, act: impl FnOnce(&mut Queue) -> T) -> T {
        let mut queue = lock(&self.queue);
        let driver = queue.driver.take();
        self.word.fetch_or(Word::GATED, Ordering::AcqRel);
        let done = act(&mut queue);
        self.settle(&queue);
        drop(queue);
        if let Some(driver) = driver {
            driver.wake();
        }
        done
    }

    fn take_if_first(&self, queue: &Queue, kind: Kind, line: Line) -> bool {
        !queue.is_braked && queue.waiters.is_first(line) && self.take_gated(kind)
    }

    /// Whether the ticket was granted; if so, what it owned is the caller's and the ticket is spent.
    pub(crate) fn poll_ticket(&self, ticket: &Ticket, cx: &mut Context<'_>) -> Poll<Stamp> {
        let mut queue = lock(&self.queue);
        if let Some(stamp) = queue.waiters.take_granted(ticket) {
            return Poll::Ready(stamp);
        }
        if queue.waiters.would_wake(ticket, cx.waker()) {
            return Poll::Pending;
        }
        // Cloning and dropping a waker may run code of the caller's, so neither is done under the lock.
        drop(queue);
        let mut waker = Some(cx.waker().clone());
        queue = lock(&self.queue);
        let granted = queue.waiters.take_granted(ticket);
        if granted.is_none() {
            queue.waiters.swap_waker(ticket, &mut waker);
        }
        drop(queue);
        granted.map_or(Poll::Pending, Poll::Ready)
    }

    /// Leaves the line; whether the ticket had been granted. What it was granted goes to the next one.
    pub(crate) fn cancel(&self, ticket: Ticket) -> bool {
        let mut queue = lock(&self.queue);
        let (kind, granted, waker) = queue.waiters.remove(ticket);
        if let Some(stamp) = granted {
            if kind == Kind::Reservation {
                self.spend(stamp);
            }
            self.subtract(kind);
        }
        self.grant(queue);
        drop(waker);
        granted.is_some()
    }

    /// A permit comes back.
    pub(crate) fn release(&self) {
        self.give_back(Kind::Permit);
    }

    /// The stamp of a reservation that is about to be taken.
    pub(crate) fn stamp(&self) -> Stamp {
        Stamp(self.look.load(Ordering::Relaxed))
    }

    /// A reservation comes back uncalled.
    pub(crate) fn unreserve(&self, stamp: Stamp) {
        self.spend(stamp);
        self.give_back(Kind::Reservation);
    }

    /// Turns a reservation into a permit, unless all of them were revoked.
    pub(crate) fn claim(&self, stamp: Stamp) -> bool {
        self.spend(stamp);
        let Some(claimed) = self.update(Word::claim) else {
            return false;
        };
        self.note_peak(claimed);
        if claimed.is_gated() {
            self.rouse();
        }
        true
    }

    /// A reservation that stood at the last look does so no longer.
    fn spend(&self, stamp: Stamp) {
        if stamp != self.stamp() {
            // Of one that was revoked meanwhile another is spared: the next look will find that one again.
            let one_less = |aged: u32| aged.checked_sub(1);
            let _ = self.aged.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        }
    }

    /// Sets the limit; permits above it stay out, but none is given until they have come back.
    pub(crate) fn set_limit(&self, limit: u32) {
        let queue = lock(&self.queue);
        self.limit.store(limit.clamp(1, MAX_LIMIT), Ordering::Relaxed);
        // After this change of the word every fast taker sees the new limit.
        self.word.fetch_or(Word::GATED, Ordering::AcqRel);
        self.revoke_above(limit.clamp(1, MAX_LIMIT));
        self.grant(queue);
    }

    /// Turns the brake on (nobody at all gets in) or off.
    pub(crate) fn set_brake(&self, on: bool) {
        let mut queue = lock(&self.queue);
        queue.is_braked = on;
        self.word.fetch_or(Word::GATED, Ordering::AcqRel);
        if on {
            self.revoke_above(0);
        }
        self.grant(queue);
    }

    /// One look of the driver: takes back, for those who wait, the reservations that stood uncalled since the last one.
    pub(crate) fn sweep_reservations(&self) {
        let queue = lock(&self.queue);
        if !queue.waiters.is_empty() {
            for _ in 0..self.aged.load(Ordering::Relaxed) {
                self.update(Word::unreserve);
            }
        }
        self.look.fetch_add(1, Ordering::Relaxed);
        self.aged.store(self.load().reserved(), Ordering::Relaxed);
        self.grant(queue);
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
        self.word.fetch_or(Word::GATED, Ordering::AcqRel);
        let word = self.load();
        let is_idle = word.in_flight() == 0
            && word.admitted() == admitted
            && queue.waiters.is_empty()
            && !queue.is_braked;
        let old = if is_idle { queue.driver.replace(waker) } else { queue.driver.take() };
        self.settle(&queue);
        drop(queue);
        drop(old);
        if is_idle { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Wakes the driver if it sleeps, so that it sees that its limiter is gone.
    pub(crate) fn wake_driver(&self) {
        let driver = lock(&self.queue).driver.take();
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// Wakes a sleeping driver: there is work, and it came by the fast path.
    fn rouse(&self) {
        let mut queue = lock(&self.queue);
        let driver = queue.driver.take();
        if driver.is_some() {
            self.settle(&queue);
        }
        drop(queue);
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    fn peek_locked(&self, queue: &Queue) -> Observation {
        let word = self.load();
        let queued = queue.waiters.waiting();
        Observation {
            limit: self.limit.load(Ordering::Relaxed),
            in_flight: word.in_flight(),
            reserved: word.reserved(),
            peak: self.peak.load(Ordering::Relaxed),
            queued,
            held_back: queue.held_back || (queued > 0 && !queue.is_braked),
            is_braked: queue.is_braked,
            admitted: word.admitted(),
        }
    }

    fn load(&self) -> Word {
        Word::from_bits(self.word.load(Ordering::Acquire))
    }

    /// Applies `change` to the word until it holds or there is nothing to change; the word as changed.
    fn update(&self, change: impl Fn(Word) -> Option<Word>) -> Option<Word> {
        let mut seen = self.load();
        loop {
            let changed = change(seen)?;
            match self.word.compare_exchange_weak(
                seen.bits(),
                changed.bits(),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Some(changed),
                Err(now) => seen = Word::from_bits(now),
            }
        }
    }

    fn note_peak(&self, word: Word) {
        let in_flight = word.in_flight();
        if in_flight > self.peak.load(Ordering::Relaxed) {
            self.peak.fetch_max(in_flight, Ordering::Relaxed);
        }
    }

    /// Takes while `GATED` is set and the lock held: only returns can change the counts meanwhile.
    fn take_gated(&self, kind: Kind) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        let taken = self.update(|word| (word.occupied() < limit).then(|| word.take(kind)));
        // Nobody waits, so nobody minds the order: a reservation that was not called yet is given to a caller at hand.
        let taken = taken.or_else(|| {
            self.update(|word| {
                (word.occupied() <= limit).then(|| word.unreserve())?.map(|word| word.take(kind))
            })
        });
        if let Some(word) = taken {
            self.note_peak(word);
        }
        taken.is_some()
    }

    fn subtract(&self, kind: Kind) -> Word {
        match kind {
            Kind::Permit => Word::from_bits(self.word.fetch_sub(Word::IN_FLIGHT, Ordering::AcqRel)),
            Kind::Reservation => self.update(Word::unreserve).unwrap_or_else(|| self.load()),
        }
    }

    fn give_back(&self, kind: Kind) {
        if self.subtract(kind).is_gated() {
            self.grant(lock(&self.queue));
        }
    }

    /// Revokes reservations until permits out and reserved are at most `limit`, or none is left.
    fn revoke_above(&self, limit: u32) {
        while self.update(|word| (word.occupied() > limit).then(|| word.unreserve()).flatten()).is_some() {}
    }

    /// Hands free permits to those who wait, in line order, and wakes them outside the lock.
    fn grant<'a>(&'a self, mut queue: MutexGuard<'a, Queue>) {
        loop {
            let granted = self.grant_one(&mut queue);
            let is_done = granted.is_none() || !self.can_grant(&queue);
            if is_done {
                self.settle(&queue);
            }
            drop(queue);
            if let Some(Some(waker)) = granted {
                waker.wake();
            }
            if is_done {
                return;
            }
            queue = lock(&self.queue);
        }
    }

    fn can_grant(&self, queue: &Queue) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        !queue.is_braked && !queue.waiters.is_empty() && self.load().occupied() < limit
    }

    fn grant_one(&self, queue: &mut Queue) -> Option<Option<Waker>> {
        if !self.can_grant(queue) {
            return None;
        }
        let (kind, waker) = queue.waiters.grant_next(self.stamp())?;
        if let Some(word) = self.update(|word| Some(word.take(kind))) {
            self.note_peak(word);
        }
        Some(waker)
    }

    /// Opens the fast path again once nothing needs the lock.
    fn settle(&self, queue: &Queue) {
        if queue.waiters.is_empty() && !queue.is_braked && queue.driver.is_none() {
            self.word.fetch_and(!Word::GATED, Ordering::AcqRel);
        }
    }
}

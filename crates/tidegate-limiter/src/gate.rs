//! The gate: who is in, who waits, and the limit between them.
//!
//! # Counts and their owners
//!
//! One atomic word holds `in_flight` (permits out), `reserved` (permits kept for services that said "ready" and have not
//! been called), the marks `GATED` and `TIMED`, and a wrapping count of admissions. `limit` stands beside it.
//! A permit of `in_flight` is owned by a `Permit` or by a granted [`Ticket`], and both know the [`Hold`] it is: how many
//! permits of which flow. A permit of `reserved` is owned by a `Reservation` or by a granted ticket of that kind.
//! Each of them gives back what it owns when it is dropped.
//! What each flow holds is counted under the lock, when it is taken and when it comes back.
//!
//! # Transitions
//!
//! ```text
//! free      → in_flight   take (fast, unless GATED) | take of a class (under the lock) | granted from the queue
//! free      → reserved    the same, for a Reservation
//! reserved  → in_flight   claim, by any holder | revoked, if idle, for a caller that finds no permit and nobody waiting
//! reserved  → free        given back | revoked by a shrink, by the brake, by the driver while others wait
//! in_flight → free        release
//! waiting   → granted     in the order of `queue`, while in_flight + reserved < limit and the brake is off
//! waiting   → granted     all of them, when shadow mode begins; in it `limit` here and above is the most the word can count
//! waiting   → refused     displaced | stood too long | closed; never a reservation, nor a call that had one
//! waiting   → gone        cancel
//! ```
//!
//! Reservations are anonymous: revoking one lowers `reserved`, whoever holds it. A holder that claims later takes one of
//! those that are left, or waits first in line. As `reserved` never exceeds the number of holders, and each holder lowers
//! it at most once, no count can drift.
//!
//! # Why no wake-up is lost and nobody barges
//!
//! `GATED` is set, under the lock, whenever somebody waits (or the brake is on, the gate closed, or the driver asleep). While it is set the
//! fast path takes nothing, and every release goes on to lock and grant. A caller that wants to wait sets `GATED` first
//! and looks at the counts afterwards, so a release either came before (and its permit is seen) or sees `GATED` (and
//! grants).
//!
//! `GATED` may outlast those who wait: the last hand-over leaves it, and whoever looks under the lock next and finds nobody
//! takes it off, be it a release, a newcomer or the driver's look.
//!
//! What a waiter was granted is written, after the word has been changed, where its task reads it without the lock
//! (`answers.rs`). So who reads that it owns a permit owns one that is counted.
//!
//! # Why a shrink holds at once
//!
//! `set_limit` stores the limit, then changes the word. A fast taker changes the word, then looks at the limit again: if
//! its change came after, it sees the new limit and undoes the change before anybody holds a permit.

mod answers;
mod classed;
mod control;
mod fair;
mod hand_over;
mod hold;
mod nodes;
mod queue;
mod seat;
mod shadow;
mod sojourn;
mod tickets;
mod word;

#[cfg(all(test, tidegate_loom))]
mod loom_tests;
#[cfg(all(test, not(tidegate_loom)))]
mod tests;

use std::cell::Cell;
use std::sync::Arc;
use std::task::Waker;

use tidegate_core::MAX_LIMIT;

use self::answers::Answers;
use self::classed::Kept;
pub(crate) use self::control::Observation;
use self::fair::PLAIN;
pub(crate) use self::hold::Hold;
pub(crate) use self::nodes::{Kind, Ticket};
use self::queue::Queue;
pub(crate) use self::queue::{QueueConfig, QueueLimit};
pub(crate) use self::seat::Seat;
use self::shadow::Would;
pub(crate) use self::shadow::WouldHave;
pub(crate) use self::sojourn::nanos;
use self::word::Word;
use crate::occupancy::{Clock, Occupancy};
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Mutex, MutexGuard, Ordering, lock};
use crate::{OverloadReason, Overloaded};

/// What a hand-over changes stands together, on a pair of cache lines that nothing else is on.
#[derive(Debug)]
#[repr(C, align(128))]
pub(crate) struct Gate {
    word: AtomicU64,
    limit: AtomicU32,
    /// The most permits out at once since the last [`observe`](Self::observe).
    peak: AtomicU32,
    /// The number of the driver's next look.
    look: AtomicU32,
    /// Reservations that stood at the last look and have not been spent since.
    aged: AtomicU32,
    /// Whether the bounded queue has no place; changed under the lock.
    is_full: AtomicBool,
    /// Whether the driver sleeps, or is about to; changed under the lock, and set before `GATED` is.
    is_asleep: AtomicBool,
    answers: Arc<Answers>,
    queue: Mutex<Queue>,
    /// Told of while `TIMED` is set.
    occupancy: Occupancy,
}

/// The driver's look before which a reservation was given, so that the look can tell old ones from new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(u32);

/// Whether a caller got in.
#[derive(Debug)]
pub(crate) enum Entry {
    Admitted(Hold),
    Queued(Ticket),
    Refused(Overloaded),
}

/// Who asks to be let in without a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Calls whose reservation was revoked: they were ready before all others, and are let in even when closed.
    First,
    Ordinary,
}

/// What a ticket was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    Permits(Hold),
    Reservation(Stamp),
    /// Room in the queue, or the end of all work: nothing to give back.
    News,
}

impl Gate {
    /// The modulus of the wrapping count of admissions.
    pub(crate) const ADMITTED_MODULUS: u32 = Word::ADMITTED_MODULUS;

    #[cfg(test)]
    pub(crate) fn new(limit: u32, queue: QueueConfig) -> Self {
        Self::timed_by(limit, queue, Clock::Tokio(tokio::time::Instant::now()))
    }

    /// How many nodes there are, in use or not.
    #[cfg(test)]
    pub(crate) fn nodes(&self) -> usize {
        lock(&self.queue).nodes()
    }

    /// One that reads another clock, if it has to read any.
    pub(crate) fn timed_by(limit: u32, queue: QueueConfig, clock: Clock) -> Self {
        let answers = Arc::new(Answers::new());
        Self {
            word: AtomicU64::new(0),
            limit: AtomicU32::new(limit.clamp(1, MAX_LIMIT)),
            peak: AtomicU32::new(0),
            look: AtomicU32::new(0),
            aged: AtomicU32::new(0),
            is_full: AtomicBool::new(false),
            is_asleep: AtomicBool::new(false),
            queue: Mutex::new(Queue::new(queue, Arc::clone(&answers))),
            answers,
            occupancy: Occupancy::new(clock),
        }
    }

    /// Takes a permit if one is free and nobody waits.
    #[inline]
    pub(crate) fn try_take(&self) -> bool {
        let undo = |taken: Word| {
            self.note_change(taken, 1);
            self.release_plain();
        };
        let taken = self.try_change(|word| word.take(1), undo);
        if let Some(word) = taken {
            self.note_taken(word, 1);
        }
        taken.is_some()
    }

    /// Takes a reservation if a permit is free and nobody waits.
    #[inline(always)]
    pub(crate) fn try_reserve(&self) -> bool {
        self.try_change(Word::reserve, |_| self.give_back_reservation()).is_some()
    }

    #[inline(always)]
    fn try_change(&self, change: impl Fn(Word) -> Word, undo: impl FnOnce(Word)) -> Option<Word> {
        let seen = self.load();
        let limit = self.limit.load(Ordering::Relaxed);
        if seen.occupied_or_gated() >= limit {
            return None;
        }
        let taken = change(seen);
        let (taken, limit) = match self.exchange(seen, taken) {
            Ok(()) => (taken, limit),
            Err(now) => self.change_again(now, change)?,
        };
        // The second look at the limit: see "Why a shrink holds at once".
        let now = self.limit.load(Ordering::Relaxed);
        if now < limit && taken.occupied() > now {
            undo(taken);
            return None;
        }
        Some(taken)
    }

    /// The word as it was changed, and the limit that was looked at for it. Apart for the reason of
    /// [`update_again`](Self::update_again).
    #[inline(never)]
    fn change_again(&self, mut seen: Word, change: impl Fn(Word) -> Word) -> Option<(Word, u32)> {
        loop {
            let limit = self.limit.load(Ordering::Relaxed);
            if seen.occupied_or_gated() >= limit {
                return None;
            }
            let taken = change(seen);
            match self.exchange(seen, taken) {
                Ok(()) => return Some((taken, limit)),
                Err(now) => seen = now,
            }
        }
    }

    /// Takes a permit, or a place in the line.
    ///
    /// Without a waker the ticket must be polled before it can wake anybody.
    pub(crate) fn enter(&self, line: Line, mut waker: Option<Waker>) -> Entry {
        // A waker that is not needed is dropped by this frame, outside the lock.
        let mut queue = lock(&self.queue);
        self.shut();
        if queue.is_open_to(line == Line::First) && self.take_gated(&queue, Kind::Permit, 1) {
            self.note_would(&mut queue, Would::Wait);
            self.leave(queue);
            return Entry::Admitted(Hold::PLAIN);
        }
        if queue.is_closed && line == Line::Ordinary {
            let refusal = queue.refusal(OverloadReason::Closed);
            self.leave(queue);
            return Entry::Refused(refusal);
        }
        queue.held_back |= !queue.is_braked;
        let ticket = match line {
            Line::First => queue.push_first(waker.take()),
            Line::Ordinary => queue.push_plain(waker.take()),
        };
        Entry::Queued(self.leave_waiting(queue, ticket))
    }

    /// Takes a permit without waiting for it, also where the fast path is closed and nobody waits.
    pub(crate) fn try_enter(&self) -> Result<(), Overloaded> {
        if self.try_take() {
            return Ok(());
        }
        self.gated(|queue| {
            if queue.is_open_to(false) && self.take_gated(queue, Kind::Permit, 1) {
                self.note_would(queue, Would::Refuse);
                return Ok(());
            }
            Err(Self::hold_back(queue))
        })
    }

    /// A caller that does not wait was held back all the same.
    fn hold_back(queue: &mut Queue) -> Overloaded {
        queue.held_back |= !queue.is_braked && !queue.is_closed;
        queue.refusal(if queue.is_closed { OverloadReason::Closed } else { OverloadReason::NoPermit })
    }

    /// Runs `act` with the fast path closed, and wakes a sleeping driver: there is work.
    fn gated<T>(&self, act: impl FnOnce(&mut Queue) -> T) -> T {
        let mut queue = lock(&self.queue);
        self.shut();
        let done = act(&mut queue);
        self.leave(queue);
        done
    }

    /// Closes the fast path. Only holders of the lock open it, so if it is closed already that is known to all.
    #[inline]
    fn shut(&self) {
        if !self.load().is_gated() {
            self.word.fetch_or(Word::GATED, Ordering::AcqRel);
        }
    }

    /// Opens the fast path if it may be, unlocks, and wakes a sleeping driver.
    fn leave(&self, mut queue: MutexGuard<'_, Queue>) {
        let driver = self.take_driver(&mut queue);
        self.settle(&queue);
        drop(queue);
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// The same where somebody without a class has begun to wait, so that nothing is to be opened.
    #[inline]
    fn leave_waiting(&self, mut queue: MutexGuard<'_, Queue>, ticket: Ticket) -> Ticket {
        let driver = self.take_driver(&mut queue);
        drop(queue);
        match driver {
            None => ticket,
            Some(driver) => self.wake_for(driver, ticket),
        }
    }

    #[cold]
    fn wake_for(&self, driver: Waker, ticket: Ticket) -> Ticket {
        let kept = Kept::new(self, Entry::Queued(ticket));
        driver.wake();
        let Entry::Queued(ticket) = kept.hand_over() else { unreachable!("a ticket was kept") };
        ticket
    }

    #[inline]
    fn take_driver(&self, queue: &mut Queue) -> Option<Waker> {
        if queue.driver.is_some() {
            self.is_asleep.store(false, Ordering::Release);
        }
        queue.driver.take()
    }

    /// Permits come back.
    #[inline]
    pub(crate) fn release(&self, hold: Hold) {
        if hold.flow() == PLAIN { self.release_plain() } else { self.release_class(hold) }
    }

    /// A permit without a class comes back.
    #[inline]
    pub(crate) fn release_plain(&self) {
        if self.update(|word| (!word.is_marked()).then(|| word.release(1))).is_none() {
            self.release_marked();
        }
    }

    fn release_marked(&self) {
        match self.update(|word| (!word.is_gated()).then(|| word.release(1))) {
            Some(word) => self.note_change(word, -1),
            None => self.release_gated(),
        }
    }

    /// Takes permits out of the counts of the gate and of their flow; the word as it was.
    #[inline]
    fn subtract(&self, queue: &mut Queue, hold: Hold) -> Word {
        if hold.flow() != PLAIN {
            queue.flows().exit(hold.flow(), hold.permits());
        }
        self.take_back(hold.permits())
    }

    /// Permits come back; the word as it was.
    fn take_back(&self, permits: u32) -> Word {
        let before = self.word.fetch_sub(u64::from(permits) * Word::IN_FLIGHT, Ordering::AcqRel);
        let before = Word::from_bits(before);
        self.note_change(before, -i64::from(permits));
        before
    }

    /// The stamp of a reservation that is about to be taken.
    #[inline]
    pub(crate) fn stamp(&self) -> Stamp {
        Stamp(self.look.load(Ordering::Relaxed))
    }

    /// The hold, given now.
    #[inline]
    pub(crate) fn given_now(&self, hold: Hold) -> Hold {
        hold.given(self.stamp())
    }

    /// How many looks of the driver ago a hold was given.
    pub(crate) fn age(&self, hold: Hold) -> u32 {
        hold.age(self.stamp())
    }

    /// A reservation comes back uncalled.
    pub(crate) fn unreserve(&self, stamp: Stamp) {
        self.spend(stamp);
        self.give_back_reservation();
    }

    fn give_back_reservation(&self) {
        let before = self.update(Word::unreserve).unwrap_or_else(|| self.load());
        if before.is_gated() {
            self.grant_locked();
        }
    }

    /// Turns a reservation into a permit, unless all of them were revoked.
    #[inline(always)]
    pub(crate) fn claim(&self, stamp: Stamp) -> Option<Hold> {
        let now = self.stamp();
        if stamp != now {
            self.spend_aged(1);
        }
        let claimed = self.update(Word::claim)?;
        self.note_peak(claimed);
        if claimed.is_marked() {
            self.note_marked_claim(claimed);
        }
        Some(Hold::PLAIN.given(now))
    }

    fn note_marked_claim(&self, claimed: Word) {
        self.note_change(claimed, 1);
        // Whoever sees `GATED` because of the driver sees this too.
        if claimed.is_gated() && self.is_asleep.load(Ordering::Acquire) {
            self.rouse();
        }
    }

    /// A reservation that stood at the last look does so no longer.
    #[inline]
    fn spend(&self, stamp: Stamp) {
        if stamp != self.stamp() {
            self.spend_aged(1);
        }
    }

    #[cold]
    fn spend_aged(&self, reservations: u32) {
        if reservations > 0 {
            // Of one that was revoked meanwhile another is spared: the next look will find that one again.
            let less = |aged: u32| Some(aged.saturating_sub(reservations));
            let _ = self.aged.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
    }

    /// Wakes a sleeping driver: there is work, and it came by the fast path.
    #[cold]
    fn rouse(&self) {
        let queue = lock(&self.queue);
        if queue.driver.is_some() {
            self.leave(queue);
        }
    }

    #[inline]
    fn load(&self) -> Word {
        Word::from_bits(self.word.load(Ordering::Acquire))
    }

    /// Applies `change` to the word until it holds or there is nothing to change; the word as changed.
    #[inline(always)]
    fn update(&self, mut change: impl FnMut(Word) -> Option<Word>) -> Option<Word> {
        let seen = self.load();
        let changed = change(seen)?;
        match self.exchange(seen, changed) {
            Ok(()) => Some(changed),
            Err(now) => self.update_again(now, change),
        }
    }

    /// Apart, so that the first attempt, which is nearly always the last, is no loop.
    #[inline(never)]
    fn update_again(&self, mut seen: Word, mut change: impl FnMut(Word) -> Option<Word>) -> Option<Word> {
        loop {
            let changed = change(seen)?;
            match self.exchange(seen, changed) {
                Ok(()) => return Some(changed),
                Err(now) => seen = now,
            }
        }
    }

    /// Changes the word from one value to another; if it is not that one any more, what it is.
    #[inline]
    fn exchange(&self, seen: Word, changed: Word) -> Result<(), Word> {
        let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
        let exchanged = self.word.compare_exchange_weak(seen.bits(), changed.bits(), success, failure);
        exchanged.map(drop).map_err(Word::from_bits)
    }

    /// What has to be noted of permits that were taken; the word as it was changed.
    #[inline]
    fn note_taken(&self, word: Word, permits: u32) {
        self.note_peak(word);
        self.note_change(word, i64::from(permits));
    }

    /// So many more permits are out, or fewer, since a change of the word that made it this one or found it so.
    #[inline]
    fn note_change(&self, word: Word, permits: i64) {
        if word.is_timed() && permits != 0 {
            self.occupancy.change(permits);
        }
    }

    #[inline]
    fn note_peak(&self, word: Word) {
        let in_flight = word.in_flight();
        if in_flight > self.peak.load(Ordering::Relaxed) {
            self.peak.fetch_max(in_flight, Ordering::Relaxed);
        }
    }

    /// Takes while `GATED` is set and the lock held: only returns can change the counts meanwhile.
    ///
    /// Nobody waits, so nobody minds the order: reservations that stood at the driver's last look, and are idle by that, are
    /// given to a caller at hand.
    #[inline]
    fn take_gated(&self, queue: &Queue, kind: Kind, permits: u32) -> bool {
        let limit = self.allowed(queue);
        let idle = self.aged.load(Ordering::Relaxed);
        self.load().occupied() + permits <= limit.saturating_add(idle)
            && self.take_or_revoke(kind, permits, limit, idle)
    }

    #[inline(never)]
    fn take_or_revoke(&self, kind: Kind, permits: u32, limit: u32, idle: u32) -> bool {
        let lacking = |word: Word| (word.occupied() + permits).saturating_sub(limit);
        let revoked = Cell::new(0);
        let taken = self.update(|word| {
            let freed = word.unreserve_many(lacking(word)).filter(|_| lacking(word) <= idle)?;
            revoked.set(lacking(word));
            Some(if kind == Kind::Reservation { freed.reserve() } else { freed.take(permits) })
        });
        if let Some(word) = taken {
            self.note_taken(word, if kind == Kind::Permit { permits } else { 0 });
            self.spend_aged(revoked.get());
        }
        taken.is_some()
    }
}

//! Calls with a class: how they take permits, wait in the bounded queue, or are refused.

use std::task::Waker;

use super::fair::FlowId;
use super::queue::Queue;
use super::{Entry, Gate, Hold, Kind, Would, nanos};
use crate::sync::{MutexGuard, Ordering, lock};
use crate::{Class, OverloadReason, Overloaded};

/// What a caller got, while others are woken. Should a waker panic, it goes back.
pub(super) struct Kept<'a> {
    gate: &'a Gate,
    entry: Option<Entry>,
}

impl<'a> Kept<'a> {
    pub(super) const fn new(gate: &'a Gate, entry: Entry) -> Self {
        Self { gate, entry: Some(entry) }
    }

    pub(super) fn hand_over(mut self) -> Entry {
        self.entry.take().unwrap_or(Entry::Refused(Overloaded::new(OverloadReason::NoPermit, None)))
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        match self.entry.take() {
            Some(Entry::Admitted(hold)) => self.gate.release(hold),
            Some(Entry::Queued(ticket)) => {
                self.gate.cancel(ticket);
            }
            Some(Entry::Refused(_)) | None => {}
        }
    }
}

impl Gate {
    /// Takes the permits of a call of `class` if they are free and nobody waits.
    pub(crate) fn try_enter_class(&self, class: &Class) -> Result<Hold, Overloaded> {
        let mut queue = lock(&self.queue);
        let taken = if let Some(hold) = self.take_class(&mut queue, class) {
            self.note_would(&mut queue, Would::Refuse);
            Ok(hold)
        } else {
            // Also a call that is refused says what its key's share is.
            let flow = queue.flows().open(class);
            queue.flows().retire(flow);
            Err(Self::hold_back(&mut queue))
        };
        self.leave(queue);
        taken
    }

    /// Takes the permits of a call of `class` if they are free, the fast path is open, and nobody minds who comes.
    #[inline]
    pub(crate) fn try_take_class(&self, class: &Class) -> Option<Hold> {
        if self.load().is_gated() {
            return None;
        }
        let mut queue = lock(&self.queue);
        if queue.minds_who_comes() {
            return None;
        }
        self.take_open(&mut queue, class)
    }

    /// Takes the permits of a call of `class`, or a place in the bounded queue.
    ///
    /// One that `has_room` was told of some and is not refused for want of it. `now` is asked for, in nanoseconds since the limiter was built, only if the call has to wait and somebody minds for
    /// how long.
    pub(crate) fn enter_class(
        &self,
        class: &Class,
        has_room: bool,
        now: impl FnOnce() -> u64,
        left: Option<u64>,
        mut waker: Option<Waker>,
    ) -> Entry {
        let mut queue = lock(&self.queue);
        queue.come();
        if let Some(hold) = self.take_class(&mut queue, class) {
            let entry = Kept::new(self, Entry::Admitted(hold));
            self.note_would(&mut queue, Would::WaitOr { left });
            self.go_on(queue);
            return entry.hand_over();
        }
        queue.held_back |= !queue.is_braked && !queue.is_closed;
        let flow = queue.flows().open(class);
        let mut displaced = None;
        let refused = self.refuse_class(&mut queue, flow, class, has_room, left, &mut displaced);
        let entry = if let Some(reason) = refused {
            queue.flows().retire(flow);
            Entry::Refused(queue.refusal(reason))
        } else {
            // With the one displaced its level may have forgotten this flow.
            let flow = if displaced.is_some() { queue.flows().open(class) } else { flow };
            Entry::Queued(queue.push_bounded(flow, class.weight, now, waker.take()))
        };
        let entry = Kept::new(self, entry);
        self.go_on(queue);
        if let Some(displaced) = displaced.flatten() {
            displaced.wake();
        }
        entry.hand_over()
    }

    /// Unlocks after a call with a class has come. It may have left permits that were too few for it, or for one that it
    /// displaced, to who is next; or have needed no place, so that the one it was told of is for another.
    fn go_on(&self, mut queue: MutexGuard<'_, Queue>) {
        let word = self.load();
        if !word.is_gated() && !queue.awaits_room() {
            return;
        }
        let driver = self.take_driver(&mut queue);
        if queue.may_go_on(self.allowed(&queue), word.occupied()) {
            self.grant(queue);
        } else {
            self.leave(queue);
        }
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// Why the call may not even wait, if so. A full queue may give up a lesser call for it.
    fn refuse_class(
        &self,
        queue: &mut Queue,
        flow: FlowId,
        class: &Class,
        has_room: bool,
        left: Option<u64>,
        displaced: &mut Option<Option<Waker>>,
    ) -> Option<OverloadReason> {
        let limit = self.limit.load(Ordering::Relaxed);
        if queue.is_closed {
            return Some(OverloadReason::Closed);
        }
        let wait = queue.predict(flow, class.weight.min(limit));
        if let (Some(left), Some(wait)) = (left, wait)
            && nanos(wait) > left
        {
            return Some(OverloadReason::Deadline);
        }
        if queue.is_full(limit) && !has_room {
            *displaced = queue.displace(class.priority);
            if displaced.is_none() {
                return Some(OverloadReason::QueueFull);
            }
        }
        None
    }

    /// Takes the permits of a call if they are free and the fast path is open.
    #[inline]
    fn take_open(&self, queue: &mut Queue, class: &Class) -> Option<Hold> {
        let permits = class.weight.min(self.limit.load(Ordering::Relaxed));
        let allowed = self.allowed(queue);
        // The limit cannot change while the lock is held, so the fast path's second look at it is not needed here.
        let taken = self.update(|word| {
            (!word.is_gated() && word.occupied() + permits <= allowed).then(|| word.take(permits))
        })?;
        self.note_taken(taken, permits);
        Some(Self::hold_of_class(queue, class, permits))
    }

    /// The same, also where the fast path is closed and nobody waits; it stays closed until the caller leaves.
    fn take_class(&self, queue: &mut Queue, class: &Class) -> Option<Hold> {
        let taken = self.take_open(queue, class);
        if taken.is_some() {
            return taken;
        }
        self.shut();
        let permits = class.weight.min(self.limit.load(Ordering::Relaxed));
        let is_taken = queue.is_open_to(false) && self.take_gated(queue, Kind::Permit, permits);
        is_taken.then(|| Self::hold_of_class(queue, class, permits))
    }

    /// Permits that were taken, counted for their flow.
    #[inline]
    fn hold_of_class(queue: &mut Queue, class: &Class, permits: u32) -> Hold {
        let flow = queue.flows().open(class);
        queue.flows().enter(flow, permits);
        Hold::new(flow, permits)
    }

    #[inline(never)]
    pub(super) fn release_class(&self, hold: Hold) {
        let mut queue = lock(&self.queue);
        if self.subtract(&mut queue, hold).is_gated() {
            self.grant(queue);
        }
    }
}

//! What stands under the gate's lock: the waiters, their lines, and what happens to them. No clock; no atomics but the answers.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::answers::Answers;
use super::fair::{FlowId, Flows, PLAIN};
use super::nodes::{By, Ends, Kind, NONE, Node, Nodes, Ticket};
use super::seat::Seat;
use super::shadow::WouldHave;
use super::sojourn::Sojourn;
use crate::{OverloadReason, Overloaded, Priority};

/// How many waits are timed between two looks of the driver: all of them where waits are few, and a sample that costs next
/// to nothing where they are many.
const TIMED_PER_LOOK: u32 = 16;

/// How many calls may wait in the bounded queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueueLimit {
    Fixed(u32),
    /// So many for each permit of the limit.
    PerPermit(u32),
}

/// How the bounded queue protects itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueConfig {
    pub(crate) limit: QueueLimit,
    /// Sojourn target and interval.
    pub(crate) sojourn: Option<(Duration, Duration)>,
}

/// What a hand-over touches stands first, in as few cache lines as it can.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Queue {
    /// Those who wait for permits or reservations, how many of them are plain, and how many are bounded.
    waiting: u32,
    plain_waiting: u32,
    bounded: u32,
    /// Calls and reservations without a class.
    plain: Ends,
    /// Calls whose reservation was revoked: they were ready before all others, and are served even when closed.
    first: Ends,
    /// A call whose turn it is and whose permits have not come together yet.
    pledged: u32,
    /// Waits that may still be timed before the driver's next look.
    to_time: u32,
    pub(super) is_braked: bool,
    pub(super) is_closed: bool,
    pub(super) is_undriven: bool,
    /// Whether nobody is made to wait, and what is let through above the limit is only counted.
    pub(super) is_shadow: bool,
    /// Whether the limit (not the brake) made a caller wait since the last observation.
    pub(super) held_back: bool,
    nodes: Nodes,
    /// Those who wait for a place in the bounded queue, and for the end of all work.
    room: Ends,
    drain: Ends,
    /// The sleeping driver.
    pub(super) driver: Option<Waker>,
    flows: Flows,
    /// The bounded waiters of each priority, oldest first.
    ages: [Ends; 3],
    /// How many were told of room and have not come yet. No more are told than there are places.
    told: u32,
    limit: QueueLimit,
    sojourn: Option<Sojourn>,
    /// Permits that come back in a second while calls wait, if known.
    pub(super) pace: Option<f64>,
    pub(super) would_have: WouldHave,
}

/// The flow of the line that goes before all flows, and of those who want no permits.
const FIRST: FlowId = FlowId::MAX;
const ASIDE: FlowId = FlowId::MAX - 1;

/// Who is to be given permits next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) index: u32,
    pub(super) kind: Kind,
    pub(super) permits: u32,
}

impl Queue {
    pub(super) fn new(config: QueueConfig, answers: Arc<Answers>) -> Self {
        Self {
            nodes: Nodes::new(answers),
            first: Ends::default(),
            plain: Ends::default(),
            flows: Flows::default(),
            ages: Default::default(),
            room: Ends::default(),
            drain: Ends::default(),
            pledged: NONE,
            waiting: 0,
            plain_waiting: 0,
            bounded: 0,
            to_time: TIMED_PER_LOOK,
            told: 0,
            limit: config.limit,
            sojourn: config.sojourn.map(|(target, interval)| Sojourn::new(target, interval)),
            pace: None,
            is_braked: false,
            is_closed: false,
            is_undriven: false,
            is_shadow: false,
            held_back: false,
            driver: None,
            would_have: WouldHave::default(),
        }
    }

    /// Other bounds from `now` on, in nanoseconds since the limiter was built. Nobody who waits is refused for it.
    pub(super) fn configure(&mut self, config: QueueConfig, now: u64) {
        self.limit = config.limit;
        if self.sojourn.as_ref().map(Sojourn::bounds) == config.sojourn {
            return;
        }
        let had_none = self.sojourn.is_none();
        self.sojourn = config.sojourn.map(|(target, interval)| Sojourn::new(target, interval));
        if had_none && self.sojourn.is_some() {
            // Nobody asked when they came.
            for head in self.ages.map(|line| line.head) {
                let mut index = head;
                while index != NONE {
                    self.nodes.get(index).since = now;
                    index = self.nodes.next(By::Age, index);
                }
            }
        }
    }

    #[cfg(test)]
    pub(super) fn nodes(&self) -> usize {
        self.nodes.count()
    }

    /// How many wait for permits; those granted and not yet polled do not.
    pub(super) fn waiting(&self) -> u32 {
        self.waiting
    }

    /// Whether nobody waits who could still be served, nor for anything else.
    pub(super) fn is_idle(&self) -> bool {
        let is_served = if self.is_closed { self.first.head == NONE } else { self.waiting == 0 };
        is_served && !self.is_braked && self.room.head == NONE && self.drain.head == NONE
    }

    /// Whether a newcomer would be served before all who wait.
    pub(super) fn is_open_to(&self, is_first: bool) -> bool {
        if self.is_braked {
            return false;
        }
        if is_first { self.first.head == NONE } else { self.waiting == 0 && !self.is_closed }
    }

    /// Whether the fast path must stay closed though nobody waits.
    pub(super) fn needs_gate(&self) -> bool {
        self.is_braked || self.is_closed || self.driver.is_some()
    }

    pub(super) fn flows(&mut self) -> &mut Flows {
        &mut self.flows
    }

    /// A place in the line before all others.
    pub(super) fn push_first(&mut self, waker: Option<Waker>) -> Ticket {
        let index = self.nodes.insert(Kind::Permit, waker, FIRST);
        self.nodes.push_back(&mut self.first, By::Turn, index);
        self.queued(index)
    }

    /// A place in the plain line: unbounded, never refused but when the limiter is closed.
    pub(super) fn push_plain(&mut self, waker: Option<Waker>) -> Ticket {
        let index = self.nodes.insert(Kind::Permit, waker, PLAIN);
        self.line_up(index);
        self.queued(index)
    }

    /// The same for a reservation, whose owner keeps the node.
    pub(super) fn push_seated(&mut self, seat: &mut Seat, waker: Option<Waker>) -> Ticket {
        if seat.0 == NONE {
            seat.0 = self.nodes.insert(Kind::Reservation, waker, PLAIN);
        } else {
            self.nodes.renew(seat.0, waker);
        }
        self.line_up(seat.0);
        Ticket::seated(seat.0, self.count())
    }

    #[inline]
    fn line_up(&mut self, index: u32) {
        self.nodes.push_back(&mut self.plain, By::Turn, index);
        self.plain_waiting += 1;
    }

    /// A place in the bounded queue, for a call that wants so many permits. `now` is asked for if somebody wants to know.
    pub(super) fn push_bounded(
        &mut self,
        flow: FlowId,
        permits: u32,
        now: impl FnOnce() -> u64,
        waker: Option<Waker>,
    ) -> Ticket {
        let since = if self.sojourn.is_some() { now() } else { 0 };
        let index = self.nodes.insert(Kind::Permit, waker, flow);
        let node = self.nodes.get(index);
        node.since = since;
        node.wanted = permits;
        node.is_bounded = true;
        self.nodes.push_back(self.flows.line(flow), By::Turn, index);
        let priority = self.flows.priority(flow);
        self.nodes.push_back(&mut self.ages[priority as usize], By::Age, index);
        self.flows.join(flow, permits);
        self.bounded += 1;
        self.queued(index)
    }

    fn queued(&mut self, index: u32) -> Ticket {
        Ticket::new(index, self.count())
    }

    /// One more waits; whether its wait is timed.
    #[inline]
    fn count(&mut self) -> bool {
        self.waiting += 1;
        let is_timed = self.to_time > 0;
        self.to_time -= u32::from(is_timed);
        is_timed
    }

    /// A place among those who wait for room in the queue, or for the end of all work.
    pub(super) fn push_aside(&mut self, kind: Kind, waker: Option<Waker>) -> Ticket {
        let index = self.nodes.insert(kind, waker, ASIDE);
        let line = if kind == Kind::Room { &mut self.room } else { &mut self.drain };
        self.nodes.push_back(line, By::Turn, index);
        Ticket::new(index, false)
    }

    /// Whether it is worth asking for the next turn or the next one to be told.
    pub(super) fn may_go_on(&self, limit: u32, occupied: u32) -> bool {
        let is_turn = self.waiting > 0 && occupied < limit && !self.is_braked;
        is_turn || self.room.head != NONE || self.drain.head != NONE
    }

    /// Who is to be given permits, if they are free. One whose permits are not all free yet keeps its turn.
    ///
    /// `allowed` may be out, which in shadow mode is more than the `limit`.
    pub(super) fn next_turn(&mut self, limit: u32, allowed: u32, occupied: u32) -> Option<Turn> {
        if self.is_braked || self.waiting == 0 || occupied >= allowed {
            return None;
        }
        if self.first.head != NONE {
            return Some(Turn { index: self.first.head, kind: Kind::Permit, permits: 1 });
        }
        if self.is_closed {
            return None;
        }
        let index = if self.pledged != NONE {
            self.pledged
        } else if self.bounded == 0 {
            self.plain.head
        } else {
            self.next_in_flows(allowed, occupied)?
        };
        let node = self.nodes.peek(index);
        // A call that needs more than the whole limit gets the whole limit.
        let turn = Turn { index, kind: node.kind, permits: node.wanted.min(limit) };
        let is_free = turn.permits <= allowed - occupied;
        self.pledged = if is_free { NONE } else { index };
        is_free.then_some(turn)
    }

    fn next_in_flows(&mut self, limit: u32, occupied: u32) -> Option<u32> {
        self.flows.set_limit(limit);
        self.flows.set_plain(self.plain.head != NONE, occupied);
        let flow = self.flows.next()?;
        if flow == PLAIN {
            return Some(self.plain.head);
        }
        let line = *self.flows.line(flow);
        let is_newest_first = self.sojourn.as_ref().is_some_and(Sojourn::stands);
        Some(if is_newest_first { line.tail } else { line.head })
    }

    /// Gives the turn what it is due; whom to wake. `stamp` marks a reservation.
    pub(super) fn grant(&mut self, turn: Turn, stamp: u32) -> Option<Waker> {
        let &Node { flow, wanted, .. } = self.nodes.peek(turn.index);
        let is_fair_turn = flow != FIRST && self.bounded > 0;
        self.unlink(turn.index);
        if is_fair_turn {
            self.flows.grant(flow, wanted, turn.permits);
            self.part_plain();
        }
        let flow = if flow == FIRST { PLAIN } else { flow };
        self.nodes.grant(turn.index, flow, if turn.kind == Kind::Permit { turn.permits } else { stamp })
    }

    /// Whether those who wait are all of the plain line, and served in its order.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.plain_waiting > 0 && self.waiting == self.plain_waiting && !self.is_braked && !self.is_closed
    }

    /// What the first of the plain line wants.
    #[inline]
    pub(super) fn plain_kind(&self) -> Kind {
        self.nodes.peek(self.plain.head).kind
    }

    /// Gives it to the first of the plain line; whom to wake. `stamp` marks a reservation.
    #[inline]
    pub(super) fn grant_plain(&mut self, kind: Kind, stamp: u32) -> Option<Waker> {
        self.waiting -= 1;
        self.plain_waiting -= 1;
        self.nodes.grant_first(&mut self.plain, kind, stamp)
    }

    /// Somebody who waited for room and is told that there is some; whom to wake.
    pub(super) fn next_with_room(&mut self, limit: u32) -> Option<Option<Waker>> {
        if !self.awaits_room() {
            return None;
        }
        let told = if self.is_undriven { 0 } else { self.told };
        let has_news = self.is_closed || told < self.places(limit).saturating_sub(self.bounded);
        if !has_news {
            return None;
        }
        self.told = self.told.saturating_add(1);
        Some(Self::answer_first(&mut self.nodes, &mut self.room))
    }

    /// Somebody who waited for the end of all work, which has come; whom to wake.
    pub(super) fn next_drained(&mut self, in_flight: u32) -> Option<Option<Waker>> {
        let is_drained = self.is_closed && in_flight == 0 && self.first.head == NONE;
        (is_drained && self.drain.head != NONE).then(|| Self::answer_first(&mut self.nodes, &mut self.drain))
    }

    fn answer_first(nodes: &mut Nodes, line: &mut Ends) -> Option<Waker> {
        let index = line.head;
        nodes.unlink(line, By::Turn, index);
        nodes.grant(index, ASIDE, 0)
    }

    /// Whether no call waits that was promised a permit.
    pub(super) fn has_none_promised(&self) -> bool {
        self.first.head == NONE
    }

    /// One who was told something is gone; if it was of room, the next one is told.
    pub(super) fn pass_on(&mut self, ticket: &Ticket) {
        if self.nodes.peek(ticket.index).kind == Kind::Room {
            self.come();
        }
    }

    /// A call came, perhaps one that was told of room: the next one may be told.
    pub(super) fn come(&mut self) {
        self.told = self.told.saturating_sub(1);
    }

    /// Whether more is to be done for a call that comes and need not wait: somebody was told of room and this may be the one,
    /// or shadow mode counts what would have become of it.
    #[inline]
    pub(super) fn minds_who_comes(&self) -> bool {
        self.told > 0 || self.is_shadow
    }

    /// Whether somebody waits for room.
    pub(super) fn awaits_room(&self) -> bool {
        self.room.head != NONE
    }

    pub(super) fn would_wake(&self, ticket: &Ticket, waker: &Waker) -> bool {
        self.nodes.peek(ticket.index).waker.as_ref().is_some_and(|own| own.will_wake(waker))
    }

    pub(super) fn swap_waker(&mut self, ticket: &Ticket, waker: &mut Option<Waker>) {
        std::mem::swap(&mut self.nodes.get(ticket.index).waker, waker);
    }

    /// Leaves the line, unanswered; the waker, to be dropped outside the lock.
    pub(super) fn remove(&mut self, index: u32) -> Option<Waker> {
        match self.nodes.peek(index).kind {
            Kind::Room => self.nodes.unlink(&mut self.room, By::Turn, index),
            Kind::Drain => self.nodes.unlink(&mut self.drain, By::Turn, index),
            Kind::Permit | Kind::Reservation => self.leave(index),
        }
        self.nodes.vacate(index)
    }

    /// Takes a waiter out of the lines and the counts, with nothing.
    #[inline(always)]
    fn leave(&mut self, index: u32) {
        let &Node { flow, wanted, is_bounded, .. } = self.nodes.peek(index);
        self.unlink(index);
        if is_bounded {
            self.flows.quit(flow, wanted);
            self.part_plain();
        }
    }

    fn part_plain(&mut self) {
        if self.bounded == 0 {
            self.flows.part_plain();
        }
    }

    /// Takes a waiter out of its lines; the flow of a bounded one is still to be told.
    #[inline(always)]
    fn unlink(&mut self, index: u32) {
        let &Node { flow, is_bounded, .. } = self.nodes.peek(index);
        self.waiting -= 1;
        if self.pledged == index {
            self.pledged = NONE;
        }
        if is_bounded {
            self.nodes.unlink(self.flows.line(flow), By::Turn, index);
            let priority = self.flows.priority(flow);
            self.nodes.unlink(&mut self.ages[priority as usize], By::Age, index);
            self.bounded -= 1;
        } else if flow == PLAIN {
            self.nodes.unlink(&mut self.plain, By::Turn, index);
            self.plain_waiting -= 1;
        } else {
            self.nodes.unlink(&mut self.first, By::Turn, index);
        }
    }

    fn refuse(&mut self, index: u32, reason: OverloadReason) -> Option<Waker> {
        self.leave(index);
        self.nodes.refuse(index, reason)
    }

    pub(super) fn is_full(&self, limit: u32) -> bool {
        self.bounded > 0 && self.bounded >= self.places(limit)
    }

    pub(super) fn places(&self, limit: u32) -> u32 {
        match self.limit {
            QueueLimit::Fixed(places) => places,
            QueueLimit::PerPermit(places) => places.saturating_mul(limit),
        }
    }

    /// Makes a place in a full queue: the newest waiter of the lowest priority goes, if it is lower; whom to wake.
    pub(super) fn displace(&mut self, priority: Priority) -> Option<Option<Waker>> {
        let lower = Priority::ALL.into_iter().filter(|&other| other < priority);
        let index = lower.map(|other| self.ages[other as usize].tail).find(|&tail| tail != NONE)?;
        Some(self.refuse(index, OverloadReason::Displaced))
    }

    /// How long a call of this flow would wait, if the pace is known.
    pub(super) fn predict(&self, flow: FlowId, permits: u32) -> Option<Duration> {
        let pace = self.pace?;
        Some(time_for(self.flows.ahead(flow, permits, self.plain_waiting) + u64::from(permits), pace))
    }

    /// A refusal, with the time that those who wait now need.
    pub(super) fn refusal(&self, reason: OverloadReason) -> Overloaded {
        let hint = match (reason, self.pace) {
            (OverloadReason::Closed, _) | (_, None) => None,
            (_, Some(pace)) => Some(time_for(self.flows.wanted() + u64::from(self.plain_waiting) + 1, pace))
                .filter(|&time| time < Duration::MAX),
        };
        Overloaded::new(reason, hint)
    }

    /// One look of the driver at those who wait; whom to wake.
    pub(super) fn look(&mut self, now: u64) -> Vec<Waker> {
        self.to_time = TIMED_PER_LOOK;
        // Somebody who was told of room and did nothing with it must not keep the others from it.
        self.told = 0;
        let oldest = self.ages.iter().map(|line| line.head).filter(|&head| head != NONE);
        let oldest = oldest.map(|head| self.nodes.peek(head).since).min();
        let Some(came_before) = self.sojourn.as_mut().and_then(|sojourn| sojourn.look(now, oldest)) else {
            return Vec::new();
        };
        let mut woken = Vec::new();
        for priority in Priority::ALL {
            loop {
                let head = self.ages[priority as usize].head;
                if head == NONE || self.nodes.peek(head).since >= came_before {
                    break;
                }
                woken.extend(self.refuse(head, OverloadReason::Sojourn));
            }
        }
        woken
    }

    /// Closes: every waiting call is refused; whom to wake. Services that wait to be ready go on waiting.
    pub(super) fn close(&mut self) -> Vec<Waker> {
        self.is_closed = true;
        let mut woken = Vec::new();
        while let Some(index) = self.ages.iter().map(|line| line.head).find(|&head| head != NONE) {
            woken.extend(self.refuse(index, OverloadReason::Closed));
        }
        let mut index = self.plain.head;
        while index != NONE {
            let next = self.nodes.next(By::Turn, index);
            if self.nodes.peek(index).kind == Kind::Permit {
                woken.extend(self.refuse(index, OverloadReason::Closed));
            }
            index = next;
        }
        woken
    }
}

pub(super) fn time_for(permits: u64, pace: f64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let seconds = permits as f64 / pace;
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

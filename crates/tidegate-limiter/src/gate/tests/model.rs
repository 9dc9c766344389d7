//! What the gate should be doing, written for clarity: one list of waiters, searched from end to end.

use std::time::Duration;

use tidegate_core::MAX_LIMIT;

use super::super::queue::{QueueConfig, QueueLimit};
use super::super::sojourn::Sojourn;
use super::super::{Kind, Line, WouldHave};
use super::shares::{Name, Shares};
use crate::{Class, OverloadReason, Overloaded, Priority};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum State {
    Waiting,
    /// Permits or a reservation, given before this look of the driver.
    Granted {
        permits: u32,
        look: u32,
    },
    Refused(OverloadReason),
    /// That there is room, or that all is over.
    Told,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    First,
    Flow(Name),
    Aside,
}

#[derive(Clone, Debug)]
pub(super) struct Waiter {
    pub(super) id: u32,
    pub(super) kind: Kind,
    pub(super) place: Place,
    pub(super) state: State,
    wanted: u32,
    since: u64,
}

impl Waiter {
    fn waits_in(&self, place: Place) -> bool {
        self.state == State::Waiting && self.place == place
    }

    fn bounded_priority(&self) -> Option<Priority> {
        match self.place {
            Place::Flow(Name::Classed(priority, _)) if self.state == State::Waiting => Some(priority),
            _ => None,
        }
    }

    /// The flow of a waiter that waits or holds what it was granted.
    pub(super) fn flow(&self) -> Option<Name> {
        let is_live = matches!(self.state, State::Waiting | State::Granted { .. });
        match self.place {
            Place::Flow(name) if is_live => Some(name),
            _ => None,
        }
    }

    fn wants_permits(&self) -> bool {
        self.state == State::Waiting && self.place != Place::Aside
    }
}

/// Whether a caller got in.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    In(u32),
    Waits,
    Refused(Overloaded),
}

#[derive(Debug)]
pub(super) struct Model {
    pub(super) limit: u32,
    pub(super) in_flight: u32,
    pub(super) reserved: u32,
    pub(super) look: u32,
    aged: u32,
    pub(super) is_braked: bool,
    pub(super) is_closed: bool,
    pub(super) is_shadow: bool,
    pub(super) would_have: WouldHave,
    pub(super) pace: Option<f64>,
    places: QueueLimit,
    sojourn: Option<Sojourn>,
    pub(super) pledged: Option<u32>,
    /// Those who wait and those who have not looked at what came of it, in the order in which they came.
    pub(super) waiters: Vec<Waiter>,
    pub(super) shares: Shares,
}

impl Model {
    pub(super) fn new(limit: u32, config: QueueConfig) -> Self {
        Self {
            limit,
            in_flight: 0,
            reserved: 0,
            look: 0,
            aged: 0,
            is_braked: false,
            is_closed: false,
            is_shadow: false,
            would_have: WouldHave::default(),
            pace: None,
            places: config.limit,
            sojourn: config.sojourn.map(|(target, interval)| Sojourn::new(target, interval)),
            pledged: None,
            waiters: Vec::new(),
            shares: Shares::new(),
        }
    }

    pub(super) fn occupied(&self) -> u32 {
        self.in_flight + self.reserved
    }

    pub(super) fn queued(&self) -> usize {
        self.waiters.iter().filter(|waiter| waiter.wants_permits()).count()
    }

    pub(super) fn first_waits(&self) -> bool {
        self.waiters.iter().any(|waiter| waiter.waits_in(Place::First))
    }

    pub(super) fn waiter(&mut self, id: u32) -> &mut Waiter {
        self.waiters.iter_mut().find(|waiter| waiter.id == id).expect("a ticket that is held")
    }

    pub(super) fn is_full(&self) -> bool {
        self.free_places() == 0
    }

    fn places(&self) -> usize {
        let places = match self.places {
            QueueLimit::Fixed(places) => places,
            QueueLimit::PerPermit(places) => places * self.limit,
        };
        places as usize
    }

    pub(super) fn free_places(&self) -> usize {
        self.places().saturating_sub(self.bounded())
    }

    pub(super) fn bounded(&self) -> usize {
        self.waiters.iter().filter(|waiter| waiter.bounded_priority().is_some()).count()
    }

    /// Whether the fast path is open.
    pub(super) fn is_open(&self) -> bool {
        !self.is_braked && !self.is_closed && self.queued() == 0
    }

    /// How many permits may be out or reserved.
    pub(super) fn allowed(&self) -> u32 {
        if self.is_shadow { MAX_LIMIT } else { self.limit }
    }

    /// Counts a call that got in, if it is above the limit.
    fn note_would(&mut self, is_refused: impl FnOnce(&Self, u32) -> bool) {
        let idle = self.reserved.min(self.aged);
        let ahead = (self.occupied() - idle).saturating_sub(self.limit);
        if !self.is_shadow || ahead == 0 {
            return;
        }
        if is_refused(self, ahead) { self.would_have.refused += 1 } else { self.would_have.waited += 1 }
    }

    fn take(&mut self, kind: Kind, permits: u32) {
        if kind == Kind::Permit { self.in_flight += permits } else { self.reserved += 1 }
    }

    /// Takes if a permit is free and nobody waits.
    pub(super) fn try_fast(&mut self, kind: Kind) -> bool {
        let is_in = self.is_open() && self.occupied() < self.limit;
        if is_in {
            self.take(kind, 1);
        }
        is_in
    }

    /// Takes for a caller at hand, who may revoke reservations that stood at the driver's last look.
    fn take_at_hand(&mut self, kind: Kind, permits: u32) -> bool {
        let lacking = (self.occupied() + permits).saturating_sub(self.allowed());
        let is_in = lacking <= self.reserved.min(self.aged);
        if is_in {
            self.reserved -= lacking;
            self.aged -= lacking;
            self.take(kind, permits);
        }
        is_in
    }

    pub(super) fn try_enter(&mut self) -> Outcome {
        if !self.is_open() || !self.take_at_hand(Kind::Permit, 1) {
            return self.turn_away();
        }
        self.note_would(|_, _| true);
        Outcome::In(1)
    }

    pub(super) fn try_enter_class(&mut self, class: &Class) -> Outcome {
        let Some(taken) = self.take_class(class) else { return self.turn_away() };
        self.note_would(|_, _| true);
        taken
    }

    fn turn_away(&self) -> Outcome {
        let reason = if self.is_closed { OverloadReason::Closed } else { OverloadReason::NoPermit };
        Outcome::Refused(self.refusal(reason))
    }

    fn take_class(&mut self, class: &Class) -> Option<Outcome> {
        let name = Name::of(class);
        self.shares.open(name, class.share);
        let permits = class.weight.min(self.limit);
        if !self.is_open() || !self.take_at_hand(Kind::Permit, permits) {
            return None;
        }
        self.shares.flow(name).held += permits;
        Some(Outcome::In(permits))
    }

    pub(super) fn enter(&mut self, id: u32, kind: Kind, line: Line) -> Outcome {
        let is_first = line == Line::First;
        let is_next = if is_first { !self.is_braked && !self.first_waits() } else { self.is_open() };
        if is_next && self.take_at_hand(kind, 1) {
            self.note_would(|_, _| false);
            return Outcome::In(1);
        }
        if self.is_closed && !is_first && kind == Kind::Permit {
            return Outcome::Refused(self.refusal(OverloadReason::Closed));
        }
        self.push(id, kind, if is_first { Place::First } else { Place::Flow(Name::Plain) }, 1, 0);
        Outcome::Waits
    }

    pub(super) fn enter_class(&mut self, id: u32, class: &Class, now: u64, left: Option<u64>) -> Outcome {
        if let Some(outcome) = self.take_class(class) {
            self.note_would(|model, ahead| {
                let wait = model.time_for(ahead.into());
                let is_late = wait.zip(left).is_some_and(|(wait, left)| wait.as_nanos() > u128::from(left));
                ahead as usize > model.places() || is_late
            });
            return outcome;
        }
        let name = Name::of(class);
        let refused = |model: &Self, reason| Outcome::Refused(model.refusal(reason));
        if self.is_closed {
            return refused(self, OverloadReason::Closed);
        }
        let permits = class.weight.min(self.limit);
        let wait = self.time_for(self.shares.ahead(name, permits) + u64::from(permits));
        if wait.zip(left).is_some_and(|(wait, left)| wait.as_nanos() > u128::from(left)) {
            return refused(self, OverloadReason::Deadline);
        }
        if self.is_full() {
            let lower =
                self.waiters.iter().rev().filter(|other| other.bounded_priority() < Some(class.priority));
            let lowest = lower
                .filter(|other| other.bounded_priority().is_some())
                .min_by_key(|other| other.bounded_priority());
            let Some(displaced) = lowest.map(|other| other.id) else {
                return refused(self, OverloadReason::QueueFull);
            };
            self.refuse(displaced, OverloadReason::Displaced);
        }
        self.push(id, Kind::Permit, Place::Flow(name), class.weight, now);
        self.serve();
        Outcome::Waits
    }

    pub(super) fn push(&mut self, id: u32, kind: Kind, place: Place, wanted: u32, since: u64) {
        match place {
            Place::Flow(Name::Plain) => self.shares.plain_wanted += 1,
            Place::Flow(name) => self.shares.join(name, wanted),
            Place::First | Place::Aside => {}
        }
        self.waiters.push(Waiter { id, kind, place, state: State::Waiting, wanted, since });
    }

    /// Takes a waiter out of the line.
    fn leave(&mut self, id: u32, state: State) {
        let waiter = self.waiter(id);
        waiter.state = state;
        if waiter.place == Place::Flow(Name::Plain) {
            self.shares.plain_wanted -= 1;
        }
        if self.pledged == Some(id) {
            self.pledged = None;
        }
    }

    fn refuse(&mut self, id: u32, reason: OverloadReason) {
        self.leave(id, State::Refused(reason));
        self.quit(id);
    }

    fn quit(&mut self, id: u32) {
        let &mut Waiter { place, wanted, .. } = self.waiter(id);
        if let Place::Flow(name @ Name::Classed(..)) = place {
            self.shares.quit(name, wanted);
            self.part_plain();
        }
    }

    /// Plain callers are compared with nobody once nobody else waits.
    fn part_plain(&mut self) {
        if self.bounded() == 0 {
            self.shares.part_plain();
        }
    }

    /// The ticket is gone; what it was granted is the next one's.
    pub(super) fn cancel(&mut self, id: u32) {
        let waiter = self.waiter(id).clone();
        match waiter.state {
            State::Waiting => {
                self.leave(id, State::Told);
                self.quit(id);
            }
            State::Granted { permits, .. } if waiter.kind == Kind::Permit => {
                self.give_back(waiter.place, permits)
            }
            State::Granted { look, .. } => {
                self.spend(look);
                self.reserved = self.reserved.saturating_sub(1);
            }
            State::Refused(_) | State::Told => {}
        }
        self.waiters.retain(|other| other.id != id);
        self.serve();
    }

    fn give_back(&mut self, place: Place, permits: u32) {
        self.in_flight -= permits;
        if let Place::Flow(name @ Name::Classed(..)) = place {
            self.shares.exit(name, permits);
        }
    }

    pub(super) fn release(&mut self, name: Name, permits: u32) {
        self.give_back(Place::Flow(name), permits);
        self.serve();
    }

    pub(super) fn unreserve(&mut self, look: u32) {
        self.spend(look);
        self.reserved = self.reserved.saturating_sub(1);
        self.serve();
    }

    pub(super) fn claim(&mut self, look: u32) -> bool {
        self.spend(look);
        let is_left = self.reserved > 0;
        if is_left {
            self.reserved -= 1;
            self.in_flight += 1;
        }
        is_left
    }

    fn spend(&mut self, look: u32) {
        if look != self.look {
            self.aged = self.aged.saturating_sub(1);
        }
    }

    pub(super) fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
        self.revoke();
        self.serve();
    }

    fn revoke(&mut self) {
        self.reserved = self.reserved.min(self.allowed().saturating_sub(self.in_flight));
    }

    pub(super) fn set_shadow(&mut self, on: bool) {
        self.is_shadow = on;
        self.is_braked &= !on;
        self.revoke();
        self.serve();
    }

    pub(super) fn set_queue(&mut self, config: QueueConfig, now: u64) {
        self.places = config.limit;
        if self.sojourn.as_ref().map(Sojourn::bounds) == config.sojourn {
            return self.serve();
        }
        if self.sojourn.is_none() && config.sojourn.is_some() {
            for waiter in self.waiters.iter_mut().filter(|waiter| waiter.bounded_priority().is_some()) {
                waiter.since = now;
            }
        }
        self.sojourn = config.sojourn.map(|(target, interval)| Sojourn::new(target, interval));
        self.serve();
    }

    pub(super) fn set_brake(&mut self, on: bool) {
        self.is_braked = on && !self.is_shadow;
        if self.is_braked {
            self.reserved = 0;
        }
        self.serve();
    }

    pub(super) fn close(&mut self) {
        self.is_closed = true;
        let is_refused = |waiter: &&Waiter| {
            waiter.kind == Kind::Permit && waiter.wants_permits() && waiter.place != Place::First
        };
        let refused: Vec<_> = self.waiters.iter().filter(is_refused).map(|waiter| waiter.id).collect();
        refused.into_iter().for_each(|id| self.refuse(id, OverloadReason::Closed));
        self.reserved = 0;
        self.serve();
    }

    pub(super) fn look(&mut self, now: u64) {
        if self.queued() > 0 {
            self.reserved -= self.reserved.min(self.aged);
        }
        self.look += 1;
        self.aged = self.reserved;
        let oldest =
            self.waiters.iter().find(|waiter| waiter.bounded_priority().is_some()).map(|waiter| waiter.since);
        if let Some(came_before) = self.sojourn.as_mut().and_then(|sojourn| sojourn.look(now, oldest)) {
            let stood = |waiter: &&Waiter| waiter.bounded_priority().is_some() && waiter.since < came_before;
            let refused: Vec<_> = self.waiters.iter().filter(stood).map(|waiter| waiter.id).collect();
            refused.into_iter().for_each(|id| self.refuse(id, OverloadReason::Sojourn));
        }
        self.serve();
    }

    /// Gives what is free to those whose turn it is, and news of the end to those who wait for it.
    fn serve(&mut self) {
        while let Some(id) = self.next_turn() {
            let Waiter { kind, place, wanted, .. } = *self.waiter(id);
            let permits = wanted.min(self.limit);
            let is_compared = self.bounded() > 0;
            self.leave(id, State::Granted { permits, look: self.look });
            self.take(kind, permits);
            if let Place::Flow(name) = place
                && is_compared
            {
                self.shares.grant(name, wanted, permits);
                self.part_plain();
            }
        }
        while self.is_drained() {
            let Some(id) = self.next_waiting(|waiter| waiter.kind == Kind::Drain) else { break };
            self.waiter(id).state = State::Told;
        }
    }

    pub(super) fn is_drained(&self) -> bool {
        self.is_closed && self.in_flight == 0 && !self.first_waits()
    }

    fn next_waiting(&self, is_one: impl Fn(&Waiter) -> bool) -> Option<u32> {
        self.waiters
            .iter()
            .find(|waiter| waiter.state == State::Waiting && is_one(waiter))
            .map(|waiter| waiter.id)
    }

    fn next_turn(&mut self) -> Option<u32> {
        if self.is_braked || self.queued() == 0 || self.occupied() >= self.allowed() {
            return None;
        }
        let first = self.next_waiting(|waiter| waiter.place == Place::First);
        if first.is_some() || self.is_closed {
            return first;
        }
        let id = match self.pledged {
            Some(id) => id,
            None if self.bounded() == 0 => self.next_of(Name::Plain),
            None => {
                let name = self.shares.next(self.allowed(), self.occupied())?;
                self.next_of(name)
            }
        };
        let fits = self.occupied() + self.waiter(id).wanted.min(self.limit) <= self.allowed();
        self.pledged = (!fits).then_some(id);
        fits.then_some(id)
    }

    fn next_of(&self, name: Name) -> u32 {
        let mut line = self.waiters.iter().filter(|waiter| waiter.waits_in(Place::Flow(name)));
        let is_newest_first = name != Name::Plain && self.sojourn.as_ref().is_some_and(Sojourn::stands);
        let waiter = if is_newest_first { line.next_back() } else { line.next() };
        waiter.expect("a flow that waits has a waiter").id
    }

    /// How many permits the pledged call lacks.
    pub(super) fn pledged_lacks(&self) -> Option<u32> {
        let pledged = self.waiters.iter().find(|waiter| Some(waiter.id) == self.pledged)?;
        Some((self.occupied() + pledged.wanted.min(self.limit)).saturating_sub(self.allowed()))
    }

    fn time_for(&self, permits: u64) -> Option<Duration> {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let seconds = permits as f64 / self.pace?;
        Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    }

    pub(super) fn refusal(&self, reason: OverloadReason) -> Overloaded {
        let hint = self.time_for(self.shares.wanted() + 1).filter(|&time| time < Duration::MAX);
        Overloaded::new(reason, hint.filter(|_| reason != OverloadReason::Closed))
    }
}

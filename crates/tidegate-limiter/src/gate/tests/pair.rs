//! The gate and its model side by side, with all that the callers of both hold.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::super::queue::QueueConfig;
use super::super::{Entry, Gate, Grant, Hold, Kind, Line, Seat, Stamp, Ticket};
use super::model::{Model, Outcome, Place, State, Waiter};
use super::ops::Op;
use super::shares::Name;
use crate::sync::lock;
use crate::{Class, Overloaded};

#[derive(Default)]
pub(super) struct Woken(pub(super) AtomicU32);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct Held {
    id: u32,
    kind: Kind,
    ticket: Ticket,
    woken: Arc<Woken>,
}

pub(super) struct Pair {
    pub(super) gate: Gate,
    model: Model,
    /// Nanoseconds since the limiter was built.
    now: u64,
    tickets: Vec<Held>,
    permits: Vec<(Hold, Name)>,
    reservations: Vec<Stamp>,
    /// Those of services that have waited and do not.
    seats: Vec<Seat>,
    next_id: u32,
    /// Tickets, permits and reservations given up so far.
    pub(super) drops: u64,
}

impl Pair {
    pub(super) fn new(limit: u32, config: QueueConfig) -> Self {
        Self {
            gate: Gate::new(limit, config),
            model: Model::new(limit, config),
            now: 0,
            tickets: Vec::new(),
            permits: Vec::new(),
            reservations: Vec::new(),
            seats: Vec::new(),
            next_id: 0,
            drops: 0,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.model.is_closed
    }

    pub(super) fn held(&self) -> usize {
        self.tickets.len() + self.permits.len() + self.reservations.len()
    }

    /// Applies the operation to both and compares what can be seen of them.
    pub(super) fn apply(&mut self, op: Op) {
        let occupied = self.model.occupied();
        let (pledged, lacks) = (self.model.pledged, self.model.pledged_lacks());
        let was_full = self.model.is_full();
        let first_waits =
            self.model.first_waits() || op == Op::Claim || op == Op::Enter(Kind::Permit, Line::First);
        self.act(op);
        self.hear_of_room(op, was_full);
        if self.next_id.is_multiple_of(5) {
            self.gate.time_calls(self.next_id.is_multiple_of(2));
        }
        self.check();
        let now = self.model.occupied();
        assert!(now <= occupied.max(self.model.allowed()), "admitted above the limit");
        if pledged.is_some() && self.model.pledged == pledged && lacks > Some(0) && !first_waits {
            assert!(now <= occupied, "somebody passed a wide call whose turn it was");
        }
    }

    fn act(&mut self, op: Op) {
        match op {
            Op::TryFast(kind) => self.try_fast(kind),
            Op::Try(class) => self.try_enter(class),
            Op::Enter(kind, line) => self.enter(kind, line),
            Op::EnterClass(class, left) => self.enter_class(&class, left),
            Op::Poll(index, is_new_task) => self.poll(index, is_new_task),
            Op::Cancel(index) => self.cancel(index),
            Op::Release(index) => self.release(index),
            Op::Unreserve => self.unreserve(),
            Op::Claim => self.claim(),
            Op::Limit(limit) => {
                self.gate.set_limit(limit);
                self.model.set_limit(limit);
            }
            Op::Brake(on) => {
                self.gate.set_brake(on);
                self.model.set_brake(on);
            }
            Op::Shadow(on) => {
                self.gate.set_shadow(on);
                self.model.set_shadow(on);
            }
            Op::Queue(config) => {
                self.gate.set_queue(config, self.now);
                self.model.set_queue(config, self.now);
            }
            Op::Look(after) => {
                self.now += after;
                self.gate.look(self.now);
                self.model.look(self.now);
            }
            Op::Pace(pace) => {
                self.gate.set_pace(pace);
                self.model.pace = pace;
            }
            Op::Close => {
                self.gate.close();
                self.model.close();
            }
            Op::Room => self.wait_for_news(Kind::Room),
            Op::Drain => self.wait_for_news(Kind::Drain),
        }
    }

    /// How many were told of room and have not looked.
    fn told(&self) -> usize {
        let of_room = self.model.waiters.iter().filter(|waiter| waiter.kind == Kind::Room);
        of_room.filter(|waiter| waiter.state == State::Told).count()
    }

    /// Which of those who wait for room are told, and when, is up to the gate within these rules.
    fn hear_of_room(&mut self, op: Op, was_full: bool) {
        let has_room = self.model.is_closed || !self.model.is_full();
        let mut waits = false;
        for held in self.tickets.iter().filter(|held| held.kind == Kind::Room) {
            let waiter = self.model.waiter(held.id);
            if waiter.state == State::Waiting && held.woken.0.load(Ordering::Relaxed) > 0 {
                assert!(has_room, "told of room that is not there");
                assert!(!waits, "one who came later was told first");
                waiter.state = State::Told;
            }
            waits |= waiter.state == State::Waiting;
        }
        assert!(!(waits && op == Op::Close), "not told that the gate is closed");
        // Those who were told and have not come keep others from being told, but only until the next look.
        let is_for_all_places = matches!(op, Op::Look(_)) && !was_full && waits;
        assert!(!is_for_all_places || self.told() >= self.model.free_places(), "not told of room");
    }

    fn own(&mut self, kind: Kind, hold: Hold, name: Name) {
        match kind {
            Kind::Permit => self.permits.push((hold, name)),
            _ => self.reservations.push(self.gate.stamp()),
        }
    }

    fn try_fast(&mut self, kind: Kind) {
        let is_in = if kind == Kind::Permit { self.gate.try_take() } else { self.gate.try_reserve() };
        assert_eq!(is_in, self.model.try_fast(kind));
        if is_in {
            self.own(kind, Hold::PLAIN, Name::Plain);
        }
    }

    fn try_enter(&mut self, class: Option<Class>) {
        let (result, outcome, name) = match class {
            None => (self.gate.try_enter().map(|()| Hold::PLAIN), self.model.try_enter(), Name::Plain),
            Some(class) => {
                (self.gate.try_enter_class(&class), self.model.try_enter_class(&class), Name::of(&class))
            }
        };
        let seen = result.map_or_else(Outcome::Refused, |hold| Outcome::In(hold.permits()));
        assert_eq!(seen, outcome);
        if let Ok(hold) = result {
            self.note_flow(class.as_ref());
            self.own(Kind::Permit, hold, name);
        }
    }

    /// Tells the model the number of a flow that the gate knows.
    fn note_flow(&mut self, class: Option<&Class>) {
        if let Some(class) = class {
            let id = lock(&self.gate.queue).flows().open(class);
            self.model.shares.open(Name::of(class), class.share);
            self.model.shares.flow(Name::of(class)).id = id;
        }
    }

    fn enter(&mut self, kind: Kind, line: Line) {
        let id = self.next_id;
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let entry =
            if kind == Kind::Reservation { self.line_up(waker) } else { self.gate.enter(line, Some(waker)) };
        let outcome = self.model.enter(id, kind, line);
        self.entered(entry, &outcome, kind, woken, Name::Plain);
    }

    /// A service that has waited before, if there is one, waits for a reservation.
    fn line_up(&mut self, waker: Waker) -> Entry {
        let mut seat = self.seats.pop().unwrap_or(Seat::new());
        let kept = seat.0;
        match self.gate.line_up(&mut seat, waker) {
            Some(ticket) => {
                assert!(kept == Seat::new().0 || ticket.index == kept, "another node than its own");
                Entry::Queued(ticket)
            }
            None => {
                self.gate.free_seat(&seat);
                Entry::Admitted(Hold::PLAIN)
            }
        }
    }

    fn enter_class(&mut self, class: &Class, left: Option<u64>) {
        let id = self.next_id;
        let woken = Arc::new(Woken::default());
        // As a caller without a deadline does, but not each time.
        let is_quick = left.is_none() && id.is_multiple_of(2);
        let taken = is_quick.then(|| self.gate.try_take_class(class)).flatten();
        let waker = Waker::from(Arc::clone(&woken));
        let entry = match taken {
            Some(hold) => Entry::Admitted(hold),
            None => self.gate.enter_class(class, false, || self.now, left, Some(waker)),
        };
        if !matches!(entry, Entry::Refused(_)) {
            self.note_flow(Some(class));
        }
        let outcome = self.model.enter_class(id, class, self.now, left);
        self.entered(entry, &outcome, Kind::Permit, woken, Name::of(class));
    }

    fn entered(&mut self, entry: Entry, outcome: &Outcome, kind: Kind, woken: Arc<Woken>, name: Name) {
        let seen = match &entry {
            Entry::Admitted(hold) => Outcome::In(hold.permits()),
            Entry::Queued(_) => Outcome::Waits,
            Entry::Refused(refusal) => Outcome::Refused(*refusal),
        };
        assert_eq!(&seen, outcome);
        match entry {
            Entry::Admitted(hold) => self.own(kind, hold, name),
            Entry::Queued(ticket) => self.keep(kind, ticket, woken),
            Entry::Refused(_) => {}
        }
    }

    fn keep(&mut self, kind: Kind, ticket: Ticket, woken: Arc<Woken>) {
        self.tickets.push(Held { id: self.next_id, kind, ticket, woken });
        self.next_id += 1;
    }

    fn wait_for_news(&mut self, kind: Kind) {
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let (mut place, mut cx) = (None, Context::from_waker(&waker));
        let (polled, is_so) = match kind {
            Kind::Room => (self.gate.poll_room(&mut place, &mut cx), !self.model.is_full()),
            _ => (self.gate.poll_drained(&mut place, &mut cx), self.model.is_drained()),
        };
        assert_eq!(polled.is_ready(), is_so);
        assert_eq!(place.is_none(), is_so);
        if let Some(ticket) = place {
            self.model.push(self.next_id, kind, Place::Aside, 0, 0);
            self.keep(kind, ticket, woken);
        }
    }

    fn poll(&mut self, index: usize, is_new_task: bool) {
        let Some(index) = index.checked_rem(self.tickets.len()) else { return };
        let held = &mut self.tickets[index];
        let state = self.model.waiter(held.id).state;
        if is_new_task && state == State::Waiting {
            let before = std::mem::take(&mut held.woken);
            let waker = Waker::from(Arc::clone(&held.woken));
            assert!(self.gate.poll_ticket(&held.ticket, &mut Context::from_waker(&waker)).is_pending());
            drop(waker);
            assert_eq!(
                Arc::strong_count(&before),
                1,
                "the gate keeps the waker of a task that gave the call away"
            );
            return;
        }
        let waker = Waker::from(Arc::clone(&held.woken));
        let polled = self.gate.poll_ticket(&held.ticket, &mut Context::from_waker(&waker));
        let Poll::Ready(answer) = polled else {
            assert_eq!(state, State::Waiting);
            return;
        };
        let Held { id, ticket, .. } = self.tickets.remove(index);
        if ticket.is_seated {
            self.seats.push(Seat(ticket.index));
        }
        self.answered(id, state, answer);
        self.model.waiters.retain(|waiter| waiter.id != id);
    }

    fn answered(&mut self, id: u32, state: State, answer: Result<Grant, Overloaded>) {
        match (state, answer) {
            (State::Granted { permits, .. }, Ok(Grant::Permits(hold))) => {
                assert_eq!(hold.permits(), permits);
                let place = self.model.waiter(id).place;
                let name = if let Place::Flow(name) = place { name } else { Name::Plain };
                assert_eq!(hold.flow(), self.model.shares.flow(name).id);
                self.permits.push((hold, name));
            }
            (State::Granted { look, .. }, Ok(Grant::Reservation(stamp))) => {
                assert_eq!(stamp.0, look);
                self.reservations.push(stamp);
            }
            (State::Refused(reason), Err(refusal)) => assert_eq!(refusal, self.model.refusal(reason)),
            (State::Told, Ok(Grant::News)) => {}
            (expected, answer) => panic!("{answer:?} where the model says {expected:?}"),
        }
    }

    fn cancel(&mut self, index: usize) {
        let Some(index) = index.checked_rem(self.tickets.len()) else { return };
        let Held { id, kind, ticket, .. } = self.tickets.remove(index);
        let unseen = match self.model.waiter(id).state {
            State::Granted { permits, .. } if kind == Kind::Permit => permits,
            _ => 0,
        };
        assert_eq!(self.gate.cancel(ticket), unseen);
        self.model.cancel(id);
        self.drops += 1;
    }

    fn release(&mut self, index: usize) {
        let Some(index) = index.checked_rem(self.permits.len()) else { return };
        let (hold, name) = self.permits.remove(index);
        self.gate.release(hold);
        self.model.release(name, hold.permits());
        self.drops += 1;
    }

    fn unreserve(&mut self) {
        let Some(stamp) = self.reservations.pop() else { return };
        self.gate.unreserve(stamp);
        self.model.unreserve(stamp.0);
        self.drops += 1;
    }

    /// As `Claim` does it: what is left of the reservation, or the first place in line.
    fn claim(&mut self) {
        if self.reservations.is_empty() {
            return;
        }
        let stamp = self.reservations.remove(0);
        let is_left = self.gate.claim(stamp).is_some();
        assert_eq!(is_left, self.model.claim(stamp.0));
        if is_left {
            self.permits.push((Hold::PLAIN, Name::Plain));
        } else {
            self.enter(Kind::Permit, Line::First);
        }
    }

    fn check(&self) {
        let (seen, model) = (self.gate.peek(), &self.model);
        let counts = (seen.limit, seen.in_flight, seen.reserved, seen.queued as usize);
        assert_eq!(counts, (model.limit, model.in_flight, model.reserved, model.queued()));
        let timed = if self.gate.load().is_timed() { seen.in_flight } else { 0 };
        assert_eq!(self.gate.occupancy().permits(), u64::from(timed), "permits whose time is not counted");
        assert_eq!((seen.is_braked, seen.is_closed), (model.is_braked, model.is_closed));
        self.check_owners(seen.in_flight, seen.reserved);
        for held in &self.tickets {
            let state = model.waiters.iter().find(|waiter| waiter.id == held.id).map(|waiter| waiter.state);
            let is_answered = state != Some(State::Waiting);
            assert_eq!(held.woken.0.load(Ordering::Relaxed), u32::from(is_answered), "woken, {state:?}");
        }
        assert_eq!((seen.is_shadow, seen.would_have), (model.is_shadow, model.would_have));
        let free = model.allowed().saturating_sub(seen.in_flight + seen.reserved);
        if free > 0 && seen.queued > 0 && !seen.is_braked && !seen.is_closed {
            assert!(
                model.pledged_lacks() > Some(0),
                "permits are free, and somebody waits who needs no more"
            );
        }
    }

    /// Every permit, every reservation and every flow that is counted is somebody's.
    fn check_owners(&self, in_flight: u32, reserved: u32) {
        let granted = |kind| {
            let of_kind = self.model.waiters.iter().filter(move |waiter| waiter.kind == kind);
            of_kind.filter_map(|waiter| match waiter.state {
                State::Granted { permits, .. } => Some((waiter.place, permits)),
                _ => None,
            })
        };
        let held = self.permits.iter().map(|(hold, _)| hold.permits()).sum::<u32>();
        let handed_over = granted(Kind::Permit).map(|(_, permits)| permits).sum::<u32>();
        assert_eq!(in_flight, held + handed_over, "permits nobody owns");
        assert!(reserved as usize <= self.reservations.len() + granted(Kind::Reservation).count());
        let is_keyed = |name: &Name| matches!(name, Name::Classed(_, Some(_)));
        let mut owned: BTreeSet<Name> = self.permits.iter().map(|&(_, name)| name).filter(is_keyed).collect();
        owned.extend(self.model.waiters.iter().filter_map(Waiter::flow).filter(is_keyed));
        let keyed = lock(&self.gate.queue).flows().keyed();
        assert!(keyed >= owned.len(), "a flow is forgotten");
        if self.model.queued() == 0 {
            assert_eq!(keyed, owned.len(), "a flow is remembered for nothing");
        }
    }

    /// Gives up all that is held, in an order that `pick` decides; then the gate is as good as new.
    pub(super) fn drop_all(mut self, mut pick: impl FnMut() -> usize) {
        self.apply(Op::Brake(false));
        while self.held() > 0 {
            let op = match pick() % 3 {
                0 => Op::Cancel(pick()),
                1 => Op::Release(pick()),
                _ => Op::Unreserve,
            };
            self.apply(op);
        }
        let seen = self.gate.peek();
        assert_eq!((seen.in_flight, seen.reserved, seen.queued), (0, 0, 0));
        assert_eq!(lock(&self.gate.queue).flows().keyed(), 0);
        assert_eq!(self.gate.try_take(), !self.model.is_closed, "the fast path stayed closed");
    }
}

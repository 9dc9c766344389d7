//! The gate against a model of it, operation by operation.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use proptest::prelude::*;

use super::{Entry, Gate, Kind, Line, Stamp, Ticket};

#[derive(Default)]
struct Woken(AtomicU32);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Clone, Debug)]
enum Op {
    Try(Kind),
    Enter(Kind, Line),
    /// Polls, then keeps or gives up, the nth ticket.
    Poll(usize),
    Cancel(usize),
    Release,
    Unreserve,
    Claim,
    Limit(u32),
    Brake(bool),
    Sweep,
}

fn op() -> impl Strategy<Value = Op> {
    let kind = prop_oneof![Just(Kind::Permit), Just(Kind::Reservation)];
    let line = prop_oneof![Just(Line::First), Just(Line::Ordinary)];
    prop_oneof![
        2 => kind.clone().prop_map(Op::Try),
        4 => (kind, line).prop_map(|(kind, line)| Op::Enter(kind, line)),
        3 => (0..8_usize).prop_map(Op::Poll),
        2 => (0..8_usize).prop_map(Op::Cancel),
        4 => Just(Op::Release),
        1 => Just(Op::Unreserve),
        2 => Just(Op::Claim),
        2 => (1..6_u32).prop_map(Op::Limit),
        1 => any::<bool>().prop_map(Op::Brake),
        1 => Just(Op::Sweep),
    ]
}

/// A caller of the model: its number, what it wants, and whether it was granted.
#[derive(Clone, Debug)]
struct Waiter {
    id: u32,
    kind: Kind,
}

/// What the gate should be doing, written for clarity.
#[derive(Debug)]
struct Model {
    limit: u32,
    is_braked: bool,
    in_flight: u32,
    reserved: u32,
    look: u32,
    aged: u32,
    first: VecDeque<Waiter>,
    ordinary: VecDeque<Waiter>,
    /// Who was granted and has not seen it, with the look of the grant.
    granted: Vec<(u32, u32)>,
}

impl Model {
    fn free(&self) -> bool {
        !self.is_braked && self.in_flight + self.reserved < self.limit
    }

    fn take(&mut self, kind: Kind) {
        match kind {
            Kind::Permit => self.in_flight += 1,
            Kind::Reservation => self.reserved += 1,
        }
    }

    fn give_back(&mut self, kind: Kind) {
        match kind {
            Kind::Permit => self.in_flight -= 1,
            Kind::Reservation => self.reserved = self.reserved.saturating_sub(1),
        }
        self.grant();
    }

    fn grant(&mut self) {
        while self.free() {
            let Some(waiter) = self.first.pop_front().or_else(|| self.ordinary.pop_front()) else {
                return;
            };
            self.take(waiter.kind);
            self.granted.push((waiter.id, self.look));
        }
    }

    fn spend(&mut self, look: u32) {
        if look != self.look {
            self.aged = self.aged.saturating_sub(1);
        }
    }

    fn look_of(&self, id: u32) -> Option<u32> {
        self.granted.iter().find(|granted| granted.0 == id).map(|granted| granted.1)
    }

    fn queued(&self) -> usize {
        self.first.len() + self.ordinary.len()
    }

    /// Whether the caller gets in at once.
    fn enter(&mut self, waiter: Waiter, line: Line) -> bool {
        let is_first = self.first.is_empty() && (line == Line::First || self.ordinary.is_empty());
        if is_first && !self.is_braked {
            let in_use = self.in_flight + self.reserved;
            if in_use == self.limit && self.reserved > 0 {
                self.reserved -= 1; // revoked for a caller at hand
            }
            if self.free() {
                self.take(waiter.kind);
                return true;
            }
        }
        match line {
            Line::First => self.first.push_back(waiter),
            Line::Ordinary => self.ordinary.push_back(waiter),
        }
        false
    }

    fn revoke_above(&mut self, limit: u32) {
        self.reserved = self.reserved.min(limit.saturating_sub(self.in_flight));
    }
}

/// The gate and its model side by side, with the tickets still held and the reservations and permits outstanding.
struct Pair {
    gate: Gate,
    model: Model,
    tickets: Vec<(u32, Kind, Ticket, Arc<Woken>)>,
    permits: u32,
    /// The stamps of the reservations outstanding.
    reservations: Vec<Stamp>,
    next_id: u32,
}

impl Pair {
    fn new(limit: u32) -> Self {
        let model = Model {
            limit,
            is_braked: false,
            in_flight: 0,
            reserved: 0,
            look: 0,
            aged: 0,
            first: VecDeque::new(),
            ordinary: VecDeque::new(),
            granted: Vec::new(),
        };
        Self {
            gate: Gate::new(limit),
            model,
            tickets: Vec::new(),
            permits: 0,
            reservations: Vec::new(),
            next_id: 0,
        }
    }

    fn own(&mut self, kind: Kind, stamp: Stamp) {
        match kind {
            Kind::Permit => self.permits += 1,
            Kind::Reservation => self.reservations.push(stamp),
        }
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Try(kind) => {
                let expected = self.model.free() && self.model.queued() == 0;
                assert_eq!(self.gate.try_take(kind), expected);
                if expected {
                    self.model.take(kind);
                    self.own(kind, self.gate.stamp());
                }
            }
            Op::Enter(kind, line) => self.enter(kind, line),
            Op::Poll(index) => self.poll(index),
            Op::Cancel(index) if index < self.tickets.len() => self.cancel(index),
            Op::Release if self.permits > 0 => {
                self.permits -= 1;
                self.gate.release();
                self.model.give_back(Kind::Permit);
            }
            Op::Unreserve if !self.reservations.is_empty() => {
                let stamp = self.reservations.remove(0);
                self.gate.unreserve(stamp);
                self.model.spend(stamp.0);
                self.model.give_back(Kind::Reservation);
            }
            Op::Claim if !self.reservations.is_empty() => {
                let stamp = self.reservations.remove(0);
                let expected = self.model.reserved > 0;
                assert_eq!(self.gate.claim(stamp), expected);
                self.model.spend(stamp.0);
                if expected {
                    self.model.reserved -= 1;
                    self.model.in_flight += 1;
                    self.permits += 1;
                }
            }
            Op::Limit(limit) => {
                self.gate.set_limit(limit);
                self.model.limit = limit;
                self.model.revoke_above(limit);
                self.model.grant();
            }
            Op::Brake(on) => {
                self.gate.set_brake(on);
                self.model.is_braked = on;
                if on {
                    self.model.reserved = 0;
                }
                self.model.grant();
            }
            Op::Sweep => {
                self.gate.sweep_reservations();
                if self.model.queued() > 0 {
                    self.model.reserved -= self.model.reserved.min(self.model.aged);
                }
                self.model.look += 1;
                self.model.aged = self.model.reserved;
                self.model.grant();
            }
            _ => {}
        }
    }

    fn cancel(&mut self, index: usize) {
        let (id, kind, ticket, _) = self.tickets.remove(index);
        let was_granted = self.gate.cancel(ticket);
        assert_eq!(was_granted, self.model.look_of(id).is_some());
        if let Some(look) = self.model.look_of(id) {
            self.model.granted.retain(|granted| granted.0 != id);
            if kind == Kind::Reservation {
                self.model.spend(look);
            }
            self.model.give_back(kind);
        } else {
            self.model.first.retain(|waiter| waiter.id != id);
            self.model.ordinary.retain(|waiter| waiter.id != id);
            self.model.grant();
        }
    }

    fn enter(&mut self, kind: Kind, line: Line) {
        let id = self.next_id;
        self.next_id += 1;
        let woken = Arc::new(Woken::default());
        let entry = self.gate.enter(kind, line, Some(Waker::from(Arc::clone(&woken))));
        let admitted = self.model.enter(Waiter { id, kind }, line);
        match entry {
            Entry::Admitted => {
                assert!(admitted, "admitted where the model waits");
                self.own(kind, self.gate.stamp());
            }
            Entry::Queued(ticket) => {
                assert!(!admitted, "queued where the model admits");
                self.tickets.push((id, kind, ticket, woken));
            }
        }
    }

    fn poll(&mut self, index: usize) {
        if index >= self.tickets.len() {
            return;
        }
        let (id, kind, ticket, woken) = &self.tickets[index];
        let (id, kind, waker) = (*id, *kind, Waker::from(Arc::clone(woken)));
        let polled = self.gate.poll_ticket(ticket, &mut Context::from_waker(&waker));
        let granted = if let Poll::Ready(stamp) = polled { Some(stamp.0) } else { None };
        assert_eq!(granted, self.model.look_of(id));
        if let Poll::Ready(stamp) = polled {
            assert_eq!(woken.0.load(Ordering::Relaxed), 1, "a granted caller was not woken once");
            self.model.granted.retain(|granted| granted.0 != id);
            self.tickets.remove(index);
            self.own(kind, stamp);
        }
    }

    fn check(&self) {
        let seen = self.gate.peek();
        let model = &self.model;
        let expected = (model.limit, model.in_flight, model.reserved, model.is_braked);
        assert_eq!((seen.limit, seen.in_flight, seen.reserved, seen.is_braked), expected);
        assert_eq!(seen.queued as usize, model.queued());
        let is_granted = |kind| {
            let tickets =
                self.tickets.iter().filter(|(id, own, ..)| *own == kind && model.look_of(*id).is_some());
            u32::try_from(tickets.count()).unwrap_or(u32::MAX)
        };
        assert_eq!(seen.in_flight, self.permits + is_granted(Kind::Permit), "a permit nobody owns");
        let holders = u32::try_from(self.reservations.len()).unwrap_or(u32::MAX);
        assert!(seen.reserved <= holders + is_granted(Kind::Reservation), "a reservation nobody owns");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn the_gate_does_what_the_model_does(limit in 1..5_u32, ops in prop::collection::vec(op(), 1..80)) {
        let mut pair = Pair::new(limit);
        for op in ops {
            pair.apply(op);
            pair.check();
        }
        // Everything given back, the gate is as good as new.
        pair.apply(Op::Brake(false));
        while !pair.tickets.is_empty() {
            pair.apply(Op::Cancel(0));
        }
        while pair.permits > 0 {
            pair.apply(Op::Release);
        }
        while !pair.reservations.is_empty() {
            pair.apply(Op::Unreserve);
        }
        pair.check();
        prop_assert_eq!(pair.gate.peek().in_flight, 0);
        prop_assert_eq!(pair.gate.peek().reserved, 0);
        prop_assert!(pair.gate.try_take(Kind::Permit), "the fast path stayed closed");
    }
}

#[test]
fn peak_and_held_back_are_of_the_time_since_the_last_observation() {
    let gate = Gate::new(2);
    assert!(gate.try_take(Kind::Permit) && gate.try_take(Kind::Permit));
    let Entry::Queued(ticket) = gate.enter(Kind::Permit, Line::Ordinary, None) else {
        unreachable!("two of two permits are out");
    };
    gate.cancel(ticket);
    gate.release();
    let seen = gate.observe();
    assert_eq!((seen.peak, seen.held_back, seen.admitted), (2, true, 2));
    let seen = gate.observe();
    assert_eq!((seen.peak, seen.held_back), (1, false));
}

#[test]
fn a_braked_caller_is_not_held_back_by_the_limit() {
    let gate = Gate::new(2);
    gate.set_brake(true);
    assert!(matches!(gate.enter(Kind::Permit, Line::Ordinary, None), Entry::Queued(_)));
    assert!(!gate.observe().held_back);
}

#[test]
fn a_sleeping_driver_is_woken_by_the_first_caller_only_when_nobody_is_in() {
    let gate = Gate::new(2);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);

    assert!(gate.try_take(Kind::Permit));
    assert!(gate.poll_idle(&mut cx, 1).is_ready(), "there is work");
    gate.release();
    assert!(gate.poll_idle(&mut cx, 1).is_pending());
    assert!(!gate.try_take(Kind::Permit), "the fast path is closed while the driver sleeps");
    assert!(gate.try_enter());
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    assert!(gate.try_take(Kind::Permit), "the fast path is open again");
}

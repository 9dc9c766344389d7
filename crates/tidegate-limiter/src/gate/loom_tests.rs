//! Every interleaving of small programs on the gate.
//!
//! `RUSTFLAGS="--cfg tidegate_loom" cargo test -p tidegate-limiter --release --lib loom`

mod canary;
mod classed;
mod closing;
mod driver;
mod hand_over;
mod plain;
mod reservation;
mod room;
mod shadow;

use std::future::poll_fn;
use std::task::{Poll, Waker};

use loom::future::block_on;
use loom::sync::Arc;
use loom::thread::{self, JoinHandle};

use super::{Entry, Gate, Grant, Hold, Line, QueueConfig, QueueLimit, Seat, Ticket};
use crate::sync::lock;
use crate::{Class, Key, Overloaded};

fn model(program: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(program);
}

/// A gate with one place in its bounded queue.
fn gate(limit: u32) -> Gate {
    Gate::new(limit, QueueConfig { limit: QueueLimit::Fixed(1), sojourn: None })
}

fn class(weight: u32) -> Class {
    Class::default().key(Key::from_hash(7)).weight(weight)
}

/// Waits for a permit as `Acquire` without a class does, and says how it was refused.
fn try_acquire(gate: &Gate) -> Result<(), Overloaded> {
    if gate.try_take() {
        return Ok(());
    }
    let mut ticket = None;
    block_on(poll_fn(|cx| {
        if ticket.is_none() {
            match gate.enter(Line::Ordinary, Some(cx.waker().clone())) {
                Entry::Admitted(hold) => {
                    assert_eq!(hold, Hold::PLAIN);
                    return Poll::Ready(Ok(()));
                }
                Entry::Refused(refusal) => return Poll::Ready(Err(refusal)),
                Entry::Queued(place) => ticket = Some(place),
            }
        }
        match &ticket {
            Some(place) => gate.poll_ticket(place, cx).map_ok(drop),
            None => Poll::Pending,
        }
    }))
}

fn acquire(gate: &Gate) {
    try_acquire(gate).unwrap();
}

/// A place in the bounded queue, where the permits are known to be out.
fn queue_up(gate: &Gate, class: &Class) -> Ticket {
    match gate.enter_class(class, false, || 0, None, None) {
        Entry::Queued(ticket) => ticket,
        other => unreachable!("{other:?} where the permits are out"),
    }
}

/// Does something to the gate on another thread.
fn beside<T: 'static>(gate: &Arc<Gate>, act: impl FnOnce(&Gate) -> T + 'static) -> JoinHandle<T> {
    let gate = Arc::clone(gate);
    thread::spawn(move || act(&gate))
}

/// A place in the plain line, where the permits are known to be out.
fn line_up(gate: &Gate) -> Ticket {
    match gate.enter(Line::Ordinary, None) {
        Entry::Queued(ticket) => ticket,
        other => unreachable!("{other:?} where the permits are out"),
    }
}

/// The same for a reservation.
fn line_up_for_reservation(gate: &Gate, seat: &mut Seat) -> Ticket {
    gate.line_up(seat, Waker::noop().clone()).expect("the permits are out")
}

/// Waits until the ticket is granted permits.
fn wait(gate: &Gate, ticket: &Ticket) -> Hold {
    match block_on(poll_fn(|cx| gate.poll_ticket(ticket, cx))) {
        Ok(Grant::Permits(hold)) => hold,
        other => unreachable!("{other:?} for a ticket for permits"),
    }
}

/// Nobody in, nobody waiting, no flow remembered.
fn assert_empty(gate: &Gate) {
    let seen = gate.peek();
    assert_eq!((seen.in_flight, seen.reserved, seen.queued), (0, 0, 0));
    assert_eq!(lock(&gate.queue).flows().keyed(), 0, "a flow is remembered");
}

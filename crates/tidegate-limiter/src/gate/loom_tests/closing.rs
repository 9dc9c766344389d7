//! Closing against callers who come, wait and leave.

use std::future::poll_fn;

use loom::future::block_on;
use loom::sync::Arc;

use super::{Entry, Gate, Hold, Line, assert_empty, beside, class, gate, model, queue_up, try_acquire, wait};
use crate::OverloadReason;

/// Closes and waits until nothing is in flight.
fn drain(gate: &Gate) {
    gate.close();
    let mut place = None;
    block_on(poll_fn(|cx| gate.poll_drained(&mut place, cx)));
}

#[test]
fn once_closed_nobody_is_admitted() {
    model(|| {
        let gate = Arc::new(gate(1));
        let caller = beside(&gate, move |gate| try_acquire(gate));
        gate.close();
        let at_close = gate.peek().in_flight;
        assert!(!gate.try_take());
        let result = caller.join().unwrap();
        assert!(result.is_ok() || result.is_err_and(|refusal| refusal.reason() == OverloadReason::Closed));
        assert_eq!(gate.peek().in_flight, u32::from(result.is_ok()));
        assert!(gate.peek().in_flight <= at_close, "admitted after the close");
    });
}

/// Were a waiter forgotten by both the close and the release, loom would report a deadlock.
#[test]
fn every_waiter_is_served_or_refused() {
    model(|| {
        let gate = Arc::new(gate(1));
        assert!(gate.try_take());
        let caller = beside(&gate, move |gate| {
            if try_acquire(gate).is_ok() {
                gate.release(Hold::PLAIN);
            }
        });
        let owner = beside(&gate, move |gate| gate.close());
        gate.release(Hold::PLAIN);
        caller.join().unwrap();
        owner.join().unwrap();
        assert_empty(&gate);
    });
}

#[test]
fn a_drain_ends_with_the_last_release() {
    model(|| {
        let gate = Arc::new(gate(2));
        assert!(gate.try_take());
        let hold = gate.try_enter_class(&class(1)).unwrap();
        let drainer = beside(&gate, move |gate| {
            drain(gate);
            assert_eq!(gate.peek().in_flight, 0, "drained with calls in flight");
        });
        gate.release(Hold::PLAIN);
        gate.release(hold);
        drainer.join().unwrap();
        assert_empty(&gate);
    });
}

/// A call handed its permit before the close is in flight, seen by its caller or not.
#[test]
fn a_drain_waits_for_a_permit_that_was_handed_over_and_not_seen() {
    model(|| {
        let gate = Arc::new(gate(1));
        assert!(gate.try_take());
        let ticket = queue_up(&gate, &class(1));
        let drainer = beside(&gate, move |gate| drain(gate));
        gate.release(Hold::PLAIN);
        let _ = gate.cancel(ticket);
        drainer.join().unwrap();
        assert_empty(&gate);
    });
}

#[test]
fn a_call_that_was_promised_its_permit_gets_it_when_closed() {
    model(|| {
        let gate = Arc::new(gate(1));
        assert!(gate.try_reserve());
        let owner = beside(&gate, move |gate| gate.close());
        if gate.claim(gate.stamp()).is_none() && !gate.try_take() {
            match gate.enter(Line::First, None) {
                Entry::Queued(ticket) => assert_eq!(wait(&gate, &ticket), Hold::PLAIN),
                Entry::Admitted(hold) => assert_eq!(hold, Hold::PLAIN),
                Entry::Refused(refusal) => unreachable!("{refusal}"),
            }
        }
        assert_eq!(gate.peek().in_flight, 1);
        gate.release(Hold::PLAIN);
        owner.join().unwrap();
        assert_empty(&gate);
    });
}

//! Calls without a class against each other, a shrink, growth and the brake.

use std::sync::atomic::{AtomicU32 as PlainU32, Ordering as PlainOrdering};

use loom::sync::Arc;
use loom::thread;

use super::{Entry, Gate, Hold, Line, acquire, assert_empty, beside, gate, model};

#[test]
fn two_callers_never_share_one_permit() {
    model(|| {
        let gate = Arc::new(gate(1));
        let inside = std::sync::Arc::new(PlainU32::new(0));
        let work = |gate: &Gate, inside: &PlainU32| {
            acquire(gate);
            assert_eq!(inside.fetch_add(1, PlainOrdering::SeqCst), 0, "two inside a limit of one");
            inside.fetch_sub(1, PlainOrdering::SeqCst);
            gate.release(Hold::PLAIN);
        };
        let other = {
            let (gate, inside) = (Arc::clone(&gate), std::sync::Arc::clone(&inside));
            thread::spawn(move || work(&gate, &inside))
        };
        work(&gate, &inside);
        other.join().unwrap();
        assert_empty(&gate);
    });
}

#[test]
fn a_cancelled_waiter_passes_its_permit_on() {
    model(|| {
        let gate = Arc::new(gate(1));
        assert!(gate.try_take());
        let canceller = beside(&gate, move |gate| match gate.enter(Line::Ordinary, None) {
            Entry::Queued(ticket) => {
                let _ = gate.cancel(ticket);
            }
            Entry::Admitted(hold) => gate.release(hold),
            Entry::Refused(refusal) => unreachable!("{refusal}"),
        });
        let waiter = beside(&gate, move |gate| {
            acquire(gate);
            gate.release(Hold::PLAIN);
        });
        gate.release(Hold::PLAIN);
        canceller.join().unwrap();
        waiter.join().unwrap();
        assert_empty(&gate);
    });
}

#[test]
fn after_a_shrink_nobody_is_admitted_above_it() {
    model(|| {
        let gate = Arc::new(gate(2));
        assert!(gate.try_take());
        let taker = beside(&gate, move |gate| gate.try_take());
        gate.set_limit(1);
        // Whatever happened before the shrink, nothing is given after it.
        let at_shrink = gate.peek().in_flight;
        assert!(!gate.try_take());
        let took = taker.join().unwrap();
        let now = gate.peek().in_flight;
        assert_eq!(now, 1 + u32::from(took));
        assert!(now <= at_shrink, "admitted after the shrink");
    });
}

#[test]
fn growth_wakes_a_waiter() {
    model(|| {
        let gate = Arc::new(gate(1));
        assert!(gate.try_take());
        let waiter = beside(&gate, move |gate| acquire(gate));
        gate.set_limit(2);
        waiter.join().unwrap();
        assert_eq!(gate.peek().in_flight, 2);
    });
}

/// Were a permit counted twice, or never, the time of calls would be wrong for ever.
#[test]
fn each_permit_is_timed_once_or_not_at_all_however_the_timing_is_switched() {
    model(|| {
        let gate = Arc::new(gate(2));
        assert!(gate.try_take());
        let caller = beside(&gate, move |gate| {
            if gate.try_take() {
                gate.release(Hold::PLAIN);
            }
        });
        gate.time_calls(true);
        gate.release(Hold::PLAIN);
        assert!(gate.try_take());
        gate.time_calls(false);
        gate.time_calls(true);
        caller.join().unwrap();
        assert_eq!(gate.occupancy().permits(), 1);
        gate.release(Hold::PLAIN);
        assert_eq!(gate.occupancy().permits(), 0);
    });
}

#[test]
fn the_brake_stops_and_releases() {
    model(|| {
        let gate = Arc::new(gate(1));
        gate.set_brake(true);
        let waiter = beside(&gate, move |gate| {
            acquire(gate);
            gate.release(Hold::PLAIN);
        });
        assert_eq!(gate.peek().in_flight, 0, "somebody passed the brake");
        gate.set_brake(false);
        waiter.join().unwrap();
        assert_empty(&gate);
    });
}

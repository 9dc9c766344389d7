//! Programs that break a rule of the gate on purpose: were loom not to find them, its silence about the rest would mean
//! nothing.

use loom::sync::Arc;

use super::super::word::Word;
use super::{Gate, Line, beside, gate, lock, model};
use crate::sync::Ordering;

/// The fast path without the second look at the limit.
fn take_with_one_look(gate: &Gate) {
    let seen = gate.load();
    if !seen.is_gated() && seen.occupied() < gate.limit.load(Ordering::Relaxed) {
        let taken = seen.take(1).bits();
        let _ = gate.word.compare_exchange(seen.bits(), taken, Ordering::AcqRel, Ordering::Acquire);
    }
}

#[test]
#[should_panic(expected = "admitted after the shrink")]
fn the_race_without_the_second_look_is_found() {
    model(|| {
        let gate = Arc::new(gate(2));
        assert!(gate.try_take());
        let taker = beside(&gate, move |gate| take_with_one_look(gate));
        gate.set_limit(1);
        let at_shrink = gate.peek().in_flight;
        taker.join().unwrap();
        assert!(gate.peek().in_flight <= at_shrink, "admitted after the shrink");
    });
}

/// A release that looks whether somebody waits before the permit is back.
fn release_with_an_early_look(gate: &Gate) {
    let is_gated = gate.load().is_gated();
    gate.word.fetch_sub(Word::IN_FLIGHT, Ordering::AcqRel);
    if is_gated {
        gate.grant(lock(&gate.queue));
    }
}

/// Loom aborts at a deadlock and no test survives that, so the waiter does not block here.
#[test]
#[should_panic(expected = "a free permit and a waiter left behind")]
fn the_wake_up_lost_by_an_early_look_is_found() {
    model(|| {
        let gate = Arc::new(gate(1));
        assert!(gate.try_take());
        let waiter = beside(&gate, move |gate| drop(gate.enter(Line::Ordinary, None)));
        release_with_an_early_look(&gate);
        waiter.join().unwrap();
        assert_eq!(gate.peek().in_flight, 1, "a free permit and a waiter left behind");
    });
}

/// A wide call that takes its permits one by one, as they come.
fn take_piecemeal(gate: &Gate) -> bool {
    gate.try_take() && gate.try_take()
}

#[test]
#[should_panic(expected = "neither got both")]
fn the_standstill_of_permits_taken_one_by_one_is_found() {
    model(|| {
        let gate = Arc::new(gate(2));
        let other = beside(&gate, move |gate| take_piecemeal(gate));
        let mine = take_piecemeal(&gate);
        assert!(mine || other.join().unwrap(), "neither got both");
    });
}

//! Calls with a class, which take under the lock, against calls without, which do not.

use loom::sync::Arc;

use super::{Hold, acquire, assert_empty, beside, class, gate, model, queue_up, wait};

#[test]
fn a_class_and_the_fast_path_never_take_more_than_a_shrunk_limit() {
    model(|| {
        let gate = Arc::new(gate(2));
        let classed = beside(&gate, move |gate| gate.try_enter_class(&class(1)).ok());
        let plain = beside(&gate, move |gate| gate.try_take());
        gate.set_limit(1);
        let at_shrink = gate.peek().in_flight;
        let (classed, plain) = (classed.join().unwrap(), plain.join().unwrap());
        let now = gate.peek().in_flight;
        assert_eq!(now, u32::from(classed.is_some()) + u32::from(plain));
        assert!(now <= at_shrink.max(1), "{at_shrink} at the shrink, {now} later");
        if let Some(hold) = classed {
            gate.release(hold);
        }
        if plain {
            gate.release(Hold::PLAIN);
        }
        assert_empty(&gate);
    });
}

#[test]
fn a_release_of_a_class_is_seen_by_a_call_without() {
    model(|| {
        let gate = Arc::new(gate(1));
        let hold = gate.try_enter_class(&class(1)).unwrap();
        let waiter = beside(&gate, move |gate| {
            acquire(gate);
            gate.release(Hold::PLAIN);
        });
        gate.release(hold);
        waiter.join().unwrap();
        assert_empty(&gate);
    });
}

#[test]
fn a_release_on_the_fast_path_is_seen_by_a_call_with_a_class() {
    model(|| {
        let gate = Arc::new(gate(1));
        assert!(gate.try_take());
        let releaser = beside(&gate, move |gate| gate.release(Hold::PLAIN));
        let hold = match gate.enter_class(&class(1), false, || 0, None, None) {
            super::Entry::Admitted(hold) => hold,
            super::Entry::Queued(ticket) => wait(&gate, &ticket),
            super::Entry::Refused(refusal) => unreachable!("{refusal}"),
        };
        releaser.join().unwrap();
        gate.release(hold);
        assert_empty(&gate);
    });
}

#[test]
fn a_wide_call_gathers_its_permits_from_separate_releases_and_nobody_barges() {
    model(|| {
        let gate = Arc::new(gate(2));
        assert!(gate.try_take() && gate.try_take());
        let ticket = queue_up(&gate, &class(2));
        let other = beside(&gate, move |gate| {
            gate.release(Hold::PLAIN);
            assert!(!gate.try_take(), "a narrow call took from the wide one");
        });
        gate.release(Hold::PLAIN);
        let hold = wait(&gate, &ticket);
        assert_eq!(hold.permits(), 2);
        assert_eq!(gate.peek().in_flight, 2);
        other.join().unwrap();
        gate.release(hold);
        assert_empty(&gate);
    });
}

#[test]
fn a_cancelled_wide_call_gives_its_permits_to_those_behind_it() {
    model(|| {
        let gate = Arc::new(gate(2));
        assert!(gate.try_take() && gate.try_take());
        let ticket = queue_up(&gate, &class(2));
        let behind = beside(&gate, move |gate| {
            acquire(gate);
            gate.release(Hold::PLAIN);
        });
        gate.release(Hold::PLAIN);
        let _ = gate.cancel(ticket);
        behind.join().unwrap();
        gate.release(Hold::PLAIN);
        assert_empty(&gate);
    });
}

//! Reservations between their holder and those who wait.

use std::future::poll_fn;

use loom::future::block_on;
use loom::sync::Arc;

use super::{
    Entry, Gate, Grant, Hold, Line, Seat, Ticket, assert_empty, beside, gate, line_up_for_reservation, model,
    wait,
};

#[test]
fn a_reservation_is_claimed_or_revoked_never_both() {
    model(|| {
        let gate = Arc::new(gate(1));
        assert!(gate.try_reserve());
        let other = beside(&gate, move |gate| match gate.enter(Line::Ordinary, None) {
            Entry::Admitted(_) => true,
            Entry::Queued(ticket) => {
                let _ = gate.cancel(ticket);
                false
            }
            Entry::Refused(refusal) => unreachable!("{refusal}"),
        });
        let claimed = gate.claim(gate.stamp()).is_some();
        let revoked = other.join().unwrap();
        assert!(!(claimed && revoked), "one permit for two");
        assert!(claimed || revoked, "a permit for nobody");
        gate.release(Hold::PLAIN);
        assert_empty(&gate);
    });
}

/// The call of a revoked reservation waits in the first line, and whoever has its permit gives it back.
#[test]
fn a_revoked_reservation_gets_its_permit_all_the_same() {
    model(|| {
        let gate = Arc::new(gate(1));
        assert!(gate.try_reserve());
        let shrinker = beside(&gate, move |gate| {
            gate.set_brake(true);
            gate.set_brake(false);
        });
        let stamp = gate.stamp();
        if gate.claim(stamp).is_none() && !gate.try_take() {
            match gate.enter(Line::First, None) {
                Entry::Queued(ticket) => assert_eq!(wait(&gate, &ticket), Hold::PLAIN),
                Entry::Admitted(hold) => assert_eq!(hold, Hold::PLAIN),
                Entry::Refused(refusal) => unreachable!("{refusal}"),
            }
        }
        gate.release(Hold::PLAIN);
        shrinker.join().unwrap();
        assert_empty(&gate);
    });
}

/// A service that waits for one call after the other has the same node each time, whoever hands it its permit.
#[test]
fn a_seat_is_waited_in_again_and_again() {
    fn wait_and_claim(gate: &Gate, ticket: &Ticket) {
        let granted = block_on(poll_fn(|cx| gate.poll_ticket(ticket, cx)));
        assert!(matches!(granted, Ok(Grant::Reservation(_))), "{granted:?}");
        assert!(gate.claim(gate.stamp()).is_some());
    }
    model(|| {
        let gate = Arc::new(gate(1));
        assert!(gate.try_take());
        let mut seat = Seat::new();
        for _ in 0..2 {
            let ticket = line_up_for_reservation(&gate, &mut seat);
            let releaser = beside(&gate, |gate| gate.release(Hold::PLAIN));
            wait_and_claim(&gate, &ticket);
            releaser.join().unwrap();
        }
        gate.free_seat(&seat);
        gate.release(Hold::PLAIN);
        assert_empty(&gate);
    });
}

//! Reservations between their holder and those who wait.

use loom::sync::Arc;

use super::{Entry, Hold, Kind, Line, assert_empty, beside, gate, model, wait};

#[test]
fn a_reservation_is_claimed_or_revoked_never_both() {
    model(|| {
        let gate = Arc::new(gate(1));
        assert!(gate.try_reserve());
        let other = beside(&gate, move |gate| match gate.enter(Kind::Permit, Line::Ordinary, None) {
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
            match gate.enter(Kind::Permit, Line::First, None) {
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

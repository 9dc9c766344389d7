//! Every interleaving of small programs on the gate.
//!
//! `RUSTFLAGS="--cfg tidegate_loom" cargo test -p tidegate-limiter --release --lib loom`

use std::future::poll_fn;
use std::sync::atomic::{AtomicU32 as PlainU32, Ordering as PlainOrdering};

use loom::future::block_on;
use loom::sync::Arc;
use loom::thread;

use super::{Entry, Gate, Kind, Line};

fn model(program: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(program);
}

/// Waits for a permit as `Acquire` does.
fn acquire(gate: &Gate) {
    if gate.try_take(Kind::Permit) {
        return;
    }
    let mut ticket = None;
    block_on(poll_fn(|cx| {
        if ticket.is_none() {
            match gate.enter(Kind::Permit, Line::Ordinary, Some(cx.waker().clone())) {
                Entry::Admitted => return std::task::Poll::Ready(()),
                Entry::Queued(place) => ticket = Some(place),
            }
        }
        match &ticket {
            Some(place) => gate.poll_ticket(place, cx).map(drop),
            None => std::task::Poll::Pending,
        }
    }));
}

fn assert_empty(gate: &Gate) {
    let seen = gate.peek();
    assert_eq!((seen.in_flight, seen.reserved, seen.queued), (0, 0, 0));
}

#[test]
fn loom_two_callers_never_share_one_permit() {
    model(|| {
        let gate = Arc::new(Gate::new(1));
        let inside = std::sync::Arc::new(PlainU32::new(0));
        let work = |gate: &Gate, inside: &PlainU32| {
            acquire(gate);
            assert_eq!(inside.fetch_add(1, PlainOrdering::SeqCst), 0, "two inside a limit of one");
            inside.fetch_sub(1, PlainOrdering::SeqCst);
            gate.release();
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
fn loom_a_cancelled_waiter_passes_its_permit_on() {
    model(|| {
        let gate = Arc::new(Gate::new(1));
        assert!(gate.try_take(Kind::Permit));
        let canceller = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || {
                if let Entry::Queued(ticket) = gate.enter(Kind::Permit, Line::Ordinary, None) {
                    let _ = gate.cancel(ticket);
                } else {
                    gate.release();
                }
            })
        };
        let waiter = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || {
                acquire(&gate);
                gate.release();
            })
        };
        gate.release();
        canceller.join().unwrap();
        waiter.join().unwrap();
        assert_empty(&gate);
    });
}

#[test]
fn loom_after_a_shrink_nobody_is_admitted_above_it() {
    model(|| {
        let gate = Arc::new(Gate::new(2));
        assert!(gate.try_take(Kind::Permit));
        let taker = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || gate.try_take(Kind::Permit))
        };
        gate.set_limit(1);
        // Whatever happened before the shrink, nothing is given after it.
        let at_shrink = gate.peek().in_flight;
        assert!(!gate.try_take(Kind::Permit));
        let took = taker.join().unwrap();
        let now = gate.peek().in_flight;
        assert_eq!(now, 1 + u32::from(took));
        assert!(now <= at_shrink, "admitted after the shrink");
    });
}

#[test]
fn loom_growth_wakes_a_waiter() {
    model(|| {
        let gate = Arc::new(Gate::new(1));
        assert!(gate.try_take(Kind::Permit));
        let waiter = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || acquire(&gate))
        };
        gate.set_limit(2);
        waiter.join().unwrap();
        assert_eq!(gate.peek().in_flight, 2);
    });
}

#[test]
fn loom_a_reservation_is_claimed_or_revoked_never_both() {
    model(|| {
        let gate = Arc::new(Gate::new(1));
        assert!(gate.try_take(Kind::Reservation));
        let other = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || match gate.enter(Kind::Permit, Line::Ordinary, None) {
                Entry::Admitted => true,
                Entry::Queued(ticket) => {
                    let _ = gate.cancel(ticket);
                    false
                }
            })
        };
        let claimed = gate.claim(gate.stamp());
        let revoked = other.join().unwrap();
        assert!(!(claimed && revoked), "one permit for two");
        assert!(claimed || revoked, "a permit for nobody");
        gate.release();
        assert_empty(&gate);
    });
}

#[test]
fn loom_the_brake_stops_and_releases() {
    model(|| {
        let gate = Arc::new(Gate::new(1));
        gate.set_brake(true);
        let waiter = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || {
                acquire(&gate);
                gate.release();
            })
        };
        assert_eq!(gate.peek().in_flight, 0, "somebody passed the brake");
        gate.set_brake(false);
        waiter.join().unwrap();
        assert_empty(&gate);
    });
}

#[test]
fn loom_a_caller_wakes_the_sleeping_driver() {
    model(|| {
        let gate = Arc::new(Gate::new(1));
        let driver = {
            let gate = Arc::clone(&gate);
            // Sleeps until there is work; were the wake-up lost, loom would report a deadlock.
            thread::spawn(move || {
                block_on(poll_fn(|cx| {
                    if gate.peek().admitted > 0 {
                        return std::task::Poll::Ready(());
                    }
                    gate.poll_idle(cx, 0)
                }));
            })
        };
        acquire(&gate);
        driver.join().unwrap();
        gate.release();
    });
}

/// A reservation does not keep the driver awake, so spending it must wake the driver, on the fast path too; a call that
/// is over before the driver runs is still work to be counted.
#[test]
fn loom_a_claim_wakes_the_sleeping_driver() {
    model(|| {
        let gate = Arc::new(Gate::new(1));
        assert!(gate.try_take(Kind::Reservation));
        let driver = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || block_on(poll_fn(|cx| gate.poll_idle(cx, 0))))
        };
        assert!(gate.claim(gate.stamp()));
        gate.release();
        driver.join().unwrap();
        assert_empty(&gate);
    });
}

/// The canary: a gate whose fast path does not look at the limit a second time. Loom must find the over-admission.
#[test]
#[should_panic(expected = "admitted after the shrink")]
fn loom_finds_the_race_without_the_second_look() {
    use loom::sync::atomic::{AtomicU32, Ordering};
    model(|| {
        let limit = Arc::new(AtomicU32::new(2));
        let in_flight = Arc::new(AtomicU32::new(1));
        let taker = {
            let (limit, in_flight) = (Arc::clone(&limit), Arc::clone(&in_flight));
            thread::spawn(move || {
                let seen = in_flight.load(Ordering::Acquire);
                if seen < limit.load(Ordering::Relaxed) {
                    let _ = in_flight.compare_exchange(seen, seen + 1, Ordering::AcqRel, Ordering::Acquire);
                }
            })
        };
        limit.store(1, Ordering::Relaxed);
        let at_shrink = in_flight.fetch_or(0, Ordering::AcqRel);
        taker.join().unwrap();
        assert!(in_flight.load(Ordering::Acquire) <= at_shrink, "admitted after the shrink");
    });
}

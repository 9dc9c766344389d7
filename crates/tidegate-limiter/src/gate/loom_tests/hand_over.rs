//! Permits handed over: what orders memory, the nodes that are freed without the lock, and the fast path that stays closed.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use loom::future::block_on;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;

use super::{Entry, Gate, Grant, Hold, Kind, Line, Ticket, assert_empty, class, gate, model, wait};

fn queued(gate: &Gate, kind: Kind) -> Ticket {
    match gate.enter(kind, Line::Ordinary, None) {
        Entry::Queued(ticket) => ticket,
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn a_permit_orders_memory() {
    model(|| {
        let gate = Arc::new(gate(1));
        let data = Arc::new(AtomicU32::new(0));
        assert!(gate.try_take());
        let ticket = queued(&gate, Kind::Permit);
        let other = {
            let (gate, data) = (Arc::clone(&gate), Arc::clone(&data));
            thread::spawn(move || {
                wait(&gate, &ticket);
                let seen = data.load(Ordering::Relaxed);
                gate.release(Hold::PLAIN);
                seen
            })
        };
        data.store(7, Ordering::Relaxed);
        gate.release(Hold::PLAIN);
        assert_eq!(other.join().unwrap(), 7);
        assert_empty(&gate);
    });
}

#[test]
fn two_free_their_nodes_at_once_while_a_third_comes() {
    model(|| {
        let gate = Arc::new(gate(2));
        assert!(gate.try_take() && gate.try_take());
        let (first, second) = (queued(&gate, Kind::Permit), queued(&gate, Kind::Permit));
        gate.release(Hold::PLAIN);
        gate.release(Hold::PLAIN);
        let a = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || {
                wait(&gate, &first);
            })
        };
        let b = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || {
                wait(&gate, &second);
            })
        };
        let third = queued(&gate, Kind::Permit);
        a.join().unwrap();
        b.join().unwrap();
        let fourth = queued(&gate, Kind::Permit);
        let fifth = queued(&gate, Kind::Permit);
        let sixth = queued(&gate, Kind::Permit);
        let mut all = [third.index, fourth.index, fifth.index, sixth.index];
        all.sort_unstable();
        assert!(all.windows(2).all(|p| p[0] != p[1]), "{all:?}");
        assert!(all[3] < 4, "{all:?}");
        for t in [third, fourth, fifth, sixth] {
            gate.release(Hold::PLAIN);
            wait(&gate, &t);
        }
        gate.release(Hold::PLAIN);
        gate.release(Hold::PLAIN);
        assert_empty(&gate);
        assert!(gate.try_take());
    });
}

#[test]
fn a_claim_wakes_the_driver_that_fell_asleep_with_the_path_still_closed() {
    model(|| {
        let gate = Arc::new(gate(1));
        assert!(gate.try_take());
        let ticket = queued(&gate, Kind::Reservation);
        gate.release(Hold::PLAIN);
        assert!(gate.load().is_gated());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(gate.poll_ticket(&ticket, &mut cx), Poll::Ready(Ok(Grant::Reservation(_)))));
        let driver = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || block_on(poll_fn(|cx| gate.poll_idle(cx, 1))))
        };
        assert!(gate.claim(gate.stamp()).is_some());
        gate.release(Hold::PLAIN);
        driver.join().unwrap();
        assert_empty(&gate);
        assert!(gate.try_take());
    });
}

#[test]
fn a_short_hand_over_a_reservation_given_back_and_a_shrink() {
    model(|| {
        let gate = Arc::new(gate(2));
        assert!(gate.try_take() && gate.try_reserve());
        let first = queued(&gate, Kind::Permit);
        let second = queued(&gate, Kind::Permit);
        let a = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || gate.unreserve(gate.stamp()))
        };
        let b = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || {
                gate.set_limit(1);
                gate.peek().in_flight
            })
        };
        gate.release(Hold::PLAIN);
        a.join().unwrap();
        b.join().unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(gate.poll_ticket(&first, &mut cx).is_ready());
        let s = gate.peek();
        assert!(s.in_flight == 1 || s.in_flight == 2 && s.queued == 0, "{s:?}");
        gate.release(Hold::PLAIN);
        wait(&gate, &second);
        gate.release(Hold::PLAIN);
        assert_empty(&gate);
        assert!(gate.try_take());
    });
}

#[test]
fn growth_and_a_given_back_reservation_beside_a_short_hand_over_leave_nothing_free() {
    model(|| {
        let gate = Arc::new(gate(2));
        assert!(gate.try_take() && gate.try_reserve());
        let t: Vec<_> = (0..3).map(|_| queued(&gate, Kind::Permit)).collect();
        let a = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || gate.unreserve(gate.stamp()))
        };
        let b = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || gate.set_limit(3))
        };
        gate.release(Hold::PLAIN);
        a.join().unwrap();
        b.join().unwrap();
        assert_eq!((gate.peek().in_flight, gate.peek().queued), (3, 0));
        for t in &t {
            wait(&gate, t);
        }
        for _ in 0..3 {
            gate.release(Hold::PLAIN);
        }
        assert_empty(&gate);
        assert!(gate.try_take());
    });
}

#[test]
fn close_beside_a_short_hand_over_and_a_drain() {
    model(|| {
        let gate = Arc::new(gate(1));
        assert!(gate.try_take());
        let first = queued(&gate, Kind::Permit);
        let a = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || {
                if block_on(poll_fn(|cx| gate.poll_ticket(&first, cx))).is_ok() {
                    gate.release(Hold::PLAIN);
                }
            })
        };
        let b = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || {
                gate.close();
                let mut p = None;
                block_on(poll_fn(|cx| gate.poll_drained(&mut p, cx)));
                assert_eq!(gate.peek().in_flight, 0);
            })
        };
        gate.release(Hold::PLAIN);
        a.join().unwrap();
        b.join().unwrap();
        assert_empty(&gate);
    });
}

#[test]
fn a_class_comes_while_the_last_is_handed_over() {
    model(|| {
        let gate = Arc::new(gate(1));
        assert!(gate.try_take());
        let first = queued(&gate, Kind::Permit);
        let a = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || {
                wait(&gate, &first);
                gate.release(Hold::PLAIN);
            })
        };
        let b = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || {
                let hold = if let Some(h) = gate.try_take_class(&class(1)) {
                    h
                } else {
                    match gate.enter_class(&class(1), || 0, None, None) {
                        Entry::Admitted(h) => h,
                        Entry::Queued(t) => wait(&gate, &t),
                        o => unreachable!("{o:?}"),
                    }
                };
                gate.release(hold);
            })
        };
        gate.release(Hold::PLAIN);
        a.join().unwrap();
        b.join().unwrap();
        assert_empty(&gate);
        assert!(gate.try_take());
    });
}

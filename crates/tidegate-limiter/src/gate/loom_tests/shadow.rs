//! Shadow mode that begins or ends while calls come and go. Were a waiter forgotten, loom would report a deadlock.

use std::future::poll_fn;
use std::task::Poll;

use loom::future::block_on;
use loom::sync::Arc;

use super::{Hold, acquire, assert_empty, beside, class, gate, model};
use crate::sync::{AtomicBool, Ordering};

/// Nobody gives the permit back, so only the mode can let the caller in.
#[test]
fn a_caller_who_comes_while_it_begins_is_let_in() {
    model(|| {
        let gate = Arc::new(gate(1));
        assert!(gate.try_take());
        let caller = beside(&gate, move |gate| acquire(gate));
        gate.set_shadow(true);
        caller.join().unwrap();
        assert_eq!(gate.peek().in_flight, 2);
        assert_eq!(gate.peek().queued, 0);
    });
}

#[test]
fn a_caller_who_comes_while_it_ends_waits_for_a_permit_of_the_limit_or_is_let_in() {
    model(|| {
        let gate = Arc::new(gate(1));
        gate.set_shadow(true);
        assert!(gate.try_take());
        let caller = beside(&gate, move |gate| {
            acquire(gate);
            gate.release(Hold::PLAIN);
        });
        gate.set_shadow(false);
        gate.release(Hold::PLAIN);
        caller.join().unwrap();
        assert_empty(&gate);
        assert!(gate.try_take(), "the fast path stayed closed");
        assert!(!gate.try_take(), "the limit is not enforced");
    });
}

#[test]
fn what_is_counted_is_what_was_let_in_above_the_limit() {
    model(|| {
        let gate = Arc::new(gate(1));
        gate.set_shadow(true);
        let other = beside(&gate, move |gate| gate.try_enter_class(&class(1)).unwrap());
        acquire(&gate);
        let hold = other.join().unwrap();
        let seen = gate.peek();
        assert_eq!((seen.in_flight, seen.would_have.waited + seen.would_have.refused), (2, 1));
        gate.release(hold);
        gate.release(Hold::PLAIN);
        assert_empty(&gate);
    });
}

/// As the live handle and the driver do it: the news is told, then whoever sleeps is woken; who wants to sleep leaves its waker,
/// then looks for news.
#[test]
fn a_sleeping_driver_hears_of_news() {
    model(|| {
        let gate = Arc::new(gate(1));
        let news = Arc::new(AtomicBool::new(false));
        let driver = {
            let news = Arc::clone(&news);
            beside(&gate, move |gate| {
                block_on(poll_fn(|cx| {
                    let idle = gate.poll_idle(cx, 0);
                    if news.load(Ordering::Acquire) { Poll::Ready(()) } else { idle }
                }));
            })
        };
        news.store(true, Ordering::Release);
        gate.wake_driver();
        driver.join().unwrap();
    });
}

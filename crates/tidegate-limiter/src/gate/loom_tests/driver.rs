//! The sleeping driver and the work that must wake it. Were a wake-up lost, loom would report a deadlock.

use std::future::poll_fn;
use std::task::Poll;

use loom::future::block_on;
use loom::sync::Arc;

use super::{Hold, acquire, assert_empty, beside, class, gate, model};

#[test]
fn a_caller_wakes_the_sleeping_driver() {
    model(|| {
        let gate = Arc::new(gate(1));
        let driver = beside(&gate, move |gate| {
            block_on(poll_fn(|cx| {
                if gate.peek().admitted > 0 {
                    return Poll::Ready(());
                }
                gate.poll_idle(cx, 0)
            }));
        });
        acquire(&gate);
        driver.join().unwrap();
        gate.release(Hold::PLAIN);
    });
}

/// A reservation does not keep the driver awake, so spending it must wake the driver, on the fast path too; a call that
/// is over before the driver runs is still work to be counted.
#[test]
fn a_claim_wakes_the_sleeping_driver() {
    model(|| {
        let gate = Arc::new(gate(1));
        assert!(gate.try_reserve());
        let driver = beside(&gate, move |gate| block_on(poll_fn(|cx| gate.poll_idle(cx, 0))));
        assert!(gate.claim(gate.stamp()).is_some());
        gate.release(Hold::PLAIN);
        driver.join().unwrap();
        assert_empty(&gate);
    });
}

#[test]
fn a_call_with_a_class_wakes_the_sleeping_driver() {
    model(|| {
        let gate = Arc::new(gate(1));
        let driver = beside(&gate, move |gate| block_on(poll_fn(|cx| gate.poll_idle(cx, 0))));
        let hold = gate.try_enter_class(&class(1)).unwrap();
        gate.release(hold);
        driver.join().unwrap();
        assert_empty(&gate);
    });
}

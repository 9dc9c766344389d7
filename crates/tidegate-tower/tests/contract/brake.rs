//! The brake: nobody at all gets in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tidegate_core::{ControlLaw, Decision, Evidence, PoolEvidence, Reason, Timestamp};
use tidegate_limiter::Limiter;
use tokio_test::{assert_pending, assert_ready_ok, task};

use crate::support::{NoPool, assert_idle, mock_limit};

/// A law that brakes when the test says so.
#[derive(Debug)]
struct Braking(Arc<AtomicBool>);

impl ControlLaw for Braking {
    fn limit(&self) -> u32 {
        10
    }

    fn tick(&mut self, _now: Timestamp, _evidence: &Evidence) -> Decision {
        Decision::new(10, 10, Reason::Fixed)
    }

    fn brakes(&self, _pool: &PoolEvidence) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

#[test]
fn brake_holds_everybody_back_until_it_is_off() {
    let on = Arc::new(AtomicBool::new(false));
    let (limiter, mut driver) =
        Limiter::builder().law(Braking(Arc::clone(&on))).pool(NoPool).build_manual().unwrap();
    let (mut ready, _handle) = mock_limit(&limiter);
    let mut newcomer = ready.clone();
    let mut runner = ready.clone();
    assert_ready_ok!(runner.poll_ready());
    let running = runner.call("running");
    assert_ready_ok!(ready.poll_ready());

    on.store(true, Ordering::SeqCst);
    driver.look(Timestamp::default());
    assert_pending!(newcomer.poll_ready());
    assert!(limiter.try_acquire().is_err());
    // It was ready before, so its call is accepted; it waits all the same.
    let mut call = task::spawn(ready.call("late"));
    assert_pending!(call.poll());
    assert_eq!(limiter.snapshot().queued, 2);
    // What runs, runs on; its permit goes to nobody.
    drop(running);
    assert_eq!(limiter.snapshot().in_flight, 0);
    assert!(!newcomer.is_woken());

    on.store(false, Ordering::SeqCst);
    driver.look(Timestamp::default());
    assert!(call.is_woken());
    assert!(newcomer.is_woken());
    assert_ready_ok!(newcomer.poll_ready());
    drop((call, newcomer));
    assert_idle(&limiter);
}

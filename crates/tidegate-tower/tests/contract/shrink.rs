//! One limit over several services, also while it moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tidegate_core::{ControlLaw, Decision, Evidence, Reason, Timestamp};
use tidegate_limiter::{Limiter, ManualDriver};
use tidegate_tower::LimitLayer;
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{Inside, Strict, assert_idle, mock_limit};

/// A law that does what the test says.
#[derive(Clone, Debug)]
struct Told {
    limit: Arc<AtomicU32>,
    in_force: u32,
}

impl ControlLaw for Told {
    fn limit(&self) -> u32 {
        self.in_force
    }

    fn tick(&mut self, _now: Timestamp, _evidence: &Evidence) -> Decision {
        let decision = Decision::new(self.in_force, self.limit.load(Ordering::SeqCst), Reason::Configured);
        self.in_force = decision.to;
        decision
    }
}

#[tokio::test(start_paused = true)]
async fn services_made_from_one_layer_share_the_limit() {
    let limiter = Limiter::builder().fixed(3).build().unwrap();
    let layer = LimitLayer::new(limiter.clone());
    let inner = Strict::default();
    let inside = inner.inside.clone();
    let (one, two, three) = (
        layer.layer(inner.clone()),
        layer.clone().layer(inner.clone()),
        LimitLayer::new(limiter.clone()).layer(inner),
    );
    let calls = (0..30).map(|i| [&one, &two, &three][i % 3].clone().oneshot(1));
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    assert_eq!(inside.peak(), 3, "the limit is used up, and kept");
    assert_idle(&limiter);
}

/// Others were measured to run on at the old limit for as long as callers wait: each permit that came back went
/// to the next in line before it could be withdrawn.
#[tokio::test(start_paused = true)]
async fn shrink_holds_while_callers_wait() {
    let limit = Arc::new(AtomicU32::new(20));
    let law = Told { limit: Arc::clone(&limit), in_force: 20 };
    let limiter = Limiter::builder().law(law).build().unwrap();
    let inside = Inside::default();
    // A call says how many are inside as it starts, and the limit at that moment.
    let started = Arc::new(std::sync::Mutex::new(Vec::new()));
    let service = LimitLayer::new(limiter.clone()).layer(service_fn({
        let (inside, limiter, started) = (inside.clone(), limiter.clone(), Arc::clone(&started));
        move |()| {
            let (inside, limiter, started) = (inside.clone(), limiter.clone(), Arc::clone(&started));
            async move {
                let _guard = inside.enter();
                started.lock().unwrap().push((inside.now(), limiter.snapshot().limit));
                // Calls that end one by one, so that there is always one that comes back.
                tokio::time::sleep(Duration::from_millis(20 + u64::from(inside.now()))).await;
                Ok::<_, ()>(())
            }
        }
    }));
    let calls: Vec<_> = (0..200).map(|_| tokio::spawn(service.clone().oneshot(()))).collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(inside.now(), 20);
    limit.store(3, Ordering::SeqCst);
    while limiter.snapshot().limit != 3 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let started_before = started.lock().unwrap().len();
    assert_eq!(inside.now(), 20);
    assert_eq!(limiter.snapshot().overhang, 17);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(inside.now(), 3, "the overhang is gone, though callers wait");
    assert!(limiter.snapshot().queued > 0);

    limit.store(8, Ordering::SeqCst);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let started = started.lock().unwrap();
    for (inside, limit) in &started[started_before..] {
        assert!(inside <= limit, "{inside} inside, limit {limit}");
    }
    assert!(started[started_before..].iter().any(|(inside, _)| *inside == 8), "and growth is used at once");
    assert_idle(&limiter);
}

/// A limiter, and what sets its limit.
fn told(permits: u32) -> (Limiter, impl FnMut(u32)) {
    let limit = Arc::new(AtomicU32::new(permits));
    let law = Told { limit: Arc::clone(&limit), in_force: permits };
    let (limiter, mut driver): (_, ManualDriver) = Limiter::builder().law(law).build_manual().unwrap();
    (limiter, move |permits| {
        limit.store(permits, Ordering::SeqCst);
        driver.tick(Timestamp::default());
    })
}

#[test]
fn growth_wakes_as_many_as_there_are_new_permits() {
    let (limiter, mut set_limit) = told(1);
    let (mut first, _handle) = mock_limit(&limiter);
    let mut waiters = [(); 3].map(|()| first.clone());
    assert_ready_ok!(first.poll_ready());
    let _call = first.call("one");
    waiters.iter_mut().for_each(|waiter| assert_pending!(waiter.poll_ready()));
    set_limit(3);
    assert_eq!(waiters.each_ref().map(|waiter| waiter.is_woken()), [true, true, false]);
}

#[test]
fn shrink_takes_reservations_back() {
    let (limiter, mut set_limit) = told(2);
    let (mut first, _handle) = mock_limit(&limiter);
    let mut ready = first.clone();
    assert_ready_ok!(first.poll_ready());
    let running = first.call("one");
    assert_ready_ok!(ready.poll_ready());
    set_limit(1);
    assert_eq!((limiter.snapshot().in_flight, limiter.snapshot().reserved), (1, 0));
    let mut call = task::spawn(ready.call("two"));
    assert_pending!(call.poll());
    drop(running);
    assert!(call.is_woken());
}

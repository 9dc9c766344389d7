//! What the world around a limiter can do to it: no runtime, no driver, wakers that panic, hours of quiet.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tidegate_core::Timestamp;
use tidegate_limiter::{Class, Limiter, Priority, Room};

const PATIENT: Duration = Duration::from_secs(3600);

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// A timer outside a runtime panics. The call had joined the queue by then, and nobody was left to leave it.
#[test]
fn a_deadline_outside_a_runtime_costs_no_permit() {
    let (limiter, _driver) = Limiter::builder().fixed(1).build_manual().unwrap();
    let held = limiter.try_acquire().unwrap();
    let mut call = Box::pin(limiter.acquire_with(Class::default().within(PATIENT)));
    assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut call).is_ready())).is_err());
    drop(call);
    assert_eq!(limiter.snapshot().queued, 0);
    drop(held);
    assert!(limiter.try_acquire().is_ok());
}

struct Panics;

impl Wake for Panics {
    #[expect(clippy::panic, reason = "a waker that somebody else wrote")]
    fn wake(self: Arc<Self>) {
        panic!("this waker always does");
    }
}

#[test]
fn a_waker_that_panics_takes_nobody_elses_place_along() {
    let (limiter, _driver) = Limiter::builder().fixed(1).queue_limit(1).build_manual().unwrap();
    let held = limiter.try_acquire().unwrap();
    let mut low = Box::pin(limiter.acquire_with(Class::default().priority(Priority::Low)));
    let panics = Waker::from(Arc::new(Panics));
    assert!(low.as_mut().poll(&mut Context::from_waker(&panics)).is_pending());
    let mut high = Box::pin(limiter.acquire_with(Class::default()));
    assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut high).is_ready())).is_err());
    drop((high, low));
    assert_eq!(limiter.snapshot().queued, 0);
    drop(held);
    assert!(limiter.try_acquire().is_ok());
}

/// One that was told of room and did nothing with it kept the others from it, as no look came any more.
#[test]
fn room_is_told_of_also_without_a_driver() {
    let (limiter, driver) = Limiter::builder().fixed(1).queue_limit(1).build_manual().unwrap();
    let held = limiter.try_acquire().unwrap();
    let mut queued = Box::pin(limiter.acquire_with(Class::default()));
    assert!(poll(&mut queued).is_pending());
    let mut cx = Context::from_waker(Waker::noop());
    let (mut first, mut second) = (Room::new(&limiter), Room::new(&limiter));
    assert!(first.poll_ready(&mut cx).is_pending());
    assert!(second.poll_ready(&mut cx).is_pending());
    drop(driver);
    drop(queued);
    assert!(first.poll_ready(&mut cx).is_ready());
    drop((first, held));
    assert!(second.poll_ready(&mut cx).is_ready());
}

/// The pace of an hour ago refused calls after a pause in which the driver slept.
#[tokio::test(start_paused = true)]
async fn a_pace_from_before_a_pause_refuses_nobody() {
    let limiter = Limiter::builder().fixed(1).build().unwrap();
    let slow = |limiter: Limiter| async move {
        let permit = limiter.acquire_with(Class::default()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(permit);
    };
    let calls: Vec<_> = (0..8).map(|_| tokio::spawn(slow(limiter.clone()))).collect();
    for call in calls {
        call.await.unwrap();
    }
    tokio::time::sleep(PATIENT).await;
    let class = Class::default().within(Duration::from_millis(1500));
    let mut burst: Vec<_> = (0..4).map(|_| Box::pin(limiter.acquire_with(class))).collect();
    let refused = burst.iter_mut().filter_map(|call| match poll(call) {
        Poll::Ready(Err(refused)) => Some(refused),
        _ => None,
    });
    assert_eq!(refused.collect::<Vec<_>>(), []);
}

/// A pace of nothing at all, measured last before the driver ended, refused every deadline for ever.
#[tokio::test(start_paused = true)]
async fn the_last_pace_of_a_driver_that_ended_refuses_nobody() {
    let (limiter, mut driver) = Limiter::builder().fixed(1).build_manual().unwrap();
    let _held = limiter.try_acquire().unwrap();
    let mut waiting = Box::pin(limiter.acquire());
    assert!(poll(&mut waiting).is_pending());
    for second in 1..30 {
        driver.tick(Timestamp::from_start(Duration::from_secs(second)));
    }
    drop((driver, waiting));
    let mut patient = Box::pin(limiter.acquire_with(Class::default().within(PATIENT)));
    assert!(poll(&mut patient).is_pending());
}

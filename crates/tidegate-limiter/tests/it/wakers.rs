//! Wakers that panic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use tidegate_core::Outcome;
use tidegate_limiter::{Acquire, Class, Limiter, Permit, Reservation};

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        unreachable!("this waker panics");
    }
}

fn poll(call: &mut Acquire, waker: &Waker) -> Option<Permit> {
    match pin!(call).as_mut().poll(&mut Context::from_waker(waker)) {
        Poll::Ready(permit) => Some(permit.unwrap()),
        Poll::Pending => None,
    }
}

fn waiting(limiter: &Limiter, waker: &Waker) -> Acquire {
    let mut call = limiter.acquire();
    assert!(poll(&mut call, waker).is_none());
    call
}

/// Two permits came back together, and whoever handed out the first one was thrown out before the second.
#[test]
fn a_permit_left_free_by_a_waker_that_panicked_goes_out_with_the_next_release() {
    let (limiter, _driver) = Limiter::builder().fixed(3).build_manual().unwrap();
    let mut wide = limiter.acquire_with(Class::default().weight(2));
    let wide = poll(&mut wide, Waker::noop()).unwrap();
    let held = limiter.try_acquire().unwrap();
    let _bad = waiting(&limiter, &Waker::from(Arc::new(Panics)));
    let _good: Vec<_> = (0..5).map(|_| waiting(&limiter, Waker::noop())).collect();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(wide))).is_err());
    assert_eq!((limiter.snapshot().in_flight, limiter.snapshot().queued), (2, 5));
    drop(held);
    assert_eq!((limiter.snapshot().in_flight, limiter.snapshot().queued), (3, 3));
}

#[test]
fn a_call_that_ends_with_a_waker_that_panics_gives_its_permit_back_once() {
    let (limiter, _driver) = Limiter::builder().fixed(1).build_manual().unwrap();
    let mut service = Reservation::new(&limiter);
    assert!(service.poll_ready(&mut Context::from_waker(Waker::noop())).is_ready());
    let mut claim = service.claim().unwrap();
    let mut bad = waiting(&limiter, &Waker::from(Arc::new(Panics)));
    assert!(catch_unwind(AssertUnwindSafe(|| claim.finish(Outcome::Success))).is_err());
    drop(claim);
    assert_eq!(limiter.snapshot().in_flight, 1, "it was handed over");
    drop(poll(&mut bad, Waker::noop()).unwrap());
    assert_eq!(limiter.snapshot().in_flight, 0);
}

/// A call whose reservation was taken waits first in line; it may end before it got its permit, and be kept.
#[test]
fn a_promise_that_is_finished_leaves_its_place_at_once() {
    let (limiter, mut driver) = Limiter::builder().fixed(1).build_manual().unwrap();
    let mut service = Reservation::new(&limiter);
    assert!(service.poll_ready(&mut Context::from_waker(Waker::noop())).is_ready());
    driver.look(tidegate_core::Timestamp::default());
    let held = limiter.try_acquire().unwrap();
    let mut claim = service.claim().unwrap();
    let mut next = waiting(&limiter, Waker::noop());
    claim.finish(Outcome::Ignored);
    assert_eq!(limiter.snapshot().queued, 1);
    drop(held);
    assert!(poll(&mut next, Waker::noop()).is_some());
    drop(claim);
}

//! Every way capacity comes back, each test named after one.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;

use tidegate_core::Outcome;
use tidegate_tower::LimitLayer;
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, service_fn};
use tower_test::assert_request_eq;
use tower_test::mock::Spawn;

use crate::support::{MockHandle, MockLimit, assert_idle, limiter, mock_limit};
use tidegate_limiter::Limiter;

/// A call that has the only permit, and a service that waits for it.
struct Taken {
    limiter: Limiter,
    call: task::Spawn<
        tidegate_tower::limit::future::ResponseFuture<MockFuture, tidegate_tower::DefaultClassify>,
    >,
    caller: MockLimit,
    waiter: MockLimit,
    handle: MockHandle,
}

type MockFuture = <tower_test::mock::Mock<&'static str, &'static str> as Service<&'static str>>::Future;

fn taken() -> Taken {
    let (limiter, _driver) = limiter(1);
    let (mut caller, handle) = mock_limit(&limiter);
    let mut waiter = caller.clone();
    assert_ready_ok!(caller.poll_ready());
    let mut call = task::spawn(caller.call("one"));
    assert_pending!(call.poll());
    assert_pending!(waiter.poll_ready());
    assert!(!waiter.is_woken());
    Taken { limiter, call, caller, waiter, handle }
}

/// The waiter was woken and is ready, and nothing is left once it is gone.
#[track_caller]
fn assert_came_back(mut waiter: MockLimit, limiter: &Limiter) {
    assert!(waiter.is_woken());
    assert_ready_ok!(waiter.poll_ready());
    drop(waiter);
    assert_idle(limiter);
}

#[tokio::test]
async fn response_releases() {
    let mut taken = taken();
    assert_request_eq!(taken.handle, "one").send_response("done");
    assert_eq!(assert_ready_ok!(taken.call.poll()), "done");
    // The finished future is still alive.
    assert_came_back(taken.waiter, &taken.limiter);
}

#[tokio::test]
async fn error_releases() {
    let mut taken = taken();
    assert_request_eq!(taken.handle, "one").send_error("broken");
    let error = assert_ready_err!(taken.call.poll());
    assert_eq!(error.to_string(), "broken", "the error is the inner service's own");
    assert_came_back(taken.waiter, &taken.limiter);
}

#[test]
fn response_future_drop_releases() {
    let taken = taken();
    drop(taken.call);
    assert_came_back(taken.waiter, &taken.limiter);
}

#[test]
fn response_future_drop_before_first_poll_releases() {
    let (limiter, _driver) = limiter(1);
    let (mut caller, _handle) = mock_limit(&limiter);
    let mut waiter = caller.clone();
    assert_ready_ok!(caller.poll_ready());
    let call = caller.call("one");
    assert_pending!(waiter.poll_ready());
    drop(call);
    assert_came_back(waiter, &limiter);
}

#[test]
fn panic_in_inner_call_releases() {
    let (limiter, _driver) = limiter(1);
    let layer = LimitLayer::new(limiter.clone());
    let (mut waiter, _handle) = mock_limit(&limiter);
    let mut caller = Spawn::new(layer.layer(service_fn(|()| -> std::future::Ready<Result<(), ()>> {
        // The permit is the call's already, so the waiter cannot have it.
        assert_pending!(waiter.poll_ready());
        panic!("in call");
    })));
    assert_ready_ok!(caller.poll_ready::<()>());
    assert!(catch_unwind(AssertUnwindSafe(|| caller.call(()))).is_err());
    drop(caller);
    assert_came_back(waiter, &limiter);
}

#[test]
fn panic_in_inner_future_releases() {
    let (limiter, _driver) = limiter(1);
    let layer = LimitLayer::new(limiter.clone());
    let (mut waiter, _handle) = mock_limit(&limiter);
    let mut caller = Spawn::new(layer.layer(service_fn(|()| async {
        poll_fn(|_| -> Poll<Result<(), ()>> { panic!("in the future") }).await
    })));
    assert_ready_ok!(caller.poll_ready::<()>());
    let mut call = task::spawn(caller.call(()));
    assert_pending!(waiter.poll_ready());
    assert!(catch_unwind(AssertUnwindSafe(move || call.poll())).is_err());
    assert_came_back(waiter, &limiter);
}

#[test]
fn panic_in_the_classifier_releases() {
    let (limiter, _driver) = limiter(1);
    let layer = LimitLayer::new(limiter.clone())
        .classify(|_: Result<&(), &()>| -> Outcome { panic!("in the classifier") });
    let (mut waiter, _handle) = mock_limit(&limiter);
    let mut caller = Spawn::new(layer.layer(service_fn(|()| async { Ok(()) })));
    assert_ready_ok!(caller.poll_ready::<()>());
    let mut call = task::spawn(caller.call(()));
    assert_pending!(waiter.poll_ready());
    assert!(catch_unwind(AssertUnwindSafe(move || call.poll())).is_err());
    assert_came_back(waiter, &limiter);
}

/// A service that is ready and not called, and one that waits behind it.
fn ready_and_waiting() -> (Limiter, MockLimit, MockLimit, MockHandle) {
    let Taken { limiter, call, caller, waiter: mut ready, handle } = taken();
    let mut waiter = caller.clone();
    assert_pending!(waiter.poll_ready());
    drop(call);
    assert_ready_ok!(ready.poll_ready());
    assert!(!waiter.is_woken());
    (limiter, ready, waiter, handle)
}

#[test]
fn ready_service_drop_releases() {
    let (limiter, ready, waiter, _handle) = ready_and_waiting();
    drop(ready);
    assert_came_back(waiter, &limiter);
}

#[test]
fn into_inner_releases() {
    let (limiter, ready, waiter, _handle) = ready_and_waiting();
    let _inner = ready.into_inner().into_inner();
    assert_came_back(waiter, &limiter);
}

#[test]
fn inner_readiness_error_releases() {
    let Taken { limiter, call, mut waiter, caller, handle } = taken();
    let (mut behind, _other_handle) = mock_limit(&limiter);
    assert_pending!(behind.poll_ready());
    drop(handle);
    drop(call);
    // The waiter gets the permit, and then finds its inner service closed.
    assert_ready_err!(waiter.poll_ready());
    assert_came_back(behind, &limiter);
    drop((caller, waiter));
}

#[tokio::test]
async fn waiter_drop_releases() {
    let mut taken = taken();
    let mut behind = taken.caller.clone();
    assert_pending!(behind.poll_ready());
    drop(taken.waiter);
    assert_eq!(taken.limiter.snapshot().queued, 1, "its place in line is gone");
    assert_request_eq!(taken.handle, "one").send_response("done");
    assert_ready_ok!(taken.call.poll());
    assert_came_back(behind, &taken.limiter);
}

#[test]
fn granted_waiter_drop_releases() {
    let taken = taken();
    let mut behind = taken.caller.clone();
    assert_pending!(behind.poll_ready());
    drop(taken.call);
    assert!(taken.waiter.is_woken());
    assert!(!behind.is_woken());
    // It was given the permit and never learned of it.
    drop(taken.waiter);
    assert_came_back(behind, &taken.limiter);
}

/// A call whose reservation was taken back by another caller, which holds the permit now.
fn revoked_call() -> (Taken, MockLimit) {
    let (limiter, mut driver) = limiter(1);
    let (mut revoked, handle) = mock_limit(&limiter);
    let mut caller = revoked.clone();
    let waiter = revoked.clone();
    assert_ready_ok!(revoked.poll_ready());
    driver.look(tidegate_core::Timestamp::default());
    assert_ready_ok!(caller.poll_ready());
    let mut holder = task::spawn(caller.call("one"));
    assert_pending!(holder.poll());
    (Taken { limiter, call: holder, caller, waiter, handle }, revoked)
}

#[test]
fn revoked_call_drop_releases() {
    let (mut taken, mut revoked) = revoked_call();
    let mut call = task::spawn(revoked.call("two"));
    assert_pending!(call.poll());
    assert_pending!(taken.waiter.poll_ready());
    drop(call);
    assert_eq!(taken.limiter.snapshot().queued, 1, "its place in line is gone");
    drop(taken.call);
    assert_came_back(taken.waiter, &taken.limiter);
}

#[test]
fn granted_revoked_call_drop_releases() {
    let (mut taken, mut revoked) = revoked_call();
    let mut call = task::spawn(revoked.call("two"));
    assert_pending!(call.poll());
    assert_pending!(taken.waiter.poll_ready());
    drop(taken.call);
    assert!(call.is_woken());
    assert!(!taken.waiter.is_woken());
    drop(call);
    assert_came_back(taken.waiter, &taken.limiter);
}

#[test]
fn permit_comes_back_after_what_the_call_held() {
    struct Held<'a>(&'a Limiter, &'a std::cell::Cell<u32>);
    impl Drop for Held<'_> {
        fn drop(&mut self) {
            self.1.set(self.0.snapshot().in_flight);
        }
    }
    let (limiter, _driver) = limiter(1);
    let in_flight_at_drop = std::cell::Cell::new(0);
    let mut service = Spawn::new(LimitLayer::new(limiter.clone()).layer(service_fn(|()| {
        let held = Held(&limiter, &in_flight_at_drop);
        async move {
            let _held = held;
            std::future::pending::<Result<(), ()>>().await
        }
    })));
    assert_ready_ok!(service.poll_ready::<()>());
    let mut call = task::spawn(service.call(()));
    assert_pending!(call.poll());
    drop(call);
    assert_eq!(in_flight_at_drop.get(), 1, "a connection is free before its permit is");
    assert_idle(&limiter);
    let _ = assert_ready!(service.poll_ready::<()>());
}

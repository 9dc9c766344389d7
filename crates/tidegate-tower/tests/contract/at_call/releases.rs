//! Every way the permits of a running call come back, each test named after one; see `waits` for calls that wait.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;

use futures_util::future::BoxFuture;
use tidegate_core::Outcome;
use tidegate_limiter::{Acquire, Limiter};
use tidegate_tower::OneClass;
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{BoxError, service_fn};
use tower_test::assert_request_eq;
use tower_test::mock::Spawn;

use super::{AtCall, BOTH, Queue, Shed, assert_came_back, waiter};
use crate::support::{Failed, MockHandle, assert_idle, limiter};

/// A call that has the only permit, and somebody who waits for it.
struct Taken {
    layer: AtCall,
    limiter: Limiter,
    call: task::Spawn<BoxFuture<'static, Result<&'static str, BoxError>>>,
    waiter: task::Spawn<Acquire>,
    handle: MockHandle,
}

fn taken() -> [Taken; 2] {
    BOTH.map(|layer| {
        let (limiter, _driver) = limiter(1);
        let (mut service, handle) = layer.mock(&limiter);
        assert_ready_ok!(service.poll_ready());
        let mut call = task::spawn(service.call("one"));
        assert_pending!(call.poll());
        let waiter = waiter(&limiter);
        Taken { layer, limiter, call, waiter, handle }
    })
}

#[tokio::test]
async fn response_releases() {
    for mut taken in taken() {
        assert_request_eq!(taken.handle, "one").send_response("done");
        assert!(!taken.waiter.is_woken(), "only the end of the call gives it back");
        assert_eq!(assert_ready_ok!(taken.call.poll()), "done");
        // The finished future is still alive.
        assert_came_back(taken.layer, taken.waiter, &taken.limiter);
    }
}

#[tokio::test]
async fn error_releases() {
    for mut taken in taken() {
        assert_request_eq!(taken.handle, "one").send_error(Failed);
        let error = assert_ready_err!(taken.call.poll());
        assert!(error.is::<Failed>(), "the error is the inner service's own");
        assert_came_back(taken.layer, taken.waiter, &taken.limiter);
    }
}

#[test]
fn response_future_drop_releases() {
    for taken in taken() {
        drop(taken.call);
        assert_came_back(taken.layer, taken.waiter, &taken.limiter);
    }
}

/// A queued call asks for its permits when it is first polled, a shed one when it is called.
#[test]
fn response_future_drop_before_first_poll_releases() {
    for (layer, in_flight) in [(Queue, 0), (Shed, 1)] {
        let (limiter, _driver) = limiter(1);
        let (mut service, mut handle) = layer.mock(&limiter);
        assert_ready_ok!(service.poll_ready());
        let call = service.call("one");
        assert_eq!(limiter.snapshot().in_flight, in_flight, "{layer:?}");
        drop(call);
        assert_idle(&limiter);
        assert!(limiter.try_acquire().is_ok(), "{layer:?}");
        let called = handle.poll_request();
        assert_eq!(called.is_ready(), layer == Shed, "a queued call never reached the inner service");
    }
}

/// What panics.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Panics {
    Call,
    Future,
    Classifier,
}

#[track_caller]
fn check_panic(panics: Panics) {
    for layer in BOTH {
        let (limiter, _driver) = limiter(1);
        let classify = move |_: Result<&(), &Failed>| {
            assert!(panics != Panics::Classifier, "in the classifier");
            Outcome::Success
        };
        let inner = service_fn(move |()| {
            assert!(panics != Panics::Call, "in call");
            async move {
                assert!(panics != Panics::Future, "in the future");
                Ok::<_, Failed>(())
            }
        });
        let mut service = Spawn::new(layer.layer_with(&limiter, OneClass::default(), classify, inner));
        assert_ready_ok!(service.poll_ready());
        let end = catch_unwind(AssertUnwindSafe(|| drop(task::spawn(service.call(())).poll())));
        assert!(end.is_err(), "{layer:?}");
        assert_idle(&limiter);
        assert!(limiter.try_acquire().is_ok(), "{layer:?}");
    }
}

#[test]
fn panic_in_inner_call_releases() {
    check_panic(Panics::Call);
}

#[test]
fn panic_in_inner_future_releases() {
    check_panic(Panics::Future);
}

#[test]
fn panic_in_the_classifier_releases() {
    check_panic(Panics::Classifier);
}

/// A call that panicked and whose future lives on holds its permit until that is dropped, as any running call does.
#[test]
fn permit_of_a_panicked_call_comes_back_with_its_future() {
    for layer in BOTH {
        let (limiter, _driver) = limiter(1);
        let inner = service_fn(|()| poll_fn(|_| -> Poll<Result<(), Failed>> { panic!("in the future") }));
        let mut service = Spawn::new(layer.layer(&limiter, inner));
        assert_ready_ok!(service.poll_ready());
        let mut call = task::spawn(service.call(()));
        assert!(catch_unwind(AssertUnwindSafe(|| drop(call.poll()))).is_err());
        let waiter = waiter(&limiter);
        drop(call);
        assert_came_back(layer, waiter, &limiter);
    }
}

/// The inner service is asked for readiness by a queued call, and by the `poll_ready` of a shedding service.
#[test]
fn inner_readiness_error_releases() {
    let (limiter, _driver) = limiter(1);
    let (mut service, mut handle) = Queue.mock(&limiter);
    handle.send_error(Failed);
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call("one"));
    let error = assert_ready_err!(call.poll());
    assert!(error.is::<Failed>(), "it is the call's error");
    // The finished future is still alive.
    assert_idle(&limiter);

    let (mut service, mut handle) = Shed.mock(&limiter);
    handle.send_error(Failed);
    assert!(assert_ready_err!(service.poll_ready()).is::<Failed>());
    assert_idle(&limiter);
}

#[test]
fn drop_while_the_inner_service_is_not_ready_releases() {
    let (limiter, _driver) = limiter(1);
    let (mut service, mut handle) = Queue.mock(&limiter);
    handle.allow(0);
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call("one"));
    assert_pending!(call.poll());
    assert_eq!(limiter.snapshot().in_flight, 1, "it holds its permit while it waits for the inner service");
    let waiter = waiter(&limiter);
    handle.allow(1);
    assert!(call.is_woken(), "the inner service's wake-up reaches the task");
    assert!(!waiter.is_woken());
    drop(call);
    assert_came_back(Queue, waiter, &limiter);
}

#[test]
fn permit_comes_back_after_what_the_call_held() {
    struct Held(Limiter, Arc<AtomicU32>);
    impl Drop for Held {
        fn drop(&mut self) {
            self.1.store(self.0.snapshot().in_flight, Ordering::SeqCst);
        }
    }
    for layer in BOTH {
        for end in [None, Some(Ok(())), Some(Err(Failed))] {
            let (limiter, _driver) = limiter(1);
            let in_flight_at_drop = Arc::new(AtomicU32::new(0));
            let inner = service_fn({
                let (limiter, seen) = (limiter.clone(), Arc::clone(&in_flight_at_drop));
                move |()| {
                    let held = Held(limiter.clone(), Arc::clone(&seen));
                    // It keeps what it holds until it is dropped, also when it is complete.
                    poll_fn(move |_| {
                        let _ = &held;
                        end.map_or(Poll::Pending, Poll::Ready)
                    })
                }
            });
            let mut service = Spawn::new(layer.layer(&limiter, inner));
            assert_ready_ok!(service.poll_ready());
            let mut call = task::spawn(service.call(()));
            assert_eq!(call.poll().is_ready(), end.is_some());
            drop(call);
            let seen = in_flight_at_drop.load(Ordering::SeqCst);
            assert_eq!(seen, 1, "{layer:?}, {end:?}: what it held is free before its permit is");
            assert_idle(&limiter);
        }
    }
}

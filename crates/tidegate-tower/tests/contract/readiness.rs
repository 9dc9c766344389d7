//! What "ready" means.

use std::convert::Infallible;
use std::future::Ready;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tidegate_tower::limit::future::ResponseFuture;
use tidegate_tower::{DefaultClassify, Limit, LimitLayer, ServiceBuilderExt};
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Layer, Service, ServiceBuilder, service_fn};
use tower_test::assert_request_eq;
use tower_test::mock::Spawn;

use crate::support::{Failed, Strict, assert_idle, limiter, mock_limit};

#[tokio::test]
async fn calls_up_to_the_limit_are_ready_and_no_more() {
    let (limiter, _driver) = limiter(2);
    let (mut service, mut handle) = mock_limit(&limiter);
    assert_ready_ok!(service.poll_ready());
    let mut one = task::spawn(service.call("one"));
    assert_ready_ok!(service.poll_ready());
    let two = task::spawn(service.call("two"));
    assert_pending!(service.poll_ready());
    assert!(!service.is_woken());

    assert_request_eq!(handle, "one").send_response("1");
    assert!(!service.is_woken(), "only a permit that came back wakes it");
    assert_eq!(assert_ready_ok!(one.poll()), "1");
    assert!(service.is_woken());
    assert_ready_ok!(service.poll_ready());
    let three = service.call("three");
    assert_pending!(service.poll_ready());
    drop((two, three, service));
    assert_idle(&limiter);
}

#[test]
fn waiting_services_are_woken_in_line_one_per_permit() {
    let (limiter, _driver) = limiter(1);
    let (mut first, _handle) = mock_limit(&limiter);
    let (mut second, mut third) = (first.clone(), first.clone());
    assert_ready_ok!(first.poll_ready());
    let call = first.call("one");
    assert_pending!(second.poll_ready());
    assert_pending!(third.poll_ready());
    drop(call);
    assert!(second.is_woken());
    assert!(!third.is_woken());
    // A newcomer cannot have the permit that was handed over.
    assert_pending!(first.poll_ready());
    assert_ready_ok!(second.poll_ready());
}

#[test]
fn readiness_is_kept_over_further_polls() {
    let (limiter, _driver) = limiter(2);
    let (mut service, _handle) = mock_limit(&limiter);
    for _ in 0..3 {
        assert_ready_ok!(service.poll_ready());
    }
    assert_eq!(limiter.snapshot().reserved, 1);
}

#[test]
fn reservation_is_kept_while_the_inner_service_is_not_ready() {
    let (limiter, _driver) = limiter(1);
    let (mut service, mut handle) = mock_limit(&limiter);
    handle.allow(0);
    assert_pending!(service.poll_ready());
    assert_eq!(limiter.snapshot().reserved, 1);
    handle.allow(1);
    assert!(service.is_woken(), "the inner service's wake-up reaches the task");
    assert_ready_ok!(service.poll_ready());
    assert_eq!(limiter.snapshot().reserved, 1);
}

#[track_caller]
fn assert_panics_with_the_fix(call: impl FnOnce()) {
    let panic = catch_unwind(AssertUnwindSafe(call)).unwrap_err();
    let message = panic
        .downcast_ref::<String>()
        .map_or_else(|| panic.downcast_ref::<&str>().copied().unwrap_or_default().to_owned(), Clone::clone);
    assert!(message.contains("await `ready()` on this clone"), "{message}");
}

#[test]
fn call_without_ready_panics_with_the_fix() {
    let (limiter, _driver) = limiter(2);
    let (mut service, _handle) = mock_limit(&limiter);
    assert_panics_with_the_fix(|| drop(service.call("one")));
    assert_idle(&limiter);
}

#[test]
fn second_call_without_ready_panics_with_the_fix() {
    let (limiter, _driver) = limiter(2);
    let (mut service, _handle) = mock_limit(&limiter);
    assert_ready_ok!(service.poll_ready());
    let _one = service.call("one");
    assert_panics_with_the_fix(|| drop(service.call("two")));
}

#[test]
fn call_while_waiting_panics_with_the_fix() {
    let (limiter, _driver) = limiter(1);
    let (mut service, _handle) = mock_limit(&limiter);
    assert_ready_ok!(service.poll_ready());
    let _one = service.call("one");
    assert_pending!(service.poll_ready());
    assert_panics_with_the_fix(|| drop(service.call("two")));
    assert_eq!(limiter.snapshot().queued, 1, "its place in line is kept");
}

#[test]
fn clone_starts_without_a_reservation() {
    let (limiter, _driver) = limiter(2);
    let (mut service, _handle) = mock_limit(&limiter);
    assert_ready_ok!(service.poll_ready());
    let mut clone = service.clone();
    assert_eq!(limiter.snapshot().reserved, 1);
    assert_panics_with_the_fix(|| drop(clone.call("one")));
    let _one = service.call("one");
}

#[test]
fn inner_service_is_within_reach() {
    let (limiter, _driver) = limiter(1);
    let mut service = LimitLayer::new(limiter).layer(1_u8);
    *service.get_mut() += 1;
    assert_eq!(*service.get_ref(), 2);
    assert_eq!(service.into_inner(), 2);
}

#[test]
fn service_builder_puts_the_limit_on_the_stack() {
    let (limiter, _driver) = limiter(1);
    let stack = || ServiceBuilder::new().limit(limiter.clone()).service(Strict::default());
    let (mut one, mut two) = (Spawn::new(stack()), Spawn::new(stack()));
    assert_ready_ok!(one.poll_ready::<u32>());
    let _call = one.call(1);
    assert_pending!(two.poll_ready::<u32>());
}

#[test]
fn debug_names_the_state() {
    let (limiter, mut driver) = limiter(1);
    let layer =
        LimitLayer::new(limiter.clone()).classify_errors(|_: &Failed| tidegate_core::Outcome::Overload);
    let (mut service, _handle) = mock_limit(&limiter);
    assert!(format!("{layer:?}").starts_with("LimitLayer { limiter: Limiter"));
    assert!(format!("{:?}", service.get_ref()).contains("empty"));
    assert_ready_ok!(service.poll_ready());
    assert!(format!("{:?}", service.get_ref()).contains("reserved"));
    // It stands idle, so another call takes the permit that is reserved.
    driver.look(tidegate_core::Timestamp::default());
    let (mut other, _other_handle) = mock_limit(&limiter);
    assert_ready_ok!(other.poll_ready());
    let other = other.call("other");
    let mut call = task::spawn(service.call("one"));
    assert!(format!("{:?}", *call).contains("is_held: false"));
    drop(other);
    assert_pending!(call.poll());
    assert!(format!("{:?}", *call).contains("is_held: true"));
}

/// The error is the inner service's, and the types can cross threads.
#[test]
fn types_keep_their_promises() {
    fn keeps_error<S: Service<u32, Error = E>, E>(_: &S) {}
    fn is_shareable<T: Clone + Send + Sync + Unpin + 'static>(_: &T) {}
    fn future_is_shareable<T: Send + Sync + Unpin + 'static>() {}
    let (limiter, _driver) = limiter(1);
    let layer = LimitLayer::new(limiter);
    is_shareable(&layer);
    let service: Limit<_> =
        layer.layer(service_fn(|_: u32| -> Ready<Result<u32, Infallible>> { std::future::ready(Ok(1)) }));
    is_shareable(&service);
    keeps_error::<_, Infallible>(&service);
    future_is_shareable::<ResponseFuture<Ready<Result<u32, Infallible>>, DefaultClassify>>();
}

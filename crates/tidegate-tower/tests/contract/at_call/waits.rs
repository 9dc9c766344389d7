//! Queued calls that wait: every way out of the queue.

use futures_util::future::BoxFuture;
use tidegate_limiter::{Limiter, ManualDriver, OverloadReason};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::BoxError;
use tower_test::assert_request_eq;
use tower_test::mock::Spawn;

use super::{Boxed, Queue, Shed, assert_came_back, reason, waiter};
use crate::support::{MockHandle, assert_idle, limiter};

type Call = task::Spawn<BoxFuture<'static, Result<&'static str, BoxError>>>;

/// A call that has the only permit and one that waits behind it.
struct Behind {
    limiter: Limiter,
    _driver: ManualDriver,
    service: Spawn<Boxed<&'static str, &'static str>>,
    running: Call,
    waiting: Call,
    handle: MockHandle,
}

fn behind() -> Behind {
    let (limiter, driver) = limiter(1);
    let (mut service, handle) = Queue.mock(&limiter);
    assert_ready_ok!(service.poll_ready());
    let mut running = task::spawn(service.call("running"));
    assert_pending!(running.poll());
    assert_ready_ok!(service.poll_ready());
    let mut waiting = task::spawn(service.call("waiting"));
    assert_pending!(waiting.poll());
    assert_eq!(limiter.snapshot().queued, 1);
    Behind { limiter, _driver: driver, service, running, waiting, handle }
}

#[tokio::test]
async fn permit_goes_to_the_call_that_waits() {
    let mut behind = behind();
    assert_request_eq!(behind.handle, "running").send_response("1");
    assert_pending!(behind.waiting.poll());
    assert!(behind.handle.poll_request().is_pending(), "it begins only with its permit");
    assert_ready_ok!(behind.running.poll());
    assert!(behind.waiting.is_woken());
    assert_pending!(behind.waiting.poll());
    assert_request_eq!(behind.handle, "waiting").send_response("2");
    assert!(behind.waiting.is_woken(), "the inner service's wake-up reaches the task");
    assert_eq!(assert_ready_ok!(behind.waiting.poll()), "2");
    assert_idle(&behind.limiter);
}

#[test]
fn drop_while_waiting_leaves_the_queue() {
    let Behind { limiter, running, waiting, .. } = behind();
    let waiter = waiter(&limiter);
    drop(waiting);
    assert_eq!(limiter.snapshot().queued, 1, "its place is gone");
    drop(running);
    assert_came_back(Queue, waiter, &limiter);
}

#[test]
fn drop_after_hand_over_passes_the_permit_on() {
    let Behind { limiter, running, waiting, mut handle, .. } = behind();
    let waiter = waiter(&limiter);
    drop(running);
    assert!(waiting.is_woken());
    assert!(!waiter.is_woken());
    // It was given the permit and never learned of it.
    drop(waiting);
    assert_came_back(Queue, waiter, &limiter);
    let (running, _) = match handle.poll_request() {
        std::task::Poll::Ready(Some(request)) => request,
        other => panic!("{other:?}"),
    };
    assert_eq!(running, "running");
    assert!(!matches!(handle.poll_request(), std::task::Poll::Ready(Some(_))), "the other was never called");
}

#[test]
fn close_refuses_the_call_that_waits() {
    let mut behind = behind();
    behind.limiter.close();
    assert!(behind.waiting.is_woken());
    assert_eq!(reason(&assert_ready_err!(behind.waiting.poll())), OverloadReason::Closed);
    assert_eq!(behind.limiter.snapshot().in_flight, 1, "what runs, runs on");
    drop(behind.running);
    assert_idle(&behind.limiter);
}

#[tokio::test]
async fn call_that_was_handed_its_permit_is_served_though_closed() {
    let mut behind = behind();
    drop(behind.running);
    behind.limiter.close();
    assert_pending!(behind.waiting.poll());
    let (_, respond) = behind.handle.next_request().await.unwrap();
    respond.send_response("of the one that was dropped");
    assert_request_eq!(behind.handle, "waiting").send_response("2");
    assert_eq!(assert_ready_ok!(behind.waiting.poll()), "2");
    assert_idle(&behind.limiter);
}

#[test]
fn drop_after_close_and_before_poll_leaves_nothing() {
    let Behind { limiter, running, waiting, .. } = behind();
    limiter.close();
    drop((running, waiting));
    assert_idle(&limiter);
}

/// The service lives on without its calls, and the calls without the service.
#[test]
fn drop_of_the_service_leaves_its_calls_alone() {
    let Behind { limiter, service, running, mut waiting, mut handle, .. } = behind();
    drop(service);
    drop(running);
    assert_pending!(waiting.poll());
    for _ in 0..2 {
        assert!(matches!(handle.poll_request(), std::task::Poll::Ready(Some(_))));
    }
    drop(waiting);
    assert_idle(&limiter);
}

/// A call that moves to another task is woken there.
#[test]
fn last_task_that_polled_is_woken() {
    let Behind { running, waiting, .. } = behind();
    let mut moved = task::spawn(waiting.into_inner());
    assert_pending!(moved.poll());
    drop(running);
    assert!(moved.is_woken());
}

#[test]
fn refused_call_holds_nothing() {
    let (limiter, _driver) = limiter(1);
    let all = limiter.try_acquire().unwrap();
    let (mut service, _handle) = Shed.mock(&limiter);
    assert_ready_ok!(service.poll_ready());
    let unpolled = service.call("one");
    let mut polled = task::spawn(service.call("two"));
    assert_eq!(reason(&assert_ready_err!(polled.poll())), OverloadReason::NoPermit);
    let behind = waiter(&limiter);
    drop((unpolled, polled));
    assert_eq!((limiter.snapshot().in_flight, limiter.snapshot().queued), (1, 1));
    drop(all);
    assert_came_back(Shed, behind, &limiter);
}

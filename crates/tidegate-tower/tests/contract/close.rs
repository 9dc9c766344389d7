//! A closed limiter: nobody new, but what was promised is kept.

use tidegate_core::Timestamp;
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};
use tower_test::assert_request_eq;

use crate::support::{assert_idle, limiter, mock_limit};

#[test]
fn services_of_a_closed_limiter_are_pending() {
    let (limiter, _driver) = limiter(1);
    let (mut service, _handle) = mock_limit(&limiter);
    limiter.close();
    assert_pending!(service.poll_ready());
    assert!(!service.is_woken());
    drop(service);
    assert_idle(&limiter);
}

#[test]
fn service_that_waits_goes_on_waiting() {
    let (limiter, _driver) = limiter(1);
    let (mut service, _handle) = mock_limit(&limiter);
    let permit = limiter.try_acquire().unwrap();
    assert_pending!(service.poll_ready());
    limiter.close();
    drop(permit);
    assert!(!service.is_woken());
    assert_pending!(service.poll_ready());
    drop(service);
    assert_idle(&limiter);
}

/// It was told "ready" before, so its call is served; and so are all the work that runs, and the drain.
#[tokio::test]
async fn promised_call_is_served() {
    let (limiter, _driver) = limiter(1);
    let (mut service, mut handle) = mock_limit(&limiter);
    assert_ready_ok!(service.poll_ready());
    limiter.close();
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call("promised"));
    assert_pending!(call.poll());
    assert_eq!(limiter.snapshot().in_flight, 1);
    let mut drain = task::spawn(limiter.drain());
    assert_pending!(drain.poll());

    assert_request_eq!(handle, "promised").send_response("done");
    assert_eq!(assert_ready_ok!(call.poll()), "done");
    assert!(drain.is_woken());
    assert_ready!(drain.poll());
    assert_pending!(service.poll_ready(), "it was promised one call");
    drop(service);
    assert_idle(&limiter);
}

/// Its reservation was taken by another call, which is still running when the limiter is closed.
#[tokio::test]
async fn promised_call_that_waits_is_served_after_what_runs() {
    let (limiter, mut driver) = limiter(1);
    let (mut promised, mut handle) = mock_limit(&limiter);
    let mut other = promised.clone();
    assert_ready_ok!(promised.poll_ready());
    driver.look(Timestamp::default());
    assert_ready_ok!(other.poll_ready());
    let mut running = task::spawn(other.call("running"));
    assert_pending!(running.poll());
    let mut waiting = task::spawn(promised.call("promised"));
    assert_pending!(waiting.poll());
    let mut drain = task::spawn(limiter.drain());
    assert_pending!(drain.poll());

    assert_request_eq!(handle, "running").send_response("1");
    assert_ready_ok!(running.poll());
    assert!(waiting.is_woken());
    assert!(!drain.is_woken(), "a promised call is still to come");
    assert_pending!(waiting.poll());
    assert_request_eq!(handle, "promised").send_response("2");
    assert_eq!(assert_ready_ok!(waiting.poll()), "2");
    assert!(drain.is_woken());
    assert_ready!(drain.poll());
    assert_idle(&limiter);
}

#[test]
fn drop_of_everything_ends_the_drain() {
    let (limiter, _driver) = limiter(2);
    let (mut ready, _handle) = mock_limit(&limiter);
    let (mut caller, mut waiter) = (ready.clone(), ready.clone());
    assert_ready_ok!(caller.poll_ready());
    let unpolled = caller.call("unpolled");
    assert_ready_ok!(ready.poll_ready());
    let mut drain = task::spawn(limiter.drain());
    assert_pending!(drain.poll());
    assert_pending!(waiter.poll_ready());
    drop((ready, waiter));
    assert!(!drain.is_woken());
    drop(unpolled);
    assert!(drain.is_woken());
    assert_ready!(drain.poll());
    assert_idle(&limiter);
}

#[test]
fn all_layers_hear_of_it() {
    use crate::support::Strict;
    use tidegate_tower::{LimitLayer, QueueLayer, ShedLayer};
    use tokio_test::assert_ready_err;
    use tower::Layer;
    use tower_test::mock::Spawn;

    let (limiter, _driver) = limiter(1);
    let mut limit = Spawn::new(LimitLayer::new(limiter.clone()).layer(Strict::default()));
    let mut queue = Spawn::new(QueueLayer::new(limiter.clone()).layer(Strict::default()));
    let mut shed = Spawn::new(ShedLayer::new(limiter.clone()).layer(Strict::default()));
    limiter.close();
    assert_pending!(limit.poll_ready::<u32>());
    assert_ready_ok!(queue.poll_ready::<u32>());
    assert_ready_ok!(shed.poll_ready::<u32>());
    assert_ready_err!(task::spawn(queue.call(1)).poll());
    assert_ready_err!(task::spawn(shed.call(1)).poll());
}

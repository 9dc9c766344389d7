//! A service that is ready and idle does not keep the limit from those who have work.

use std::time::Duration;

use tidegate_limiter::Limiter;
use tidegate_tower::{Limit, LimitLayer};
use tokio::time::timeout;
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt};
use tower_test::assert_request_eq;
use tower_test::mock::Spawn;

use crate::support::{Strict, assert_idle, limiter, mock_limit};

const LONG: Duration = Duration::from_secs(60);

/// What a job worker does: gets ready, and only then looks for a job.
async fn work_off(mut service: Limit<Strict>, jobs: u32) {
    for job in 0..jobs {
        service.ready().await.unwrap().call(job).await.unwrap();
    }
}

/// Measured with tower's shared `ConcurrencyLimit`: two idle workers held both permits for ever, and a third with ten
/// jobs did none of them.
#[tokio::test(start_paused = true)]
async fn idle_workers_do_not_stop_a_busy_one() {
    let limiter = Limiter::builder().fixed(2).build().unwrap();
    let service = LimitLayer::new(limiter.clone()).layer(Strict::default());
    let (mut idle_one, mut idle_two) = (service.clone(), service.clone());
    idle_one.ready().await.unwrap();
    idle_two.ready().await.unwrap();
    timeout(LONG, work_off(service, 10)).await.unwrap();
    drop((idle_one, idle_two));
    assert_idle(&limiter);
}

/// The harder order: the idle workers stood in line before the busy ones, so both permits were handed to them.
#[tokio::test(start_paused = true)]
async fn idle_workers_that_were_first_in_line_do_not_stop_busy_ones() {
    let limiter = Limiter::builder().fixed(2).build().unwrap();
    let service = LimitLayer::new(limiter.clone()).layer(Strict::default());
    let running = [tokio::spawn(work_off(service.clone(), 1)), tokio::spawn(work_off(service.clone(), 1))];
    tokio::task::yield_now().await;
    assert_eq!(limiter.snapshot().in_flight, 2);

    let (mut idle_one, mut idle_two) = (Spawn::new(service.clone()), Spawn::new(service.clone()));
    assert_pending!(idle_one.poll_ready::<u32>());
    assert_pending!(idle_two.poll_ready::<u32>());
    let busy: Vec<_> = (0..3).map(|_| tokio::spawn(work_off(service.clone(), 10))).collect();
    for running in running {
        running.await.unwrap();
    }
    assert_ready_ok!(idle_one.poll_ready::<u32>());
    assert_ready_ok!(idle_two.poll_ready::<u32>());
    assert_eq!(limiter.snapshot().in_flight, 0, "the idle workers have both permits");

    for busy in busy {
        timeout(LONG, busy).await.unwrap().unwrap();
    }
    assert!(service.get_ref().inside.peak() <= 2);

    // A job that comes to an idle worker later is done as any other.
    let late = idle_one.call(7);
    assert_eq!(timeout(LONG, late).await.unwrap(), Ok(7));
    drop((idle_one, idle_two));
    assert_idle(&limiter);
}

#[tokio::test]
async fn revoked_caller_waits_first_in_line() {
    let (limiter, mut driver) = limiter(1);
    let (mut first, mut handle) = mock_limit(&limiter);
    let (mut idle, mut busy, mut last) = (first.clone(), first.clone(), first.clone());
    assert_ready_ok!(first.poll_ready());
    let mut running = task::spawn(first.call("running"));
    assert_pending!(idle.poll_ready());
    assert_pending!(busy.poll_ready());
    assert_pending!(last.poll_ready());
    assert_request_eq!(handle, "running").send_response("done");
    assert_ready_ok!(running.poll());
    assert_ready_ok!(idle.poll_ready());

    // It stands uncalled for two looks of the driver while others wait: the next one in line gets its permit.
    driver.look(tidegate_core::Timestamp::default());
    assert!(!busy.is_woken());
    driver.look(tidegate_core::Timestamp::default());
    assert!(busy.is_woken());
    assert_ready_ok!(busy.poll_ready());
    let mut running = task::spawn(busy.call("busy"));
    assert_pending!(running.poll());

    // The job comes at last. Its call is accepted, and served before everybody who was not ready before.
    let mut late = task::spawn(idle.call("late"));
    assert_pending!(late.poll());
    assert_request_eq!(handle, "busy").send_response("done");
    assert_ready_ok!(running.poll());
    assert!(late.is_woken());
    assert!(!last.is_woken());
    assert_pending!(late.poll());
    assert_request_eq!(handle, "late").send_response("done");
    assert_ready_ok!(late.poll());
    assert!(last.is_woken());
    assert_ready_ok!(last.poll_ready());
}

/// A call that waits inside its future does not run its inner future meanwhile.
#[tokio::test(start_paused = true)]
async fn revoked_call_runs_only_with_its_permit() {
    let (limiter, mut driver) = limiter(1);
    let service = LimitLayer::new(limiter.clone()).layer(Strict::default());
    let inside = service.get_ref().inside.clone();
    let (mut idle, mut busy) = (service.clone(), service);
    idle.ready().await.unwrap();
    driver.look(tidegate_core::Timestamp::default());
    let mut running = task::spawn(busy.ready().await.unwrap().call(1));
    assert_pending!(running.poll());
    let mut late = task::spawn(idle.call(2));
    assert_pending!(late.poll());
    assert_eq!(inside.now(), 1);
    running.await.unwrap();
    assert!(late.is_woken());
    late.await.unwrap();
    assert_eq!(inside.peak(), 1);
    drop((idle, busy));
    assert_idle(&limiter);
}

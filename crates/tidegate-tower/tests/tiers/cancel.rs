//! A fan-out that is dropped, at any point.

use std::time::Duration;

use futures_util::FutureExt;
use tidegate_limiter::Limiter;
use tidegate_tower::{Job, LimitLayer};
use tokio::time::{sleep, timeout};
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};

use crate::support::{Expert, Jobs, SERVICE, assert_idle, experts};

/// Eleven experts at a limit of three take four service times. The driver runs, so idle reservations are looked after too.
async fn drop_at(limiter: &Limiter, expert: Expert, after: Duration) {
    let scan = Job::new(17).fan_out(expert, 20..31);
    let is_over = timeout(after, scan.all()).await.is_ok();
    assert_eq!(is_over, after >= 4 * SERVICE, "after {after:?}");
    assert_idle(limiter);
}

#[tokio::test(start_paused = true)]
async fn a_fan_out_through_a_queue_that_is_dropped_loses_no_permit() {
    for ms in 0..50 {
        let limiter = Limiter::builder().fixed(3).queue_limit(4).build().unwrap();
        let jobs = Jobs::default();
        jobs.admit(Job::new(17));
        drop_at(&limiter, experts(&limiter, &jobs), Duration::from_millis(ms)).await;
        let begun = jobs.of(Job::new(17)).begun;
        sleep(10 * SERVICE).await;
        assert_eq!((jobs.of(Job::new(17)).begun, jobs.of(Job::new(17)).inside), (begun, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_fan_out_through_a_limit_that_is_dropped_loses_no_permit() {
    for ms in 0..50 {
        let limiter = Limiter::builder().fixed(3).build().unwrap();
        let expert = ServiceBuilder::new()
            .map_err(BoxError::from)
            .layer(LimitLayer::new(limiter.clone()))
            .service(service_fn(|question: u32| async move {
                sleep(SERVICE).await;
                Ok::<_, std::io::Error>(question)
            }))
            .boxed_clone();
        drop_at(&limiter, expert, Duration::from_millis(ms)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_fan_out_that_was_never_polled_or_whose_permits_nobody_saw_loses_none() {
    let limiter = Limiter::builder().fixed(3).build().unwrap();
    let (jobs, job) = (Jobs::default(), Job::new(17));
    jobs.admit(job);
    drop(job.fan_out(experts(&limiter, &jobs), 20..31));
    assert_idle(&limiter);
    let held: Vec<_> = (0..3).map(|_| limiter.try_acquire().unwrap()).collect();
    let mut scan = job.fan_out(experts(&limiter, &jobs), 20..31);
    assert!(scan.next().now_or_never().is_none());
    assert_eq!(limiter.snapshot().queued, 11);
    // Handed over to three of its experts, which do not hear of it any more.
    drop(held);
    assert_eq!((limiter.snapshot().in_flight, jobs.of(job).begun), (3, 0));
    drop(scan);
    assert_idle(&limiter);
    assert_eq!(jobs.of(job).begun, 0, "what had not begun never began");
}

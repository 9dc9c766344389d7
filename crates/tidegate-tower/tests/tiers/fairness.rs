//! A job of a thousand experts beside jobs of eleven.

use std::time::Duration;

use tidegate_limiter::Limiter;
use tidegate_tower::Job;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::support::{Jobs, SERVICE, assert_idle, experts};

const BIG: &str = "big";

/// How long jobs of eleven experts take that come while a job of a thousand has the whole limit.
async fn small_beside_big(limit: u32, small: u32) -> Vec<Duration> {
    let builder = Limiter::builder().name("experts").fixed(limit).queue_limit(2_000);
    let limiter = builder.build().unwrap();
    let jobs = Jobs::default();
    let expert = experts(&limiter, &jobs);
    let run = |job: Job, count: u32| {
        jobs.admit(job);
        let scan = job.fan_out(expert.clone(), (0..count).map(|_| 0));
        async move {
            let start = Instant::now();
            scan.all().await.unwrap();
            start.elapsed()
        }
    };
    let big = tokio::spawn(run(Job::new(BIG), 1_000));
    sleep(SERVICE * 7 / 2).await;
    let lent = jobs.of(Job::new(BIG)).inside;
    assert_eq!(lent, limit, "idle shares are lent");
    let small: JoinSet<_> = (0..small).map(|id| run(Job::new(id), 11)).collect();
    let count = u32::try_from(small.len()).unwrap();
    sleep(SERVICE).await;
    let back: u32 = (0..count).map(|id| jobs.of(Job::new(id)).inside).sum();
    assert!(back >= limit * count / (count + 1), "{back} of {limit} are back within one service time");
    let times = small.join_all().await;
    sleep(SERVICE).await;
    assert_eq!(jobs.of(Job::new(BIG)).inside, limit, "and lent again");
    let whole = big.await.unwrap();
    assert!(
        whole <= SERVICE * (1_000_u32 + 11 * count).div_ceil(limit) + SERVICE,
        "{whole:?}: nothing stood idle"
    );
    assert_idle(&limiter);
    times
}

#[tokio::test(start_paused = true)]
async fn small_jobs_take_what_their_fair_share_gives_and_at_most_one_service_time_more() {
    for small in [1_u32, 3] {
        for limit in 1..=20 {
            // Max-min fair: each of the jobs that are there has the same part of the limit.
            let fair = SERVICE * (11 * (small + 1)).div_ceil(limit);
            for time in small_beside_big(limit, small).await {
                assert!(time <= fair + SERVICE, "{time:?} of {fair:?} at {limit} beside {small}");
            }
        }
    }
}

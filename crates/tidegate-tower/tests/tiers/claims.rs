//! Every admitted job has an expert's claim: the job limit follows the experts' limit, and experts are keyed by their job.

use std::time::Duration;

use tidegate_core::FollowConfig;
use tidegate_limiter::{LawSettings, Limiter};
use tidegate_tower::Job;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::{Expert, Jobs, SERVICE, assert_idle, experts};

/// Admits the job, runs its experts, and says how long it ever was without one at work though it had some that waited.
async fn run(jobs: Limiter, expert: Expert, seen: Jobs, id: u32, count: u32) -> Duration {
    let permit = jobs.acquire().await.unwrap();
    let job = Job::new(id);
    seen.admit(job);
    job.fan_out(expert, (0..count).map(|_| 0)).all().await.unwrap();
    drop(permit);
    seen.of(job).longest_without
}

struct Tiers {
    experts: Limiter,
    jobs: Limiter,
    running: JoinSet<Duration>,
}

impl Tiers {
    /// So many jobs at once, of which as many are admitted as the experts' limit has permits.
    fn new(limit: u32, jobs: u32, experts_each: u32) -> Self {
        let limiter = Limiter::builder().name("experts").fixed(limit).build().unwrap();
        let config = FollowConfig::default().experts_per_job(1);
        let admission = Limiter::builder().name("jobs").follow(&limiter, config).build().unwrap();
        let seen = Jobs::default();
        let expert = experts(&limiter, &seen);
        let run = |id| run(admission.clone(), expert.clone(), seen.clone(), id, experts_each);
        let running = (0..jobs).map(run).collect();
        Self { experts: limiter, jobs: admission, running }
    }

    /// The longest that any job was without an expert at work.
    async fn longest_without(self) -> Duration {
        let each = self.running.join_all().await;
        assert_idle(&self.experts);
        assert_idle(&self.jobs);
        each.into_iter().max().unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn no_admitted_job_is_without_an_expert_for_longer_than_one_service_time_at_any_limit() {
    for limit in 1..=20 {
        let tiers = Tiers::new(limit, 3 * limit, 11);
        sleep(SERVICE / 2).await;
        assert_eq!(tiers.jobs.snapshot().in_flight, limit, "as many jobs as there are experts' permits");
        let without = tiers.longest_without().await;
        assert!(without <= SERVICE, "{without:?} at {limit}");
    }
}

/// Six jobs were admitted when the experts' limit shrinks to two: no new job is, and those six have their turns.
#[tokio::test(start_paused = true)]
async fn after_a_shrink_below_the_number_of_admitted_jobs_turns_go_round() {
    let tiers = Tiers::new(6, 12, 40);
    sleep(SERVICE * 3 / 2).await;
    let mut settings = tiers.experts.settings();
    settings.law = LawSettings::Fixed { limit: 2 };
    tiers.experts.reconfigure(settings).unwrap();
    sleep(10 * SERVICE).await;
    let seen = tiers.jobs.snapshot();
    assert_eq!((seen.limit, seen.in_flight, seen.overhang), (2, 6, 4));
    // Two at a time, six have their turn in three service times; a wait may begin in the midst of one.
    let without = tiers.longest_without().await;
    assert!(without <= 4 * SERVICE, "{without:?}");
}

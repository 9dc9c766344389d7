//! The ticket's own recipe for jobs: two at once, and two starts a second.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::jobs::{JobService, NewJob};

/// Experts of each job at once.
pub(super) const EXPERTS_PER_JOB: u32 = 5;

/// Jobs at once.
pub(super) const JOBS: u32 = 2;

const STARTS: usize = 2;
const PERIOD: Duration = Duration::from_secs(1);

/// Holds the jobs back.
pub(super) fn in_front_of_jobs(runner: JobService) -> JobService {
    let starts = Arc::new(Starts::default());
    let at_a_rate = service_fn(move |job: NewJob| {
        let (starts, runner) = (Arc::clone(&starts), runner.clone());
        async move {
            starts.next().await;
            runner.oneshot(job).await
        }
    });
    let layer = GlobalConcurrencyLimitLayer::new(JOBS as usize);
    JobService::new(ServiceBuilder::new().layer(layer).service(at_a_rate))
}

/// The last starts: no period has more than its number of them.
#[derive(Debug, Default)]
struct Starts(Mutex<VecDeque<Instant>>);

impl Starts {
    /// Waits for a start. Dropped before it comes, it takes none.
    async fn next(&self) {
        let mut last = self.0.lock().await;
        if last.len() >= STARTS
            && let Some(first) = last.front()
        {
            sleep_until(*first + PERIOD).await;
            last.pop_front();
        }
        last.push_back(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_second_has_more_than_two_starts() {
        let (starts, begun) = (Starts::default(), Instant::now());
        let mut at = Vec::new();
        for n in 0..5 {
            if n == 4 {
                let dropped = timeout(Duration::from_millis(1), starts.next()).await;
                assert!(dropped.is_err(), "it did not wait");
            }
            starts.next().await;
            at.push(begun.elapsed().as_millis());
        }
        assert_eq!(at, [0, 0, 1000, 1000, 2000]);
    }
}

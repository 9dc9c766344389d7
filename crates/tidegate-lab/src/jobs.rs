//! Jobs: each fans out to its experts, and a new one starts when one ends, for the whole run.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tower::ServiceExt;

use crate::expert::Bench;
use crate::gate::ExpertService;
use crate::recorder::{JobEnd, Recorder};

/// How one expert of a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ExpertEnd {
    Done {
        counted: bool,
    },
    Failed,
    /// It never began, because its job had failed or the run was over.
    Skipped,
}

/// Runs one job after another until the run is over.
pub(crate) async fn job_after_job(bench: Arc<Bench>, service: ExpertService) {
    let recorder = &bench.recorder;
    while !recorder.is_over() {
        let idle = bench.workload.idle_at(recorder.elapsed());
        if idle.is_zero() {
            job(recorder, bench.workload.experts, service.clone()).await;
        } else {
            sleep_until((Instant::now() + idle).min(recorder.deadline())).await;
        }
    }
}

/// Runs one job: all its experts at once, through the service.
///
/// The first expert that fails fails the job. Experts that have not begun are then given up; those that run are left to
/// end, as a caller of remote work cannot take it back. It is the same when the run is over.
async fn job(recorder: &Recorder, experts: u32, service: ExpertService) {
    let begun = Instant::now();
    let (give_up, given_up) = watch::channel(false);
    let mut running: FuturesUnordered<_> =
        (0..experts).map(|_| expert(recorder, service.clone(), given_up.clone())).collect();
    let mut end = JobEnd::Ok;
    let mut counted = 0;
    let mut over = std::pin::pin!(sleep_until(recorder.deadline()));
    loop {
        tokio::select! {
            expert = running.next() => match expert {
                Some(ExpertEnd::Done { counted: was_counted }) => counted += u64::from(was_counted),
                Some(ExpertEnd::Failed) => {
                    end = JobEnd::Failed;
                    give_up.send_replace(true);
                }
                Some(ExpertEnd::Skipped) if end == JobEnd::Ok => end = JobEnd::Unfinished,
                Some(ExpertEnd::Skipped) => {}
                None => break,
            },
            () = &mut over, if !*give_up.borrow() => {
                give_up.send_replace(true);
            }
        }
    }
    recorder.job_ended(end, begun, counted);
}

async fn expert(
    recorder: &Recorder,
    mut service: ExpertService,
    mut given_up: watch::Receiver<bool>,
) -> ExpertEnd {
    let asked = Instant::now();
    let ready = {
        let _queued = recorder.count_queued();
        tokio::select! {
            // A permit that comes back because an expert failed wakes the next one; it must see the failure first.
            biased;
            _ = given_up.wait_for(|given_up| *given_up) => None,
            ready = service.ready() => Some(ready.map(drop)),
        }
    };
    match ready {
        None => return ExpertEnd::Skipped,
        Some(Err(_)) => return ExpertEnd::Failed,
        Some(Ok(())) => recorder.queue_waited(asked.elapsed()),
    }
    match tower::Service::call(&mut service, asked).await {
        Ok(()) => ExpertEnd::Done { counted: recorder.expert_done(asked) },
        Err(_) => ExpertEnd::Failed,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use tidegate::Outcome;
    use tower::{ServiceBuilder, service_fn};

    use super::*;
    use crate::expert::ExpertError;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// Experts of 100 ms; the one with that number fails at once. Counts those that began.
    fn service(limit: usize, fails: u32) -> (ExpertService, Arc<AtomicU32>) {
        let begun = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&begun);
        let service = service_fn(move |_asked| {
            let number = count.fetch_add(1, Ordering::Relaxed);
            async move {
                if number == fails {
                    return Err(ExpertError { outcome: Outcome::Overload });
                }
                tokio::time::sleep(MS(100)).await;
                Ok(())
            }
        });
        (ServiceBuilder::new().concurrency_limit(limit).service(service).boxed_clone(), begun)
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_is_done_when_all_its_experts_are() {
        let recorder = Recorder::new(Instant::now(), MS(10_000));
        let (service, begun) = service(2, u32::MAX);
        job(&recorder, 5, service).await;
        assert_eq!(recorder.elapsed(), MS(300));
        assert_eq!(begun.load(Ordering::Relaxed), 5);
        let t = recorder.totals();
        assert_eq!((t.jobs_ok, t.experts_ok, t.experts_wasted), (1, 5, 0));
        assert!(t.queue_wait.max().unwrap() >= MS(200) && t.expert_time.max().unwrap() >= MS(300));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_expert_fails_its_job_and_spares_those_that_have_not_begun() {
        let recorder = Recorder::new(Instant::now(), MS(10_000));
        let (service, begun) = service(2, 1);
        job(&recorder, 11, service).await;
        assert_eq!(begun.load(Ordering::Relaxed), 2);
        let t = recorder.totals();
        assert_eq!((t.jobs_ok, t.jobs_failed, t.experts_ok, t.experts_wasted), (0, 1, 1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_end_of_the_run_what_runs_ends_and_what_waits_does_not_begin() {
        let recorder = Recorder::new(Instant::now(), MS(150));
        let (service, begun) = service(2, u32::MAX);
        job(&recorder, 11, service).await;
        assert_eq!((recorder.elapsed(), begun.load(Ordering::Relaxed)), (MS(200), 4));
        let t = recorder.totals();
        assert_eq!((t.jobs_ok, t.jobs_failed, t.jobs_unfinished, t.experts_ok), (0, 0, 1, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn an_expert_that_fails_after_the_end_still_fails_its_job() {
        let recorder = Recorder::new(Instant::now(), MS(50));
        let slow_failure = service_fn(|_asked| async {
            tokio::time::sleep(MS(100)).await;
            Err(ExpertError { outcome: Outcome::Overload })
        });
        job(&recorder, 1, slow_failure.boxed_clone()).await;
        assert_eq!(recorder.totals().jobs_failed, 1);
    }
}

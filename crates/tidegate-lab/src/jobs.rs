//! Jobs: each fans out to its experts, and a new one starts when one ends, for the whole run.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceExt, service_fn};

use crate::ask::{Ask, JobTag};
use crate::expert::Bench;
use crate::gate::{ExpertService, Gate};
use crate::recorder::{JobEnd, Recorder};

/// A job that is to be run; as a row of a queue, only its number and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NewJob {
    pub(crate) number: u64,
    pub(crate) is_big: bool,
    /// When it was asked for, if somebody waits for it; else it begins when a worker takes it.
    #[serde(skip)]
    pub(crate) asked: Option<Instant>,
}

/// Runs jobs, behind what holds them back. Clones share that.
pub(crate) type JobService = BoxCloneSyncService<NewJob, JobEnd, BoxError>;

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

/// Runs jobs, with nothing that holds them back.
pub(crate) fn runner(bench: &Arc<Bench>, gate: &Arc<Gate>) -> JobService {
    let (bench, gate) = (Arc::clone(bench), Arc::clone(gate));
    JobService::new(service_fn(move |new: NewJob| {
        let (bench, gate) = (Arc::clone(&bench), Arc::clone(&gate));
        async move { Ok(run_job(&bench, &gate, new).await) }
    }))
}

async fn run_job(bench: &Bench, gate: &Gate, new: NewJob) -> JobEnd {
    let (recorder, workload) = (&bench.recorder, &bench.workload);
    if new.asked.is_none() {
        bench.idle().await;
    }
    let begun = new.asked.unwrap_or_else(Instant::now);
    let experts = if new.is_big { workload.big_job_experts } else { workload.experts };
    let tag = JobTag::new(new.number, experts, new.is_big);
    job(recorder, &tag, begun, gate.experts_of_a_job()).await
}

/// Runs one job after another until the run is over.
pub(crate) async fn job_after_job(bench: Arc<Bench>, mut service: JobService, is_big: bool) {
    let recorder = &bench.recorder;
    while !recorder.is_over() {
        bench.idle().await;
        let asked = Some(Instant::now());
        // What is not ready when the run ends has no part in it.
        let Ok(Ok(ready)) = timeout_at(recorder.deadline(), service.ready()).await else { return };
        let _ = ready.call(NewJob { number: recorder.next_job(), is_big, asked }).await;
    }
}

/// Runs one job: all its experts at once, through the service.
///
/// The first expert that fails fails the job. Experts that have not begun are then given up; those that run are left to
/// end, as a caller of remote work cannot take it back. It is the same when the run is over.
async fn job(recorder: &Arc<Recorder>, tag: &Arc<JobTag>, begun: Instant, service: ExpertService) -> JobEnd {
    let (give_up, given_up) = watch::channel(false);
    let mut running: FuturesUnordered<_> =
        (0..tag.experts).map(|_| expert(recorder, tag, service.clone(), given_up.clone())).collect();
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
    recorder.job_ended(tag, end, begun, counted);
    end
}

async fn expert(
    recorder: &Arc<Recorder>,
    tag: &Arc<JobTag>,
    service: ExpertService,
    mut given_up: watch::Receiver<bool>,
) -> ExpertEnd {
    let ask = Ask::now(recorder, tag);
    let mut call = std::pin::pin!(service.oneshot(ask.clone()));
    let ended = tokio::select! {
        // A permit that comes back because an expert failed wakes the next one; it must see the failure first.
        biased;
        _ = given_up.wait_for(|given_up| *given_up) => None,
        ended = &mut call => Some(ended),
    };
    let ended = match ended {
        Some(ended) => ended,
        None if ask.is_waiting() => return ExpertEnd::Skipped,
        None => call.await,
    };
    match ended {
        Ok(()) => ExpertEnd::Done { counted: recorder.expert_done(ask.asked()) },
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

    fn recorder(duration: Duration) -> Arc<Recorder> {
        Arc::new(Recorder::new(Instant::now(), duration))
    }

    async fn job_of(recorder: &Arc<Recorder>, experts: u32, service: ExpertService) -> JobEnd {
        job(recorder, &JobTag::new(0, experts, false), Instant::now(), service).await
    }

    /// Experts of 100 ms; the one with that number fails at once. Counts those that began.
    fn service(limit: usize, fails: u32) -> (ExpertService, Arc<AtomicU32>) {
        let begun = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&begun);
        let service = service_fn(move |ask: Ask| {
            let number = count.fetch_add(1, Ordering::Relaxed);
            async move {
                ask.begin();
                if number == fails {
                    return Err(ExpertError { outcome: Outcome::Overload });
                }
                tokio::time::sleep(MS(100)).await;
                Ok(())
            }
        });
        let service = ServiceBuilder::new().concurrency_limit(limit).service(service);
        (ExpertService::new(service), begun)
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_is_done_when_all_its_experts_are() {
        let recorder = recorder(MS(10_000));
        let (service, begun) = service(2, u32::MAX);
        assert_eq!(job_of(&recorder, 5, service).await, JobEnd::Ok);
        assert_eq!(recorder.elapsed(), MS(300));
        assert_eq!(begun.load(Ordering::Relaxed), 5);
        let t = recorder.totals();
        assert_eq!((t.jobs_ok, t.experts_ok, t.experts_wasted, t.experts_of_done), (1, 5, 0, 5));
        assert!(t.queue_wait.max().unwrap() >= MS(200) && t.expert_time.max().unwrap() >= MS(300));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_expert_fails_its_job_and_spares_those_that_have_not_begun() {
        let recorder = recorder(MS(10_000));
        let (service, begun) = service(2, 1);
        assert_eq!(job_of(&recorder, 11, service).await, JobEnd::Failed);
        assert_eq!(begun.load(Ordering::Relaxed), 2);
        let t = recorder.totals();
        assert_eq!((t.jobs_ok, t.jobs_failed, t.experts_ok, t.experts_wasted), (0, 1, 1, 1));
        assert_eq!(recorder.queued(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_end_of_the_run_what_runs_ends_and_what_waits_does_not_begin() {
        let recorder = recorder(MS(150));
        let (service, begun) = service(2, u32::MAX);
        assert_eq!(job_of(&recorder, 11, service).await, JobEnd::Unfinished);
        assert_eq!((recorder.elapsed(), begun.load(Ordering::Relaxed)), (MS(200), 4));
        let t = recorder.totals();
        assert_eq!((t.jobs_ok, t.jobs_failed, t.jobs_unfinished, t.experts_ok), (0, 0, 1, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn an_expert_that_fails_after_the_end_still_fails_its_job() {
        let recorder = recorder(MS(50));
        let slow_failure = service_fn(|ask: Ask| async move {
            ask.begin();
            tokio::time::sleep(MS(100)).await;
            Err(ExpertError { outcome: Outcome::Overload })
        });
        job_of(&recorder, 1, ExpertService::new(slow_failure)).await;
        assert_eq!(recorder.totals().jobs_failed, 1);
    }
}

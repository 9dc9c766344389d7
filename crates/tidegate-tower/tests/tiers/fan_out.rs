//! What a fan-out yields, and what it asks of the service.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, Stream, StreamExt};
use tidegate_limiter::Limiter;
use tidegate_tower::{FanOut, Job, Progress};
use tokio::time::{Instant, sleep};
use tower::Service;

use crate::support::{Jobs, SERVICE, assert_idle, experts};

/// Takes as many milliseconds as it is asked; fails if that is odd and panics at 1,000. It insists on tower's contract: a call
/// needs a `poll_ready` of the same value, and a clone begins unready.
#[derive(Default)]
struct Sleeper {
    is_ready: bool,
    polls: Arc<AtomicUsize>,
    called: Arc<AtomicUsize>,
}

impl Clone for Sleeper {
    fn clone(&self) -> Self {
        Self { is_ready: false, polls: Arc::clone(&self.polls), called: Arc::clone(&self.called) }
    }
}

impl Service<u64> for Sleeper {
    type Response = u64;
    type Error = u64;
    type Future = BoxFuture<'static, Result<u64, u64>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), u64>> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, ms: u64) -> Self::Future {
        assert!(self.is_ready, "called without being ready");
        self.is_ready = false;
        self.called.fetch_add(1, Ordering::Relaxed);
        let polls = Arc::clone(&self.polls);
        let mut work = async move {
            sleep(Duration::from_millis(ms)).await;
            assert!(ms != 1_000, "a thousand is too much");
            if ms.is_multiple_of(2) { Ok(ms) } else { Err(ms) }
        }
        .boxed();
        std::future::poll_fn(move |cx| {
            polls.fetch_add(1, Ordering::Relaxed);
            work.poll_unpin(cx)
        })
        .boxed()
    }
}

fn fan_out(sleeps: impl IntoIterator<Item = u64>) -> FanOut<Sleeper, u64> {
    Job::new(17).fan_out(Sleeper::default(), sleeps)
}

fn counts(done: usize, failed: usize, total: usize) -> Progress {
    let mut progress = Progress::default();
    (progress.done, progress.failed, progress.total) = (done, failed, total);
    progress
}

#[tokio::test(start_paused = true)]
async fn results_come_as_experts_end_or_in_the_order_of_their_requests() {
    let sleeps = [40, 7, 20, 10];
    let results: Vec<_> = fan_out(sleeps).collect().await;
    assert_eq!(results, [(1, Err(7)), (3, Ok(10)), (2, Ok(20)), (0, Ok(40))]);
    let start = Instant::now();
    let results: Vec<_> = fan_out(sleeps).ordered().collect().await;
    assert_eq!(results, [(0, Ok(40)), (1, Err(7)), (2, Ok(20)), (3, Ok(10))]);
    assert_eq!(start.elapsed(), Duration::from_millis(40), "all at the same time");
}

#[tokio::test(start_paused = true)]
async fn a_fan_out_of_nobody_is_over() {
    let mut nobody = fan_out([]);
    let mut progress = nobody.progress();
    assert_eq!((nobody.next().await, nobody.next().await), (None, None));
    assert_eq!(fan_out([]).ordered().all().await, Ok(Vec::new()));
    drop(nobody);
    assert_eq!((progress.now(), progress.next().await), (counts(0, 0, 0), None));
}

#[tokio::test(start_paused = true)]
async fn progress_is_over_when_the_last_result_has_been_told() {
    let mut scan = fan_out([2]);
    let mut progress = scan.progress();
    assert_eq!(scan.next().await, Some((0, Ok(2))));
    assert_eq!(scan.next().await, None);
    assert_eq!((progress.next().await, progress.next().await), (Some(counts(1, 0, 1)), None));
    drop(scan);
}

#[tokio::test(start_paused = true)]
async fn what_is_left_after_some_were_told_comes_in_order() {
    let mut scan = fan_out([40, 10, 20, 30]);
    assert_eq!(scan.next().await, Some((1, Ok(10))));
    assert_eq!(scan.all().await, Ok(vec![40, 20, 30]));
}

#[tokio::test(start_paused = true)]
async fn all_answers_come_in_order_or_the_first_error_at_once() {
    assert_eq!(fan_out([40, 20, 30]).all().await, Ok(vec![40, 20, 30]));
    let start = Instant::now();
    assert_eq!(fan_out([40, 9, 20, 7, 2]).all().await, Err(7));
    assert_eq!(start.elapsed(), Duration::from_millis(7));
}

#[tokio::test(start_paused = true)]
async fn it_stops_at_the_first_error_if_asked_and_what_had_ended_is_kept() {
    let results: Vec<_> = fan_out([40, 4, 7, 2, 9]).stop_on_error().collect().await;
    assert_eq!(results, [(3, Ok(2)), (1, Ok(4)), (2, Err(7))]);
    let mut ordered = fan_out([40, 4, 7, 2, 9]).ordered().stop_on_error();
    let progress = ordered.progress();
    assert_eq!(ordered.size_hint(), (0, Some(5)));
    assert_eq!(ordered.next().await, Some((1, Ok(4))));
    assert_eq!(ordered.size_hint(), (2, Some(2)));
    assert_eq!(ordered.collect::<Vec<_>>().await, [(2, Err(7)), (3, Ok(2))]);
    assert_eq!((progress.now(), progress.now().left()), (counts(2, 1, 5), 2));
}

/// A limit of two: when the second expert fails, eight have not begun.
#[tokio::test(start_paused = true)]
async fn what_has_not_begun_when_one_fails_never_begins_and_all_permits_come_back() {
    let limiter = Limiter::builder().fixed(2).build().unwrap();
    let (jobs, job) = (Jobs::default(), Job::new(17));
    jobs.admit(job);
    let mut scan = job.fan_out(experts(&limiter, &jobs), [0, 13, 2, 3, 4, 5, 6, 7, 8, 9]).stop_on_error();
    let mut errors = 0;
    while let Some((_, result)) = scan.next().await {
        errors += usize::from(result.is_err());
        if errors > 0 {
            assert_idle(&limiter);
        }
    }
    sleep(10 * SERVICE).await;
    assert_eq!(errors, 1);
    assert!(jobs.of(job).begun <= 3, "{:?}", jobs.of(job));
    assert_eq!(jobs.of(job).inside, 0);
}

#[tokio::test(start_paused = true)]
async fn progress_is_told_to_other_tasks_and_after_the_end() {
    let scan = fan_out([10, 21, 30]);
    let mut progress = scan.progress();
    let told = tokio::spawn(async move {
        let mut told = vec![progress.now()];
        while let Some(now) = progress.next().await {
            told.push(now);
        }
        (told, progress.now())
    });
    assert_eq!(scan.count().await, 3);
    let (told, last) = told.await.unwrap();
    assert_eq!(told, [counts(0, 0, 3), counts(1, 0, 3), counts(1, 1, 3), counts(2, 1, 3)]);
    assert_eq!((last, last.left()), (counts(2, 1, 3), 0));
}

/// A wait for progress that is given up loses nothing.
#[tokio::test(start_paused = true)]
async fn a_wait_for_progress_that_is_dropped_tells_it_next_time() {
    let mut scan = fan_out([10]);
    let mut progress = scan.progress();
    assert!(progress.next().now_or_never().is_none());
    assert_eq!(scan.next().await, Some((0, Ok(10))));
    assert_eq!(progress.next().await, Some(counts(1, 0, 1)));
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_result_that_is_dropped_loses_none() {
    let mut scan = fan_out([20, 10, 30]);
    let mut results = Vec::new();
    for _ in 0..100 {
        match tokio::time::timeout(Duration::from_millis(1), scan.next()).await {
            Ok(Some((index, _))) => results.push(index),
            Ok(None) => break,
            Err(_) => {}
        }
    }
    assert_eq!(results, [1, 0, 2]);
}

/// Each is asked once, and polled when it begins and when it ends.
#[tokio::test(start_paused = true)]
async fn a_thousand_experts_are_polled_a_few_times_each() {
    let service = Sleeper::default();
    let polls = Arc::clone(&service.polls);
    let sleeps = (0..1_000).map(|index| 2 * (index * 7919 % 1_009) + 2);
    let answers = Job::new(17).fan_out(service, sleeps.filter(|&ms| ms != 1_000)).all().await.unwrap();
    let polls = polls.load(Ordering::Relaxed);
    assert!(answers.len() >= 999 && polls <= 4 * answers.len(), "{polls} polls");
}

#[tokio::test(start_paused = true)]
async fn a_panic_comes_to_the_caller_and_the_others_go_on() {
    let mut scan = fan_out([10, 1_000, 2_000]).ordered();
    assert_eq!(scan.next().await, Some((0, Ok(10))));
    assert!(AssertUnwindSafe(scan.next()).catch_unwind().await.is_err());
    assert_eq!(Job::current(), None);
    assert_eq!(scan.next().await, Some((2, Ok(2_000))));
    assert_eq!(scan.next().await, None);
}

#[tokio::test]
async fn a_service_that_cannot_be_ready_fails_each_expert_that_asks() {
    let dead = Dead(tower::service_fn(|_: u64| async { Ok::<_, u64>(0) }));
    let results: Vec<_> = Job::new(17).fan_out(dead.clone(), [1, 2]).collect().await;
    assert_eq!(results, [(0, Err(5)), (1, Err(5))]);
    assert_eq!(Job::new(17).fan_out(dead, [1, 2]).all().await, Err(5));
}

#[derive(Clone)]
struct Dead<S>(S);

impl<S: Service<u64, Error = u64>> Service<u64> for Dead<S> {
    type Response = S::Response;
    type Error = u64;
    type Future = S::Future;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), u64>> {
        Poll::Ready(Err(5))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        self.0.call(request)
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_full_queue_has_no_place_for_waits_and_is_not_refused() {
    let limiter = Limiter::builder().fixed(2).queue_limit(3).build().unwrap();
    let seen = Jobs::default();
    let expert = experts(&limiter, &seen);
    let run = |id: u32| {
        seen.admit(Job::new(id));
        tokio::spawn(Job::new(id).fan_out(expert.clone(), [0; 50]).all())
    };
    for job in [run(1), run(2), run(3), run(4)] {
        assert_eq!(job.await.unwrap().unwrap().len(), 50);
    }
    assert_idle(&limiter);
}

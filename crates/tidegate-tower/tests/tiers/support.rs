//! An expert that takes its time, and knows which of its calls are inside.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tidegate_limiter::{Class, Limiter};
use tidegate_tower::{ByJob, Job, QueueLayer};
use tokio::time::{Instant, sleep};
use tower::util::BoxCloneService;
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};

/// How long each expert takes.
pub(crate) const SERVICE: Duration = Duration::from_millis(10);

pub(crate) type Expert = BoxCloneService<u32, u32, BoxError>;

/// What a job has inside, and how long it had nothing there though experts of it waited.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) inside: u32,
    pub(crate) begun: u32,
    pub(crate) without_since: Instant,
    pub(crate) longest_without: Duration,
}

/// The jobs that an expert knows, found by the task that it runs on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Jobs(Arc<Mutex<HashMap<String, Seen>>>);

impl Jobs {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Seen>> {
        self.0.lock().unwrap()
    }

    /// The job was admitted now.
    pub(crate) fn admit(&self, job: Job) {
        let since = Instant::now();
        let seen = Seen { inside: 0, begun: 0, without_since: since, longest_without: Duration::ZERO };
        self.lock().insert(name(job), seen);
    }

    pub(crate) fn of(&self, job: Job) -> Seen {
        self.lock()[&name(job)]
    }

    fn enter(&self) -> Inside {
        let job = Job::current().unwrap();
        let mut jobs = self.lock();
        let seen = jobs.get_mut(&name(job)).unwrap();
        if seen.inside == 0 {
            seen.longest_without = seen.longest_without.max(seen.without_since.elapsed());
        }
        (seen.inside, seen.begun) = (seen.inside + 1, seen.begun + 1);
        Inside { jobs: self.clone(), job }
    }
}

/// A job is a value without a name of its own; what it is printed as tells it from others.
fn name(job: Job) -> String {
    format!("{job:?}")
}

struct Inside {
    jobs: Jobs,
    job: Job,
}

impl Drop for Inside {
    fn drop(&mut self) {
        let mut jobs = self.jobs.lock();
        let seen = jobs.get_mut(&name(self.job)).unwrap();
        seen.inside -= 1;
        seen.without_since = Instant::now();
    }
}

/// Experts behind `limiter`, keyed by the job of the task that calls them. One whose number is 13 in a hundred fails.
pub(crate) fn experts(limiter: &Limiter, jobs: &Jobs) -> Expert {
    let jobs = jobs.clone();
    ServiceBuilder::new()
        .layer(QueueLayer::new(limiter.clone()).class(ByJob))
        .service(service_fn(move |question: u32| {
            let jobs = jobs.clone();
            async move {
                let _inside = jobs.enter();
                sleep(SERVICE).await;
                if question % 100 == 13 { Err(BoxError::from("unlucky")) } else { Ok(question) }
            }
        }))
        .boxed_clone()
}

/// Everything came back, and all of it can be had.
#[track_caller]
pub(crate) fn assert_idle(limiter: &Limiter) {
    let seen = limiter.snapshot();
    assert_eq!((seen.in_flight, seen.reserved, seen.queued), (0, 0, 0), "{seen:?}");
    let all: Vec<_> = (0..seen.limit).map(|_| limiter.try_acquire_with(Class::default()).unwrap()).collect();
    drop(all);
}

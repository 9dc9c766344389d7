use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project::pin_project;
use tokio::task_local;

use super::Job;

task_local! {
    static CURRENT: Job;
}

pub(super) fn current() -> Option<Job> {
    CURRENT.try_get().ok()
}

/// Runs `act` as part of `job`.
pub(crate) fn inside<T>(job: Job, act: impl FnOnce() -> T) -> T {
    CURRENT.sync_scope(job, act)
}

/// A future that runs as part of a job; made by [`Job::scope`].
#[pin_project]
#[derive(Clone)]
#[must_use = "futures do nothing unless polled"]
pub struct JobScope<F> {
    job: Job,
    #[pin]
    future: F,
}

impl<F> JobScope<F> {
    pub(super) const fn new(job: Job, future: F) -> Self {
        Self { job, future }
    }
}

impl<F: Future> Future for JobScope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        inside(*this.job, || this.future.poll(cx))
    }
}

impl<F> fmt::Debug for JobScope<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobScope").field("job", &self.job).finish_non_exhaustive()
    }
}

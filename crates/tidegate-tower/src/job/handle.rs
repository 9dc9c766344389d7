use std::future::Future;
use std::hash::Hash;
use std::time::Duration;

use tidegate_limiter::{Class, Key, Priority};
use tokio::time::Instant;
use tower_service::Service;

use super::scope::{self, JobScope};
use crate::FanOut;

/// A job whose experts share a limit with those of other jobs: its id, and what each of its calls asks of the limiter.
///
/// It is a plain value; a copy is the same job. Two jobs made of equal ids are the same job to a limiter, wherever they were
/// made in this process: each expert waits under the key of its job, and jobs that wait divide the limit by their shares, however
/// many experts each of them has.
///
/// # How the job gets to its experts
///
/// - **By hand**: put the job in the request, and give the layer `|request: &Question| request.job.class()`. It survives
///   whatever happens on the way: a spawned task, a channel, a `Buffer`.
/// - **By the task**: what runs inside [`scope`](Self::scope), or a [`fan_out`](Self::fan_out), finds the job with
///   [`current`](Self::current), as [`ByJob`](crate::ByJob) does. A future that is given to `tokio::spawn` leaves the scope; take
///   the job along: `tokio::spawn(job.scope(future))`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tower::BoxError> {
/// use tidegate_limiter::Limiter;
/// use tidegate_tower::{ByJob, Job, QueueLayer};
/// use tower::{ServiceBuilder, service_fn};
///
/// let limiter = Limiter::builder().name("experts").fixed(5).build()?;
/// let expert = ServiceBuilder::new()
///     .layer(QueueLayer::new(limiter).class(ByJob))
///     .service(service_fn(|question: u32| async move { Ok::<_, std::io::Error>(question * 2) }));
///
/// let answers = Job::new("scan 17").fan_out(expert, 1..=11).all().await?;
/// assert_eq!(answers[..3], [2, 4, 6]);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    class: Class,
}

impl Job {
    /// The job of that id. Anything hashable is an id; see [`Key::new`].
    pub fn new(id: impl Hash) -> Self {
        Self { class: Class::default().key(Key::new(id)) }
    }

    /// How much of the limit the job may have, relative to the other jobs of its priority; see [`Class::share`]. Default 1.
    #[must_use]
    pub const fn share(self, share: u32) -> Self {
        Self { class: self.class.share(share) }
    }

    /// Whose turn it is between jobs of different priority; see [`Class::priority`]. Default [`Priority::Normal`].
    #[must_use]
    pub const fn priority(self, priority: Priority) -> Self {
        Self { class: self.class.priority(priority) }
    }

    /// When the job is no longer of use: an expert that has not begun by then is refused. See [`Class::deadline`]. Default:
    /// never.
    #[must_use]
    pub fn deadline(self, deadline: impl Into<Instant>) -> Self {
        Self { class: self.class.deadline(deadline) }
    }

    /// A deadline so far from now; see [`Class::within`].
    #[must_use]
    pub fn within(self, time: Duration) -> Self {
        Self { class: self.class.within(time) }
    }

    /// The class of each expert of this job; [`Class::weight`] may be added where one uses several connections.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.class
    }

    /// Runs `future` as part of this job: [`current`](Self::current) says so inside of it.
    ///
    /// A scope inside a scope hides it. It ends at a `tokio::spawn`: what is spawned is in no scope, unless it is given one.
    ///
    /// # Cancel safety
    ///
    /// As `future`: dropping the scope drops it.
    pub fn scope<F: Future>(self, future: F) -> JobScope<F> {
        JobScope::new(self, future)
    }

    /// The job that the calling code is part of; `None` outside of every [`scope`](Self::scope) and
    /// [`fan_out`](Self::fan_out).
    #[must_use]
    pub fn current() -> Option<Self> {
        scope::current()
    }

    /// Runs one expert for each request, all at the same time on the calling task, and each on a clone of `service`.
    ///
    /// Nothing happens before the fan-out is polled, and all requests are taken at once. See [`FanOut`].
    pub fn fan_out<S, Request>(
        self,
        service: S,
        requests: impl IntoIterator<Item = Request>,
    ) -> FanOut<S, Request>
    where
        S: Service<Request> + Clone,
    {
        FanOut::new(self, service, requests)
    }
}

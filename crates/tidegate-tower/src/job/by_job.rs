use tidegate_limiter::Class;

use super::Job;
use crate::ClassOf;

/// The class of the job that makes the call, found with [`Job::current`]; a call outside of every job is of
/// [`Class::default`].
///
/// It is asked on the task that calls the service. Where that is another one than the job's (below a `Buffer`, or in a spawned
/// task without a scope of its own), put the job in the request instead.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use tidegate_limiter::Class;
/// use tidegate_tower::{ByJob, ClassOf, Job};
///
/// let job = Job::new(17).share(3);
/// assert_eq!(job.scope(async { ByJob.class_of(&"a question") }).await, job.class());
/// assert_eq!(ByJob.class_of(&"a question"), Class::default());
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "a name of one meaning, written down where a layer is made")]
pub struct ByJob;

impl<Request> ClassOf<Request> for ByJob {
    fn class_of(&self, _request: &Request) -> Class {
        Job::current().map_or_else(Class::default, |job| job.class())
    }
}

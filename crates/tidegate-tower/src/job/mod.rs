//! On whose behalf experts run: a job, handed on by hand or found by the task that runs it.

mod by_job;
mod handle;
mod scope;

pub use by_job::ByJob;
pub use handle::Job;
pub use scope::JobScope;
pub(crate) use scope::inside;

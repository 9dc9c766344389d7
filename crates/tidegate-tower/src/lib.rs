//! tower layers that hold a service's parallelism at what a connection pool can serve.
//!
//! # Is this crate for you?
//!
//! Most users take it through the `tidegate` crate.
//! It is for work that is a [tower service](tower_service::Service): an HTTP handler, a job handler, an expert of a scan.
//! Where there is no service, hold a [`Permit`](tidegate_limiter::Permit) of the limiter yourself.
//!
//! # Reading order
//!
//! [`LimitLayer`] (what you put on a stack), [`ServiceBuilderExt`] (the short way to do so), [`Limit`] (the service it
//! makes, and what its clones share), [`Classify`] (what the control law hears of a result); then the other two
//! admissions, [`QueueLayer`] with [`ClassOf`] and [`ShedLayer`]; [`RetryPolicy`] (whether to try a failed call again) and
//! [`RateLayer`] (how often calls may start). For jobs that fan out: [`Job`] and [`FanOut`].
//! [`CoalesceLayer`] admits nothing: it makes fewer calls of many.
//!
//! # Which layer?
//!
//! | | `LimitLayer` | `QueueLayer` | `ShedLayer` |
//! |---|---|---|---|
//! | a call is admitted | before there is a request, in `poll_ready` | when it is called, by its class | when it is called, or never |
//! | callers feel it | as a service that is not ready | as a call that takes longer, or is refused | as a refusal |
//! | error type | the inner service's | `BoxError` | `BoxError` |
//! | for | workers that fetch work when ready; stacks in one order | fan-outs, tenants, deadlines | work better left undone than late |
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tidegate_limiter::Limiter;
//! use tidegate_tower::ServiceBuilderExt;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! let limiter = Limiter::builder().name("experts").fixed(5).build()?;
//! let expert = ServiceBuilder::new()
//!     .limit(limiter)
//!     .service(service_fn(|question: u32| async move { Ok::<_, std::io::Error>(question * 2) }));
//!
//! assert_eq!(expert.oneshot(21).await?, 42);
//! # Ok(()) }
//! ```

pub mod coalesce;
pub mod fan_out;
pub mod job;
pub mod limit;
pub mod queue;
pub mod rate;
pub mod retry;
pub mod shed;

mod class_of;
mod classify;
mod ext;

pub use class_of::{ClassOf, OneClass};
pub use classify::{Classify, ClassifyErrors, DefaultClassify, classify_elapsed};
pub use coalesce::{Coalesce, CoalesceConfig, CoalesceError, CoalesceLayer};
pub use ext::ServiceBuilderExt;
pub use fan_out::{FanOut, Progress, ProgressWatch};
pub use job::{ByJob, Job, JobScope};
pub use limit::{Limit, LimitLayer};
pub use queue::{Queue, QueueLayer};
pub use rate::{Rate, RateLayer};
pub use retry::{Idempotent, NoneIdempotent, RetryConfig, RetryPolicy};
pub use shed::{Shed, ShedLayer};

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
//! makes, and what its clones share), [`Classify`] (what the control law hears of a result).
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

pub mod limit;

mod classify;
mod ext;

pub use classify::{Classify, ClassifyErrors, DefaultClassify};
pub use ext::ServiceBuilderExt;
pub use limit::{Limit, LimitLayer};

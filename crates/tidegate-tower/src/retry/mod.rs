//! Retries that a limiter lends, for [`tower::retry::Retry`].

mod config;
mod idempotent;
mod policy;

pub use config::RetryConfig;
pub use idempotent::{Idempotent, NoneIdempotent};
pub use policy::RetryPolicy;

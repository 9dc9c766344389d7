//! Adaptive concurrency control for tower services in front of a database pool.
//!
//! A service whose calls use a connection pool fails when too many run at once: queries wait for a connection, and past
//! the acquire timeout they fail. Tidegate holds the number of calls at what the pool can serve, and finds that number
//! from the pool itself: from how long its callers wait and how many connections are free.
//!
#![cfg_attr(all(feature = "sqlite", feature = "tower"), doc = "```")]
#![cfg_attr(not(all(feature = "sqlite", feature = "tower")), doc = "```ignore")]
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use sqlx::sqlite::SqlitePoolOptions;
//! use tidegate::{LimitLayer, Limiter, MeteredPool, classify_sqlx};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! let pool = MeteredPool::new(SqlitePoolOptions::new().max_connections(20).connect("sqlite::memory:").await?);
//! let limiter = Limiter::builder().name("experts").pool(pool.probe()).build()?;
//!
//! let expert = ServiceBuilder::new()
//!     .layer(LimitLayer::new(limiter.clone()).classify_errors(classify_sqlx))
//!     .service(service_fn(move |question: i64| {
//!         let pool = pool.clone();
//!         async move { sqlx::query_scalar::<_, i64>("SELECT ? * 2").bind(question).fetch_one(&pool).await }
//!     }));
//!
//! assert_eq!(expert.oneshot(21).await?, 42);
//! println!("{:?}", limiter.snapshot());
//! # Ok(()) }
//! ```
//!
//! # Is this crate for you?
//!
//! Yes, if calls that run at the same time compete for a pool of connections, and you would otherwise guess a number for
//! `ConcurrencyLimit`, `p-limit` or a queue's concurrency.
//! It needs tokio. With sqlx it is complete; another pool takes part by implementing [`PoolProbe`], for which
//! [`PoolMeter`] keeps the counts.
//! It is not a pool, a proxy or a job queue.
//!
//! # Reading order
//!
//! [`Limiter`] and [`LimiterBuilder`], then what feeds it (`MeteredPool`) and what it holds back (`LimitLayer`; or
//! [`Permit`], around anything that is not a service). [`PoolAimd`] says how the limit is found.
//!
//! # Features
//!
//! | feature | adds | default |
//! |---|---|---|
//! | `tower` | `Job`, `FanOut`, `LimitLayer`, `QueueLayer`, `ShedLayer`, `CoalesceLayer`, `RetryPolicy`, `RateLayer`, `ServiceBuilderExt`, `classify_elapsed` | yes |
//! | `sqlx` | `MeteredPool`, `nested_denied`, `time_connects`, `classify_sqlx`, `classify_sqlx_chain`, for the drivers your own sqlx features bring | yes |
//! | `tower` and `sqlx` | `classify_error`, `classify_box_error`, which know both timeouts and sqlx | yes |
//! | `serde` | `Settings` as TOML, JSON or anything else serde knows | no |
//! | `schema` | the JSON schema of `Settings`, and `Settings::read`, which names all that is wrong at once | no |
//! | `postgres`, `mysql`, `sqlite` | `sqlx` with sqlx's driver of that name | no |
//!
//! Features add names; none changes what another does, but for one case: MySQL's own error numbers are known to
//! `classify_sqlx` and to what is built on it only with `mysql`.

#[cfg(all(feature = "sqlx", feature = "tower"))]
mod classify;

#[cfg(all(feature = "sqlx", feature = "tower"))]
pub use classify::{classify_box_error, classify_error};
pub use tidegate_core::{
    Aimd, AimdConfig, Bound, ConfigChecks, ConfigError, ConfigFault, ControlLaw, Decision, Demand, Evidence,
    Fixed, Follow, FollowConfig, Gradient2, Gradient2Config, MAX_LIMIT, Outcome, PoolActivity, PoolAimd,
    PoolAimdConfig, PoolEvidence, PoolReading, PoolSets, Reason, Terms, Timestamp, Vegas, VegasConfig,
    error_chain,
};
pub use tidegate_limiter::{
    Acquire, BuildError, CallId, Claim, Class, DatedDecision, DecisionRecord, Drain, Explanation, Key,
    LawSettings, Limiter, LimiterBuilder, Mode, Nested, NestedDenied, OverloadReason, Overloaded, Permit,
    PoolMeter, PoolProbe, PoolUse, PoolWait, Priority, QueueSettings, Reservation, RetryBudget, RetryDenied,
    RetrySettings, Room, Settings, Snapshot, SojournSettings, Work, poll_as_call,
};
#[cfg(feature = "sqlx")]
pub use tidegate_sqlx::{
    MeteredConnection, MeteredPool, MeteredTransaction, classify as classify_sqlx,
    classify_chain as classify_sqlx_chain, nested_denied, note_connect, time_connects,
};
#[cfg(feature = "tower")]
pub use tidegate_tower::{
    ByJob, ClassOf, Classify, ClassifyErrors, Coalesce, CoalesceConfig, CoalesceError, CoalesceLayer,
    DefaultClassify, FanOut, Idempotent, Job, JobScope, Limit, LimitLayer, NoneIdempotent, OneClass,
    Progress, ProgressWatch, Queue, QueueLayer, Rate, RateLayer, RetryConfig, RetryPolicy, ServiceBuilderExt,
    Shed, ShedLayer, classify_elapsed, coalesce, limit, queue, rate, retry, shed,
};

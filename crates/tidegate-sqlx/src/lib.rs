//! A metered [sqlx] pool: it runs the same queries, and shows what an adaptive limiter needs to know.
//!
//! [`MeteredPool`] stands where a `&sqlx::Pool` stood: `sqlx::query(..).fetch_all(&pool)`, `query_as`, the `query!`
//! macros, `.fetch()` streams, `begin()`, `acquire()`, and generic code over `impl Executor` or `impl Acquire`.
//! It times each wait for a connection and each use of one, in guards, so what is cancelled counts too.
//! It also mends what cancellation breaks in the plain pool of sqlx 0.9: see [`MeteredPool`].
//! [`classify`] tells a limiter which database errors mean too much parallelism; [`classify_chain`] finds them in boxes and
//! behind errors of your own.
//!
//! # Is this crate for you?
//!
//! If you use sqlx on tokio, yes, through the `tidegate` crate.
//! Code that names the type `&PgPool` cannot take a wrapper: give it [`MeteredPool::inner`]; what it does is seen as
//! connections that somebody uses, and its waits are not.
//!
//! # Reading order
//!
//! [`MeteredPool`], [`MeteredConnection`] and [`MeteredTransaction`] (what it lends), [`classify`], [`Nested`], [`time_connects`].
//!
//! # Features
//!
//! `postgres`, `mysql`, `sqlite`: sqlx's driver of that name. Without any, the crate compiles and serves whatever driver
//! your own sqlx features bring.
//! `mysql` also lets [`classify`] see MySQL's error numbers, which its SQLSTATE codes hide.

mod connection;
mod connects;
mod executor;
mod name;
mod nested;
mod outcome;
mod pool;
mod raw;
mod transaction;

pub use connection::MeteredConnection;
pub use connects::{note_connect, time_connects};
pub use nested::nested_denied;
pub use outcome::{classify, classify_chain};
pub use pool::MeteredPool;
pub use tidegate_limiter::{Nested, NestedDenied};
pub use transaction::MeteredTransaction;

//! An adaptive concurrency limiter: permits, a fair queue that is safe to cancel, and a driver that tunes the limit.
//!
//! # Is this crate for you?
//!
//! Most users take it through the `tidegate` crate, whose layers hold the permits for them.
//! Use it directly where there is no tower service: around a function, a stream, a batch.
//!
//! # Reading order
//!
//! [`Limiter`], [`LimiterBuilder`] and [`Settings`] (what you hold), [`Permit`] (what you get), [`Class`] (whose turn it is) and
//! [`Overloaded`] (why not), [`RetryBudget`] (whether to try again), [`PoolProbe`] (where the evidence comes from), [`Reservation`] and [`Room`] (only for those
//! who implement a `poll_ready`).
//!
//! # Features
//!
//! `serde` lets [`Settings`] be read and written as TOML, JSON or anything else serde knows, with times as text (`100ms`);
//! what is not said keeps its default, and what is not known is refused. `schema` adds their JSON schema, and
//! [`Settings`] gets `read`, which names everything that is wrong with a text at once.
//!
//! `test-util` adds `ManualDriver` and `ManualClock`: a limiter without a task, for simulators and tests that own the time.

mod acquire;
mod builder;
mod claim;
mod class;
mod drain;
mod driver;
mod episodes;
mod error;
mod explain;
mod flow;
mod gate;
mod history;
mod leader;
mod limiter;
mod live;
#[cfg(feature = "test-util")]
mod manual;
mod occupancy;
mod overloaded;
mod pace;
mod permit;
mod pool_meter;
mod probe;
mod reservation;
mod retry;
mod room;
// For the simulator, which has the same gate in virtual time.
#[doc(hidden)]
pub mod sets;
mod settings;
mod snapshot;
mod sync;
mod telemetry;

pub use acquire::Acquire;
pub use builder::LimiterBuilder;
pub use claim::Claim;
pub use class::{Class, Key, Priority};
pub use drain::Drain;
pub use error::BuildError;
pub use explain::{DatedDecision, Explanation};
pub use flow::{CallId, poll_as_call};
pub use history::DecisionRecord;
pub use limiter::Limiter;
#[cfg(feature = "test-util")]
pub use manual::{ManualClock, ManualDriver};
pub use overloaded::{OverloadReason, Overloaded};
pub use permit::{Permit, Work};
pub use pool_meter::{Nested, NestedDenied, PoolMeter, PoolUse, PoolWait};
pub use probe::PoolProbe;
pub use reservation::Reservation;
pub use retry::{RetryBudget, RetryDenied};
pub use room::Room;
pub use settings::{LawSettings, Mode, QueueSettings, RetrySettings, Settings, SojournSettings};
pub use snapshot::Snapshot;

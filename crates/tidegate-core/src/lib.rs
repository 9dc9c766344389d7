//! The pure part of Tidegate: control laws.
//!
//! A [`ControlLaw`] is a state machine that is handed the time and the [`Evidence`] of one tick and answers with a
//! [`Decision`]: the limit, and the [`Reason`] it is what it is.
//! It has no clock, no task, no lock, no log and no I/O, so the same inputs give the same decisions, in production, in a
//! test and in virtual time.
//!
//! # Is this crate for you?
//!
//! To limit work in front of a pool, use the `tidegate` crate: it runs the law for you.
//! Come here to write a law of your own, or to run one in a simulator.
//!
//! # Reading order
//!
//! [`Evidence`] (what a law sees), [`ControlLaw`] and [`Decision`] (what it is and what it says), [`Fixed`] (the smallest
//! law), [`PoolAimd`] (the default law).
//!
//! ```
//! use tidegate_core::{ControlLaw, Evidence, PoolAimd, PoolAimdConfig, Reason, Timestamp};
//!
//! let mut law = PoolAimd::new(PoolAimdConfig::default(), 20)?;
//! assert_eq!(law.limit(), 10); // half the pool, until there is evidence
//!
//! let decision = law.tick(Timestamp::from_millis(100), &Evidence::default());
//! assert_eq!(decision.reason, Reason::NoEvidence); // nothing happened, so nothing is decided
//! # Ok::<(), tidegate_core::ConfigError>(())
//! ```
//!
//! # Features
//!
//! `serde` lets settings be read and written, with times as text (`100ms`); `schema` adds their JSON schema. Without them
//! the crate stands on the standard library alone.

mod decision;
#[cfg(feature = "serde")]
#[doc(hidden)]
pub mod duration_text;
mod error;
mod error_chain;
mod evidence;
mod law;
mod outcome;
mod time;

pub use decision::{Bound, Decision, Reason, Terms};
pub use error::{ConfigChecks, ConfigError, ConfigFault};
pub use error_chain::error_chain;
pub use evidence::{Demand, Evidence, PoolActivity, PoolEvidence, PoolReading, PoolSets};
#[doc(hidden)]
pub use law::PoolAimdConstants;
pub use law::{
    Aimd, AimdConfig, ControlLaw, Fixed, Follow, FollowConfig, Gradient2, Gradient2Config, PoolAimd,
    PoolAimdConfig, Vegas, VegasConfig,
};
pub use outcome::Outcome;
pub use time::Timestamp;

/// The highest limit there is: 1,048,575 permits.
///
/// The limiter packs its counts into one machine word; 20 bits of it are the permits that are out.
pub const MAX_LIMIT: u32 = (1 << 20) - 1;

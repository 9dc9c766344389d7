//! A virtual-time world in which control laws are tried: jobs, experts, a pool, a database.
//!
//! The limiter in it is the real one with its real queue and law; only time, the pool and the database are modelled.
//! A [`Scenario`] is a TOML file with a seed list and intervals on time-weighted statistics; [`run`] plays it with a
//! [`Policy`] and gives a [`Report`]. The same scenario, policy and seed give the same report to the last bit.
//!
//! Each run checks itself: calls, permits and connections are conserved, no permit is given above the limit, and Little's
//! law holds exactly for the limiter's queue, the permits out, the pool's queue and the connections lent.
//!
//! # Reading order
//!
//! [`Scenario`] (what is described), `world.rs` (what happens), `model/` (the pool and the database), [`Report`].

mod agenda;
mod books;
mod built_in;
mod canary;
mod error;
mod expect;
mod goodput;
mod histogram;
mod ledger;
mod limits;
mod model;
mod num;
mod oracle;
mod policy;
mod random;
mod ready;
mod report;
mod rivals;
mod scenario;
pub mod scoreboard;
mod slab;
mod trace;
mod world;

pub use canary::Canary;
pub use error::SimError;
pub use expect::{Expectation, Statistic};
pub use oracle::sweep;
pub use policy::Policy;
pub use random::{Distribution, Span};
pub use report::{Figures, LimitChange, ProcessReport, Report, Spread, Times};
pub use scenario::{
    Bursts, Database, HotRows, Kind, Knee, LimiterSettings, Load, LoadChange, Oracle, Pool, QueryMode,
    Resize, Scenario, SpeedChange, Tenant, Usl,
};
pub use trace::{Trace, TraceCall, TraceOutcome, TraceSettings};
pub use world::run;

//! Jobs, the experts they fan out to, and how they share a limit.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod cancel;
mod claims;
mod fairness;
mod fan_out;
mod job;
mod support;

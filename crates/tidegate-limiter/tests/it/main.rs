//! The limiter as its users see it.

#![allow(clippy::unwrap_used, reason = "a test")]

mod limiter;
mod telemetry;
mod util;

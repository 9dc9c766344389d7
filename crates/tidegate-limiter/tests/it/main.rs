//! The limiter as its users see it.
//!
//! Many tests hold the driver in their hands: `cargo test -p tidegate-limiter --features test-util`.

#![allow(clippy::unwrap_used, reason = "a test")]

#[cfg(feature = "test-util")]
mod bounded;
#[cfg(feature = "test-util")]
mod cancel;
#[cfg(feature = "test-util")]
mod class;
#[cfg(feature = "test-util")]
mod close;
#[cfg(feature = "test-util")]
mod deadline;
#[cfg(feature = "test-util")]
mod edges;
#[cfg(feature = "test-util")]
mod load;
#[cfg(feature = "test-util")]
mod manual;
#[cfg(feature = "test-util")]
mod outcomes;
#[cfg(feature = "test-util")]
mod priority;
#[cfg(feature = "test-util")]
mod replay;
#[cfg(feature = "test-util")]
mod shrink;
#[cfg(feature = "test-util")]
mod sojourn;
#[cfg(feature = "test-util")]
mod weight;

mod hammer;
mod limiter;
mod telemetry;
mod util;

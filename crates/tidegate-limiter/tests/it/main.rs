//! The limiter as its users see it.

#![allow(clippy::unwrap_used, reason = "a test")]

mod bounded;
mod cancel;
mod class;
mod close;
mod deadline;
mod edges;
mod explain;
mod follow;
mod hammer;
mod latency;
mod limiter;
mod live;
mod load;
mod manual;
mod outcomes;
mod priority;
mod replay;
mod retries;
mod settings;
mod shadow;
mod shrink;
mod sojourn;
mod telemetry;
mod util;
mod wakers;
mod weight;

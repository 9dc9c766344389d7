//! The retry policy under tower's `Retry`, and what retries do to a database.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod amplification;
mod database;
mod deadline;
mod policy;
mod stack;
mod waits;

//! tower's contract, and what `LimitLayer` adds to it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod brake;
mod hammer;
mod outcomes;
mod readiness;
mod releases;
mod revocation;
mod shrink;
mod stacks;
mod support;

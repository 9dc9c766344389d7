//! tower's contract, and what the layers add to it: `at_call` is of `QueueLayer` and `ShedLayer`, the others of
//! `LimitLayer` or of all three.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod at_call;
mod brake;
mod close;
mod hammer;
mod outcomes;
mod readiness;
mod releases;
mod revocation;
mod sharing;
mod shrink;
mod stacks;
mod support;
mod types;

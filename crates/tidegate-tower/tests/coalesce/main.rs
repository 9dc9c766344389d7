//! Calls that are joined: what each caller gets, what is sent when, and what an end does.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod batches;
mod config;
mod ends;
mod limited;
mod splits;
mod support;

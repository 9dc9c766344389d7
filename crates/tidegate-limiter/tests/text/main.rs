//! Settings as text: what is written is read back, and what makes no sense is refused.

#![allow(clippy::unwrap_used, reason = "a test")]

mod read;
mod read_all;
mod round_trip;
mod schema;

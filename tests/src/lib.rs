//! Helpers for the tests that stand in `tests/`, and every page of documentation as compiled samples.
//!
//! The servers are started by `scripts/servers start`, which prints the environment that [`postgres_url`] and
//! [`mariadb_url`] read. A test makes its own pool of the size that it studies ([`postgres_pool`],
//! [`PostgresDatabase::pool`], [`MariaDbDatabase::pool`]); a test with tables makes a database of its own
//! ([`PostgresDatabase`], [`MariaDbDatabase`]), which is removed when its handle drops.
#![expect(clippy::panic, clippy::expect_used, reason = "a test's helper that cannot help ends the test")]

#[cfg(doctest)]
mod docs;
pub mod job_queue;
mod lab;
mod mariadb;
mod postgres;
mod servers;

pub use lab::{Lab, check_bad_input, count, text};
pub use mariadb::MariaDbDatabase;
pub use postgres::{PostgresDatabase, postgres_pool};
pub use servers::{mariadb_url, postgres_url};

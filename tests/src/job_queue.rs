//! A job queue of one test's own, on PostgreSQL or SQLite, and apalis workers on it, as `docs/job-queue.md` builds them.
//!
//! A job is a number. Each run of it leaves a row in a table of ours, from which is told how often it ran, and where.
mod store;
mod worker;

pub use store::{JobQueue, Run};
pub use worker::{JobWorker, Work, WorkerPlan, ticks, work};

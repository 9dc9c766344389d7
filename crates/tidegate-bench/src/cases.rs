//! How each case is measured.

mod contended;
mod crowd;
mod free;
mod queue;

pub(crate) use contended::contended;
pub(crate) use crowd::{cancel, join, run_cancel};
pub(crate) use free::{free, run_free};
pub(crate) use queue::{queue, run_queue};

//! Where the figures come from.

use std::thread::available_parallelism;

use serde::Serialize;

use crate::db::Database;

/// The machine of the run; figures of different machines do not compare.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    /// Processors this process may use.
    pub(crate) cores: usize,
    pub(crate) os: &'static str,
    pub(crate) arch: &'static str,
    pub(crate) database: &'static str,
    pub(crate) database_version: String,
}

impl Machine {
    pub(crate) fn with(database: &Database) -> Self {
        Self {
            cores: available_parallelism().map_or(1, usize::from),
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            database: database.kind(),
            database_version: database.version().to_owned(),
        }
    }
}

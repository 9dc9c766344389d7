//! Where the figures come from; those of different machines do not compare.

use std::fs::read_to_string;
use std::thread::available_parallelism;

use serde::Serialize;

use crate::clock;

/// The machine of the run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    /// Processors this process may use.
    pub(crate) cores: usize,
    pub(crate) os: &'static str,
    pub(crate) arch: &'static str,
    /// The processor's own name, where the system tells it.
    pub(crate) cpu: Option<String>,
    /// Processes that wanted a processor, mean of the last minute, before the run and after it.
    pub(crate) load_before: Option<f64>,
    pub(crate) load_after: Option<f64>,
    /// What `ns` was measured by.
    pub(crate) clock: &'static str,
    /// Whether the compiler optimised; figures of a build where it did not mean nothing.
    pub(crate) is_optimised: bool,
    pub(crate) passes: u32,
}

impl Machine {
    pub(crate) fn before(passes: u32) -> Self {
        Self {
            cores: available_parallelism().map_or(1, usize::from),
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            cpu: cpu(),
            load_before: load(),
            load_after: None,
            clock: clock::NAME,
            is_optimised: !cfg!(debug_assertions),
            passes,
        }
    }

    pub(crate) fn after(self) -> Self {
        Self { load_after: load(), ..self }
    }
}

fn cpu() -> Option<String> {
    let text = read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn load() -> Option<f64> {
    read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

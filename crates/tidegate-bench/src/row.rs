//! A line of the result.

use serde::Serialize;

/// One subject in one case. Figures are over the bare service, but for `bare` itself and for changes of the limit.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) subject: &'static str,
    pub(crate) case: String,
    /// Processor time of an operation in ns: median, least and most of the passes.
    pub(crate) ns: f64,
    pub(crate) ns_min: f64,
    pub(crate) ns_max: f64,
    /// Time on the wall, ns: the reciprocal of throughput. Several threads share it.
    pub(crate) wall_ns: f64,
    /// Allocations of an operation.
    pub(crate) allocs: f64,
    /// Bytes an operation allocates; in `waiters_100k`, bytes a waiter owns beyond the bare caller's future.
    pub(crate) bytes: f64,
    /// `ns` over that of tower's layer in the same case; `None` for `bare` and where tower was not measured.
    pub(crate) ratio_to_tower: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio_to_floor: Option<f64>,
    /// `ns` over that of tokio's semaphore.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio_to_semaphore: Option<f64>,
    /// `wall_ns` over that of tower's layer, of which the bare service's is not taken off: how much longer the same work takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) work_ratio_to_tower: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) heap_bytes: Option<f64>,
    /// Most completions of a task over least, median of the passes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fairness: Option<f64>,
    /// The worst of the passes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fairness_max: Option<f64>,
    pub(crate) threads: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) instructions: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) clock_reads: Option<f64>,
}

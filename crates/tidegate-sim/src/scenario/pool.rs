use serde::Deserialize;

/// A pool that serves its callers in order and opens connections when it needs them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Pool {
    /// The most connections.
    pub max: u32,
    /// How long a caller may wait, in milliseconds.
    pub acquire_timeout_ms: f64,
    /// Whether each process has such a pool of its own; otherwise all processes share one. Default false.
    #[serde(default)]
    pub per_process: bool,
    /// The time to open a connection, in milliseconds. Default 20.
    #[serde(default = "connect_ms")]
    pub connect_ms: f64,
    /// The time to test an idle connection before it is lent, in milliseconds. Default 0.5.
    #[serde(default = "ping_ms")]
    pub ping_ms: f64,
    /// The most connections that one call holds at once, if the pool reserves connection sets: 2 to its least size. One gate
    /// is in front of each pool, and other users of the pool go past it. Default: it reserves none.
    pub reserve: Option<u32>,
    /// How its size changes, in order of time.
    #[serde(default)]
    pub resizes: Vec<Resize>,
    /// Others who use the pool for a while.
    #[serde(default)]
    pub tenants: Vec<Tenant>,
}

/// The size of the pool, of each if there are several, from a moment on.
///
/// Connections beyond a smaller size are closed: idle ones at once, those lent when they come back.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Resize {
    /// The moment, in seconds.
    pub at_s: f64,
    /// The most connections from then on.
    pub max: u32,
}

/// Somebody else who takes connections of the pool, of each if there are several.
///
/// It waits in line for them as everybody does, but without a timeout, and holds each to the end of its stay.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Tenant {
    /// When it comes, in seconds.
    pub from_s: f64,
    /// When it goes, in seconds.
    pub to_s: f64,
    /// How many connections it takes.
    pub connections: u32,
}

impl Pool {
    /// One for all processes, which nobody else uses.
    pub(crate) const fn new(max: u32, acquire_timeout_ms: f64) -> Self {
        Self {
            max,
            acquire_timeout_ms,
            per_process: false,
            connect_ms: connect_ms(),
            ping_ms: ping_ms(),
            reserve: None,
            resizes: Vec::new(),
            tenants: Vec::new(),
        }
    }
}

const fn connect_ms() -> f64 {
    20.0
}

const fn ping_ms() -> f64 {
    0.5
}

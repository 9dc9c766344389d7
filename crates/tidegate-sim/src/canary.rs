use tidegate_core::{ControlLaw, Decision, Evidence, MAX_LIMIT, Reason, Timestamp};

/// A deliberately broken law: it looks at nothing and grows by a tenth each tick.
///
/// A scenario that claims to test laws must reject it; one that does not, tests nothing.
#[derive(Clone, Debug)]
pub struct Canary {
    limit: u32,
}

impl Canary {
    /// The canary, with a modest limit to begin with.
    #[must_use]
    pub const fn new() -> Self {
        Self { limit: 10 }
    }
}

impl Default for Canary {
    fn default() -> Self {
        Self::new()
    }
}

impl ControlLaw for Canary {
    fn limit(&self) -> u32 {
        self.limit
    }

    fn tick(&mut self, _now: Timestamp, _evidence: &Evidence) -> Decision {
        let from = self.limit;
        self.limit = (from + from.div_ceil(10)).min(MAX_LIMIT);
        Decision::new(from, self.limit, Reason::Probe)
    }
}

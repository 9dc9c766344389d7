use std::fmt;

use tidegate_core::{ControlLaw, MAX_LIMIT};
use tidegate_limiter::LimiterBuilder;

/// What decides how many experts run at once.
///
/// Every policy runs the real limiter with its real queue; only the law differs.
pub struct Policy {
    name: String,
    configure: Box<dyn Fn(LimiterBuilder) -> LimiterBuilder + Send + Sync>,
}

impl Policy {
    /// The default law.
    #[must_use]
    pub fn adaptive() -> Self {
        Self::new("adaptive", |builder| builder)
    }

    /// One limit for ever, in permits.
    #[must_use]
    pub fn fixed(limit: u32) -> Self {
        Self::new(format!("fixed:{limit}"), move |builder| builder.fixed(limit))
    }

    /// Everybody at once.
    #[must_use]
    pub fn none() -> Self {
        Self::new("none", |builder| builder.fixed(MAX_LIMIT))
    }

    /// A law of your own; `make` is called once for each run.
    pub fn law<L: ControlLaw>(name: impl Into<String>, make: impl Fn() -> L + Send + Sync + 'static) -> Self {
        Self::new(name, move |builder| builder.law(make()))
    }

    fn new(
        name: impl Into<String>,
        configure: impl Fn(LimiterBuilder) -> LimiterBuilder + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), configure: Box::new(configure) }
    }

    /// Its name in reports.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn configure(&self, builder: LimiterBuilder) -> LimiterBuilder {
        (self.configure)(builder)
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy").field("name", &self.name).finish_non_exhaustive()
    }
}

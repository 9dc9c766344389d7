use std::error::Error;
use std::fmt;

use tidegate_core::ConfigError;

/// No permit is free; see [`Limiter::try_acquire`](crate::Limiter::try_acquire).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TryAcquireError(pub(crate) ());

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no permit is free")
    }
}

impl Error for TryAcquireError {}

/// A limiter that cannot be built; see [`LimiterBuilder::build`](crate::LimiterBuilder::build).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Config(ConfigError),
    NoPool,
    NoRuntime,
}

impl BuildError {
    pub(crate) const NO_POOL: Self = Self { kind: Kind::NoPool };
    pub(crate) const NO_RUNTIME: Self = Self { kind: Kind::NoRuntime };
}

impl From<ConfigError> for BuildError {
    fn from(error: ConfigError) -> Self {
        Self { kind: Kind::Config(error) }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Config(error) => error.fmt(f),
            Kind::NoPool => f.write_str(
                "pool is not given, but the default law is driven by one: add .pool(probe), or choose .fixed(n) or .law(law)",
            ),
            Kind::NoRuntime => f.write_str("build was called outside a tokio runtime, but the driver is a task of one"),
        }
    }
}

impl Error for BuildError {}

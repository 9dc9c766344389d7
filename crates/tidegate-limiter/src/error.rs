use std::error::Error;
use std::fmt;

use tidegate_core::ConfigError;

/// A limiter that cannot be built; see [`LimiterBuilder::build`](crate::LimiterBuilder::build).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Config(ConfigError),
    /// Faults of the limiter's own settings, and what is wrong with its law.
    Both(ConfigError, Box<Self>),
    NoPool,
    NoRuntime,
}

impl BuildError {
    pub(crate) const NO_POOL: Self = Self { kind: Kind::NoPool };
    pub(crate) const NO_RUNTIME: Self = Self { kind: Kind::NoRuntime };

    /// These faults, and before them those of `settings`.
    pub(crate) fn after(self, settings: ConfigError) -> Self {
        Self { kind: Kind::Both(settings, Box::new(self.kind)) }
    }
}

impl From<ConfigError> for BuildError {
    fn from(error: ConfigError) -> Self {
        Self { kind: Kind::Config(error) }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Both(settings, law) => write!(f, "{settings}; {law}"),
            Self::NoPool => f.write_str(
                "pool is not given, but the default law is driven by one: add .pool(probe), or choose .fixed(n) or .law(law)",
            ),
            Self::NoRuntime => f.write_str("build was called outside a tokio runtime, but the driver is a task of one"),
        }
    }
}

impl Error for BuildError {}

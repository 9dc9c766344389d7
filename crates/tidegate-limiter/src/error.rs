use std::error::Error;
use std::fmt;

use tidegate_core::{ConfigError, ConfigFault};

/// Settings that cannot be used; see [`LimiterBuilder::build`](crate::LimiterBuilder::build) and
/// [`Settings::check`](crate::Settings::check).
///
/// The text is one line and names everything that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Settings(ConfigError),
    Missing(Missing),
    Both(ConfigError, Missing),
    /// Text that is no settings at all.
    #[cfg(feature = "schema")]
    Text(String),
}

/// What is not there, though the settings need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    Driver,
    Law,
    Leader,
    Pool,
    Runtime,
}

impl BuildError {
    pub(crate) const NO_DRIVER: Self = Self { what: What::Missing(Missing::Driver) };
    pub(crate) const NO_LAW: Self = Self { what: What::Missing(Missing::Law) };
    pub(crate) const NO_LEADER: Self = Self { what: What::Missing(Missing::Leader) };
    pub(crate) const NO_POOL: Self = Self { what: What::Missing(Missing::Pool) };
    pub(crate) const NO_RUNTIME: Self = Self { what: What::Missing(Missing::Runtime) };

    /// Text that cannot be read, and why, on one line.
    #[cfg(feature = "schema")]
    pub(crate) fn unread(why: &impl fmt::Display) -> Self {
        let why = why.to_string();
        let lines: Vec<_> = why.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        Self { what: What::Text(lines.join(" ")) }
    }

    /// The settings that cannot be used, in the order they were checked; none if all that is wrong is that something is
    /// missing, or that a text cannot be read.
    pub fn faults(&self) -> impl Iterator<Item = &ConfigFault> {
        let settings = match &self.what {
            What::Settings(settings) | What::Both(settings, _) => Some(settings),
            What::Missing(_) => None,
            #[cfg(feature = "schema")]
            What::Text(_) => None,
        };
        settings.into_iter().flat_map(ConfigError::faults)
    }

    /// The settings at fault here, and what is missing there.
    pub(crate) fn with_missing_of(self, other: &Self) -> Self {
        match (self.what, &other.what) {
            (What::Settings(settings), What::Missing(missing) | What::Both(_, missing)) => {
                Self { what: What::Both(settings, *missing) }
            }
            (what, _) => Self { what },
        }
    }
}

impl From<ConfigError> for BuildError {
    fn from(error: ConfigError) -> Self {
        Self { what: What::Settings(error) }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Settings(settings) => settings.fmt(f),
            What::Missing(missing) => missing.fmt(f),
            What::Both(settings, missing) => write!(f, "{settings}; {missing}"),
            #[cfg(feature = "schema")]
            What::Text(why) => write!(f, "the settings cannot be read: {why}"),
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Driver => "the driver has ended with its runtime, so nobody would change the limit: build a new limiter",
            Self::Law => "the law is custom, but none is given: add .law(law)",
            Self::Leader => "the law follows another limiter, but none is given: add .leader(&limiter)",
            Self::Pool => {
                "pool is not given, but the default law is driven by one: add .pool(probe), or choose .fixed(n) or .law(law)"
            }
            Self::Runtime => "build was called outside a tokio runtime, but the driver is a task of one",
        })
    }
}

impl Error for BuildError {}

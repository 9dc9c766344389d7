use std::error::Error;
use std::fmt;
use std::panic::Location;

use tidegate_core::{ConfigChecks, ConfigError};

/// What a pool does about a *nested* acquire: one by a call that has a connection of it in hand.
///
/// Once every connection is held by calls that ask for another one, none can go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Nested {
    /// It is counted, and each place in the code is told of in a warning. The default: it holds nobody up.
    #[default]
    Warn,
    /// It is refused at once with [`NestedDenied`].
    Deny,
    /// Calls hold up to so many connections, and the pool lets in only as many calls as can all get theirs.
    Reserve {
        /// The most connections that one call holds at once: 2 to the pool's size.
        connections_per_call: u32,
    },
}

impl Nested {
    /// Reserves sets of so many connections, the most that one call holds at once: 2 to the pool's size.
    #[must_use]
    pub const fn reserve(connections_per_call: u32) -> Self {
        Self::Reserve { connections_per_call }
    }

    /// Whether a pool of `pool_max` connections can do that.
    pub(super) fn check(self, pool_max: u32) -> Result<(), ConfigError> {
        let mut checks = ConfigChecks::default();
        if let Self::Reserve { connections_per_call } = self {
            let is_possible = (2..=pool_max).contains(&connections_per_call);
            let allowed = format_args!("2 to {pool_max} (the pool's size)").to_string();
            checks.require(is_possible, "connections_per_call", connections_per_call, allowed);
        }
        checks.finish(())
    }
}

/// The pool refused a nested acquire, as [`Nested::Deny`] says.
///
/// It says nothing about load: fewer calls at once would not have helped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NestedDenied {
    /// Where the call took the connection that it holds, if that is known.
    pub held_since: Option<&'static Location<'static>>,
    /// Where it asked for the other one, if that is known.
    pub asked_at: Option<&'static Location<'static>>,
}

impl fmt::Display for NestedDenied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a call that holds a connection")?;
        if let Some(place) = self.held_since {
            write!(f, " (taken at {place})")?;
        }
        f.write_str(" asked for another one")?;
        if let Some(place) = self.asked_at {
            write!(f, " (at {place})")?;
        }
        f.write_str(": use the one it holds, give it back before, or let the pool reserve connection sets")
    }
}

impl Error for NestedDenied {}

use std::hash::{BuildHasher, Hash};
use std::num::NonZeroU64;
use std::sync::LazyLock;
use std::time::Duration;

use foldhash::quality::RandomState;
use tokio::time::Instant;

/// What decides a call's place in the queue; see [`Limiter::acquire_with`](crate::Limiter::acquire_with).
///
/// ```
/// use std::time::Duration;
/// use tidegate_limiter::{Class, Key, Priority};
///
/// let class = Class::default()
///     .key(Key::new("job 17"))
///     .priority(Priority::High)
///     .within(Duration::from_secs(2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    pub(crate) key: Option<Key>,
    pub(crate) share: u32,
    pub(crate) weight: u32,
    pub(crate) priority: Priority,
    pub(crate) deadline: Option<Instant>,
}

impl Default for Class {
    /// No key, share 1, weight 1, [`Priority::Normal`], no deadline.
    fn default() -> Self {
        Self { key: None, share: 1, weight: 1, priority: Priority::Normal, deadline: None }
    }
}

impl Class {
    /// The largest share of a key, and the largest weight of a call.
    pub const MAX: u32 = 1_000_000;

    /// On whose behalf the call is made: a job, a tenant, a user.
    ///
    /// Keys that wait divide the limit by their shares; a key that does not wait lends its share. Calls without a key are
    /// together one key of their own.
    #[must_use]
    pub const fn key(mut self, key: Key) -> Self {
        self.key = Some(key);
        self
    }

    /// How much of the limit the key may have, relative to the other keys of its priority; 1 to [`Class::MAX`], default 1.
    /// What is outside is taken as the nearest bound.
    ///
    /// It belongs to the key: the last call of a key says what holds for all of them. Without a key, that is all calls of this
    /// priority that have a class and no key.
    #[must_use]
    pub const fn share(mut self, share: u32) -> Self {
        self.share = clamp(share);
        self
    }

    /// Permits the call needs at once, as a call that uses several connections does; 1 to [`Class::MAX`], default 1. What is
    /// outside is taken as the nearest bound.
    ///
    /// A call that needs more than the whole limit gets the whole limit; [`Permit::weight`](crate::Permit::weight) says how
    /// much that was. From the moment it is its turn nobody else is admitted until its permits have come together, so that
    /// narrow calls cannot starve it.
    #[must_use]
    pub const fn weight(mut self, permits: u32) -> Self {
        self.weight = clamp(permits);
        self
    }

    /// Whose turn it is between keys of different priority. Default [`Priority::Normal`].
    #[must_use]
    pub const fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// When the call is no longer of use. Default: never.
    ///
    /// It is refused at once when at the pace of the last seconds its turn would come later than that, and when that moment
    /// comes while it waits. The work itself is not cut short.
    #[must_use]
    pub fn deadline(mut self, deadline: impl Into<Instant>) -> Self {
        self.deadline = Some(deadline.into());
        self
    }

    /// When the call is no longer of use, if it was said.
    #[must_use]
    pub const fn deadline_at(&self) -> Option<Instant> {
        self.deadline
    }

    /// A deadline so far from now. A time beyond what the clock can name is no deadline.
    #[must_use]
    pub fn within(mut self, time: Duration) -> Self {
        self.deadline = Instant::now().checked_add(time);
        self
    }
}

const fn clamp(value: u32) -> u32 {
    match value {
        0 => 1,
        Class::MAX.. => Class::MAX,
        value => value,
    }
}

/// Names on whose behalf a call is made. Anything hashable makes a key; equal things make equal keys within a process.
///
/// It is a 64-bit hash under a random seed: two things share a key with a probability of about one in 2⁶⁴, and nobody can
/// choose names that do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(pub(crate) NonZeroU64);

impl Key {
    /// The key of `name`.
    #[inline]
    pub fn new(name: impl Hash) -> Self {
        static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::default);
        Self::from_hash(SEED.hash_one(name))
    }

    /// No hash is zero, so that a class with a key is no longer than one without.
    #[inline]
    pub(crate) const fn from_hash(hash: u64) -> Self {
        match NonZeroU64::new(hash) {
            Some(hash) => Self(hash),
            None => Self(NonZeroU64::MAX),
        }
    }
}

/// The order between calls that wait. A lower priority that waits still gets one in ten of the permits that go to it and to
/// higher ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "three levels are the whole scale: another would change what these mean"
)]
pub enum Priority {
    /// Work that may wait: batches, refreshes, retries.
    Low,
    /// Everything that does not say otherwise.
    #[default]
    Normal,
    /// Work that others wait for.
    High,
}

impl Priority {
    pub(crate) const ALL: [Self; 3] = [Self::Low, Self::Normal, Self::High];
}

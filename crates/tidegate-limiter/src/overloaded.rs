use std::error::Error;
use std::fmt;
use std::time::Duration;

/// A call was refused: it has not begun, and nothing of the limiter is held.
///
/// Behind a tower layer it arrives as a `BoxError`: `error.downcast_ref::<Overloaded>()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overloaded {
    reason: OverloadReason,
    retry_after: Option<Duration>,
}

/// Why a call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OverloadReason {
    /// The limiter was closed.
    Closed,
    /// At the pace of the last seconds, the call's turn would have come after its deadline.
    Deadline,
    /// A call of higher priority took its place in a full queue.
    Displaced,
    /// The call's deadline passed while it waited, or before it asked.
    Expired,
    /// No permit was free, and the call did not want to wait.
    NoPermit,
    /// The queue was full of calls of no lower priority.
    QueueFull,
    /// The queue stands, and the call had waited longer than the sojourn target.
    Sojourn,
}

impl OverloadReason {
    /// Every reason, in the order of the metric's documentation.
    pub const ALL: [Self; 7] = [
        Self::Closed,
        Self::Deadline,
        Self::Displaced,
        Self::Expired,
        Self::NoPermit,
        Self::QueueFull,
        Self::Sojourn,
    ];

    /// The reason as a metric label: lower case, one word or two.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Deadline => "deadline",
            Self::Displaced => "displaced",
            Self::Expired => "expired",
            Self::NoPermit => "no_permit",
            Self::QueueFull => "queue_full",
            Self::Sojourn => "sojourn",
        }
    }
}

impl fmt::Display for OverloadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the limiter is closed",
            Self::Deadline => "its turn would come after its deadline",
            Self::Displaced => "a call of higher priority took its place in the full queue",
            Self::Expired => "its deadline passed before its turn came",
            Self::NoPermit => "no permit is free",
            Self::QueueFull => "the queue is full",
            Self::Sojourn => "it waited too long in a queue that does not clear",
        })
    }
}

impl Overloaded {
    pub(crate) const fn new(reason: OverloadReason, retry_after: Option<Duration>) -> Self {
        Self { reason, retry_after }
    }

    /// Why the call was refused.
    #[must_use]
    pub const fn reason(&self) -> OverloadReason {
        self.reason
    }

    /// When to try again at the earliest: the time the calls that wait now need at the present pace.
    ///
    /// `None` if the pace is not known, if nothing has come back for ten seconds, and if trying again is of no use.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for Overloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the call was refused: {}", self.reason)?;
        match self.retry_after {
            Some(time) => write!(f, "; try again in {time:.1?}"),
            None => Ok(()),
        }
    }
}

impl Error for Overloaded {}

//! What a control law is, and the laws there are.

mod aimd;
mod calls;
mod fixed;
mod follow;
mod gradient2;
mod pool_aimd;
mod vegas;

pub use aimd::{Aimd, AimdConfig};
pub use fixed::Fixed;
pub use follow::{Follow, FollowConfig};
pub use gradient2::{Gradient2, Gradient2Config};
pub use pool_aimd::{PoolAimd, PoolAimdConfig, PoolAimdConstants};
pub use vegas::{Vegas, VegasConfig};

use std::fmt::Debug;

use crate::{Decision, Evidence, PoolEvidence, Timestamp};

/// A pure state machine from evidence to a limit.
///
/// The driver calls [`tick`](Self::tick) about every 100 ms while there is work, and as soon as a limit that is
/// followed moves, from one task at a time.
/// A law keeps no reference to a clock, a task or a pool; it must not block.
pub trait ControlLaw: Debug + Send + 'static {
    /// The limit in force, in permits: at least 1, at most [`MAX_LIMIT`](crate::MAX_LIMIT).
    fn limit(&self) -> u32;

    /// Looks at what happened since the previous tick and says what the limit is from now on.
    ///
    /// `now` never goes backwards between two ticks.
    fn tick(&mut self, now: Timestamp, evidence: &Evidence) -> Decision;

    /// Goes on from another limit, which was set from outside at `now`: by hand, or by the law that this one follows.
    ///
    /// What happened before `now` is no evidence about it, so a law that measures over time begins anew. The law keeps to its
    /// own bounds: [`limit`](Self::limit) says what has come of it. A law that does not override this stays where it is.
    fn set_limit(&mut self, now: Timestamp, limit: u32) {
        let _ = (now, limit);
    }

    /// The brake: whether no new work at all should be admitted just now, whatever the limit.
    ///
    /// It is asked more often than the law ticks, so it only looks.
    fn brakes(&self, pool: &PoolEvidence) -> bool {
        let _ = pool;
        false
    }

    /// Whether the law needs [`Demand::in_flight_time`](crate::Demand::in_flight_time), which costs each call two reads of
    /// the clock.
    ///
    /// It is asked at every tick, and may change.
    fn wants_latency(&self) -> bool {
        false
    }

    /// Whether a recovery epoch lasts at `now`: work that was let in before the last decrease may still fail for what is past.
    ///
    /// Nothing is lent for retries meanwhile. A law that has no epochs says no.
    fn is_recovering(&self, now: Timestamp) -> bool {
        let _ = now;
        false
    }

    /// Whether further ticks without any traffic would change nothing, so that the driver may sleep.
    fn is_settled(&self) -> bool {
        true
    }
}

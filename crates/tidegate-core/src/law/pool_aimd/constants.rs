//! The constants of the law. The reason for each value is in `docs/control-law.md`.

use std::time::Duration;

/// The length of the queue in front of the pool that is accepted, in connections held, is this over √connections:
/// a small pool needs a relatively longer queue to stay busy, since randomness averages out with the square root.
pub(super) const QUEUE_FACTOR: f64 = 4.0;
/// The accepted queue is never shorter than this share of the connections held…
pub(super) const TARGET_MIN: f64 = 0.25;
/// …and never longer than this multiple.
pub(super) const TARGET_MAX: f64 = 4.0;
/// The accepted pool wait is at most this share of the pool's acquire timeout.
pub(super) const TIMEOUT_SHARE: f64 = 0.05;

/// A mean wait of this share of the acquire timeout is acted on at the end of the first round that shows it.
pub(super) const THREAT_SHARE: f64 = 0.1;

/// A decrease leaves this share of the accepted queue standing.
pub(super) const KEEP: f64 = 0.75;
/// The largest decrease, as a factor of the limit.
pub(super) const BACKOFF_MIN: f64 = 0.5;
/// The largest decrease for a queue that does not near the timeout: what it wins is small, and who waits may be waiting for
/// several connections each, so that fewer calls are too many than acquires are.
pub(super) const BACKOFF_STANDING: f64 = 0.85;
/// The smallest decrease for pool wait, as a factor of the limit.
pub(super) const BACKOFF_MAX: f64 = 0.95;
/// The decrease when no connection was free for rounds; it makes limiters on one pool converge to equal shares.
pub(super) const BACKOFF_MILD: f64 = 0.97;
/// A mild decrease needs a wait of at least this share of the target.
pub(super) const MILD_WAIT: f64 = 0.4;
/// Below this utilisation a queue is no sign of too many calls: on average there were connections for all of them.
pub(super) const UTILISATION_BUSY: f64 = 0.9;
/// At or above this utilisation no connection counts as free.
pub(super) const UTILISATION_FULL: f64 = 0.985;
/// Weight of the newest round in the moving average of utilisation.
pub(super) const UTILISATION_WEIGHT: f64 = 0.2;

/// Below this utilisation the limit jumps to where it would be reached.
pub(super) const UTILISATION_GOAL: f64 = 0.95;
/// The largest jump of one round, as a factor of the limit.
pub(super) const JUMP_MAX: f64 = 8.0;
/// The additive increase of one round: permits…
pub(super) const INCREASE: f64 = 1.0;
/// …or this share of the limit, whichever is more.
pub(super) const INCREASE_SHARE: f64 = 0.02;
/// The limit only grows when the mean in-flight count was at least this share of it.
pub(super) const BOUND_SHARE: f64 = 0.5;

/// While an acquire has waited for this share of the acquire timeout, nobody new is admitted, and the limit shrinks at once.
pub(super) const BRAKE_SHARE: f64 = 0.25;

/// The part of a round's acquires that is not measured, because it still shows the previous limit.
pub(super) const SKIP: f64 = 0.5;
/// The fewest acquires a round may be decided on.
pub(super) const ROUND_MIN: f64 = 10.0;

/// A round measures for at least as long as a call holds its permit, so that calls in step with each other are seen
/// thinking as well as queueing; but it does not wait longer than this for it.
pub(super) const SPAN_MAX: f64 = 0.5;

/// An unproven limit halves in this time.
pub(super) const HALF_LIFE: Duration = Duration::from_secs(5);
/// It fades in steps of this length, so that each step is a decision worth telling.
pub(super) const FADE_STEP: Duration = Duration::from_secs(1);
/// After a shrink for timeouts, no other one for at least this long…
pub(super) const EPOCH_MIN: Duration = Duration::from_millis(100);
/// …and at most this long; in between, for the mean time of a call.
pub(super) const EPOCH_MAX: Duration = Duration::from_secs(1);
/// The mean time of a call is taken over this many turns of the calls in flight, so that calls in step do not make it swing.
pub(super) const RESIDENCE_TURNS: f64 = 2.0;

/// The limit never exceeds this many times the pool's size.
pub(super) const POOL_MULTIPLE: f64 = 100.0;

/// A call that was given up on is old at this many times the mean time of a call…
pub(super) const ABANDONED_OLD: f64 = 5.0;
/// …and never below this age, which is a few looks of the driver.
pub(super) const ABANDONED_MIN: Duration = Duration::from_millis(100);
/// Old calls given up on are a loss when they are this share of the calls that ended over the last turns, so that in a
/// database that works a kind of call whose callers often give up cannot hold the limit down…
pub(super) const ABANDONED_SHARE: f64 = 0.25;
/// …and at least so many: one caller may have reasons of its own.
pub(super) const ABANDONED_LEAST: f64 = 2.0;

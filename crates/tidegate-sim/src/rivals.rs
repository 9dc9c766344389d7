//! The laws of others, written from their published formulas and constants.
//!
//! A rival is driven as its authors drive it: by the start and the end of each call, and by the clock. Only the law is
//! theirs: permits and queue are the real limiter's, so what differs between two runs is the law and nothing else. A system
//! that refuses calls above its limit at home lets them wait here, as every law does.
//!
//! Bounds and starting points are set in their favour where they are not part of the law: 1 to [`LIMIT_MAX`] permits.

mod aimd;
mod bbr_like;
mod congestion_limiter_aimd;
mod correlation;
mod envoy_gradient;
mod failsafe_go;
mod gradient2;
mod heiss_wagner_parabola;
mod heiss_wagner_steps;
mod interval;
mod netflix_aimd;
mod opensearch_go;
mod pool_wait_aimd;
mod smooth;
mod tower_resilience_aimd;
mod userver;
mod vector_arc;
mod vegas;

use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidegate_core::{ControlLaw, Decision, Evidence, Outcome, Reason, Timestamp};

use self::bbr_like::BbrLike;
use self::congestion_limiter_aimd::CongestionLimiterAimd;
use self::envoy_gradient::EnvoyGradient;
use self::failsafe_go::FailsafeGo;
use self::gradient2::Gradient2;
use self::heiss_wagner_parabola::HeissWagnerParabola;
use self::heiss_wagner_steps::HeissWagnerSteps;
use self::netflix_aimd::NetflixAimd;
use self::opensearch_go::OpensearchGo;
use self::pool_wait_aimd::PoolWaitAimd;
use self::tower_resilience_aimd::TowerResilienceAimd;
use self::userver::Userver;
use self::vector_arc::VectorArc;
use self::vegas::Vegas;

/// The highest limit of a rival, in permits.
pub(crate) const LIMIT_MAX: f64 = 1_000.0;

/// The rivals by name, each made from a seed for what it draws at random.
pub(crate) const RIVALS: [(&str, MakeRival); 14] = [
    ("bbr_like", |_| Box::new(BbrLike::new())),
    ("congestion_limiter_aimd", |_| Box::new(CongestionLimiterAimd::new())),
    ("envoy_gradient", |seed| Box::new(EnvoyGradient::new(seed))),
    ("failsafe_go", |_| Box::new(FailsafeGo::new())),
    ("gradient2", |_| Box::new(Gradient2::new())),
    ("heiss_wagner_parabola", |_| Box::new(HeissWagnerParabola::new())),
    ("heiss_wagner_steps", |_| Box::new(HeissWagnerSteps::new())),
    ("netflix_aimd", |_| Box::new(NetflixAimd::new())),
    ("opensearch_go", |_| Box::new(OpensearchGo::new())),
    ("pool_wait_aimd", |_| Box::new(PoolWaitAimd::new())),
    ("tower_resilience_aimd", |_| Box::new(TowerResilienceAimd::new())),
    ("userver", |_| Box::new(Userver::new())),
    ("vector_arc", |_| Box::new(VectorArc::new())),
    ("vegas", |seed| Box::new(Vegas::new(seed))),
];

pub(crate) type MakeRival = fn(u64) -> Box<dyn Rival>;

/// A law as its authors drive it.
pub(crate) trait Rival: Debug + Send {
    /// The limit in force, in permits; at least 1.
    fn limit(&self) -> u32;

    /// A call was admitted at `now`; with it, `in_flight` permits are out.
    fn admitted(&mut self, now: Timestamp, in_flight: u32) {
        let _ = (now, in_flight);
    }

    /// A call has ended; its permit goes back after this.
    fn ended(&mut self, call: &EndedCall) {
        let _ = call;
    }

    /// The clock: at least every 100 ms, with what happened since the previous time. The spans are not equal.
    fn elapsed(&mut self, now: Timestamp, evidence: &Evidence) {
        let _ = (now, evidence);
    }
}

/// What a law gets to know of a call that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndedCall {
    /// When it ended.
    pub(crate) now: Timestamp,
    /// How long its permit was out.
    pub(crate) latency: Duration,
    /// Permits out when it was admitted, its own included.
    pub(crate) in_flight_at_start: u32,
    /// Permits out when it ended, its own included.
    pub(crate) in_flight_at_end: u32,
    /// How it ended.
    pub(crate) outcome: Outcome,
}

/// A rival between the world, which tells it of calls, and the limiter, which asks it for the limit.
#[derive(Clone, Debug)]
pub(crate) struct RivalLaw(Arc<Mutex<Seat>>);

#[derive(Debug)]
struct Seat {
    rival: Box<dyn Rival>,
    /// The limit that the limiter was last told.
    told: u32,
}

impl RivalLaw {
    pub(crate) fn new(rival: Box<dyn Rival>) -> Self {
        let told = rival.limit();
        Self(Arc::new(Mutex::new(Seat { rival, told })))
    }

    /// Tells the rival of a call that was admitted.
    pub(crate) fn admitted(&self, now: Timestamp, in_flight: u32) {
        self.seat().rival.admitted(now, in_flight);
    }

    /// Tells the rival of a call that has ended; whether it has another limit now, so that the driver has to tick before the
    /// permit goes back.
    #[must_use]
    pub(crate) fn ended(&self, call: &EndedCall) -> bool {
        let mut seat = self.seat();
        seat.rival.ended(call);
        seat.rival.limit() != seat.told
    }

    fn seat(&self) -> MutexGuard<'_, Seat> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ControlLaw for RivalLaw {
    fn limit(&self) -> u32 {
        self.seat().rival.limit()
    }

    fn tick(&mut self, now: Timestamp, evidence: &Evidence) -> Decision {
        let mut seat = self.seat();
        seat.rival.elapsed(now, evidence);
        let to = seat.rival.limit();
        let from = std::mem::replace(&mut seat.told, to);
        // A rival does not say why; what counts here is that it was not our law.
        Decision::new(from, to, Reason::Configured)
    }
}

/// A limit that a law keeps as a fraction, in whole permits as its authors cut it: towards zero.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
pub(crate) fn whole(limit: f64) -> u32 {
    limit as u32
}

/// ⌊log₁₀ limit⌋, at least 1: the step of Netflix' Vegas and of failsafe-go.
pub(crate) fn log_step(limit: f64) -> f64 {
    f64::from(whole(limit).checked_ilog10().unwrap_or(0)).max(1.0)
}

#[cfg(test)]
mod tests {
    use tidegate_core::{MAX_LIMIT, PoolEvidence};

    use super::*;

    /// A call of `ms` that ended at `at_ms` with the same number of permits out from its start to its end.
    pub(super) fn call(at_ms: u64, ms: u64, in_flight: u32, outcome: Outcome) -> EndedCall {
        EndedCall {
            now: Timestamp::from_millis(at_ms),
            latency: Duration::from_millis(ms),
            in_flight_at_start: in_flight,
            in_flight_at_end: in_flight,
            outcome,
        }
    }

    /// After each of the calls the law has the limit beside it.
    #[track_caller]
    pub(super) fn by_hand<const N: usize>(mut law: impl Rival, rows: [(EndedCall, u32); N]) {
        for (step, (call, limit)) in (1..).zip(rows) {
            law.ended(&call);
            assert_eq!(law.limit(), limit, "row {step}, {call:?}");
        }
    }

    /// What the pool saw of its acquires: how many were granted and timed out, and how long all of them took together.
    pub(super) fn evidence(grants: u64, losses: u64, wait_ms: u64, held_back: bool) -> Evidence {
        let mut pool = PoolEvidence::default();
        (pool.activity.grants, pool.activity.timeouts) = (grants, losses);
        pool.activity.wait = Duration::from_millis(wait_ms);
        let mut evidence = Evidence::default();
        evidence.demand.held_back = held_back;
        evidence.pool = Some(pool);
        evidence
    }

    #[test]
    fn every_rival_begins_within_its_bounds_and_has_its_own_name() {
        let mut names: Vec<&str> = RIVALS.iter().map(|(name, _)| *name).collect();
        for (name, make) in RIVALS {
            assert!(make(1).limit() >= 1, "{name}");
        }
        names.dedup();
        assert_eq!(names.len(), RIVALS.len());
    }

    #[test]
    fn every_rival_is_in_the_documentation_and_nobody_else() {
        let page = include_str!("../../../docs/rivals.md");
        let documented: Vec<&str> =
            page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
        let names: Vec<&str> = RIVALS.iter().map(|(name, _)| *name).collect();
        assert_eq!(documented, names);
    }

    /// Whatever comes, a limit of 0 would let nobody in for ever, and nothing would end to raise it.
    #[test]
    fn no_rival_falls_below_one_or_rises_without_bound() {
        for (name, make) in RIVALS {
            for outcome in [Outcome::Overload, Outcome::Success, Outcome::Ignored] {
                let mut rival = make(1);
                let (grants, losses) =
                    (u64::from(outcome == Outcome::Success), u64::from(outcome == Outcome::Overload));
                let evidence = evidence(grants, losses, 0, true);
                for step in 1..=20_000 {
                    rival.admitted(Timestamp::from_millis(step * 10 - 9), rival.limit());
                    rival.ended(&call(step * 10, 1 + step % 50, rival.limit(), outcome));
                    rival.elapsed(Timestamp::from_millis(step * 10), &evidence);
                    let limit = rival.limit();
                    assert!((1..=MAX_LIMIT).contains(&limit), "{name}: {limit}");
                }
            }
        }
    }

    #[test]
    fn the_step_is_the_whole_logarithm_and_never_less_than_one() {
        for (limit, step) in [(1.0, 1.0), (9.0, 1.0), (99.9, 1.0), (100.0, 2.0), (999.0, 2.0), (1_000.0, 3.0)]
        {
            assert!((log_step(limit) - step).abs() < f64::EPSILON, "{limit}");
        }
    }
}

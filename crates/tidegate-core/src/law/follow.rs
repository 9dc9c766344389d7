//! The law of a tier above: its limit follows the limit of the tier below.

mod config;

pub use config::FollowConfig;

use crate::{Bound, ConfigError, ControlLaw, Decision, Evidence, Reason, Terms, Timestamp};

/// The law that follows another limiter: ⌊its limit / [`experts_per_job`](FollowConfig::experts_per_job)⌋, at least 1 and at
/// most [`max_limit`](FollowConfig::max_limit).
///
/// For a limiter in front of jobs whose experts are held by a limiter of their own: a job beyond that number could only hold a
/// place, and its row of the job queue, while no expert of it runs. It looks at nothing but [`Evidence::leader`], has no memory,
/// and so never lags.
///
/// ```
/// use tidegate_core::{ControlLaw, Evidence, Follow, FollowConfig, Timestamp};
///
/// let mut law = Follow::new(FollowConfig::default().experts_per_job(2), 11)?;
/// assert_eq!(law.limit(), 5);
///
/// let mut evidence = Evidence::default();
/// evidence.leader = Some(4);
/// let decision = law.tick(Timestamp::from_millis(100), &evidence);
/// assert_eq!(decision.to_string(), "limit 5 → 2: it follows another limiter, whose limit is 4");
/// # Ok::<(), tidegate_core::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Follow {
    config: FollowConfig,
    /// The limit that is followed, as it was last heard of.
    leader: u32,
}

impl Follow {
    /// A law that follows a limiter whose limit is `leader` now.
    ///
    /// # Errors
    ///
    /// If a setting is outside its range; all of them are named.
    pub fn new(config: FollowConfig, leader: u32) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self { config, leader })
    }

    const fn jobs(&self) -> (u32, Bound) {
        match self.leader / self.config.experts_per_job {
            0 => (1, Bound::Min),
            jobs if jobs > self.config.max_limit => (self.config.max_limit, Bound::Max),
            jobs => (jobs, Bound::None),
        }
    }
}

impl ControlLaw for Follow {
    fn limit(&self) -> u32 {
        self.jobs().0
    }

    /// Where the evidence names no leader the limit stays.
    fn tick(&mut self, _now: Timestamp, evidence: &Evidence) -> Decision {
        let from = self.limit();
        self.leader = evidence.leader.unwrap_or(self.leader);
        let (to, bound) = self.jobs();
        let terms = Some(Terms { leader_limit: self.leader, ..Terms::default() });
        Decision { from, to, reason: Reason::Followed, bound, terms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MAX_LIMIT;

    #[track_caller]
    fn check(experts_per_job: u32, max_limit: u32, leader: u32, limit: u32, bound: Bound) {
        let config = FollowConfig::default().experts_per_job(experts_per_job).max_limit(max_limit);
        assert_eq!(Follow::new(config, leader).unwrap().limit(), limit);
        // The same comes of it whatever was followed before.
        let mut law = Follow::new(config, 7).unwrap();
        let from = law.limit();
        let evidence = Evidence { leader: Some(leader), ..Evidence::default() };
        let decision = law.tick(Timestamp::default(), &evidence);
        assert_eq!((decision.from, decision.to, decision.bound), (from, limit, bound));
        assert_eq!((law.limit(), decision.reason), (limit, Reason::Followed));
        assert_eq!(decision.terms.unwrap().leader_limit, leader);
    }

    #[test]
    fn the_limit_is_the_whole_number_of_jobs_that_each_have_their_experts() {
        check(1, 100, 20, 20, Bound::None);
        check(2, 100, 20, 10, Bound::None);
        check(2, 100, 21, 10, Bound::None);
        check(11, 100, 22, 2, Bound::None);
        check(11, 100, 21, 1, Bound::None);
    }

    #[test]
    fn one_job_is_always_admitted_and_never_more_than_configured() {
        check(11, 100, 10, 1, Bound::Min);
        check(MAX_LIMIT, 1, 0, 1, Bound::Min);
        check(1, 5, 5, 5, Bound::None);
        check(1, 5, 6, 5, Bound::Max);
        check(1, MAX_LIMIT, u32::MAX, MAX_LIMIT, Bound::Max);
    }

    #[test]
    fn without_a_word_of_the_leader_it_stays_where_it_is_and_a_limit_set_by_hand_is_none() {
        let mut law = Follow::new(FollowConfig::default(), 9).unwrap();
        assert_eq!(law.tick(Timestamp::default(), &Evidence::default()).to, 4);
        law.set_limit(Timestamp::default(), 50);
        assert_eq!(law.limit(), 4);
    }

    #[test]
    fn settings_outside_their_range_make_no_law() {
        let fault = Follow::new(FollowConfig::default().max_limit(0), 9).unwrap_err();
        assert_eq!(fault.to_string(), "max_limit is 0, allowed is 1 to 1048575");
    }
}

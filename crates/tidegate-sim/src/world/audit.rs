//! What must hold in every run, whatever the scenario.

use super::World;
use super::calls::CallState;
use super::experts::Admission;
use crate::SimError;

/// Counts and times taken per expert and per call, to be compared with the areas under the gauges.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) experts_asked: u64,
    pub(super) experts_admitted: u64,
    pub(super) experts_done: u64,
    pub(super) experts_failed: u64,
    pub(super) experts_dropped: u64,
    pub(super) queue_time: u128,
    pub(super) permit_time: u128,
    pub(super) pool_wait: u128,
    pub(super) use_time: u128,
}

impl World<'_> {
    /// A permit was just given: that must not have been above the limit.
    pub(super) fn check_admission(&self) -> Result<(), SimError> {
        let seen = self.limiter.snapshot();
        if seen.in_flight <= seen.limit {
            return Ok(());
        }
        Err(SimError::new(format_args!("at {} ns a permit was given above the limit: {seen:?}", self.now)))
    }

    /// At the end of the run: nothing was lost, nothing came twice, and Little's law holds to the nanosecond.
    pub(super) fn audit(&mut self) -> Result<(), SimError> {
        self.audit_counts()?;
        self.count_unfinished();
        let (areas, tally) = (self.ledgers[0].areas, &self.tally);
        let laws = [
            ("queued", areas.queued, tally.queue_time),
            ("in flight", areas.in_flight, tally.permit_time),
            ("pending", areas.pending, tally.pool_wait),
            ("held", areas.held, tally.use_time),
        ];
        for (what, area, times) in laws {
            if area != times {
                return Err(SimError::new(format_args!(
                    "Little's law is broken for those {what}: area {area} ns, times {times} ns"
                )));
            }
        }
        Ok(())
    }

    fn audit_counts(&self) -> Result<(), SimError> {
        let tally = &self.tally;
        let admitted = |admission: &Admission| matches!(admission, Admission::Admitted { .. });
        let in_flight = self.experts.values().filter(|expert| admitted(&expert.admission)).count() as u64;
        let queued = self.experts.values().count() as u64 - in_flight;
        let running = |state: &CallState| matches!(state, CallState::Running { .. });
        let running = self.calls.values().filter(|call| running(&call.state)).count();
        let held = |state: &CallState| matches!(state, CallState::Running { .. } | CallState::Idle { .. });
        let held = self.calls.values().filter(|call| held(&call.state)).count() as u64;
        let seen = self.limiter.snapshot();
        let adds_up = tally.experts_asked == tally.experts_admitted + tally.experts_dropped + queued
            && tally.experts_admitted == tally.experts_done + tally.experts_failed + in_flight
            && u64::from(seen.in_flight) == in_flight
            && u64::from(seen.queued) == queued
            && self.database.running() == running
            && u64::from(self.pool.held()) == held
            && u64::from(self.pool.held() + self.pool.pending()) == self.calls.values().count() as u64;
        if !adds_up {
            return Err(SimError::new(format_args!(
                "the counts do not add up: {tally:?}, {seen:?}, {in_flight} in flight, {queued} queued, {held} held"
            )));
        }
        self.pool.imbalance().map_or(Ok(()), |fault| Err(SimError::new(fault)))
    }

    /// Adds the time so far of whatever has not ended.
    fn count_unfinished(&mut self) {
        for expert in self.experts.values() {
            match expert.admission {
                Admission::Waiting { .. } => self.tally.queue_time += u128::from(self.now - expert.asked_at),
                Admission::Admitted { at, .. } => self.tally.permit_time += u128::from(self.now - at),
            }
        }
        for call in self.calls.values() {
            match call.state {
                CallState::InLine | CallState::Opening => {
                    self.tally.pool_wait += u128::from(self.now - call.asked_at);
                }
                CallState::Running { granted_at } | CallState::Idle { granted_at } => {
                    self.tally.use_time += u128::from(self.now - granted_at);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tidegate_core::{ControlLaw, Decision, Evidence, Reason, Timestamp};

    use super::*;
    use crate::{Policy, Scenario};

    fn scenario() -> Scenario {
        let toml = r#"
            name = "audited"
            about = "calls of every kind, some of them unfinished at the end"
            seeds = [1]
            duration_s = 5
            load = { jobs = 12, experts = 11, queries = 2, mode = "parallel", think = { mean_ms = 10 } }
            pool = { max = 5, acquire_timeout_ms = 300 }
            database = { query = { mean_ms = 40 } }
        "#;
        Scenario::parse(toml).unwrap()
    }

    /// What the audit says of a run that was tampered with before it.
    #[track_caller]
    fn check(tamper: impl FnOnce(&mut World<'_>), fault: Option<&str>) {
        let scenario = scenario();
        let mut world = World::new(&scenario, &Policy::none(), 1).unwrap();
        world.play_events().unwrap();
        assert!(world.tally.experts_failed > 0 && world.tally.experts_done > 0, "{:?}", world.tally);
        assert!(world.gauges.pending > 0 && world.gauges.held > 0, "{:?}", world.gauges);
        tamper(&mut world);
        let found = world.audit().err().map(|error| error.to_string());
        match fault {
            None => assert_eq!(found, None),
            Some(fault) => assert!(found.as_ref().is_some_and(|found| found.contains(fault)), "{found:?}"),
        }
    }

    #[test]
    fn a_nanosecond_or_a_call_too_many_is_found() {
        check(|_| (), None);
        check(|world| world.tally.queue_time += 1, Some("queued"));
        check(|world| world.tally.permit_time += 1, Some("in flight"));
        check(|world| world.tally.pool_wait += 1, Some("pending"));
        check(|world| world.tally.use_time += 1, Some("held"));
        check(|world| world.tally.experts_done += 1, Some("counts do not add up"));
        check(|world| world.tally.experts_dropped += 1, Some("counts do not add up"));
        check(
            |world| {
                world.pool.release(world.now, 0);
            },
            Some("counts do not add up"),
        );
    }

    #[test]
    fn a_permit_that_nobody_was_given_is_found() {
        let scenario = scenario();
        let mut world = World::new(&scenario, &Policy::none(), 1).unwrap();
        world.play_events().unwrap();
        let stray = world.limiter.try_acquire();
        assert!(stray.is_ok());
        assert!(world.audit().unwrap_err().to_string().contains("counts do not add up"));
    }

    /// Lets ten in and then falls to one.
    #[derive(Debug)]
    struct Falling(u32);

    impl ControlLaw for Falling {
        fn limit(&self) -> u32 {
            self.0
        }

        fn tick(&mut self, _now: Timestamp, _evidence: &Evidence) -> Decision {
            let from = std::mem::replace(&mut self.0, 1);
            Decision::new(from, 1, Reason::Configured)
        }
    }

    #[test]
    fn a_permit_above_the_limit_would_be_found() {
        let mut scenario = scenario();
        scenario.duration_s = 0.12;
        scenario.database.query.mean_ms = 10_000.0;
        let mut world = World::new(&scenario, &Policy::law("falling", || Falling(10)), 1).unwrap();
        world.play_events().unwrap();
        assert!(world.gauges.in_flight > world.gauges.limit);
        assert!(world.check_admission().is_err());
        assert!(world.audit().is_ok(), "permits given before the limit fell are no fault");
    }
}

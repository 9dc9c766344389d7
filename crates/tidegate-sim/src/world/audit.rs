//! What must hold in every run, whatever the scenario.

use super::World;
use super::calls::{CallState, User};
use super::experts::Admission;
use super::process::{Gauges, Process};
use crate::SimError;

/// Counts and times taken per expert and per call of a process, to be compared with the areas under its gauges.
#[derive(Clone, Debug, Default)]
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
    pub(super) fn check_admission(&self, process: usize) -> Result<(), SimError> {
        let seen = self.processes[process].limiter.snapshot();
        if seen.in_flight <= seen.limit {
            return Ok(());
        }
        Err(SimError::new(format_args!("at {} ns a permit was given above the limit: {seen:?}", self.now)))
    }

    /// At the end of the run: nothing was lost, nothing came twice, and Little's law holds to the nanosecond, in every
    /// process.
    pub(super) fn audit(&mut self) -> Result<(), SimError> {
        // What has not ended, of each process and in front of each pool.
        let mut processes = vec![Gauges::default(); self.processes.len()];
        let mut pools = vec![Gauges::default(); self.pools.len()];
        self.count_experts(&mut processes);
        let running = self.count_calls(&mut processes, &mut pools);
        for (index, (process, unfinished)) in self.processes.iter_mut().zip(&processes).enumerate() {
            let named = |fault| SimError::new(format_args!("process {index}: {fault}"));
            process.read_gauges(self.now);
            process.audit_counts(unfinished).map_err(named)?;
            process.audit_times().map_err(named)?;
        }
        for (pool, Gauges { held, pending, .. }) in self.pools.iter().zip(&pools) {
            pool.imbalance(*held, *pending).map_or(Ok(()), |fault| Err(SimError::new(fault)))?;
        }
        if self.database.running() == running {
            return Ok(());
        }
        let found = self.database.running();
        Err(SimError::new(format_args!(
            "the counts do not add up: {found} queries in the database, {running} calls run"
        )))
    }

    /// Counts the experts that have not ended, and adds their time so far.
    fn count_experts(&mut self, processes: &mut [Gauges]) {
        for expert in self.experts.values() {
            let (unfinished, tally) =
                (&mut processes[expert.process], &mut self.processes[expert.process].tally);
            match expert.admission {
                Admission::Waiting { .. } => {
                    unfinished.queued += 1;
                    tally.queue_time += u128::from(self.now - expert.asked_at);
                }
                Admission::Admitted { at, .. } => {
                    unfinished.in_flight += 1;
                    tally.permit_time += u128::from(self.now - at);
                }
            }
        }
    }

    /// Counts the calls that have not ended, and adds their time so far; how many of them run a query.
    fn count_calls(&mut self, processes: &mut [Gauges], pools: &mut [Gauges]) -> usize {
        let mut running = 0;
        for call in self.calls.values() {
            running += usize::from(matches!(call.state, CallState::Running { .. }));
            if !matches!(call.state, CallState::AtGate(_)) {
                pools[call.pool].count(call.state);
            }
            let User::Expert { process, .. } = call.user else { continue };
            processes[process].count(call.state);
            let tally = &mut self.processes[process].tally;
            match call.state {
                CallState::AtGate(_) | CallState::InLine | CallState::Opening => {
                    tally.pool_wait += u128::from(self.now - call.asked_at);
                }
                CallState::Running { granted_at } | CallState::Idle { granted_at } => {
                    tally.use_time += u128::from(self.now - granted_at);
                }
            }
        }
        running
    }
}

impl Gauges {
    const fn count(&mut self, state: CallState) {
        match state {
            CallState::AtGate(_) | CallState::InLine | CallState::Opening => self.pending += 1,
            CallState::Running { .. } | CallState::Idle { .. } => self.held += 1,
        }
    }
}

impl Process {
    /// Holds the counts, and the gauges as they were just read, against what was found unfinished.
    fn audit_counts(&self, unfinished: &Gauges) -> Result<(), SimError> {
        let Gauges { queued, in_flight, .. } = *unfinished;
        let (tally, limit) = (&self.tally, self.limiter.snapshot().limit);
        let adds_up = tally.experts_asked
            == tally.experts_admitted + tally.experts_dropped + u64::from(queued)
            && tally.experts_admitted == tally.experts_done + tally.experts_failed + u64::from(in_flight)
            && self.gauges == *unfinished
            && self.meter.adds_up()
            && self.limits.last().is_some_and(|last| last.limit == limit);
        if adds_up {
            return Ok(());
        }
        Err(SimError::new(format_args!(
            "the counts do not add up: {tally:?}, limit {limit}, {:?}, found {unfinished:?}, {:?}",
            self.gauges, self.meter
        )))
    }

    fn audit_times(&self) -> Result<(), SimError> {
        let (areas, tally) = (self.areas, &self.tally);
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
            processes = 2
            load = { jobs = 6, experts = 11, queries = 2, mode = "parallel", think = { mean_ms = 10 } }
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
        assert!(
            world
                .processes
                .iter()
                .all(|process| process.tally.experts_failed > 0 && process.tally.experts_done > 0)
        );
        assert!(world.processes.iter().all(|process| process.gauges.pending > 0 && process.gauges.held > 0));
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
        check(|world| world.processes[1].tally.queue_time += 1, Some("queued"));
        check(|world| world.processes[1].tally.permit_time += 1, Some("in flight"));
        check(|world| world.processes[1].tally.pool_wait += 1, Some("pending"));
        check(|world| world.processes[1].tally.use_time += 1, Some("held"));
        check(|world| world.processes[1].tally.experts_done += 1, Some("counts do not add up"));
        check(
            |world| world.processes[1].tally.experts_dropped += 1,
            Some("process 1: the counts do not add up"),
        );
        check(|world| world.processes[0].limits.truncate(0), Some("process 0: the counts do not add up"));
        check(
            |world| {
                world.pools[0].release();
            },
            Some("counts do not add up"),
        );
    }

    #[test]
    fn a_permit_that_nobody_was_given_is_found() {
        let scenario = scenario();
        let mut world = World::new(&scenario, &Policy::none(), 1).unwrap();
        world.play_events().unwrap();
        let stray = world.processes[0].limiter.try_acquire();
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
        assert!(world.processes[0].gauges.in_flight > 1);
        assert!(world.check_admission(0).is_err());
        assert!(world.audit().is_ok(), "permits given before the limit fell are no fault");
    }
}

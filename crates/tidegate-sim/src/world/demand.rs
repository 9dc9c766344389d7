//! When jobs start: in slots, by themselves, again after a failure, and as the demand changes.

use fastrand::Rng;

use super::jobs::Origin;
use super::{Event, World};
use crate::num::{Nanos, nanos};
use crate::random::{Distribution, Span};
use crate::scenario::{Load, LoadChange};

/// What one process is asked for.
pub(super) struct Demand {
    slots: Vec<Slot>,
    /// How many of the slots, from the first on, start jobs.
    jobs: u32,
    arrivals_per_s: f64,
    arrivals: Rng,
    /// The arrival that counts; those planned before a change of the rate do not.
    arrival_plan: u64,
    retries: Rng,
}

struct Slot {
    /// A source of randomness of its own, so that a slot's n-th job is the same under every policy.
    rng: Rng,
    /// Whether a job of the slot is under way or planned.
    is_busy: bool,
}

impl Demand {
    pub(super) fn new(load: &Load, rng: &mut Rng) -> Self {
        let slot = |index| Slot { rng: rng.fork(), is_busy: index < load.jobs };
        Self {
            slots: (0..load.jobs_max()).map(slot).collect(),
            jobs: load.jobs,
            arrivals_per_s: load.arrivals_per_s,
            arrivals: rng.fork(),
            arrival_plan: 0,
            retries: rng.fork(),
        }
    }
}

impl World<'_> {
    pub(super) fn plan_first_jobs(&mut self, process: usize) {
        for slot in 0..self.processes[process].demand.jobs as usize {
            self.agenda.plan(0, Event::StartJob { process, slot });
        }
        self.plan_arrival(process);
    }

    /// The slot starts its next job, or waits for the next burst, or falls silent.
    pub(super) fn start_in_slot(&mut self, process: usize, slot: usize) {
        let next_burst = self.next_burst();
        let demand = &mut self.processes[process].demand;
        if slot >= demand.jobs as usize {
            demand.slots[slot].is_busy = false;
        } else if let Some(at) = next_burst {
            self.agenda.plan(at, Event::StartJob { process, slot });
        } else {
            let rng = demand.slots[slot].rng.fork();
            self.start_job(process, Origin::Slot(slot), rng);
        }
    }

    /// Plans the recorded job of this number, if there is one.
    pub(super) fn plan_recorded(&mut self, number: usize) {
        if let Some(recorded) = self.scenario.load.recorded.get(number) {
            self.agenda.plan(recorded.at, Event::Recorded(number));
        }
    }

    /// A recorded job comes, in the first process: a trace is one's.
    pub(super) fn recorded(&mut self, number: usize) {
        let rng = self.processes[0].demand.arrivals.fork();
        self.start_job(0, Origin::Recorded(number), rng);
        self.plan_recorded(number + 1);
    }

    fn plan_arrival(&mut self, process: usize) {
        let demand = &mut self.processes[process].demand;
        if demand.arrivals_per_s <= 0.0 {
            return;
        }
        let gap = Span { mean_ms: 1e3 / demand.arrivals_per_s, distribution: Distribution::Exponential };
        let at = self.now.saturating_add(gap.nanos(&mut demand.arrivals));
        self.agenda.plan(at, Event::Arrive { process, plan: demand.arrival_plan });
    }

    /// A job comes by itself, unless it was planned at a rate of the past; in a pause between bursts it stays away.
    pub(super) fn arrive(&mut self, process: usize, plan: u64) {
        let demand = &mut self.processes[process].demand;
        if plan != demand.arrival_plan {
            return;
        }
        let rng = demand.arrivals.fork();
        if self.next_burst().is_none() {
            self.start_job(process, Origin::Arrival, rng);
        }
        self.plan_arrival(process);
    }

    /// A job that came by itself and failed is tried again.
    pub(super) fn retry(&mut self, process: usize) {
        let rng = self.processes[process].demand.retries.fork();
        self.start_job(process, Origin::Arrival, rng);
    }

    /// When the next burst begins, if none is on.
    fn next_burst(&self) -> Option<Nanos> {
        let bursts = self.scenario.load.bursts?;
        let (on, off) = (nanos(bursts.on_ms / 1e3), nanos(bursts.off_ms / 1e3));
        let since_start = self.now % (on + off);
        (since_start >= on).then(|| self.now - since_start + on + off)
    }

    pub(super) fn change_load(&mut self, change: &LoadChange) {
        let concerns = |process: usize| change.process.is_none_or(|only| only as usize == process);
        for process in (0..self.processes.len()).filter(|process| concerns(*process)) {
            let demand = &mut self.processes[process].demand;
            if let Some(jobs) = change.jobs {
                demand.jobs = jobs;
                for (slot, state) in demand.slots.iter_mut().take(jobs as usize).enumerate() {
                    if !state.is_busy {
                        state.is_busy = true;
                        self.agenda.plan(self.now, Event::StartJob { process, slot });
                    }
                }
            }
            if let Some(rate) = change.arrivals_per_s {
                demand.arrivals_per_s = rate;
                demand.arrival_plan += 1;
                self.plan_arrival(process);
            }
        }
    }
}

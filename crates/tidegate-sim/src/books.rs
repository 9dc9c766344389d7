use std::time::Duration;

use crate::goodput::Goodput;
use crate::ledger::{Beside, Ledger, Totals};
use crate::limits;
use crate::num::{Nanos, nanos, seconds};
use crate::report::{Figures, LimitChange, ProcessReport};
use crate::{Report, Scenario};

/// Everything that is measured in a run.
#[derive(Clone, Debug)]
pub(crate) struct Books {
    /// The whole run first, then the phases, then the spans that expectations name.
    ledgers: Vec<Ledger>,
    phases: usize,
    goodput: Goodput,
}

impl Books {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let end = nanos(scenario.duration_s);
        let phases = scenario.phases();
        let windows = scenario.expectations.iter().filter_map(|expectation| expectation.during_s);
        let spans = phases.iter().copied().chain(windows);
        let ledgers = spans.map(|[from, to]| Ledger::new(nanos(from), nanos(to)));
        Self {
            ledgers: std::iter::once(Ledger::new(0, end)).chain(ledgers).collect(),
            phases: phases.len(),
            goodput: Goodput::new(scenario.processes as usize, end),
        }
    }

    pub(crate) fn pass(&mut self, since: Nanos, now: Nanos, totals: &Totals) {
        if since < now {
            for ledger in &mut self.ledgers {
                ledger.pass(since, now, totals);
            }
        }
    }

    pub(crate) fn pool_wait(&mut self, now: Nanos, wait: Nanos, timed_out: bool) {
        for ledger in &mut self.ledgers {
            ledger.pool_wait(now, wait, timed_out);
        }
    }

    pub(crate) fn deadlock(&mut self, now: Nanos) {
        for ledger in &mut self.ledgers {
            ledger.deadlock(now);
        }
    }

    pub(crate) fn expert_given_up(&mut self, now: Nanos) {
        for ledger in &mut self.ledgers {
            ledger.expert_given_up(now);
        }
    }

    /// `counts` says whether the expert's job has not failed so far.
    pub(crate) fn expert_done(&mut self, process: usize, now: Nanos, time: Nanos, counts: bool) {
        if counts {
            self.goodput.add(process, now);
        }
        for ledger in &mut self.ledgers {
            ledger.expert_done(now, time, counts);
        }
    }

    /// `experts_done` are the moments at which experts of the job were done: now it turns out that it was in vain.
    pub(crate) fn job_failed(&mut self, process: usize, now: Nanos, experts_done: &[Nanos]) {
        for &moment in experts_done {
            self.goodput.take_back(process, moment);
        }
        for ledger in &mut self.ledgers {
            ledger.job_failed(now, experts_done);
        }
    }

    pub(crate) fn job_done(&mut self, now: Nanos) {
        for ledger in &mut self.ledgers {
            ledger.job_done(now);
        }
    }

    /// `limits` are those of each process.
    pub(crate) fn report(
        &self,
        policy: &str,
        seed: u64,
        events: u64,
        limits: Vec<Vec<LimitChange>>,
    ) -> Report {
        let figures = |ledger: &Ledger| self.figures(ledger, &limits);
        let whole = &self.ledgers[0];
        let (phases, windows) = self.ledgers[1..].split_at(self.phases);
        let (from, to) = whole.span();
        let goodput = |process| {
            f64::from(u32::try_from(self.goodput.total(process)).unwrap_or(u32::MAX)) / seconds(to - from)
        };
        Report {
            policy: policy.to_owned(),
            seed,
            whole: figures(whole),
            phases: phases.iter().map(figures).collect(),
            windows: windows.iter().map(figures).collect(),
            goodput_bins: self.goodput.bins().to_vec(),
            processes: limits
                .into_iter()
                .enumerate()
                .map(|(process, limits)| ProcessReport { goodput: goodput(process), limits })
                .collect(),
            events,
        }
    }

    fn figures(&self, ledger: &Ledger, limits: &[Vec<LimitChange>]) -> Figures {
        let (from, to) = ledger.span();
        ledger.figures(Beside {
            limit: limits::spread(limits, Duration::from_nanos(from), Duration::from_nanos(to)),
            jain: self.goodput.jain(from, to),
            jain_5s: self.goodput.jain_5s(from, to),
        })
    }
}

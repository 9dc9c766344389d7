use tidegate_core::Reason;

use super::score::{Converged, Phase};
use crate::{LimitChange, ProcessReport};

/// What a limit must be worth to count as near the best.
const NEAR: f64 = 0.9;

/// A mean limit of the processes and since when, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Step {
    at: f64,
    limit: f64,
    /// The most decisions that one of the processes has made in the phase.
    decisions: usize,
}

/// The mean limit of the processes that have work in a phase, from its beginning on.
///
/// What a pool or a server has to do depends on the sum of the limits in front of it, and what fixed limits are worth was
/// found with the same one in each process. Whether the sum is shared out fairly is another figure.
///
/// `has_work` says whether a process has any in a span. What a law does while there is none is no answer to anything.
pub(super) fn steps(
    phase: &Phase,
    processes: &[ProcessReport],
    has_work: impl Fn(u32, f64, f64) -> bool,
) -> Vec<Step> {
    let numbered = (0..).zip(processes);
    let at_work: Vec<(u32, &[LimitChange])> = numbered
        .filter(|(process, _)| has_work(*process, phase.from_s, phase.to_s))
        .map(|(process, report)| (process, &report.limits[..]))
        .collect();
    let mut changes: Vec<(f64, usize, usize)> = Vec::new();
    for (place, (_, course)) in at_work.iter().enumerate() {
        let moments = course.iter().map(|change| change.at.as_secs_f64()).enumerate();
        changes.extend(moments.filter(|(_, at)| *at < phase.to_s).map(|(index, at)| (at, place, index)));
    }
    changes.sort_by(|a, b| a.0.total_cmp(&b.0));
    let share = 1.0 / crate::num::float(at_work.len() as u128);
    let mut now = vec![(0.0, 0_usize); at_work.len()];
    let (mut sum, mut most, mut steps) = (0.0, 0, Vec::<Step>::new());
    for (at, place, index) in changes {
        let (process, course) = at_work[place];
        let (limit, decisions) = &mut now[place];
        let to = f64::from(course[index].limit);
        sum += to - std::mem::replace(limit, to);
        if at > phase.from_s && is_decision(course, index) && has_work(process, at, at) {
            *decisions += 1;
            most = most.max(*decisions);
        }
        let step = Step { at: at.max(phase.from_s), limit: share * sum, decisions: most };
        // What comes at one moment is one step.
        if steps.last().is_some_and(|last| last.at >= step.at) {
            steps.pop();
        }
        steps.push(step);
    }
    steps
}

/// Whether a change is a new choice. A trial that goes back to the other one of its two limits still measures.
fn is_decision(course: &[LimitChange], index: usize) -> bool {
    let [.., before, last] = &course[..index] else { return true };
    let is_trial = |change: &LimitChange| change.reason == Reason::Trial;
    !(is_trial(&course[index]) && is_trial(last) && before.limit == course[index].limit)
}

/// When the limits came near the phase's best to stay, and after how many decisions.
///
/// `steps` are in their order, the first of them at the beginning of the phase. `None` if they never came near, or not to
/// stay.
///
/// What is looked for is the lowest point of the lead over 90% of the best. Before it the limits lost ground; from it on,
/// over every span, they were worth 90% or more. A database that hangs gets as much done with one limit as with another.
pub(super) fn converge(phase: &Phase, steps: &[Step]) -> Option<Converged> {
    let ends = steps.iter().skip(1).map(|step| step.at).chain([phase.to_s]);
    let (mut lead, mut lowest, mut found) = (0.0, 0.0, None);
    for (step, end) in steps.iter().zip(ends) {
        let gain = phase.curve.share(step.limit) - NEAR;
        if gain >= 0.0 && (found.is_none() || lead < lowest) {
            lowest = lead;
            found = Some(Converged { seconds: step.at - phase.from_s, decisions: step.decisions });
        }
        lead += gain * phase.working_seconds(step.at, end);
    }
    found.filter(|_| lead >= lowest)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::curve::Curve;
    use super::*;

    /// Worth 1 from 15 to 30, 0.8 below and 0 above.
    fn phase() -> Phase {
        let curve = Curve::new([(14, 80.0), (15, 100.0), (30, 100.0), (31, 0.0)], 15);
        Phase { from_s: 10.0, to_s: 110.0, limit: 20, curve, hangs: Vec::new() }
    }

    fn process(changes: impl IntoIterator<Item = (f64, u32, Reason)>) -> ProcessReport {
        let change = |(at, limit, reason)| LimitChange { at: Duration::from_secs_f64(at), limit, reason };
        ProcessReport { goodput: 0.0, limits: changes.into_iter().map(change).collect() }
    }

    fn probing(limits: &[(f64, u32)]) -> ProcessReport {
        process(limits.iter().map(|&(at, limit)| (at, limit, Reason::Probe)))
    }

    #[track_caller]
    fn check_all(phase: &Phase, processes: &[ProcessReport], expected: Option<(f64, usize)>) {
        let found = converge(phase, &steps(phase, processes, |_, _, _| true));
        assert_eq!(found.map(|found| (found.seconds, found.decisions)), expected, "{processes:?}");
    }

    #[track_caller]
    fn check(limits: &[(f64, u32)], expected: Option<(f64, usize)>) {
        check_all(&phase(), &[probing(limits)], expected);
    }

    #[test]
    fn a_limit_that_is_near_from_the_start_needs_no_decision() {
        check(&[(0.0, 20)], Some((0.0, 0)));
        check(&[(0.0, 5), (10.0, 15), (60.0, 30)], Some((0.0, 0)));
    }

    #[test]
    fn the_changes_within_the_phase_count_up_to_the_one_that_comes_near() {
        check(&[(0.0, 1), (5.0, 10), (11.0, 12), (12.5, 16), (13.0, 18)], Some((2.5, 2)));
    }

    #[test]
    fn a_limit_that_never_comes_near_or_not_to_stay_is_not_near() {
        check(&[(0.0, 10)], None);
        check(&[(0.0, 20), (20.0, 31)], None);
        check(&[(0.0, 10), (110.0, 20)], None);
        check(&[], None);
    }

    #[test]
    fn what_is_lost_later_is_forgiven_if_it_is_less_than_what_was_gained() {
        // 30 s at 1.0 gain what 30 s at 0.8 or 3.3 s at 0 lose.
        check(&[(0.0, 10), (20.0, 20), (50.0, 10), (79.0, 20)], Some((10.0, 1)));
        check(&[(0.0, 10), (20.0, 20), (50.0, 10), (81.0, 20)], Some((71.0, 3)));
        check(&[(0.0, 10), (20.0, 20), (50.0, 31), (53.0, 20)], Some((10.0, 1)));
        check(&[(0.0, 10), (20.0, 20), (50.0, 31), (54.0, 20)], Some((44.0, 3)));
    }

    #[test]
    fn of_several_processes_the_mean_limit_counts_and_the_busiest_ones_decisions() {
        let high = probing(&[(0.0, 26)]);
        check_all(&phase(), &[high.clone(), probing(&[(0.0, 4)])], Some((0.0, 0)));
        let slow = probing(&[(0.0, 1), (11.0, 2), (12.0, 3), (13.0, 4), (14.0, 6)]);
        let swift = probing(&[(0.0, 20), (12.5, 25)]);
        check_all(&phase(), &[slow.clone(), swift], Some((3.0, 3)));
        check_all(&phase(), &[slow, probing(&[(0.0, 14)])], None);
    }

    #[test]
    fn a_trial_that_goes_to_and_fro_is_one_decision() {
        use Reason::{Probe, Throughput, Trial};
        let limits = [(0.0, 12, Probe), (11.0, 8, Trial), (12.0, 12, Trial), (13.0, 8, Trial)];
        let taken = |reason| process(limits.into_iter().chain([(14.0, 16, reason)]));
        check_all(&phase(), &[taken(Throughput)], Some((4.0, 2)));
        check_all(&phase(), &[taken(Trial)], Some((4.0, 2)));
        // A step back is a decision.
        let limits = [(0.0, 12, Probe), (11.0, 8, Trial), (12.0, 12, Throughput), (13.0, 16, Probe)];
        check_all(&phase(), &[process(limits)], Some((3.0, 3)));
    }

    #[test]
    fn while_the_database_hangs_every_limit_is_as_good() {
        let limits = [probing(&[(0.0, 20), (20.0, 31), (30.0, 20)])];
        check_all(&phase(), &limits, Some((20.0, 2)));
        let hanging = Phase { hangs: vec![[15.0, 31.0]], ..phase() };
        check_all(&hanging, &limits, Some((0.0, 0)));
    }

    #[test]
    fn a_process_without_work_is_left_out_and_decides_nothing() {
        let found = |limits: &[&[(f64, u32)]], has_work: fn(u32, f64, f64) -> bool| {
            let processes: Vec<ProcessReport> = limits.iter().map(|limits| probing(limits)).collect();
            converge(&phase(), &steps(&phase(), &processes, has_work)).map(|found| found.decisions)
        };
        let (good, idle) = (&[(0.0, 20)][..], &[(0.0, 1)][..]);
        assert_eq!(found(&[good, idle], |_, _, _| true), None);
        assert_eq!(found(&[good, idle], |process, _, _| process == 0), Some(0));
        assert_eq!(found(&[], |_, _, _| true), None);
        // Work comes at 12 s.
        let fading = &[(0.0, 80), (11.0, 60), (12.0, 40), (13.0, 20)][..];
        assert_eq!(found(&[fading], |_, _, _| true), Some(3));
        assert_eq!(found(&[fading], |_, _, to| to > 12.0), Some(1));
    }
}

//! All that are measured, in the order of the table.

mod plain;
mod rivals;
mod tidegate;

use crate::case::Case;
use crate::cases;
use crate::failure::Failure;
use crate::sample::Sample;
use crate::scale::Scale;
use crate::subject::{Excess, Subject};

/// The subject whose figures are taken off everybody's.
pub(crate) const BARE: &str = "bare";
/// What the ratios of the table are to.
pub(crate) const TOWER: &str = "tower_concurrency_limit";
/// The least that a limit with a permit can cost.
pub(crate) const FLOOR: &str = "floor";
/// The semaphore under most rivals.
pub(crate) const SEMAPHORE: &str = "tokio_semaphore";

/// A subject without its types.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    excess: Excess,
    measure: fn(Case, &Scale) -> Option<Result<Sample, Failure>>,
    run: fn(Case, u32) -> Option<Result<(), Failure>>,
    #[cfg(test)]
    pub(crate) watch: fn() -> Result<Option<watched::Seen>, Failure>,
}

impl Entry {
    const fn of<S: Subject>() -> Self {
        Self {
            name: S::NAME,
            excess: S::EXCESS,
            measure: measure::<S>,
            run: run::<S>,
            #[cfg(test)]
            watch: watched::watch::<S>,
        }
    }

    /// One measurement; `None` where the case has no meaning for the subject.
    pub(crate) fn measure(&self, case: Case, scale: &Scale) -> Option<Result<Sample, Failure>> {
        case.suits(self.excess).then(|| (self.measure)(case, scale)).flatten()
    }

    /// `calls` calls and nothing else; `None` unless the case is one for a profiler and has a meaning for the subject.
    pub(crate) fn run(&self, case: Case, calls: u32) -> Option<Result<(), Failure>> {
        case.suits(self.excess).then(|| (self.run)(case, calls)).flatten()
    }
}

/// Every subject; a new one is a line here and its `Subject`.
pub(crate) const ALL: [Entry; 10] = [
    Entry::of::<plain::Bare>(),
    Entry::of::<plain::Floor>(),
    Entry::of::<plain::TokioSemaphore>(),
    Entry::of::<rivals::TowerConcurrencyLimit>(),
    Entry::of::<tidegate::TidegateLimit>(),
    Entry::of::<tidegate::TidegateLimitRecorder>(),
    Entry::of::<tidegate::TidegateQueue>(),
    Entry::of::<rivals::TowerResilience>(),
    Entry::of::<rivals::CongestionLimiter>(),
    Entry::of::<rivals::LittleLoadshedder>(),
];

fn measure<S: Subject>(case: Case, scale: &Scale) -> Option<Result<Sample, Failure>> {
    Some(match case {
        Case::Free => cases::free::<S>(scale),
        Case::Queue => cases::queue::<S>(scale),
        Case::Contended { tasks, threads } => cases::contended::<S>(tasks, threads, scale),
        Case::Waiters => cases::join::<S>(scale),
        Case::Cancel => cases::cancel::<S>(scale),
        Case::Resize { has_waiters } => {
            return S::resize(if has_waiters { scale.waiters } else { 0 }, scale);
        }
    })
}

fn run<S: Subject>(case: Case, calls: u32) -> Option<Result<(), Failure>> {
    match case {
        Case::Free => Some(cases::run_free::<S>(calls)),
        Case::Queue => Some(cases::run_queue::<S>(calls)),
        Case::Cancel => Some(cases::run_cancel::<S>(calls)),
        _ => None,
    }
}

#[cfg(test)]
mod watched;

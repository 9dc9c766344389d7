//! `once`: calls of one subject and nothing else, for a profiler.

use std::hint::black_box;

use crate::args::OnceArgs;
use crate::choice;
use crate::failure::Failure;
use crate::heap::uncounted;

pub(crate) fn run(args: &OnceArgs) -> Result<(), Failure> {
    let subject = choice::subject(&args.subject)?;
    let case = choice::case(&args.case)?;
    subject.run(case, args.calls).unwrap_or_else(|| {
        let (subject, case) = (subject.name, case.name());
        Err(Failure::input(format_args!(
            "case is {case:?} of {subject}, allowed is free, or queue or cancel_100k of a subject that makes calls wait"
        )))
    })
}

/// How a profiler is told when to count: while a function of this name runs.
pub(crate) const PROFILED: &str = "tidegate_bench::once::profiled*";

/// The calls without the start-up, of which some parts (a recorder calibrates its clock) differ from run to run.
#[inline(never)]
pub(crate) fn profiled(act: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    // Nor is the counter of allocations any subject's work.
    black_box(uncounted(act)).unwrap_or_else(|| Err(Failure::work("nothing ran")))
}

//! Instructions and clock reads of a call, counted by callgrind in runs of this very command.

use std::env::current_exe;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::case::Case;
use crate::failure::Failure;
use crate::num::{round3, to_f64};
use crate::once::PROFILED;
use crate::row::Row;
use crate::subjects::{BARE, Entry};

/// The calls of the two runs; what they differ by is the cost of the calls in between, start-up taken off.
const CALLS: [u32; 2] = [1_000, 11_000];

/// What one call costs.
#[derive(Clone, Copy, Debug)]
struct Cost {
    instructions: f64,
    clock_reads: f64,
}

/// What one run counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    instructions: u64,
    clock_reads: u64,
}

/// Says what is missing before any time is spent.
pub(crate) fn require() -> Result<(), Failure> {
    match Command::new("valgrind").arg("--version").output() {
        Ok(answer) if answer.status.success() => Ok(()),
        _ => Err(Failure::work(
            "instructions need valgrind, which is not installed; Debian's package is `valgrind`",
        )),
    }
}

/// Puts the counts into the rows of `free` and `queue`.
pub(crate) fn count(subjects: &[Entry], cases: &[Case], rows: &mut [Row]) -> Result<(), Failure> {
    let folder = TempDir::new().map_err(Failure::work)?;
    for &case in cases.iter().filter(|case| matches!(case, Case::Free | Case::Queue)) {
        let name = case.name();
        let mut bare = None;
        for subject in subjects {
            let Some(row) = rows.iter_mut().find(|row| row.subject == subject.name && row.case == name)
            else {
                continue;
            };
            let cost = cost(subject.name, &name, folder.path())?;
            if subject.name == BARE {
                bare = Some(cost);
            }
            let off = bare
                .filter(|_| subject.name != BARE)
                .map_or((0.0, 0.0), |bare| (bare.instructions, bare.clock_reads));
            row.instructions = Some(round3(cost.instructions - off.0));
            row.clock_reads = Some(round3(cost.clock_reads - off.1));
        }
    }
    Ok(())
}

fn cost(subject: &str, case: &str, folder: &Path) -> Result<Cost, Failure> {
    let [few, many] = [run(subject, case, CALLS[0], folder)?, run(subject, case, CALLS[1], folder)?];
    let calls = to_f64((CALLS[1] - CALLS[0]).into());
    let each = |few: u64, many: u64| to_f64(many.saturating_sub(few)) / calls;
    Ok(Cost {
        instructions: each(few.instructions, many.instructions),
        clock_reads: each(few.clock_reads, many.clock_reads),
    })
}

fn run(subject: &str, case: &str, calls: u32, folder: &Path) -> Result<Counts, Failure> {
    let out = folder.join("callgrind.out");
    let mut out_option = OsString::from("--callgrind-out-file=");
    out_option.push(&out);
    let answer = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--toggle-collect={PROFILED}"))
        .arg(out_option)
        .arg(current_exe().map_err(Failure::work)?)
        .args(["once", "--subject", subject, "--case", case, "--calls", &calls.to_string()])
        .output()
        .map_err(Failure::work)?;
    let failed = |why: &str| Failure::work(format_args!("valgrind of {subject}, {case}: {why}"));
    if !answer.status.success() {
        return Err(failed(String::from_utf8_lossy(&answer.stderr).lines().last().unwrap_or("failed")));
    }
    let text = std::fs::read_to_string(&out).map_err(Failure::work)?;
    let counts = parse(&text).ok_or_else(|| failed("its output has no totals"))?;
    if counts.instructions == 0 {
        return Err(failed("nothing was counted; the build has no symbols"));
    }
    Ok(counts)
}

/// Reads a callgrind profile: the total of its instructions, and how often `clock_gettime` was called.
fn parse(profile: &str) -> Option<Counts> {
    let total = profile.lines().rev().find_map(|line| line.strip_prefix("totals: "))?;
    let instructions = total.split_whitespace().next()?.parse().ok()?;
    let mut clock_reads = 0;
    let mut clock_id = None;
    let mut is_clock = false;
    for line in profile.lines() {
        if let Some(callee) = line.strip_prefix("cfn=") {
            // A name stands beside its number once, at its first use as caller or callee.
            is_clock = clock_id.is_some_and(|id| callee == id) || is_clock_name(callee);
            note_clock(callee, &mut clock_id);
        } else if let Some(function) = line.strip_prefix("fn=") {
            note_clock(function, &mut clock_id);
        } else if let Some(calls) = line.strip_prefix("calls=").filter(|_| is_clock) {
            clock_reads += calls.split_whitespace().next()?.parse::<u64>().ok()?;
        }
    }
    Some(Counts { instructions, clock_reads })
}

fn is_clock_name(function: &str) -> bool {
    function.split_once(' ').is_some_and(|(_, name)| name.starts_with("clock_gettime"))
}

fn note_clock<'a>(function: &'a str, id: &mut Option<&'a str>) {
    if is_clock_name(function) {
        *id = function.split_once(' ').map(|(id, _)| id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read() {
        let profile = "fn=(1) main\n0 5\ncfn=(7) clock_gettime@@GLIBC_2.17\ncalls=3 0\n0 90\ncfn=(8) other\ncalls=9 0\n\
            0 9\nfn=(2) later\ncfn=(7)\ncalls=2 0\n0 60\ntotals: 164\n";
        assert_eq!(parse(profile), Some(Counts { instructions: 164, clock_reads: 5 }));
        assert_eq!(parse("fn=(1) main\n"), None);
    }
}

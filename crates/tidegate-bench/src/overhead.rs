//! `overhead`: every subject in every case, in turn, several times over.

use serde::Serialize;

use crate::args::OverheadArgs;
use crate::case::Case;
use crate::failure::Failure;
use crate::machine::Machine;
use crate::out_file::OutFile;
use crate::row::Row;
use crate::scale::Scale;
use crate::subjects::Entry;
use crate::summary::{Series, rows};
use crate::{choice, progress, table, valgrind};

/// What `--json` writes.
#[derive(Debug, Serialize)]
struct Report<'a> {
    schema: u32,
    machine: &'a Machine,
    rows: &'a [Row],
}

/// Measures, writes the JSON if it is wanted, and returns the table.
pub(crate) fn run(args: &OverheadArgs) -> Result<String, Failure> {
    let subjects = choice::subjects(&args.subject)?;
    let cases = choice::cases(&args.case)?;
    let file = args.json.as_deref().map(OutFile::prepare).transpose()?;
    if args.instructions {
        valgrind::require()?;
    }
    let scale = if args.tiny { Scale::TINY } else { Scale::FULL };
    let machine = Machine::before(args.passes);
    let mut rows = rows(&measure(&subjects, &cases, args.passes, &scale)?);
    if args.instructions {
        valgrind::count(&subjects, &cases, &mut rows)?;
    }
    let machine = machine.after();
    if let Some(file) = file {
        let report = Report { schema: 1, machine: &machine, rows: &rows };
        let text = serde_json::to_string_pretty(&report).map_err(Failure::work)?;
        file.write(&(text + "\n"))?;
    }
    Ok(table::text(&machine, &cases, &rows))
}

/// The passes. Subjects alternate within a pass, so that a slower moment of the machine is everybody's.
fn measure(subjects: &[Entry], cases: &[Case], passes: u32, scale: &Scale) -> Result<Vec<Series>, Failure> {
    let mut all: Vec<Series> = Vec::new();
    for pass in 1..=passes {
        progress::pass(pass, passes);
        let mut position = 0;
        for &case in cases {
            for subject in subjects {
                let Some(sample) = subject.measure(case, scale) else { continue };
                if pass == 1 {
                    all.push(Series { subject: subject.name, case, samples: Vec::new() });
                }
                all[position].samples.push(sample?);
                position += 1;
            }
        }
    }
    progress::end();
    Ok(all)
}

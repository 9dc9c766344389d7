//! The result for the eye: a table for each case.

use std::fmt::Write;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

use crate::case::Case;
use crate::machine::Machine;
use crate::row::Row;

const HEADER: [&str; 12] = [
    "subject",
    "ns",
    "min",
    "max",
    "× tower",
    "× floor",
    "× tokio",
    "work × tower",
    "allocs",
    "bytes",
    "fairness (worst)",
    "instructions (clock reads)",
];

pub(crate) fn text(machine: &Machine, cases: &[Case], rows: &[Row]) -> String {
    let mut text = heading(machine);
    for case in cases {
        let name = case.name();
        let of_case: Vec<&Row> = rows.iter().filter(|row| row.case == name).collect();
        if of_case.is_empty() {
            continue;
        }
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\n{name}: {}\n{}", case.operation(), table(&of_case));
    }
    text
}

fn heading(machine: &Machine) -> String {
    let load = |load: Option<f64>| load.map_or_else(|| "unknown".to_owned(), |load| format!("{load:.2}"));
    let warning =
        if machine.is_optimised { "" } else { "\nThis build is not optimised: its figures mean nothing." };
    format!(
        "ns of {} over the bare service; median, least and most of {} passes\n{} {} × {}; load {} before, {} after{warning}\n",
        machine.clock,
        machine.passes,
        machine.cpu.as_deref().unwrap_or(machine.arch),
        machine.os,
        machine.cores,
        load(machine.load_before),
        load(machine.load_after),
    )
}

fn table(rows: &[&Row]) -> Table {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN).set_header(HEADER);
    for row in rows {
        table.add_row(cells(row));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn cells(row: &Row) -> [String; 12] {
    let one = |value: f64| format!("{value:.1}");
    let two = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"));
    let beside = |value: Option<f64>, other: Option<f64>| match (value, other) {
        (Some(value), Some(other)) => format!("{value:.3} ({other:.3})"),
        _ => "–".to_owned(),
    };
    let counted = match (row.instructions, row.clock_reads) {
        (Some(instructions), Some(reads)) => format!("{instructions:.0} ({reads:.0})"),
        _ => "–".to_owned(),
    };
    let bytes = match row.heap_bytes {
        Some(heap) => format!("{:.0}, {heap:.0} of it outside the future", row.bytes),
        None => format!("{:.0}", row.bytes),
    };
    [
        row.subject.to_owned(),
        one(row.ns),
        one(row.ns_min),
        one(row.ns_max),
        two(row.ratio_to_tower),
        two(row.ratio_to_floor),
        two(row.ratio_to_semaphore),
        two(row.work_ratio_to_tower),
        format!("{:.2}", row.allocs),
        bytes,
        beside(row.fairness, row.fairness_max),
        counted,
    ]
}

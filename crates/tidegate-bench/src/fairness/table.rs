//! The result for the eye: a table for each world, to be put into a page, and the worst of all limits below it.

use std::fmt::Write;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

use super::world::World;
use super::{Row, SHARES, run};

/// The limits that have a row. The JSON has all, and the line below a table is about all.
const SHOWN: [u32; 10] = [1, 2, 3, 4, 5, 6, 8, 10, 15, 20];

pub(super) fn text(seed: u64, rows: &[Row]) -> String {
    let mut text = format!(
        "Everybody waits always; {} service times of virtual time a run, seed {seed}.\n\
         Error: the largest distance between what a key held on average and its share of the limit, in permits.\n\
         Wait: the longest that the lightest key's oldest call waited, in turns (service time / limit), and the ideal.\n",
        run::SERVICE_TIMES
    );
    for world in World::ALL {
        let of_world: Vec<&Row> = rows.iter().filter(|row| row.world == world.name()).collect();
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n{}{}\n\n{}\n\n{}\n",
            world.title(),
            note(world),
            table(world, &of_world),
            worst(&of_world)
        );
    }
    text
}

/// What is in the table of this world only.
const fn note(world: World) -> &'static str {
    match world {
        World::Equal => {
            " In brackets: the largest distance at any moment between a key's permits so far and its share of all so far.\n\
             Rounded: a model of limiters that split the limit into whole permits (largest remainder); its error and wait."
        }
        World::Exponential | World::SlowKey => "",
    }
}

fn table(world: World, rows: &[&Row]) -> Table {
    let mut header = vec!["limit".to_owned()];
    let mut head = |what: &str| header.extend(SHARES.iter().map(|shares| format!("{what} {}", name(shares))));
    head("error");
    head("wait");
    if world == World::Equal {
        head("rounded");
    }
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN).set_header(header);
    for limit in SHOWN {
        let of_shares = SHARES.map(|shares| {
            rows.iter().filter(|row| row.limit == limit && row.shares == shares).copied().collect::<Vec<_>>()
        });
        let mut cells = vec![limit.to_string()];
        cells.extend(of_shares.iter().filter_map(|rows| most(rows, |row| row.run.error)).map(error));
        cells.extend(of_shares.iter().filter_map(|rows| most(rows, over_ideal)).map(wait));
        if world == World::Equal {
            cells.extend(of_shares.iter().filter_map(|rows| rows.first()).map(|row| rounded(row)));
        }
        table.add_row(cells);
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// The worst over all limits.
fn worst(rows: &[&Row]) -> String {
    let at = |row: &Row| format!("{} at limit {}", name(row.shares), row.limit);
    let mut parts = Vec::new();
    if let Some(row) = most(rows, |row| row.run.error) {
        parts.push(format!("error {} permits ({})", figure(row.run.error), at(row)));
    }
    if let Some(row) = most(rows, |row| row.run.error_at_any_moment.unwrap_or(-1.0))
        && let Some(error) = row.run.error_at_any_moment
    {
        parts.push(format!("at any moment {} permits ({})", figure(error), at(row)));
    }
    if let Some(row) = most(rows, over_ideal) {
        parts.push(format!("wait {:.2} × ideal ({})", over_ideal(row), at(row)));
    }
    format!("Worst of limits 1 to 20: {}.", parts.join(", "))
}

fn most<'a>(rows: &[&'a Row], figure: impl Fn(&Row) -> f64) -> Option<&'a Row> {
    rows.iter().copied().max_by(|a, b| figure(a).total_cmp(&figure(b)))
}

fn over_ideal(row: &Row) -> f64 {
    row.run.longest_wait / row.run.ideal_wait
}

/// `.9/.1` of 9 and 1.
fn name(shares: &[u32]) -> String {
    shares.iter().map(|share| format!(".{share}")).collect::<Vec<_>>().join("/")
}

fn figure(error: f64) -> String {
    format!("{error:.2}")
}

fn error(row: &Row) -> String {
    let error = figure(row.run.error);
    match row.run.error_at_any_moment {
        Some(moment) => format!("{error} ({})", figure(moment)),
        None => error,
    }
}

fn wait(row: &Row) -> String {
    format!("{:.1} of {:.0}", row.run.longest_wait, row.run.ideal_wait)
}

fn rounded(row: &Row) -> String {
    let wait = row.rounded.wait.map_or_else(|| "never".to_owned(), |wait| format!("{wait:.1}"));
    format!("{}, {wait}", figure(row.rounded.error))
}

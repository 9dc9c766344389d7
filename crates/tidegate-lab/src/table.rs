//! Plain tables for the terminal and for Markdown pages.

use comfy_table::{CellAlignment, Table, presets};

/// The first column holds names, the others numbers.
pub(crate) fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for row in rows {
        table.add_row(row);
    }
    table.to_string()
}

/// A dash where there is no value.
pub(crate) fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(dash, |value| format!("{value:.decimals$}"))
}

pub(crate) fn dash() -> String {
    "–".to_owned()
}

//! The table of settings says what the schema says, which is made from the code.

use serde_json::Value;
use tidegate::Settings;

use crate::house::page;
use crate::{assert_clean, assert_one_fault};

const PAGE: &str = "docs/configuration.md";

/// The rows of the table: each setting with its default and what it is.
fn rows(root: &Value) -> Vec<String> {
    let mut rows = Vec::new();
    table_rows(root, root, "", "", &mut rows);
    rows
}

fn table_rows(root: &Value, table: &Value, at: &str, of: &str, rows: &mut Vec<String>) {
    for (name, property) in table["properties"].as_object().unwrap() {
        let (inner, name) = (resolved(root, property), format!("{at}{name}"));
        if let Some(kinds) = inner["oneOf"].as_array().filter(|kinds| kinds[0]["properties"].is_object()) {
            let row = |one: &Value| format!("| `{name}.kind` is `{}` | | {} |", kind(one), about(one));
            for one in kinds {
                rows.push(row(one));
                table_rows(root, one, &format!("{name}."), &format!(" of `{}`", kind(one)), rows);
            }
        } else if inner["properties"].is_object() {
            table_rows(root, inner, &format!("{name}."), of, rows);
        } else if property["const"].is_null() {
            let default = match &property["default"] {
                Value::Null => "–".to_owned(),
                default => format!("`{default}`"),
            };
            rows.push(format!("| `{name}`{of} | {default} | {} |", about(property)));
        }
    }
}

fn kind(one: &Value) -> &str {
    one["properties"]["kind"]["const"].as_str().unwrap()
}

fn resolved<'a>(root: &'a Value, property: &'a Value) -> &'a Value {
    let inner = property["anyOf"].as_array().map_or(property, |any| &any[0]);
    inner["$ref"].as_str().map_or(inner, |path| root.pointer(path.trim_start_matches('#')).unwrap())
}

/// The description up to the default and its reason, on one line.
fn about(property: &Value) -> String {
    let paragraph = property["description"].as_str().unwrap().split("\n\n").next().unwrap();
    let line = paragraph.replace('\n', " ");
    let end = [" Default", " No default"].into_iter().filter_map(|word| line.find(word)).min();
    line[..end.unwrap_or(line.len())].trim_end_matches('.').to_owned()
}

/// Rows that the page lacks, and rows that it has and should not.
fn faults(page: &str, expected: &[String]) -> Vec<String> {
    let (_, table) = page.split_once("## Every setting").unwrap();
    let found: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
    let missing = expected.iter().filter(|row| !found.contains(&row.as_str()));
    let stale = found.iter().filter(|row| !expected.iter().any(|expected| expected == *row));
    missing
        .map(|row| format!("{PAGE} lacks the row: {row}"))
        .chain(stale.map(|row| format!("{PAGE} has a row too many: {row}")))
        .collect()
}

#[test]
fn the_table_of_settings_is_that_of_the_schema() {
    let expected = rows(&schemars::schema_for!(Settings).to_value());
    assert!(expected.len() > 10, "{expected:?}");
    assert_clean(&faults(&page(PAGE).unwrap().text, &expected));
}

#[test]
fn a_row_that_is_missing_and_one_too_many_are_seen() {
    let expected = ["| `a` | 1 | A |".to_owned(), "| `b` | 2 | B |".to_owned()];
    let table = |rows: &str| format!("| `other` |\n## Every setting\n\n| Setting |\n| --- |\n{rows}");
    assert_clean(&faults(&table("| `a` | 1 | A |\n| `b` | 2 | B |\n"), &expected));
    assert_one_fault(&faults(&table("| `a` | 1 | A |\n"), &expected), "lacks the row: | `b`");
    let one_too_many = table("| `a` | 1 | A |\n| `b` | 2 | B |\n| `c` | 3 | C |\n");
    assert_one_fault(&faults(&one_too_many, &expected), "too many: | `c`");
}

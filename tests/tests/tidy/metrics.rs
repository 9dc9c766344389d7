//! The table of metrics says what the code does.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use crate::house::{Page, page, pages};
use crate::{assert_clean, assert_one_fault};

const TABLE: &str = "docs/metrics.md";
const PREFIXES: [&str; 2] = ["tidegate_", "db.client."];
/// Names of labels that look like names of metrics: the page speaks of them, but they have no row.
const LABELS: [&str; 2] = ["db.client.connection.pool.name", "db.client.connection.state"];

fn is_metric_name(text: &str) -> bool {
    let is_name_char = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.');
    PREFIXES.iter().any(|prefix| text.starts_with(prefix)) && text.chars().all(is_name_char)
}

/// The metric names that the code of `page` holds as string literals, outside its tests.
fn names_in_code(page: &Page) -> BTreeSet<String> {
    let mut names = Names::default();
    names.visit_file(&syn::parse_file(&page.text).unwrap_or_else(|error| panic!("{}: {error}", page.path)));
    names.0
}

#[derive(Default)]
struct Names(BTreeSet<String>);

impl Names {
    fn take(&mut self, text: String) {
        if is_metric_name(&text) {
            self.0.insert(text);
        }
    }

    /// The arguments of a macro are not parsed, so their tokens are read.
    fn take_tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.take_tokens(group.stream()),
                TokenTree::Literal(literal) => {
                    if let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string()) {
                        self.take(text.value());
                    }
                }
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if module.ident != "tests" {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_lit_str(&mut self, literal: &'ast syn::LitStr) {
        self.take(literal.value());
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.take_tokens(call.tokens.clone());
    }
}

/// The names in the first column of the page's tables.
fn names_in_table(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix('|')?.split('|').next())
        .map(|cell| cell.trim().trim_matches('`').to_owned())
        .filter(|name| is_metric_name(name))
        .collect()
}

fn faults(code: &[Page], table: &Page) -> Vec<String> {
    let mut in_code: BTreeSet<String> = code.iter().flat_map(names_in_code).collect();
    let in_table = names_in_table(&table.text);
    let mut faults = Vec::new();
    for label in LABELS {
        if in_code.remove(label) && !table.text.contains(&format!("`{label}`")) {
            faults.push(format!("the label {label} is not in {TABLE}"));
        }
    }
    let untold = in_code.difference(&in_table).map(|name| format!("{name} is not in the table of {TABLE}"));
    let unknown =
        in_table.difference(&in_code).map(|name| format!("{name} is in {TABLE}, but not in the code"));
    faults.extend(untold.chain(unknown));
    faults
}

/// The code of the crates that make metrics; the others only read them.
fn code() -> Vec<Page> {
    let makes_metrics = |page: &Page| {
        let mut parts = page.path.split('/');
        parts.next() == Some("crates")
            && !matches!(parts.next(), Some("tidegate-bench" | "tidegate-lab" | "tidegate-sim"))
            && parts.next() == Some("src")
            && !page.is_test()
    };
    pages("rs").into_iter().filter(makes_metrics).collect()
}

#[test]
fn every_metric_is_in_the_table_and_the_table_has_no_other() {
    let table = page(TABLE).expect("docs/metrics.md is the table of metrics");
    let code = code();
    let names: BTreeSet<String> = code.iter().flat_map(names_in_code).collect();
    for prefix in PREFIXES {
        assert!(
            names.iter().any(|name| name.starts_with(prefix)),
            "the code has no {prefix} metric: {names:?}"
        );
    }
    assert_clean(&faults(&code, &table));
}

#[test]
fn a_metric_that_only_one_side_knows_is_seen() {
    let table = Page::new(TABLE, "| Name | Kind |\n| --- | --- |\n| `tidegate_limit` | gauge |\n");
    let check = |code: &str| faults(&[Page::new("crates/a/src/a.rs", code)], &table);
    let known = "const LIMIT: &str = \"tidegate_limit\";";
    assert_clean(&check(known));
    assert_clean(&check(&format!(
        "{known} #[cfg(test)] mod tests {{ const A: &str = \"tidegate_other\"; }}"
    )));
    assert_clean(&check(&format!(
        "{known} /// tidegate_other\nconst A: &str = \"tidegate_other is prose\";"
    )));
    assert_one_fault(
        &check(&format!("{known} const A: &str = \"tidegate_other\";")),
        "tidegate_other is not",
    );
    assert_one_fault(
        &check(&format!("{known} fn f() {{ gauge!(\"db.client.x\", a => 1); }}")),
        "db.client.x",
    );
    assert_one_fault(&check(&format!("{known} const A: &str = {:?};", LABELS[0])), "the label db.client");
    assert_one_fault(&check(""), "tidegate_limit is in docs/metrics.md");
}

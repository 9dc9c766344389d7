//! Every page of documentation is in the index and is compiled.

use crate::house::{Page, page, pages};
use crate::links::targets;
use crate::{assert_clean, assert_one_fault};

const INDEX: &str = "docs/README.md";
const COMPILED: &str = "tests/src/docs.rs";

/// Pages of `docs/` that the index does not link.
fn index_faults(index: &Page, docs: &[Page]) -> Vec<String> {
    let linked: Vec<String> =
        targets(&index.text).into_iter().map(|target| format!("docs/{target}")).collect();
    docs.iter()
        .filter(|page| page.path != INDEX)
        .filter(|page| !linked.iter().any(|link| link.split('#').next() == Some(&page.path)))
        .map(|page| format!("{} is not in {INDEX}", page.path))
        .collect()
}

/// Pages whose samples nobody compiles.
fn compiled_faults(compiled: &Page, docs: &[Page]) -> Vec<String> {
    docs.iter()
        .filter(|page| !compiled.text.contains(&format!("include_str!(\"../../{}\")", page.path)))
        .map(|page| format!("{} is not pulled in by {COMPILED}", page.path))
        .collect()
}

fn docs() -> Vec<Page> {
    pages("md").into_iter().filter(|page| page.path.starts_with("docs/")).collect()
}

#[test]
fn every_page_is_in_the_index() {
    let index = page(INDEX).expect("docs/README.md is the index of the documentation");
    assert_clean(&index_faults(&index, &docs()));
}

#[test]
fn every_page_is_compiled() {
    let mut pages = docs();
    pages.push(page("README.md").expect("the house has a README"));
    assert_clean(&compiled_faults(&page(COMPILED).unwrap(), &pages));
}

#[test]
fn a_page_missing_in_the_index_is_seen() {
    let index = Page::new(INDEX, "- [Tuning](tuning.md#limits)\n- metrics.md\n- `[Laws](laws/a.md)`\n");
    let docs = ["docs/README.md", "docs/tuning.md", "docs/metrics.md"].map(|path| Page::new(path, ""));
    assert_one_fault(&index_faults(&index, &docs), "docs/metrics.md");
    assert_one_fault(&index_faults(&index, &[Page::new("docs/laws/a.md", "")]), "docs/laws/a.md");
}

#[test]
fn a_page_that_nobody_compiles_is_seen() {
    let compiled = Page::new(COMPILED, "#[doc = include_str!(\"../../docs/tuning.md\")]\nmod tuning {}\n");
    assert_clean(&compiled_faults(&compiled, &[Page::new("docs/tuning.md", "")]));
    assert_one_fault(&compiled_faults(&compiled, &[Page::new("README.md", "")]), "README.md");
}

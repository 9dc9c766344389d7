//! Every crate obeys the workspace's lints.

use toml::Table;

use crate::house::{Page, pages};
use crate::{assert_clean, assert_one_fault};

fn faults(manifest: &Page) -> Vec<String> {
    let path = &manifest.path;
    let table: Table = match manifest.text.parse() {
        Ok(table) => table,
        Err(error) => return vec![format!("{path}: {error}")],
    };
    let inherits = |section: &str, key: &str| {
        let value = table.get(section).and_then(|section| section.get(key));
        value.and_then(toml::Value::as_bool) == Some(true)
    };
    let version = table.get("package").and_then(|package| package.get("rust-version"));
    let inherits_version =
        version.and_then(|version| version.get("workspace")).and_then(toml::Value::as_bool);
    let mut faults = Vec::new();
    if !inherits("lints", "workspace") {
        faults.push(format!("{path}: `[lints] workspace = true` is missing"));
    }
    if inherits_version != Some(true) {
        faults.push(format!("{path}: `rust-version.workspace = true` is missing"));
    }
    faults
}

/// The fuzz target is a workspace of its own, because it is built with other flags.
fn is_apart(page: &Page) -> bool {
    page.path.starts_with("fuzz/")
}

#[test]
fn every_crate_inherits_the_lints_and_the_rust_version() {
    let manifests: Vec<Page> = pages("toml")
        .into_iter()
        .filter(|page| page.path.ends_with("/Cargo.toml") && !is_apart(page))
        .collect();
    assert!(manifests.len() >= 9, "only {} manifests were found", manifests.len());
    let faults: Vec<String> = manifests.iter().flat_map(faults).collect();
    assert_clean(&faults);
}

#[test]
fn a_crate_with_rules_of_its_own_is_seen() {
    let check = |text: &str| faults(&Page::new("crates/a/Cargo.toml", text));
    let package = "[package]\nname = \"a\"\nrust-version.workspace = true\n";
    assert_clean(&check(&format!("{package}[lints]\nworkspace = true\n")));
    assert_one_fault(&check(package), "[lints]");
    assert_one_fault(&check(&format!("{package}[lints]\nworkspace = false\n")), "[lints]");
    assert_one_fault(&check(&format!("{package}[lints.rust]\nunsafe_code = \"allow\"\n")), "[lints]");
    assert_one_fault(
        &check("[package]\nrust-version = \"1.0\"\n[lints]\nworkspace = true\n"),
        "rust-version",
    );
    assert_one_fault(&check("[package"), "crates/a/Cargo.toml");
}

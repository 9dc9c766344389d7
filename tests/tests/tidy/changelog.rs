//! The changelog has a section for what this tree is.

use crate::dependencies::metadata;
use crate::house::page;
use crate::{assert_clean, assert_one_fault};

/// There is an `Unreleased` section or one of `version`, and something stands in it.
fn faults(text: &str, version: &str) -> Vec<String> {
    let headings = [
        format!("## [{version}]"),
        format!("## {version}"),
        "## [Unreleased]".into(),
        "## Unreleased".into(),
    ];
    let is_ours = |line: &str| {
        headings.iter().any(|heading| line == heading || line.starts_with(&format!("{heading} ")))
    };
    if !text.lines().any(is_ours) {
        return vec![format!("CHANGELOG.md has neither an Unreleased section nor one of {version}")];
    }
    let section =
        text.lines().skip_while(|line| !is_ours(line)).skip(1).take_while(|line| !line.starts_with("## "));
    if section.into_iter().any(|line| line.starts_with("- ")) {
        return Vec::new();
    }
    vec!["CHANGELOG.md: the newest section says nothing".to_owned()]
}

#[test]
fn the_changelog_speaks_of_this_version() {
    let metadata = metadata();
    let version = metadata["packages"][0]["version"].as_str().unwrap();
    let changelog = page("CHANGELOG.md").expect("the house has a CHANGELOG.md");
    assert_clean(&faults(&changelog.text, version));
}

#[test]
fn a_changelog_without_a_section_is_seen() {
    assert_clean(&faults("# Changelog\n\n## [Unreleased]\n\n### Added\n- core: laws.\n", "0.1.0"));
    assert_clean(&faults("## [0.1.0] - 2026-11-24\n- core: laws.\n", "0.1.0"));
    assert_one_fault(&faults("# Changelog\n\n## 0.1.0\n- core: laws.\n", "0.2.0"), "0.2.0");
    assert_one_fault(&faults("## Unreleased\n\n## 0.1.0\n- core: laws.\n", "0.2.0"), "says nothing");
}

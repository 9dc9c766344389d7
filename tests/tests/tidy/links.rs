//! No relative link in a Markdown page leads nowhere.

use std::path::{Component, Path, PathBuf};

use crate::house::{Page, page, pages, root};
use crate::{assert_clean, assert_one_fault};

/// Where the links of a page lead, in order: `[text](target)` and `[name]: target`, outside code.
pub(crate) fn targets(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        if let Some((_, target)) = line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("]: "))
        {
            found.push(target.trim().to_owned());
        }
        for part in line.split("](").skip(1) {
            let target = part.split([')', ' ']).next().unwrap_or_default();
            found.push(target.trim_matches(['<', '>']).to_owned());
        }
    }
    found
}

/// The lines of a page outside fenced code, without the code spans in them.
pub(crate) fn prose(text: &str) -> Vec<String> {
    let mut in_code = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            // Every second part stands between backticks.
            lines.push(line.split('`').step_by(2).collect::<Vec<_>>().join(""));
        }
    }
    lines
}

/// The anchors that a page's headings make: lower case, spaces to hyphens, no punctuation.
fn anchors(text: &str) -> Vec<String> {
    let mut in_code = false;
    let mut found = Vec::new();
    for line in text.lines() {
        in_code ^= line.trim_start().starts_with("```");
        if in_code || !line.starts_with('#') {
            continue;
        }
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        found.push(kept.map(|c| if c == ' ' { '-' } else { c }).collect());
    }
    found
}

fn faults(page: &Page, read: impl Fn(&str) -> Option<Page>, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut faults = Vec::new();
    for target in targets(&page.text) {
        if target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
        let path = if file.is_empty() { page.path.clone() } else { resolve(&page.path, file) };
        let leads_somewhere = if anchor.is_empty() {
            exists(&path)
        } else {
            read(&path).is_some_and(|there| anchors(&there.text).iter().any(|known| known == anchor))
        };
        if !leads_somewhere {
            faults.push(format!("{}: the link {target} leads nowhere", page.path));
        }
    }
    faults
}

/// The path from the root that `target` means in the file `from`.
fn resolve(from: &str, target: &str) -> String {
    let mut path = PathBuf::from(from);
    path.pop();
    for part in Path::new(target).components() {
        match part {
            Component::ParentDir => {
                path.pop();
            }
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    path.to_string_lossy().into_owned()
}

#[test]
fn no_link_is_dead() {
    let exists = |path: &str| root().join(path).exists();
    let faults: Vec<String> = pages("md").iter().flat_map(|from| faults(from, page, exists)).collect();
    assert_clean(&faults);
}

#[test]
fn a_dead_link_is_seen() {
    let check = |text: &str| {
        let house = [
            Page::new("docs/a.md", text),
            Page::new("README.md", "# Why, and `how`?\n```\n# no heading\n```\n"),
        ];
        let find = |path: &str| house.iter().find(|page| page.path == path);
        faults(
            &house[0],
            |path| find(path).map(|page| Page::new(path, &page.text)),
            |path| find(path).is_some(),
        )
    };
    assert_clean(&check(
        "[a](../README.md), [b](a.md), [c](https://example.org/x.md), [d](../README.md#why-and-how)",
    ));
    assert_clean(&check("```\n[a](gone.md)\n```\nand `[a](gone.md)`\n# Here\n[up](#here)"));
    assert_one_fault(&check("see [a](a.md) and [b](gone.md)"), "gone.md");
    assert_one_fault(&check("see [b](../docs/README.md)"), "docs/README.md");
    assert_one_fault(&check("[b]: gone.md"), "gone.md");
    assert_one_fault(&check("see [b](../README.md#no-heading)"), "#no-heading");
    assert_one_fault(&check("see [b](#nowhere)"), "#nowhere");
}

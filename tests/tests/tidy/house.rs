//! The files of the house.

use std::fs;
use std::path::{Path, PathBuf};

/// One text file: its path from the root of the house, with `/` between the parts, and its text.
pub(crate) struct Page {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Whether the file is all test: no part of it is in a build of the crate.
    pub(crate) fn is_test(&self) -> bool {
        let mut parts = self.path.rsplit('/');
        let file = parts.next().unwrap_or_default();
        file == "tests.rs" || file.ends_with("_tests.rs") || parts.any(|folder| folder == "tests")
    }
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

pub(crate) fn page(path: &str) -> Option<Page> {
    let text = fs::read_to_string(root().join(path)).ok()?;
    Some(Page::new(path, &text))
}

/// Every file whose name ends in `.extension`, in the order of their paths. Hidden folders and what a build makes are
/// no part of the house.
pub(crate) fn pages(extension: &str) -> Vec<Page> {
    let mut found = Vec::new();
    gather(&root(), &root(), extension, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "no .{extension} file was found");
    found
}

fn gather(root: &Path, folder: &Path, extension: &str, found: &mut Vec<Page>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            // A target folder is known by the tag that cargo puts in it.
            if !name.starts_with('.') && !path.join("CACHEDIR.TAG").exists() {
                gather(root, &path, extension, found);
            }
        } else if path.extension().is_some_and(|given| given == extension) {
            let parts: Vec<_> =
                path.strip_prefix(root).unwrap().iter().map(|part| part.to_string_lossy()).collect();
            found.push(Page::new(&parts.join("/"), &fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn this_file_is_found_and_nothing_that_a_build_made() {
    let paths: Vec<String> = pages("rs").into_iter().map(|page| page.path).collect();
    assert!(paths.contains(&"tests/tests/tidy/house.rs".to_owned()), "{paths:?}");
    assert!(!paths.iter().any(|path| path.starts_with("target/")), "{paths:?}");
}

#[test]
fn a_test_file_is_known_by_its_name_or_its_folder() {
    for (path, is_test) in [
        ("crates/a/src/law.rs", false),
        ("crates/a/src/law/tests.rs", true),
        ("crates/a/src/law/loom_tests.rs", true),
        ("crates/a/tests/contract.rs", true),
        ("tests/src/lib.rs", true),
        ("crates/tests_of_faith/src/lib.rs", false),
    ] {
        assert_eq!(Page::new(path, "").is_test(), is_test, "{path}");
    }
}

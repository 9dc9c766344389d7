//! How long a file and a function may be.

use syn::visit::{self, Visit};

use crate::house::{Page, pages};
use crate::{assert_clean, assert_one_fault};

const LINES_MAX: usize = 600;
const MEDIAN_MAX: usize = 150;
const FUNCTION_LINES_MAX: usize = 70;

fn file_faults(pages: &[Page]) -> Vec<String> {
    let mut faults = Vec::new();
    for page in pages {
        let lines = page.text.lines().count();
        if lines > LINES_MAX {
            faults.push(format!("{}: {lines} lines, allowed are {LINES_MAX}", page.path));
        }
    }
    let mut lengths: Vec<usize> =
        pages.iter().filter(|page| !page.is_test()).map(lines_without_tests).collect();
    lengths.sort_unstable();
    let median = lengths.get(lengths.len() / 2).copied().unwrap_or_default();
    if median > MEDIAN_MAX {
        faults.push(format!("the median file has {median} lines, allowed are {MEDIAN_MAX}"));
    }
    faults
}

/// The lines above the file's own tests, which stand at its end.
fn lines_without_tests(page: &Page) -> usize {
    page.text.lines().take_while(|line| *line != "#[cfg(test)]").count()
}

/// Functions that are too long, from the line with `fn` to the one with the closing brace. A function inside a
/// function counts for both.
fn function_faults(page: &Page) -> Vec<String> {
    let file = match syn::parse_file(&page.text) {
        Ok(file) => file,
        Err(error) => return vec![format!("{}: {error}", page.path)],
    };
    let mut functions = Functions { page, faults: Vec::new() };
    functions.visit_file(&file);
    functions.faults
}

struct Functions<'a> {
    page: &'a Page,
    faults: Vec<String>,
}

impl Functions<'_> {
    fn measure(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let first = signature.fn_token.span.start().line;
        let lines = body.brace_token.span.close().end().line + 1 - first;
        if lines > FUNCTION_LINES_MAX {
            let (path, name) = (&self.page.path, &signature.ident);
            self.faults.push(format!(
                "{path}:{first}: `{name}` has {lines} lines, allowed are {FUNCTION_LINES_MAX}"
            ));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.measure(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.measure(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(body) = &function.default {
            self.measure(&function.sig, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

#[test]
fn files_are_short() {
    assert_clean(&file_faults(&pages("rs")));
}

#[test]
fn functions_are_short() {
    let faults: Vec<String> = pages("rs").iter().flat_map(function_faults).collect();
    assert_clean(&faults);
}

#[test]
fn a_long_file_is_seen_and_the_longest_allowed_is_not() {
    let lines = |n| Page::new("crates/a/tests/long.rs", &"//\n".repeat(n));
    assert_clean(&file_faults(&[lines(LINES_MAX)]));
    assert_one_fault(&file_faults(&[lines(LINES_MAX + 1)]), "crates/a/tests/long.rs: 601 lines");
}

#[test]
fn a_long_median_is_seen_and_tests_do_not_count() {
    let lines = |path: &str, n| Page::new(path, &"//\n".repeat(n));
    let with_tests = |n: usize| {
        Page::new("crates/a/src/b.rs", &("//\n".repeat(n) + "#[cfg(test)]\n" + &"//\n".repeat(200)))
    };
    assert_clean(&file_faults(&[
        lines("crates/a/src/a.rs", 10),
        with_tests(150),
        lines("crates/a/src/c.rs", 500),
    ]));
    assert_clean(&file_faults(&[lines("crates/a/src/a.rs", 10), lines("crates/a/tests/b.rs", 500)]));
    assert_one_fault(
        &file_faults(&[lines("crates/a/src/a.rs", 10), with_tests(151)]),
        "the median file has 151",
    );
}

#[test]
fn a_long_function_is_seen_wherever_it_stands() {
    let body = |lines: usize| "\n".repeat(lines - 1);
    for (head, tail) in [
        ("fn long() {", "}"),
        ("mod a { impl B { /// Doc.\n#[must_use]\npub async fn long(\n&self) {", "} }}"),
        ("trait A { fn long() {", "} }"),
        ("fn outer() { let f = || { ", "}; }"),
    ] {
        let page = |lines| Page::new("a.rs", &format!("{head}{}{tail}", body(lines)));
        let signature_lines = head.split("pub ").last().unwrap().lines().count() - 1;
        assert_clean(&function_faults(&page(FUNCTION_LINES_MAX - signature_lines)));
        assert_one_fault(&function_faults(&page(FUNCTION_LINES_MAX + 1 - signature_lines)), "has 71 lines");
    }
    assert_one_fault(&function_faults(&Page::new("a.rs", "fn (")), "a.rs");
}

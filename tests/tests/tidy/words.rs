//! Words that must not stand in code: unfinished work, left-over debugging, tests that are switched off in silence.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::house::{Page, pages};
use crate::{assert_clean, assert_one_fault};

const MACROS: [&str; 3] = ["todo", "unimplemented", "dbg"];

/// Put together here, so that this file does not hold them.
fn notes() -> [String; 3] {
    [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["X", "XX"].concat()]
}

fn faults(page: &Page) -> Vec<String> {
    let mut faults = Vec::new();
    for (line, text) in (1..).zip(page.text.lines()) {
        for note in notes() {
            if text.split(|c: char| !c.is_alphanumeric()).any(|word| word == note) {
                faults.push(format!("{}:{line}: {note} belongs in an issue", page.path));
            }
        }
    }
    if page.path.ends_with(".rs") {
        match page.text.parse() {
            Ok(tokens) => walk(&page.path, tokens, &mut faults),
            Err(error) => faults.push(format!("{}: {error}", page.path)),
        }
    }
    faults
}

/// Looks through the tokens, also of macros' arguments; comments and strings are not tokens of their own.
fn walk(path: &str, tokens: TokenStream, faults: &mut Vec<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (i, token) in tokens.iter().enumerate() {
        let line = token.span().start().line;
        let is_punct = |at: Option<&TokenTree>, c: char| matches!(at, Some(TokenTree::Punct(punct)) if punct.as_char() == c);
        match token {
            TokenTree::Ident(ident)
                if is_punct(tokens.get(i + 1), '!') && MACROS.iter().any(|name| ident == name) =>
            {
                faults.push(format!("{path}:{line}: {ident}! must not stay"));
            }
            TokenTree::Group(group) => {
                let is_attribute = i > 0 && is_punct(tokens.get(i - 1), '#');
                if is_attribute
                    && group.delimiter() == Delimiter::Bracket
                    && group.stream().to_string() == "ignore"
                {
                    faults.push(format!("{path}:{line}: #[ignore] needs a reason"));
                }
                walk(path, group.stream(), faults);
            }
            _ => {}
        }
    }
}

#[test]
fn nothing_is_left_unfinished() {
    let faults: Vec<String> =
        pages("rs").iter().chain(&pages("toml")).chain(&pages("sh")).flat_map(faults).collect();
    assert_clean(&faults);
}

#[test]
fn unfinished_work_is_seen() {
    let check = |text: &str| faults(&Page::new("a.rs", text));
    for name in MACROS {
        assert_one_fault(&check(&format!("fn f() {{ assert!({name}!() == 1) }}")), name);
        assert_clean(&check(&format!("// {name}!()\nconst A: &str = \"{name}!()\"; fn {name}() {{}}")));
    }
    for note in notes() {
        assert_one_fault(&check(&format!("// {note}: later\n")), &note);
        assert_clean(&check(&format!("// {note}S of others\n")));
    }
    assert_one_fault(&check("#[test]\n#[ignore]\nfn f() {}"), "a.rs:2: #[ignore]");
    assert_clean(&check("#[test]\n#[ignore = \"takes an hour\"]\nfn f() {}"));
    assert_one_fault(&check("fn f() {"), "a.rs");
}

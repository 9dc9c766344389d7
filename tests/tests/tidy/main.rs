//! The house rules as tests.
//!
//! Each rule is a function from the house (or a bad sample) to the faults it finds, one line each. It is run twice:
//! on the house, where it must find nothing, and on a sample that breaks it, where it must find that. A rule that
//! cannot see a fault would be worse than none.
#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of a test end it when they cannot go on")]

mod changelog;
mod dependencies;
mod docs;
mod house;
mod lengths;
mod links;
mod manifests;
mod metrics;
mod settings;
mod words;

/// The house is clean: the test fails with all the faults, one a line.
#[track_caller]
fn assert_clean(faults: &[String]) {
    assert!(faults.is_empty(), "{} house rules are broken:\n{}", faults.len(), faults.join("\n"));
}

/// A rule sees what it is for: exactly one fault, with `part` in its text.
#[track_caller]
fn assert_one_fault(faults: &[String], part: &str) {
    assert_eq!(faults.len(), 1, "{faults:#?}");
    assert!(faults[0].contains(part), "{:?} does not speak of {part:?}", faults[0]);
}

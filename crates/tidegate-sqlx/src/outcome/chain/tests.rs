use std::fmt;
use std::io;

use super::*;
use crate::outcome::tests::answer;

type BoxError = Box<dyn StdError + Send + Sync>;

/// A business error that says what it was caused by.
#[derive(Debug)]
struct ScanFailed(BoxError);

impl fmt::Display for ScanFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the scan failed")
    }
}

impl StdError for ScanFailed {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}

/// An error whose chain of sources never ends.
#[derive(Debug)]
struct Endless;

impl fmt::Display for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("endless")
    }
}

impl StdError for Endless {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self)
    }
}

/// `error` below so many errors of business.
fn beneath(depth: usize, error: impl Into<BoxError>) -> BoxError {
    (0..depth).fold(error.into(), |inner, _| ScanFailed(inner).into())
}

#[track_caller]
fn check(error: impl Into<BoxError>, expected: Outcome) {
    let error = error.into();
    assert_eq!(classify_chain(&*error), expected, "{error:?}");
}

/// The same verdict wherever the error stands.
#[track_caller]
fn check_wherever(error: fn() -> Error, expected: Outcome) {
    check(error(), expected);
    check(beneath(1, error()), expected);
    check(beneath(63, error()), expected);
    check(Box::new(error()), expected);
    check(beneath(1, Arc::new(error())), expected);
    check(Arc::new(error()) as Arc<dyn StdError + Send + Sync>, expected);
    check(io::Error::other(error()), expected);
    check(beneath(1, Arc::new(io::Error::other(error()))), expected);
    check(beneath(1, Box::new(io::Error::other(error()))), expected);
    check(Error::Decode(error().into()), expected);
}

#[test]
fn overload_is_found_wherever_it_stands() {
    check_wherever(|| Error::PoolTimedOut, Outcome::Overload);
    check_wherever(|| answer("53300"), Outcome::Overload); // too_many_connections
    check_wherever(|| answer("40P01"), Outcome::Overload); // deadlock_detected
    check_wherever(|| answer("5"), Outcome::Overload); // SQLite BUSY
}

#[test]
fn business_error_is_ignored_wherever_it_stands() {
    check_wherever(|| Error::RowNotFound, Outcome::Ignored);
    check_wherever(|| answer("23505"), Outcome::Ignored); // unique_violation
    check_wherever(|| answer("2067"), Outcome::Ignored); // SQLite UNIQUE
    check_wherever(|| Error::PoolClosed, Outcome::Ignored);
}

#[test]
fn answer_taken_out_of_its_error_is_judged() {
    let taken = |code| answer(code).into_database_error().unwrap();
    check(Box::new(taken("53300")) as BoxError, Outcome::Overload);
    check(Box::new(taken("23505")) as BoxError, Outcome::Ignored);
}

/// The database's own word counts, not what stands below it.
#[test]
fn first_verdict_decides() {
    let error = Error::Configuration(Error::Decode(answer("23505").into()).into());
    check(beneath(2, error), Outcome::Ignored);
    check(beneath(2, Error::Configuration(Error::PoolTimedOut.into())), Outcome::Overload);
}

#[test]
fn error_of_others_is_ignored() {
    check("no such page", Outcome::Ignored);
    check(Error::PoolTimedOut.to_string(), Outcome::Ignored);
    check(beneath(3, "no such page"), Outcome::Ignored);
    check(io::Error::from(io::ErrorKind::TimedOut), Outcome::Ignored);
}

#[test]
fn walk_along_a_chain_ends() {
    check(Endless, Outcome::Ignored);
    check(beneath(64, Error::PoolTimedOut), Outcome::Ignored);
}

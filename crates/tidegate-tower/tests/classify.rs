//! Which errors mean that a call's time ran out.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tidegate_core::Outcome;
use tidegate_tower::{Classify, DefaultClassify, classify_elapsed};
use tower::BoxError;
use tower::load_shed::error::Overloaded;
use tower::timeout::error::Elapsed;

/// A business error that says what it was caused by.
#[derive(Debug)]
struct ScanFailed(BoxError);

impl fmt::Display for ScanFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the scan failed")
    }
}

impl Error for ScanFailed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
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

impl Error for Endless {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self)
    }
}

fn elapsed_of_tokio() -> tokio::time::error::Elapsed {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime
        .block_on(async { tokio::time::timeout(Duration::ZERO, std::future::pending::<()>()).await })
        .unwrap_err()
}

/// `error` below so many errors of business.
fn below(depth: usize, error: impl Into<BoxError>) -> BoxError {
    (0..depth).fold(error.into(), |inner, _| ScanFailed(inner).into())
}

/// What a layer without a classifier says of an error of this type.
fn default<Err: 'static>(error: &Err) -> Outcome {
    DefaultClassify::default().classify(Err::<&(), _>(error))
}

/// The default and the function say the same of an error in a box.
#[track_caller]
fn check(error: impl Into<BoxError>, expected: Outcome) {
    let error = error.into();
    assert_eq!(classify_elapsed(&*error), expected, "{error:?}");
    assert_eq!(default(&error), expected, "{error:?}");
}

#[test]
fn elapsed_is_overload() {
    check(Elapsed::new(), Outcome::Overload);
    check(elapsed_of_tokio(), Outcome::Overload);
}

#[test]
fn elapsed_below_other_errors_is_overload() {
    for depth in [1, 2, 63] {
        check(below(depth, Elapsed::new()), Outcome::Overload);
        check(below(depth, elapsed_of_tokio()), Outcome::Overload);
    }
}

#[test]
fn elapsed_inside_errors_that_hide_what_they_hold_is_overload() {
    let shared: Arc<dyn Error + Send + Sync> = Arc::new(Elapsed::new());
    check(shared, Outcome::Overload);
    check(io::Error::other(elapsed_of_tokio()), Outcome::Overload);
    check(io::Error::other(below(1, Elapsed::new())), Outcome::Overload);
    check(below(1, io::Error::other(Elapsed::new())), Outcome::Overload);
    check(below(1, Arc::new(io::Error::other(Elapsed::new()))), Outcome::Overload);
    check(below(1, Box::new(io::Error::other(Elapsed::new()))), Outcome::Overload);
}

#[test]
fn elapsed_in_a_box_of_its_own_is_overload() {
    check(Box::new(Elapsed::new()), Outcome::Overload);
    check(Arc::new(elapsed_of_tokio()), Outcome::Overload);
}

#[test]
fn default_knows_the_types_that_hold_any_error() {
    assert_eq!(default::<BoxError>(&Elapsed::new().into()), Outcome::Overload);
    assert_eq!(default::<Box<dyn Error + Send>>(&(Box::new(Elapsed::new()) as _)), Outcome::Overload);
    assert_eq!(default::<Box<dyn Error>>(&Elapsed::new().into()), Outcome::Overload);
    assert_eq!(default::<Arc<dyn Error + Send + Sync>>(&(Arc::new(Elapsed::new()) as _)), Outcome::Overload);
    assert_eq!(default::<io::Error>(&io::Error::other(Elapsed::new())), Outcome::Overload);
    assert_eq!(default(&Elapsed::new()), Outcome::Overload);
    assert_eq!(default(&elapsed_of_tokio()), Outcome::Overload);
}

#[test]
fn business_error_is_ignored() {
    check("no such page", Outcome::Ignored);
    check(io::Error::other("no such page"), Outcome::Ignored);
    check(ScanFailed("no such page".into()), Outcome::Ignored);
    check(Arc::new(ScanFailed("no such page".into())), Outcome::Ignored);
    assert_eq!(default(&"no such page"), Outcome::Ignored);
    assert_eq!(default(&404_u16), Outcome::Ignored);
}

#[test]
fn text_does_not_make_a_timeout() {
    check(Elapsed::new().to_string(), Outcome::Ignored);
    check(elapsed_of_tokio().to_string(), Outcome::Ignored);
    check(io::Error::from(io::ErrorKind::TimedOut), Outcome::Ignored);
}

#[test]
fn refusal_is_ignored() {
    check(Overloaded::new(), Outcome::Ignored);
    check(below(1, Overloaded::new()), Outcome::Ignored);
}

#[test]
fn response_is_a_success_whatever_it_holds() {
    let response: BoxError = Elapsed::new().into();
    assert_eq!(DefaultClassify::default().classify(Ok::<_, &BoxError>(&response)), Outcome::Success);
}

#[test]
fn walk_along_a_chain_ends() {
    check(Endless, Outcome::Ignored);
    check(below(64, Elapsed::new()), Outcome::Ignored);
}

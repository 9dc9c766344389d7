use std::error::Error;
use std::sync::Arc;
use std::{io, iter};

/// How many errors of one chain are looked at.
///
/// Real chains hold a few; one that leads back to itself has no end.
const DEPTH_MAX: usize = 64;

/// `error` and the errors below it, outermost first, at most 64: for functions that judge an [`Outcome`](crate::Outcome).
///
/// It follows [`Error::source`], and looks into [`io::Error`] (also boxed or shared) and `Arc<dyn Error + Send + Sync>`,
/// whose source is the source of the error they hold and so would leave that one out.
///
/// ```
/// use std::io;
/// use tidegate_core::error_chain;
///
/// let error = io::Error::other(std::fmt::Error);
/// assert!(error_chain(&error).any(|error| error.is::<std::fmt::Error>()));
/// ```
pub fn error_chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |error| below(*error)).take(DEPTH_MAX)
}

fn below<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let io_error = error
        .downcast_ref::<io::Error>()
        .or_else(|| error.downcast_ref::<Arc<io::Error>>().map(|shared| &**shared))
        .or_else(|| error.downcast_ref::<Box<io::Error>>().map(|boxed| &**boxed));
    if let Some(error) = io_error {
        return error.get_ref().map(|held| held as _);
    }
    if let Some(shared) = error.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
        return Some(&**shared);
    }
    error.source()
}

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use tower::BoxError;

/// What a call through [`Coalesce`](crate::Coalesce) fails with if not with an error of its row alone.
///
/// A row that was alone in its batch, or was found by splitting it, has the inner service's error itself.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CoalesceError {
    /// The batch failed as a whole; the inner service's error is the [source](Error::source).
    Batch {
        /// How many rows it had.
        rows: usize,
        /// The error, which the callers share.
        source: Arc<BoxError>,
    },
    /// The inner service did not answer with one result per row, so nobody can tell which is whose.
    /// The rows may have been written.
    WrongLength {
        /// How many rows the batch had.
        rows: usize,
        /// How many results came.
        results: usize,
    },
    /// The batch ended without an answer: the inner service panicked, or the runtime was shut down.
    /// The row may have been written.
    Lost,
    /// The service is not on a runtime of tokio, or its runtime was shut down. The row was not written.
    Closed,
    /// The service was called before it was ready. The row was not written.
    NotReady,
}

impl fmt::Display for CoalesceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch { rows, .. } => write!(f, "a batch of {rows} rows failed"),
            Self::WrongLength { rows, results } => {
                write!(f, "a batch of {rows} rows was answered with {results} results; one per row is needed")
            }
            Self::Lost => {
                f.write_str("the batch ended without an answer: it panicked or its runtime was shut down")
            }
            Self::Closed => f.write_str("no runtime of tokio runs this service, or it was shut down"),
            Self::NotReady => f.write_str("the service was called before `poll_ready` said that it is ready"),
        }
    }
}

impl Error for CoalesceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Batch { source, .. } => Some(&***source),
            _ => None,
        }
    }
}

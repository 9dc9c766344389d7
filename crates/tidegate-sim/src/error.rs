use std::error::Error;
use std::fmt;

/// A scenario that cannot be run, or a run that broke a law of conservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimError {
    message: String,
}

impl SimError {
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self { message: message.to_string() }
    }
}

impl fmt::Display for SimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for SimError {}

//! Why the command ends without success, and the exit code of each reason.

use std::fmt;
use std::process::ExitCode;

/// Why the command ends early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something that was typed cannot be used: exit code 2.
    Input(String),
    /// Something went wrong while working: exit code 1.
    Work(String),
}

impl Failure {
    pub(crate) fn input(what: impl fmt::Display) -> Self {
        Self::Input(what.to_string())
    }

    pub(crate) fn work(what: impl fmt::Display) -> Self {
        Self::Work(what.to_string())
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Input(_) => 2,
            Self::Work(_) => 1,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Input(what) | Self::Work(what)) = self;
        write!(f, "error: {what}")
    }
}

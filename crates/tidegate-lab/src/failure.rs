//! Why the command ends without success, and the exit code of each reason.

use std::fmt;
use std::process::ExitCode;

use crate::faults::{Fault, Faults};

/// Why the command ends early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something that was typed cannot be used: exit code 2.
    Input(Faults),
    /// What was typed cannot be read, as the whole line says: exit code 2.
    Misread(String),
    /// A signal asked to stop: exit code 128 + its number.
    Interrupted(u8),
    /// Another signal asked to stop before what was made could be removed: exit code 128 + its number.
    LeftBehind { signal: u8, place: String },
    /// Something went wrong while working: exit code 1.
    Work(String),
}

impl Failure {
    pub(crate) fn work(what: impl fmt::Display) -> Self {
        Self::Work(what.to_string())
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Input(_) | Self::Misread(_) => 2,
            Self::Interrupted(signal) | Self::LeftBehind { signal, .. } => 128 + signal,
            Self::Work(_) => 1,
        })
    }
}

impl fmt::Display for Failure {
    /// One line for each thing that is wrong.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(faults) => {
                for (i, fault) in faults.iter().enumerate() {
                    let separator = if i == 0 { "" } else { "\n" };
                    write!(f, "{separator}error: {fault}")?;
                }
                Ok(())
            }
            Self::Misread(line) => f.write_str(line),
            Self::Interrupted(_) => f.write_str("stopped; everything the run made is removed"),
            Self::LeftBehind { place, .. } => write!(f, "stopped; {place} is left behind"),
            Self::Work(what) => write!(f, "error: {what}"),
        }
    }
}

impl From<Faults> for Failure {
    fn from(faults: Faults) -> Self {
        Self::Input(faults)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Input(fault.into())
    }
}

impl From<std::io::Error> for Failure {
    fn from(err: std::io::Error) -> Self {
        Self::work(err)
    }
}

impl From<sqlx::Error> for Failure {
    fn from(err: sqlx::Error) -> Self {
        Self::work(err)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(err: serde_json::Error) -> Self {
        Self::work(err)
    }
}

impl From<toml::ser::Error> for Failure {
    fn from(err: toml::ser::Error) -> Self {
        Self::work(err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_input_is_one_line_for_each_field() {
        let mut faults = Faults::default();
        faults.require(false, "jobs", 0, "1 or more");
        faults.require(false, "pool", 0, "1 or more");
        let failure = Failure::from(faults);
        assert_eq!(
            failure.to_string(),
            "error: jobs is 0, allowed is 1 or more\nerror: pool is 0, allowed is 1 or more"
        );
    }

    #[test]
    fn what_is_left_behind_is_said() {
        let failure = Failure::LeftBehind { signal: 2, place: "the schema x".to_owned() };
        assert_eq!(failure.to_string(), "stopped; the schema x is left behind");
    }
}

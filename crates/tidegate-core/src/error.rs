use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// Settings that cannot be used, every one of them with the value given and the values allowed.
///
/// The text is one line and says what to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    faults: Vec<ConfigFault>,
}

/// One setting that cannot be used; its text says which, what was given, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFault {
    field: Cow<'static, str>,
    given: String,
    allowed: String,
}

impl ConfigFault {
    /// The setting's name, after the names of the parts it stands in: `queue.sojourn.target`.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The value that was given.
    #[must_use]
    pub fn given(&self) -> &str {
        &self.given
    }

    /// The values that are allowed, in words.
    #[must_use]
    pub fn allowed(&self) -> &str {
        &self.allowed
    }
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}, allowed is {}", self.field, self.given, self.allowed)
    }
}

impl ConfigError {
    /// What is wrong, in the order it was checked: at least one fault.
    pub fn faults(&self) -> impl Iterator<Item = &ConfigFault> {
        self.faults.iter()
    }

    /// The names of the settings at fault, in the order they were checked.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.faults.iter().map(ConfigFault::field)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.faults.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

impl Error for ConfigError {}

/// Gathers the faults of a configuration, so that all of them are reported at once.
///
/// ```
/// use tidegate_core::ConfigChecks;
///
/// let mut checks = ConfigChecks::default();
/// checks.require(false, "pool", 0, "1 or more");
/// assert_eq!(checks.finish(()).unwrap_err().to_string(), "pool is 0, allowed is 1 or more");
/// ```
#[derive(Debug, Default)]
pub struct ConfigChecks {
    faults: Vec<ConfigFault>,
}

impl ConfigChecks {
    /// Notes a fault of `field` unless `ok`.
    pub fn require(
        &mut self,
        ok: bool,
        field: impl Into<Cow<'static, str>>,
        given: impl fmt::Display,
        allowed: impl fmt::Display,
    ) {
        if !ok {
            let (given, allowed) = (given.to_string(), allowed.to_string());
            self.faults.push(ConfigFault { field: field.into(), given, allowed });
        }
    }

    /// Notes the faults of a part of the settings that checks itself; its fields are called `part.field` then.
    pub fn include(&mut self, part: &str, checked: Result<(), ConfigError>) {
        if let Err(error) = checked {
            self.faults.extend(
                error.faults.into_iter().map(|fault| ConfigFault {
                    field: Cow::Owned(format!("{part}.{}", fault.field)),
                    ..fault
                }),
            );
        }
    }

    /// Notes the faults of other checks.
    pub fn merge(&mut self, checked: Result<(), ConfigError>) {
        if let Err(error) = checked {
            self.faults.extend(error.faults);
        }
    }

    /// The names of the settings at fault so far.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.faults.iter().map(ConfigFault::field)
    }

    /// The value, if nothing was at fault.
    ///
    /// # Errors
    ///
    /// All the faults that were noted.
    pub fn finish<T>(self, value: T) -> Result<T, ConfigError> {
        if self.faults.is_empty() { Ok(value) } else { Err(ConfigError { faults: self.faults }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_s_faults_are_named_after_the_part_and_kept_in_order() {
        let mut inner = ConfigChecks::default();
        inner.require(false, "target", "0ns", "1ms or more");
        let mut checks = ConfigChecks::default();
        checks.require(false, "tick", 0, "1 or more");
        checks.include("queue", Ok(()));
        checks.include("sojourn", inner.finish(()));
        let error = checks.finish(()).unwrap_err();
        let fault = error.faults().nth(1).unwrap();
        assert_eq!((fault.field(), fault.given(), fault.allowed()), ("sojourn.target", "0ns", "1ms or more"));
        assert_eq!(
            error.to_string(),
            "tick is 0, allowed is 1 or more; sojourn.target is 0ns, allowed is 1ms or more"
        );
    }
}

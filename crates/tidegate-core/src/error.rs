use std::error::Error;
use std::fmt;

/// Settings that cannot be used, every one of them with the value given and the values allowed.
///
/// The text is one line and says what to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    faults: Vec<Fault>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    field: &'static str,
    given: String,
    allowed: String,
}

impl ConfigError {
    /// The names of the settings at fault, in the order they were checked.
    pub fn fields(&self) -> impl Iterator<Item = &'static str> {
        self.faults.iter().map(|fault| fault.field)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.faults.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{} is {}, allowed is {}", fault.field, fault.given, fault.allowed)?;
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
    faults: Vec<Fault>,
}

impl ConfigChecks {
    /// Notes a fault of `field` unless `ok`.
    pub fn require(
        &mut self,
        ok: bool,
        field: &'static str,
        given: impl fmt::Display,
        allowed: impl fmt::Display,
    ) {
        if !ok {
            self.faults.push(Fault { field, given: given.to_string(), allowed: allowed.to_string() });
        }
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

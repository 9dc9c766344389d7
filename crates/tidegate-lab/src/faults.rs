//! What was typed and cannot be used.

use std::borrow::Cow;
use std::fmt;

/// One setting that cannot be used: its name, what was given, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    field: Cow<'static, str>,
    given: String,
    allowed: String,
}

impl Fault {
    pub(crate) fn new(
        field: impl Into<Cow<'static, str>>,
        given: impl fmt::Display,
        allowed: impl fmt::Display,
    ) -> Self {
        Self {
            field: field.into(),
            given: one_line(&given.to_string()),
            allowed: one_line(&allowed.to_string()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}, allowed is {}", self.field, self.given, self.allowed)
    }
}

/// The faults of one command line, gathered so that all of them are reported at once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    list: Vec<Fault>,
}

impl Faults {
    /// The value, or `None` after noting why there is none.
    pub(crate) fn take<T>(&mut self, parsed: Result<T, Fault>) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(fault) => {
                self.list.push(fault);
                None
            }
        }
    }

    /// Notes a fault unless `ok`.
    pub(crate) fn require(
        &mut self,
        ok: bool,
        field: impl Into<Cow<'static, str>>,
        given: impl fmt::Display,
        allowed: impl fmt::Display,
    ) {
        if !ok {
            self.list.push(Fault::new(field, given, allowed));
        }
    }

    /// Fails with everything noted so far, if anything was.
    pub(crate) fn check(&mut self) -> Result<(), Self> {
        if self.list.is_empty() { Ok(()) } else { Err(std::mem::take(self)) }
    }

    /// The faults in the order they were noted.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.list.iter()
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self { list: vec![fault] }
    }
}

/// A fault is one line whatever was typed, and says so where nothing was.
fn one_line(text: &str) -> String {
    let parts: Vec<_> = text.split(char::is_control).map(str::trim).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { "empty".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_field_value_and_allowed_range_on_one_line() {
        let fault = Fault::new("pool", "0\n\x1b[31m", "1 to 10");
        assert_eq!(fault.to_string(), "pool is 0 [31m, allowed is 1 to 10");
        assert_eq!(Fault::new("only", " ", "nested").to_string(), "only is empty, allowed is nested");
    }

    #[test]
    fn every_fault_is_kept_in_order() {
        let mut faults = Faults::default();
        assert_eq!(faults.take::<u32>(Err(Fault::new("jobs", 0, "1 or more"))), None);
        faults.require(false, "pool", 0, "1 or more");
        faults.require(true, "experts", 1, "1 or more");
        let noted = faults.check().unwrap_err();
        let kept: Vec<_> = noted.iter().map(|fault| &*fault.field).collect();
        assert_eq!(kept, ["jobs", "pool"]);
    }
}

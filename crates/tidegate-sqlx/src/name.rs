//! The names of pools. Two pools of one name would move the same gauges to and fro, so each has its own until it is given one.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The numbers in use, with their drivers.
static TAKEN: Mutex<BTreeSet<(&str, u32)>> = Mutex::new(BTreeSet::new());

#[derive(Debug)]
pub(crate) struct Name {
    text: Arc<str>,
    /// Given back when the pool is gone, so that there are no more names than pools at a time.
    number: Option<(&'static str, u32)>,
}

impl Name {
    pub(crate) const fn given(text: Arc<str>) -> Self {
        Self { text, number: None }
    }

    /// The driver's name for the first pool, then with the lowest number that no pool has.
    pub(crate) fn numbered(driver: &'static str) -> Self {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut number = 1;
        while !taken.insert((driver, number)) {
            number += 1;
        }
        let text = if number == 1 { driver.into() } else { format!("{driver}-{number}").into() };
        Self { text, number: Some((driver, number)) }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            TAKEN.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_of_one_pool_and_free_when_that_is_gone() {
        let first = Name::numbered("some driver");
        let second = Name::numbered("some driver");
        let other = Name::numbered("another driver");
        assert_eq!(
            [&first, &second, &other].map(Name::as_str),
            ["some driver", "some driver-2", "another driver"]
        );
        drop(first);
        assert_eq!(Name::numbered("some driver").as_str(), "some driver");
        assert_eq!(Name::given("some driver-2".into()).as_str(), "some driver-2");
        assert_eq!(Name::numbered("some driver").as_str(), "some driver", "a given name takes none");
        drop(second);
    }
}

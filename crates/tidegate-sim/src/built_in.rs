use crate::{Scenario, SimError};

/// The names and texts of the files.
const FILES: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/scenarios.rs"));

impl Scenario {
    /// The scenarios of the folder `scenarios/`, which are part of this crate, by their names.
    ///
    /// # Errors
    ///
    /// If one of the files is no scenario; a test holds that none is.
    pub fn built_in() -> Result<Vec<Self>, SimError> {
        let mut scenarios: Vec<Self> =
            FILES.iter().map(|(_, text)| Self::parse(text)).collect::<Result<_, _>>()?;
        scenarios.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(scenarios)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_named_as_its_file() {
        for (file, text) in FILES {
            assert_eq!(Scenario::parse(text).unwrap().name, *file);
        }
    }

    #[test]
    fn every_file_is_built_in_and_no_name_is_there_twice() {
        let names: Vec<String> =
            Scenario::built_in().unwrap().into_iter().map(|scenario| scenario.name).collect();
        assert!(names.len() >= 12 && names.contains(&"think_heavy".to_owned()), "{names:?}");
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }
}

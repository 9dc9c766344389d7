use serde::Serialize;

use super::{Row, Standing};

/// The rows of all scenarios. It serialises to the JSON of `tidegate simulate`, schema 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Board {
    /// The version of the JSON.
    pub schema: u32,
    /// In the order in which they were played.
    pub scenarios: Vec<ScenarioRows>,
}

/// The rows of one scenario.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ScenarioRows {
    /// The scenario's name.
    pub name: String,
    /// A row for each law, the oracle's first if the scenario has one.
    pub laws: Vec<Row>,
}

impl Board {
    /// The rows of each scenario, given with its name.
    #[must_use]
    pub fn new(scenarios: Vec<(String, Vec<Row>)>) -> Self {
        let scenarios = scenarios.into_iter().map(|(name, laws)| ScenarioRows { name, laws }).collect();
        Self { schema: 1, scenarios }
    }

    /// How each law did over all scenarios, the law with the best worst case first.
    #[must_use]
    pub fn standings(&self) -> Vec<Standing> {
        let mut laws: Vec<&str> = Vec::new();
        for row in self.scenarios.iter().flat_map(|scenario| &scenario.laws) {
            if !laws.contains(&row.law.as_str()) {
                laws.push(&row.law);
            }
        }
        let mut standings: Vec<Standing> = laws.into_iter().map(|law| self.standing(law)).collect();
        let lowest =
            |standing: &Standing| standing.lowest.as_ref().map_or(f64::NEG_INFINITY, |lowest| lowest.1);
        standings.sort_by(|a, b| lowest(b).total_cmp(&lowest(a)));
        standings
    }

    /// How one law did over all scenarios.
    #[must_use]
    pub fn standing(&self, law: &str) -> Standing {
        let of_law = |scenario: &'_ ScenarioRows| {
            let row = scenario.laws.iter().find(|row| row.law == law)?;
            Some((scenario.name.clone(), row.clone()))
        };
        Standing::of(law, &self.scenarios.iter().filter_map(of_law).collect::<Vec<_>>())
    }
}

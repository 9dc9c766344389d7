//! Every scenario of `scenarios/`: the default law meets its expectations with every seed, and a broken law does not.
//!
//! A new scenario is a new file; nothing has to be written here.

#![expect(clippy::unwrap_used, reason = "a test's helper that cannot help ends the test")]

use tidegate_sim::{Canary, Policy, Scenario, run};

fn scenarios() -> Vec<Scenario> {
    Scenario::built_in().unwrap()
}

/// The expectations that a policy does not meet, with the seed that replays it.
fn faults(scenario: &Scenario, policy: &Policy, seed: u64) -> Vec<String> {
    let report = run(scenario, policy, seed).unwrap();
    let line = |fault| format!("{} (policy {}, seed {seed}): {fault}", scenario.name, policy.name());
    scenario.faults(&report).into_iter().map(line).collect()
}

#[test]
fn the_default_law_meets_every_expectation_with_every_seed() {
    let mut found = Vec::new();
    for scenario in scenarios() {
        for &seed in &scenario.seeds {
            found.extend(faults(&scenario, &Policy::adaptive(), seed));
        }
    }
    assert!(found.is_empty(), "{} expectations are not met:\n{}", found.len(), found.join("\n"));
}

#[test]
fn a_broken_law_is_rejected_by_every_scenario_that_claims_to_test_laws() {
    let canary = Policy::law("canary", Canary::new);
    let testing: Vec<Scenario> = scenarios().into_iter().filter(|scenario| scenario.tests_laws).collect();
    assert!(testing.len() >= 10, "only {} scenarios test laws", testing.len());
    for scenario in testing {
        for &seed in &scenario.seeds {
            let found = faults(&scenario, &canary, seed);
            assert!(!found.is_empty(), "{} (seed {seed}) lets a broken law pass", scenario.name);
        }
    }
}

/// The oracle of each file is what its limits give, without pool timeouts: not a figure from another world.
#[test]
fn the_oracle_of_every_scenario_is_reproduced() {
    for scenario in scenarios() {
        for (phase, oracle) in scenario.oracle.iter().enumerate() {
            let mut goodput = 0.0;
            for &seed in &scenario.seeds {
                let figures = run(&scenario, &Policy::fixed(oracle.limit), seed).unwrap().phases[phase];
                assert_eq!(figures.pool_timeouts, 0, "{}, phase {phase} (seed {seed})", scenario.name);
                goodput += figures.goodput;
            }
            let mean = goodput / f64::from(u32::try_from(scenario.seeds.len()).unwrap());
            let difference = (mean - oracle.goodput).abs();
            assert!(
                difference <= 0.02 * oracle.goodput,
                "{}, phase {phase}: the oracle says {}, its limit gives {mean}",
                scenario.name,
                oracle.goodput
            );
        }
    }
}

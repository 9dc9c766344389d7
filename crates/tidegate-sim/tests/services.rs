//! Every scenario of `services/`, services without a pool: our laws meet its expectations with every seed, and the laws of
//! others that the table names do not.
//!
//! A new scenario is a new file and a row.

#![expect(clippy::unwrap_used, reason = "a test's helper that cannot help ends the test")]

use std::fs;
use std::path::Path;

use tidegate_sim::{Canary, Policy, Scenario, run};

/// A file, our laws that meet its expectations, and the laws that do not.
struct Row {
    file: &'static str,
    meet: &'static [&'static str],
    fail: &'static [&'static str],
}

const OURS: &[&str] = &["guarded_aimd", "guarded_gradient2", "guarded_vegas"];
/// Where nothing is refused and nobody gives up, `Aimd` sees nothing unless it has a target.
const BY_CALL_TIME: &[&str] = &["guarded_gradient2", "guarded_vegas"];
const WITH_TARGET: &[&str] = &["guarded_aimd:200", "guarded_gradient2", "guarded_vegas"];

const ROWS: [Row; 6] = [
    Row { file: "hanging", meet: OURS, fail: &["none", "netflix_aimd", "vegas"] },
    Row { file: "impatient", meet: OURS, fail: &["none", "netflix_aimd", "gradient2", "vegas"] },
    Row { file: "refusing", meet: OURS, fail: &["none", "netflix_aimd", "gradient2", "vegas"] },
    Row { file: "slower", meet: BY_CALL_TIME, fail: &["none", "netflix_aimd", "gradient2", "vegas"] },
    Row { file: "steady", meet: OURS, fail: &["gradient2", "vegas"] },
    Row { file: "thrashing", meet: WITH_TARGET, fail: &["none", "netflix_aimd", "gradient2", "vegas"] },
];

fn scenario(file: &str) -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("services").join(file).with_extension("toml");
    Scenario::parse(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The expectations that a policy does not meet, with the seed that replays it.
fn faults(scenario: &Scenario, policy: &Policy, seed: u64) -> Vec<String> {
    let report = run(scenario, policy, seed).unwrap();
    let line = |fault| format!("{} (policy {}, seed {seed}): {fault}", scenario.name, policy.name());
    scenario.faults(&report).into_iter().map(line).collect()
}

#[test]
fn our_laws_meet_every_expectation_with_every_seed() {
    let mut found = Vec::new();
    for row in ROWS {
        let scenario = scenario(row.file);
        for law in row.meet {
            let policy = Policy::named(law).unwrap();
            found.extend(scenario.seeds.iter().flat_map(|seed| faults(&scenario, &policy, *seed)));
        }
    }
    assert!(found.is_empty(), "{} expectations are not met:\n{}", found.len(), found.join("\n"));
}

#[test]
fn the_laws_of_others_and_a_broken_one_are_rejected() {
    for row in ROWS {
        let scenario = scenario(row.file);
        let others = row.fail.iter().map(|law| Policy::named(law).unwrap());
        let canary = scenario.tests_laws.then(|| Policy::law("canary", Canary::new));
        for policy in others.chain(canary) {
            for &seed in &scenario.seeds {
                let found = faults(&scenario, &policy, seed);
                assert!(!found.is_empty(), "{} (seed {seed}) lets {} pass", row.file, policy.name());
            }
        }
    }
}

/// The rival of the same name collapses, and ours does not: less than a tenth of what ours gets done, or near it.
#[test]
fn where_the_rival_of_the_same_name_collapses_ours_does_not() {
    for (file, rival, ours, times) in [
        ("impatient", "netflix_aimd", "guarded_aimd", 50.0),
        ("impatient", "gradient2", "guarded_gradient2", 5.0),
        ("steady", "vegas", "guarded_vegas", 10.0),
    ] {
        let scenario = scenario(file);
        let goodput = |law: &str| run(&scenario, &Policy::named(law).unwrap(), 1).unwrap().whole.goodput;
        let (rival_gets, ours_gets) = (goodput(rival), goodput(ours));
        assert!(ours_gets > times * rival_gets, "{file}: {ours} {ours_gets}, {rival} {rival_gets}");
    }
}

#[test]
fn every_file_has_a_row_and_its_name() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("services");
    let mut files: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    assert_eq!(files, ROWS.map(|row| row.file.to_owned()));
    for file in files {
        assert_eq!(scenario(&file).name, file);
    }
}

/// The oracle of each file is what its limit gives.
#[test]
fn the_oracle_of_every_file_is_reproduced() {
    for Row { file, .. } in ROWS {
        let scenario = scenario(file);
        let oracle = scenario.oracle[0];
        let goodput = |seed: &u64| run(&scenario, &Policy::fixed(oracle.limit), *seed).unwrap().whole.goodput;
        let mean = scenario.seeds.iter().map(goodput).sum::<f64>() / 3.0;
        assert_eq!(scenario.seeds.len(), 3);
        assert!((mean - oracle.goodput).abs() <= 0.02 * oracle.goodput, "{file}: {mean}");
    }
}

//! Prints how the default law does in each scenario of a folder, against the best fixed limit.
//!
//! `cargo run --release -p tidegate-sim --example score [-- FOLDER [SEEDS]]`; with `--sweep` the best fixed limits are
//! searched anew instead of taken from the files.
#![expect(clippy::print_stdout, reason = "the table is what it is for")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use tidegate_sim::{Figures, Oracle, Policy, Scenario, run, sweep};

fn main() -> Result<(), Box<dyn Error>> {
    let (flags, words): (Vec<String>, Vec<String>) =
        env::args().skip(1).partition(|arg| arg.starts_with("--"));
    let folder = words.first().map_or(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios"), String::as_str);
    let seeds: Vec<u64> = (1..=words.get(1).map_or(Ok(10), |seeds| seeds.parse())?).collect();
    println!(
        "| scenario | policy | oracle N: goodput/s | goodput % median/worst | timeouts median/worst | failed jobs median/worst | limit mean | limit cv | pool wait p50/p99 ms | expert p99 s |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for path in scenario_files(Path::new(folder))? {
        let mut scenario = Scenario::parse(&fs::read_to_string(&path)?)?;
        if flags.iter().any(|flag| flag == "--sweep") {
            scenario.oracle = sweep(&scenario, &seeds)?.unwrap_or_default();
        }
        for policy in [Policy::adaptive(), Policy::none()] {
            print_row(&scenario, &policy, &seeds)?;
        }
    }
    Ok(())
}

fn scenario_files(folder: &Path) -> Result<Vec<PathBuf>, std::io::Error> {
    let entries: Result<Vec<_>, _> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut files: Vec<PathBuf> =
        entries?.into_iter().filter(|path| path.extension().is_some_and(|found| found == "toml")).collect();
    files.sort();
    Ok(files)
}

fn print_row(scenario: &Scenario, policy: &Policy, seeds: &[u64]) -> Result<(), Box<dyn Error>> {
    let mut runs: Vec<Figures> = Vec::new();
    for &seed in seeds {
        runs.push(run(scenario, policy, seed)?.whole);
    }
    let sorted = |of: &dyn Fn(&Figures) -> f64| {
        let mut values: Vec<f64> = runs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let median = |of: &dyn Fn(&Figures) -> f64| sorted(of)[seeds.len() / 2];
    let most = |of: &dyn Fn(&Figures) -> f64| sorted(of)[seeds.len() - 1];
    let oracle = scenario.oracle_goodput([0.0, scenario.duration_s]);
    let share = |figures: &Figures| oracle.map_or(f64::NAN, |oracle| 100.0 * figures.goodput / oracle);
    let phase = |oracle: &Oracle| format!("{}: {:.2}", oracle.limit, oracle.goodput);
    println!(
        "| {} | {} | {} | {:.1}/{:.1} | {:.0}/{:.0} | {:.0}/{:.0} | {:.1} | {:.3} | {:.1}/{:.1} | {:.2} |",
        scenario.name,
        policy.name(),
        scenario.oracle.iter().map(phase).collect::<Vec<_>>().join(", "),
        median(&share),
        sorted(&share)[0],
        median(&|figures| figures.pool_timeouts.into()),
        most(&|figures| figures.pool_timeouts.into()),
        median(&|figures| figures.failed_jobs.into()),
        most(&|figures| figures.failed_jobs.into()),
        median(&|figures| figures.limit.mean),
        median(&|figures| figures.limit.cv),
        median(&|figures| figures.pool_wait.p50 * 1e3),
        median(&|figures| figures.pool_wait.p99 * 1e3),
        median(&|figures| figures.expert_time.p99),
    );
    Ok(())
}

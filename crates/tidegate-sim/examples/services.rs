//! Prints how the laws do at services without a pool: the table of `docs/laws.md`.
#![expect(clippy::print_stdout, reason = "an example prints what it shows")]

use std::error::Error;
use std::fs;
use std::path::Path;

use tidegate_sim::{Policy, Scenario, run};

const FILES: [&str; 6] = ["steady", "refusing", "impatient", "hanging", "slower", "thrashing"];
const LAWS: [&str; 9] = [
    "guarded_aimd",
    "guarded_aimd:200",
    "guarded_gradient2",
    "guarded_vegas",
    "default",
    "none",
    "netflix_aimd",
    "gradient2",
    "vegas",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("| | {} |", FILES.join(" | "));
    println!("| --- |{}", " --- |".repeat(FILES.len()));
    for law in LAWS {
        let policy = Policy::named(law)?;
        let cells = FILES.iter().map(|file| cell(file, &policy)).collect::<Result<Vec<_>, _>>()?;
        println!("| `{law}` | {} |", cells.join(" | "));
    }
    Ok(())
}

/// The goodput as a share of the best fixed limit's, and the jobs that failed: the mean over the seeds.
fn cell(file: &str, policy: &Policy) -> Result<String, Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("services").join(file).with_extension("toml");
    let scenario = Scenario::parse(&fs::read_to_string(path)?)?;
    let best = scenario.oracle.first().map_or(f64::NAN, |oracle| oracle.goodput);
    let (mut goodput, mut failed, mut runs) = (0.0, 0.0, 0.0);
    for &seed in &scenario.seeds {
        let figures = run(&scenario, policy, seed)?.whole;
        goodput += figures.goodput;
        failed += f64::from(figures.failed_jobs);
        runs += 1.0;
    }
    let share = 100.0 * goodput / runs / best;
    Ok(if failed > 0.0 { format!("{share:.0} / {:.0}", failed / runs) } else { format!("{share:.0}") })
}

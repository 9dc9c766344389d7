//! Finds the best fixed limit of each phase of scenario files, over the seeds of the file, and prints it as the line
//! `oracle = […]` to be put there.
//!
//! ```sh
//! cargo run --release -p tidegate-sim --example oracle -- crates/tidegate-sim/scenarios/burst.toml
//! ```
//!
//! A file that expects something of `goodput_of_oracle` needs such a line to be read at all; any will do at first.

use std::error::Error;
use std::io::{Write, stdout};

use tidegate_sim::{Scenario, sweep};

fn main() -> Result<(), Box<dyn Error>> {
    for file in std::env::args().skip(1) {
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
        let scenario = Scenario::parse(&text).map_err(|error| format!("{file}: {error}"))?;
        let phases = sweep(&scenario, &scenario.seeds)?
            .ok_or_else(|| format!("{file}: every limit has pool timeouts in one of the phases"))?;
        let phases: Vec<String> = phases
            .iter()
            .map(|oracle| format!("{{ limit = {}, goodput = {:.2} }}", oracle.limit, oracle.goodput))
            .collect();
        writeln!(stdout(), "{}: oracle = [{}]", scenario.name, phases.join(", "))?;
    }
    Ok(())
}

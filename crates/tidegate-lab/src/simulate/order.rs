//! What `simulate` was asked to do, as meant.

use std::fs;
use std::path::{Path, PathBuf};

use tidegate::MAX_LIMIT;
use tidegate_sim::scoreboard::Variation;
use tidegate_sim::{Policy, Scenario};

use crate::args::SimulateArgs;
use crate::faults::{Fault, Faults};
use crate::files::OutFile;
use crate::parse;

/// A checked order for `simulate`.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) scenarios: Vec<Scenario>,
    pub(crate) laws: Vec<Policy>,
    /// The constants that are varied, if that was asked for; their laws are among `laws`.
    pub(crate) variations: Vec<Variation>,
    pub(crate) seeds: Vec<u64>,
    pub(crate) json: Option<OutFile>,
    pub(crate) report: Option<OutFile>,
}

const SEEDS_DEFAULT: u32 = 10;
const SEEDS_MAX: u32 = 1_000;

impl Order {
    /// Reads what was typed, and the scenario files.
    ///
    /// # Errors
    ///
    /// Every field that cannot be used.
    pub(crate) fn from_args(args: &SimulateArgs) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let scenarios = faults.take(scenarios(args.scenarios.as_deref(), args.only.as_deref()));
        let laws = faults.take(laws(args.laws.as_deref().unwrap_or("all")));
        let variations = faults.take(args.vary.as_deref().map_or(Ok(Vec::new()), variations));
        let seeds = args.seeds.as_deref().map(|text| parse::count("seeds", text, 1, SEEDS_MAX));
        let seeds = seeds.map_or(Some(SEEDS_DEFAULT), |seeds| faults.take(seeds));
        let json = faults.take(OutFile::asked("json", args.json.as_deref())).flatten();
        let report = faults.take(OutFile::asked("report", args.report.as_deref())).flatten();
        OutFile::check_distinct([&json, &report], &mut faults);
        faults.check()?;
        let (Some(scenarios), Some(laws), Some(variations), Some(seeds)) =
            (scenarios, laws, variations, seeds)
        else {
            // Each of them is missing only with a fault, which was returned above.
            return Err(faults);
        };
        let laws = if variations.is_empty() {
            laws
        } else {
            std::iter::once(Policy::adaptive())
                .chain(variations.iter().flat_map(Variation::policies))
                .collect()
        };
        Ok(Self { scenarios, laws, variations, seeds: (1..=u64::from(seeds)).collect(), json, report })
    }
}

fn scenarios(folder: Option<&Path>, only: Option<&str>) -> Result<Vec<Scenario>, Fault> {
    let all = match folder {
        Some(folder) => read(folder)?,
        // A test of the simulator holds that these are scenarios.
        None => Scenario::built_in()
            .map_err(|error| Fault::new("scenarios", "built in", format_args!("valid ones ({error})")))?,
    };
    let Some(only) = only else { return Ok(all) };
    let names: Vec<String> = all.iter().map(|scenario| scenario.name.clone()).collect();
    let pick = |name: &str| {
        let found = all.iter().find(|scenario| scenario.name == name).cloned();
        found.ok_or_else(|| Fault::new("only", name, names.join(", ")))
    };
    parse::list("only", "scenario", only, pick, |scenario| scenario.name.clone())
}

fn read(folder: &Path) -> Result<Vec<Scenario>, Fault> {
    let fault = |given: &Path, why: &dyn std::fmt::Display| {
        Fault::new("scenarios", given.display(), format_args!("a folder of scenario files ({why})"))
    };
    let entries = fs::read_dir(folder).map_err(|error| fault(folder, &error))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    if paths.is_empty() {
        return Err(fault(folder, &"no .toml file is in it"));
    }
    let scenario = |path: &PathBuf| {
        let text = fs::read_to_string(path).map_err(|error| fault(path, &error))?;
        Scenario::parse(&text).map_err(|error| fault(path, &error))
    };
    let mut scenarios: Vec<Scenario> = Vec::new();
    for path in &paths {
        let scenario = scenario(path)?;
        if scenarios.iter().any(|other| other.name == scenario.name) {
            return Err(fault(path, &format_args!("another file has a scenario {}, too", scenario.name)));
        }
        scenarios.push(scenario);
    }
    Ok(scenarios)
}

pub(crate) fn laws(text: &str) -> Result<Vec<Policy>, Fault> {
    if text.trim() == "all" {
        return Ok(Policy::all());
    }
    let one = |name: &str| {
        Policy::named(name).map_err(|_| {
            let names = Policy::names().collect::<Vec<_>>().join(", ");
            let allowed = format_args!("all alone, or {names}, LIMIT from 1 to {MAX_LIMIT}");
            Fault::new("laws", name, allowed)
        })
    };
    parse::list("laws", "law", text, one, |law| law.name().to_owned())
}

fn variations(text: &str) -> Result<Vec<Variation>, Fault> {
    let all = Variation::all();
    if text.trim() == "all" {
        return Ok(all);
    }
    let pick = |name: &str| {
        let found = all.iter().find(|variation| variation.name == name).copied();
        let names = || all.iter().map(|variation| variation.name).collect::<Vec<_>>().join(", ");
        found.ok_or_else(|| Fault::new("vary", name, format_args!("all alone, or {}", names())))
    };
    parse::list("vary", "constant", text, pick, |variation| variation.name.to_owned())
}

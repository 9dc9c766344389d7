//! `fairness`: how exactly a limit is divided among keys that always wait, in virtual time.
//!
//! Reading order: `world` (how long calls take), `run` (the limiter and its callers), `rounded` (the model beside it), `table`.

mod rounded;
mod run;
mod table;
mod world;

use serde::Serialize;

use self::run::Run;
use self::world::{Service, World};
use crate::args::FairnessArgs;
use crate::failure::Failure;
use crate::out_file::OutFile;

/// The limits measured.
const LIMITS: std::ops::RangeInclusive<u32> = 1..=20;

/// Shares of the keys, in tenths, the lightest key last.
const SHARES: [&[u32]; 3] = [&[5, 5], &[9, 1], &[7, 2, 1]];

/// What `--json` writes.
#[derive(Debug, Serialize)]
struct Report<'a> {
    schema: u32,
    seed: u64,
    /// How long each run is, in service times of a short call.
    service_times: u32,
    rows: &'a [Row],
}

/// One run. Errors are in permits; waits are in turns: a turn is a short call's service time divided by the limit.
#[derive(Debug, Serialize)]
struct Row {
    world: &'static str,
    /// Shares in tenths.
    shares: &'static [u32],
    limit: u32,
    /// The key whose calls are ten times as long, counted from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    slow_key: Option<usize>,
    #[serde(flatten)]
    run: Run,
    rounded: rounded::Rounded,
}

/// Measures, writes the JSON if it is wanted, and returns the tables.
pub(crate) fn run(args: &FairnessArgs) -> Result<String, Failure> {
    let file = args.json.as_deref().map(OutFile::prepare).transpose()?;
    let rows = measure(args.seed)?;
    if let Some(file) = file {
        let report = Report { schema: 1, seed: args.seed, service_times: run::SERVICE_TIMES, rows: &rows };
        let text = serde_json::to_string_pretty(&report).map_err(Failure::work)?;
        file.write(&(text + "\n"))?;
    }
    Ok(table::text(args.seed, &rows))
}

fn measure(seed: u64) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for world in World::ALL {
        for shares in SHARES {
            for limit in LIMITS {
                for service in Service::all(world, shares.len()) {
                    rows.push(Row {
                        world: world.name(),
                        shares,
                        limit,
                        slow_key: service.slow_key(),
                        run: run::run(limit, shares, service, seed)?,
                        rounded: rounded::split(limit, shares),
                    });
                }
            }
        }
    }
    Ok(rows)
}

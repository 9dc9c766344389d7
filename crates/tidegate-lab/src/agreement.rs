//! `tidegate agreement`: the same workloads on a real database and in the simulator.

mod twin;

use serde::Serialize;
use tidegate_sim::{Policy as Law, SimError, run as simulate};

use self::twin::{Costs, twin};
use crate::args::AgreementArgs;
use crate::db::{Database, Target};
use crate::failure::Failure;
use crate::faults::Faults;
use crate::files::OutFile;
use crate::num::{ratio, round3, to_f64, to_ms};
use crate::policy::Policy;
use crate::queue::QueueKind;
use crate::report::LimitReport;
use crate::run::{self, Measured, run};
use crate::scan::{DURATION_MAX, DURATION_MIN, named};
use crate::session::{make, on_database};
use crate::signals::Quit;
use crate::simulate::{aside, share_out};
use crate::table::{number, table};
use crate::workload::Workload;
use crate::{parse, say, say_aside};

/// A checked order for `agreement`.
#[derive(Debug)]
struct Order {
    target: Target,
    workloads: Vec<Workload>,
    json: Option<OutFile>,
}

/// What both showed. It is the JSON, schema 1.
#[derive(Debug, Serialize)]
struct Agreement {
    schema: u32,
    database: &'static str,
    database_version: String,
    workloads: Vec<Row>,
}

/// One workload under the adaptive limit.
#[derive(Debug, Serialize)]
struct Row {
    workload: &'static str,
    costs: Costs,
    real: Figures,
    simulated: Figures,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Figures {
    /// Experts done per second.
    goodput: f64,
    limit_mean: f64,
    pool_wait_p99_ms: f64,
    pool_timeouts: u64,
}

const WORKLOADS: &str = "ticket,short,think,slowdown,nested";

/// Real and simulated figures agree within this share.
const TOLERANCE: f64 = 0.1;

/// The simulator's figures are means over these.
const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];

/// Runs each workload for real and in the simulator. `true` means that goodputs and limits agree within 10%.
///
/// # Errors
///
/// As `deep-scan`; or a simulation that fails.
pub(crate) async fn agreement(args: &AgreementArgs) -> Result<bool, Failure> {
    let mut order = Order::from_args(args)?;
    let agreement = on_database(&order.target, QueueKind::None, Quit::default(), async |database| {
        compare(database, &order).await
    });
    let agreement = agreement.await?;
    let said = say(&format!("{}\n{}\n", shown(&agreement), agreement.sentence()));
    if let Some(file) = order.json.take() {
        file.write(&serde_json::to_string(&agreement)?)?;
    }
    said?;
    Ok(agreement.disagreements().is_empty())
}

impl Order {
    fn from_args(args: &AgreementArgs) -> Result<Self, Faults> {
        let mut faults = Faults::default();
        let target = faults.take(Target::asked(args.database_url.as_deref()));
        let names = args.workload.as_deref().unwrap_or(WORKLOADS);
        let workloads = parse::list("workload", "workload", names, named, |known| known.name.to_owned());
        let workloads = faults.take(workloads).unwrap_or_default();
        let duration = args.duration.as_deref();
        let duration = duration.map(|text| parse::span("duration", text, DURATION_MIN, DURATION_MAX));
        let duration = duration.and_then(|duration| faults.take(duration));
        let json = faults.take(OutFile::asked("json", args.json.as_deref())).flatten();
        for workload in &workloads {
            let allowed = "a workload that the simulator can play: one of the default list, or burst";
            faults.require(twin::can_play(workload), "workload", workload.name, allowed);
        }
        faults.check()?;
        let lasting = |workload: Workload| workload.lasting(duration.unwrap_or(workload.duration));
        let workloads = workloads.into_iter().map(lasting).collect();
        match target {
            Some(target) => Ok(Self { target, workloads, json }),
            // It is missing only with a fault, which was returned above.
            None => Err(faults),
        }
    }
}

async fn compare(database: &Database, order: &Order) -> Result<Agreement, Failure> {
    make(database, &order.target).await?;
    let mut workloads = Vec::new();
    for workload in &order.workloads {
        say_aside(workload.name);
        let costs = Costs::measure(database, workload).await?;
        let measured =
            run(database, workload, run::Order::of(Policy::Adaptive, QueueKind::None), None, |_| ()).await?;
        workloads.push(Row {
            workload: workload.name,
            costs,
            real: Figures::real(&measured),
            simulated: Figures::simulated(workload, costs).await?,
        });
    }
    let (database, database_version) = (database.kind(), database.version().to_owned());
    Ok(Agreement { schema: 1, database, database_version, workloads })
}

impl Figures {
    fn real(measured: &Measured) -> Self {
        let tally = &measured.tally;
        let goodput = ratio(to_f64(tally.experts_ok - tally.experts_wasted), measured.duration.as_secs_f64());
        Self {
            goodput: round3(goodput.unwrap_or(0.0)),
            limit_mean: LimitReport::of(&measured.series, &measured.changes).mean.unwrap_or(0.0),
            pool_wait_p99_ms: tally.pool_wait.quantile(0.99).map_or(0.0, to_ms),
            pool_timeouts: tally.connection_errors(),
        }
    }

    /// Aside, so that a signal is heard meanwhile.
    async fn simulated(workload: &Workload, costs: Costs) -> Result<Self, Failure> {
        let scenario = twin(workload, costs)?;
        let play = move |number| Ok(simulate(&scenario, &Law::adaptive(), SEEDS[number])?.whole);
        let runs = aside(move || share_out(SEEDS.len(), play))
            .await?
            .map_err(|error: SimError| Failure::work(error))?;
        let mean = |of: &dyn Fn(&tidegate_sim::Figures) -> f64| {
            round3(runs.iter().map(of).sum::<f64>() / to_f64(runs.len() as u64))
        };
        Ok(Self {
            goodput: mean(&|whole| whole.goodput),
            limit_mean: mean(&|whole| whole.limit.mean),
            pool_wait_p99_ms: mean(&|whole| whole.pool_wait.p99 * 1e3),
            pool_timeouts: runs.iter().map(|whole| u64::from(whole.pool_timeouts)).max().unwrap_or(0),
        })
    }
}

impl Agreement {
    /// What differs by more than 10%.
    fn disagreements(&self) -> Vec<String> {
        let mut found = Vec::new();
        for row in &self.workloads {
            for (what, real, simulated) in [
                ("goodput", row.real.goodput, row.simulated.goodput),
                ("limit", row.real.limit_mean, row.simulated.limit_mean),
            ] {
                if ratio(simulated, real).is_none_or(|ratio| (ratio - 1.0).abs() > TOLERANCE) {
                    found.push(format!("the {what} of {}", row.workload));
                }
            }
        }
        found
    }

    fn sentence(&self) -> String {
        let found = self.disagreements();
        if found.is_empty() {
            "Goodputs and limits agree within 10%.".to_owned()
        } else {
            format!("More than 10% apart: {}.", found.join(", "))
        }
    }
}

fn shown(agreement: &Agreement) -> String {
    let header = [
        "workload",
        "query, ms",
        "goodput real",
        "simulated",
        "ratio",
        "limit real",
        "simulated",
        "ratio",
        "pool wait p99 real, ms",
        "simulated",
    ];
    let rows = agreement.workloads.iter().map(|row| {
        let (real, simulated) = (&row.real, &row.simulated);
        let both = |real: f64, simulated: f64| {
            [number(Some(real), 1), number(Some(simulated), 1), number(ratio(simulated, real), 3)]
        };
        let mut cells = vec![row.workload.to_owned(), number(Some(row.costs.query_ms), 1)];
        cells.extend(both(real.goodput, simulated.goodput));
        cells.extend(both(real.limit_mean, simulated.limit_mean));
        cells.extend(both(real.pool_wait_p99_ms, simulated.pool_wait_p99_ms).into_iter().take(2));
        cells
    });
    table(&header, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreement(real: [f64; 2], simulated: [f64; 2]) -> Agreement {
        let figures = |[goodput, limit_mean]: [f64; 2]| Figures {
            goodput,
            limit_mean,
            pool_wait_p99_ms: 0.0,
            pool_timeouts: 0,
        };
        let costs = Costs { query_ms: 20.0, query_cv: 0.1, ping_ms: 0.5, connect_ms: 10.0 };
        let row = Row { workload: "short", costs, real: figures(real), simulated: figures(simulated) };
        Agreement { schema: 1, database: "sqlite", database_version: "3".to_owned(), workloads: vec![row] }
    }

    #[track_caller]
    fn check(simulated: [f64; 2], sentence: &str) {
        assert_eq!(agreement([100.0, 20.0], simulated).sentence(), sentence);
    }

    #[test]
    fn a_tenth_is_agreement_and_more_is_named() {
        check([109.0, 18.2], "Goodputs and limits agree within 10%.");
        check([111.0, 20.0], "More than 10% apart: the goodput of short.");
        check([89.0, 23.0], "More than 10% apart: the goodput of short, the limit of short.");
    }

    /// Nothing done for real is no agreement, however little the simulator does.
    #[test]
    fn no_figure_agrees_with_nothing() {
        assert_eq!(agreement([0.0, 20.0], [0.0, 20.0]).disagreements(), ["the goodput of short"]);
    }
}

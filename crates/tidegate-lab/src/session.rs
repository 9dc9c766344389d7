//! `tidegate deep-scan` from its command line to its report; what it makes is removed however it ends.

use std::io::{IsTerminal, stderr, stdout};

use crate::args::DeepScanArgs;
use crate::calls::Calls;
use crate::db::{Database, Target};
use crate::failure::Failure;
use crate::live::{Live, View};
use crate::machine::Machine;
use crate::oracle::run_best;
use crate::policy::Policy;
use crate::progress::{Display, Progress};
use crate::queue::QueueKind;
use crate::report::{Report, RunReport, html, sentence, table};
use crate::run::{Glimpse, Measured, Order, run};
use crate::scan::Scan;
use crate::signals::{Quit, Signals};
use crate::{say, say_aside};

/// Runs it. `true` means that everything went well: the adaptive run, if there was one, had no connection error.
///
/// # Errors
///
/// Bad input, before any run; a database that fails while the schema is made; a signal; a report that cannot be written.
pub(crate) async fn deep_scan(args: &DeepScanArgs) -> Result<bool, Failure> {
    let mut scan = Scan::from_args(args)?;
    let quit = Quit::default();
    let work = async |database: &_| measure(database, &scan, &quit).await;
    let report = on_database(&scan.target, scan.queue, quit.clone(), work).await?;
    // A standard output that is full does not keep the files from being written.
    let said = say(&format!("{}\n{}\n", table(&report), sentence(&report)));
    if let Some(file) = scan.json.take() {
        file.write(&serde_json::to_string(&report)?)?;
    }
    if let Some(file) = scan.report.take() {
        file.write(&html(&report)?)?;
    }
    let trace = report.runs.iter().find_map(|run| run.trace.as_ref());
    if let (Some(file), Some(trace)) = (scan.trace.take(), trace) {
        file.write(trace)?;
    }
    said?;
    Ok(report.adaptive_connection_errors() == 0)
}

/// Does the work on a database and removes what it made there, however the work ends; `quit` ends it as Ctrl-C does.
///
/// # Errors
///
/// A database that does not answer, a signal, what the work fails with, or what could not be removed.
pub(crate) async fn on_database<T>(
    target: &Target,
    queue: QueueKind,
    quit: Quit,
    work: impl AsyncFnOnce(&Database) -> Result<T, Failure>,
) -> Result<T, Failure> {
    // From here on a signal is a reason to clean up, not to die.
    let mut signals = Signals::listen(quit)?;
    let database = tokio::select! {
        connected = Database::connect(target, queue) => connected?,
        signal = signals.next() => return Err(Failure::Interrupted(signal)),
    };
    let worked = tokio::select! {
        worked = work(&database) => worked,
        signal = signals.next() => Err(Failure::Interrupted(signal)),
    };
    if matches!(worked, Err(Failure::Interrupted(_))) {
        say_aside("stopping: removing what the run made (once more to leave it behind)");
    }
    let place = database.place();
    let removed = tokio::select! {
        removed = database.remove() => removed,
        signal = signals.next() => Err(Failure::LeftBehind { signal, place }),
    };
    match (worked, removed) {
        (Ok(result), Ok(())) => Ok(result),
        (Err(failure), Ok(())) | (Ok(_), Err(failure)) => Err(failure),
        // What is left behind matters more than that the user wanted to stop.
        (Err(Failure::Interrupted(_)), Err(left)) => Err(left),
        (Err(failure), Err(left)) => {
            say_aside(&left.to_string());
            Err(failure)
        }
    }
}

async fn measure(database: &Database, scan: &Scan, quit: &Quit) -> Result<Report, Failure> {
    make(database, &scan.target).await?;
    let mut report = Report::of(scan, Machine::with(database));
    let display = display(scan, database, quit)?;
    for &policy in &scan.policies {
        report.runs.push(measure_policy(database, scan, policy, &display).await?);
    }
    Ok(report)
}

/// Bars need a terminal on the error stream; the live view one on both, as it would else stand in the way of the table.
fn display(scan: &Scan, database: &Database, quit: &Quit) -> Result<Display, Failure> {
    let is_terminal = stderr().is_terminal();
    if !scan.live {
        return Ok(if is_terminal { Display::Bars } else { Display::Lines });
    }
    if !is_terminal || !stdout().is_terminal() {
        return Ok(Display::LinesEachSecond);
    }
    let workload = &scan.workload;
    let title = format!("{} on {} {}", workload.name, database.kind(), database.version());
    let view = View::new(title, scan.policies.iter().map(ToString::to_string), workload.duration);
    Ok(Display::Live(Box::new(Live::begin(view, quit.clone())?)))
}

/// Makes the schema, and says where.
pub(crate) async fn make(database: &Database, target: &Target) -> Result<(), Failure> {
    say_aside(&format!(
        "{} {}: making {} with {} rows",
        database.kind(),
        database.version(),
        database.place(),
        crate::db::ROWS
    ));
    database.create(target).await
}

async fn measure_policy(
    database: &Database,
    scan: &Scan,
    policy: Policy,
    display: &Display,
) -> Result<RunReport, Failure> {
    let workload = &scan.workload;
    let progress = Progress::begin(policy.to_string(), workload.duration, display);
    let show = |glimpse: Glimpse<'_>| progress.show(&glimpse);
    let run_report = match policy {
        Policy::Oracle => {
            let (best, sweep, measured) =
                run_best(database, workload, scan.queue, |step| progress.sweep(step), show).await?;
            let report = RunReport::new(policy, &measured).with_sweep(best, sweep);
            beside_a_big_job(database, scan, Policy::Fixed(best), report, &measured).await?
        }
        _ => {
            let calls = scan.trace.as_ref().map(|_| Calls::begin());
            let order = Order { policy, bounds: scan.bounds, queue: scan.queue };
            let measured = run(database, workload, order, calls, show).await?;
            let report = RunReport::new(policy, &measured);
            beside_a_big_job(database, scan, policy, report, &measured).await?
        }
    };
    progress.end(run_report.summary());
    Ok(run_report)
}

/// Where a big job ran beside others, runs those without it, so that their times can be compared.
async fn beside_a_big_job(
    database: &Database,
    scan: &Scan,
    policy: Policy,
    report: RunReport,
    beside: &Measured,
) -> Result<RunReport, Failure> {
    let Some(alone) = scan.workload.without_big_job() else { return Ok(report) };
    let order = Order { policy, bounds: scan.bounds, queue: scan.queue };
    let alone = run(database, &alone, order, None, |_| ()).await?;
    Ok(report.with_small_jobs(beside, &alone))
}

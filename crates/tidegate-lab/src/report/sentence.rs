//! What it means, in plain words.

use super::{Report, RunReport};
use crate::gate::Shadow;
use crate::policy::Policy;

/// What a reader who skips the table can trust, in a sentence or two.
pub(crate) fn sentence(report: &Report) -> String {
    match report.shadow() {
        Some((run, shadow)) => format!("{} {}", outcome(report), suggestion(run, shadow)),
        None => outcome(report),
    }
}

/// What shadow mode is for.
fn suggestion(run: &RunReport, shadow: Shadow) -> String {
    let limit = run.limit.last.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
    format!(
        "In shadow mode the limiter suggested a limit of {limit} at the end; it would have made {} experts wait, {:.1} s all \
         together, and refused {}.",
        shadow.would_have_queued, shadow.would_have_waited_s, shadow.would_have_refused
    )
}

fn outcome(report: &Report) -> String {
    let Some(adaptive) = report.run_of(Policy::Adaptive) else {
        let parts: Vec<_> = report.runs.iter().map(|run| format!("{} {}", run.policy, fate(run))).collect();
        return format!("{}.", parts.join("; "));
    };
    let mut parts = Vec::new();
    if let Some(none) = report.run_of(Policy::None) {
        parts.push(format!("Without a limit {}", fate(none)));
    }
    parts.push(format!("with the adaptive limit {}", fate(adaptive)));
    let mut text = parts.join("; ");
    if let Some(reference) = reference(report) {
        let per_cent = 100.0 * adaptive.experts_per_s / reference.experts_per_s;
        let limit = reference.oracle_limit.map_or_else(String::new, |limit| format!(" (limit {limit})"));
        text.push_str(&format!(", {per_cent:.0}% of {}{limit}", name(&reference.policy)));
    }
    capitalised(&text) + "."
}

/// What the adaptive run is held against: the oracle, else the ticket's limit per job, else another fixed limit.
fn reference(report: &Report) -> Option<&RunReport> {
    let others = || report.runs.iter().filter(|run| run.experts_per_s > 0.0);
    let starting = |start: &'static str| others().find(move |run| run.policy.starts_with(start));
    starting("oracle").or_else(|| starting("per-job")).or_else(|| starting("fixed"))
}

fn name(policy: &str) -> String {
    if policy == "oracle" { "the best fixed limit".to_owned() } else { format!("what {policy} did") }
}

fn fate(run: &RunReport) -> String {
    let ended = run.jobs_ok + run.jobs_failed;
    let rate = format!("{:.1} experts a second were done", run.experts_per_s);
    match (run.jobs_failed, run.connection_errors) {
        (0, 0) if ended == 0 => format!("no job came to its end and {rate}"),
        (0, 0) => format!("no job of {ended} failed and {rate}"),
        (0, errors) => format!("no job of {ended} failed, {errors} connections were denied and {rate}"),
        (failed, 0) => format!("{failed} of {ended} jobs failed, none for want of a connection, and {rate}"),
        (failed, errors) => {
            format!("{failed} of {ended} jobs failed with {errors} connection errors and {rate}")
        }
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

//! `tidegate plan`: reads the deployment, prints the math.

use std::fmt::Write as _;

use crate::args::PlanArgs;
use crate::files::OutFile;
use crate::plan::{Deployment, Plan};
use crate::{Failure, say};

/// Prints the plan, and writes it as JSON if asked.
///
/// # Errors
///
/// Bad input, before anything is printed; a file that could not be written.
pub(crate) fn run(args: &PlanArgs) -> Result<(), Failure> {
    let deployment = Deployment::from_args(args)?;
    let json = OutFile::asked("json", args.json.as_deref())?;
    let plan = Plan::of(deployment);
    let said = say(&text(&plan)?);
    if let Some(file) = json {
        file.write(&serde_json::to_string_pretty(&plan)?)?;
    }
    said
}

fn text(plan: &Plan) -> Result<String, Failure> {
    let d = &plan.deployment;
    let mut text = String::new();
    let mut line = |label: &str, value: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{label:<24}{value}");
    };
    line(
        "need",
        format!(
            "{} connections ({} jobs × {} experts × {})",
            plan.need,
            d.jobs,
            d.experts,
            d.queries.max(d.connections_per_expert)
        ),
    );
    line("need of one job", format!("{} connections", plan.need_per_job));
    line("pool", format!("{} connections", d.pool));
    line("shortfall", format!("{} connections", plan.shortfall));
    line(
        "deadlock-free ceiling",
        match plan.deadlock_free_ceiling {
            Some(ceiling) => {
                format!("{ceiling} experts at once: ⌊({} − 1) ÷ ({} − 1)⌋", d.pool, d.connections_per_expert)
            }
            None => "none needed: no expert waits for a connection while it holds one".to_owned(),
        },
    );
    line(
        "fleet share",
        format!("{} connections for each of {} (server: {})", plan.fleet_share, d.instances, d.server_max),
    );
    text.push('\n');
    for warning in &plan.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    if !plan.warnings.is_empty() {
        text.push('\n');
    }
    match &plan.suggestion {
        Some(suggestion) => {
            text.push_str(
                "# suggested layer settings; the limiter finds its limit between min_limit and max_limit\n",
            );
            text.push_str(&toml::to_string(suggestion)?);
        }
        None => text.push_str("no settings fit: give the pool or the server more connections\n"),
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suggestion_is_toml_that_reads_back() {
        let args = PlanArgs { connections_per_expert: Some("2".into()), ..PlanArgs::default() };
        let text = text(&Plan::of(Deployment::from_args(&args).unwrap())).unwrap();
        let block = &text[text.find("# suggested").unwrap()..];
        let table: toml::Table = block.parse().unwrap();
        assert_eq!(table["limiter"]["max_limit"].as_integer(), Some(19));
        assert_eq!(table["limiter"]["connections_per_call"].as_integer(), Some(2));
        assert_eq!(table["pool"]["max_connections"].as_integer(), Some(20));
    }

    #[test]
    fn the_text_says_need_shortfall_ceiling_share_and_warnings() {
        let args = PlanArgs {
            connections_per_expert: Some("2".into()),
            instances: Some("6".into()),
            ..PlanArgs::default()
        };
        let text = text(&Plan::of(Deployment::from_args(&args).unwrap())).unwrap();
        for part in [
            "need                    110 connections (5 jobs × 11 experts × 2)",
            "shortfall               90 connections",
            "deadlock-free ceiling   19 experts at once",
            "fleet share             16 connections for each of 6",
            "warning: deadlock:",
            "warning: server:",
        ] {
            assert!(text.contains(part), "no {part:?} in:\n{text}");
        }
    }
}

//! The command line as it is typed.
//!
//! Values stay text here: what they mean, and whether they can be used, is decided in one place (`scan.rs`, `plan.rs`),
//! so that every bad field is reported at once and in one form.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Deep-scan jobs on a real connection pool, with and without Tidegate.
///
/// Without a subcommand it runs `deep-scan` on an embedded SQLite file.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, args_conflicts_with_subcommands = true)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) deep_scan: DeepScanArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the workload on a real pool, once per policy, and compare.
    DeepScan(DeepScanArgs),
    /// Run workloads for real and in the simulator, and compare: how far can `simulate` be trusted?
    Agreement(AgreementArgs),
    /// Print the connection math of a deployment.
    Plan(PlanArgs),
    /// Play scenarios in virtual time under the default law and its rivals, and compare them with the best fixed limits.
    Simulate(SimulateArgs),
    /// The settings of a limiter as files have them: their schema, their defaults, and a check of a file.
    #[command(subcommand, arg_required_else_help = false)]
    Settings(SettingsCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum SettingsCommand {
    /// Print the JSON schema, for editors and other tools.
    Schema,
    /// Print every setting with its default and what it does, as a TOML file to begin with.
    Defaults,
    /// Read a file and name everything that is wrong with it.
    Check(SettingsCheckArgs),
}

#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct SettingsCheckArgs {
    /// A file of settings, *.toml or *.json.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Connections of the pool the settings are for, which some of them depend on [default: those are not checked].
    #[arg(long, value_name = "N")]
    pub(crate) pool: Option<String>,
}

#[derive(Debug, Default, Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct DeepScanArgs {
    /// The database: postgres://…, mysql://… (MariaDB too) or sqlite://…. Without it: SQLite in a temporary directory.
    ///
    /// The run makes its own schema (PostgreSQL), database (MySQL, MariaDB) or file (SQLite, beside the named one), called
    /// tidegate_lab_…, and removes it at the end.
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,
    /// ticket, short, think, slowdown, nested, burst, thrash (server databases only), retries, n-plus-one or jobs-mixed
    /// [default: ticket].
    #[arg(long, value_name = "NAME")]
    pub(crate) workload: Option<String>,
    /// Where jobs come from: none (the run starts them) or apalis (rows of a queue in the database, which a worker takes; not on
    /// MySQL and MariaDB) [default: none].
    ///
    /// On PostgreSQL the run then makes a database of its own, since apalis has a schema of a fixed name.
    #[arg(long, value_name = "NAME")]
    pub(crate) queue: Option<String>,
    /// Jobs at a time; a new one starts when one ends [ticket: 5].
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<String>,
    /// Experts each job fans out to [ticket: 11].
    #[arg(long, value_name = "N")]
    pub(crate) experts: Option<String>,
    /// Queries of each expert [ticket: 2].
    #[arg(long, value_name = "N")]
    pub(crate) queries: Option<String>,
    /// parallel, sequential or nested (later queries need a second connection while the first is held) [ticket: parallel].
    #[arg(long, value_name = "MODE")]
    pub(crate) query_mode: Option<String>,
    /// How long a query holds its connection, in ms or with a unit [ticket: 200].
    #[arg(long, value_name = "MS")]
    pub(crate) query_ms: Option<String>,
    /// How long an expert thinks before its queries, in ms or with a unit [ticket: 0].
    #[arg(long, value_name = "MS")]
    pub(crate) think_ms: Option<String>,
    /// Connections of the pool [ticket: 20].
    #[arg(long, value_name = "N")]
    pub(crate) pool: Option<String>,
    /// How long the pool lets a caller wait for a connection [ticket: 1s].
    #[arg(long, value_name = "TIME")]
    pub(crate) acquire_timeout: Option<String>,
    /// How long each policy runs [ticket: 10s].
    #[arg(long, value_name = "TIME")]
    pub(crate) duration: Option<String>,
    /// Policies to compare, separated by commas: none, fixed:N, per-job:N, ticket, adaptive, adaptive-tiers, shadow,
    /// oracle [default: none,per-job:5,adaptive].
    #[arg(long, value_name = "LIST")]
    pub(crate) policy: Option<String>,
    /// The least the adaptive limit may be [default: 1].
    #[arg(long, value_name = "N")]
    pub(crate) min_limit: Option<String>,
    /// The most the adaptive limit may be [default: 100 × pool].
    #[arg(long, value_name = "N")]
    pub(crate) max_limit: Option<String>,
    /// Show what happens as a view that fills the terminal; elsewhere, as a line each second.
    #[arg(long)]
    pub(crate) live: bool,
    /// Write every figure and time series to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write a self-contained HTML page with plots to this file.
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
    /// Write what every expert did to this file, for `simulate --trace`; needs one policy.
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
}

#[derive(Debug, Default, Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct PlanArgs {
    /// Connections of one instance's pool [default: 20].
    #[arg(long, value_name = "N")]
    pub(crate) pool: Option<String>,
    /// Jobs at a time in one instance [default: 5].
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<String>,
    /// Experts each job fans out to [default: 11].
    #[arg(long, value_name = "N")]
    pub(crate) experts: Option<String>,
    /// Queries each expert runs at the same time [default: 2].
    #[arg(long, value_name = "N")]
    pub(crate) queries: Option<String>,
    /// Connections one expert holds at once, taking them one after another [default: 1].
    #[arg(long, value_name = "N")]
    pub(crate) connections_per_expert: Option<String>,
    /// Processes that share the server, each with such a pool [default: 1].
    #[arg(long, value_name = "N")]
    pub(crate) instances: Option<String>,
    /// Connections the server grants them together (PostgreSQL keeps 3 of its `max_connections` for superusers) [default: 100].
    #[arg(long, value_name = "N")]
    pub(crate) server_max: Option<String>,
    /// Write the figures to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Debug, Default, Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct AgreementArgs {
    /// The database, as in `deep-scan`. Without it: SQLite in a temporary directory.
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,
    /// Workloads to compare, separated by commas [default: ticket,short,think,slowdown,nested].
    #[arg(long, value_name = "LIST")]
    pub(crate) workload: Option<String>,
    /// How long each workload runs [default: 10s].
    #[arg(long, value_name = "TIME")]
    pub(crate) duration: Option<String>,
    /// Write the figures to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Debug, Default, Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct SimulateArgs {
    /// Play the scenario files (*.toml) of this folder instead of those that are built in.
    #[arg(long, value_name = "DIR")]
    pub(crate) scenarios: Option<PathBuf>,
    /// Play only these scenarios, separated by commas.
    #[arg(long, value_name = "LIST")]
    pub(crate) only: Option<String>,
    /// Laws to compare, separated by commas: default, none, fixed:N, a rival, or all [default: all; default,none for a trace].
    #[arg(long, value_name = "LIST")]
    pub(crate) laws: Option<String>,
    /// Play each scenario with the seeds 1 to N [default: 10].
    #[arg(long, value_name = "N")]
    pub(crate) seeds: Option<String>,
    /// Instead of laws, compare the default law with itself with one of these constants halved and doubled; or all.
    #[arg(long, value_name = "LIST", conflicts_with = "laws")]
    pub(crate) vary: Option<String>,
    /// Play the calls recorded in this file instead of scenarios, one JSON object a line; `deep-scan --trace` writes such files.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["scenarios", "only", "seeds", "vary", "report"])]
    pub(crate) trace: Option<PathBuf>,
    /// Connections of the pool in front of which a trace is played [default: as recorded].
    #[arg(long, value_name = "N", requires = "trace")]
    pub(crate) pool: Option<String>,
    /// How long that pool lets a caller wait [default: as recorded].
    #[arg(long, value_name = "TIME", requires = "trace")]
    pub(crate) acquire_timeout: Option<String>,
    /// Write the rows of every scenario to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write a self-contained HTML page with plots of the limits to this file.
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn options_without_a_subcommand_belong_to_deep_scan() {
        let line = CommandLine::try_parse_from(["tidegate", "--jobs", "2"]).unwrap();
        assert!(line.command.is_none());
        assert_eq!(line.deep_scan.jobs.as_deref(), Some("2"));
    }

    #[test]
    fn negative_numbers_are_values_so_that_they_can_be_refused_by_name() {
        let line = CommandLine::try_parse_from(["tidegate", "deep-scan", "--query-ms", "-5"]).unwrap();
        let Some(Command::DeepScan(args)) = line.command else { panic!("not deep-scan") };
        assert_eq!(args.query_ms.as_deref(), Some("-5"));
    }
}

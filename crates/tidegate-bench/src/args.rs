//! The command line as it is typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// What a call through a limiter costs: Tidegate, its floor and its rivals, measured in one run.
#[derive(Debug, Parser)]
#[command(name = "tidegate-bench", version)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measure every subject in every case and print the table.
    Overhead(OverheadArgs),
    /// Divide limits of 1 to 20 among keys that always wait, in virtual time, and print how exact the shares are.
    Fairness(FairnessArgs),
    /// Run one case of one subject and print nothing, for a profiler.
    Once(OnceArgs),
}

#[derive(Debug, Args)]
pub(crate) struct OverheadArgs {
    /// How often everything is measured; the table has the median of the passes.
    #[arg(long, value_name = "N", default_value_t = 11, value_parser = clap::value_parser!(u32).range(1..=1001))]
    pub(crate) passes: u32,
    /// Only these subjects, separated by commas; `bare` and `tower_concurrency_limit` are measured with them.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) subject: Vec<String>,
    /// Only these cases, separated by commas.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) case: Vec<String>,
    /// Count instructions and clock reads of `free` and `queue` too; needs valgrind.
    #[arg(long)]
    pub(crate) instructions: bool,
    /// Write every row to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Measure so little that only the harness is tested; the figures mean nothing.
    #[arg(long, hide = true)]
    pub(crate) tiny: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FairnessArgs {
    /// What the random service times come from; the same number gives the same tables.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Write every row, of all limits, to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct OnceArgs {
    /// Whose call.
    #[arg(long, value_name = "NAME")]
    pub(crate) subject: String,
    /// `free`, `queue` or `cancel_100k`, of which `calls` is the number of waiters.
    #[arg(long, value_name = "NAME")]
    pub(crate) case: String,
    /// How many calls.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) calls: u32,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        CommandLine::command().debug_assert();
    }
}

//! The `tidegate` command: deep-scan jobs on a real connection pool, with and without Tidegate; the connection math; the
//! scoreboard of laws in virtual time; and the settings as files have them.
//!
//! Reading order: `args` (as typed), `scan` and `plan` (as meant), `session` (the whole of `deep-scan`), `run` (one policy),
//! `jobs`, `gate` and `expert` (the work, and what stands in front of it), `queue` and `db` (where it comes from,
//! and where it runs), `report`; `simulate`; `settings`.

mod agreement;
mod args;
mod ask;
mod calls;
mod db;
mod error_kind;
mod expert;
mod failure;
mod faults;
mod files;
mod gate;
mod jobs;
mod joined;
mod live;
mod machine;
mod num;
mod oracle;
mod parse;
mod plan;
mod plan_cmd;
mod policy;
mod progress;
mod queue;
mod recorder;
mod report;
mod run;
mod scan;
mod series;
mod session;
mod settings;
mod signals;
mod simulate;
mod table;
mod updates;
mod workload;

use std::io::{ErrorKind, Write, stderr, stdout};
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Command, CommandLine};
use crate::failure::Failure;

#[tokio::main]
async fn main() -> ExitCode {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(err) => return ended(misread(&err).map(|()| true)),
    };
    ended(match &line.command {
        Some(Command::Plan(args)) => plan_cmd::run(args).map(|()| true),
        Some(Command::Agreement(args)) => agreement::agreement(args).await,
        Some(Command::Simulate(args)) => simulate::simulate(args).await.map(|()| true),
        Some(Command::Settings(command)) => settings::settings(command).map(|()| true),
        Some(Command::DeepScan(args)) => session::deep_scan(args).await,
        None => session::deep_scan(&line.deep_scan).await,
    })
}

/// Says what went wrong, if anything did; `false` is a result that the command should fail with.
fn ended(outcome: Result<bool, Failure>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            say_aside(&failure.to_string());
            failure.exit_code()
        }
    }
}

/// Help and version are results; anything else is one line, as every other bad input.
fn misread(err: &clap::Error) -> Result<(), Failure> {
    let text = err.to_string();
    if !err.use_stderr() {
        return say(&text);
    }
    // What is missing stands on lines of its own; behind an empty line there are only hints.
    let what: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    Err(Failure::Misread(format!("{}; see --help", what.join(" "))))
}

/// Prints a result. Whoever reads may have closed the pipe (`tidegate | head`); that is no error of ours.
///
/// # Errors
///
/// If the result did not arrive for another reason, such as a full disk.
fn say(text: &str) -> Result<(), Failure> {
    let mut out = stdout().lock();
    // What stays in the buffer would be lost in silence.
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(err) if err.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::work(format_args!("cannot write to the standard output: {err}")))
        }
        _ => Ok(()),
    }
}

/// Prints a line that is no result: progress or an error.
fn say_aside(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}

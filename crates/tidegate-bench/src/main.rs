//! The `tidegate-bench` command: what a call through a limiter costs, ours and the rivals', in one run.
//!
//! Reading order: `args` (as typed), `overhead` (the passes), `case` and `cases` (what is measured and how), `subject` and
//! `subjects` (who is measured), `inner` (the service behind them), `row` and `table` (what comes out), `valgrind`.
//! Beside that stands `fairness`: who gets how much of a limit, in virtual time.

mod args;
mod case;
mod cases;
mod choice;
mod clock;
mod executor;
mod failure;
mod fairness;
mod heap;
mod inner;
mod machine;
mod num;
mod once;
mod out_file;
mod overhead;
mod progress;
mod row;
mod sample;
mod scale;
mod subject;
mod subjects;
mod summary;
mod table;
mod valgrind;

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Command, CommandLine};

fn main() -> ExitCode {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(err) => return misread(&err),
    };
    let ended = match &line.command {
        Command::Overhead(args) => overhead::run(args).map(|text| say(&text)),
        Command::Fairness(args) => fairness::run(args).map(|text| say(&text)),
        Command::Once(args) => once::run(args),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say_aside(&failure.to_string());
            failure.exit_code()
        }
    }
}

/// Help and version are results; anything else is one line, as every other bad input.
fn misread(err: &clap::Error) -> ExitCode {
    let text = err.to_string();
    if !err.use_stderr() {
        say(&text);
        return ExitCode::SUCCESS;
    }
    say_aside(&format!("{}; see --help", text.lines().next().unwrap_or("error: bad command line")));
    ExitCode::from(2)
}

/// Prints a result. Whoever reads may have closed the pipe; that is no error of ours.
fn say(text: &str) {
    let _ = stdout().write_all(text.as_bytes());
}

/// Prints a line that is no result: progress or an error.
fn say_aside(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}

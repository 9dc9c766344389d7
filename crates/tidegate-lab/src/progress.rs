//! What the user sees while it runs: bars on a terminal, plain lines elsewhere, both on the error stream.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::oracle::Step;
use crate::run::Glimpse;
use crate::say_aside;

/// Shows how one policy's run goes.
#[derive(Debug)]
pub(crate) struct Progress {
    policy: String,
    duration: Duration,
    bar: Option<ProgressBar>,
}

/// The message gives way where the terminal is narrow, so that the bar stays on one line.
const STYLE: &str = "{prefix:10} {bar:24} {wide_msg}";

impl Progress {
    pub(crate) fn begin(policy: String, duration: Duration, is_terminal: bool) -> Self {
        let bar = is_terminal.then(|| {
            let length = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
            let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
            // A style that indicatif does not take leaves its own, which shows the same.
            if let Ok(style) = ProgressStyle::with_template(STYLE) {
                bar.set_style(style);
            }
            bar.set_prefix(policy.clone());
            bar
        });
        if bar.is_none() {
            say_aside(&format!("{policy}: running for {}", humantime::format_duration(duration)));
        }
        Self { policy, duration, bar }
    }

    pub(crate) fn sweep(&self, step: Step) {
        let Step { limit, number, of } = step;
        match &self.bar {
            Some(bar) => bar.set_message(format!("trying limit {limit} ({number} of {of})")),
            None => say_aside(&format!("{}: trying limit {limit} ({number} of {of})", self.policy)),
        }
    }

    pub(crate) fn show(&self, glimpse: Glimpse) {
        let Some(bar) = &self.bar else { return };
        let elapsed = glimpse.elapsed.min(self.duration);
        bar.set_position(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        let limit = glimpse.point.limit.map_or_else(String::new, |limit| format!("limit {limit}, "));
        bar.set_message(format!(
            "{limit}{} in flight, {} queued, {} errors",
            glimpse.point.in_flight, glimpse.point.queued, glimpse.failures
        ));
    }

    pub(crate) fn end(self, summary: String) {
        match self.bar {
            Some(bar) => bar.finish_with_message(summary),
            None => say_aside(&format!("{}: {summary}", self.policy)),
        }
    }
}

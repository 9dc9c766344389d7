//! What the user sees while it runs, on the error stream: bars on a terminal, plain lines elsewhere, or the live view.

use std::cell::Cell;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::live::Live;
use crate::oracle::Step;
use crate::run::Glimpse;
use crate::say_aside;

/// How runs are shown.
#[derive(Debug)]
pub(crate) enum Display {
    Bars,
    /// A line where a run begins and one where it ends.
    Lines,
    /// And one each second.
    LinesEachSecond,
    Live(Box<Live>),
}

/// Shows how one policy's run goes.
#[derive(Debug)]
pub(crate) struct Progress<'a> {
    policy: String,
    duration: Duration,
    form: Form<'a>,
}

#[derive(Debug)]
enum Form<'a> {
    Bar(ProgressBar),
    Lines,
    /// With the second that was told last.
    LinesEachSecond(Cell<u64>),
    Live(&'a Live),
}

/// The message gives way where the terminal is narrow, so that the bar stays on one line.
const STYLE: &str = "{prefix:10} {bar:24} {wide_msg}";

impl<'a> Progress<'a> {
    pub(crate) fn begin(policy: String, duration: Duration, display: &'a Display) -> Self {
        let form = match display {
            Display::Bars => Form::Bar(bar(policy.clone(), duration)),
            Display::Lines => Form::Lines,
            Display::LinesEachSecond => Form::LinesEachSecond(Cell::new(0)),
            Display::Live(live) => {
                live.policy_begins(&policy);
                Form::Live(live)
            }
        };
        let progress = Self { policy, duration, form };
        progress.say(&format!("running for {}", humantime::format_duration(duration)));
        progress
    }

    pub(crate) fn sweep(&self, step: Step) {
        let Step { limit, number, of } = step;
        let text = format!("trying limit {limit} ({number} of {of})");
        match &self.form {
            Form::Bar(bar) => bar.set_message(text),
            Form::Lines | Form::LinesEachSecond(_) => self.say(&text),
            Form::Live(live) => live.sweep(step),
        }
    }

    pub(crate) fn show(&self, glimpse: &Glimpse<'_>) {
        match &self.form {
            Form::Bar(bar) => {
                let elapsed = glimpse.elapsed.min(self.duration);
                bar.set_position(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
                bar.set_message(few_words(glimpse));
            }
            Form::Lines => {}
            Form::LinesEachSecond(told) => {
                let second = glimpse.elapsed.as_secs();
                if second > told.replace(second) {
                    self.say(&many_words(glimpse));
                }
            }
            Form::Live(live) => live.show(glimpse),
        }
    }

    pub(crate) fn end(self, summary: String) {
        match &self.form {
            Form::Bar(bar) => bar.finish_with_message(summary),
            Form::Lines | Form::LinesEachSecond(_) => self.say(&summary),
            Form::Live(live) => live.policy_ends(summary),
        }
    }

    /// A line about the policy, where there are lines.
    fn say(&self, what: &str) {
        if matches!(self.form, Form::Lines | Form::LinesEachSecond(_)) {
            say_aside(&format!("{}: {what}", self.policy));
        }
    }
}

fn bar(policy: String, duration: Duration) -> ProgressBar {
    let length = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    // A style that indicatif does not take leaves its own, which shows the same.
    if let Ok(style) = ProgressStyle::with_template(STYLE) {
        bar.set_style(style);
    }
    bar.with_prefix(policy)
}

fn few_words(glimpse: &Glimpse<'_>) -> String {
    let point = &glimpse.point;
    let name = if glimpse.shadow.is_some() { "suggested limit" } else { "limit" };
    let limit = point.limit.map_or_else(String::new, |limit| format!("{name} {limit}, "));
    let errors: u64 = glimpse.errors.values().sum();
    format!("{limit}{} in flight, {} queued, {errors} errors", point.in_flight, point.queued)
}

fn many_words(glimpse: &Glimpse<'_>) -> String {
    let (point, pool) = (&glimpse.point, &glimpse.pool);
    let wait = point.pool_wait_ms.map_or_else(String::new, |wait| format!("pool wait {wait:.1} ms, "));
    format!(
        "{} s: {}, {wait}{} of {} connections used, {:.1} experts/s",
        glimpse.elapsed.as_secs(),
        few_words(glimpse),
        pool.open.saturating_sub(pool.idle),
        pool.max,
        point.experts_per_s
    )
}

//! What the user sees while it plays: a bar on a terminal, a line for each tenth elsewhere, both on the error stream.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::play::Watch;
use crate::say_aside;

/// Shows how the runs go.
#[derive(Debug)]
pub(crate) struct Progress {
    is_terminal: bool,
    bar: OnceLock<ProgressBar>,
    runs: AtomicUsize,
    ended: AtomicUsize,
}

const STYLE: &str = "{bar:24} {pos}/{len} runs, {eta} left: {wide_msg}";

impl Progress {
    pub(crate) const fn new(is_terminal: bool) -> Self {
        Self { is_terminal, bar: OnceLock::new(), runs: AtomicUsize::new(0), ended: AtomicUsize::new(0) }
    }

    pub(crate) fn end(&self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}

impl Watch for Progress {
    fn begin(&self, runs: usize) {
        self.runs.store(runs, Ordering::Relaxed);
        if !self.is_terminal {
            say_aside(&format!("{runs} runs"));
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(runs as u64), ProgressDrawTarget::stderr());
        // A style that indicatif does not take leaves its own, which shows the same.
        if let Ok(style) = ProgressStyle::with_template(STYLE) {
            bar.set_style(style);
        }
        let _ = self.bar.set(bar);
    }

    fn ended(&self, scenario: &str, law: &str) {
        if let Some(bar) = self.bar.get() {
            bar.set_message(format!("{scenario}, {law}"));
            bar.inc(1);
            return;
        }
        let runs = self.runs.load(Ordering::Relaxed);
        let ended = self.ended.fetch_add(1, Ordering::Relaxed) + 1;
        if ended * 10 / runs > (ended - 1) * 10 / runs {
            say_aside(&format!("{}%: {scenario}", ended * 100 / runs));
        }
    }
}

//! What the user sees while it plays: a bar on a terminal, a line for each tenth elsewhere, both on the error stream.

use std::io::{IsTerminal, stderr};
use std::sync::atomic::{AtomicUsize, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::say_aside;

/// Shows how many pieces of work have ended, from whatever thread; dropped, it takes its bar from the terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    /// It clears itself when it is dropped.
    bar: Option<ProgressBar>,
    pieces: usize,
    ended: AtomicUsize,
}

const STYLE: &str = "{bar:24} {pos}/{len} {prefix}, {eta} left: {wide_msg}";

impl Progress {
    /// So many pieces of work begin; `what` they are.
    pub(crate) fn begin(what: &'static str, pieces: usize) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(pieces as u64), ProgressDrawTarget::stderr());
            // A style that indicatif does not take leaves its own, which shows the same.
            if let Ok(style) = ProgressStyle::with_template(STYLE) {
                bar.set_style(style);
            }
            bar.with_prefix(what)
        });
        if bar.is_none() {
            say_aside(&format!("{what}: {pieces}"));
        }
        Self { bar, pieces, ended: AtomicUsize::new(0) }
    }

    /// One of them ended, of that name.
    pub(crate) fn ended(&self, name: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(name.to_owned());
            bar.inc(1);
            return;
        }
        let ended = self.ended.fetch_add(1, Ordering::Relaxed) + 1;
        if ended * 10 / self.pieces > (ended - 1) * 10 / self.pieces {
            say_aside(&format!("{}%: {name}", ended * 100 / self.pieces));
        }
    }
}

use tokio::sync::watch;

/// How far a fan-out has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Experts that ended with a response.
    pub done: usize,
    /// Experts that ended with an error; a refusal is one.
    pub failed: usize,
    /// Experts of the fan-out, the ones that never begin included.
    pub total: usize,
}

impl Progress {
    /// Experts that have not ended: they wait, run, or were dropped.
    #[must_use]
    pub const fn left(&self) -> usize {
        self.total.saturating_sub(self.done).saturating_sub(self.failed)
    }
}

/// Tells how far a fan-out has come, also to another task, and after its end; made by
/// [`FanOut::progress`](crate::FanOut::progress).
///
/// It does not keep the fan-out alive. A clone has been told what this one was told.
#[derive(Clone, Debug)]
pub struct ProgressWatch {
    progress: watch::Receiver<Progress>,
}

impl ProgressWatch {
    pub(super) const fn new(progress: watch::Receiver<Progress>) -> Self {
        Self { progress }
    }

    /// How far it is now, or was at its end.
    #[must_use]
    pub fn now(&self) -> Progress {
        *self.progress.borrow()
    }

    /// Waits until it is further than this told last; `None` once the fan-out is over, or was dropped, and all was told.
    ///
    /// Several steps may be told as one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the next one tells of it.
    pub async fn next(&mut self) -> Option<Progress> {
        self.progress.changed().await.ok()?;
        Some(*self.progress.borrow_and_update())
    }
}

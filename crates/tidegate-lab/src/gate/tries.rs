//! Trying again at once, as systems without a budget for it do.

use std::future::{Ready, ready};
use std::sync::Arc;

use tower::retry::Policy;

use crate::ask::Ask;
use crate::recorder::Recorder;

/// Tries an expert that failed again at once, whatever the reason, so often.
#[derive(Clone, Debug)]
pub(super) struct AtOnce {
    left: u32,
    recorder: Arc<Recorder>,
}

impl AtOnce {
    /// So many tries, the first included.
    pub(super) fn tries(tries: u32, recorder: &Arc<Recorder>) -> Self {
        Self { left: tries.saturating_sub(1), recorder: Arc::clone(recorder) }
    }
}

impl<T, E> Policy<Ask, T, E> for AtOnce {
    type Future = Ready<()>;

    fn retry(&mut self, _ask: &mut Ask, result: &mut Result<T, E>) -> Option<Self::Future> {
        // What begins after the run is no part of it.
        if result.is_ok() || self.recorder.is_over() {
            return None;
        }
        self.left = self.left.checked_sub(1)?;
        Some(ready(()))
    }

    fn clone_request(&mut self, ask: &Ask) -> Option<Ask> {
        Some(ask.clone())
    }
}

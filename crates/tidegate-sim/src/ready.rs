use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

use crate::slab::Key;

/// Experts whose waker was called, in that order: their futures are polled after the event that woke them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ready(Arc<Mutex<VecDeque<Key>>>);

struct ExpertWaker {
    expert: Key,
    ready: Ready,
}

impl Ready {
    pub(crate) fn waker(&self, expert: Key) -> Waker {
        Waker::from(Arc::new(ExpertWaker { expert, ready: self.clone() }))
    }

    pub(crate) fn next(&self) -> Option<Key> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn push(&self, expert: Key) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(expert);
    }
}

impl Wake for ExpertWaker {
    fn wake(self: Arc<Self>) {
        self.ready.push(self.expert);
    }
}

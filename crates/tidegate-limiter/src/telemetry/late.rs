use std::sync::OnceLock;

/// Metric handles that come alive also when their recorder is installed after them.
///
/// The `metrics` facade ties a handle to the recorder of the moment at which it is made, and one made before there is a
/// recorder records nothing for ever. So handles that were made too early are made once more.
pub(crate) struct Late<H> {
    first: H,
    /// Whether there was a recorder when `first` was made.
    is_live: bool,
    second: OnceLock<H>,
}

impl<H> Late<H> {
    pub(crate) fn new(make: impl FnOnce() -> H) -> Self {
        let is_live = has_recorder();
        Self { first: make(), is_live, second: OnceLock::new() }
    }

    /// The handles; `make` makes them anew if there is a recorder now and there was none.
    #[inline]
    pub(crate) fn get(&self, make: impl FnOnce() -> H) -> &H {
        if self.is_live { &self.first } else { self.get_late(make) }
    }

    fn get_late(&self, make: impl FnOnce() -> H) -> &H {
        if let Some(second) = self.second.get() {
            return second;
        }
        if has_recorder() {
            // Made outside the lock's own lock: a recorder is foreign code. Of two threads one makes handles in vain.
            drop(self.second.set(make()));
        }
        self.second.get().unwrap_or(&self.first)
    }
}

/// Whether a recorder is installed. The facade does not say; but what it has in place of one is of size zero, and a
/// recorder that keeps anything is not. (One of size zero is served as long as it comes before the handles.)
fn has_recorder() -> bool {
    metrics::with_recorder(|recorder| size_of_val(recorder) > 0)
}

#[cfg(test)]
mod tests {
    use metrics::{Counter, counter, with_local_recorder};
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};

    use super::*;

    fn make() -> Counter {
        counter!("count")
    }

    #[test]
    fn handles_are_made_once_more_when_there_is_a_recorder() {
        let recorder = DebuggingRecorder::new();
        let late = Late::new(make);
        late.get(make).increment(1);
        with_local_recorder(&recorder, || late.get(make).increment(2));
        late.get(|| unreachable!("they are live")).increment(3);
        let seen = recorder.snapshotter().snapshot().into_vec();
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].3, DebugValue::Counter(5), "what came before the recorder is lost");
    }

    #[test]
    fn handles_made_after_the_recorder_are_kept() {
        let recorder = DebuggingRecorder::new();
        let late = with_local_recorder(&recorder, || Late::new(make));
        late.get(|| unreachable!("they are live")).increment(1);
        assert_eq!(recorder.snapshotter().snapshot().into_vec()[0].3, DebugValue::Counter(1));
    }

    #[test]
    fn without_a_recorder_nothing_is_made_twice() {
        let late = Late::new(make);
        late.get(|| unreachable!("there is no recorder")).increment(1);
    }
}

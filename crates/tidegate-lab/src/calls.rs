//! What every expert of a run did, as a trace that `simulate --trace` plays again.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tidegate_sim::{QueryMode as Mode, TraceCall, TraceOutcome, TraceSettings};
use tokio::time::Instant;

use crate::num::{ratio, to_f64, to_ms};
use crate::workload::{QueryMode, Workload};

/// The calls of one run, in the order in which they ended.
#[derive(Debug)]
pub(crate) struct Calls {
    begun: Instant,
    calls: Mutex<Vec<TraceCall>>,
}

/// How long the queries of one expert held their connections for themselves, waits for another one left out.
#[derive(Debug, Default)]
pub(crate) struct Held(Mutex<(Duration, u32)>);

impl Held {
    /// A query has been read and held.
    pub(crate) fn begun(&self, span: Duration) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 += span;
    }

    /// A query has been written, and its connection given back.
    pub(crate) fn ended(&self, span: Duration) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.0 += span;
        held.1 += 1;
    }

    /// The mean of the queries that came to their end; none if none did.
    pub(crate) fn mean(&self) -> Option<Duration> {
        let (sum, count) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sum.checked_div(count)
    }
}

impl Calls {
    pub(crate) fn begin() -> Self {
        Self { begun: Instant::now(), calls: Mutex::default() }
    }

    /// An expert that was asked for at that moment has ended now.
    pub(crate) fn note(&self, workload: &Workload, asked: Instant, held: Option<Duration>, is_ok: bool) {
        let arrival_ms = to_ms(asked.saturating_duration_since(self.begun));
        let mut call = TraceCall::new(arrival_ms, workload.queries, mode(workload.query_mode));
        call.think_ms = to_ms(workload.think_time);
        call.use_ms = held.map(to_ms);
        call.outcome = if is_ok { TraceOutcome::Ok } else { TraceOutcome::Failed };
        call.took_ms = Some(to_ms(asked.elapsed()));
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }

    /// Mean and coefficient of variation of how long one query held its connection, in milliseconds.
    pub(crate) fn use_ms(&self) -> Option<(f64, f64)> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        // A call's figure is the mean of its queries, which scatters less than they do.
        let queries = f64::from(calls.first()?.queries);
        let held: Vec<f64> = calls.iter().filter_map(|call| call.use_ms).collect();
        let count = to_f64(held.len() as u64);
        let mean = ratio(held.iter().sum(), count)?;
        let variance = ratio(held.iter().map(|ms| (ms - mean) * (ms - mean)).sum(), count)?;
        Some((mean, (variance * queries).sqrt() / mean))
    }

    /// The trace: the settings, and a line for each call.
    pub(crate) fn text(&self, workload: &Workload) -> Result<String, serde_json::Error> {
        let settings = TraceSettings::new(workload.pool, to_ms(workload.acquire_timeout));
        let mut text = serde_json::to_string(&settings)?;
        for call in self.calls.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n{}", serde_json::to_string(call)?);
        }
        text.push('\n');
        Ok(text)
    }
}

/// The same mode in the simulator.
pub(crate) const fn mode(mode: QueryMode) -> Mode {
    match mode {
        QueryMode::Nested => Mode::Nested,
        QueryMode::Parallel => Mode::Parallel,
        QueryMode::Sequential => Mode::Sequential,
    }
}

#[cfg(test)]
mod tests {
    use tidegate_sim::Trace;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_trace_can_be_read() {
        let ticket = Workload::named("ticket").unwrap();
        let calls = Calls::begin();
        let asked = Instant::now() + Duration::from_millis(10);
        tokio::time::advance(Duration::from_millis(500)).await;
        calls.note(&ticket, asked, Some(Duration::from_millis(200)), true);
        calls.note(&ticket, asked, None, false);
        let trace = Trace::parse(&calls.text(&ticket).unwrap()).unwrap();
        assert_eq!(trace.settings, TraceSettings::new(20, 1000.0));
        let [ok, failed] = trace.calls[..] else { panic!("{trace:?}") };
        assert_eq!((ok.queries, ok.mode, ok.use_ms), (2, Mode::Parallel, Some(200.0)));
        assert_eq!((ok.took_ms, ok.outcome), (Some(490.0), TraceOutcome::Ok));
        assert_eq!(calls.use_ms(), Some((200.0, 0.0)));
        assert_eq!((failed.use_ms, failed.outcome), (None, TraceOutcome::Failed));
    }

    #[test]
    fn a_query_holds_from_its_beginning_and_at_its_end() {
        let held = Held::default();
        assert_eq!(held.mean(), None);
        held.begun(Duration::from_millis(30));
        held.begun(Duration::from_millis(20));
        held.ended(Duration::from_millis(5));
        held.ended(Duration::from_millis(5));
        assert_eq!(held.mean(), Some(Duration::from_millis(30)));
    }
}

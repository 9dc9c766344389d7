//! One batch: sent, split if need be, answered.

use std::sync::Arc;

use metrics::{counter, histogram};
use tokio::sync::oneshot;
use tower::{BoxError, ServiceExt as _};
use tower_service::Service;

use super::split::Split;
use crate::CoalesceError;

/// One call that waits.
pub(super) struct Ask<Row, T> {
    pub(super) row: Row,
    pub(super) key: Option<u64>,
    pub(super) caller: oneshot::Sender<Result<T, BoxError>>,
}

/// A batch and what is needed to send it.
pub(super) struct Batch<S, Row, T, E> {
    /// Is ready.
    pub(super) service: S,
    pub(super) asks: Vec<Ask<Row, T>>,
    pub(super) split: Option<Split<Row, E>>,
    pub(super) name: Arc<str>,
}

impl<S, Row, T, E> Batch<S, Row, T, E>
where
    S: Service<Vec<Row>, Response = Vec<T>, Error = E> + Clone,
    E: Into<BoxError>,
{
    /// Sends the rows, and after an error of a row the halves, the earlier half first. What is left to send is a stack, at
    /// most log₂ n deep.
    pub(super) async fn run(self) {
        let Self { mut service, asks, split, name } = self;
        // For the halves; a limiter's layer below gives the first call's permit back before they ask for theirs.
        let spare = split.is_some().then(|| service.clone());
        count(&name, asks.len());
        let (rows, callers) = parts(asks);
        let copy = split.as_ref().and_then(|split| split.copy(&rows));
        let first = service.call(rows).await;
        drop(service);
        let mut left = settle(first, copy, callers, split.as_ref());
        while let Some(asks) = left.pop() {
            let asks: Vec<_> = asks.into_iter().filter(|ask| !ask.caller.is_closed()).collect();
            let Some(service) = spare.clone().filter(|_| !asks.is_empty()) else { continue };
            count(&name, asks.len());
            counter!("tidegate_coalesce_retries_total", "coalesce" => Arc::clone(&name)).increment(1);
            let (rows, callers) = parts(asks);
            let copy = split.as_ref().and_then(|split| split.copy(&rows));
            let result = service.oneshot(rows).await;
            left.extend(settle(result, copy, callers, split.as_ref()));
        }
    }
}

type Caller<T> = oneshot::Sender<Result<T, BoxError>>;

fn parts<Row, T>(asks: Vec<Ask<Row, T>>) -> (Vec<Row>, Vec<Caller<T>>) {
    asks.into_iter().map(|ask| (ask.row, ask.caller)).unzip()
}

fn count(name: &Arc<str>, rows: usize) {
    let rows = u32::try_from(rows).unwrap_or(u32::MAX);
    histogram!("tidegate_coalesce_rows", "coalesce" => Arc::clone(name)).record(f64::from(rows));
}

/// Answers the callers, or says which calls to make in place of the one that failed: the one to make first comes last.
fn settle<Row, T, E: Into<BoxError>>(
    result: Result<Vec<T>, E>,
    copy: Option<Vec<Row>>,
    callers: Vec<Caller<T>>,
    split: Option<&Split<Row, E>>,
) -> Vec<Vec<Ask<Row, T>>> {
    let error = match result {
        Ok(results) => {
            answer(results, callers);
            return Vec::new();
        }
        Err(error) => error,
    };
    match (copy, split) {
        (Some(rows), Some(split)) if split.is_of_a_row(&error) => {
            let asks = rows.into_iter().zip(callers).map(|(row, caller)| Ask { row, key: None, caller });
            let mut early: Vec<_> = asks.collect();
            let late = early.split_off(early.len().div_ceil(2));
            vec![late, early]
        }
        _ => {
            fail(error.into(), callers);
            Vec::new()
        }
    }
}

fn answer<T>(results: Vec<T>, callers: Vec<Caller<T>>) {
    if results.len() == callers.len() {
        for (result, caller) in results.into_iter().zip(callers) {
            // A caller that has gone does not want it.
            drop(caller.send(Ok(result)));
        }
    } else {
        let error = CoalesceError::WrongLength { rows: callers.len(), results: results.len() };
        for caller in callers {
            drop(caller.send(Err(error.clone().into())));
        }
    }
}

pub(super) fn fail<T>(error: BoxError, mut callers: Vec<Caller<T>>) {
    if callers.len() == 1 {
        if let Some(caller) = callers.pop() {
            drop(caller.send(Err(error)));
        }
        return;
    }
    let error = CoalesceError::Batch { rows: callers.len(), source: Arc::new(error) };
    for caller in callers {
        drop(caller.send(Err(error.clone().into())));
    }
}

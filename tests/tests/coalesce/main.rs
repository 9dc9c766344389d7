//! Coalesced writes on real databases: one connection for many of them, bad rows, rows of one key.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, in its helpers too")]
#![expect(clippy::print_stdout, reason = "the figures that the page cites")]

mod mariadb;
mod postgres;
mod sqlite;

use tidegate::{Coalesce, CoalesceConfig, CoalesceLayer};
use tokio::task::JoinSet;
use tower::{BoxError, ServiceExt as _};

/// An id and the value it is to have.
type Row = (i64, i64);

/// Rows of one id apart, and bad rows found: the database said that a value is not allowed.
fn layer() -> CoalesceLayer<Row, sqlx::Error> {
    CoalesceLayer::new(CoalesceConfig::default())
        .unwrap()
        .distinct(|row: &Row| row.0)
        .split_when(|error: &sqlx::Error| error.as_database_error().is_some_and(|e| e.is_check_violation()))
}

/// Writes each row from a task of its own, and says which were there, or what went wrong, by their order.
async fn write_all(
    service: &Coalesce<Row, bool>,
    rows: impl IntoIterator<Item = Row>,
) -> Vec<Result<bool, BoxError>> {
    let mut tasks = JoinSet::new();
    for (at, row) in rows.into_iter().enumerate() {
        let call = service.clone().oneshot(row);
        tasks.spawn(async move { (at, call.await) });
    }
    let mut results = tasks.join_all().await;
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Row by row what `write_all` should have said: whether it was there, `None` if it was refused for its value.
#[track_caller]
fn assert_written(results: Vec<Result<bool, BoxError>>, expected: &[Option<bool>]) {
    let seen = results.into_iter().map(|result| match result {
        Ok(was_there) => Some(was_there),
        Err(error) => {
            let error = error.downcast::<sqlx::Error>().unwrap();
            assert!(error.as_database_error().unwrap().is_check_violation(), "{error}");
            None
        }
    });
    assert_eq!(seen.collect::<Vec<_>>(), expected);
}

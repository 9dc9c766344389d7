//! The N+1 updates of an expert: one statement for each of its rows.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::db::ROWS;

/// One row's new value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Update {
    pub(crate) id: i64,
    pub(crate) scans: i64,
}

/// Hands out rows so that experts that run at the same time have rows of their own.
///
/// Else they would fight for locks, which a joined statement would not mend.
#[derive(Debug, Default)]
pub(crate) struct Rows(AtomicU64);

impl Rows {
    /// That many rows that nobody else has had for as long as the table is.
    pub(crate) fn take(&self, count: u32) -> impl Iterator<Item = Update> + use<> {
        let first = self.0.fetch_add(u64::from(count), Ordering::Relaxed);
        let rows = ROWS.unsigned_abs();
        (first..first + u64::from(count)).map(move |n| {
            let [id, scans] = [n % rows + 1, n / rows + 1].map(|value| i64::try_from(value).unwrap_or(1));
            Update { id, scans }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_handed_out_in_turn_and_then_again_with_another_value() {
        let rows = Rows::default();
        let taken = |count| rows.take(count).map(|update| (update.id, update.scans)).collect::<Vec<_>>();
        assert_eq!(taken(2), [(1, 1), (2, 1)]);
        assert_eq!(taken(100_000).last(), Some(&(2, 2)));
        assert_eq!(taken(1), [(3, 2)]);
    }
}

use std::fmt;
use std::sync::Arc;

/// Whether a batch that failed is tried again in halves; and the rows for that, as the inner service takes those it gets.
pub(super) struct Split<Row, E> {
    copy: fn(&[Row]) -> Vec<Row>,
    is_of_a_row: Arc<dyn Fn(&E) -> bool + Send + Sync>,
}

impl<Row, E> Split<Row, E> {
    pub(super) fn new(is_of_a_row: impl Fn(&E) -> bool + Send + Sync + 'static) -> Self
    where
        Row: Clone,
    {
        Self { copy: <[Row]>::to_vec, is_of_a_row: Arc::new(is_of_a_row) }
    }

    /// A copy of rows that may be needed in halves. A lone row cannot be split.
    pub(super) fn copy(&self, rows: &[Row]) -> Option<Vec<Row>> {
        (rows.len() > 1).then(|| (self.copy)(rows))
    }

    pub(super) fn is_of_a_row(&self, error: &E) -> bool {
        (self.is_of_a_row)(error)
    }
}

impl<Row, E> Clone for Split<Row, E> {
    fn clone(&self) -> Self {
        Self { copy: self.copy, is_of_a_row: Arc::clone(&self.is_of_a_row) }
    }
}

impl<Row, E> fmt::Debug for Split<Row, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Split").finish_non_exhaustive()
    }
}

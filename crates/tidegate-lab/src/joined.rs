//! The updates of many experts, joined into one statement.

use std::sync::Arc;
use std::time::Duration;

use tidegate::{Coalesce, CoalesceConfig, CoalesceLayer, Outcome, error_chain};
use tower::{BoxError, Layer, ServiceExt, service_fn};

use crate::ask::JobTag;
use crate::expert::{Bench, ExpertError};
use crate::failure::Failure;
use crate::updates::Update;

/// An update, and for which job.
type Row = (Update, Arc<JobTag>);

/// Hands updates to whoever writes them. Clones hand them to the same; it ends with the last of them.
#[derive(Clone, Debug)]
pub(crate) struct Joined(Coalesce<Row, ()>);

/// Rows of one statement at most: what SQLite and PostgreSQL take easily, and ten experts' worth.
const ROWS_MAX: usize = 500;

impl Joined {
    /// Writes one statement after another; what comes meanwhile is the next. So an update that comes alone does not wait, and
    /// the busier it is, the more updates each statement has.
    ///
    /// # Errors
    ///
    /// Settings that the layer refuses.
    pub(crate) fn new(bench: &Arc<Bench>) -> Result<Self, Failure> {
        let config = CoalesceConfig::default().max_batch(ROWS_MAX).linger(Duration::ZERO);
        let layer = CoalesceLayer::new(config).map_err(Failure::work)?.name("updates");
        let bench = Arc::clone(bench);
        let write = service_fn(move |rows: Vec<Row>| {
            let bench = Arc::clone(&bench);
            async move {
                let updates: Vec<_> = rows.iter().map(|(update, _)| *update).collect();
                // A batch has at least one row; the statement counts as a query of the first one's job.
                if let Some((_, job)) = rows.first() {
                    bench.update_all(job, &updates).await?;
                }
                Ok::<_, ExpertError>(vec![(); rows.len()])
            }
        });
        Ok(Self(layer.layer(write)))
    }

    /// Waits until the row has its new value. Dropped before, the row has it all the same, or never.
    pub(crate) async fn update(&self, job: &Arc<JobTag>, update: Update) -> Result<(), ExpertError> {
        let row = (update, Arc::clone(job));
        self.0.clone().oneshot(row).await.map_err(|error| expert_error(&error))
    }
}

/// The error of the statement, which the callers of a batch share. What is none of it says nothing of load.
fn expert_error(error: &BoxError) -> ExpertError {
    let known = error_chain(&**error).find_map(|error| error.downcast_ref::<ExpertError>());
    known.copied().unwrap_or(ExpertError { outcome: Outcome::Ignored })
}

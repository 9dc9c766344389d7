//! The updates of many experts, joined into one statement.

use std::sync::Arc;

use tidegate::Outcome;
use tokio::sync::{mpsc, oneshot};

use crate::ask::JobTag;
use crate::expert::{Bench, ExpertError};
use crate::updates::Update;

/// Hands updates to whoever writes them. Clones hand them to the same; it ends with the last of them.
#[derive(Clone, Debug)]
pub(crate) struct Joined(mpsc::Sender<Waiting>);

/// An update whose expert waits for it.
#[derive(Debug)]
struct Waiting {
    update: Update,
    job: Arc<JobTag>,
    ended: oneshot::Sender<Result<(), ExpertError>>,
}

/// Rows of one statement at most: what SQLite and PostgreSQL take easily, and ten experts' worth.
const ROWS_MAX: usize = 500;

impl Joined {
    /// Writes one statement after another; what comes meanwhile is the next. So an update that comes alone does not wait, and
    /// the busier it is, the more updates each statement has.
    pub(crate) fn begin(bench: &Arc<Bench>) -> Self {
        let (sender, mut waiting) = mpsc::channel(ROWS_MAX);
        let bench = Arc::clone(bench);
        tokio::spawn(async move {
            let mut batch: Vec<Waiting> = Vec::new();
            while waiting.recv_many(&mut batch, ROWS_MAX).await > 0 {
                // Nobody waits for the others any more.
                batch.retain(|one| !one.ended.is_closed());
                let Some(first) = batch.first() else { continue };
                let updates: Vec<_> = batch.iter().map(|one| one.update).collect();
                let ended = bench.update_all(&first.job, &updates).await;
                for one in batch.drain(..) {
                    // An expert that has gone needs no answer.
                    let _ = one.ended.send(ended);
                }
            }
        });
        Self(sender)
    }

    /// Waits until the row has its new value. Dropped before, the row has it all the same, or never.
    pub(crate) async fn update(&self, job: &Arc<JobTag>, update: Update) -> Result<(), ExpertError> {
        let gone = || ExpertError { outcome: Outcome::Ignored };
        let (ended, end) = oneshot::channel();
        let waiting = Waiting { update, job: Arc::clone(job), ended };
        self.0.send(waiting).await.map_err(|_| gone())?;
        end.await.unwrap_or_else(|_| Err(gone()))
    }
}

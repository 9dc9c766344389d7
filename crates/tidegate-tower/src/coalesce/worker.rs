//! The task that makes batches out of the calls that wait.

use std::collections::{HashMap, HashSet, VecDeque};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tower::BoxError;
use tower_service::Service;

use super::batch::{Ask, Batch, fail};
use super::split::Split;
use crate::CoalesceConfig;

/// How many batches of calls are looked through for rows whose key is free.
const LOOKAHEAD: usize = 4;

pub(super) struct Worker<S, Row, T, E> {
    inner: S,
    split: Option<Split<Row, E>>,
    line: Line<Row, T>,
}

impl<S, Row, T, E> Worker<S, Row, T, E>
where
    S: Service<Vec<Row>, Response = Vec<T>, Error = E> + Clone + Send + 'static,
    S::Future: Send,
    E: Into<BoxError> + Send + 'static,
    Row: Send + 'static,
    T: Send + 'static,
{
    pub(super) fn new(
        inner: S,
        name: Arc<str>,
        config: CoalesceConfig,
        split: Option<Split<Row, E>>,
    ) -> (Self, mpsc::Sender<Ask<Row, T>>) {
        let (sender, asks) = mpsc::channel(config.queue);
        (Self { inner, split, line: Line::new(name, config, asks) }, sender)
    }

    /// Runs until all handles are gone and all that waited is answered.
    pub(super) async fn run(mut self) {
        while self.line.gather().await {
            let mut service = self.inner.clone();
            // More rows join while it is not ready. A batch is not cut before, so that they may.
            let ready = tokio::select! {
                ready = ready(&mut service) => ready,
                never = self.line.keep_taking() => match never {},
            };
            let asks = self.line.cut();
            match ready {
                // All its callers have gone. What `service` holds by being ready goes back.
                _ if asks.is_empty() => {}
                Some(Ok(())) => {
                    let (split, name) = (self.split.clone(), Arc::clone(&self.line.name));
                    let keys = asks.iter().filter_map(|ask| ask.key).collect();
                    let batch = Batch { service, asks, split, name };
                    self.line.started(keys, |running| running.spawn(batch.run()).id());
                }
                Some(Err(error)) => fail(error.into(), asks.into_iter().map(|ask| ask.caller).collect()),
                // It panicked; the callers learn that their batch is lost.
                None => drop(asks),
            }
        }
        while self.line.running.join_next().await.is_some() {}
    }
}

/// Waits until `service` is ready; nothing if it panics.
async fn ready<S: Service<R>, R>(service: &mut S) -> Option<Result<(), S::Error>> {
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| service.poll_ready(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(ready)) => Poll::Ready(Some(ready)),
        Err(_) => Poll::Ready(None),
    })
    .await
}

/// The calls that wait, in the order in which they came, and the batches that run.
struct Line<Row, T> {
    name: Arc<str>,
    config: CoalesceConfig,
    asks: mpsc::Receiver<Ask<Row, T>>,
    /// Whether all handles are gone.
    is_closed: bool,
    waiting: VecDeque<(Instant, Ask<Row, T>)>,
    running: JoinSet<()>,
    /// The keys of the batches that run, by their task and all together.
    keys_of: HashMap<Id, Vec<u64>>,
    held: HashSet<u64>,
}

impl<Row: Send + 'static, T: Send + 'static> Line<Row, T> {
    fn new(name: Arc<str>, config: CoalesceConfig, asks: mpsc::Receiver<Ask<Row, T>>) -> Self {
        let (waiting, running) = (VecDeque::new(), JoinSet::new());
        let (keys_of, held) = (HashMap::new(), HashSet::new());
        Self { name, config, asks, is_closed: false, waiting, running, keys_of, held }
    }

    /// Waits until there is a batch to send and a place for it; false when there will never be one again.
    async fn gather(&mut self) -> bool {
        loop {
            self.take_what_is_there();
            if self.is_closed && self.waiting.is_empty() {
                return false;
            }
            let next = self.waiting.iter().find(|(_, ask)| self.is_free(ask)).map(|(since, _)| *since);
            let due = next.filter(|_| self.running.len() < self.config.concurrency).map(|since| {
                let is_full = self.waiting.len() >= self.config.max_batch;
                if is_full || self.is_closed { since } else { since + self.config.linger }
            });
            if due.is_some_and(|due| due <= Instant::now()) {
                return true;
            }
            tokio::select! {
                () = self.step() => {}
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => return true,
            }
        }
    }

    /// Takes calls in and sees batches end, for ever.
    async fn keep_taking(&mut self) -> std::convert::Infallible {
        loop {
            self.step().await;
        }
    }

    /// Waits for a call to come or a batch to end. Cancelling it loses neither.
    async fn step(&mut self) {
        tokio::select! {
            Some(ended) = self.running.join_next_with_id() => self.ended(ended.map(|(id, ())| id)),
            ask = self.asks.recv(), if !self.is_closed && self.waiting.len() < self.room() => self.take(ask),
            else => std::future::pending().await,
        }
    }

    fn take(&mut self, ask: Option<Ask<Row, T>>) {
        match ask {
            Some(ask) => self.waiting.push_back((Instant::now(), ask)),
            None => self.is_closed = true,
        }
    }

    /// Those who have gone make room for those who came after them.
    fn take_what_is_there(&mut self) {
        loop {
            self.waiting.retain(|(_, ask)| !ask.caller.is_closed());
            let before = self.waiting.len();
            while self.waiting.len() < self.room() {
                match self.asks.try_recv() {
                    Ok(ask) => self.take(Some(ask)),
                    Err(_) => break,
                }
            }
            if self.waiting.len() == before {
                return;
            }
        }
    }

    const fn room(&self) -> usize {
        self.config.max_batch.saturating_mul(LOOKAHEAD)
    }

    fn is_free(&self, ask: &Ask<Row, T>) -> bool {
        ask.key.is_none_or(|key| !self.held.contains(&key))
    }

    /// The next batch: the first rows whose callers still wait and whose keys are free, each key once.
    fn cut(&mut self) -> Vec<Ask<Row, T>> {
        self.take_what_is_there();
        let mut batch = Vec::new();
        let mut in_batch = HashSet::new();
        let mut left = VecDeque::new();
        while let Some((since, ask)) = self.waiting.pop_front() {
            if ask.caller.is_closed() {
                continue;
            }
            let is_new = self.is_free(&ask) && ask.key.is_none_or(|key| !in_batch.contains(&key));
            if batch.len() < self.config.max_batch && is_new {
                in_batch.extend(ask.key);
                batch.push(ask);
            } else {
                left.push_back((since, ask));
            }
        }
        self.waiting = left;
        batch
    }

    fn started(&mut self, keys: Vec<u64>, spawn: impl FnOnce(&mut JoinSet<()>) -> Id) {
        let id = spawn(&mut self.running);
        self.held.extend(&keys);
        self.keys_of.insert(id, keys);
    }

    /// A batch that panicked has ended, too.
    fn ended(&mut self, ended: Result<Id, JoinError>) {
        let id = ended.unwrap_or_else(|error| error.id());
        for key in self.keys_of.remove(&id).unwrap_or_default() {
            self.held.remove(&key);
        }
    }
}

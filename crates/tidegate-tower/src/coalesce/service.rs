use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::PollSender;
use tower::BoxError;
use tower_service::Service;

use super::batch::Ask;
use super::future::ResponseFuture;
use super::layer::KeyOf;
use crate::CoalesceError;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A service whose calls are joined with those of its clones; made by [`CoalesceLayer`](crate::CoalesceLayer).
///
/// # Readiness
///
/// Ready while the queue has room. A service that was ready holds a place there until it is called or dropped.
/// It is first asked on a runtime of tokio, which then runs the batches.
///
/// # What a clone shares
///
/// The queue, and so the batches. Readiness is not shared.
/// When the last of them is gone, what waits is sent at once and its callers get their results.
///
/// # Errors
///
/// The inner service's error if the row was alone in its batch, otherwise [`CoalesceError`], both as a `BoxError`.
pub struct Coalesce<Row, T> {
    asks: PollSender<Ask<Row, T>>,
    is_ready: bool,
    key_of: Option<KeyOf<Row>>,
    /// What makes the batches, until it is spawned.
    task: Arc<Mutex<Option<Task>>>,
    is_started: bool,
}

impl<Row: Send + 'static, T: Send + 'static> Coalesce<Row, T> {
    pub(super) fn new(
        asks: mpsc::Sender<Ask<Row, T>>,
        key_of: Option<KeyOf<Row>>,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        let task: Task = Box::pin(task);
        let task = Arc::new(Mutex::new(Some(task)));
        Self { asks: PollSender::new(asks), is_ready: false, key_of, task, is_started: false }
    }

    fn start(&mut self) -> Result<(), CoalesceError> {
        if self.is_started {
            return Ok(());
        }
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.is_some() {
            let runtime = Handle::try_current().map_err(|_| CoalesceError::Closed)?;
            if let Some(task) = task.take() {
                runtime.spawn(task);
            }
        }
        drop(task);
        self.is_started = true;
        Ok(())
    }
}

impl<Row: Send + 'static, T: Send + 'static> Service<Row> for Coalesce<Row, T> {
    type Response = T;
    type Error = BoxError;
    type Future = ResponseFuture<T>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if !self.is_ready {
            self.start()?;
            ready!(self.asks.poll_reserve(cx)).map_err(|_| CoalesceError::Closed)?;
            self.is_ready = true;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, row: Row) -> Self::Future {
        if !std::mem::take(&mut self.is_ready) {
            return ResponseFuture::failed(CoalesceError::NotReady);
        }
        let key = self.key_of.as_ref().map(|key_of| key_of(&row));
        let (caller, answer) = oneshot::channel();
        match self.asks.send_item(Ask { row, key, caller }) {
            // What is sent after the task has gone is taken by nobody, and kept as long as a handle lives.
            Ok(()) if self.asks.get_ref().is_none_or(mpsc::Sender::is_closed) => {
                ResponseFuture::failed(CoalesceError::Closed)
            }
            Ok(()) => ResponseFuture::new(answer),
            Err(_) => ResponseFuture::failed(CoalesceError::Closed),
        }
    }
}

impl<Row, T> Clone for Coalesce<Row, T> {
    fn clone(&self) -> Self {
        Self {
            asks: self.asks.clone(),
            is_ready: false,
            key_of: self.key_of.clone(),
            task: Arc::clone(&self.task),
            is_started: self.is_started,
        }
    }
}

impl<Row, T> fmt::Debug for Coalesce<Row, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coalesce").field("is_ready", &self.is_ready).finish_non_exhaustive()
    }
}

use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::iter::Enumerate;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::vec;

use futures_core::Stream;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;
use tower_service::Service;

use super::expert::Expert;
use super::{Progress, ProgressWatch};
use crate::Job;
use crate::job::inside;

/// The experts of one job at work, as a [`Stream`] of their results, each with the index of its request; made by
/// [`Job::fan_out`].
///
/// All experts run at the same time on the task that polls this, and each on its own clone of the service. They begin in the
/// order of their requests: the clone of the next one is asked whether it is ready, and is called once it is. So a job of a
/// thousand experts asks like a job of one, and whoever serves those that ask in turn (the line of a `LimitLayer`, or that of
/// callers who find a full queue) serves jobs in turn. How many are at work is up to a limiter's layer in the service. They run
/// as part of the job: [`Job::current`] and [`ByJob`](crate::ByJob) know it.
///
/// Give a `QueueLayer` a queue that holds the experts of all jobs: while it is full, jobs get places in it in turn and not by
/// their shares.
///
/// Results come as experts end, unless they are [`ordered`](Self::ordered). An error is a result like another, unless it is
/// told to [stop](Self::stop_on_error). No expert at all is a stream that is over.
///
/// # Cancel safety
///
/// Dropping it drops every expert: one that waits gives up its place and never begins, one that runs is dropped where it is, and
/// what they held of a limiter goes back. A result that was not taken is lost.
///
/// # Panics
///
/// An expert that panics does so through the poll of this, on the caller's task. Its permits have come back by then; the others
/// go on if this is polled again, and are dropped with it.
#[must_use = "streams do nothing unless polled"]
pub struct FanOut<S: Service<Request>, Request> {
    job: Job,
    service: S,
    requests: Enumerate<vec::IntoIter<Request>>,
    /// The next expert, whose clone of the service is not ready yet.
    asking: Option<Asking<S, Request>>,
    experts: FuturesUnordered<Expert<S::Future>>,
    /// Results that have not been taken, because it is not their turn.
    ended: BTreeMap<usize, Result<S::Response, S::Error>>,
    /// Whose turn it is, if results are to keep the order of requests.
    next: usize,
    is_ordered: bool,
    stops_on_error: bool,
    /// `None` once there is no more to tell.
    progress: Option<watch::Sender<Progress>>,
    told: watch::Receiver<Progress>,
}

/// A result and the index of its request.
type Indexed<S, Request> = (usize, Result<<S as Service<Request>>::Response, <S as Service<Request>>::Error>);

struct Asking<S, Request> {
    index: usize,
    service: S,
    request: Request,
}

impl<S: Service<Request>, Request> FanOut<S, Request> {
    pub(crate) fn new(job: Job, service: S, requests: impl IntoIterator<Item = Request>) -> Self {
        let requests: Vec<_> = requests.into_iter().collect();
        let (progress, told) = watch::channel(Progress { total: requests.len(), ..Progress::default() });
        Self {
            job,
            service,
            requests: requests.into_iter().enumerate(),
            asking: None,
            experts: FuturesUnordered::new(),
            ended: BTreeMap::new(),
            next: 0,
            is_ordered: false,
            stops_on_error: false,
            progress: Some(progress),
            told,
        }
    }

    /// Yields results in the order of their requests. Experts run as they would, and those that end early are kept.
    pub const fn ordered(mut self) -> Self {
        self.is_ordered = true;
        self
    }

    /// Drops all other experts as soon as one has failed: what has not begun never begins.
    ///
    /// What had ended by then is still yielded, and the error is the only one. In order, those that were dropped are left out.
    pub const fn stop_on_error(mut self) -> Self {
        self.stops_on_error = true;
        self
    }

    /// A handle that tells how far it has come.
    #[must_use]
    pub fn progress(&self) -> ProgressWatch {
        ProgressWatch::new(self.told.clone())
    }

    /// Experts that have not ended, whether or not they have begun.
    fn left(&self) -> usize {
        self.requests.len() + usize::from(self.asking.is_some()) + self.experts.len()
    }

    fn drop_experts(&mut self) {
        // First what has not begun, so that nothing begins with what the others give back.
        self.asking = None;
        self.requests = Vec::new().into_iter().enumerate();
        self.experts.clear();
    }
}

impl<S: Service<Request> + Clone, Request> FanOut<S, Request> {
    /// The next result and the index of its request; `None` when there is no more.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no result; the experts stand still until this is polled again.
    pub async fn next(&mut self) -> Option<(usize, Result<S::Response, S::Error>)> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Every response, in the order of the requests; without those that [`next`](Self::next) has told already.
    ///
    /// # Errors
    ///
    /// The first error of any expert. By then all others have been dropped, as with [`stop_on_error`](Self::stop_on_error).
    ///
    /// # Cancel safety
    ///
    /// As dropping this.
    pub async fn all(self) -> Result<Vec<S::Response>, S::Error> {
        let mut results = self.ordered().stop_on_error();
        let mut responses = Vec::with_capacity(results.left());
        while let Some((_, result)) = results.next().await {
            responses.push(result?);
        }
        Ok(responses)
    }

    fn poll_result(&mut self, cx: &mut Context<'_>) -> Poll<Option<Indexed<S, Request>>> {
        loop {
            if let Some(due) = self.take_due() {
                return Poll::Ready(Some(due));
            }
            // Each expert is polled before the next one is asked for: a call through a queue takes its place then.
            if let Poll::Ready(Some((index, result))) = Pin::new(&mut self.experts).poll_next(cx) {
                self.note(index, result);
                continue;
            }
            match self.poll_begin(cx) {
                Poll::Ready(Some(Ok(()))) => {}
                Poll::Ready(Some(Err((index, error)))) => self.note(index, Err(error)),
                Poll::Ready(None) if self.left() == 0 => {
                    self.progress = None;
                    return Poll::Ready(None);
                }
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Begins the next expert once its clone of the service is ready; `None` if all have begun.
    #[expect(clippy::type_complexity, reason = "what a service says when it is not to be ready any more")]
    fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<(), (usize, S::Error)>>> {
        if self.asking.is_none() {
            let next = self.requests.next();
            self.asking =
                next.map(|(index, request)| Asking { index, service: self.service.clone(), request });
        }
        let Some(asking) = &mut self.asking else { return Poll::Ready(None) };
        let ready = ready!(asking.service.poll_ready(cx));
        let Some(Asking { index, mut service, request }) = self.asking.take() else {
            return Poll::Ready(None);
        };
        if let Err(error) = ready {
            return Poll::Ready(Some(Err((index, error))));
        }
        self.experts.push(Expert::new(index, service.call(request)));
        Poll::Ready(Some(Ok(())))
    }

    /// An expert has ended.
    fn note(&mut self, index: usize, result: Result<S::Response, S::Error>) {
        if result.is_err() && self.stops_on_error {
            self.drop_experts();
        }
        if let Some(progress) = &self.progress {
            progress.send_modify(|progress| match &result {
                Ok(_) => progress.done += 1,
                Err(_) => progress.failed += 1,
            });
        }
        self.ended.insert(index, result);
    }

    /// A result that may be yielded: any, or the one whose turn it is. When nothing runs no other can come before it.
    fn take_due(&mut self) -> Option<Indexed<S, Request>> {
        let (&index, _) = self.ended.first_key_value()?;
        if self.is_ordered && index != self.next && self.left() > 0 {
            return None;
        }
        if self.is_ordered {
            self.next = index + 1;
        }
        self.ended.pop_first()
    }
}

impl<S: Service<Request>, Request> Unpin for FanOut<S, Request> {}

impl<S: Service<Request> + Clone, Request> Stream for FanOut<S, Request> {
    type Item = Indexed<S, Request>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let job = self.job;
        inside(job, || self.poll_result(cx))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (ended, left) = (self.ended.len(), self.left());
        let least = if self.stops_on_error { ended } else { ended + left };
        (least, Some(ended + left))
    }
}

impl<S: Service<Request>, Request> fmt::Debug for FanOut<S, Request> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FanOut")
            .field("job", &self.job)
            .field("progress", &*self.told.borrow())
            .finish_non_exhaustive()
    }
}

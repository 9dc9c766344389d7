//! Whose doing something is: a call that is being polled, or a task.

use std::cell::Cell;

use tokio::task::{Id, try_id};

/// Calls within calls beyond this many are not told apart.
const DEPTH: usize = 8;

thread_local! {
    /// The calls that are being polled on this thread, the innermost last.
    static CALLS: Calls = const { Calls { depth: Cell::new(0), calls: [const { Cell::new(0) }; DEPTH] } };
}

struct Calls {
    depth: Cell<usize>,
    calls: [Cell<usize>; DEPTH],
}

/// A line of work in which one thing comes after another.
///
/// A task may run many calls beside each other (`join_all` over the calls of a service), so a call that says that it is one
/// is a line of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Flow {
    Call(usize),
    Task(Id),
}

impl Flow {
    /// The innermost that is running; `None` outside of any call and task.
    pub(crate) fn current() -> Option<Self> {
        let call = CALLS.with(|calls| calls.running().next_back());
        call.or_else(|| try_id().map(Self::Task))
    }

    /// All that are running, one within the other, up to the task.
    pub(crate) fn any_current(mut is_meant: impl FnMut(Self) -> bool) -> bool {
        CALLS.with(|calls| calls.running().any(&mut is_meant))
            || try_id().is_some_and(|id| is_meant(Self::Task(id)))
    }
}

impl Calls {
    fn running(&self) -> impl DoubleEndedIterator<Item = Flow> {
        self.calls.iter().take(self.depth.get()).map(|call| Flow::Call(call.get()))
    }
}

/// Polls a call, so that what it does while it is polled is known as its own: for services that hold a permit for a call.
///
/// `call` tells the call from others that exist at the same time; the address of its pinned future does.
/// A [`PoolMeter`](crate::PoolMeter) sees by it that a call which holds a connection asks for another one, and does not take
/// calls of one task for one.
#[inline]
pub fn poll_as_call<T>(call: usize, poll: impl FnOnce() -> T) -> T {
    CALLS.with(|calls| {
        let depth = calls.depth.get();
        if let Some(place) = calls.calls.get(depth) {
            place.set(call);
        }
        calls.depth.set(depth + 1);
    });
    let _polled = Polled;
    poll()
}

/// Ends the innermost call, also when its poll panics.
struct Polled;

impl Drop for Polled {
    #[inline]
    fn drop(&mut self) {
        CALLS.with(|calls| calls.depth.set(calls.depth.get() - 1));
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    fn running() -> Vec<Flow> {
        let mut seen = Vec::new();
        Flow::any_current(|flow| {
            seen.push(flow);
            false
        });
        seen
    }

    #[test]
    fn the_innermost_call_is_current_and_all_are_running() {
        assert_eq!((Flow::current(), running()), (None, vec![]));
        poll_as_call(1, || {
            poll_as_call(2, || assert_eq!(Flow::current(), Some(Flow::Call(2))));
            poll_as_call(3, || assert_eq!(running(), [Flow::Call(1), Flow::Call(3)]));
            assert_eq!(Flow::current(), Some(Flow::Call(1)));
        });
        assert_eq!(Flow::current(), None);
    }

    #[test]
    fn a_panic_ends_the_call() {
        assert!(catch_unwind(|| poll_as_call(1, || panic!("a call failed"))).is_err());
        assert_eq!(Flow::current(), None);
    }

    #[test]
    fn too_many_calls_in_each_other_are_not_told_apart() {
        fn nest(call: usize) {
            if call <= DEPTH + 2 {
                poll_as_call(call, || nest(call + 1));
            } else {
                assert_eq!(Flow::current(), Some(Flow::Call(DEPTH)));
            }
        }
        nest(1);
        assert_eq!(Flow::current(), None);
    }

    #[tokio::test]
    async fn outside_of_calls_the_task_is_current() {
        let id = tokio::spawn(async { Flow::current() }).await.unwrap();
        assert!(matches!(id, Some(Flow::Task(_))), "{id:?}");
        let seen = tokio::spawn(async { poll_as_call(1, running) }).await.unwrap();
        assert!(matches!(seen[..], [Flow::Call(1), Flow::Task(_)]), "{seen:?}");
    }
}

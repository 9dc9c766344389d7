//! Whose doing something is: a call that is being polled, or a task.

use std::cell::{Cell, RefCell};

use tokio::task::{Id, try_id};

thread_local! {
    /// The innermost call that is being polled on this thread; 0 for none.
    static CALL: Cell<usize> = const { Cell::new(0) };
    /// The calls around it, the outermost first. Apart, since nearly every call is in no other.
    static OUTER: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
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
        match CALL.get() {
            0 => try_id().map(Self::Task),
            call => Some(Self::Call(call)),
        }
    }

    /// All that are running, the outermost first.
    pub(crate) fn all_current() -> Vec<Self> {
        let mut flows: Vec<Self> = try_id().map(Self::Task).into_iter().collect();
        let call = CALL.get();
        if call != 0 {
            let outer = OUTER.try_with(|outer| outer.borrow().clone()).unwrap_or_default();
            flows.extend(outer.into_iter().chain([call]).map(Self::Call));
        }
        flows
    }

    /// Whether one of those that are running is meant; the task is asked for last.
    pub(crate) fn any_current(mut is_meant: impl FnMut(Self) -> bool) -> bool {
        let call = CALL.get();
        if call != 0 {
            let outer = OUTER.try_with(|outer| outer.borrow().clone()).unwrap_or_default();
            if outer.into_iter().chain([call]).any(|call| is_meant(Self::Call(call))) {
                return true;
            }
        }
        try_id().is_some_and(|id| is_meant(Self::Task(id)))
    }
}

/// Polls a call, so that what it does while it is polled is known as its own: for services that hold a permit for a call.
///
/// `call` tells the call from others that exist at the same time; the address of its pinned future does. 0 is no call.
/// A [`PoolMeter`](crate::PoolMeter) sees by it that a call which holds a connection asks for another one, and does not take
/// calls of one task for one.
#[inline]
pub fn poll_as_call<T>(call: usize, poll: impl FnOnce() -> T) -> T {
    let outer = CALL.replace(call);
    if outer != 0 {
        return poll_within(outer, poll);
    }
    let _polled = Polled;
    poll()
}

/// Ends a call that is in no other, also when its poll panics.
struct Polled;

impl Drop for Polled {
    #[inline]
    fn drop(&mut self) {
        CALL.set(0);
    }
}

#[cold]
fn poll_within<T>(outer: usize, poll: impl FnOnce() -> T) -> T {
    enter_within(outer);
    let _polled = PolledWithin { outer };
    poll()
}

/// The same of a call in another one.
struct PolledWithin {
    outer: usize,
}

impl Drop for PolledWithin {
    fn drop(&mut self) {
        CALL.set(self.outer);
        leave_within();
    }
}

/// A thread that ends may have no list any more; then calls around this one are not told of.
fn enter_within(outer: usize) {
    let _ = OUTER.try_with(|calls| calls.borrow_mut().push(outer));
}

fn leave_within() {
    let _ = OUTER.try_with(|calls| calls.borrow_mut().pop());
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
        let all = poll_as_call(1, || poll_as_call(2, Flow::all_current));
        assert_eq!(all, [Flow::Call(1), Flow::Call(2)]);
    }

    #[test]
    fn a_panic_ends_the_call() {
        assert!(catch_unwind(|| poll_as_call(1, || panic!("a call failed"))).is_err());
        assert_eq!(Flow::current(), None);
    }

    #[test]
    fn calls_may_be_as_deep_in_each_other_as_they_like() {
        fn nest(call: usize) {
            if call <= 100 {
                poll_as_call(call, || nest(call + 1));
            } else {
                assert_eq!(running().len(), 100);
            }
        }
        nest(1);
        assert_eq!((Flow::current(), running()), (None, vec![]));
    }

    #[tokio::test]
    async fn outside_of_calls_the_task_is_current() {
        let id = tokio::spawn(async { Flow::current() }).await.unwrap();
        assert!(matches!(id, Some(Flow::Task(_))), "{id:?}");
        let seen = tokio::spawn(async { poll_as_call(1, running) }).await.unwrap();
        assert!(matches!(seen[..], [Flow::Call(1), Flow::Task(_)]), "{seen:?}");
        let all = tokio::spawn(async { poll_as_call(1, Flow::all_current) }).await.unwrap();
        assert!(matches!(all[..], [Flow::Task(_), Flow::Call(1)]), "{all:?}");
    }
}

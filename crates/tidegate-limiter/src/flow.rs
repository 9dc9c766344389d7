//! Whose doing something is: a call that is being polled, or a task.

use std::cell::{Cell, RefCell};
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::{Id, try_id};

thread_local! {
    /// The innermost call that is being polled on this thread.
    static CALL: Cell<Option<CallId>> = const { Cell::new(None) };
    /// The calls around it, the outermost first. Apart, since nearly every call is in no other.
    static OUTER: RefCell<Vec<CallId>> = const { RefCell::new(Vec::new()) };
    /// The number that this thread gave out last; a multiple of [`BLOCK`] when it has none left.
    static LAST: Cell<u64> = const { Cell::new(0) };
}

/// Numbers that a thread takes at once, so that calls on different threads do not share a counter.
const BLOCK: u64 = 1 << 16;

/// Tells a call from all others that there were or will be in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallId(NonZeroU64);

impl CallId {
    /// That of a new call.
    #[expect(clippy::new_without_default, reason = "no two are equal")]
    #[inline]
    #[must_use]
    pub fn new() -> Self {
        let last = LAST.get();
        // The first of each block is never given out, so none is zero.
        let number = if last.is_multiple_of(BLOCK) { first_of_a_block() } else { last } + 1;
        LAST.set(number);
        Self(NonZeroU64::MIN.saturating_add(number))
    }
}

#[cfg(test)]
impl CallId {
    pub(crate) fn numbered(number: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(number))
    }
}

#[cold]
fn first_of_a_block() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(BLOCK, Ordering::Relaxed)
}

/// A line of work in which one thing comes after another.
///
/// A task may run many calls beside each other (`join_all` over the calls of a service), so a call that says that it is one
/// is a line of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Flow {
    Call(CallId),
    Task(Id),
}

impl Flow {
    /// The innermost that is running; `None` outside of any call and task.
    pub(crate) fn current() -> Option<Self> {
        match CALL.get() {
            None => try_id().map(Self::Task),
            Some(call) => Some(Self::Call(call)),
        }
    }

    /// All that are running, the outermost first.
    pub(crate) fn all_current() -> Vec<Self> {
        let mut flows: Vec<Self> = try_id().map(Self::Task).into_iter().collect();
        if let Some(call) = CALL.get() {
            let outer = OUTER.try_with(|outer| outer.borrow().clone()).unwrap_or_default();
            flows.extend(outer.into_iter().chain([call]).map(Self::Call));
        }
        flows
    }

    /// Whether one of those that are running is meant; the task is asked for last.
    pub(crate) fn any_current(mut is_meant: impl FnMut(Self) -> bool) -> bool {
        if let Some(call) = CALL.get() {
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
/// A [`PoolMeter`](crate::PoolMeter) sees by it that a call which holds a connection asks for another one, and does not take
/// calls of one task for one.
#[inline]
pub fn poll_as_call<T>(call: CallId, poll: impl FnOnce() -> T) -> T {
    if let Some(outer) = CALL.replace(Some(call)) {
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
        CALL.set(None);
    }
}

#[cold]
fn poll_within<T>(outer: CallId, poll: impl FnOnce() -> T) -> T {
    enter_within(outer);
    let _polled = PolledWithin { outer };
    poll()
}

/// The same of a call in another one.
struct PolledWithin {
    outer: CallId,
}

impl Drop for PolledWithin {
    fn drop(&mut self) {
        CALL.set(Some(self.outer));
        leave_within();
    }
}

/// A thread that ends may have no list any more; then calls around this one are not told of.
fn enter_within(outer: CallId) {
    let _ = OUTER.try_with(|calls| calls.borrow_mut().push(outer));
}

fn leave_within() {
    let _ = OUTER.try_with(|calls| calls.borrow_mut().pop());
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
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
        let [one, two, three] = [(); 3].map(|()| CallId::new());
        poll_as_call(one, || {
            poll_as_call(two, || assert_eq!(Flow::current(), Some(Flow::Call(two))));
            poll_as_call(three, || assert_eq!(running(), [Flow::Call(one), Flow::Call(three)]));
            assert_eq!(Flow::current(), Some(Flow::Call(one)));
        });
        assert_eq!(Flow::current(), None);
        let all = poll_as_call(one, || poll_as_call(two, Flow::all_current));
        assert_eq!(all, [Flow::Call(one), Flow::Call(two)]);
    }

    #[test]
    fn no_two_calls_have_one_number() {
        let many = || (0..2 * BLOCK + 10).map(|_| CallId::new()).collect::<HashSet<_>>();
        let (here, there) = (many(), std::thread::spawn(many).join().unwrap());
        assert_eq!(u64::try_from(here.union(&there).count()).unwrap(), 2 * (2 * BLOCK + 10));
    }

    #[test]
    fn a_panic_ends_the_call() {
        assert!(catch_unwind(|| poll_as_call(CallId::new(), || panic!("a call failed"))).is_err());
        assert_eq!(Flow::current(), None);
    }

    #[test]
    fn calls_may_be_as_deep_in_each_other_as_they_like() {
        fn nest(depth: usize) {
            if depth < 100 {
                poll_as_call(CallId::new(), || nest(depth + 1));
            } else {
                assert_eq!(running().len(), 100);
            }
        }
        nest(0);
        assert_eq!((Flow::current(), running()), (None, vec![]));
    }

    #[tokio::test]
    async fn outside_of_calls_the_task_is_current() {
        let id = tokio::spawn(async { Flow::current() }).await.unwrap();
        assert!(matches!(id, Some(Flow::Task(_))), "{id:?}");
        let seen = tokio::spawn(async { poll_as_call(CallId::new(), running) }).await.unwrap();
        assert!(matches!(seen[..], [Flow::Call(_), Flow::Task(_)]), "{seen:?}");
        let all = tokio::spawn(async { poll_as_call(CallId::new(), Flow::all_current) }).await.unwrap();
        assert!(matches!(all[..], [Flow::Task(_), Flow::Call(_)]), "{all:?}");
    }
}

//! Whose doing something is: a call that is being polled, or a task.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use tokio::task::{Id, try_id};

thread_local! {
    /// The number of the innermost call that is being polled on this thread.
    static CALL: Cell<u64> = const { Cell::new(NONE) };
    /// Those of the calls around it, the outermost first. Apart, since nearly every call is in no other.
    static OUTER: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
    /// The number that this thread gave out last; a multiple of [`BLOCK`] when it has none left.
    static LAST: Cell<u64> = const { Cell::new(0) };
}

/// No call.
const NONE: u64 = 0;
/// A call without a number: most never take a connection, and so need none.
const UNNUMBERED: u64 = 1;
const FIRST: u64 = 2;

/// Numbers that a thread takes at once, so that calls on different threads do not share a counter.
const BLOCK: u64 = 1 << 16;

/// A number that no other call of this process has or had.
fn new_number() -> u64 {
    static NEXT_BLOCK: AtomicU64 = AtomicU64::new(0);
    let last = LAST.get();
    // The first of each block is never given out.
    let free =
        if last.is_multiple_of(BLOCK) { NEXT_BLOCK.fetch_add(BLOCK, Ordering::Relaxed) } else { last } + 1;
    LAST.set(free);
    free + FIRST
}

fn numbered(call: u64) -> u64 {
    if call == UNNUMBERED { new_number() } else { call }
}

/// Tells a call from all others that there were or will be in this process, from its first connection on.
#[derive(Debug)]
pub struct CallId(u64);

impl CallId {
    /// That of a new call.
    #[expect(clippy::new_without_default, reason = "no two are alike")]
    #[inline]
    #[must_use]
    pub const fn new() -> Self {
        Self(UNNUMBERED)
    }

    /// The same each time.
    #[cfg(test)]
    pub(crate) const fn numbered(number: u64) -> Self {
        Self(FIRST + number)
    }
}

/// A line of work in which one thing comes after another.
///
/// A task may run many calls beside each other (`join_all` over the calls of a service), so a call that says that it is one
/// is a line of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Flow {
    Call(u64),
    Task(Id),
}

impl Flow {
    /// The innermost that is running; `None` outside of any call and task.
    pub(crate) fn current() -> Option<Self> {
        match CALL.get() {
            NONE => try_id().map(Self::Task),
            call => {
                let call = numbered(call);
                CALL.set(call);
                Some(Self::Call(call))
            }
        }
    }

    /// All that are running, the outermost first.
    pub(crate) fn all_current() -> Vec<Self> {
        let mut flows: Vec<Self> = try_id().map(Self::Task).into_iter().collect();
        if CALL.get() != NONE {
            let _ = OUTER.try_with(|outer| {
                for call in &mut *outer.borrow_mut() {
                    *call = numbered(*call);
                    flows.push(Self::Call(*call));
                }
            });
            flows.extend(Self::current());
        }
        flows
    }

    /// Whether one of those that are running is meant; the task is asked for last.
    pub(crate) fn any_current(mut is_meant: impl FnMut(Self) -> bool) -> bool {
        let call = CALL.get();
        if call != NONE {
            let outer = OUTER.try_with(|outer| outer.borrow().clone()).unwrap_or_default();
            let mut numbers = outer.into_iter().chain([call]).filter(|call| *call != UNNUMBERED);
            if numbers.any(|call| is_meant(Self::Call(call))) {
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
pub fn poll_as_call<T>(call: &mut CallId, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
    let outer = CALL.replace(call.0);
    if outer != NONE {
        enter_within(outer);
    }
    let _polled = Polled { outer };
    let result = poll();
    if result.is_pending() {
        call.0 = CALL.get();
    }
    result
}

/// Ends a call, also when its poll panics.
struct Polled {
    outer: u64,
}

impl Drop for Polled {
    #[inline]
    fn drop(&mut self) {
        CALL.set(self.outer);
        if self.outer != NONE {
            leave_within();
        }
    }
}

/// A thread that ends may have no list any more; then calls around this one are not told of.
#[cold]
fn enter_within(outer: u64) {
    let _ = OUTER.try_with(|calls| calls.borrow_mut().push(outer));
}

/// The call around may have got its number meanwhile.
#[cold]
fn leave_within() {
    let outer = OUTER.try_with(|calls| calls.borrow_mut().pop());
    if let Ok(Some(outer)) = outer {
        CALL.set(outer);
    }
}

/// Runs what a call does while it is polled.
#[cfg(test)]
pub(crate) fn within<T>(call: &mut CallId, act: impl FnOnce() -> T) -> T {
    let mut done = None;
    let _: Poll<()> = poll_as_call(call, || {
        done = Some(act());
        Poll::Pending
    });
    done.unwrap()
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

    fn call(number: u64) -> Flow {
        Flow::Call(CallId::numbered(number).0)
    }

    #[test]
    fn the_innermost_call_is_current_and_all_are_running() {
        let [mut one, mut two, mut three] = [1, 2, 3].map(CallId::numbered);
        assert_eq!((Flow::current(), running()), (None, vec![]));
        within(&mut one, || {
            within(&mut two, || assert_eq!(Flow::current(), Some(call(2))));
            within(&mut three, || assert_eq!(running(), [call(1), call(3)]));
            assert_eq!(Flow::current(), Some(call(1)));
        });
        assert_eq!(Flow::current(), None);
        let all = within(&mut one, || within(&mut two, Flow::all_current));
        assert_eq!(all, [call(1), call(2)]);
    }

    #[test]
    fn a_call_keeps_the_number_that_it_gets_when_it_is_asked_for() {
        let [mut outer, mut inner] = [CallId::new(), CallId::new()];
        assert_eq!(within(&mut outer, || within(&mut inner, running)), [], "nobody asked");
        let all = within(&mut outer, || within(&mut inner, Flow::all_current));
        assert!(all.len() == 2 && all[0] != all[1], "{all:?}");
        assert_eq!(within(&mut outer, Flow::current), Some(all[0]));
        assert_eq!(within(&mut inner, Flow::current), Some(all[1]));
        let other = within(&mut CallId::new(), Flow::current).unwrap();
        assert!(!all.contains(&other));
    }

    #[test]
    fn no_two_calls_have_one_number() {
        let many = || (0..2 * BLOCK + 10).map(|_| new_number()).collect::<HashSet<_>>();
        let (here, there) = (many(), std::thread::spawn(many).join().unwrap());
        assert_eq!(u64::try_from(here.union(&there).count()).unwrap(), 2 * (2 * BLOCK + 10));
        assert!(here.union(&there).all(|number| *number >= FIRST));
    }

    #[test]
    fn a_panic_ends_the_call() {
        assert!(catch_unwind(|| within(&mut CallId::new(), || panic!("a call failed"))).is_err());
        assert_eq!(Flow::current(), None);
    }

    #[test]
    fn calls_may_be_as_deep_in_each_other_as_they_like() {
        fn nest(depth: u64) {
            if depth < 100 {
                within(&mut CallId::numbered(depth), || nest(depth + 1));
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
        let seen = tokio::spawn(async { within(&mut CallId::numbered(1), running) }).await.unwrap();
        assert!(matches!(seen[..], [Flow::Call(_), Flow::Task(_)]), "{seen:?}");
        let all = tokio::spawn(async { within(&mut CallId::new(), Flow::all_current) }).await.unwrap();
        assert!(matches!(all[..], [Flow::Task(_), Flow::Call(_)]), "{all:?}");
    }
}

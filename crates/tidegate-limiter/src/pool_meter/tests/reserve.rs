//! What a meter does about nested acquires other than to count them.

use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Wake};

use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use tidegate_core::PoolSets;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_test::{assert_pending, assert_ready, task};

use super::*;
use crate::CallId;
use crate::flow::within;

/// A meter of a pool of three, whose calls hold two.
fn reserving() -> PoolMeter {
    PoolMeter::with_nested("test", Nested::reserve(2), 3).unwrap()
}

fn three() -> PoolReading {
    PoolReading::new(3, 0, 0, SECOND)
}

/// The call of this number asks for a connection to have it in hand.
fn ask(meter: &PoolMeter, call: u64) -> PoolWait {
    within(&mut CallId::numbered(call), || meter.begin_in_hand(three(), None))
}

/// It has one.
#[track_caller]
fn take(meter: &PoolMeter, call: u64) -> PoolUse {
    let wait = ask(meter, call);
    assert!(wait.is_admitted());
    within(&mut CallId::numbered(call), || {
        let mut lent = wait.granted();
        lent.in_hand();
        lent
    })
}

#[track_caller]
fn check_sets(meter: &PoolMeter, open: u32, waiting: u32) {
    let sets = meter.evidence(three()).sets;
    assert_eq!(sets, Some(PoolSets::new(open, 2, waiting)));
}

#[test]
fn a_set_is_of_two_connections_at_least_and_of_no_more_than_there_are() {
    let refused = |c, max| PoolMeter::with_nested("test", Nested::reserve(c), max).unwrap_err().to_string();
    assert_eq!(refused(4, 3), "connections_per_call is 4, allowed is 2 to 3 (the pool's size)");
    assert_eq!(refused(1, 3), "connections_per_call is 1, allowed is 2 to 3 (the pool's size)");
    assert!(PoolMeter::with_nested("test", Nested::reserve(3), 3).is_ok());
    assert!(PoolMeter::with_nested("test", Nested::Deny, 1).is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_set_is_pending_and_goes_in_when_one_closes() {
    let meter = reserving();
    let mut held = [1, 2].map(|call| take(&meter, call));
    let mut third = ask(&meter, 3);
    let mut fourth = ask(&meter, 4);
    check_sets(&meter, 2, 2);
    advance(SECOND).await;
    let evidence = meter.evidence(three());
    assert_eq!((evidence.pending, evidence.oldest_pending), (2, SECOND));
    assert_eq!(evidence.activity.pending_time, 2 * SECOND);
    let mut third = task::spawn(third.admitted());
    let mut fourth = task::spawn(fourth.admitted());
    assert_pending!(third.poll());
    assert_pending!(fourth.poll());
    // It is not back yet, but its call asks for no more.
    held[0].out_of_hand();
    assert!(third.is_woken() && !fourth.is_woken(), "first come, first served");
    assert!(assert_ready!(third.poll()).is_ok());
    check_sets(&meter, 2, 1);
}

#[tokio::test(start_paused = true)]
async fn who_stands_in_line_is_not_taken_for_stuck_when_a_nested_acquire_goes_by() {
    let meter = reserving();
    let _held = [1, 2].map(|call| take(&meter, call));
    let _waiting = ask(&meter, 3);
    advance(SECOND).await;
    drop(take(&meter, 1));
    assert_eq!(meter.evidence(three()).oldest_pending, SECOND);
}

#[tokio::test]
async fn a_place_that_is_given_up_goes_on_to_the_next() {
    let meter = reserving();
    let held = [1, 2].map(|call| take(&meter, call));
    let gone = ask(&meter, 3);
    let let_in = ask(&meter, 4);
    let mut last = ask(&meter, 5);
    let mut last = task::spawn(last.admitted());
    assert_pending!(last.poll());
    drop(gone);
    let [first, second] = held;
    drop(first);
    assert!(!last.is_woken());
    // It was let in and never heard of it.
    drop(let_in);
    assert!(last.is_woken());
    assert!(assert_ready!(last.poll()).is_ok());
    drop((last, second));
    check_sets(&meter, 1, 0);
}

#[tokio::test]
async fn a_wait_whose_future_is_dropped_keeps_its_place() {
    let meter = reserving();
    let held = [1, 2].map(|call| take(&meter, call));
    let mut third = ask(&meter, 3);
    let mut fourth = ask(&meter, 4);
    for _ in 0..2 {
        assert_pending!(task::spawn(third.admitted()).poll());
    }
    assert_pending!(task::spawn(fourth.admitted()).poll());
    let [first, _second] = held;
    drop(first);
    assert!(assert_ready!(task::spawn(third.admitted()).poll()).is_ok());
    assert_pending!(task::spawn(fourth.admitted()).poll());
}

#[tokio::test]
async fn however_an_acquire_ends_its_set_is_closed() {
    let meter = reserving();
    for end in [PoolWait::timed_out, PoolWait::refused, PoolWait::failed, |wait| drop(wait)] {
        end(ask(&meter, 1));
        let in_line = [1, 2, 3].map(|call| ask(&meter, call));
        in_line.into_iter().for_each(end);
        check_sets(&meter, 0, 0);
    }
    take(&meter, 1).untracked();
    check_sets(&meter, 0, 0);
}

#[tokio::test]
async fn a_panic_while_a_connection_is_in_hand_closes_its_set() {
    let meter = reserving();
    let work = || {
        let _lent = take(&meter, 1);
        panic!("the work failed");
    };
    assert!(catch_unwind(AssertUnwindSafe(work)).is_err());
    check_sets(&meter, 0, 0);
}

#[tokio::test]
async fn a_connection_is_in_the_hands_of_the_call_that_uses_it() {
    let meter = reserving();
    let mut moved = take(&meter, 1);
    let _other = take(&meter, 2);
    let use_in = |lent: &mut PoolUse, call| within(&mut CallId::numbered(call), || lent.used());
    use_in(&mut moved, 1);
    assert!(ask(&meter, 1).is_admitted() && !ask(&meter, 3).is_admitted());
    // Within its call is no other place.
    within(&mut CallId::numbered(1), || use_in(&mut moved, 3));
    assert!(!ask(&meter, 3).is_admitted());
    let mut in_line = ask(&meter, 3);
    let mut waiting = task::spawn(in_line.admitted());
    assert_pending!(waiting.poll());
    use_in(&mut moved, 3);
    assert!(waiting.is_woken() && ask(&meter, 3).is_admitted() && !ask(&meter, 1).is_admitted());
    drop(waiting);
    drop((in_line, moved));
    check_sets(&meter, 1, 0);
}

#[tokio::test]
async fn a_connection_that_calls_share_is_in_no_hand() {
    let meter = reserving();
    let mut shared = take(&meter, 1);
    for call in [2, 3, 2] {
        within(&mut CallId::numbered(call), || shared.used());
    }
    check_sets(&meter, 1, 0);
    // Who uses it opens a set for what it takes, and is made to wait like others.
    let _own = take(&meter, 2);
    check_sets(&meter, 2, 0);
    assert!(!ask(&meter, 3).is_admitted());
    drop(shared);
    check_sets(&meter, 1, 0);
}

#[tokio::test]
async fn a_connection_that_is_in_no_hand_stays_so_when_it_is_used() {
    let meter = reserving();
    let mut lent = ask(&meter, 1).granted();
    within(&mut CallId::numbered(2), || lent.used());
    check_sets(&meter, 1, 0);
    lent.in_hand();
    lent.out_of_hand();
    within(&mut CallId::numbered(2), || lent.used());
    check_sets(&meter, 0, 0);
}

/// A recorder that panics whenever it is told of a time.
struct Faulty;

impl HistogramFn for Faulty {
    fn record(&self, _: f64) {
        panic!("the recorder failed");
    }
}

impl Recorder for Faulty {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Self))
    }
}

#[tokio::test]
async fn a_recorder_that_panics_keeps_no_connection() {
    let meter = metrics::with_local_recorder(&Faulty, reserving);
    let wait = ask(&meter, 1);
    assert!(catch_unwind(AssertUnwindSafe(|| wait.granted())).is_err());
    check_sets(&meter, 0, 0);
    assert_eq!((meter.evidence(three()).held, meter.evidence(three()).pending), (0, 0));
}

/// A waker that panics.
struct Trap;

impl Wake for Trap {
    fn wake(self: Arc<Self>) {
        panic!("the waker failed");
    }
}

#[tokio::test]
async fn a_waker_that_panics_keeps_nobody_else_asleep() {
    let meter = reserving();
    let held = [1, 2].map(|call| take(&meter, call));
    // Both are of one call, so they go in together.
    let mut trapped = ask(&meter, 3);
    let mut other = ask(&meter, 3);
    let trap = Waker::from(Arc::new(Trap));
    assert!(trapped.poll_admitted(&Context::from_waker(&trap)).is_pending());
    let mut other = task::spawn(other.admitted());
    assert_pending!(other.poll());
    let [first, _second] = held;
    assert!(catch_unwind(AssertUnwindSafe(|| drop(first))).is_err());
    assert!(other.is_woken());
    assert_eq!(meter.evidence(three()).held, 1);
}

#[tokio::test]
async fn sets_are_shown_as_gauges() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let meter = reserving();
        let _held = [1, 2].map(|call| take(&meter, call));
        let _waiting = ask(&meter, 3);
        let _ = meter.evidence(three());
    });
    let names = ["max", "open", "pending"].map(|what| format!("tidegate_connection_sets_{what}"));
    let found = values(&snapshotter, &names.each_ref().map(String::as_str));
    let gauges = [2.0, 2.0, 1.0].map(|value: f64| DebugValue::Gauge(value.into()));
    assert_eq!(found, names.into_iter().zip(gauges).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_what_sets_hold_to_fall_is_let_in_at_the_next_look() {
    let four = PoolReading::new(4, 0, 0, SECOND);
    let meter = PoolMeter::with_nested("test", Nested::reserve(2), 4).unwrap();
    let take = |call| {
        within(&mut CallId::numbered(call), || {
            let mut lent = meter.begin_in_hand(four, None).granted();
            lent.in_hand();
            lent
        })
    };
    for _ in 0..4 {
        let both = [take(1), take(1)];
        advance(SECOND).await;
        drop(both);
    }
    let _two_sets = [take(1), take(2)];
    // Two of three possible sets, of two connections each by what is known.
    let mut in_line = within(&mut CallId::numbered(3), || meter.begin_in_hand(four, None));
    let mut waiting = task::spawn(in_line.admitted());
    assert_pending!(waiting.poll());
    // Those that are open have one.
    advance(10 * SECOND).await;
    assert!(!waiting.is_woken());
    let _ = meter.evidence(four);
    assert!(waiting.is_woken() && waiting.poll().is_ready());
}

#[tokio::test]
async fn a_statement_needs_no_set() {
    let meter = reserving();
    let _held = take(&meter, 1);
    let statement = within(&mut CallId::numbered(2), || meter.begin_at(three(), None));
    assert!(statement.is_admitted());
    check_sets(&meter, 1, 0);
    // While a set is open, the last connection is for who has one in hand.
    assert!(!within(&mut CallId::numbered(3), || meter.begin_at(three(), None)).is_admitted());
    assert!(within(&mut CallId::numbered(1), || meter.begin_at(three(), None)).is_admitted());
}

#[tokio::test]
async fn a_denied_acquire_names_both_places() {
    let meter = PoolMeter::with_nested("test", Nested::Deny, 3).unwrap();
    let (held, asked) = (Location::caller(), Location::caller());
    let mut lent = meter.begin_in_hand(three(), Some(held)).granted();
    within(&mut CallId::numbered(1), || lent.in_hand());
    let mut wait = within(&mut CallId::numbered(1), || meter.begin_at(three(), Some(asked)));
    let denied = assert_ready!(task::spawn(wait.admitted()).poll()).unwrap_err();
    assert_eq!((denied.held_since, denied.asked_at), (Some(held), Some(asked)));
    let text = denied.to_string();
    assert!(text.contains(&format!("(taken at {held}) asked for another one (at {asked}): ")), "{text}");
    wait.failed();
    assert!(within(&mut CallId::numbered(2), || meter.begin_at(three(), None)).is_admitted(), "another call");
    assert_eq!(meter.evidence(three()).activity.failures, 1);
}

/// Takes a connection of `pool`, as a metered pool does.
async fn acquire<'a>(meter: &PoolMeter, pool: &'a Semaphore) -> (PoolUse, tokio::sync::SemaphorePermit<'a>) {
    let mut wait = meter.begin_in_hand(three(), None);
    wait.admitted().await.unwrap();
    let permit = pool.acquire().await.unwrap();
    let mut lent = wait.granted();
    lent.in_hand();
    (lent, permit)
}

/// Calls that hold one connection while they ask for another one, many more than there are connections; some of them are
/// cancelled wherever they are.
async fn hammer(meter: PoolMeter) -> u32 {
    let (pool, done) = (Arc::new(Semaphore::new(3)), Arc::new(AtomicU32::new(0)));
    let mut tasks = JoinSet::new();
    for i in 0..400_u32 {
        let (meter, pool, done) = (meter.clone(), Arc::clone(&pool), Arc::clone(&done));
        tasks.spawn(async move {
            let work = async {
                let first = acquire(&meter, &pool).await;
                tokio::task::yield_now().await;
                let second = acquire(&meter, &pool).await;
                sleep(Duration::from_micros(50)).await;
                drop((second, first));
                done.fetch_add(1, Ordering::Relaxed);
            };
            match i % 4 {
                0 => drop(timeout(Duration::from_micros(u64::from(i) * 20), work).await),
                _ => work.await,
            }
        });
    }
    while tasks.join_next().await.is_some() {}
    done.load(Ordering::Relaxed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_that_nest_never_stand_in_each_others_way() {
    let meter = reserving();
    let done = timeout(60 * SECOND, hammer(meter.clone())).await;
    assert!(done.is_ok_and(|done| done >= 300));
    let evidence = meter.evidence(three());
    let sets = evidence.sets.unwrap();
    assert_eq!((sets.open, sets.waiting, evidence.pending, evidence.held), (0, 0, 0, 0));
}

/// The hammer sees what it is for.
#[tokio::test]
async fn without_sets_the_same_calls_do() {
    let mut hammered = pin!(hammer(meter()));
    assert!(timeout(SECOND, hammered.as_mut()).await.is_err());
}

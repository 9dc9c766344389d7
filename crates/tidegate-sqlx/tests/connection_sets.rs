//! Pools that refuse nested acquires, or reserve connection sets. On SQLite, where no server is needed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, in its helpers too")]

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use futures_util::future::try_join_all;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Acquire as _, Error, Executor as _, Sqlite};
use tidegate_core::Outcome;
use tidegate_limiter::{CallId, poll_as_call};
use tidegate_sqlx::{MeteredPool, Nested, classify, classify_chain, nested_denied};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(20);

/// A pool of four.
fn pool(nested: Nested, acquire_timeout: Duration) -> MeteredPool<Sqlite> {
    let options = SqlitePoolOptions::new().max_connections(4).acquire_timeout(acquire_timeout);
    let pool = options.connect_lazy_with(SqliteConnectOptions::new().in_memory(true));
    MeteredPool::new(pool).with_nested(nested).unwrap()
}

/// Runs `work` as a call of a layer does.
async fn as_call<F: Future>(work: F) -> F::Output {
    let (mut call, mut work) = (CallId::new(), pin!(work));
    poll_fn(|cx| poll_as_call(&mut call, || work.as_mut().poll(cx))).await
}

async fn poll_once<T>(future: &mut Pin<Box<impl Future<Output = T> + ?Sized>>) -> Poll<T> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

#[track_caller]
fn check_sets(pool: &MeteredPool<Sqlite>, open: u32, waiting: u32) {
    // How many can be open depends on what the sets before held.
    let sets = pool.stats().sets.unwrap();
    assert_eq!((sets.open, sets.waiting), (open, waiting));
}

async fn until(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap();
}

#[tokio::test]
async fn sets_larger_than_the_pool_are_refused() {
    let refused = |c| {
        let pool = pool(Nested::Warn, PATIENCE);
        pool.with_nested(Nested::reserve(c)).unwrap_err().to_string()
    };
    assert_eq!(refused(5), "connections_per_call is 5, allowed is 2 to 4 (the pool's size)");
    assert_eq!(refused(0), "connections_per_call is 0, allowed is 2 to 4 (the pool's size)");
}

#[tokio::test]
async fn a_name_given_later_keeps_what_is_done_about_nested_acquires() {
    let pool = pool(Nested::reserve(2), PATIENCE).with_name("later");
    check_sets(&pool, 0, 0);
    check_sets(&pool.clone(), 0, 0);
}

#[tokio::test]
async fn a_denied_acquire_says_where_and_is_no_sign_of_load() {
    let pool = pool(Nested::Deny, PATIENCE);
    as_call(async {
        let tx = pool.begin().await.unwrap();
        let error = pool.acquire().await.err().unwrap();
        let denied = nested_denied(&error).unwrap();
        let places = [denied.held_since, denied.asked_at].map(|place| place.unwrap().file());
        assert_eq!(places, [file!(), file!()]);
        assert!(error.to_string().contains("tests/connection_sets.rs"), "{error}");
        assert_eq!((classify(&error), classify_chain(&error)), (Outcome::Ignored, Outcome::Ignored));
        let error = pool.execute("SELECT 1").await.unwrap_err();
        assert!(nested_denied(&error).is_some_and(|denied| denied.asked_at.is_none()));
        tx.commit().await.unwrap();
        pool.execute("SELECT 1").await.unwrap();
        assert!(nested_denied(&Error::PoolTimedOut).is_none());
    })
    .await;
    let activity = pool.stats().activity;
    assert_eq!((activity.failures, activity.timeouts, activity.refused), (2, 0, 0));
}

/// One way of holding a connection while another one is asked for.
async fn nest(pool: &MeteredPool<Sqlite>, way: usize) -> Result<(), Error> {
    match way % 4 {
        0 => {
            let mut outer = pool.acquire().await?;
            outer.execute("SELECT 1").await?;
            tokio::task::yield_now().await;
            pool.acquire().await?.execute("SELECT 1").await?;
        }
        1 => {
            let outer = pool.begin().await?;
            tokio::task::yield_now().await;
            pool.begin().await?.commit().await?;
            outer.commit().await?;
        }
        2 => {
            let mut rows = pool.fetch("SELECT 1 UNION SELECT 2");
            while rows.try_next().await?.is_some() {
                pool.execute("SELECT 1").await?;
            }
        }
        _ => {
            let mut outer = (&mut pool.acquire().await?).begin().await.map(drop);
            outer = outer.and(pool.execute("SELECT 1").await.map(drop));
            outer?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tasks_that_nest_in_any_way_all_come_to_their_end() {
    let pool = pool(Nested::reserve(2), Duration::from_secs(10));
    let mut tasks = JoinSet::new();
    for i in 0..200 {
        let pool = pool.clone();
        tasks.spawn(async move { nest(&pool, i).await });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap().unwrap();
    }
    until(|| pool.stats().held == 0).await;
    check_sets(&pool, 0, 0);
    assert_eq!(pool.stats().activity.timeouts, 0);
}

#[tokio::test]
async fn calls_of_one_task_that_nest_all_come_to_their_end() {
    let pool = pool(Nested::reserve(2), Duration::from_secs(10));
    let calls = (0..100).map(|i| as_call(nest(&pool, i)));
    try_join_all(calls).await.unwrap();
    until(|| pool.stats().held == 0).await;
    check_sets(&pool, 0, 0);
}

/// The calls above are such that they would not.
#[tokio::test]
async fn without_sets_they_lock_each_other_out() {
    let pool = pool(Nested::Warn, Duration::from_millis(300));
    let calls = (0..100).map(|i| as_call(nest(&pool, i)));
    assert!(matches!(try_join_all(calls).await, Err(Error::PoolTimedOut)));
}

#[tokio::test]
async fn one_timeout_holds_for_the_wait_in_front_of_the_pool_and_in_it() {
    let pool = pool(Nested::reserve(2), Duration::from_millis(400));
    let held: Vec<_> = {
        let calls = (1..=3).map(|_| as_call(pool.acquire()));
        try_join_all(calls).await.unwrap()
    };
    let asked = tokio::time::Instant::now();
    let error = as_call(pool.acquire()).await.err().unwrap();
    assert!(matches!(error, Error::PoolTimedOut), "{error}");
    assert!((300..2_000).contains(&asked.elapsed().as_millis()), "{:?}", asked.elapsed());
    let stats = pool.stats();
    assert_eq!((stats.activity.timeouts, stats.activity.connect_timeouts, stats.pending), (1, 0, 0));
    drop(held);
}

#[tokio::test]
async fn a_cancelled_wait_for_a_set_leaves_the_line() {
    let pool = pool(Nested::reserve(2), PATIENCE);
    let held = try_join_all((1..=3).map(|_| as_call(pool.acquire()))).await.unwrap();
    let mut gone = Box::pin(as_call(pool.begin()));
    let mut next = Box::pin(as_call(pool.acquire()));
    assert!(poll_once(&mut gone).await.is_pending());
    assert!(poll_once(&mut next).await.is_pending());
    check_sets(&pool, 3, 2);
    drop(gone);
    check_sets(&pool, 3, 1);
    drop(held);
    timeout(PATIENCE, next).await.unwrap().unwrap();
    assert_eq!(pool.stats().activity.cancelled, 1);
}

#[tokio::test]
async fn a_connection_goes_where_it_is_used() {
    let pool = pool(Nested::reserve(2), PATIENCE);
    let _held = try_join_all((1..=2).map(|_| as_call(pool.acquire()))).await.unwrap();
    let mut moved = as_call(pool.begin()).await.unwrap();
    check_sets(&pool, 3, 0);
    let other = pool.clone();
    let nest = async move {
        moved.execute("SELECT 1").await.unwrap();
        let second = other.acquire().await.unwrap();
        (moved, second)
    };
    let both = timeout(PATIENCE, tokio::spawn(nest)).await.unwrap().unwrap();
    check_sets(&pool, 3, 0);
    drop(both);
    check_sets(&pool, 2, 0);
}

#[tokio::test]
async fn a_cancelled_begin_is_in_no_hand() {
    let pool = pool(Nested::reserve(2), PATIENCE);
    // Polled once it has its connection, and begins in a task that has not run yet.
    drop(pool.acquire().await.unwrap());
    until(|| pool.inner().num_idle() == 1).await;
    as_call(async {
        let mut begun = Box::pin(pool.begin());
        assert!(poll_once(&mut begun).await.is_pending());
        check_sets(&pool, 1, 0);
        drop(begun);
        until(|| pool.stats().sets.unwrap().open == 0).await;
    })
    .await;
}

#[tokio::test]
async fn a_closed_pool_wakes_those_in_front_of_it() {
    let pool = pool(Nested::reserve(2), PATIENCE);
    let held = try_join_all((1..=3).map(|_| as_call(pool.acquire()))).await.unwrap();
    let closing = pool.inner().clone();
    let (waited, ()) = tokio::join!(as_call(pool.acquire()), async {
        sleep(Duration::from_millis(10)).await;
        drop(closing.close());
        tokio::spawn(async move { closing.close().await });
    });
    assert!(matches!(waited.err().unwrap(), Error::PoolClosed));
    assert_eq!(pool.stats().activity.failures, 1);
    drop(held);
}

#[tokio::test]
async fn a_cancelled_call_closes_its_set() {
    let pool = pool(Nested::reserve(2), PATIENCE);
    let work = async {
        let _outer = pool.begin().await.unwrap();
        let _inner = pool.acquire().await.unwrap();
        sleep(PATIENCE).await;
    };
    assert!(timeout(Duration::from_millis(200), as_call(work)).await.is_err());
    check_sets(&pool, 0, 0);
}

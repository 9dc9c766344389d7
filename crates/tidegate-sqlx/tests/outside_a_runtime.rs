//! Connections and transactions may be dropped where there is no runtime, and even after their runtime has gone.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there, in its helpers too")]

use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt as _;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Error, Sqlite};
use tidegate_sqlx::MeteredPool;
use tokio::runtime::Runtime;

/// Panics anywhere in this process, also those that a runtime catches.
fn panics() -> usize {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, Ordering::Relaxed);
            hook(info);
        }));
    });
    PANICS.load(Ordering::Relaxed)
}

/// A pool that keeps a minimum, for which sqlx spawns whenever it drops a connection.
async fn pool() -> MeteredPool<Sqlite> {
    let options = SqlitePoolOptions::new().min_connections(1).max_connections(2);
    MeteredPool::new(options.connect("sqlite::memory:").await.unwrap())
}

#[test]
fn dropped_outside_comes_back() {
    let before = panics();
    let runtime = Runtime::new().unwrap();
    let (pool, conn, tx) = runtime.block_on(async {
        let pool = pool().await;
        let conn = pool.acquire().await.unwrap();
        let tx = pool.begin().await.unwrap();
        (pool, conn, tx)
    });
    drop((conn, tx));
    runtime.block_on(async {
        while pool.stats().held > 0 {
            tokio::task::yield_now().await;
        }
    });
    assert_eq!((pool.stats().activity.returns, panics() - before), (2, 0));
}

#[test]
fn dropped_after_its_runtime_frees_its_slot() {
    let before = panics();
    let runtime = Runtime::new().unwrap();
    let (pool, conn, tx) = runtime.block_on(async {
        let pool = pool().await;
        let conn = pool.acquire().await.unwrap();
        let tx = pool.begin().await.unwrap();
        (pool, conn, tx)
    });
    drop(runtime);
    drop((conn, tx));
    let stats = pool.stats();
    assert_eq!((stats.held, stats.activity.returns, stats.reading.free()), (0, 2, 2));
    assert_eq!(panics() - before, 0);
}

#[test]
fn acquire_outside_is_an_error() {
    let runtime = Runtime::new().unwrap();
    let pool = runtime.block_on(pool());
    let acquired = pool.acquire().now_or_never().unwrap();
    assert!(matches!(acquired, Err(Error::Configuration(_))));
    assert_eq!(pool.stats().activity.requests, 0);
}

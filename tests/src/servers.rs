use std::env;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

/// The URL of the test's PostgreSQL server, from `TIDEGATE_TEST_POSTGRES`.
///
/// # Panics
///
/// When the variable is not set, with how to set it: a missing server is an error, never a skipped test.
#[must_use]
pub fn postgres_url() -> String {
    url_from("TIDEGATE_TEST_POSTGRES")
}

/// The URL of the test's MariaDB server, from `TIDEGATE_TEST_MARIADB`.
///
/// # Panics
///
/// When the variable is not set, with how to set it: a missing server is an error, never a skipped test.
#[must_use]
pub fn mariadb_url() -> String {
    url_from("TIDEGATE_TEST_MARIADB")
}

fn url_from(variable: &str) -> String {
    env::var(variable).unwrap_or_else(|_| {
        panic!(
            "{variable} is not set: start the servers with `servers=$(scripts/servers start) && eval \"$servers\"`, \
             or run ./check"
        )
    })
}

/// A name for a database that no other test, in this process or another, has taken.
pub(crate) fn unique_name() -> String {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_millis());
    format!("test_{}_{since_epoch}_{}", process::id(), TAKEN.fetch_add(1, Ordering::Relaxed))
}

/// Runs `cleanup` to its end on a thread and a runtime of its own, so that it works from `drop`, on a paused clock
/// and while the test's own runtime is busy or gone.
///
/// # Panics
///
/// When `cleanup` panics, unless the test is panicking already: then the test's own failure is the one to read.
pub(crate) fn clean_up<F: Future<Output = ()> + Send + 'static>(cleanup: F) {
    let worker = thread::spawn(|| {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime for the clean-up")
            .block_on(cleanup);
    });
    let ended = worker.join();
    assert!(ended.is_ok() || thread::panicking(), "a test's database could not be removed");
}

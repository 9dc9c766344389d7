//! What a subscriber hears. In a process of its own: where limiters run without a subscriber beside it, `tracing` may find
//! that nobody wants an event at the very moment at which somebody begins to.

#![allow(clippy::unwrap_used, reason = "a test")]

#[expect(dead_code, reason = "what these tests do not need")]
#[path = "it/util.rs"]
mod util;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegate_limiter::Limiter;
use tokio::time::sleep;
use tracing::subscriber::DefaultGuard;

use self::util::{Told, ToldPool};

/// What was logged, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// A log of what this thread says from now on.
    fn listen() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn lines(&self) -> Vec<String> {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap().lines().map(str::to_owned).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn one_event_per_decision_with_its_reason_and_none_per_call() {
    let (log, _guard) = Log::listen();
    let law = Told::new(3);
    let limiter =
        Limiter::builder().name("experts").pool(ToldPool::default()).law(law.clone()).build().unwrap();
    for limit in [3, 5, 5, 2] {
        law.set_limit(limit);
        for _ in 0..10 {
            drop(limiter.acquire().await.unwrap());
        }
        let _work = limiter.acquire().await.unwrap();
        sleep(Duration::from_millis(250)).await;
    }
    law.set_brake(true);
    let _work = limiter.acquire().await.unwrap();
    sleep(Duration::from_millis(100)).await;
    let lines = log.lines();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[0].contains("limit 3 → 5: configured") && lines[0].contains("limiter=\"experts\""));
    assert!(lines[1].contains("limit 5 → 2: configured") && lines[1].contains("wait_ratio="));
    assert!(lines[2].contains("tidegate::brake") && lines[2].contains("on=true"));
}

#[test]
fn a_driver_that_ends_before_its_limiter_says_so() {
    let (log, _guard) = Log::listen();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let limiter = runtime.block_on(async { Limiter::builder().fixed(1).build().unwrap() });
    drop(runtime);
    let lines = log.lines();
    assert!(lines.len() == 1 && lines[0].contains("tidegate::driver"), "{lines:#?}");
    drop(limiter);
}

//! What a subscriber hears. In a process of its own: where limiters run without a subscriber beside it, `tracing` may find
//! that nobody wants an event at the very moment at which somebody begins to.

#![allow(clippy::unwrap_used, reason = "a test")]

#[expect(dead_code, reason = "what these tests do not need")]
#[path = "it/util.rs"]
mod util;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use tidegate_core::{
    Bound, ControlLaw, Decision, Evidence, PoolActivity, PoolReading, Reason, Terms, Timestamp,
};
use tidegate_limiter::{CallId, Limiter, Mode, PoolMeter, Reservation, poll_as_call};
use tokio::time::sleep;
use tokio_test::{assert_pending, task};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::format::FmtSpan;

use self::util::{Told, ToldPool};

/// What was logged, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

/// What the log says of the queue's spans, when they begin and when they end.
fn spans(log: &Log) -> Vec<&'static str> {
    let lines = log.lines();
    let mark = |line: &String| match line {
        _ if !line.contains("queue_wait{limiter=\"experts\"}") => None,
        _ if line.contains(" new") => Some("new"),
        _ if line.contains(" close") => Some("close"),
        _ => Some("other"),
    };
    lines.iter().filter_map(mark).collect()
}

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
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_span_events(FmtSpan::NEW | FmtSpan::CLOSE)
            .with_writer(move || writer.clone())
            .finish();
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
    assert!(lines[0].contains("limit 3 → 5: set from outside") && lines[0].contains("limiter=\"experts\""));
    assert!(lines[1].contains("limit 5 → 2: set from outside") && lines[1].contains("wait_ratio="));
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

/// A law at its floor, whose decisions alternate and have terms.
#[derive(Debug)]
struct AtFloor(u32);

impl ControlLaw for AtFloor {
    fn limit(&self) -> u32 {
        self.0
    }

    fn tick(&mut self, _now: Timestamp, _evidence: &Evidence) -> Decision {
        let from = std::mem::replace(&mut self.0, 1);
        let mut decision = Decision::new(from, 1, Reason::PoolWait);
        decision.bound = Bound::Min;
        decision.terms = Some(Terms::default());
        decision
    }
}

#[tokio::test(start_paused = true)]
async fn the_event_of_a_decision_has_every_term() {
    let (log, _guard) = Log::listen();
    let limiter = Limiter::builder().law(AtFloor(2)).build().unwrap();
    let _work = limiter.acquire().await.unwrap();
    sleep(Duration::from_millis(150)).await;
    let lines = log.lines();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    // The terms by name, as their debug form has them; a time is in milliseconds.
    let terms = format!("{:?}", Terms::default());
    let (_, terms) = terms.split_once('{').unwrap();
    for term in terms.trim_end_matches('}').split(", ") {
        let (name, value) = term.trim().split_once(": ").unwrap();
        let field = match name {
            "in_flight" => "mean_in_flight".to_owned(),
            _ if value.ends_with("ns") => format!("{name}_ms"),
            _ => name.to_owned(),
        };
        assert!(lines[0].contains(&format!(" {field}=")), "{field} is not in {}", lines[0]);
    }
    assert!(lines[0].contains("reason=\"pool_wait\" bound=\"min\""), "{}", lines[0]);
}

#[tokio::test(start_paused = true)]
async fn a_limit_long_at_its_floor_is_told_once_and_once_when_it_is_over() {
    let (log, _guard) = Log::listen();
    let limiter = Limiter::builder().name("experts").law(AtFloor(1)).build().unwrap();
    let work = limiter.acquire().await.unwrap();
    let waiting = tokio::spawn(limiter.acquire());
    sleep(Duration::from_secs(9)).await;
    assert_eq!(log.lines(), [""; 0]);
    sleep(Duration::from_secs(60)).await;
    let lines = log.lines();
    assert!(lines.len() == 1 && lines[0].contains("WARN tidegate::episode"), "{lines:#?}");
    assert!(
        lines[0].contains("limiter=\"experts\" episode=\"limit_at_floor\" on=true limit=1"),
        "{lines:#?}"
    );
    drop(work);
    let work = waiting.await.unwrap();
    sleep(Duration::from_secs(9)).await;
    let lines = log.lines();
    assert!(lines.len() == 2 && lines[1].contains("INFO tidegate::episode"), "{lines:#?}");
    assert!(lines[1].contains("on=false lasted_ms=6"), "{lines:#?}");
    drop(work);
}

#[tokio::test(start_paused = true)]
async fn a_server_out_of_connections_and_a_pool_busy_elsewhere_are_told() {
    let (log, _guard) = Log::listen();
    let pool = ToldPool::default();
    pool.0.lock().unwrap().reading = PoolReading::new(20, 20, 0, Duration::from_secs(1));
    let limiter = Limiter::builder().pool(pool.clone()).law(Told::new(10)).build().unwrap();
    let _work = limiter.acquire().await.unwrap();
    let activity = |change: &dyn Fn(&mut PoolActivity)| change(&mut pool.0.lock().unwrap().activity);
    for _ in 0..5 {
        activity(&|activity| activity.connect_timeouts += 1);
        sleep(Duration::from_secs(1)).await;
    }
    for _ in 0..60 {
        activity(&|activity| activity.pending_time += Duration::from_millis(100));
        sleep(Duration::from_millis(100)).await;
    }
    let lines = log.lines();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[0].contains("server_out_of_connections") && lines[0].contains("pool_max=20"), "{lines:#?}");
    assert!(lines[1].contains("pool_busy_elsewhere") && lines[1].contains("pool=\"told\""), "{lines:#?}");
}

#[test]
fn a_place_that_nests_acquires_is_named_once() {
    let (log, _guard) = Log::listen();
    let meter = PoolMeter::new("reads");
    let reading = PoolReading::new(20, 0, 0, Duration::from_secs(1));
    let here = std::panic::Location::caller();
    let polled = poll_as_call(&mut CallId::new(), || {
        let mut lent = meter.begin(reading).granted();
        lent.in_hand();
        for _ in 0..10 {
            drop(meter.begin_at(reading, Some(here)));
        }
        Poll::Ready(())
    });
    assert!(polled.is_ready());
    let lines = log.lines();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains("WARN tidegate::nested") && lines[0].contains("pool=\"reads\""), "{lines:#?}");
    assert!(lines[0].contains(&format!("at={here}")), "{lines:#?}");
}

#[tokio::test]
async fn work_that_is_run_with_a_permit_is_a_call_of_its_own() {
    let (log, _guard) = Log::listen();
    let limiter = Limiter::builder().fixed(10).build().unwrap();
    let meter = PoolMeter::new("reads");
    let reading = PoolReading::new(20, 0, 0, Duration::from_secs(1));
    let hold = async |meter: &PoolMeter| {
        let mut lent = meter.begin(reading).granted();
        lent.in_hand();
        tokio::task::yield_now().await;
        lent
    };
    let (first, second) = tokio::join!(limiter.run(hold(&meter)), limiter.run(hold(&meter)));
    drop((first.unwrap(), second.unwrap()));
    assert_eq!(log.lines(), [""; 0], "beside each other");
    let both = limiter.run(async { (hold(&meter).await, hold(&meter).await) });
    drop(both.await.unwrap());
    assert_eq!(log.lines().len(), 1, "one within the other");
}

#[tokio::test(start_paused = true)]
async fn a_wait_in_the_queue_is_a_span_if_it_is_wanted() {
    let (log, _guard) = Log::listen();
    let limiter = Limiter::builder().name("experts").fixed(1).build().unwrap();
    let work = limiter.acquire().await.unwrap();
    let wait = async || {
        let mut waiting = task::spawn(limiter.acquire());
        assert_pending!(waiting.poll());
        let mut reserving = task::spawn(Reservation::new(&limiter));
        assert_pending!(reserving.enter(|cx, mut reservation| reservation.poll_ready(cx)));
        (waiting, reserving)
    };
    drop(wait().await);
    assert_eq!(spans(&log), [""; 0], "by default there are none");
    let mut settings = limiter.settings();
    settings.queue.spans = true;
    limiter.reconfigure(settings).unwrap();
    let (waiting, mut reserving) = wait().await;
    assert_eq!(spans(&log), ["new"; 2]);
    drop(waiting);
    assert_eq!(spans(&log), ["new", "new", "close"], "who gives up ends the wait");
    drop(work);
    assert!(reserving.enter(|cx, mut reservation| reservation.poll_ready(cx)).is_ready());
    assert_eq!(spans(&log), ["new", "new", "close", "close"]);
    drop(reserving);
    let limiter = Limiter::builder().name("experts").fixed(1).queue_spans(true).build().unwrap();
    let work = limiter.acquire().await.unwrap();
    let mut waiting = task::spawn(limiter.acquire());
    assert_pending!(waiting.poll());
    drop(work);
    assert!(waiting.poll().is_ready());
    assert_eq!(spans(&log)[4..], ["new", "close"]);
}

#[tokio::test(start_paused = true)]
async fn shadow_mode_lets_go_of_the_brake_and_says_so_once() {
    let (log, _guard) = Log::listen();
    let law = Told::new(3);
    let limiter = Limiter::builder().pool(ToldPool::default()).law(law.clone()).build().unwrap();
    let _work = limiter.acquire().await.unwrap();
    law.set_brake(true);
    sleep(Duration::from_millis(100)).await;
    limiter.set_mode(Mode::Shadow);
    sleep(Duration::from_secs(1)).await;
    limiter.set_mode(Mode::Enforce);
    sleep(Duration::from_millis(100)).await;
    let brake: Vec<_> = log.lines().into_iter().filter(|line| line.contains("tidegate::brake")).collect();
    assert_eq!(brake.len(), 3, "{brake:#?}");
    assert!(brake[0].contains("on=true") && brake[1].contains("on=false") && brake[2].contains("on=true"));
}

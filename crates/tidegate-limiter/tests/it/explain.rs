//! What a limiter says of itself, in every state.

use std::time::{Duration, SystemTime};

use tidegate_core::{Bound, ControlLaw, Decision, Evidence, Reason, Timestamp};
use tidegate_limiter::{Limiter, ManualDriver, Mode};
use tokio_test::{assert_pending, task};

use crate::util::{Told, ToldPool};

fn lines(limiter: &Limiter) -> Vec<String> {
    limiter.explain().to_string().lines().map(str::to_owned).collect()
}

/// What stands after the time of day, which must be one.
#[track_caller]
fn after_time(line: &str) -> &str {
    let (time, text) = line.split_at(8);
    let is_time = time.char_indices().all(|(i, c)| if i % 3 == 2 { c == ':' } else { c.is_ascii_digit() });
    assert!(is_time, "{line}");
    text.trim_start_matches(':').trim_start()
}

fn told(limit: u32) -> (Told, Limiter, ManualDriver) {
    let law = Told::new(limit);
    let builder = Limiter::builder().name("experts").pool(ToldPool::default()).law(law.clone());
    let (limiter, driver) = builder.build_manual().unwrap();
    (law, limiter, driver)
}

#[tokio::test(start_paused = true)]
async fn before_the_first_decision_there_is_only_the_state() {
    let pool = ToldPool::default();
    pool.0.lock().unwrap().reading.max = 20;
    let limiter = Limiter::builder().pool(pool).build().unwrap();
    let _work = limiter.try_acquire().unwrap();
    let explanation = limiter.explain();
    assert!(explanation.latest.is_none() && explanation.changes.is_empty() && explanation.is_driven);
    assert_eq!(
        explanation.to_string(),
        "default: limit 10, 1 in flight, 0 queued\nno change of the limit yet"
    );
}

#[tokio::test(start_paused = true)]
async fn a_fixed_limit_says_so() {
    let (limiter, mut driver) = Limiter::builder().fixed(2).build_manual().unwrap();
    driver.tick(Timestamp::from_millis(0));
    let lines = lines(&limiter);
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert_eq!(after_time(lines[1].strip_prefix("last word, ").unwrap()), "limit 2: it is fixed");
}

#[tokio::test(start_paused = true)]
async fn changes_stand_newest_first_with_their_dates_and_the_text_stays_short() {
    let (law, limiter, mut driver) = told(1);
    for change in 1..=300_u32 {
        law.set_limit(1 + change);
        driver.tick(Timestamp::from_millis(100 * u64::from(change)));
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    let explanation = limiter.explain();
    assert_eq!((explanation.changes.len(), limiter.decisions().len()), (256, 256), "what is kept is bounded");
    let [newest, next] = [explanation.changes[0], explanation.changes[1]];
    assert_eq!((newest.decision.to, next.decision.to), (301, 300));
    assert_eq!(newest.at.duration_since(next.at).unwrap(), Duration::from_millis(100));
    assert_eq!(newest.at, explanation.at, "30 s after the beginning, and that is now");
    #[expect(clippy::disallowed_methods, reason = "the date is that of the system's clock")]
    let now = SystemTime::now();
    assert!(now.duration_since(explanation.at).unwrap() < Duration::from_mins(1));

    let lines = lines(&limiter);
    assert_eq!(lines.len(), 10, "the last word is the first change: {lines:#?}");
    assert_eq!(after_time(&lines[1]), "limit 300 → 301: set from outside");
    assert_eq!(after_time(&lines[8]), "limit 293 → 294: set from outside");
    assert_eq!(lines[9], "and 248 before");

    driver.tick(Timestamp::from_millis(30_000));
    let lines = self::lines(&limiter);
    assert_eq!(lines.len(), 11, "{lines:#?}");
    assert!(lines[1].starts_with("last word, "));
}

#[tokio::test(start_paused = true)]
async fn every_state_that_holds_the_limit_is_named() {
    let (law, limiter, mut driver) = told(3);
    let work: Vec<_> = (0..3).map(|_| limiter.try_acquire().unwrap()).collect();
    let mut waiting = task::spawn(limiter.acquire());
    assert_pending!(waiting.poll());
    law.set_limit(1);
    driver.tick(Timestamp::from_millis(100));
    assert_eq!(
        lines(&limiter)[0],
        "experts: limit 1, 3 in flight, 1 queued, 2 above the limit until they come back"
    );
    #[track_caller]
    fn check(limiter: &Limiter, state: &str) {
        assert!(lines(limiter)[0].contains(state), "{}", lines(limiter)[0]);
    }
    law.set_brake(true);
    driver.look(Timestamp::from_millis(200));
    check(&limiter, "; the brake is on, nobody is admitted, as an acquire has waited long in the pool");
    law.set_brake(false);
    limiter.freeze().unwrap();
    driver.tick(Timestamp::from_millis(300));
    check(&limiter, "; frozen, the law does not move the limit");
    limiter.set_mode(Mode::Shadow);
    drop(limiter.try_acquire().unwrap());
    check(
        &limiter,
        "experts: limit 1, 4 in flight, 0 queued; shadow mode, nobody is held back: \
         0 would have waited, 1 been refused, 0s in all; frozen",
    );
    limiter.close();
    check(&limiter, "; closed, nobody is admitted any more");
    drop(driver);
    check(&limiter, "; the driver has ended, the limit stays as it is");
    drop(work);
}

/// A law at its floor that has decided once.
#[derive(Debug)]
struct AtFloor(Reason);

impl ControlLaw for AtFloor {
    fn limit(&self) -> u32 {
        1
    }

    fn tick(&mut self, _now: Timestamp, _evidence: &Evidence) -> Decision {
        let reason = std::mem::replace(&mut self.0, Reason::RoundOpen);
        let mut decision = Decision::new(1, 1, reason);
        decision.bound = Bound::Min;
        decision
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_round_keeps_the_last_word_and_the_bound_is_the_present_one() {
    let (limiter, mut driver) = Limiter::builder().law(AtFloor(Reason::LowDemand)).build_manual().unwrap();
    driver.tick(Timestamp::from_millis(100));
    driver.tick(Timestamp::from_millis(200));
    let explanation = limiter.explain();
    assert_eq!(explanation.latest.unwrap().decision.reason, Reason::LowDemand);
    assert_eq!(explanation.bound, Bound::Min);
    assert!(lines(&limiter)[0].starts_with("default: limit 1 (min), "));
}

#[tokio::test(start_paused = true)]
async fn a_frozen_limit_does_not_hide_what_the_law_said_last() {
    let (_, limiter, mut driver) = told(3);
    limiter.freeze().unwrap();
    driver.tick(Timestamp::from_millis(100));
    driver.tick(Timestamp::from_millis(200));
    tokio::time::advance(Duration::from_millis(200)).await;
    let explanation = limiter.explain();
    assert_eq!(explanation.changes.len(), 1, "the freezing itself");
    assert_eq!(explanation.latest, Some(explanation.changes[0]));
}

//! The retries a limiter lends, as its driver sees the world.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::util::ToldPool;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tidegate_core::{Bound, ControlLaw, Decision, Evidence, Outcome, PoolEvidence, Reason, Timestamp};
use tidegate_limiter::RetryDenied::{Braked, Recovering, Shrinking, Spent};
use tidegate_limiter::{Limiter, ManualDriver, Mode, RetryBudget, RetrySettings};
use tokio::time::sleep;

/// What the law says at the next tick, and whether it brakes or recovers.
#[derive(Debug)]
struct Script {
    limit: u32,
    reason: Reason,
    bound: Bound,
    is_braking: bool,
    is_recovering: bool,
}

#[derive(Clone, Debug)]
struct Scripted {
    script: Arc<Mutex<Script>>,
    current: u32,
}

impl ControlLaw for Scripted {
    fn limit(&self) -> u32 {
        self.current
    }

    fn tick(&mut self, _now: Timestamp, _evidence: &Evidence) -> Decision {
        let script = self.script.lock().unwrap();
        let from = std::mem::replace(&mut self.current, script.limit);
        let mut decision = Decision::new(from, script.limit, script.reason);
        decision.bound = script.bound;
        decision
    }

    fn brakes(&self, _pool: &PoolEvidence) -> bool {
        self.script.lock().unwrap().is_braking
    }

    fn is_recovering(&self, _now: Timestamp) -> bool {
        self.script.lock().unwrap().is_recovering
    }
}

struct Rig {
    limiter: Limiter,
    driver: ManualDriver,
    script: Arc<Mutex<Script>>,
    budget: RetryBudget,
    ms: u64,
}

impl Rig {
    /// Ten permits, a retry for every other success, and no reserve.
    fn new() -> Self {
        let script = Script {
            limit: 10,
            reason: Reason::Balanced,
            bound: Bound::None,
            is_braking: false,
            is_recovering: false,
        };
        let script = Arc::new(Mutex::new(script));
        let (limiter, driver) = Limiter::builder()
            .pool(ToldPool::default())
            .law(Scripted { script: Arc::clone(&script), current: 10 })
            .retry(RetrySettings::new(0.5, 0, Duration::from_secs(10)))
            .build_manual()
            .unwrap();
        let budget = limiter.retry_budget();
        Self { limiter, driver, script, budget, ms: 0 }
    }

    fn work(&self, calls: u32, outcome: Outcome) {
        for _ in 0..calls {
            self.limiter.try_acquire().unwrap().finish(outcome);
        }
    }

    fn say(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().unwrap());
    }

    fn look(&mut self) {
        self.ms += 25;
        self.driver.look(Timestamp::from_millis(self.ms));
    }

    fn tick(&mut self) {
        self.look();
        self.driver.tick(Timestamp::from_millis(self.ms));
    }

    /// A tick with this word of the law.
    fn says(&mut self, limit: u32, reason: Reason) {
        self.say(|script| (script.limit, script.reason) = (limit, reason));
        self.tick();
    }
}

#[tokio::test(start_paused = true)]
async fn successes_alone_are_lent_on() {
    let mut rig = Rig::new();
    rig.work(6, Outcome::Success);
    rig.work(4, Outcome::Overload);
    rig.work(4, Outcome::Ignored);
    assert_eq!(rig.budget.withdraw(), Err(Spent), "before the tick nobody has counted them");
    rig.tick();
    assert_eq!((rig.budget.balance(), rig.limiter.snapshot().retries), (3, 3));
    let other = rig.limiter.retry_budget();
    assert_eq!(other.withdraw(), Ok(()));
    assert_eq!(rig.budget.clone().balance(), 2, "one account");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lent_while_the_brake_is_on() {
    let mut rig = Rig::new();
    rig.work(10, Outcome::Success);
    rig.tick();
    rig.say(|script| script.is_braking = true);
    rig.look();
    assert_eq!((rig.budget.withdraw(), rig.budget.balance()), (Err(Braked), 0));
    assert!(rig.limiter.explain().to_string().contains("no retry is lent: the brake is on"));
    rig.say(|script| script.is_braking = false);
    rig.look();
    assert_eq!(rig.budget.withdraw(), Ok(()), "what was there before is there again");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lent_or_deposited_while_a_recovery_epoch_lasts() {
    let mut rig = Rig::new();
    rig.work(10, Outcome::Success);
    rig.tick();
    rig.say(|script| script.is_recovering = true);
    rig.work(10, Outcome::Success);
    rig.tick();
    assert_eq!(rig.budget.withdraw(), Err(Recovering));
    rig.say(|script| script.is_recovering = false);
    rig.tick();
    assert_eq!(rig.budget.balance(), 5, "of the epoch's successes nothing");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lent_from_a_decrease_until_the_law_says_something_else() {
    let mut rig = Rig::new();
    rig.work(10, Outcome::Success);
    rig.tick();
    rig.says(8, Reason::PoolWait);
    assert_eq!(rig.budget.withdraw(), Err(Shrinking));
    rig.says(8, Reason::RoundOpen);
    assert_eq!(rig.budget.withdraw(), Err(Shrinking), "a round that is open says nothing");
    rig.says(8, Reason::Overload);
    assert_eq!(rig.budget.withdraw(), Err(Shrinking), "losses go on, though they change nothing");
    rig.says(8, Reason::Balanced);
    assert_eq!(rig.budget.withdraw(), Ok(()));
    rig.says(8, Reason::Overload);
    assert_eq!(rig.budget.withdraw(), Ok(()), "some losses are no decrease");

    rig.says(6, Reason::LowDemand);
    assert_eq!(rig.budget.withdraw(), Ok(()), "less is asked for: that is no overload");
    rig.say(|script| script.bound = Bound::Min);
    rig.says(6, Reason::Emergency);
    assert_eq!(rig.budget.withdraw(), Err(Shrinking), "it would shrink if it could");
}

#[tokio::test(start_paused = true)]
async fn shadow_mode_lends_whatever_is_asked_for_and_counts_what_it_would_not_have() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let limiter = metrics::with_local_recorder(&recorder, || {
        let builder = Limiter::builder().name("experts").fixed(10).mode(Mode::Shadow);
        builder.retry(RetrySettings::new(0.1, 1, Duration::from_secs(10))).build().unwrap()
    });
    let budget = limiter.retry_budget();
    assert_eq!([budget.withdraw(), budget.withdraw(), budget.withdraw()], [Ok(()); 3]);
    limiter.set_mode(Mode::Enforce);
    assert_eq!(budget.withdraw(), Err(Spent));

    let mut counts: Vec<_> = snapshotter.snapshot().into_vec();
    counts.retain(|(key, ..)| key.key().name() == "tidegate_retries_total");
    let count = |outcome: &str| {
        let found = counts.iter().find(|(key, ..)| key.key().labels().any(|label| label.value() == outcome));
        found.map(|(.., value)| match value {
            DebugValue::Counter(count) => *count,
            _ => 0,
        })
    };
    let of = ["lent", "would_deny", "spent", "braked", "recovering", "shrinking"].map(count);
    assert_eq!(of, [1, 2, 1, 0, 0, 0].map(Some));
}

#[tokio::test(start_paused = true)]
async fn other_settings_hold_at_once() {
    let limiter = Limiter::builder().fixed(10).build().unwrap();
    let budget = limiter.retry_budget();
    assert_eq!(budget.balance(), 3);
    let mut settings = limiter.settings();
    settings.retry.reserve = 1;
    limiter.reconfigure(settings.clone()).unwrap();
    assert_eq!(budget.balance(), 1);

    (settings.retry.share, settings.retry.reserve) = (f64::NAN, 1_001);
    settings.retry.window = Duration::ZERO;
    assert_eq!(
        limiter.reconfigure(settings).unwrap_err().to_string(),
        "retry.share is NaN, allowed is 0 to 1; retry.reserve is 1001, allowed is 0 to 1000; \
         retry.window is 0ns, allowed is 1s to 60s"
    );
    assert_eq!(budget.balance(), 1);
}

/// Nobody asks the driver for anything here: it finds the successes, and the reserve fills, while there is work.
#[tokio::test(start_paused = true)]
async fn the_driver_s_task_does_it_by_itself() {
    let limiter = Limiter::builder().fixed(10).build().unwrap();
    let budget = limiter.retry_budget();
    while budget.withdraw().is_ok() {}
    for _ in 0..40 {
        limiter.acquire().await.unwrap().finish(Outcome::Success);
    }
    let _held = limiter.acquire().await.unwrap();
    sleep(Duration::from_millis(200)).await;
    assert_eq!(budget.balance(), 4);
    sleep(Duration::from_secs(11)).await;
    assert_eq!(budget.balance(), 3, "the deposits have lapsed, and the reserve is full");
}

#[tokio::test(start_paused = true)]
async fn a_budget_outlives_its_driver_and_the_other_handles() {
    let limiter = Limiter::builder().fixed(1).build().unwrap();
    let budget = limiter.retry_budget();
    drop(limiter);
    assert_eq!(budget.withdraw(), Ok(()));
}

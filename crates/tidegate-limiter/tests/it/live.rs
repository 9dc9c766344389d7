//! What the owner changes while the limiter runs.

use std::time::Duration;

use super::manual::{Rig, granted, turned_away};
use super::util::{Told, ToldPool};
use tidegate_core::{ControlLaw, Decision, Evidence, PoolAimdConfig, PoolReading, Reason, Timestamp};
use tidegate_limiter::{
    Class, LawSettings, Limiter, Mode, OverloadReason, PoolProbe, Settings, SojournSettings,
};
use tokio::time::sleep;

fn fixed(limit: u32) -> Settings {
    let mut settings = Settings::default();
    settings.law = LawSettings::Fixed { limit };
    settings
}

#[tokio::test(start_paused = true)]
async fn a_new_law_goes_on_from_the_next_look() {
    let rig = Rig::new(4);
    rig.limiter.reconfigure(fixed(9)).unwrap();
    assert_eq!(rig.limiter.settings(), fixed(9));
    assert_eq!(rig.limiter.snapshot().limit, 4, "only the driver changes the limit");
    rig.look();
    assert_eq!(rig.limiter.snapshot().limit, 9);
    let last = *rig.limiter.decisions().last().unwrap();
    assert_eq!((last.decision.from, last.decision.to, last.decision.reason), (4, 9, Reason::Configured));
}

#[tokio::test(start_paused = true)]
async fn settings_that_cannot_be_used_change_nothing_and_are_all_named() {
    let mut rig = Rig::new(4);
    let before = rig.limiter.settings();
    let mut settings = fixed(0);
    settings.tick = Duration::ZERO;
    settings.queue.places = Some(0);
    settings.mode = Mode::Shadow;
    let fault = rig.limiter.reconfigure(settings).unwrap_err();
    assert_eq!(fault.faults().count(), 3, "{fault}");
    rig.tick();
    assert_eq!(rig.limiter.settings(), before);
    assert_eq!((rig.limiter.snapshot().limit, rig.limiter.snapshot().mode), (4, Mode::Enforce));
    assert!(rig.limiter.decisions().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_law_of_ones_own_stays_while_the_settings_say_custom() {
    let mut rig = Rig::new(4);
    let mut settings = rig.limiter.settings();
    assert_eq!(settings.law, LawSettings::Custom);
    settings.tick = Duration::from_millis(20);
    rig.limiter.reconfigure(settings.clone()).unwrap();
    rig.set_limit(7);
    assert_eq!(rig.limiter.snapshot().limit, 7);

    rig.limiter.reconfigure(fixed(3)).unwrap();
    let fault = rig.limiter.reconfigure(settings).unwrap_err();
    assert!(fault.to_string().contains("custom"), "{fault}");
    rig.look();
    assert_eq!((rig.limiter.snapshot().limit, rig.limiter.settings()), (3, fixed(3)));

    let law = Told::new(12);
    rig.limiter.set_law(law.clone()).unwrap();
    rig.tick();
    assert_eq!((rig.limiter.snapshot().limit, law.seen().len()), (12, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_between_two_looks_is_one_change() {
    let rig = Rig::new(4);
    let laws: Vec<_> = (0..100).map(|_| Told::new(5)).collect();
    for law in &laws {
        rig.limiter.set_law(law.clone()).unwrap();
    }
    rig.limiter.reconfigure(fixed(6)).unwrap();
    rig.limiter.set_limit(2).unwrap();
    rig.look();
    rig.look();
    assert_eq!(rig.limiter.snapshot().limit, 6, "a fixed law stays at its limit");
    assert_eq!(rig.limiter.decisions().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_frozen_limit_stays_and_the_law_goes_on_from_it() {
    let mut rig = Rig::new(4);
    rig.limiter.freeze().unwrap();
    rig.set_limit(9);
    assert!(rig.limiter.snapshot().is_frozen);
    assert_eq!((rig.limiter.snapshot().limit, rig.law.seen().len()), (4, 0));
    rig.set_brake(true);
    assert!(rig.limiter.try_acquire().is_err(), "the brake works all the same");
    rig.set_brake(false);
    rig.limiter.resume().unwrap();
    rig.tick();
    assert_eq!((rig.limiter.snapshot().limit, rig.limiter.snapshot().is_frozen), (9, false));
}

/// A pool of 20 connections that nobody uses.
fn idle_pool() -> ToldPool {
    let pool = ToldPool::default();
    pool.0.lock().unwrap().reading = PoolReading::new(20, 20, 20, Duration::from_secs(1));
    pool
}

#[tokio::test(start_paused = true)]
async fn a_limit_set_by_hand_is_kept_within_the_laws_bounds_also_while_frozen() {
    let (limiter, mut driver) = Limiter::builder().pool(idle_pool()).max_limit(50).build_manual().unwrap();
    for (limit, kept) in [(30, 30), (1_000, 50), (1, 1)] {
        limiter.set_limit(limit).unwrap();
        driver.look(Timestamp::default());
        assert_eq!(limiter.snapshot().limit, kept);
    }
    limiter.freeze().unwrap();
    limiter.set_limit(17).unwrap();
    driver.look(Timestamp::default());
    assert_eq!(limiter.snapshot().limit, 17);
    for limit in [0, u32::MAX] {
        let fault = limiter.set_limit(limit).unwrap_err().to_string();
        assert_eq!(fault, format!("limit is {limit}, allowed is 1 to 1048575"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_bounds_of_the_law_change_and_its_limit_stays() {
    let (limiter, mut driver) =
        Limiter::builder().pool(idle_pool()).initial_limit(30).build_manual().unwrap();
    let mut settings = limiter.settings();
    settings.law = LawSettings::PoolAimd(PoolAimdConfig::default().max_limit(40));
    limiter.reconfigure(settings.clone()).unwrap();
    driver.look(Timestamp::default());
    assert_eq!(limiter.snapshot().limit, 30, "not the new law's initial limit");
    settings.law = LawSettings::PoolAimd(PoolAimdConfig::default().max_limit(12));
    limiter.reconfigure(settings).unwrap();
    driver.look(Timestamp::default());
    assert_eq!(limiter.snapshot().limit, 12);
}

#[tokio::test(start_paused = true)]
async fn the_last_good_limit_is_that_of_a_decision_that_went_well() {
    let (limiter, mut driver) = Limiter::builder().fixed(7).build_manual().unwrap();
    assert_eq!(limiter.last_good_limit(), None);
    driver.tick(Timestamp::from_millis(100));
    assert_eq!(limiter.last_good_limit(), Some(7));
    // Told says `configured` of all it does, which is no proof of anything.
    limiter.set_law(Told::new(90)).unwrap();
    driver.tick(Timestamp::from_millis(200));
    assert_eq!((limiter.snapshot().limit, limiter.last_good_limit()), (90, Some(7)));
}

#[tokio::test(start_paused = true)]
async fn a_shorter_queue_refuses_only_those_who_come() {
    let rig = Rig::new(1);
    let held = rig.admitted(None);
    let mut waiting: Vec<_> = (0..5).map(|_| rig.waiting(Class::default())).collect();
    let mut settings = rig.limiter.settings();
    settings.queue.places = Some(2);
    rig.limiter.reconfigure(settings.clone()).unwrap();
    assert_eq!(rig.refused(Class::default()).reason(), OverloadReason::QueueFull);
    settings.queue.places = Some(6);
    rig.limiter.reconfigure(settings).unwrap();
    waiting.push(rig.waiting(Class::default()));
    drop(held);
    for mut call in waiting {
        drop(granted(&mut call));
    }
    rig.assert_nothing_is_lost();
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_when_sojourn_control_begins_came_then() {
    let rig = Rig::new(1);
    rig.pass(60_000).await;
    let held = rig.admitted(None);
    let mut call = rig.waiting(Class::default());
    rig.pass(1_000).await;
    let mut settings = rig.limiter.settings();
    let (target, interval) = (Duration::from_millis(100), Duration::from_millis(500));
    settings.queue.sojourn = Some(SojournSettings::new(target, interval));
    rig.limiter.reconfigure(settings.clone()).unwrap();
    for _ in 0..4 {
        rig.pass(100).await;
        // The same settings again do not begin it anew.
        rig.limiter.reconfigure(settings.clone()).unwrap();
        assert!(!call.is_woken());
    }
    for _ in 0..4 {
        rig.pass(100).await;
    }
    assert_eq!(turned_away(&mut call), OverloadReason::Sojourn);
    drop(held);
    rig.assert_nothing_is_lost();
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_sleeps_hears_of_it() {
    let limiter = Limiter::builder().fixed(2).build().unwrap();
    sleep(Duration::from_secs(60)).await;
    limiter.reconfigure(fixed(5)).unwrap();
    sleep(Duration::from_millis(100)).await;
    assert_eq!(limiter.snapshot().limit, 5);
    let mut slow = fixed(5);
    slow.tick = Duration::from_secs(1);
    limiter.reconfigure(slow).unwrap();
    sleep(Duration::from_secs(60)).await;
    limiter.reconfigure(fixed(8)).unwrap();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(limiter.snapshot().limit, 8, "it is woken, not asked at its next look");
}

#[test]
fn without_a_driver_a_change_is_refused_but_for_the_mode() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let limiter = runtime.block_on(async { Limiter::builder().fixed(1).build().unwrap() });
    drop(runtime);
    let refusals = [
        limiter.reconfigure(fixed(2)),
        limiter.set_law(Told::new(2)),
        limiter.set_limit(2),
        limiter.freeze(),
        limiter.resume(),
    ];
    for refusal in refusals {
        assert!(refusal.unwrap_err().to_string().contains("driver has ended"));
    }
    assert_eq!(limiter.settings(), fixed(1));
    let _held = limiter.try_acquire().unwrap();
    assert!(limiter.try_acquire().is_err());
    limiter.set_mode(Mode::Shadow);
    drop(limiter.try_acquire().unwrap());
}

#[test]
fn a_probe_may_look_at_the_limiter_while_it_is_asked() {
    struct Nosy(std::sync::OnceLock<Limiter>);
    impl PoolProbe for &'static Nosy {
        fn read(&self) -> tidegate_core::PoolEvidence {
            self.0.get().map(Limiter::settings);
            *idle_pool().0.lock().unwrap()
        }

        fn name(&self) -> &str {
            "nosy"
        }
    }
    let probe: &'static Nosy = Box::leak(Box::new(Nosy(std::sync::OnceLock::new())));
    let (limiter, mut driver) = Limiter::builder().pool(probe).build_manual().unwrap();
    probe.0.set(limiter.clone()).unwrap();
    limiter.reconfigure(Settings::default()).unwrap();
    driver.tick(Timestamp::default());
}

#[tokio::test(start_paused = true)]
async fn a_law_does_not_begin_anew_for_what_is_nothing_to_it() {
    /// Goes back to 1 whenever it begins anew.
    #[derive(Debug)]
    struct Fresh(u32);
    impl ControlLaw for Fresh {
        fn limit(&self) -> u32 {
            self.0
        }
        fn tick(&mut self, _now: Timestamp, _evidence: &Evidence) -> Decision {
            self.0 += 1;
            Decision::new(self.0 - 1, self.0, Reason::Probe)
        }
        fn set_limit(&mut self, _now: Timestamp, _limit: u32) {
            self.0 = 1;
        }
    }
    let (limiter, mut driver) = Limiter::builder().law(Fresh(7)).build_manual().unwrap();
    let mut settings = limiter.settings();
    settings.tick = Duration::from_millis(20);
    settings.queue.places = Some(3);
    for _ in 0..3 {
        limiter.reconfigure(settings.clone()).unwrap();
        limiter.set_mode(Mode::Enforce);
        limiter.resume().unwrap();
        driver.look(Timestamp::default());
    }
    assert_eq!(
        (limiter.snapshot().limit, limiter.decisions().len()),
        (7, 1),
        "one change, which is not of the law"
    );
    limiter.freeze().unwrap();
    driver.look(Timestamp::default());
    assert_eq!(limiter.snapshot().limit, 7);
    limiter.set_mode(Mode::Shadow);
    driver.look(Timestamp::default());
    assert_eq!(limiter.snapshot().limit, 7, "frozen");
    limiter.resume().unwrap();
    driver.look(Timestamp::default());
    assert_eq!(limiter.snapshot().limit, 1);
}

#[tokio::test(start_paused = true)]
async fn the_age_of_a_call_that_was_out_when_the_tick_changed_is_no_evidence() {
    let mut rig = Rig::with(4, |builder| builder.tick(Duration::from_millis(10)));
    let old = rig.admitted(None).begin();
    for _ in 0..16 {
        rig.look();
    }
    let mut settings = rig.limiter.settings();
    settings.tick = Duration::from_secs(1);
    rig.limiter.reconfigure(settings).unwrap();
    rig.look();
    let young = rig.admitted(None).begin();
    rig.look();
    drop(old);
    rig.tick();
    // By the looks of now it would have been out for four seconds.
    let seen = rig.law.seen().last().unwrap().demand;
    assert_eq!((seen.completed, seen.abandoned, seen.abandoned_time), (1, 0, Duration::ZERO));
    drop(young);
    rig.tick();
    let seen = rig.law.seen().last().unwrap().demand;
    assert_eq!(
        (seen.abandoned, seen.abandoned_calls, seen.abandoned_time),
        (1, 1, Duration::from_millis(250))
    );
}

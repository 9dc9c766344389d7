//! A limiter whose limit follows another one's.

use std::time::Duration;

use super::manual::{Rig, granted, still_waits};
use tidegate_core::{FollowConfig, Reason, Timestamp};
use tidegate_limiter::{LawSettings, Limiter, LimiterBuilder, ManualDriver, Mode, Settings};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};
use tokio_test::task;

fn by_two() -> FollowConfig {
    FollowConfig::default().experts_per_job(2)
}

/// A follower whose driver the test calls.
fn follower(leader: &Rig, config: FollowConfig) -> (Limiter, ManualDriver) {
    Limiter::builder().name("jobs").follow(&leader.limiter, config).build_manual().unwrap()
}

fn following(config: FollowConfig) -> Settings {
    let mut settings = Settings::default();
    settings.law = LawSettings::Follow(config);
    settings
}

#[tokio::test(start_paused = true)]
async fn the_followers_limit_is_the_leaders_from_the_beginning_and_from_the_next_look_on() {
    let mut leader = Rig::new(11);
    let (jobs, mut driver) = follower(&leader, by_two());
    assert_eq!(jobs.snapshot().limit, 5);
    leader.set_limit(20);
    assert_eq!(jobs.snapshot().limit, 5, "only the follower's driver changes its limit");
    driver.look(Timestamp::from_millis(25));
    assert_eq!(jobs.snapshot().limit, 10);
    let last = jobs.decisions().last().unwrap().decision;
    assert_eq!((last.from, last.to, last.reason), (5, 10, Reason::Followed));
    driver.look(Timestamp::from_millis(50));
    driver.tick(Timestamp::from_millis(100));
    assert_eq!(jobs.decisions().len(), 1, "a limit that stays is no news");
}

#[tokio::test(start_paused = true)]
async fn a_shrink_of_the_leader_leaves_an_overhang_and_admits_nobody_until_it_is_gone() {
    let mut leader = Rig::new(8);
    let (jobs, mut driver) = follower(&leader, by_two());
    let mut held: Vec<_> = (0..4).map(|_| jobs.try_acquire().unwrap()).collect();
    let mut next = task::spawn(jobs.acquire());
    assert!(next.poll().is_pending());
    leader.set_limit(4);
    driver.look(Timestamp::from_millis(25));
    assert_eq!((jobs.snapshot().limit, jobs.snapshot().overhang), (2, 2));
    for _ in 0..2 {
        held.pop();
        still_waits(&mut next);
    }
    held.pop();
    drop(granted(&mut next));
}

/// The bounds, and all that the owner may change while it runs.
#[tokio::test(start_paused = true)]
async fn other_settings_of_the_law_hold_from_the_next_look_on() {
    let mut leader = Rig::new(12);
    let (jobs, mut driver) = follower(&leader, by_two());
    let mut now = 0;
    let mut check = |config: FollowConfig, limit: u32| {
        jobs.reconfigure(following(config)).unwrap();
        now += 25;
        driver.look(Timestamp::from_millis(now));
        assert_eq!(jobs.snapshot().limit, limit, "{config:?}");
    };
    check(by_two().experts_per_job(3), 4);
    check(by_two().max_limit(2), 2);
    check(by_two().experts_per_job(13), 1);
    // The leader may have moved since the settings were given.
    jobs.reconfigure(following(by_two())).unwrap();
    leader.set_limit(20);
    driver.look(Timestamp::from_millis(1_000));
    assert_eq!(jobs.snapshot().limit, 10);
    let fault = jobs.reconfigure(following(by_two().experts_per_job(0))).unwrap_err();
    assert_eq!(fault.to_string(), "law.experts_per_job is 0, allowed is 1 to 1048575");
}

/// Another law may take over, and the leader is there when it is followed again.
#[tokio::test(start_paused = true)]
async fn another_law_does_not_follow_and_the_leader_is_remembered() {
    let mut leader = Rig::new(12);
    let (jobs, mut driver) = follower(&leader, by_two());
    let mut settings = Settings::default();
    settings.law = LawSettings::Fixed { limit: 9 };
    jobs.reconfigure(settings).unwrap();
    driver.look(Timestamp::from_millis(25));
    leader.set_limit(4);
    driver.look(Timestamp::from_millis(50));
    assert_eq!((jobs.snapshot().limit, jobs.explain().leader), (9, None));
    jobs.reconfigure(following(by_two())).unwrap();
    driver.look(Timestamp::from_millis(75));
    assert_eq!((jobs.snapshot().limit, jobs.explain().leader.as_deref()), (2, Some("default")));
}

#[tokio::test(start_paused = true)]
async fn a_limit_set_by_hand_does_not_last_and_a_frozen_one_does() {
    let mut leader = Rig::new(12);
    let (jobs, mut driver) = follower(&leader, by_two());
    jobs.set_limit(50).unwrap();
    driver.look(Timestamp::from_millis(25));
    assert_eq!(jobs.snapshot().limit, 6);
    jobs.freeze().unwrap();
    driver.look(Timestamp::from_millis(50));
    leader.set_limit(2);
    driver.look(Timestamp::from_millis(75));
    assert_eq!(jobs.snapshot().limit, 6);
    jobs.resume().unwrap();
    driver.look(Timestamp::from_millis(100));
    assert_eq!(jobs.snapshot().limit, 1);
}

#[tokio::test(start_paused = true)]
async fn a_leader_in_shadow_mode_suggests_and_one_that_is_frozen_closed_or_gone_stays() {
    let mut leader = Rig::with(12, |builder| builder.mode(Mode::Shadow));
    let (jobs, mut driver) = follower(&leader, by_two());
    leader.set_limit(8);
    driver.look(Timestamp::from_millis(25));
    assert_eq!(jobs.snapshot().limit, 4);
    let _held: Vec<_> = (0..4).map(|_| jobs.try_acquire().unwrap()).collect();
    assert!(jobs.try_acquire().is_err(), "the follower's own mode says whether jobs are held back");

    leader.limiter.freeze().unwrap();
    leader.set_limit(2);
    driver.look(Timestamp::from_millis(50));
    assert_eq!(jobs.snapshot().limit, 4);

    leader.limiter.close();
    drop(leader);
    driver.look(Timestamp::from_millis(75));
    driver.tick(Timestamp::from_millis(100));
    assert_eq!((jobs.snapshot().limit, jobs.snapshot().is_closed), (4, false));
}

/// The leader is not kept alive by those who follow it.
#[tokio::test(start_paused = true)]
async fn a_follower_that_sleeps_outlives_its_leader_and_does_not_spin() {
    let leader = Limiter::builder().name("experts").fixed(12).build().unwrap();
    let jobs = Limiter::builder().follow(&leader, by_two()).build().unwrap();
    sleep(Duration::from_secs(1)).await;
    let mut settings = leader.settings();
    settings.law = LawSettings::Fixed { limit: 6 };
    leader.reconfigure(settings).unwrap();
    // It moves, and is gone before the follower has run.
    sleep(Duration::from_millis(20)).await;
    drop(leader);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(jobs.snapshot().limit, 3);
    drop(jobs.acquire().await.unwrap());
}

/// Both drivers sleep, with nothing in flight and no timer running; then the leader moves.
#[tokio::test(start_paused = true)]
async fn an_idle_follower_moves_with_its_leader_so_that_the_first_job_finds_the_limit_of_the_moment() {
    let leader = Limiter::builder().name("experts").fixed(12).build().unwrap();
    let jobs = Limiter::builder().name("jobs").follow(&leader, by_two()).build().unwrap();
    for limit in [2, 20, 2, 8] {
        sleep(Duration::from_secs(5)).await;
        let mut settings = leader.settings();
        settings.law = LawSettings::Fixed { limit };
        leader.reconfigure(settings).unwrap();
        let asked = Instant::now();
        while leader.snapshot().limit != limit {
            yield_now().await;
        }
        // The follower's driver is woken by the leader's, and needs no time, but its turn.
        yield_now().await;
        assert!(asked.elapsed() < Duration::from_millis(1), "the paused clock stood still");
        assert_eq!(jobs.snapshot().limit, limit / 2);
        let held: Vec<_> = (0..limit / 2).map(|_| jobs.try_acquire().unwrap()).collect();
        assert!(jobs.try_acquire().is_err(), "more jobs than the limit of the moment");
        drop(held);
    }
}

/// A follower at work hears of a change at once, too, not at its next look.
#[tokio::test(start_paused = true)]
async fn a_follower_at_work_hears_of_a_change_at_once() {
    let leader = Limiter::builder().name("experts").fixed(12).build().unwrap();
    let builder = Limiter::builder().follow(&leader, by_two()).tick(Duration::from_secs(1));
    let jobs = builder.build().unwrap();
    let held = jobs.acquire().await.unwrap();
    sleep(Duration::from_millis(10)).await;
    let mut settings = leader.settings();
    settings.law = LawSettings::Fixed { limit: 4 };
    leader.reconfigure(settings).unwrap();
    // The leader's own look comes within 25 ms; the follower's would take 250 ms.
    sleep(Duration::from_millis(30)).await;
    assert_eq!((leader.snapshot().limit, jobs.snapshot().limit), (4, 2));
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn followers_may_be_followed() {
    let mut experts = Rig::new(24);
    let (jobs, mut driver) = follower(&experts, by_two());
    let builder = Limiter::builder().follow(&jobs, FollowConfig::default().experts_per_job(3));
    let (batches, mut last) = builder.build_manual().unwrap();
    assert_eq!(batches.snapshot().limit, 4);
    experts.set_limit(12);
    driver.look(Timestamp::from_millis(25));
    last.look(Timestamp::from_millis(25));
    assert_eq!(batches.snapshot().limit, 2);
}

#[tokio::test]
async fn what_cannot_be_followed_is_said() {
    #[track_caller]
    fn check(builder: LimiterBuilder, text: &str) {
        assert_eq!(builder.build().unwrap_err().to_string(), text);
    }
    check(
        Limiter::builder().settings(following(by_two())),
        "the law follows another limiter, but none is given: add .leader(&limiter)",
    );
    let leader = Limiter::builder().fixed(4).build().unwrap();
    check(
        Limiter::builder().follow(&leader, by_two().experts_per_job(0).max_limit(0)),
        "law.experts_per_job is 0, allowed is 1 to 1048575; law.max_limit is 0, allowed is 1 to 1048575",
    );
    let jobs = Limiter::builder().settings(following(by_two())).leader(&leader).build().unwrap();
    assert_eq!(jobs.snapshot().limit, 2);
    let other = Limiter::builder().fixed(4).build().unwrap();
    assert!(other.reconfigure(following(by_two())).unwrap_err().to_string().contains(".leader(&limiter)"));
}

#[tokio::test(start_paused = true)]
async fn an_explanation_names_the_leader_and_its_limit() {
    let mut leader = Rig::with(12, |builder| builder.name("experts"));
    let (jobs, mut driver) = follower(&leader, by_two());
    assert_eq!(
        jobs.explain().to_string(),
        "jobs: limit 6 (follows experts), 0 in flight, 0 queued\nno change of the limit yet"
    );
    leader.set_limit(5);
    driver.look(Timestamp::from_millis(25));
    let text = jobs.explain().to_string();
    assert!(text.contains("limit 6 → 2: it follows another limiter, whose limit is 5"), "{text}");
}

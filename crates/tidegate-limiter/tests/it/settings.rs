//! Settings as one value: what the builder makes of them, and what it makes of bad ones.

use std::time::Duration;

use super::util::{Told, ToldPool};
use tidegate_core::{AimdConfig, Gradient2Config, VegasConfig};
use tidegate_limiter::{BuildError, Class, LawSettings, Limiter, LimiterBuilder, Settings, SojournSettings};
use tokio_test::task;

fn pool(max: u32) -> ToldPool {
    let pool = ToldPool::default();
    pool.0.lock().unwrap().reading.max = max;
    pool
}

#[track_caller]
fn limit_of(builder: LimiterBuilder) -> u32 {
    builder.build_manual().unwrap().0.snapshot().limit
}

fn error_of(builder: LimiterBuilder) -> BuildError {
    builder.build_manual().unwrap_err()
}

fn fixed(limit: u32) -> Settings {
    let mut settings = Settings::default();
    settings.law = LawSettings::Fixed { limit };
    settings
}

#[test]
fn settings_replace_what_was_set_before_and_are_changed_by_what_is_set_after() {
    assert_eq!(limit_of(Limiter::builder().fixed(3).settings(fixed(5))), 5);
    assert_eq!(limit_of(Limiter::builder().settings(fixed(5)).fixed(3)), 3);
    assert_eq!(limit_of(Limiter::builder().law(Told::new(7)).settings(fixed(5))), 5);
    assert_eq!(limit_of(Limiter::builder().settings(fixed(5)).law(Told::new(7))), 7);
    let initial = Limiter::builder().pool(pool(20)).settings(Settings::default()).initial_limit(4);
    assert_eq!(limit_of(initial), 4);
    assert_eq!(
        limit_of(Limiter::builder().pool(pool(20)).initial_limit(4).settings(Settings::default())),
        10
    );
}

#[test]
fn a_law_of_ones_own_is_used_where_the_settings_say_custom_and_must_be_given() {
    let mut custom = Settings::default();
    custom.law = LawSettings::Custom;
    assert_eq!(limit_of(Limiter::builder().law(Told::new(7)).settings(custom.clone())), 7);
    let error = error_of(Limiter::builder().settings(custom.clone()));
    assert_eq!(error.to_string(), "the law is custom, but none is given: add .law(law)");
    assert_eq!(error.faults().count(), 0);
    assert_eq!(custom.check(None), Ok(()));
}

/// The setter of the one bound takes the place of the other, whichever came first.
#[test]
fn a_queue_has_the_bound_that_was_set_last() {
    let queued = |builder: LimiterBuilder| {
        let (limiter, _driver) = builder.fixed(2).build_manual().unwrap();
        let _held = (limiter.try_acquire().unwrap(), limiter.try_acquire().unwrap());
        let mut calls: Vec<_> = (0..9).map(|_| task::spawn(limiter.acquire_with(Class::default()))).collect();
        calls.iter_mut().map(|call| usize::from(call.poll().is_pending())).sum::<usize>()
    };
    assert_eq!(queued(Limiter::builder().queue_limit_per_permit(2).queue_limit(3)), 3);
    assert_eq!(queued(Limiter::builder().queue_limit(3).queue_limit_per_permit(2)), 4);
    let mut settings = Settings::default();
    (settings.queue.places, settings.queue.places_per_permit) = (Some(5), 1);
    assert_eq!(queued(Limiter::builder().settings(settings)), 5);
}

#[test]
fn every_bad_setting_is_named_at_once_with_the_part_it_stands_in() {
    let mut settings = Settings::default();
    let LawSettings::PoolAimd(law) = &mut settings.law else { unreachable!("the default law") };
    (law.min_limit, law.connections_per_call) = (0, 21);
    settings.tick = Duration::from_millis(9);
    (settings.queue.places_per_permit, settings.queue.places) = (0, Some(1_000_001));
    settings.queue.sojourn = Some(SojournSettings::new(Duration::from_secs(1), Duration::from_millis(1)));
    let lines = |error: BuildError| error.faults().map(ToString::to_string).collect::<Vec<_>>();
    let expected = [
        "law.min_limit is 0, allowed is 1 to 1048575 (max_limit)",
        "law.connections_per_call is 21, allowed is 1 to 20 (the pool's size)",
        "tick is 9ms, allowed is 10ms to 1s",
        "queue.places_per_permit is 0, allowed is 1 to 1000000",
        "queue.places is 1000001, allowed is 1 to 1000000",
        "queue.sojourn.interval is 1ms, allowed is 1s (target) to 3600s",
    ];
    assert_eq!(lines(settings.check(Some(20)).unwrap_err()), expected);
    let built = error_of(Limiter::builder().pool(pool(20)).settings(settings.clone()));
    assert_eq!(built.to_string(), expected.join("; "));

    // Without a pool its size checks nothing; to build, it is missing all the same.
    let unpooled = settings.check(None).unwrap_err();
    assert!(!unpooled.to_string().contains("connections_per_call"), "{unpooled}");
    let built = error_of(Limiter::builder().settings(settings)).to_string();
    assert!(built.starts_with(&format!("{unpooled}; pool is not given")), "{built}");
}

#[test]
fn the_defaults_pass_the_check_and_are_the_builder_s() {
    assert_eq!(Settings::default().check(None), Ok(()));
    assert_eq!(Settings::default().check(Some(1)), Ok(()));
    let builder = format!("{:?}", Limiter::builder());
    assert!(builder.contains(&format!("{:?}", Settings::default())), "{builder}");
}

#[tokio::test]
async fn the_laws_for_services_without_a_pool_need_none_and_name_their_faults() {
    let aimd = AimdConfig::default().initial_limit(5);
    let limits = [
        Limiter::builder().aimd(aimd),
        Limiter::builder().gradient2(Gradient2Config::default().initial_limit(6)),
        Limiter::builder().vegas(VegasConfig::default().initial_limit(7)),
    ]
    .map(|builder| builder.build().unwrap().snapshot().limit);
    assert_eq!(limits, [5, 6, 7]);
    let fault = Limiter::builder().aimd(aimd.backoff(2.0).max_limit(4)).build().unwrap_err();
    assert_eq!(
        fault.to_string(),
        "law.initial_limit is 5, allowed is 1 (min_limit) to 4 (max_limit); law.backoff is 2, allowed is 0.5 to 0.99"
    );
}

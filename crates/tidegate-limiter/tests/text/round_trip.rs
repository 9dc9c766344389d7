//! Whatever the settings, their text says them all.

use std::time::Duration;

use proptest::prelude::*;
use tidegate_core::{AimdConfig, FollowConfig, Gradient2Config, PoolAimdConfig, VegasConfig};
use tidegate_limiter::{LawSettings, Mode, QueueSettings, RetrySettings, Settings, SojournSettings};

fn time() -> impl Strategy<Value = Duration> {
    prop_oneof![
        4 => (0..10_000_u64).prop_map(Duration::from_millis),
        1 => any::<u64>().prop_map(Duration::from_nanos),
        1 => (0..u64::from(u32::MAX)).prop_map(Duration::from_secs),
    ]
}

fn pool_aimd() -> impl Strategy<Value = LawSettings> {
    let some = || prop::option::of(any::<u32>());
    (any::<u32>(), some(), some(), any::<u32>()).prop_map(|(min, max, initial, connections)| {
        let mut config = PoolAimdConfig::default();
        (config.min_limit, config.max_limit) = (min, max);
        (config.initial_limit, config.connections_per_call) = (initial, connections);
        LawSettings::PoolAimd(config)
    })
}

fn of_calls() -> impl Strategy<Value = LawSettings> {
    let figure = || (0..2_000_u32).prop_map(|figure| f64::from(figure) / 64.0);
    let bounds = (any::<u32>(), any::<u32>(), prop::option::of(any::<u32>()));
    (0..3, bounds, figure(), figure(), prop::option::of(time())).prop_map(
        |(kind, bounds, one, other, span)| {
            if kind == 0 {
                let mut config = AimdConfig::default().backoff(one).loss_tolerance(other);
                (config.min_limit, config.max_limit, config.initial_limit) = bounds;
                config.latency_target = span;
                LawSettings::Aimd(config)
            } else if kind == 1 {
                let mut config =
                    Gradient2Config::default().tolerance(one).smoothing(other).long_window(bounds.0);
                (config.min_limit, config.max_limit, config.initial_limit) = bounds;
                LawSettings::Gradient2(config)
            } else {
                let mut config = VegasConfig::default().queue_low(one).queue_high(other);
                (config.min_limit, config.max_limit, config.initial_limit) = bounds;
                LawSettings::Vegas(config)
            }
        },
    )
}

fn law() -> impl Strategy<Value = LawSettings> {
    prop_oneof![
        3 => pool_aimd(),
        3 => of_calls(),
        1 => any::<u32>().prop_map(|limit| LawSettings::Fixed { limit }),
        1 => (any::<u32>(), any::<u32>()).prop_map(|(experts, max)| {
            LawSettings::Follow(FollowConfig::default().experts_per_job(experts).max_limit(max))
        }),
        1 => Just(LawSettings::Custom),
    ]
}

prop_compose! {
    fn queue()(
        places_per_permit in any::<u32>(),
        places in prop::option::of(any::<u32>()),
        sojourn in prop::option::of((time(), time())),
        spans in any::<bool>(),
    ) -> QueueSettings {
        let mut queue = QueueSettings::default();
        (queue.places_per_permit, queue.places) = (places_per_permit, places);
        queue.spans = spans;
        queue.sojourn = sojourn.map(|(target, interval)| SojournSettings::new(target, interval));
        queue
    }
}

fn retry() -> impl Strategy<Value = RetrySettings> {
    (0..200_u32, any::<u32>(), time())
        .prop_map(|(share, reserve, window)| RetrySettings::new(f64::from(share) / 64.0, reserve, window))
}

prop_compose! {
    pub(crate) fn settings()(
        law in law(),
        mode in prop_oneof![Just(Mode::Enforce), Just(Mode::Shadow)],
        tick in time(),
        queue in queue(),
        retry in retry(),
    ) -> Settings {
        let mut settings = Settings::default();
        (settings.law, settings.mode, settings.tick, settings.queue) = (law, mode, tick, queue);
        settings.retry = retry;
        settings
    }
}

proptest! {
    #[test]
    fn toml_says_it_all(settings in settings()) {
        let text = toml::to_string(&settings).unwrap();
        prop_assert_eq!(toml::from_str::<Settings>(&text).unwrap(), settings, "{}", text);
    }

    #[test]
    fn json_says_it_all(settings in settings()) {
        let text = serde_json::to_string(&settings).unwrap();
        prop_assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings, "{}", text);
    }
}

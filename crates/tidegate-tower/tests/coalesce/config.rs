use std::time::Duration;

use tidegate_tower::{CoalesceConfig, CoalesceLayer};

#[track_caller]
fn refused(config: CoalesceConfig, text: &str) {
    assert_eq!(CoalesceLayer::<u64>::new(config).unwrap_err().to_string(), text);
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let config = CoalesceConfig::default();
    refused(config.max_batch(0), "max_batch is 0, allowed is 1 to 10000");
    refused(config.max_batch(10_001), "max_batch is 10001, allowed is 1 to 10000");
    refused(config.linger(Duration::from_millis(1_001)), "linger is 1.001s, allowed is 0s to 1s");
    refused(config.concurrency(0), "concurrency is 0, allowed is 1 to 1000");
    refused(config.concurrency(1_001), "concurrency is 1001, allowed is 1 to 1000");
    refused(config.queue(0), "queue is 0, allowed is 1 to 1000000");
    refused(config.queue(1_000_001), "queue is 1000001, allowed is 1 to 1000000");
}

#[test]
fn the_ends_of_the_ranges_are_allowed() {
    let least = CoalesceConfig::default().max_batch(1).linger(Duration::ZERO).concurrency(1).queue(1);
    let second = Duration::from_secs(1);
    let most = CoalesceConfig::default().max_batch(10_000).linger(second).concurrency(1_000).queue(1_000_000);
    for config in [least, most, CoalesceConfig::default()] {
        assert!(CoalesceLayer::<u64>::new(config).is_ok(), "{config:?}");
    }
}

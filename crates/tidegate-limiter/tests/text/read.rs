//! What is read from files and from the environment.

use std::time::Duration;

use config::{Config, Environment, File, FileFormat};
use tidegate_core::PoolAimdConfig;
use tidegate_limiter::{LawSettings, Mode, Settings, SojournSettings};

#[test]
fn nothing_said_is_the_defaults() {
    assert_eq!(toml::from_str::<Settings>("").unwrap(), Settings::default());
    assert_eq!(serde_json::from_str::<Settings>("{}").unwrap(), Settings::default());
    let queue = toml::from_str::<Settings>("[law]\nkind = 'pool_aimd'\n[queue]\n").unwrap();
    assert_eq!(queue, Settings::default());
}

#[test]
fn what_is_said_is_set_and_the_rest_keeps_its_default() {
    let text = r#"
        mode = "shadow"
        tick = "50ms"
        [law]
        kind = "pool_aimd"
        max_limit = 64
        [queue]
        places = 500
        sojourn = { target = "1s 500ms", interval = "15 sec" }
    "#;
    let mut expected = Settings::default();
    expected.mode = Mode::Shadow;
    expected.tick = Duration::from_millis(50);
    expected.law = LawSettings::PoolAimd(PoolAimdConfig::default().max_limit(64));
    expected.queue.places = Some(500);
    let sojourn = SojournSettings::new(Duration::from_millis(1500), Duration::from_secs(15));
    expected.queue.sojourn = Some(sojourn);
    assert_eq!(toml::from_str::<Settings>(text).unwrap(), expected);

    let fixed = serde_json::from_str::<Settings>(r#"{"law": {"kind": "fixed", "limit": 7}}"#).unwrap();
    assert_eq!(fixed.law, LawSettings::Fixed { limit: 7 });
}

/// The text is refused, and the error has these words in it.
#[track_caller]
fn refused(toml: &str, words: &[&str]) {
    let error = toml::from_str::<Settings>(toml).unwrap_err().to_string();
    for word in words {
        assert!(error.contains(word), "no {word:?} in {error}");
    }
}

#[test]
fn an_unknown_key_is_refused_wherever_it_stands() {
    refused("tock = '1s'", &["unknown field `tock`", "`tick`"]);
    refused("law = { kind = 'pool_aimd', min_limt = 2 }", &["unknown field `min_limt`", "`min_limit`"]);
    refused("law = { kind = 'fixed', limit = 2, min_limit = 1 }", &["unknown field `min_limit`", "`limit`"]);
    refused("law = { kind = 'custom', limit = 2 }", &["unknown field `limit`"]);
    refused("[queue]\nplace = 2", &["unknown field `place`", "`places`"]);
    refused("queue.sojourn = { target = '1s', interval = '2s', x = 1 }", &["unknown field `x`"]);
}

#[test]
fn a_value_that_makes_no_sense_is_refused_with_what_would() {
    refused("tick = 100", &["integer `100`", "a time with its unit, such as \"100ms\""]);
    refused("tick = 'fast'", &["\"fast\"", "a time with its unit"]);
    refused("tick = '-1s'", &["\"-1s\"", "a time with its unit"]);
    refused("tick = ''", &["a time with its unit"]);
    refused("tick = '100000000000000000000000s'", &["a time with its unit"]);
    refused("mode = 'shadwo'", &["`shadwo`", "`enforce` or `shadow`"]);
    refused("law = { kind = 'gues' }", &["`gues`", "`pool_aimd`"]);
    refused("law = { min_limit = 2 }", &["missing field `kind`"]);
    refused("law = { kind = 'fixed' }", &["missing field `limit`"]);
    refused("law = { kind = 'fixed', limit = -1 }", &["`-1`"]);
    refused("law = { kind = 'fixed', limit = 4294967296 }", &["`4294967296`"]);
    refused("law = { kind = 'pool_aimd', max_limit = nan }", &["floating point"]);
    refused("queue.sojourn = { target = '1s' }", &["missing field `interval`"]);
}

/// Reads a file's text, and the environment over it.
fn layered(file: &str, environment: &[(&str, &str)]) -> Result<Settings, config::ConfigError> {
    let environment =
        environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Config::builder()
        .add_source(File::from_str(file, FileFormat::Toml))
        .add_source(
            Environment::with_prefix("TIDEGATE").separator("__").try_parsing(true).source(Some(environment)),
        )
        .build()?
        .try_deserialize()
}

#[test]
fn the_environment_goes_over_the_file() {
    let file = "tick = '50ms'\n[law]\nkind = 'pool_aimd'\nmin_limit = 2\nmax_limit = 64\n";
    let environment = [
        ("TIDEGATE__LAW__MAX_LIMIT", "32"),
        ("TIDEGATE__MODE", "shadow"),
        ("TIDEGATE__QUEUE__SOJOURN__TARGET", "1s"),
        ("TIDEGATE__QUEUE__SOJOURN__INTERVAL", "10s"),
        ("OTHER__TICK", "1s"),
    ];
    let settings = layered(file, &environment).unwrap();
    let mut expected = Settings::default();
    expected.law = LawSettings::PoolAimd(PoolAimdConfig::default().min_limit(2).max_limit(32));
    (expected.tick, expected.mode) = (Duration::from_millis(50), Mode::Shadow);
    let sojourn = SojournSettings::new(Duration::from_secs(1), Duration::from_secs(10));
    expected.queue.sojourn = Some(sojourn);
    assert_eq!(settings, expected);
    assert_eq!(layered("", &[]).unwrap(), Settings::default());
}

#[test]
fn a_bad_value_or_name_in_the_environment_is_refused_by_name() {
    for (key, value, word) in [
        ("TIDEGATE__LAW__LIMIT", "many", "\"many\""),
        ("TIDEGATE__TOCK", "1s", "tock"),
        ("TIDEGATE__MODE", "off", "mode"),
        ("TIDEGATE__TICK", "100", "100"),
    ] {
        let error = layered("law = { kind = 'fixed', limit = 3 }", &[(key, value)]).unwrap_err().to_string();
        assert!(error.contains(word), "{key}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

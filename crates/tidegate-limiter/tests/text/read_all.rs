//! `Settings::read` says everything that is wrong at once, and takes what serde takes.

use config::{Config, Environment};
use proptest::prelude::*;
use serde::Deserialize as _;
use serde_json::{Value, json};
use tidegate_limiter::{BuildError, Settings};

use crate::round_trip::settings;

fn read(toml: &str) -> Result<Settings, BuildError> {
    Settings::read(toml::Deserializer::parse(toml).unwrap(), None)
}

#[track_caller]
fn faults(toml: &str, expected: &[&str]) {
    let error = read(toml).unwrap_err();
    assert_eq!(error.faults().map(ToString::to_string).collect::<Vec<_>>(), expected);
    assert_eq!(error.to_string(), expected.join("; "));
}

#[test]
fn what_is_right_is_read() {
    assert_eq!(read("").unwrap(), Settings::default());
    let text = "tick = '50ms'\nlaw = { kind = 'fixed', limit = 3 }\nmode = 'shadow'\n\
                queue.sojourn = { target = '1s', interval = '2s' }";
    assert_eq!(read(text).unwrap(), toml::from_str::<Settings>(text).unwrap());
}

#[test]
fn every_fault_of_every_kind_is_named_at_once() {
    faults(
        "tick = 100
         mode = 'shadwo'
         tock = '1s'
         [law]
         kind = 'pool_aimd'
         min_limt = 2
         max_limit = -3
         initial_limit = 0
         [queue]
         places = 'many'
         places_per_permit = 4294967296
         sojourn = { target = '1', x = 1 }",
        &[
            "law.max_limit is -3, allowed is 1 to 1048575",
            "law.min_limt is unknown, allowed is connections_per_call, initial_limit, kind, max_limit or min_limit",
            "mode is \"shadwo\", allowed is enforce or shadow",
            "queue.places is \"many\", allowed is 1 to 1000000",
            "queue.places_per_permit is 4294967296, allowed is 1 to 1000000",
            "queue.sojourn.target is \"1\", allowed is a time with its unit, such as \"100ms\"",
            "queue.sojourn.x is unknown, allowed is interval or target",
            "queue.sojourn.interval is missing, allowed is a time with its unit, such as \"100ms\"",
            "tick is 100, allowed is a time with its unit, such as \"100ms\"",
            "tock is unknown, allowed is law, mode, queue, retry or tick",
            "law.initial_limit is 0, allowed is 1 (min_limit) to 1048575 (max_limit)",
        ],
    );
}

#[test]
fn a_law_is_known_by_its_kind() {
    let kinds = "pool_aimd, fixed, aimd, gradient2, vegas, follow or custom";
    faults("law.min_limit = 2", &[&format!("law.kind is missing, allowed is {kinds}")]);
    faults("law.kind = 'gues'", &[&format!("law.kind is \"gues\", allowed is {kinds}")]);
    faults("law.kind = 5", &[&format!("law.kind is 5, allowed is {kinds}")]);
    faults("law.kind = 'fixed'", &["law.limit is missing, allowed is 1 to 1048575"]);
    faults("law = { kind = 'fixed', limit = 0 }", &["law.limit is 0, allowed is 1 to 1048575"]);
    faults("law = { kind = 'custom', limit = 2 }", &["law.limit is unknown, allowed is kind"]);
    faults("law = 'fixed'", &["law is \"fixed\", allowed is a table of settings"]);
    faults("queue = [1]", &["queue is a list, allowed is a table of settings"]);
}

#[test]
fn what_is_no_table_of_settings_is_refused() {
    for text in ["3", "[]", "null", "\"tick\""] {
        let error =
            Settings::read(&mut serde_json::Deserializer::from_str(text), None).unwrap_err().to_string();
        assert!(error.starts_with("settings is "), "{error}");
    }
    let error = Settings::read(&mut serde_json::Deserializer::from_str("{\"tick\":"), None).unwrap_err();
    assert_eq!(error.faults().count(), 0);
    assert!(error.to_string().starts_with("the settings cannot be read: EOF"), "{error}");
}

#[test]
fn what_depends_on_the_pool_is_checked_with_the_rest_if_its_size_is_known() {
    let text = json!({ "tick": 1, "law": { "kind": "pool_aimd", "connections_per_call": 21 } });
    let fields = |pool_max| {
        let error = Settings::read(&text, pool_max).unwrap_err();
        error.faults().map(|fault| fault.field().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(fields(Some(20)), ["tick", "law.connections_per_call"]);
    assert_eq!(fields(None), ["tick"]);
}

#[test]
fn the_environment_is_read_as_well() {
    let environment =
        [("TIDEGATE__LAW__KIND", "fixed"), ("TIDEGATE__LAW__LIMIT", "x"), ("TIDEGATE__TOCK", "y")];
    let source = environment.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let source = Environment::with_prefix("TIDEGATE").separator("__").try_parsing(true).source(Some(source));
    let error = Settings::read(Config::builder().add_source(source).build().unwrap(), None).unwrap_err();
    // An environment has no order.
    let mut fields: Vec<_> = error.faults().map(|fault| fault.field()).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["law.limit", "tock"]);
}

/// A value that somebody might write where another belongs. No lists: one of the values in the order of the fields is one
/// of serde's ways to write a struct, and none of ours.
fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0..2_000_000_i64).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop_oneof!["[0-9]{1,3}(ms|s|h)", "[a-z]{0,4}", Just("fixed".to_owned()), Just("shadow".to_owned())]
            .prop_map(Value::from),
        Just(json!({})),
        Just(json!({ "kind": "custom" })),
    ]
}

/// The places of a value, itself first.
fn places(at: &str, value: &Value, found: &mut Vec<String>) {
    found.push(at.to_owned());
    for (key, inner) in value.as_object().into_iter().flatten() {
        places(&format!("{at}/{key}"), inner, found);
    }
}

proptest! {
    /// The schema and the types say the same: what passes the one is read by the other.
    #[test]
    fn what_serde_refuses_is_refused_with_a_fault_and_nothing_else_is(
        settings in settings(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any_value(), any::<bool>()), 0..4),
    ) {
        let mut value = serde_json::to_value(&settings).unwrap();
        for (place, new, is_added) in changes {
            let mut found = Vec::new();
            places("", &value, &mut found);
            let target = value.pointer_mut(place.get::<String>(&found)).unwrap();
            match target.as_object_mut() {
                Some(map) if is_added => drop(map.insert("kind".to_owned(), new)),
                _ => *target = new,
            }
        }
        let by_serde = Settings::deserialize(&value);
        match Settings::read(&value, None) {
            Ok(read) => prop_assert_eq!(Some(read), by_serde.ok()),
            Err(error) => {
                let is_in_range = by_serde.is_ok_and(|settings| settings.check(None).is_ok());
                prop_assert!(!is_in_range && error.faults().count() > 0, "{}: {}", value, error);
            }
        }
    }
}

//! The JSON schema of the settings.

use serde_json::Value;
use tidegate_limiter::Settings;

fn schema() -> Value {
    schemars::schema_for!(Settings).to_value()
}

/// Every object of the schema, with where it stands.
fn objects<'a>(at: &str, value: &'a Value, found: &mut Vec<(String, &'a Value)>) {
    if let Some(map) = value.as_object() {
        if map.contains_key("properties") {
            found.push((at.to_owned(), value));
        }
        for (key, inner) in map {
            objects(&format!("{at}/{key}"), inner, found);
        }
    }
    for (i, inner) in value.as_array().into_iter().flatten().enumerate() {
        objects(&format!("{at}/{i}"), inner, found);
    }
}

#[test]
fn every_setting_is_described_and_no_other_is_allowed() {
    let schema = schema();
    let mut found = Vec::new();
    objects("", &schema, &mut found);
    assert!(found.len() >= 5, "{schema:#}");
    for (at, object) in found {
        assert_eq!(object["additionalProperties"], false, "{at}");
        for (name, property) in object["properties"].as_object().unwrap() {
            let is_described = property["description"].as_str().is_some_and(|text| !text.is_empty());
            assert!(is_described || name == "kind", "{at}: {name}");
        }
    }
}

/// The pointer of the law of that kind.
fn law(schema: &Value, kind: &str) -> Value {
    let laws = schema["$defs"]["LawSettings"]["oneOf"].as_array().unwrap();
    laws.iter().find(|law| law["properties"]["kind"]["const"] == kind).unwrap().clone()
}

#[test]
fn numbers_have_their_range_and_times_are_text() {
    let schema = schema();
    let limit = &law(&schema, "fixed")["properties"]["limit"];
    assert_eq!((&limit["minimum"], &limit["maximum"]), (&1.into(), &1_048_575.into()));
    let places = &schema["$defs"]["QueueSettings"]["properties"]["places_per_permit"];
    assert_eq!((&places["minimum"], &places["maximum"]), (&1.into(), &1_000_000.into()));
    let tick = &schema["properties"]["tick"];
    assert_eq!((&tick["type"], &tick["default"]), (&"string".into(), &"100ms".into()));
}

//! Settings from text, so that everything that is wrong with it is said at once: serde itself stops at the first fault.
//!
//! The text is held against the schema of the settings; what does not fit is noted and taken out, and what is left is read
//! and checked as usual. The schema is our own, so only the words of JSON Schema that it uses are known here.

use std::fmt;

use serde::de::IntoDeserializer;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use tidegate_core::{ConfigChecks, duration_text};

use super::Settings;
use crate::BuildError;

impl Settings {
    /// Reads settings from text of any form, such as `toml::Deserializer` or `config::Config`, and checks them; what is not
    /// said keeps its default. What depends on the pool's size is checked if that is known; a builder knows it.
    ///
    /// # Errors
    ///
    /// If the text has a setting that is not known, misses one that must be given, or has a value of a wrong kind or outside
    /// its range: all of them are named. Or if it cannot be read at all.
    pub fn read<'de, D: Deserializer<'de>>(text: D, pool_max: Option<u32>) -> Result<Self, BuildError> {
        let mut value = Value::deserialize(text).map_err(|error| BuildError::unread(&error))?;
        let schema = schemars::schema_for!(Self).to_value();
        let mut form = Form { root: &schema, checks: ConfigChecks::default() };
        if !form.fits(&schema, "", &mut value) {
            value = Value::Object(Map::new());
        }
        let settings = Self::deserialize(value).map_err(|error| BuildError::unread(&error))?;
        let mut checks = form.checks;
        checks.merge(settings.checked(pool_max));
        checks.finish(settings).map_err(BuildError::from)
    }
}

/// What the text should look like, and how it does not.
struct Form<'a> {
    root: &'a Value,
    checks: ConfigChecks,
}

impl<'a> Form<'a> {
    /// Whether the value can be read, once what was noted is taken out of it.
    fn fits(&mut self, schema: &'a Value, at: &str, value: &mut Value) -> bool {
        let schema = self.resolved(schema);
        let one_of = schema["oneOf"].as_array();
        let words: Vec<_> = one_of.into_iter().flatten().filter_map(|one| one["const"].as_str()).collect();
        if !words.is_empty() {
            return self.is_one_of(&words, at, value);
        }
        match (value, one_of) {
            (Value::Object(map), Some(kinds)) => self.kind_fits(kinds, at, map),
            (Value::Object(map), None) if schema["properties"].is_object() => self.map_fits(schema, at, map),
            (value, _) => {
                let allowed = Allowed(schema);
                let is_allowed = allowed.allows(value);
                self.checks.require(is_allowed, name(at), Given(value), allowed);
                is_allowed
            }
        }
    }

    /// The schema itself where others stand for it.
    fn resolved(&self, mut schema: &'a Value) -> &'a Value {
        loop {
            let is_no_null = |one: &&Value| one["type"] != "null";
            if let Some(one) = schema["anyOf"].as_array().and_then(|any| any.iter().find(is_no_null)) {
                schema = one;
            } else if let Some(pointer) = schema["$ref"].as_str().and_then(|path| path.strip_prefix('#')) {
                schema = self.root.pointer(pointer).unwrap_or(&Value::Null);
            } else {
                return schema;
            }
        }
    }

    fn is_one_of(&mut self, words: &[&str], at: &str, value: &Value) -> bool {
        let is_one = value.as_str().is_some_and(|given| words.contains(&given));
        self.checks.require(is_one, name(at), Given(value), Words(words));
        is_one
    }

    /// A map whose `kind` says which of several it is.
    fn kind_fits(&mut self, kinds: &'a [Value], at: &str, map: &mut Map<String, Value>) -> bool {
        let kind_of = |one: &'a Value| one["properties"]["kind"]["const"].as_str();
        let words: Vec<_> = kinds.iter().filter_map(kind_of).collect();
        let at_kind = join(at, "kind");
        let Some(kind) = map.get("kind") else {
            self.checks.require(false, at_kind, "missing", Words(&words));
            return false;
        };
        if !self.is_one_of(&words, &at_kind, kind) {
            return false;
        }
        let one = kinds.iter().find(|one| kind_of(one) == kind.as_str());
        one.is_some_and(|one| self.map_fits(one, at, map))
    }

    fn map_fits(&mut self, schema: &'a Value, at: &str, map: &mut Map<String, Value>) -> bool {
        let Some(known) = schema["properties"].as_object() else { return true };
        // Which order a map of serde_json keeps is up to the features that others ask of it.
        let mut names: Vec<_> = known.keys().map(String::as_str).collect();
        names.sort_unstable();
        map.retain(|key, value| match known.get(key) {
            Some(_) if key == "kind" => true,
            Some(property) => self.fits(property, &join(at, key), value),
            None => {
                self.checks.require(false, join(at, key), "unknown", Words(&names));
                false
            }
        });
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let missing: Vec<_> = required.filter(|key| !map.contains_key(*key)).collect();
        for key in &missing {
            let (at, allowed) = (join(at, key), Allowed(self.resolved(&known[*key])));
            // A value that was given and made no sense is noted already.
            let is_noted = self.checks.fields().any(|field| field == at);
            self.checks.require(is_noted, at, "missing", allowed);
        }
        missing.is_empty()
    }
}

fn join(at: &str, key: &str) -> String {
    if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") }
}

fn name(at: &str) -> String {
    if at.is_empty() { "settings".to_owned() } else { at.to_owned() }
}

/// A value as the fault tells it.
struct Given<'a>(&'a Value);

impl fmt::Display for Given<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Object(_) => f.write_str("a table"),
            Value::Array(_) => f.write_str("a list"),
            Value::Null => f.write_str("no value"),
            value => value.fmt(f),
        }
    }
}

/// Words to choose from: `a, b or c`.
struct Words<'a>(&'a [&'a str]);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [others @ .., last] if !others.is_empty() => write!(f, "{} or {last}", others.join(", ")),
            words => f.write_str(&words.join("")),
        }
    }
}

/// What a schema of one value allows.
struct Allowed<'a>(&'a Value);

impl Allowed<'_> {
    fn is(&self, kind: &str) -> bool {
        let types = &self.0["type"];
        types == kind || types.as_array().is_some_and(|types| types.iter().any(|one| one == kind))
    }

    fn allows(&self, value: &Value) -> bool {
        match value {
            Value::Null => self.is("null"),
            Value::Bool(_) => self.is("boolean"),
            Value::Number(number) if self.is("integer") => {
                number.as_u64().is_some_and(|number| u32::try_from(number).is_ok())
            }
            Value::Number(_) => self.is("number"),
            Value::String(text) if self.0["format"] == duration_text::FORMAT => {
                let text: serde::de::value::StrDeserializer<'_, serde::de::value::Error> =
                    text.as_str().into_deserializer();
                duration_text::deserialize(text).is_ok()
            }
            Value::String(_) => self.is("string"),
            Value::Array(_) | Value::Object(_) => false,
        }
    }
}

impl fmt::Display for Allowed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (min, max) = (&self.0["minimum"], &self.0["maximum"]);
        if self.0["format"] == duration_text::FORMAT {
            f.write_str(duration_text::EXPECTED)
        } else if max.is_number() {
            write!(f, "{min} to {max}")
        } else if min.is_number() {
            write!(f, "{min} or more")
        } else if self.is("boolean") {
            f.write_str("true or false")
        } else if self.is("string") {
            f.write_str("a text")
        } else {
            f.write_str("a table of settings")
        }
    }
}

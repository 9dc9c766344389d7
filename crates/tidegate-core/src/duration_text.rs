//! Times in settings as people write them: `100ms`, `1m 30s`. For `#[serde(with = "…")]`.

use std::fmt;
use std::time::Duration;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserializer, Serializer};

/// Writes the time with its units.
///
/// # Errors
///
/// Those of the serializer.
pub fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_duration(*time))
}

/// Reads a time with its units.
///
/// # Errors
///
/// If it is no text, or has no unit, or is longer than can be counted.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_str(Text)
}

/// What is allowed, in words.
pub const EXPECTED: &str = "a time with its unit, such as \"100ms\"";

struct Text;

impl Visitor<'_> for Text {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        humantime::parse_duration(text).map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// The schema of such a text.
#[cfg(feature = "schema")]
pub fn schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "format": FORMAT, "pattern": PATTERN })
}

/// What the schema calls the form of such a text; JSON Schema's own `duration` is that of ISO 8601.
#[cfg(feature = "schema")]
pub const FORMAT: &str = "time-span";

#[cfg(feature = "schema")]
const PATTERN: &str = "^( *[0-9]+ *[a-zA-Zµ]+)+ *$";

/// The same for a time that need not be given.
pub mod option {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the time with its units.
    ///
    /// # Errors
    ///
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::serialize(time, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a time with its units, or that there is none.
    ///
    /// # Errors
    ///
    /// If it is given and no time; see [`super::deserialize`].
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        #[derive(Deserialize)]
        struct Time(#[serde(with = "super")] Duration);

        Ok(Option::<Time>::deserialize(deserializer)?.map(|Time(time)| time))
    }

    /// The schema of such a text.
    #[cfg(feature = "schema")]
    pub fn schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "null"], "format": super::FORMAT, "pattern": super::PATTERN })
    }
}

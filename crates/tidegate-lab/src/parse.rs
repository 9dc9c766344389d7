//! From text to checked values; NaN, signs and overflow end here.

use std::str::FromStr;
use std::time::Duration;

use crate::faults::Fault;

/// A whole number from `min` to `max`.
pub(crate) fn count(field: &'static str, text: &str, min: u32, max: u32) -> Result<u32, Fault> {
    u32::from_str(text.trim())
        .ok()
        .filter(|value| (min..=max).contains(value))
        .ok_or_else(|| Fault::new(field, text, format_args!("a whole number from {min} to {max}")))
}

/// A time in milliseconds, typed as a bare number (`200`, `0.5`) or with a unit (`200ms`, `2s`).
pub(crate) fn millis(field: &'static str, text: &str, max: Duration) -> Result<Duration, Fault> {
    let fault = || {
        let max = humantime::format_duration(max);
        Fault::new(field, text, format_args!("milliseconds from 0 to {max}, such as 200 or 200ms"))
    };
    let text = text.trim();
    let span = match f64::from_str(text) {
        // `try_from_secs_f64` refuses NaN, infinities, negative and huge numbers.
        Ok(number) => Duration::try_from_secs_f64(number / 1000.0).ok(),
        Err(_) => humantime::parse_duration(text).ok(),
    };
    span.filter(|span| *span <= max).ok_or_else(fault)
}

/// A time in human form, `10s` or `1m 30s`, from `min` to `max`.
pub(crate) fn span(field: &'static str, text: &str, min: Duration, max: Duration) -> Result<Duration, Fault> {
    humantime::parse_duration(text.trim()).ok().filter(|span| (min..=max).contains(span)).ok_or_else(|| {
        let (min, max) = (humantime::format_duration(min), humantime::format_duration(max));
        Fault::new(field, text, format_args!("a time from {min} to {max} with its unit, such as 10s"))
    })
}

/// Values separated by commas, each of them read by `one`; `what` they are, and by which name each is known.
///
/// # Errors
///
/// The first value that cannot be read, or one that is there twice.
pub(crate) fn list<T>(
    field: &'static str,
    what: &str,
    text: &str,
    one: impl Fn(&str) -> Result<T, Fault>,
    name: impl Fn(&T) -> String,
) -> Result<Vec<T>, Fault> {
    let mut list: Vec<T> = Vec::new();
    for item in text.split(',') {
        let value = one(item.trim())?;
        let known = name(&value);
        if list.iter().any(|other| name(other) == known) {
            return Err(Fault::new(field, text, format_args!("each {what} once, {known} is there twice")));
        }
        list.push(value);
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[track_caller]
    fn check_millis(text: &str, expect: Option<Duration>) {
        assert_eq!(millis("query_ms", text, HOUR).ok(), expect, "{text}");
    }

    #[test]
    fn milliseconds_come_bare_or_with_a_unit() {
        check_millis("200", Some(Duration::from_millis(200)));
        check_millis("0.5", Some(Duration::from_micros(500)));
        check_millis("200ms", Some(Duration::from_millis(200)));
        check_millis(" 2s ", Some(Duration::from_secs(2)));
        check_millis("0", Some(Duration::ZERO));
    }

    #[test]
    fn nonsense_is_no_time() {
        for text in ["NaN", "nan", "inf", "-inf", "-1", "-0.5", "1e300", "3600001", "2h", "", "fast", "-5ms"]
        {
            check_millis(text, None);
        }
    }

    #[test]
    fn spans_need_a_unit_and_a_range() {
        let parse = |text| span("duration", text, Duration::from_secs(1), HOUR);
        assert_eq!(parse("1m 30s"), Ok(Duration::from_secs(90)));
        assert_eq!(
            parse("10").unwrap_err().to_string(),
            "duration is 10, allowed is a time from 1s to 1h with its unit, such as 10s"
        );
        for text in ["0s", "2h", "NaN", "-1s", ""] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counts_have_a_range() {
        assert_eq!(count("pool", "20", 1, 100), Ok(20));
        for text in ["0", "101", "-1", "NaN", "1.5", "", "99999999999999999999"] {
            assert!(count("pool", text, 1, 100).is_err(), "{text}");
        }
        assert_eq!(
            count("pool", "0", 1, 100).unwrap_err().to_string(),
            "pool is 0, allowed is a whole number from 1 to 100"
        );
    }

    #[test]
    fn a_list_has_each_value_once() {
        let counts = |text| list("pools", "pool", text, |item| count("pools", item, 1, 9), u32::to_string);
        assert_eq!(counts("3, 1,2"), Ok(vec![3, 1, 2]));
        // It is the value that is there twice, however it was typed.
        for (text, why) in [
            ("1,2,01", "pools is 1,2,01, allowed is each pool once, 1 is there twice"),
            ("1,", "pools is empty, allowed is a whole number from 1 to 9"),
        ] {
            assert_eq!(counts(text).unwrap_err().to_string(), why);
        }
    }
}

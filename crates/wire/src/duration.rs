//! Lengths of time as people write them: the grammar of npm's `ms`.
//!
//! A number and a unit, with or without a space between: `250ms`, `1.5h`, `2 hours`, `1 week`. A
//! number alone counts milliseconds. Upper and lower case are the same.

use std::time::Duration;

use crate::failure::cut;

/// Longest text that is looked at, in bytes; that of `ms`.
const TEXT_BYTES_MAX: usize = 100;

/// The names of each unit, and how many milliseconds it has. A year has 365.25 days.
const UNITS: [(&[&str], f64); 7] = [
    (
        &["", "ms", "msec", "msecs", "millisecond", "milliseconds"],
        1.0,
    ),
    (&["s", "sec", "secs", "second", "seconds"], 1_000.0),
    (&["m", "min", "mins", "minute", "minutes"], 60_000.0),
    (&["h", "hr", "hrs", "hour", "hours"], 3_600_000.0),
    (&["d", "day", "days"], 86_400_000.0),
    (&["w", "week", "weeks"], 604_800_000.0),
    (&["y", "yr", "yrs", "year", "years"], 31_557_600_000.0),
];

/// A text that is not a length of time.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum DurationError {
    /// Another grammar.
    #[error("{0:?} is not a length of time: use for example \"250ms\", \"1.5h\" or \"2 days\"")]
    Syntax(String),
    /// Below zero.
    #[error("{0:?} is below zero, and nothing takes less than no time")]
    Negative(String),
    /// More than can be counted.
    #[error("{0:?} is longer than can be counted")]
    TooLong(String),
}

/// What can be given where a length of time is asked for: a [`Duration`], or a text.
pub trait IntoDuration {
    /// The length of time.
    fn into_duration(self) -> Result<Duration, DurationError>;
}

impl IntoDuration for Duration {
    fn into_duration(self) -> Result<Duration, DurationError> {
        Ok(self)
    }
}

impl IntoDuration for &str {
    fn into_duration(self) -> Result<Duration, DurationError> {
        parse(self)
    }
}

impl IntoDuration for &String {
    fn into_duration(self) -> Result<Duration, DurationError> {
        parse(self)
    }
}

impl IntoDuration for String {
    fn into_duration(self) -> Result<Duration, DurationError> {
        parse(&self)
    }
}

/// The seconds of a text; below zero if it says so.
pub fn seconds(text: &str) -> Result<f64, DurationError> {
    millis(text).map(|millis| millis / 1_000.0)
}

/// The length of time of a text: zero or more.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let millis = millis(text)?;
    if millis < 0.0 {
        return Err(DurationError::Negative(text.to_owned()));
    }
    if millis > u64::MAX as f64 {
        return Err(DurationError::TooLong(text.to_owned()));
    }
    // Whole milliseconds by themselves, since as a fraction of seconds many would not be exact.
    let fraction = Duration::from_secs_f64(millis.fract() / 1_000.0);
    Ok(Duration::from_millis(millis as u64) + fraction)
}

fn millis(text: &str) -> Result<f64, DurationError> {
    let found = match text.len() <= TEXT_BYTES_MAX {
        true => number_and_unit(text),
        false => None,
    };
    found
        .map(|(number, unit)| number * unit)
        .ok_or_else(|| DurationError::Syntax(cut(text, TEXT_BYTES_MAX).to_owned()))
}

fn number_and_unit(text: &str) -> Option<(f64, f64)> {
    let is_number = |c: char| matches!(c, '0'..='9' | '.' | '-');
    let end = text.find(|c| !is_number(c)).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim_start_matches(' ');
    let (_, millis) = UNITS
        .iter()
        .find(|(names, _)| names.iter().any(|name| name.eq_ignore_ascii_case(unit)))?;
    Some((parse_number(number)?, *millis))
}

/// `-?\d*\.?\d+`: what else Rust takes for a number is none here.
fn parse_number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or(("", digits));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = are_digits(whole) && are_digits(fraction) && !fraction.is_empty();
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_of_time_are_read_as_people_write_them() {
        for (text, expected) in [
            ("1 day", 86_400.0),
            ("2 hours", 7_200.0),
            ("30 minutes", 1_800.0),
            ("1.5h", 5_400.0),
            ("250ms", 0.25),
            ("1 week", 604_800.0),
            ("500", 0.5),
            ("500 ", 0.5),
            (".5s", 0.5),
            ("0", 0.0),
            ("1 Y", 31_557_600.0),
            ("2  WEEKS", 1_209_600.0),
            ("10 Mins", 600.0),
            ("1.5ms", 0.0015),
            ("100000000001 ms", 100_000_000.001),
        ] {
            assert_eq!(seconds(text), Ok(expected), "{text:?}");
            let nanos = (expected * 1e9).round() as u128;
            assert_eq!(parse(text).map(|d| d.as_nanos()), Ok(nanos), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_length_of_time_is_told_with_the_mend() {
        let long = "1".repeat(TEXT_BYTES_MAX + 1);
        for text in [
            "soon",
            "",
            " ",
            " 1s",
            "s",
            "1.",
            "1..5s",
            "--1s",
            "-",
            ".",
            "1-1",
            "+1s",
            "1e3",
            "1h 30m",
            "1 fortnight",
            "1\ts",
            "inf",
            "NaN",
            "1 s ",
            "１s",
            &long,
        ] {
            let error = parse(text).unwrap_err();
            assert!(matches!(error, DurationError::Syntax(_)), "{text:?}");
            assert!(error.to_string().contains("use for example"), "{error}");
            assert!(error.to_string().len() < 300);
            assert!(seconds(text).is_err(), "{text:?}");
        }
        assert_eq!(seconds("-1 day"), Ok(-86_400.0));
        assert_eq!(
            parse("-1 day"),
            Err(DurationError::Negative("-1 day".into()))
        );
        let long = "9".repeat(90);
        assert_eq!(parse(&long), Err(DurationError::TooLong(long)));
    }

    proptest! {
        #[test]
        fn every_unit_counts_its_milliseconds(
            number in 0_u64..1_000_000,
            spaces in 0_usize..4,
            unit in 0..UNITS.len(),
            name in any::<prop::sample::Index>(),
            upper in any::<bool>(),
        ) {
            let (names, millis) = UNITS[unit];
            let mut name = name.get(names).to_string();
            if upper {
                name.make_ascii_uppercase();
            }
            let text = format!("{number}{}{name}", " ".repeat(spaces));
            let expected = Duration::from_millis(number * millis as u64);
            prop_assert_eq!(parse(&text), Ok(expected));
        }

        #[test]
        fn any_text_is_a_length_of_time_or_an_error(text in "[-+. 0-9a-zA-Z]{0,12}|.{0,12}") {
            match (parse(&text), seconds(&text)) {
                (Ok(duration), Ok(seconds)) => {
                    prop_assert!((duration.as_secs_f64() - seconds).abs() <= seconds * 1e-9 + 1e-9);
                    prop_assert!(text.contains(|c: char| c.is_ascii_digit()));
                }
                (Err(DurationError::Negative(_)), Ok(seconds)) => prop_assert!(seconds < 0.0),
                (Err(DurationError::TooLong(_)), Ok(seconds)) => prop_assert!(seconds > 1e15),
                (parsed, seconds) => prop_assert!(parsed.is_err() && seconds.is_err()),
            }
        }
    }
}

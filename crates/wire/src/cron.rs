//! Points in time that come again and again: cron patterns, in UTC.
//!
//! Five fields: minute, hour, day of the month, month, day of the week; or six, with seconds
//! before them. Each field is `*`, a number, a name (`JAN`, `MON`), a range, a list, or a step
//! (`*/5`). If both days are given, either will do. `@daily` and its like are understood too.

use std::{fmt, str::FromStr};

use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::Offset;

use crate::{Timestamp, failure::cut};

/// Bytes of a pattern that an error shows.
const SHOWN_BYTES_MAX: usize = 100;

/// A cron pattern, in UTC.
#[derive(Clone, Debug)]
pub struct Cron(croner::Cron);

/// A cron pattern that cannot be used.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum CronError {
    /// It is none.
    #[error(
        "{pattern:?} is not a cron pattern: {reason}; use for example \"*/5 * * * *\" or \"0 9 * * MON-FRI\""
    )]
    Syntax {
        /// What was given, cut if it is long.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A day like 30 February.
    #[error("the time of the cron pattern {0:?} never comes")]
    Never(String),
}

impl Cron {
    /// The next time strictly after `now`, a whole second.
    pub fn next_after(&self, now: Timestamp) -> Result<Timestamp, CronError> {
        // Never out of range: see `Timestamp::from_micros`.
        let now = jiff::Timestamp::from_microsecond(now.as_micros()).unwrap_or_default();
        let now = Offset::UTC.to_datetime(now);
        let next = self.0.find_next_occurrence(&now, false).ok();
        let next = next.and_then(|next| Offset::UTC.to_timestamp(next).ok());
        next.map(|next| Timestamp::from_micros(next.as_microsecond()))
            .ok_or_else(|| CronError::Never(self.to_string()))
    }
}

impl FromStr for Cron {
    type Err = CronError;
    fn from_str(pattern: &str) -> Result<Self, CronError> {
        CronParser::builder()
            .seconds(Seconds::Optional)
            .year(Year::Disallowed)
            .build()
            .parse(pattern)
            .map(Self)
            .map_err(|error| CronError::Syntax {
                pattern: cut(pattern, SHOWN_BYTES_MAX).to_owned(),
                reason: error.to_string().trim_end_matches('.').to_owned(),
            })
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn next(pattern: &str, now: &str) -> String {
        let cron: Cron = pattern.parse().unwrap();
        cron.next_after(now.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn the_next_time_is_strictly_later_and_in_utc() {
        for (pattern, now, expected) in [
            (
                "*/5 * * * *",
                "2026-03-01T12:04:59.999999Z",
                "2026-03-01T12:05:00Z",
            ),
            (
                "*/5 * * * *",
                "2026-03-01T12:05:00Z",
                "2026-03-01T12:10:00Z",
            ),
            (
                "*/5 * * * *",
                "2026-03-01T12:05:00.000001Z",
                "2026-03-01T12:10:00Z",
            ),
            (
                "*/20 * * * * *",
                "2026-03-01T12:05:20Z",
                "2026-03-01T12:05:40Z",
            ),
            (
                "0 9 * * MON-FRI",
                "2026-02-27T09:00:00Z",
                "2026-03-02T09:00:00Z",
            ),
            ("0 0 * * 7", "2026-02-27T00:00:00Z", "2026-03-01T00:00:00Z"),
            ("0 0 * * 0", "2026-02-27T00:00:00Z", "2026-03-01T00:00:00Z"),
            ("0 0 31 * *", "2026-03-31T00:00:00Z", "2026-05-31T00:00:00Z"),
            ("0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"),
            (
                "0 0 29 FEB *",
                "2096-03-01T00:00:00Z",
                "2104-02-29T00:00:00Z",
            ),
            (
                "0 0 13 * FRI",
                "2026-03-01T00:00:00Z",
                "2026-03-06T00:00:00Z",
            ),
            (
                "0 0 1 1 *",
                "2025-12-31T23:59:59.5Z",
                "2026-01-01T00:00:00Z",
            ),
            (
                "15,45 8-10/2 * * *",
                "2026-03-01T08:45:00Z",
                "2026-03-01T10:15:00Z",
            ),
            // Where clocks are put forward elsewhere: nothing is left out, nothing comes twice.
            ("30 2 * * *", "2026-03-28T03:00:00Z", "2026-03-29T02:30:00Z"),
            ("0 * * * *", "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"),
            (
                "0 0 * * *",
                "1969-12-31T23:59:59.5Z",
                "1970-01-01T00:00:00Z",
            ),
            ("@daily", "2026-03-01T12:00:00Z", "2026-03-02T00:00:00Z"),
        ] {
            assert_eq!(next(pattern, now), expected, "{pattern:?} after {now}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_told_with_the_mend() {
        let long = "*".repeat(10_000);
        for pattern in [
            "",
            "soon",
            "* * * *",
            "* * * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * 32 * *",
            "* * * 13 *",
            "* * * * 8",
            "*/0 * * * *",
            "5-1 * * * *",
            "-1 * * * *",
            "1.5 * * * *",
            "* * * * MOONDAY",
            "１ * * * *",
            "@sometimes",
            &long,
        ] {
            let error = pattern.parse::<Cron>().unwrap_err();
            assert!(error.to_string().contains("use for example"), "{error}");
            assert!(error.to_string().len() < 500, "{error}");
        }
        let never: Cron = "0 0 30 2 *".parse().unwrap();
        let error = never.next_after(Timestamp::from_micros(0)).unwrap_err();
        assert_eq!(error, CronError::Never("0 0 30 2 *".into()));
    }

    /// A field and the numbers that it stands for.
    fn field(low: u8, high: u8) -> impl Strategy<Value = (String, Vec<u8>)> {
        let all: Vec<u8> = (low..=high).collect();
        let every = all.clone();
        let step = (1..=high).prop_map(move |step| {
            let stepped = (low..=high).step_by(step.into()).collect();
            (format!("*/{step}"), stepped)
        });
        let range = (low..=high, low..=high).prop_map(|(a, b)| {
            let (from, to) = (a.min(b), a.max(b));
            (format!("{from}-{to}"), (from..=to).collect())
        });
        let list = prop::sample::subsequence(all, 1..4).prop_map(|numbers| {
            let text: Vec<String> = numbers.iter().map(u8::to_string).collect();
            (text.join(","), numbers)
        });
        prop_oneof![Just(("*".to_owned(), every)), step, range, list]
    }

    proptest! {
        /// Minute by minute, over a month at the most.
        #[test]
        fn the_next_time_is_the_first_that_every_field_fits(
            minute in field(0, 59),
            hour in field(0, 23),
            day in field(1, 31),
            month in field(1, 12),
            weekday in field(0, 6),
            now in 0_i64..4_000_000_000_000_000,
        ) {
            let fields = [&minute.0, &hour.0, &day.0, &month.0, &weekday.0].map(String::as_str);
            let cron: Cron = fields.join(" ").parse().unwrap();
            let now = Timestamp::from_micros(now);
            let either = day.0 != "*" && weekday.0 != "*";
            let fits = |at: Timestamp| {
                let at = jiff::Timestamp::from_microsecond(at.as_micros()).unwrap();
                let at = Offset::UTC.to_datetime(at);
                let has = |field: &(String, Vec<u8>), part: i8| field.1.contains(&(part as u8));
                let of_month = has(&day, at.day());
                let of_week = has(&weekday, at.weekday().to_sunday_zero_offset());
                let days = if either { of_month || of_week } else { of_month && of_week };
                days && has(&minute, at.minute()) && has(&hour, at.hour()) && has(&month, at.month())
            };
            let first = Timestamp::from_micros(now.as_micros() / 60_000_000 * 60_000_000);
            let expected = (1..=31 * 24 * 60)
                .map(|minutes| first.after(Duration::from_secs(minutes * 60)))
                .find(|at| fits(*at));
            match (cron.next_after(now), expected) {
                (Ok(next), Some(expected)) => prop_assert_eq!(next, expected),
                (Ok(next), None) => prop_assert!(fits(next) && next > first),
                (Err(_), expected) => prop_assert_eq!(expected, None),
            }
        }

        #[test]
        fn every_five_minutes_is_never_further_than_that(now in 0_i64..4_000_000_000_000_000) {
            let cron: Cron = "*/5 * * * *".parse().unwrap();
            let now = Timestamp::from_micros(now);
            let delay = cron.next_after(now).unwrap().since(now);
            prop_assert!(Duration::ZERO < delay && delay <= Duration::from_secs(300));
        }

        #[test]
        fn any_text_is_a_pattern_or_an_error(text in "[-*/,0-9A-Z?#L ]{0,16}|.{0,16}") {
            if let Ok(cron) = text.parse::<Cron>() {
                let now = Timestamp::from_micros(1_800_000_000_000_000);
                if let Ok(next) = cron.next_after(now) {
                    prop_assert!(next > now);
                }
            }
        }
    }
}

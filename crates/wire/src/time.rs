//! Points in time: microseconds since the Unix epoch, shown as RFC 3339.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// First and last point in time that RFC 3339 can show here, in microseconds. Others are brought to
/// them, so that every time comes back from its text.
const FIRST_MICROS: i64 = -377_705_023_201_000_000;
const LAST_MICROS: i64 = 253_402_207_200_000_000;

/// A point in time in UTC, with microseconds. From the years -9999 to 9999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the Unix epoch; at least the beginning, at most the end of time.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        if micros < FIRST_MICROS {
            Self(FIRST_MICROS)
        } else if micros > LAST_MICROS {
            Self(LAST_MICROS)
        } else {
            Self(micros)
        }
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// This time plus `duration`, at most the end of time.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_add(micros))
    }

    /// This time less `duration`, at least the beginning of time.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_sub(micros))
    }

    /// Time from `earlier` to this; zero if it is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never out of range: see `from_micros`.
        let time = jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::MAX);
        fmt::Display::fmt(&time, f)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = jiff::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<jiff::Timestamp>()
            .map(|time| Self::from_micros(time.as_microsecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_begins_and_ends_where_its_text_does() {
        for (inside, outside) in [
            (FIRST_MICROS, FIRST_MICROS - 1),
            (LAST_MICROS, LAST_MICROS + 1),
        ] {
            assert!(jiff::Timestamp::from_microsecond(inside).is_ok());
            assert!(jiff::Timestamp::from_microsecond(outside).is_err());
        }
        for end in [i64::MIN, FIRST_MICROS, LAST_MICROS, i64::MAX] {
            let end = Timestamp::from_micros(end).after(Duration::from_secs(u64::from(end > 0)));
            assert_eq!(end.to_string().parse::<Timestamp>().unwrap(), end);
        }
        let last = Timestamp::from_micros(0).after(Duration::MAX);
        assert_eq!(last.to_string(), "9999-12-30T22:00:00Z");
    }
}

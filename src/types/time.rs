use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A record's timestamp in the log: milliseconds since 1970-01-01T00:00Z, as Kafka keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The same instant; nothing outside the years 1 to 9999.
    #[must_use]
    pub fn to_utc(self) -> Option<UtcTime> {
        UtcTime::new(self.0.div_euclid(1000), (self.0.rem_euclid(1000) as u32) * 1_000_000)
    }

    /// The same instant; the first or last of the years 1 to 9999 where it lies outside.
    #[must_use]
    pub fn to_nearest_utc(self) -> UtcTime {
        let end = if self.0 < 0 { UtcTime::MIN } else { UtcTime::MAX };
        self.to_utc().unwrap_or(end)
    }
}

/// An instant in UTC with nanoseconds, in the years 1 to 9999: what RFC 3339 can say.
///
/// Instants are compared, never their text: `12:00:00Z` and `14:00:00.0+02:00` are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UtcTime {
    seconds: i64,
    nanos: u32,
}

impl UtcTime {
    pub const MIN: Self = Self { seconds: -62_135_596_800, nanos: 0 };
    pub const MAX: Self = Self { seconds: 253_402_300_799, nanos: 999_999_999 };

    /// Seconds since 1970-01-01T00:00Z and nanoseconds within the second; nothing outside the years 1 to
    /// 9999 or above 999,999,999 nanoseconds.
    #[must_use]
    pub fn new(seconds: i64, nanos: u32) -> Option<Self> {
        let in_range = (Self::MIN.seconds..=Self::MAX.seconds).contains(&seconds);
        (in_range && nanos < 1_000_000_000).then_some(Self { seconds, nanos })
    }

    /// Seconds since 1970-01-01T00:00Z.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds within the second.
    #[must_use]
    pub fn nanos(self) -> u32 {
        self.nanos
    }

    /// The log timestamp of this instant, cut to the millisecond.
    #[must_use]
    pub fn to_timestamp(self) -> Timestamp {
        Timestamp(self.seconds * 1000 + i64::from(self.nanos / 1_000_000))
    }
}

impl FromStr for UtcTime {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let invalid = || InvalidTime { text: text.chars().take(64).collect() };
        let parsed = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| invalid())?;
        Self::new(parsed.unix_timestamp(), parsed.nanosecond()).ok_or_else(invalid)
    }
}

impl fmt::Display for UtcTime {
    /// RFC 3339 in UTC, with as many digits of a second as it takes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = OffsetDateTime::from_unix_timestamp(self.seconds)
            .ok()
            .and_then(|t| t.replace_nanosecond(self.nanos).ok())
            .and_then(|t| t.format(&Rfc3339).ok())
            // `new` keeps every value within the years that the format can say.
            .unwrap_or_default();
        f.write_str(&text)
    }
}

impl TryFrom<String> for UtcTime {
    type Error = InvalidTime;

    fn try_from(text: String) -> Result<Self, InvalidTime> {
        text.parse()
    }
}

impl From<UtcTime> for String {
    fn from(time: UtcTime) -> Self {
        time.to_string()
    }
}

/// A text that is not an RFC 3339 time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an RFC 3339 time; write for example 2026-11-01T12:34:56Z")]
pub struct InvalidTime {
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_instants_are_equal_whatever_their_text() {
        let utc: UtcTime = "2026-11-01T12:00:00Z".parse().expect("a time");
        let zoned: UtcTime = "2026-11-01T14:00:00.000+02:00".parse().expect("a time");
        assert_eq!(utc, zoned);
        assert_eq!(zoned.to_string(), "2026-11-01T12:00:00Z");
    }

    #[test]
    fn shows_what_it_read() {
        for text in ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.5Z"] {
            assert_eq!(text.parse::<UtcTime>().expect(text).to_string(), text);
        }
        assert_eq!(Timestamp(-500).to_utc().expect("in range").to_string(), "1969-12-31T23:59:59.5Z");
        assert_eq!(
            "1969-12-31T23:59:59.5Z".parse::<UtcTime>().expect("a time").to_timestamp(),
            Timestamp(-500)
        );
        assert_eq!(Timestamp(i64::MAX).to_utc(), None);
        assert_eq!(Timestamp(i64::MAX).to_nearest_utc(), UtcTime::MAX);
        assert_eq!(Timestamp(i64::MIN).to_nearest_utc(), UtcTime::MIN);
        assert_eq!(UtcTime::MAX.to_string(), "9999-12-31T23:59:59.999999999Z");
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in [
            "",
            "2026-11-01",
            "2026-13-01T00:00:00Z",
            "2026-11-01T12:00:00",
            "yesterday",
            "2026-11-01T25:00:00Z",
        ] {
            assert!(text.parse::<UtcTime>().is_err(), "{text:?}");
        }
    }
}

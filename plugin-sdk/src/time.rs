//! Time from the host's clock. `SystemTime::now()` panics in a plugin; [`now`] is there instead.

use std::{
    error::Error,
    fmt,
    str::FromStr,
    time::{Duration, SystemTime},
};

use crate::host;

/// The host's time.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::from_millis(host::now_ms())
}

/// An instant, in milliseconds since 1970-01-01T00:00:00Z.
///
/// Prints as the plugin interface writes instants, RFC 3339 in UTC with milliseconds:
/// `2026-11-21T22:45:48.123Z`. Parses any RFC 3339 instant from 1970 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

/// The last instant RFC 3339 can write: 9999-12-31T23:59:59.999Z.
const MAX_MILLIS: u64 = 253_402_300_799_999;

impl Timestamp {
    /// The instant this many milliseconds after 1970-01-01T00:00:00Z; the last one of the year 9999 if it
    /// would lie beyond.
    #[must_use]
    pub fn from_millis(millis: u64) -> Self {
        Self(millis.min(MAX_MILLIS))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn millis(self) -> u64 {
        self.0
    }

    /// The time of day in UTC: "14:05".
    #[must_use]
    pub fn hour_and_minute(self) -> String {
        let minutes = self.0 / 60_000;
        format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, rest) = (self.0 / 86_400_000, self.0 % 86_400_000);
        let (year, month, day) = civil_from_days(days);
        let (seconds, millis) = (rest / 1000, rest % 1000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

impl From<Timestamp> for String {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.to_string()
    }
}

impl From<Timestamp> for SystemTime {
    fn from(timestamp: Timestamp) -> Self {
        Self::UNIX_EPOCH + Duration::from_millis(timestamp.0)
    }
}

/// The text is not an RFC 3339 instant from 1970 to 9999.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseTimestampError(());

impl fmt::Display for ParseTimestampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an RFC 3339 instant such as 2026-11-21T22:45:48.123Z")
    }
}

impl Error for ParseTimestampError {}

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or(ParseTimestampError(()))
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// `YYYY-MM-DDThh:mm:ss[.fraction](Z|±hh:mm)`; a leap second counts as the second before it.
fn parse(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    if bytes.len() < 20 || !text.is_ascii() || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    if !matches!(bytes[10], b'T' | b't' | b' ') || bytes[13] != b':' || bytes[16] != b':' {
        return None;
    }
    let (year, month, day) = (digits(&text[..4])?, digits(&text[5..7])?, digits(&text[8..10])?);
    let (hour, minute, second) = (digits(&text[11..13])?, digits(&text[14..16])?, digits(&text[17..19])?);
    if hour > 23 || minute > 59 || second > 60 || !(1..=12).contains(&month) {
        return None;
    }
    let days = days_from_civil(year, month, day)?;

    let rest = &text[19..];
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?),
        None => ("0", rest),
    };
    if fraction.is_empty() {
        return None;
    }
    let millis = digits(&format!("{:0<3}", &fraction[..fraction.len().min(3)]))?;

    let local = ((days * 24 + hour) * 60 + minute) * 60_000 + second.min(59) * 1000 + millis;
    let utc = match zone.as_bytes() {
        [b'Z' | b'z'] => local,
        [sign @ (b'+' | b'-'), .., b':', _, _] if zone.len() == 6 => {
            let (hours, minutes) = (digits(&zone[1..3])?, digits(&zone[4..6])?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let offset = (hours * 60 + minutes) * 60_000;
            if *sign == b'+' { local.checked_sub(offset)? } else { local + offset }
        }
        _ => return None,
    };
    (utc <= MAX_MILLIS).then_some(Timestamp(utc))
}

fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Days since 1970-01-01 to a date of the Gregorian calendar. The year is taken to begin in March, so that the
/// leap day is its last; 400 such years are 146,097 days (H. Hinnant, "chrono-compatible low-level date
/// algorithms").
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // from 0000-03-01
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The inverse of [`civil_from_days`]; `None` before 1970 and for days that no month has.
fn days_from_civil(year: u64, month: u64, day: u64) -> Option<u64> {
    let shifted_year = year.checked_sub(u64::from(month <= 2))?;
    let (era, year_of_era) = (shifted_year / 400, shifted_year % 400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day.checked_sub(1)?;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = (era * 146_097 + day_of_era).checked_sub(719_468)?;
    (civil_from_days(days) == (year, month, day)).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_rfc_3339_in_utc_with_milliseconds() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_301_148_123, "2026-11-21T22:45:48.123Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (u64::MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            let timestamp = Timestamp::from_millis(millis);
            assert_eq!(timestamp.to_string(), text);
            assert_eq!(text.parse(), Ok(timestamp));
        }
    }

    #[test]
    fn every_day_of_four_centuries_round_trips() {
        for days in 0..146_097 {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), Some(days));
        }
    }

    #[test]
    fn parses_fractions_offsets_and_leap_seconds() {
        let parse = |text: &str| text.parse::<Timestamp>().unwrap().to_string();
        assert_eq!(parse("2026-11-21T22:45:48Z"), "2026-11-21T22:45:48.000Z");
        assert_eq!(parse("2026-11-21t22:45:48.5z"), "2026-11-21T22:45:48.500Z");
        assert_eq!(parse("2026-11-21T22:45:48.123456789Z"), "2026-11-21T22:45:48.123Z");
        assert_eq!(parse("2026-11-22T00:15:48.1+01:30"), "2026-11-21T22:45:48.100Z");
        assert_eq!(parse("2026-11-21T17:45:48-05:00"), "2026-11-21T22:45:48.000Z");
        assert_eq!(parse("2016-12-31T23:59:60Z"), "2016-12-31T23:59:59.000Z");
    }

    #[test]
    fn refuses_what_is_no_instant() {
        for text in [
            "",
            "2026-11-21",
            "2026-11-21T22:45:48",
            "2026-11-21T22:45:48.Z",
            "2026-11-21T22:45:48.5",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+00:01",
            "2026-11-21T22:45:48+1:00",
            "2026-11-21T22:45:48+24:00",
            "2026-11-21T22:45:48ZZ",
            "+026-11-21T22:45:48Z",
            "2026-11-21T22:45:4äZ",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn tells_the_time_of_day() {
        assert_eq!("2026-11-21T04:05:59.999Z".parse::<Timestamp>().unwrap().hour_and_minute(), "04:05");
    }
}

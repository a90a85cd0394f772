//! The time that a report is about.

use std::time::Duration;

use crate::{invalid::Invalid, time::Timestamp};

/// The longest period of a report: a year that has a 29 February.
pub const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// How far back a report goes that is not told.
const USUAL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

const DAY: i64 = 24 * 60 * 60 * 1000;

/// From one instant to another, which is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    from: Timestamp,
    to: Timestamp,
}

impl Period {
    /// `from` and `to` are instants (RFC 3339), of which `to` is not in it; or dates of UTC, of which `to` is. Without `to`
    /// it ends now, without `from` it begins thirty days before its end.
    pub fn parse(from: Option<&str>, to: Option<&str>, now: Timestamp) -> Result<Self, Invalid> {
        let mut invalid = Invalid::default();
        let mut read = |field, text: Option<&str>, days| {
            let found = text.map(|text| instant(text, days));
            if found == Some(None) {
                let message = "This is a date like 2026-11-01, or an instant like 2026-11-01T12:00:00Z.";
                invalid.add(field, "malformed", message);
            }
            found.flatten()
        };
        let (first, last) = (read("from", from, 0), read("to", to, 1));
        invalid.ok()?;
        let to = last.unwrap_or(now);
        let from = first.unwrap_or_else(|| to.minus(USUAL));
        if from >= to {
            let message = "It begins before it ends, which without `to` is now.";
            return Err(Invalid::one("from", "malformed", message));
        }
        if to.since(from) > LONGEST {
            let message = "A report is about 366 days at the most.";
            return Err(Invalid::one("from", "malformed", message));
        }
        Ok(Self { from, to })
    }

    pub fn from(self) -> Timestamp {
        self.from
    }

    pub fn to(self) -> Timestamp {
        self.to
    }

    /// The days of UTC that it touches, by their number since the Unix epoch.
    pub(super) fn days(self) -> impl Iterator<Item = i64> {
        self.from.as_millis().div_euclid(DAY)..=(self.to.as_millis() - 1).div_euclid(DAY)
    }
}

/// The date of a day since the Unix epoch.
pub(super) fn date(day: i64) -> String {
    let mut text = Timestamp::from_millis(day * DAY).to_string();
    text.truncate(text.find('T').unwrap_or(text.len()));
    text
}

/// An instant, or the beginning of the day that comes so many days after a date.
fn instant(text: &str, days: i64) -> Option<Timestamp> {
    let at = match *text.as_bytes() {
        [_, _, _, _, b'-', _, _, b'-', _, _] => {
            let midnight = format!("{text}T00:00:00Z").parse::<Timestamp>().ok()?;
            Timestamp::from_millis(midnight.as_millis() + days * DAY)
        }
        _ => text.parse().ok()?,
    };
    // Nothing is older, and ids that begin with the instant reach no further than what RFC 3339 can write.
    let known = 0..jiff::Timestamp::MAX.as_millisecond();
    known.contains(&at.as_millis()).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-22T14:30:00Z".parse().unwrap()
    }

    fn period(from: &str, to: &str) -> String {
        let given = |text: &'static str| Some(text).filter(|text| !text.is_empty());
        let leak = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
        match Period::parse(given(leak(from)), given(leak(to)), now()) {
            Ok(period) => format!("{} {}", period.from, period.to),
            Err(invalid) => invalid.0.iter().map(|one| one.field.as_str()).collect::<Vec<_>>().join(" "),
        }
    }

    #[test]
    fn dates_are_whole_days_and_instants_are_what_they_say() {
        assert_eq!(period("", ""), "2026-10-23T14:30:00.000Z 2026-11-22T14:30:00.000Z");
        assert_eq!(period("2026-11-01", ""), "2026-11-01T00:00:00.000Z 2026-11-22T14:30:00.000Z");
        assert_eq!(period("", "2026-11-01"), "2026-10-03T00:00:00.000Z 2026-11-02T00:00:00.000Z");
        assert_eq!(period("2026-11-01", "2026-11-01"), "2026-11-01T00:00:00.000Z 2026-11-02T00:00:00.000Z");
        let berlin = period("2026-11-01T00:00:00+01:00", "2026-11-01T12:00:00.5Z");
        assert_eq!(berlin, "2026-10-31T23:00:00.000Z 2026-11-01T12:00:00.500Z");
        assert_eq!(period("2024-01-01", "2024-12-31"), "2024-01-01T00:00:00.000Z 2025-01-01T00:00:00.000Z");
    }

    #[test]
    fn what_is_no_period_is_refused() {
        assert_eq!(period("2025-01-01", "2026-01-02"), "from");
        assert_eq!(period("2026-11-02", "2026-11-01"), "from");
        assert_eq!(period("2026-11-23", ""), "from");
        assert_eq!(period("2026-11-01T00:00:00Z", "2026-11-01T00:00:00Z"), "from");
        assert_eq!(period("yesterday", "2026-02-30"), "from to");
        for wrong in ["2026-11-01T00:00:00", "2026-13-01", "20261101", "1969-12-30", "9999-12-31", " ", "-"] {
            assert_eq!(period("", wrong), "to", "{wrong}");
        }
    }

    #[test]
    fn a_period_touches_days() {
        let days = |from, to| {
            let period = Period::parse(Some(from), Some(to), now()).unwrap();
            period.days().map(date).collect::<Vec<_>>()
        };
        assert_eq!(days("2026-02-28", "2026-03-01"), ["2026-02-28", "2026-03-01"]);
        assert_eq!(days("2026-11-01T23:59:59.999Z", "2026-11-02T00:00:00Z"), ["2026-11-01"]);
        assert_eq!(days("2026-11-01T12:00:00Z", "2026-11-02T00:00:00.001Z"), ["2026-11-01", "2026-11-02"]);
    }
}

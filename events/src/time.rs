use crate::rfc3339::civil;

/// Milliseconds in a day.
pub const DAY_MS: i64 = 86_400_000;

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant so many milliseconds after the start of 1970 (UTC).
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the start of 1970 (UTC).
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// The start of the day that it falls on.
    pub const fn date(self) -> ObservationDate {
        ObservationDate((self.0.div_euclid(DAY_MS)) as i32)
    }
}

/// The instant at which a tenant is looked at: 00:00 UTC of a day.
///
/// Features end here; nothing that occurs or is received at or after it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObservationDate(i32);

impl ObservationDate {
    /// The date so many days after 1970-01-01.
    pub const fn from_days(days: i32) -> Self {
        Self(days)
    }

    /// Days since 1970-01-01.
    pub const fn days(self) -> i32 {
        self.0
    }

    /// The instant.
    pub const fn start(self) -> Timestamp {
        Timestamp(self.0 as i64 * DAY_MS)
    }

    /// The calendar year and the month, from 1, that it lies in.
    pub fn year_month(self) -> (i32, u32) {
        let (year, month, _) = civil(self.0.into());
        (year as i32, month)
    }

    /// The date so many days later, or earlier when negative.
    pub const fn plus_days(self, days: i32) -> Self {
        Self(self.0 + days)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_fall_into_their_months() {
        for (days, month) in [
            (-1, (1969, 12)),
            (0, (1970, 1)),
            (59, (1970, 3)),
            (19_723, (2024, 1)),
            (19_782, (2024, 2)),
            (19_783, (2024, 3)),
        ] {
            assert_eq!(ObservationDate::from_days(days).year_month(), month, "day {days}");
        }
        for days in [i32::MIN, i32::MAX] {
            assert!((1..=12).contains(&ObservationDate::from_days(days).year_month().1));
        }
    }
}

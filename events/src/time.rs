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

    /// The date so many days later, or earlier when negative.
    pub const fn plus_days(self, days: i32) -> Self {
        Self(self.0 + days)
    }
}

use std::fmt;

/// What is kept of a tenant's events; features need parts of it.
///
/// A state that keeps little is smaller, and takes in events faster. When a tenant was created, and that an event was there
/// already, is always known.
///
/// # Example
/// ```
/// use churn_features::{Feature, FeatureReader, FeatureSchema, Kept, StateOptions};
///
/// let schema = FeatureSchema::new(vec![Feature::numeric("logins_7"), Feature::numeric("idle_login_share_28")])?;
/// let reader = FeatureReader::new(&schema)?;
/// assert_eq!(reader.needs(), Kept::LOGINS.union(Kept::JOBS));
/// let options = StateOptions { kept: reader.needs(), ..StateOptions::default() };
/// # Ok::<(), churn_features::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kept(u8);

const WORDS: [&str; 8] = ["attributes", "charges", "logins", "jobs", "job runs", "sessions", "seats", "users"];

impl Kept {
    /// Nothing but when the tenant was created.
    pub const NOTHING: Self = Self(0);
    /// Attributes of the tenant: industry, revenue, employees, sentiment.
    pub const TENANT: Self = Self(1);
    /// Charges and bills.
    pub const CHARGE: Self = Self(1 << 1);
    /// Logins by day.
    pub const LOGINS: Self = Self(1 << 2);
    /// Jobs submitted by day, and their data.
    pub const JOBS: Self = Self(1 << 3);
    /// How jobs ran: servers, run times, how they ended.
    pub const RUNS: Self = Self(1 << 4);
    /// Sessions and their ends.
    pub const SESSIONS: Self = Self(1 << 5);
    /// Seats given to users and taken back.
    pub const SEATS: Self = Self(1 << 6);
    /// The days on which each user did something.
    pub const USERS: Self = Self(1 << 7);
    /// What [`TenantState::counts_at`](crate::TenantState::counts_at) reads.
    pub const WINDOW_COUNTS: Self = Self::LOGINS.union(Self::JOBS).union(Self::USERS);
    /// Everything.
    pub const ALL: Self = Self(u8::MAX);

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    #[must_use]
    pub(crate) const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether all of the other is in this.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of the other is in this.
    pub(crate) const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The parts as the bits of a byte, by which stored states tell them.
    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    /// What those bits stand for.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
}

impl Default for Kept {
    fn default() -> Self {
        Self::ALL
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = WORDS.iter().enumerate().filter(|(bit, _)| self.0 & 1 << bit != 0).map(|(_, word)| *word);
        let parts: Vec<_> = parts.collect();
        f.write_str(&if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") })
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kept({self})")
    }
}

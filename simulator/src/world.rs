use churn_events::ObservationDate;

use crate::Error;
use crate::history::TenantHistory;
use crate::oracle::Truth;
use crate::scenario::{Parameters, Scenario};

/// The most tenants, and the most days, that a world may have.
const MAX_TENANTS: u32 = 10_000_000;
const MAX_DAYS: u32 = 3660;
/// The first and the last day on which a log may begin: 1980 and 2090, so that no event leaves what a log may hold.
const START_DAYS: (i32, i32) = (3652, 43_829);

/// What world to simulate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorldOptions {
    /// How many tenants there ever are.
    pub tenants: u32,
    /// How many days the log covers.
    pub days: u32,
    /// The seed; the same options give the same events.
    pub seed: u64,
    /// The first day of the log.
    pub start: ObservationDate,
    /// Which kind of world.
    pub scenario: Scenario,
}

impl Default for WorldOptions {
    fn default() -> Self {
        // 2024-01-01.
        Self {
            tenants: 2000,
            days: 730,
            seed: 0,
            start: ObservationDate::from_days(19_723),
            scenario: Scenario::Steady,
        }
    }
}

/// What every tenant of a world shares.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) seed: u64,
    pub(crate) start_day: i32,
    pub(crate) days: u32,
    pub(crate) parameters: Parameters,
}

impl Setting {
    pub(crate) fn end_day(&self) -> i32 {
        self.start_day + self.days as i32
    }

    /// Years since the log began; 0 before.
    pub(crate) fn years(&self, day: i32) -> f64 {
        f64::from((day - self.start_day).max(0)) / 365.0
    }
}

/// A world of tenants that do not exist.
///
/// Nothing is kept of a tenant: each is simulated when it is asked for, from the seed and its number alone.
#[derive(Debug, Clone)]
pub struct World {
    pub(crate) setting: Setting,
    n_tenants: u32,
}

impl World {
    /// The world of these options.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] or [`Error::StartOutOfRange`] when an option is outside its bounds.
    pub fn new(options: &WorldOptions) -> Result<Self, Error> {
        let check = |option, found: i64, least: i64, most: i64| match (least..=most).contains(&found) {
            true => Ok(()),
            false => Err(Error::OutOfRange { option, found, least, most }),
        };
        check("the number of tenants", options.tenants.into(), 1, MAX_TENANTS.into())?;
        check("the number of days", options.days.into(), 1, MAX_DAYS.into())?;
        let (first, last) = (ObservationDate::from_days(START_DAYS.0), ObservationDate::from_days(START_DAYS.1));
        if !(first..=last).contains(&options.start) {
            return Err(Error::StartOutOfRange { found: options.start, first, last });
        }
        let setting = Setting {
            seed: options.seed,
            start_day: options.start.days(),
            days: options.days,
            parameters: Parameters::of(options.scenario),
        };
        Ok(Self { setting, n_tenants: options.tenants })
    }

    /// How many tenants there ever are.
    pub fn n_tenants(&self) -> u32 {
        self.n_tenants
    }

    /// The first day of the log.
    pub fn start(&self) -> ObservationDate {
        ObservationDate::from_days(self.setting.start_day)
    }

    /// The day after the last one of the log.
    pub fn end(&self) -> ObservationDate {
        ObservationDate::from_days(self.setting.end_day())
    }

    /// What one tenant did; it depends on no other tenant.
    ///
    /// # Panics
    /// When there is no tenant of that index.
    pub fn tenant(&self, index: u32) -> TenantHistory {
        assert!(index < self.n_tenants, "tenant {index} of {}", self.n_tenants);
        TenantHistory::simulate(&self.setting, index)
    }

    /// The hidden truth about one tenant, for grading only.
    ///
    /// # Panics
    /// When there is no tenant of that index.
    pub fn truth(&self, index: u32) -> Truth {
        assert!(index < self.n_tenants, "tenant {index} of {}", self.n_tenants);
        Truth::of(&self.setting, index)
    }
}

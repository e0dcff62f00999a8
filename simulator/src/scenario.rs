use std::fmt;
use std::str::FromStr;

use crate::Error;

/// A named world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Scenario {
    /// A platform in its middle years: most tenants there from the start, growth, mild seasons.
    #[default]
    Steady,
    /// Strong yearly seasons, and every third tenant goes quiet for weeks every year and comes back.
    Seasonal,
    /// A young platform: nearly all tenants arrive during the log, and many never get going.
    Onboarding,
    /// What drives churn changes over the log: prices rise more often, the base rate grows, usage per seat falls.
    Drifting,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Steady, Self::Seasonal, Self::Onboarding, Self::Drifting];

    /// The word that names it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Seasonal => "seasonal",
            Self::Onboarding => "onboarding",
            Self::Drifting => "drifting",
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Scenario {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|scenario| scenario.word() == word)
            .ok_or_else(|| Error::UnknownScenario { found: word.to_owned() })
    }
}

/// The constants that make one world differ from another; the rest stand beside their use.
#[derive(Debug, Clone)]
pub(crate) struct Parameters {
    /// Share of tenants that subscribed before the log begins.
    pub(crate) there_at_start: f64,
    /// Share of tenants that never log in.
    pub(crate) never_active: f64,
    /// Share of tenants with a quiet time of weeks every year.
    pub(crate) seasonal_tenants: f64,
    /// How far usage swings over the year, on the log scale.
    pub(crate) season_swing: f64,
    /// Median weeks until a tenant's first job.
    pub(crate) weeks_to_value: f64,
    /// Price increases per tenant and year.
    pub(crate) price_increases_per_year: f64,
    /// By how much the log hazard grows per year of the log.
    pub(crate) hazard_drift: f64,
    /// By how much the log of usage per seat grows per year of the log.
    pub(crate) usage_drift: f64,
    /// By how many times price increases grow more frequent per year of the log.
    pub(crate) price_drift: f64,
}

impl Parameters {
    pub(crate) fn of(scenario: Scenario) -> Self {
        let steady = Self {
            there_at_start: 0.55,
            never_active: 0.02,
            seasonal_tenants: 0.05,
            season_swing: 0.10,
            weeks_to_value: 1.5,
            price_increases_per_year: 0.6,
            hazard_drift: 0.0,
            usage_drift: 0.0,
            price_drift: 1.0,
        };
        match scenario {
            Scenario::Steady => steady,
            Scenario::Seasonal => Self { seasonal_tenants: 0.35, season_swing: 0.35, ..steady },
            Scenario::Onboarding => Self { there_at_start: 0.1, never_active: 0.06, weeks_to_value: 4.0, ..steady },
            Scenario::Drifting => Self { hazard_drift: 0.35, usage_drift: -0.25, price_drift: 2.0, ..steady },
        }
    }
}

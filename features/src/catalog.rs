use std::fmt::Write as _;
use std::sync::LazyLock;

use crate::kept::Kept;
use crate::observed::Observed;
use crate::{Error, Feature, FeatureSchema, charge, data_size, job, login, seat, session, tenant, usage, user};

/// What a feature is about; importance is added up by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// What is known about the tenant itself.
    Tenant,
    /// What it pays.
    Charge,
    /// Jobs submitted and how they ended.
    Job,
    /// How much data its jobs process.
    DataSize,
    /// Logins.
    Login,
    /// How sessions end.
    Session,
    /// Seats given to users and taken back.
    Seat,
    /// How many users do something, and how evenly.
    User,
    /// How regular all activity is.
    Usage,
}

impl Family {
    /// Every family, in the order of the catalogue page.
    pub const ALL: [Self; 9] = [
        Self::Tenant,
        Self::Charge,
        Self::Job,
        Self::DataSize,
        Self::Login,
        Self::Session,
        Self::Seat,
        Self::User,
        Self::Usage,
    ];

    /// The word for this family in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Charge => "charge",
            Self::Job => "job",
            Self::DataSize => "data size",
            Self::Login => "login",
            Self::Session => "session",
            Self::Seat => "seat",
            Self::User => "user",
            Self::Usage => "usage",
        }
    }
}

/// A feature as its family file defines it.
pub(crate) struct Definition {
    pub(crate) number: u8,
    pub(crate) name: &'static str,
    pub(crate) definition: &'static str,
    pub(crate) unit: Option<&'static str>,
    pub(crate) lookback_days: Option<u32>,
    pub(crate) missing_when: &'static str,
    pub(crate) family: Family,
    /// What a state must keep for it.
    pub(crate) needs: Kept,
    pub(crate) read: fn(&Observed) -> f64,
}

/// One feature of the catalogue.
#[derive(Debug, Clone, PartialEq)]
pub struct CatalogueFeature {
    /// Its number in the catalogue, from 1.
    pub number: u8,
    /// Name, kind, unit, lookback and missing rule. The category `industry` has no levels here; a schema gives them.
    pub feature: Feature,
    /// What it measures, in one line.
    pub definition: &'static str,
    /// What it is about.
    pub family: Family,
    /// What a state must keep for it to be read.
    pub needs: Kept,
}

/// The one list of features. A feature's number is its position here, from 1.
pub(crate) static DEFINITIONS: [&Definition; 48] = [
    &tenant::INDUSTRY,
    &tenant::REVENUE,
    &tenant::EMPLOYEES,
    &tenant::SENTIMENT,
    &charge::MONTHLY_CHARGE,
    &charge::TOTAL_CHARGE,
    &charge::CHARGE_CHANGE_90,
    &charge::CHARGE_PER_JOB,
    &tenant::TENURE_DAYS,
    &job::JOB30,
    &job::JOB90,
    &job::JOBS_7,
    &job::JOB_TREND_30_90,
    &job::JOBS_PER_ACTIVE_USER_28,
    &job::DAYS_SINCE_JOB,
    &job::JOB_RECENCY_RATIO,
    &job::CANCEL_RATE_28,
    &job::FAIL_RATE_28,
    &job::UNFINISHED_RATE_28,
    &job::JOB_HOURS_P50,
    &job::SERVERS_PER_JOB_28,
    &data_size::DATA_GB_28,
    &data_size::DATA_TREND_28_90,
    &data_size::DATA_GB_PER_JOB_28,
    &login::LOGINS_1,
    &login::LOGINS_7,
    &login::LOGINS_28,
    &login::LOGIN_TREND_7_28,
    &login::LOGIN_TREND_28_90,
    &login::DAYS_SINCE_LOGIN,
    &usage::ACTIVE_DAYS_28,
    &usage::LONGEST_GAP_90,
    &login::IDLE_LOGIN_SHARE_28,
    &session::SESSION_MINUTES_28,
    &session::TIMEOUT_SHARE_28,
    &seat::SEATS,
    &seat::SEATS_ADDED_28,
    &seat::SEATS_DELETED_28,
    &seat::SEATS_CHANGE_90,
    &seat::SEAT_PENETRATION,
    &user::ACTIVE_USERS_7,
    &user::ACTIVE_USERS_28,
    &seat::SEAT_UTILISATION_28,
    &user::STICKINESS_28,
    &user::ACTIVE_USERS_CHANGE_28,
    &user::TOP_USER_SHARE_28,
    &usage::USAGE_SLOPE_12W,
    &usage::USAGE_Z_7,
];

/// Every feature that can be read out of a [`TenantState`](crate::TenantState), in order.
///
/// # Example
/// ```
/// let job30 = &churn_features::catalogue()[9];
/// assert_eq!((job30.number, job30.feature.name()), (10, "job30"));
/// ```
pub fn catalogue() -> &'static [CatalogueFeature] {
    static CATALOGUE: LazyLock<Vec<CatalogueFeature>> =
        LazyLock::new(|| DEFINITIONS.iter().map(|definition| definition.entry()).collect());
    &CATALOGUE
}

impl Definition {
    fn entry(&self) -> CatalogueFeature {
        let mut feature = if self.name == tenant::INDUSTRY.name {
            Feature::category(self.name, Vec::new())
        } else {
            Feature::numeric(self.name)
        };
        feature = feature.with_missing_when(self.missing_when);
        if let Some(unit) = self.unit {
            feature = feature.with_unit(unit);
        }
        if let Some(days) = self.lookback_days {
            feature = feature.with_lookback_days(days);
        }
        CatalogueFeature {
            number: self.number,
            feature,
            definition: self.definition,
            family: self.family,
            needs: self.needs,
        }
    }
}

/// The schema of the whole catalogue, with these levels for the category `industry`.
///
/// # Errors
/// When a level is given twice or there are more than [`MAX_LEVELS`](crate::MAX_LEVELS).
pub fn catalogue_schema(industries: &[String]) -> Result<FeatureSchema, Error> {
    FeatureSchema::new(catalogue().iter().map(|entry| with_levels(&entry.feature, industries)).collect())
}

fn with_levels(feature: &Feature, industries: &[String]) -> Feature {
    if !feature.is_category() {
        return feature.clone();
    }
    let mut category = Feature::category(feature.name().to_owned(), industries.to_vec());
    if let Some(rule) = feature.missing_when() {
        category = category.with_missing_when(rule.to_owned());
    }
    category
}

/// The columns of the original system's company table, each with the feature that it holds.
pub const ORIGINAL_COLUMNS: [(&str, &str); 7] = [
    ("Revenue", "revenue"),
    ("Employees", "employees"),
    ("#job30", "job30"),
    ("#job90", "job90"),
    ("MonthlyCharge", "monthly_charge"),
    ("TotalCharge", "total_charge"),
    ("Industry", "industry"),
];

/// The catalogue as the page `docs/features.md`.
pub fn catalogue_page() -> String {
    let mut page = String::from(PAGE_HEAD);
    for entry in catalogue() {
        let feature = &entry.feature;
        let unit = feature.unit().unwrap_or(feature.kind().word());
        let lookback = feature.lookback_days().map_or_else(|| "-".to_owned(), |days| format!("{days} d"));
        let missing = feature.missing_when().unwrap_or("never");
        let CatalogueFeature { number, definition, family, .. } = entry;
        let (name, family) = (feature.name(), family.word());
        writeln!(page, "| {number} | `{name}` | {family} | {definition} | {unit} | {lookback} | {missing} |")
            .expect("this cannot fail because a string takes all text");
    }
    page.push_str(PAGE_FOOT);
    page
}

const PAGE_HEAD: &str = "\
# Features

What a model may know about a tenant on an observation date `t` (00:00 UTC). Generated from the code:
`cargo run -p churn-features --example write_feature_docs`. How a tenant's state is stored is on
[its own page](state-format.md).

## Rules

- A window of `w` days is the `w` whole UTC days before `t`; an event belongs to the day that it occurred on, and counts
  when it was received before `t`. L is a login, J a job submitted (a job submitted twice is one job, at its first time),
  `U(w)` the distinct users with an L or J, `D(w)` the bytes of the jobs.
- A day count such as tenure or the days since something is `t` minus the day of that something, so yesterday is 1.
- Tenure counts from the first `tenant.created` since the last `tenant.cancelled`, or from the first event where there is
  no `tenant.created`. A tenant that cancelled and did not come back keeps the tenure of its last life.
- A count with nothing to count is 0. The last column says when a feature is missing. Trends are capped at 10.
- Late: received more than the allowed lateness (3 days) after it occurred; counted and dropped. `tenant.created`,
  `tenant.updated` and `tenant.cancelled` are never late.
- Early: an event that occurred up to 5 minutes after it was received occurred when it was received; one further ahead is
  held back until its time comes.
- A duplicate (same `source` and `id` within the lateness) changes nothing.
- A session ends with logoff, timeout, the same user's next login, or 12 h after it began. Only logoff and timeout
  close it.
- A week slot is a week of the epoch (days `7k` to `7k + 6` since 1970-01-01); the 4 week slots are the one that holds the
  day before `t` and the three before it.

## Catalogue

| # | name | family | definition | unit | lookback | missing when |
|---|---|---|---|---|---|---|
";

const PAGE_FOOT: &str = "
The company table of the original system holds seven of these under its own column names: `Revenue`, `Employees`,
`#job30`, `#job90`, `MonthlyCharge`, `TotalCharge` and `Industry`.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_positions_and_names_differ() {
        for (position, entry) in catalogue().iter().enumerate() {
            assert_eq!(usize::from(entry.number), position + 1, "{}", entry.feature.name());
        }
        let schema = catalogue_schema(&["energy".into()]).expect("names differ");
        assert_eq!(schema.len(), 48);
        assert_eq!(schema.features()[0].levels(), ["energy"]);
    }

    #[test]
    fn original_columns_name_features_of_the_catalogue() {
        for (column, name) in ORIGINAL_COLUMNS {
            assert!(catalogue().iter().any(|entry| entry.feature.name() == name), "{column}");
        }
    }
}

use churn_events::{ObservationDate, Timestamp};
use churn_features::{Kept, MAX_LOOKBACK_DAYS, StateOptions};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{AssemblyError, LabelRule};

/// Longest gap and label horizon together: a hundred years, which no log outlasts.
const MAX_SPAN_DAYS: u32 = 36_525;

/// When tenants are looked at, how far back, and how far ahead churn is looked for.
///
/// # Units
/// Whole days. Observation dates lie on days since 1970-01-01 that are divisible by 7, so that weeks are whole.
/// As JSON it is one flat object with the fields of `state` among its own (but `kept`), and dates as text.
/// # Example
/// ```
/// use churn_training_data::ObservationPlan;
///
/// let plan = ObservationPlan { horizon_days: 90, ..ObservationPlan::default() };
/// assert_eq!(plan.label_description(), "cancelled within [14 d, 104 d) after the observation date");
/// assert_eq!(plan.embargo_days(), 104);
/// plan.check()?;
/// # Ok::<(), churn_training_data::AssemblyError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObservationPlan {
    /// Days from one observation date to the next; whole weeks.
    pub every_days: u32,
    /// How far back a feature may look; features that look further are left out.
    pub lookback_days: u32,
    /// Days left after the observation date so that somebody can act.
    pub gap_days: u32,
    /// Length of the label horizon, which begins where the gap ends.
    pub horizon_days: u32,
    /// Tenants younger than this are counted and not observed.
    pub min_tenure_days: u32,
    /// What counts as churn.
    pub rule: LabelRule,
    /// No observation before this date; when `None`, before the log covers one lookback.
    #[serde(serialize_with = "write_date", deserialize_with = "read_date")]
    pub first: Option<ObservationDate>,
    /// No observation after this date.
    #[serde(serialize_with = "write_date", deserialize_with = "read_date")]
    pub last: Option<ObservationDate>,
    /// Age at which an observation counts half as much as the youngest labelled one; all count the same when `None`.
    pub age_half_life_days: Option<u32>,
    /// How events become tenant states.
    #[serde(flatten, with = "State")]
    pub state: StateOptions,
}

/// The state options as they are written. Whatever a state keeps, the features of the schema are the same.
#[derive(Serialize, Deserialize)]
#[serde(remote = "StateOptions")]
struct State {
    allowed_lateness_ms: i64,
    max_skew_ms: i64,
    settle_ms: i64,
    max_users: usize,
    max_jobs_in_flight: usize,
    max_held_back: usize,
    #[serde(skip, default = "all")]
    kept: Kept,
}

fn all() -> Kept {
    Kept::ALL
}

fn write_date<S: Serializer>(date: &Option<ObservationDate>, serializer: S) -> Result<S::Ok, S::Error> {
    date.map(|date| date.to_string()).serialize(serializer)
}

fn read_date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ObservationDate>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
}

impl Default for ObservationPlan {
    fn default() -> Self {
        Self {
            every_days: 28,
            lookback_days: MAX_LOOKBACK_DAYS,
            gap_days: 14,
            horizon_days: 60,
            min_tenure_days: 28,
            rule: LabelRule::Cancelled,
            first: None,
            last: None,
            age_half_life_days: None,
            state: StateOptions::default(),
        }
    }
}

impl ObservationPlan {
    /// Whether observations can be assembled by this plan.
    ///
    /// # Errors
    /// Says which number is none that a plan can have, and what it may be.
    pub fn check(&self) -> Result<(), AssemblyError> {
        if self.every_days == 0 || !self.every_days.is_multiple_of(7) || self.every_days > MAX_SPAN_DAYS {
            return Err(AssemblyError::Every { found: self.every_days });
        }
        if self.lookback_days == 0 || self.lookback_days > MAX_LOOKBACK_DAYS {
            return Err(AssemblyError::Lookback { found: self.lookback_days, most: MAX_LOOKBACK_DAYS });
        }
        if self.horizon_days == 0 {
            return Err(AssemblyError::NoHorizon);
        }
        match self.gap_days.checked_add(self.horizon_days) {
            Some(days) if days <= MAX_SPAN_DAYS => {}
            _ => {
                let (gap, horizon) = (self.gap_days, self.horizon_days);
                return Err(AssemblyError::LongHorizon { gap, horizon, most: MAX_SPAN_DAYS });
            }
        }
        if self.min_tenure_days > MAX_SPAN_DAYS {
            return Err(AssemblyError::Tenure { found: self.min_tenure_days, most: MAX_SPAN_DAYS });
        }
        if self.age_half_life_days == Some(0) {
            return Err(AssemblyError::HalfLife);
        }
        match (self.first, self.last) {
            (Some(first), Some(last)) if first > last => Err(AssemblyError::FirstAfterLast { first, last }),
            _ => Ok(()),
        }
    }

    /// Days from an observation date to the end of its label horizon, which is also how far the observation dates of two
    /// parts of a split have to lie apart.
    pub fn embargo_days(&self) -> u32 {
        self.gap_days.saturating_add(self.horizon_days)
    }

    /// The label horizon of an observation date, from its first instant to the first one after it.
    pub fn label_horizon(&self, date: ObservationDate) -> (Timestamp, Timestamp) {
        (later(date, self.gap_days).start(), later(date, self.embargo_days()).start())
    }

    /// What the label says, such as "cancelled within \[14 d, 74 d) after the observation date".
    pub fn label_description(&self) -> String {
        let what = match self.rule {
            LabelRule::Cancelled => "cancelled",
            LabelRule::Usage => "no job",
        };
        format!("{what} within [{} d, {} d) after the observation date", self.gap_days, self.embargo_days())
    }

    /// Days that a log has to cover for one labelled observation date.
    pub(crate) fn shortest_log_days(&self) -> u32 {
        self.lookback_days.saturating_add(self.embargo_days())
    }

    /// The earliest observation date of the grid that is not before `date`.
    pub(crate) fn grid_from(&self, date: ObservationDate) -> ObservationDate {
        let every = i64::from(self.every_days);
        // Without a first date the grid hangs on 1970-01-01, so that it does not depend on what the log holds.
        let anchor = self.first.map_or(0, |first| (i64::from(first.days()) + 6).div_euclid(7) * 7);
        let day = i64::from(self.first.map_or(date, |first| first.max(date)).days());
        let steps = (day - anchor + every - 1).div_euclid(every);
        let aligned = (anchor + steps * every).min(i64::from(i32::MAX / 2));
        ObservationDate::from_days(aligned as i32)
    }

    /// The observation date after one on the grid.
    pub(crate) fn next_on_grid(&self, date: ObservationDate) -> ObservationDate {
        later(date, self.every_days)
    }

    /// Whether no observation may be made after the plan's last date.
    pub(crate) fn is_past_last(&self, date: ObservationDate) -> bool {
        self.last.is_some_and(|last| date > last)
    }
}

/// The date so many days later. Dates and spans of a checked plan stay far from the ends of the number.
pub(crate) fn later(date: ObservationDate, days: u32) -> ObservationDate {
    ObservationDate::from_days(date.days().saturating_add(i32::try_from(days).unwrap_or(i32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_that_cannot_work_is_refused_with_the_reason() {
        let message = |plan: ObservationPlan| plan.check().expect_err("refused").to_string();
        let plan = ObservationPlan::default;
        assert!(plan().check().is_ok());
        assert!(message(ObservationPlan { every_days: 0, ..plan() }).contains("whole weeks"));
        assert!(message(ObservationPlan { every_days: 30, ..plan() }).contains("30 days"));
        assert!(message(ObservationPlan { horizon_days: 0, ..plan() }).contains("at least 1 day"));
        assert!(message(ObservationPlan { gap_days: u32::MAX, ..plan() }).contains("4294967295 days"));
        assert!(message(ObservationPlan { lookback_days: 91, ..plan() }).contains("1 to 90"));
        assert!(message(ObservationPlan { lookback_days: 0, ..plan() }).contains("1 to 90"));
        assert!(message(ObservationPlan { age_half_life_days: Some(0), ..plan() }).contains("half-life"));
        let (first, last) = (Some(ObservationDate::from_days(8)), Some(ObservationDate::from_days(7)));
        assert!(message(ObservationPlan { first, last, ..plan() }).contains("after the last"));
    }

    #[test]
    fn a_plan_is_read_back_from_its_json_and_bad_words_are_named() {
        let plan = ObservationPlan {
            rule: LabelRule::Usage,
            first: Some(ObservationDate::from_days(8)),
            age_half_life_days: Some(180),
            state: StateOptions { max_users: 7, ..StateOptions::default() },
            ..ObservationPlan::default()
        };
        let json = serde_json::to_string(&plan).expect("is JSON");
        assert_eq!(serde_json::from_str::<ObservationPlan>(&json).expect("reads"), plan);
        assert!(
            json.contains(r#""rule":"usage","first":"1970-01-09","last":null"#) && json.contains(r#""max_users":7"#)
        );
        for (word, other) in [("usage", "silence"), ("1970-01-09", "9 January")] {
            let error = serde_json::from_str::<ObservationPlan>(&json.replace(word, other)).expect_err("refused");
            assert!(error.to_string().contains(other), "{error}");
        }
    }

    #[test]
    fn observation_dates_are_whole_weeks_since_1970() {
        let plan = ObservationPlan::default();
        let from = |plan: &ObservationPlan, day| plan.grid_from(ObservationDate::from_days(day)).days();
        assert_eq!([1, 28, 29, -1, -28, -29].map(|day| from(&plan, day)), [28, 28, 56, 0, -28, -28]);
        let plan = ObservationPlan { first: Some(ObservationDate::from_days(30)), ..plan };
        assert_eq!([1, 35, 36, 63, 64].map(|day| from(&plan, day)), [35, 35, 63, 63, 91]);
    }
}

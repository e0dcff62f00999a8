//! A contribution in words for people.

use std::fmt;

use churn_features::{Feature, FeatureKind, FeatureSchema};

use super::wording;
use crate::forest::level_code;
use crate::reference::ReferenceHistogram;

/// Why a raw score is what it is: one feature, what it says of the tenant, and what that adds.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// Name of the feature.
    pub feature: String,
    /// What the feature is, such as `"logins, last 7 days"`.
    pub wording: String,
    /// What it says of this tenant.
    pub value: ReasonValue,
    /// Unit of the value, where known.
    pub unit: Option<String>,
    /// What it adds to the raw score.
    pub contribution: f64,
    /// Median of the same number over the fit split.
    pub peers_median: Option<f32>,
    /// Share of the fit split with the same level or answer.
    pub peers_share: Option<f64>,
    /// How a count changes, where the schema counts the same over a second lookback.
    pub trend: Option<Trend>,
}

/// The value behind a reason.
#[derive(Debug, Clone, PartialEq)]
pub enum ReasonValue {
    /// A number.
    Number(f32),
    /// Yes or no.
    YesOrNo(bool),
    /// A level of a category.
    Level(String),
    /// Nothing is known.
    Missing,
}

/// How often something happens per day lately, compared with the days before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// The shorter lookback: lately.
    pub recent_days: u32,
    /// The longer lookback; what lies in it before the shorter one is compared with.
    pub total_days: u32,
    /// Times as often per day lately as before; 1 is no change, and 10 stands for more as well.
    pub ratio: f32,
}

impl Reason {
    pub(super) fn new(
        schema: &FeatureSchema,
        reference: &ReferenceHistogram,
        position: usize,
        row: &[f32],
        contribution: f64,
    ) -> Self {
        let feature = &schema.features()[position];
        let value = ReasonValue::of(feature, row[position]);
        let is_number = *feature.kind() == FeatureKind::Numeric;
        Self {
            feature: feature.name().to_owned(),
            wording: wording::of(feature),
            unit: feature.unit().map(str::to_owned),
            contribution,
            peers_median: reference.median.filter(|_| is_number),
            peers_share: if is_number { None } else { reference.share(row[position]) },
            trend: wording::trend(schema, position, row),
            value,
        }
    }
}

impl ReasonValue {
    fn of(feature: &Feature, value: f32) -> Self {
        match feature.kind() {
            _ if value.is_nan() => Self::Missing,
            FeatureKind::Numeric => Self::Number(value),
            FeatureKind::Boolean => Self::YesOrNo(value != 0.0),
            FeatureKind::Category { levels } => match level_code(value, levels.len() as u8) {
                Some(code) => Self::Level(levels[usize::from(code)].clone()),
                None => Self::Missing,
            },
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.wording)?;
        match &self.value {
            ReasonValue::Number(value) => write!(f, "{}", wording::number(*value, self.unit.as_deref()))?,
            ReasonValue::YesOrNo(yes) => f.write_str(if *yes { "yes" } else { "no" })?,
            ReasonValue::Level(level) => f.write_str(level)?,
            ReasonValue::Missing => f.write_str("not known")?,
        }
        if let Some(median) = self.peers_median {
            write!(f, ", peers' median {}", wording::number(median, self.unit.as_deref()))?;
        }
        if let Some(share) = self.peers_share {
            write!(f, ", as {:.0} % of peers", 100.0 * share)?;
        }
        if let Some(trend) = self.trend {
            write!(f, ", {trend}")?;
        }
        let direction = if self.contribution > 0.0 { "raises" } else { "lowers" };
        write!(f, "; {direction} the raw score by {:.3}", self.contribution.abs())
    }
}

impl fmt::Display for Trend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { recent_days, total_days, ratio } = self;
        let change = 100.0 * (ratio - 1.0);
        match change.round() {
            0.0 => f.write_str("as often")?,
            _ if change > 0.0 => write!(f, "up {change:.0} %")?,
            _ => write!(f, "down {:.0} %", -change)?,
        }
        write!(f, " per day in the last {recent_days} days against the {} before", total_days - recent_days)
    }
}

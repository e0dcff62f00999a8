//! The columns that a linear model is fitted on: standardised values, signed logarithms, missing indicators, levels.

use ndarray::{Array2, ArrayViewMut1};

use churn_features::FeatureSchema;

use super::Observations;
use crate::forest::level_code;
use crate::linear::{LinearModel, Standardised, Term};
use crate::signed_log::signed_log;

/// Where a column's value comes from, before it is standardised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Value,
    SignedLog,
    /// Of a number: whether it is missing.
    Missing,
    /// Of a category: whether this is the level.
    Level(u8),
    /// Of a category: whether it is missing or no level, which is one to the model as well.
    NoLevel,
}

#[derive(Debug, Clone, Copy)]
struct Column {
    feature: usize,
    source: Source,
    mean: f64,
    scale: f64,
}

impl Column {
    fn standardised(&self, value: f32, n_levels: u8) -> f64 {
        let raw = match self.source {
            // A missing number stands at the mean; its indicator says the rest.
            Source::Value | Source::SignedLog if value.is_nan() => return 0.0,
            Source::Value => f64::from(value),
            Source::SignedLog => signed_log(f64::from(value)),
            Source::Missing => f64::from(u8::from(value.is_nan())),
            Source::Level(code) => f64::from(u8::from(level_code(value, n_levels) == Some(code))),
            Source::NoLevel => f64::from(u8::from(level_code(value, n_levels).is_none())),
        };
        (raw - self.mean) / self.scale
    }
}

/// Columns with mean 0, those of numbers with standard deviation 1; columns that never change are left out.
///
/// Numbers enter as they are and as signed logarithms: together they bend, which either alone cannot, and the penalty
/// keeps apart what the data do not.
#[derive(Debug)]
pub(crate) struct Design {
    columns: Vec<Column>,
    n_levels: Vec<u8>,
}

impl Design {
    /// Chooses and scales the columns for these observations.
    pub(crate) fn new(observations: &Observations<'_>, weights: &[f64]) -> Self {
        let features = observations.schema().features();
        let mut design =
            Self { columns: Vec::new(), n_levels: features.iter().map(|f| f.levels().len() as u8).collect() };
        for (feature, described) in features.iter().enumerate() {
            let sources: Vec<Source> = if described.is_category() {
                (0..described.levels().len() as u8).map(Source::Level).chain([Source::NoLevel]).collect()
            } else {
                vec![Source::Value, Source::SignedLog, Source::Missing]
            };
            let n_before = design.columns.len();
            sources.into_iter().for_each(|s| design.add(observations, weights, feature, s));
            // Of a number with two values the logarithm says the same again.
            let is_two_valued = |column: &&Column| column.source == Source::Value;
            if design.columns[n_before..].iter().any(|c| is_two_valued(&c))
                && has_two_values(observations, weights, feature)
            {
                design.columns.retain(|column| column.feature != feature || column.source != Source::SignedLog);
            }
        }
        design
    }

    fn add(&mut self, observations: &Observations<'_>, weights: &[f64], feature: usize, source: Source) {
        let mut column = Column { feature, source, mean: 0.0, scale: 1.0 };
        let values = observations.features();
        let n_levels = self.n_levels[feature];
        let is_number = matches!(source, Source::Value | Source::SignedLog);
        let rows = || {
            let known =
                values.column(feature).into_iter().zip(weights).filter(move |(v, _)| !(is_number && v.is_nan()));
            known.map(|(&value, &weight)| (value, weight))
        };
        let total: f64 = rows().map(|(_, weight)| weight).sum();
        if total <= 0.0 {
            return;
        }
        column.mean = rows().map(|(value, weight)| weight * column.standardised(value, n_levels)).sum::<f64>() / total;
        let variance = rows().map(|(v, weight)| weight * column.standardised(v, n_levels).powi(2)).sum::<f64>() / total;
        let scale = variance.sqrt();
        if scale > LEAST_SCALE * column.mean.abs().max(f64::MIN_POSITIVE) {
            // An indicator stays 0 or 1. Divided by its deviation, one that is rarely set would count for so much where it is
            // that the penalty could not hold it.
            column.scale = if is_number { scale } else { 1.0 };
            self.columns.push(column);
        }
    }

    /// Number of columns, the constant one of the intercept included.
    pub(crate) fn width(&self) -> usize {
        self.columns.len() + 1
    }

    /// The columns of these rows; the first column is 1.
    pub(crate) fn expand(&self, observations: &Observations<'_>, rows: &[u32]) -> Array2<f64> {
        let mut block = Array2::zeros((rows.len(), self.width()));
        let fill = |(mut out, &row): (ArrayViewMut1<'_, f64>, &u32)| {
            let features = observations.features();
            let values = features.row(row as usize);
            out[0] = 1.0;
            for (position, column) in self.columns.iter().enumerate() {
                out[position + 1] = column.standardised(values[column.feature], self.n_levels[column.feature]);
            }
        };
        block.rows_mut().into_iter().zip(rows).for_each(fill);
        block
    }

    /// The model with these weights, the intercept's first.
    pub(crate) fn model(&self, schema: &FeatureSchema, weights: &[f64]) -> LinearModel {
        let mut intercept = weights[0];
        let mut terms: Vec<Term> = schema
            .features()
            .iter()
            .map(|feature| match feature.levels().len() {
                _ if !feature.is_category() => {
                    let value = Standardised { mean: 0.0, scale: 1.0, weight: 0.0 };
                    Term::Numeric { value, signed_log: None, missing_weight: 0.0 }
                }
                n_levels => Term::Category { level_weights: vec![0.0; n_levels], missing_weight: f64::NAN },
            })
            .collect();
        for (column, &weight) in self.columns.iter().zip(&weights[1..]) {
            let Column { feature, source, mean, scale } = *column;
            let per_unit = weight / scale;
            match (&mut terms[feature], source) {
                (Term::Numeric { value, .. }, Source::Value) => *value = Standardised { mean, scale, weight },
                (Term::Numeric { signed_log, .. }, Source::SignedLog) => {
                    *signed_log = Some(Standardised { mean, scale, weight });
                }
                (Term::Category { level_weights, .. }, Source::Level(code)) => {
                    level_weights[usize::from(code)] = per_unit;
                    intercept -= per_unit * mean;
                }
                (Term::Numeric { missing_weight, .. }, Source::Missing)
                | (Term::Category { missing_weight, .. }, Source::NoLevel) => {
                    *missing_weight = per_unit;
                    intercept -= per_unit * mean;
                }
                (Term::Numeric { .. }, Source::Level(_) | Source::NoLevel) | (Term::Category { .. }, _) => {
                    unreachable!("columns are made for the kind of their feature")
                }
            }
        }
        for (feature, term) in terms.iter_mut().enumerate() {
            if let Term::Category { level_weights, missing_weight } = term
                && missing_weight.is_nan()
            {
                // Never missing in the fit split: a missing level is then worth as much as the average one.
                let levels = self.columns.iter().filter(|column| column.feature == feature);
                *missing_weight = levels
                    .filter_map(|column| match column.source {
                        Source::Level(code) => Some(column.mean * level_weights[usize::from(code)]),
                        Source::Value | Source::SignedLog | Source::Missing | Source::NoLevel => None,
                    })
                    .sum();
            }
        }
        LinearModel::new(schema, intercept, terms)
            .expect("this cannot fail because the terms were made for this schema from finite weights")
    }
}

/// Standard deviation, relative to the mean, below which a column counts as constant.
const LEAST_SCALE: f64 = 1e-9;

fn has_two_values(observations: &Observations<'_>, weights: &[f64], feature: usize) -> bool {
    let features = observations.features();
    let weighted = features.column(feature).into_iter().zip(weights).filter(|(_, weight)| **weight > 0.0);
    let mut known = weighted.map(|(&value, _)| value).filter(|value| !value.is_nan());
    let Some(first) = known.next() else { return true };
    let Some(second) = known.find(|&value| value != first) else { return true };
    known.all(|value| value == first || value == second)
}

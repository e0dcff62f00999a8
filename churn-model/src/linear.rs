//! The linear model: what each feature adds to the log-odds of churn.

use serde::{Deserialize, Serialize};

use churn_features::FeatureSchema;

use crate::forest::{level_code, reduce};
use crate::signed_log::signed_log;

/// How one feature enters the linear model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Term {
    /// A number or a boolean: `weight * (value - mean) / scale`, and the same of its signed logarithm.
    Numeric {
        /// The value itself, standardised.
        value: Standardised,
        /// Its signed logarithm, standardised, where that was fitted.
        signed_log: Option<Standardised>,
        /// What a missing value adds instead.
        missing_weight: f64,
    },
    /// A category: each level adds its weight.
    Category {
        /// Log-odds added per level, in schema order.
        level_weights: Vec<f64>,
        /// What a missing or unknown level adds.
        missing_weight: f64,
    },
}

/// A number brought to mean 0 and standard deviation 1 of the fit split, times its weight.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Standardised {
    /// Mean over the fit split.
    pub mean: f64,
    /// Standard deviation over the fit split; positive.
    pub scale: f64,
    /// Log-odds per standard deviation.
    pub weight: f64,
}

impl Standardised {
    fn contribution(&self, value: f64) -> f64 {
        self.per_unit() * (value - self.mean)
    }

    /// Log-odds per unit: what the scorer divides once, and not for every row.
    pub(crate) fn per_unit(&self) -> f64 {
        self.weight / self.scale
    }

    fn is_usable(&self) -> bool {
        self.mean.is_finite() && self.scale.is_finite() && self.scale > 0.0 && self.weight.is_finite()
    }
}

impl Term {
    /// Log-odds that `value` adds.
    ///
    /// # Missing
    /// NaN, infinities, and codes that are no level add the missing weight.
    pub fn contribution(&self, value: f32) -> f64 {
        match self {
            Self::Numeric { missing_weight, .. } if !value.is_finite() => *missing_weight,
            Self::Numeric { value: linear, signed_log: log, .. } => {
                let value = f64::from(value);
                linear.contribution(value) + log.map_or(0.0, |log| log.contribution(signed_log(value)))
            }
            Self::Category { level_weights, missing_weight } => level_code(value, level_weights.len() as u8)
                .map_or(*missing_weight, |code| level_weights[usize::from(code)]),
        }
    }

    fn is_usable(&self) -> bool {
        match self {
            Self::Numeric { value, signed_log, missing_weight } => {
                value.is_usable() && signed_log.is_none_or(|log| log.is_usable()) && missing_weight.is_finite()
            }
            Self::Category { level_weights, missing_weight } => {
                level_weights.iter().all(|weight| weight.is_finite()) && missing_weight.is_finite()
            }
        }
    }
}

/// What can be wrong with the terms of a linear model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TermError {
    /// Not one term per feature.
    #[error("the linear model has {found} terms for {expected} features")]
    Count {
        /// Terms found.
        found: usize,
        /// Features in the schema.
        expected: usize,
    },
    /// A term of the wrong kind, with the wrong number of levels, or with a number that is not finite.
    #[error("the linear term of feature {feature:?} does not fit its kind or holds a number that is not finite")]
    Unusable {
        /// Name of the feature.
        feature: String,
    },
    /// The intercept is not finite.
    #[error("the intercept of the linear model is not finite")]
    Intercept,
}

/// Partial sums of a raw score: what feature `f` adds, if it is a number, goes to sum `f % LANES`. Fixed, so that vectors
/// of any width add in the same order; categories are looked up one by one and have a sum of their own.
pub(crate) const LANES: usize = 8;

/// A fitted logistic regression; its raw score is the log-odds of churn.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearModel {
    intercept: f64,
    terms: Vec<Term>,
}

impl LinearModel {
    /// Puts a linear model together from one term per feature, in schema order.
    ///
    /// # Errors
    /// When terms and features do not fit together, or a number is not finite.
    pub fn new(schema: &FeatureSchema, intercept: f64, terms: Vec<Term>) -> Result<Self, TermError> {
        if terms.len() != schema.len() {
            return Err(TermError::Count { found: terms.len(), expected: schema.len() });
        }
        if !intercept.is_finite() {
            return Err(TermError::Intercept);
        }
        for (feature, term) in schema.features().iter().zip(&terms) {
            let fits = match term {
                Term::Numeric { .. } => !feature.is_category(),
                Term::Category { level_weights, .. } => {
                    feature.is_category() && level_weights.len() == feature.levels().len()
                }
            };
            if !fits || !term.is_usable() {
                return Err(TermError::Unusable { feature: feature.name().to_owned() });
            }
        }
        Ok(Self { intercept, terms })
    }

    /// Log-odds before any feature is known.
    pub fn intercept(&self) -> f64 {
        self.intercept
    }

    /// One term per feature, in schema order.
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// The raw score of one feature vector: the log-odds of churn. The [`Scorer`](crate::Scorer) gives the same sooner.
    ///
    /// # Panics
    /// When `row` does not have one value per feature.
    /// # Cost
    /// O(features); no allocation.
    pub fn raw_score(&self, row: &[f32]) -> f64 {
        assert_eq!(row.len(), self.terms.len(), "a feature vector has one value per feature");
        let mut numbers = [0.0; LANES];
        let mut categories = 0.0;
        for (position, (term, &value)) in self.terms.iter().zip(row).enumerate() {
            match term {
                Term::Numeric { .. } => numbers[position % LANES] += term.contribution(value),
                Term::Category { .. } => categories += term.contribution(value),
            }
        }
        self.intercept + (reduce(numbers) + categories)
    }
}

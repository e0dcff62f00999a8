//! Logistic regressions fitted by `linfa_logistic` 0.8.

use std::fmt::Debug;

use linfa_logistic::{FittedLogisticRegression, MultiFittedLogisticRegression};

use churn_features::FeatureSchema;

use super::unknown_label;
use crate::import::{ImportError, plain_linear};
use crate::linear::LinearModel;

/// A logistic regression of linfa with labels of type `C`: binary or multinomial, in f32 or f64.
///
/// A closed list, because linfa does not let others be generic over the numbers in its logistic regressions.
pub trait LinfaLogistic<C>: LogOdds<C> {}

/// The log-odds that a model holds; not to be implemented elsewhere.
pub trait LogOdds<C> {
    /// Intercept and weights of the log-odds of `positive`.
    fn log_odds(&self, positive: &C) -> Result<(f64, Vec<f64>), ImportError>;
}

impl LinearModel {
    /// A logistic regression fitted by `linfa_logistic` on two classes.
    ///
    /// The raw score is the log-odds of `positive`, the label that means churn. linfa's binary model speaks for the more
    /// frequent label, mostly that of the tenants who stayed; the signs are turned where that is not ours. A threshold
    /// that linfa was given is not brought along.
    ///
    /// # Missing
    /// linfa has no rule; here a missing value adds nothing, as a 0 would.
    /// # Errors
    /// When there are more than two classes or the label is none of them, the schema has categories or another width,
    /// or a weight is not finite.
    pub fn from_linfa_logistic<C>(
        schema: &FeatureSchema,
        model: &impl LinfaLogistic<C>,
        positive: &C,
    ) -> Result<Self, ImportError> {
        let (intercept, weights) = model.log_odds(positive)?;
        plain_linear(schema, intercept, weights)
    }
}

macro_rules! logistic_regressions_in {
    ($float:ty) => {
        impl<C: PartialOrd + Clone + Debug> LinfaLogistic<C> for FittedLogisticRegression<$float, C> {}

        impl<C: PartialOrd + Clone + Debug> LogOdds<C> for FittedLogisticRegression<$float, C> {
            fn log_odds(&self, positive: &C) -> Result<(f64, Vec<f64>), ImportError> {
                let (speaks_for, other) = (&self.labels().pos.class, &self.labels().neg.class);
                let sign = if speaks_for == positive {
                    1.0
                } else if other == positive {
                    -1.0
                } else {
                    return Err(unknown_label(positive, [speaks_for, other]));
                };
                let weights = self.params().iter().map(|&weight| sign * f64::from(weight)).collect();
                Ok((sign * f64::from(self.intercept()), weights))
            }
        }

        impl<C: PartialOrd + Clone + Debug> LinfaLogistic<C> for MultiFittedLogisticRegression<$float, C> {}

        impl<C: PartialOrd + Clone + Debug> LogOdds<C> for MultiFittedLogisticRegression<$float, C> {
            fn log_odds(&self, positive: &C) -> Result<(f64, Vec<f64>), ImportError> {
                let classes = self.classes();
                if classes.len() > 2 {
                    return Err(ImportError::Classes { found: classes.len() });
                }
                let (Some(churn), Some(stay)) = (
                    classes.iter().position(|class| class == positive),
                    classes.iter().position(|class| class != positive),
                ) else {
                    return Err(unknown_label(positive, classes));
                };
                // Two columns of weights say the same as their difference does.
                let difference = |of_class: [$float; 2]| f64::from(of_class[0]) - f64::from(of_class[1]);
                let weights = self.params().rows().into_iter().map(|row| difference([row[churn], row[stay]])).collect();
                Ok((difference([self.intercept()[churn], self.intercept()[stay]]), weights))
            }
        }
    };
}

logistic_regressions_in!(f32);
logistic_regressions_in!(f64);

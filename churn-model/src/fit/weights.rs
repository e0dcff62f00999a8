//! Weights as whole numbers, so that sums of them do not depend on the order of rows.

use super::{FitError, Observations};

/// How much the two labels count.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum ClassWeight {
    /// Every observation as its own weight says.
    #[default]
    Equal,
    /// Churned and stayed observations the same in total.
    Balanced,
    /// Churned observations this many times more than stayed ones.
    Churned(f64),
}

impl ClassWeight {
    /// Factors for stayed and for churned observations that leave the total weight as it is.
    fn factors(self, stayed: f64, churned: f64) -> (f64, f64) {
        let ratio = match self {
            Self::Equal => 1.0,
            Self::Balanced => stayed / churned,
            Self::Churned(ratio) => ratio,
        };
        // The larger factor first: no ratio, however far from 1, then overflows or leaves nothing of both.
        let total = stayed + churned;
        if ratio < 1.0 {
            let factor = total / (stayed + ratio * churned);
            (factor, ratio * factor)
        } else {
            let factor = total / (stayed / ratio + churned);
            (factor / ratio, factor)
        }
    }

    /// The weight of each observation, with sample weights and class weights in it.
    ///
    /// # Errors
    /// When the ratio is not a positive number.
    pub(crate) fn weigh(self, observations: &Observations<'_>) -> Result<Vec<f64>, FitError> {
        if let Self::Churned(ratio) = self
            && !(ratio.is_finite() && ratio > 0.0)
        {
            let found = ratio.to_string();
            return Err(FitError::Hyperparameter { name: "class_weight", found, expected: "a positive number" });
        }
        let mut totals = [0.0, 0.0];
        let labels = observations.labels();
        labels.iter().enumerate().for_each(|(row, &label)| totals[usize::from(label)] += observations.weight(row));
        let (stayed, churned) = self.factors(totals[0], totals[1]);
        Ok((0..labels.len()).map(|row| observations.weight(row) * if labels[row] { churned } else { stayed }).collect())
    }
}

/// Weights in whole units.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WholeWeights {
    /// Units per observation; `None` when each counts one.
    units: Option<Vec<u32>>,
    /// What one unit stands for.
    unit: f64,
}

/// Total weight that the packed tallies of a histogram leave room for; see [`Tally`](super::split::Tally).
const MOST_UNITS: f64 = (1 << 27) as f64;

impl WholeWeights {
    /// Whole weights as they are; others in steps of `2^-27` of their total.
    ///
    /// # Errors
    /// When there are more observations than units.
    pub(crate) fn new(observations: &Observations<'_>, class_weight: ClassWeight) -> Result<Self, FitError> {
        let n = observations.n_observations();
        if n as f64 > MOST_UNITS {
            return Err(FitError::TooMany { what: "observations", found: n, most: MOST_UNITS as usize });
        }
        if observations.weights().is_none() && class_weight == ClassWeight::Equal {
            return Ok(Self { units: None, unit: 1.0 });
        }
        let weights = class_weight.weigh(observations)?;
        let total: f64 = weights.iter().sum();
        let are_whole = total <= MOST_UNITS && weights.iter().all(|weight| weight.fract() == 0.0);
        let unit = if are_whole { 1.0 } else { total / MOST_UNITS };
        let units = weights.iter().map(|weight| (weight / unit).round() as u32).collect();
        Ok(Self { units: Some(units), unit })
    }

    /// Units of the observation in that row.
    pub(crate) fn units(&self, row: usize) -> u32 {
        self.units.as_ref().map_or(1, |units| units[row])
    }

    /// What one unit stands for.
    pub(crate) fn unit(&self) -> f64 {
        self.unit
    }

    /// A weight in units, at least one.
    pub(crate) fn to_units(&self, weight: f64) -> u32 {
        ((weight / self.unit).round() as u32).max(1)
    }
}

#[cfg(test)]
mod tests {
    use churn_features::{Feature, FeatureSchema};
    use ndarray::Array2;

    use super::*;

    fn weigh(weights: &[f32], labels: &[bool], class_weight: ClassWeight) -> WholeWeights {
        let schema = FeatureSchema::new(vec![Feature::numeric("n")]).expect("valid");
        let features = Array2::zeros((labels.len(), 1));
        let observations = Observations::new(&schema, features.view(), labels).expect("valid");
        WholeWeights::new(&observations.with_weights(weights).expect("valid"), class_weight).expect("few")
    }

    #[test]
    fn whole_weights_stay_as_they_are() {
        let whole = weigh(&[2.0, 0.0, 3.0], &[true, true, false], ClassWeight::Equal);
        assert_eq!((whole.units, whole.unit), (Some(vec![2, 0, 3]), 1.0));
    }

    #[test]
    fn other_weights_keep_their_proportions() {
        let whole = weigh(&[0.1, 0.2, 0.3], &[true, true, false], ClassWeight::Equal);
        let total: f64 = (0..3).map(|row| f64::from(whole.units(row)) * whole.unit()).sum();
        assert!(
            (total - 0.6).abs() < 1e-6 && (f64::from(whole.units(1)) / f64::from(whole.units(0)) - 2.0).abs() < 1e-6
        );
    }

    #[test]
    fn balanced_labels_weigh_the_same() {
        let whole = weigh(&[1.0; 5], &[true, false, false, false, false], ClassWeight::Balanced);
        let stayed: u32 = (1..5).map(|row| whole.units(row)).sum();
        assert!(whole.units(0).abs_diff(stayed) <= 4, "{} and {stayed}", whole.units(0));
    }

    #[test]
    fn the_heaviest_row_fits_where_it_is_drawn_most_often() {
        // A grower packs each weight into 31 bits and sums of them into 32.
        let whole = weigh(&[1e30, 1.0, 1.0], &[true, true, false], ClassWeight::Equal);
        let most = u64::from(super::super::random::MAX_DRAWS) * u64::from(whole.units(0));
        assert!(whole.units(0) > 1 << 26 && most < 1 << 31, "{most}");
    }

    #[test]
    fn no_class_weight_leaves_nothing_of_the_rows() {
        for ratio in [f64::MAX, 1e200, 1e-200, f64::MIN_POSITIVE] {
            let whole = weigh(&[1.0; 3], &[true, true, false], ClassWeight::Churned(ratio));
            let churned = whole.units(0) + whole.units(1);
            assert_eq!((churned > 0, whole.units(2) > 0), (ratio > 1.0, ratio < 1.0), "{ratio:e}");
        }
    }
}

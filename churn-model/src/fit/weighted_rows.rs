//! Rows as learners see them when some count more than others.

use std::collections::HashMap;

use churn_features::FeatureSchema;
use ndarray::{ArrayView2, Axis, CowArray, Ix2};
use rayon::prelude::*;

use super::random::subkey;
use super::{FitError, Observations};

/// Rows that whole weights are written out to, at most, per row given.
const MOST_COPIES: f64 = 8.0;

/// Rows of which some count more than others, made ready so that a weight means what it says.
///
/// A row of weight 0 is no row. Without groups, draws depend on what rows hold and not on where they stand, and a row of
/// weight 3 is three rows, each drawn by itself, as long as all weights are whole and their mean is at most 8: fitting on
/// them is fitting on the same rows written out, in any order. Other weights multiply what a draw of their row counts.
///
/// # Example
/// ```
/// use churn_features::{Feature, FeatureSchema};
/// use churn_model::fit::{LinearLearner, WeightedRows};
/// use ndarray::array;
///
/// let schema = FeatureSchema::new(vec![Feature::numeric("x")])?;
/// let features = array![[1.0], [2.0], [3.0]];
/// let rows = WeightedRows::new(features.view(), vec![true, false, true], Some(vec![2.0, 3.0, 0.0]), None)?;
/// assert_eq!(rows.labels(), [true, true, false, false, false]);
/// let model = LinearLearner::default().fit(&rows.observations(&schema)?)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct WeightedRows<'a> {
    features: CowArray<'a, f32, Ix2>,
    labels: Vec<bool>,
    weights: Option<Vec<f32>>,
    groups: Vec<u64>,
    /// The row given of each row; `None` where they are the same.
    given: Option<Vec<usize>>,
    n_given: usize,
}

impl<'a> WeightedRows<'a> {
    /// Takes rows with their labels, weights and groups.
    ///
    /// # Shape
    /// `features` is `(n_rows, n_features)`, everything else `(n_rows,)`.
    /// # Errors
    /// When lengths do not fit together, or a weight is negative or not finite.
    /// # Cost
    /// O(values); a copy of the matrix where rows are left out or repeated.
    pub fn new(
        features: ArrayView2<'a, f32>,
        labels: Vec<bool>,
        weights: Option<Vec<f32>>,
        groups: Option<Vec<u64>>,
    ) -> Result<Self, FitError> {
        let n_given = features.nrows();
        for (what, found) in [
            ("labels", labels.len()),
            ("weights", weights.as_ref().map_or(n_given, Vec::len)),
            ("groups", groups.as_ref().map_or(n_given, Vec::len)),
        ] {
            if found != n_given {
                return Err(FitError::Length { what, found, expected: n_given });
            }
        }
        let is_weight = |weight: f32| weight.is_finite() && weight >= 0.0;
        if let Some((row, &weight)) = weights.iter().flatten().enumerate().find(|(_, weight)| !is_weight(**weight)) {
            return Err(FitError::Weight { row, weight });
        }
        let (given, weights) = match weights {
            Some(weights) if groups.is_none() && are_repetitions(&weights) => {
                let copies = |(row, &weight): (usize, &f32)| std::iter::repeat_n(row, weight as usize);
                (Some(weights.iter().enumerate().flat_map(copies).collect()), None)
            }
            Some(weights) if weights.contains(&0.0) => {
                let given: Vec<usize> = (0..n_given).filter(|&row| weights[row] > 0.0).collect();
                let weights = pick(&weights, &given);
                (Some(given), Some(weights))
            }
            weights => (None, weights),
        };
        let Some(given) = given else {
            let groups = groups.unwrap_or_else(|| groups_by_content(features, &labels));
            return Ok(Self { features: features.into(), labels, weights, groups, given: None, n_given });
        };
        let (features, labels) = (features.select(Axis(0), &given), pick(&labels, &given));
        let groups = match groups {
            Some(groups) => pick(&groups, &given),
            None => groups_by_content(features.view(), &labels),
        };
        Ok(Self { features: features.into(), labels, weights, groups, given: Some(given), n_given })
    }

    /// What a learner is fitted on.
    ///
    /// # Errors
    /// As [`Observations::new`] and [`Observations::with_weights`].
    pub fn observations<'b>(&'b self, schema: &'b FeatureSchema) -> Result<Observations<'b>, FitError> {
        let mut observations = Observations::new(schema, self.features.view(), &self.labels)?;
        if let Some(weights) = &self.weights {
            observations = observations.with_weights(weights)?;
        }
        observations.with_groups(&self.groups)
    }

    /// The feature matrix, as learners see it.
    pub fn features(&self) -> ArrayView2<'_, f32> {
        self.features.view()
    }

    /// Whether each row churned, as learners see them.
    pub fn labels(&self) -> &[bool] {
        &self.labels
    }

    /// Values of the rows given, from values of the rows that learners see: the mean where one was repeated, NaN where it
    /// has no weight.
    ///
    /// # Panics
    /// When `values` does not hold one value per row that learners see.
    pub fn of_given(&self, values: &[f64]) -> Vec<f64> {
        assert_eq!(values.len(), self.labels.len(), "there is one value per row that learners see");
        let Some(given) = &self.given else { return values.to_vec() };
        let mut sums = vec![(0.0, 0_u32); self.n_given];
        for (&row, &value) in given.iter().zip(values).filter(|(_, value)| !value.is_nan()) {
            sums[row].0 += value;
            sums[row].1 += 1;
        }
        sums.into_iter().map(|(sum, n)| if n == 0 { f64::NAN } else { sum / f64::from(n) }).collect()
    }
}

/// Whether weights say how often rows are written, and that can be done.
fn are_repetitions(weights: &[f32]) -> bool {
    let total: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
    weights.iter().all(|weight| weight.fract() == 0.0) && total <= MOST_COPIES * weights.len() as f64
}

fn pick<T: Copy>(values: &[T], rows: &[usize]) -> Vec<T> {
    rows.iter().map(|&row| values[row]).collect()
}

/// A number for each row, to be used as its group, by which draws depend on what rows hold and not on where they stand.
///
/// Equal rows with equal labels are told apart by counting them, so that every row is drawn by itself: rows in another
/// order are drawn alike, and so are a row of weight 2 written twice and two equal rows.
///
/// It costs O(values), on all threads.
fn groups_by_content(features: ArrayView2<'_, f32>, labels: &[bool]) -> Vec<u64> {
    let content = |row: usize| {
        features.row(row).iter().fold(u64::from(labels[row]), |key, value| {
            // Every NaN is missing, and 0 is -0.
            let bits = if value.is_nan() { f32::NAN.to_bits() } else { (value + 0.0).to_bits() };
            subkey(key, u64::from(bits))
        })
    };
    let mut groups: Vec<u64> = (0..labels.len()).into_par_iter().map(content).collect();
    let mut seen: HashMap<u64, u64> = HashMap::with_capacity(labels.len());
    for group in &mut groups {
        let n_before = seen.entry(*group).or_default();
        *n_before += 1;
        *group = subkey(*group, *n_before);
    }
    groups
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn rows_in_another_order_have_the_same_groups_and_equal_rows_have_different_ones() {
        let features = array![[1.0, f32::NAN], [0.0, 2.0], [1.0, f32::NAN], [1.0, 2.0]];
        let labels = [true, false, true, true];
        let groups = groups_by_content(features.view(), &labels);
        let backwards = groups_by_content(
            array![[1.0, 2.0], [1.0, -f32::NAN], [-0.0, 2.0], [1.0, f32::NAN]].view(),
            &[true, true, false, true],
        );
        let sorted = |mut groups: Vec<u64>| {
            groups.sort_unstable();
            groups
        };
        assert_eq!(sorted(groups.clone()), sorted(backwards));
        assert_ne!(groups[0], groups[2]);
        let relabelled = groups_by_content(features.view(), &[false, false, true, true]);
        assert!(!groups.contains(&relabelled[0]));
    }

    #[test]
    fn whole_weights_are_rows_written_out_and_values_come_back_by_the_row_given() {
        let features = array![[1.0], [2.0], [3.0]];
        let rows = |weights: Vec<f32>, groups| {
            WeightedRows::new(features.view(), vec![true, false, true], Some(weights), groups).expect("sound")
        };
        let repeated = rows(vec![2.0, 0.0, 1.0], None);
        assert_eq!(repeated.features(), array![[1.0], [1.0], [3.0]]);
        assert_eq!((repeated.labels(), &repeated.weights), ([true, true, true].as_slice(), &None));
        let values = repeated.of_given(&[0.2, 0.4, f64::NAN]);
        assert!((values[0] - 0.3).abs() < 1e-12 && values[1].is_nan() && values[2].is_nan());

        for (weights, groups) in [(vec![0.5, 0.0, 1.0], None), (vec![2.0, 0.0, 1.0], Some(vec![7, 8, 9]))] {
            let kept = rows(weights.clone(), groups);
            assert_eq!(kept.features(), array![[1.0], [3.0]]);
            assert_eq!(kept.weights, Some(vec![weights[0], weights[2]]));
        }
        assert_eq!(rows(vec![90.0, 1.0, 1.0], None).weights, Some(vec![90.0, 1.0, 1.0]), "too many to be written out");
    }

    #[test]
    fn lengths_that_differ_and_weights_that_are_none_are_refused() {
        let features = array![[1.0], [2.0]];
        let fail = |labels: Vec<bool>, weights| {
            WeightedRows::new(features.view(), labels, weights, None).expect_err("refused").to_string()
        };
        assert!(fail(vec![true], None).contains("labels has 1"));
        assert!(fail(vec![true, false], Some(vec![1.0])).contains("weights has 1"));
        assert!(fail(vec![true, false], Some(vec![1.0, -1.0])).contains("observation 1: the weight -1"));
    }
}

//! What each feature looked like in the fit split, for telling drift and for saying what is usual.

use serde::{Deserialize, Serialize};

use churn_features::{Feature, FeatureKind};

use crate::forest::level_code;

const N_BINS: usize = 10;

/// The distribution of one feature over the fit split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReferenceHistogram {
    /// Share of observations where the feature is missing.
    pub missing_share: f64,
    /// Edges between the bins of a number, increasing; bin `i` is `edges[i-1] <= value < edges[i]`. Empty for a
    /// category, whose bins are its levels.
    pub edges: Vec<f32>,
    /// Share of observations in each bin; with the missing share they add up to 1.
    pub shares: Vec<f64>,
    /// Median of a number that is not missing; `None` for a category or when all are missing.
    pub median: Option<f32>,
}

impl ReferenceHistogram {
    /// Counts the values of `feature`: tenths by rank for a number, levels for a category.
    ///
    /// # Cost
    /// O(n log n) in the number of values.
    pub fn of(feature: &Feature, values: impl IntoIterator<Item = f32>) -> Self {
        let values: Vec<f32> = values.into_iter().collect();
        match feature.kind() {
            FeatureKind::Category { levels } => Self::of_levels(levels.len() as u8, &values),
            FeatureKind::Numeric | FeatureKind::Boolean => Self::of_numbers(&values),
        }
    }

    /// Whether bins, edges and feature fit together and every number is finite.
    ///
    /// Drift is told by counting new values into these bins, which must not leave them.
    pub fn fits(&self, feature: &Feature) -> bool {
        let is_share = |share: &f64| (0.0..=1.0).contains(share);
        let n_bins = match feature.kind() {
            FeatureKind::Category { levels } if self.edges.is_empty() && self.median.is_none() => levels.len(),
            FeatureKind::Category { .. } => return false,
            FeatureKind::Numeric | FeatureKind::Boolean => self.edges.len() + 1,
        };
        self.shares.len() == n_bins
            && self.shares.iter().all(is_share)
            && is_share(&self.missing_share)
            && self.edges.iter().chain(&self.median).all(|number| number.is_finite())
            && self.edges.windows(2).all(|pair| pair[0] < pair[1])
    }

    /// Number of bins, that of missing values among them.
    pub(crate) fn n_bins(&self) -> usize {
        self.shares.len() + 1
    }

    /// The bin of a value of the feature: a position in `shares`, or the one behind them for what is missing.
    pub(crate) fn bin(&self, value: f32) -> usize {
        let missing = self.shares.len();
        if value.is_nan() {
            return missing;
        }
        if self.edges.is_empty() {
            return match self.shares.len() {
                1 => 0, // a number with one value
                n_levels => level_code(value, n_levels as u8).map_or(missing, usize::from),
            };
        }
        self.edges.partition_point(|&edge| edge <= value)
    }

    /// The share of the fit split in the same bin as a value; `None` where nobody was counted.
    pub(crate) fn share(&self, value: f32) -> Option<f64> {
        let bin = self.bin(value);
        self.is_counted().then(|| self.shares.get(bin).copied().unwrap_or(self.missing_share))
    }

    /// Whether anybody was counted.
    pub(crate) fn is_counted(&self) -> bool {
        self.missing_share + self.shares.iter().sum::<f64>() > 0.0
    }

    fn of_levels(n_levels: u8, values: &[f32]) -> Self {
        let mut counts = vec![0_usize; usize::from(n_levels)];
        values.iter().filter_map(|&v| level_code(v, n_levels)).for_each(|code| counts[usize::from(code)] += 1);
        Self::from_counts(Vec::new(), &counts, values.len(), None)
    }

    fn of_numbers(values: &[f32]) -> Self {
        let mut known: Vec<f32> = values.iter().copied().filter(|v| !v.is_nan()).collect();
        known.sort_unstable_by(f32::total_cmp);
        let mut edges: Vec<f32> = (1..N_BINS).filter_map(|i| known.get(i * known.len() / N_BINS).copied()).collect();
        edges.dedup();
        let mut counts = vec![0_usize; edges.len() + 1];
        known.iter().for_each(|v| counts[edges.partition_point(|edge| edge <= v)] += 1);
        let median = known.get(known.len() / 2).copied();
        Self::from_counts(edges, &counts, values.len(), median)
    }

    fn from_counts(edges: Vec<f32>, counts: &[usize], n: usize, median: Option<f32>) -> Self {
        let share = |count: usize| if n == 0 { 0.0 } else { count as f64 / n as f64 };
        let known: usize = counts.iter().sum();
        let shares = counts.iter().map(|&count| share(count)).collect();
        Self { missing_share: share(n - known), edges, shares, median }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_counted_in_tenths_and_missing_apart() {
        let values = (0..100).map(|i| i as f32).chain([f32::NAN; 25]);
        let histogram = ReferenceHistogram::of(&Feature::numeric("n"), values);
        assert_eq!(histogram.edges, [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0]);
        assert_eq!(histogram.shares, [0.08; 10]);
        assert_eq!((histogram.missing_share, histogram.median), (0.2, Some(50.0)));
    }

    #[test]
    fn levels_are_counted_one_by_one() {
        let feature = Feature::category("c", vec!["x".into(), "y".into()]);
        let histogram = ReferenceHistogram::of(&feature, [0.0, 0.0, 1.0, f32::NAN]);
        assert_eq!((histogram.shares.as_slice(), histogram.missing_share), ([0.5, 0.25].as_slice(), 0.25));
    }

    #[test]
    fn a_histogram_fits_the_feature_it_was_counted_of_and_no_other() {
        let (number, category) = (Feature::numeric("n"), Feature::category("c", vec!["x".into(), "y".into()]));
        let of_number = ReferenceHistogram::of(&number, [1.0, 2.0, f32::NAN]);
        let of_category = ReferenceHistogram::of(&category, [1.0, 0.0, f32::NAN]);
        assert!(of_number.fits(&number) && of_category.fits(&category));
        assert!(!of_number.fits(&category) && !of_category.fits(&number));
        assert!(ReferenceHistogram::of(&number, []).fits(&number));
        let infinite = ReferenceHistogram { median: Some(f32::INFINITY), ..of_number.clone() };
        let unordered = ReferenceHistogram { edges: vec![2.0, 1.0], shares: vec![0.1; 3], ..of_number.clone() };
        let no_share = ReferenceHistogram { missing_share: 1.5, ..of_number };
        assert!([infinite, unordered, no_share].iter().all(|histogram| !histogram.fits(&number)));
    }
}

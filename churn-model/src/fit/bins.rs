//! Features in at most 254 bins each, so that a histogram of one is all a split search has to look at.

use ndarray::ArrayView2;
use rayon::prelude::*;

use churn_features::{FeatureSchema, MAX_LEVELS};

use super::Observations;
use super::random::subkey;
use crate::forest::level_code;

/// The bin of missing values.
pub(crate) const MISSING_BIN: u8 = u8::MAX;

const MAX_VALUE_BINS: usize = MAX_LEVELS;

/// Observations that the edges of numeric bins are read off; more bring no better quantiles.
const EDGE_SAMPLE: usize = 200_000;

/// How the values of one feature fall into bins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Binning {
    /// Bin `b` holds `edges[b - 1] <= value < edges[b]`.
    Numeric { edges: Vec<f32> },
    /// Bin `b` holds the level with code `b`.
    Category { n_levels: u8 },
}

impl Binning {
    /// Number of bins that hold values.
    pub(crate) fn n_value_bins(&self) -> usize {
        match self {
            Self::Numeric { edges } => edges.len() + 1,
            Self::Category { n_levels } => usize::from(*n_levels),
        }
    }

    fn bin(&self, value: f32) -> u8 {
        if value.is_nan() {
            return MISSING_BIN;
        }
        match self {
            Self::Numeric { edges } => edges.partition_point(|&edge| edge <= value) as u8,
            Self::Category { n_levels } => level_code(value, *n_levels).unwrap_or(MISSING_BIN),
        }
    }
}

/// The feature matrix in bins, row-major: the bins of one observation share a cache line or two.
pub(crate) struct BinnedFeatures {
    binnings: Vec<Binning>,
    bins: Vec<u8>,
}

impl BinnedFeatures {
    /// Bins every feature by the quantiles of its own values, each as often as its weight says.
    ///
    /// # Cost
    /// O(n log n) per feature up to the edge sample, then O(n log bins).
    pub(crate) fn new(observations: &Observations<'_>) -> Self {
        let rows = edge_rows(observations);
        let features = observations.features();
        let binnings: Vec<Binning> = (0..features.ncols())
            .into_par_iter()
            .map(|column| {
                let feature = &observations.schema().features()[column];
                if feature.is_category() {
                    Binning::Category { n_levels: feature.levels().len() as u8 }
                } else {
                    Binning::Numeric { edges: edges(&runs(observations, &rows, column)) }
                }
            })
            .collect();
        Self::with_binnings(binnings, observations.schema(), features)
    }

    fn with_binnings(binnings: Vec<Binning>, schema: &FeatureSchema, features: ArrayView2<'_, f32>) -> Self {
        let width = schema.len();
        let mut bins = vec![0; features.nrows() * width];
        bins.par_chunks_mut(width * 1024).enumerate().for_each(|(chunk, out)| {
            for (offset, out) in out.chunks_mut(width).enumerate() {
                let row = features.row(chunk * 1024 + offset);
                out.iter_mut().zip(row).zip(&binnings).for_each(|((bin, &value), binning)| *bin = binning.bin(value));
            }
        });
        Self { binnings, bins }
    }

    /// Number of features.
    pub(crate) fn width(&self) -> usize {
        self.binnings.len()
    }

    /// How each feature falls into bins.
    pub(crate) fn binnings(&self) -> &[Binning] {
        &self.binnings
    }

    /// All bins, row after row.
    pub(crate) fn rows(&self) -> &[u8] {
        &self.bins
    }
}

/// The rows that bin edges are read off: all, or those with the smallest draws by group number, whatever their order.
fn edge_rows(observations: &Observations<'_>) -> Vec<u32> {
    let n = observations.n_observations();
    let share = EDGE_SAMPLE as f64 / n as f64;
    let limit = (share * u64::MAX as f64) as u64; // saturates at every row
    let is_sampled = |row: usize| share >= 1.0 || subkey(EDGE_SAMPLE as u64, observations.group(row)) < limit;
    let rows: Vec<u32> = (0..n).filter(|&row| is_sampled(row)).map(|row| row as u32).collect();
    if rows.is_empty() { (0..n as u32).collect() } else { rows }
}

/// Distinct values and how much the rows that hold them weigh, ascending; rows that weigh nothing are not there.
fn runs(observations: &Observations<'_>, rows: &[u32], column: usize) -> Vec<(f32, f64)> {
    let value = |row: u32| observations.features()[[row as usize, column]];
    if observations.weights().is_none() {
        let mut values: Vec<f32> = rows.iter().map(|&row| value(row)).filter(|value| !value.is_nan()).collect();
        values.sort_unstable_by(f32::total_cmp);
        return values.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as f64)).collect();
    }
    let weighted = rows.iter().map(|&row| (value(row), observations.weight(row as usize)));
    let mut weighted: Vec<(f32, f64)> = weighted.filter(|(v, weight)| !v.is_nan() && *weight > 0.0).collect();
    // By weight as well, so that sums do not depend on the order of rows.
    weighted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let run = |run: &[(f32, f64)]| (run[0].0, run.iter().map(|(_, weight)| weight).sum());
    weighted.chunk_by(|a, b| a.0 == b.0).map(run).collect()
}

/// Edges between distinct values where there are few of them, else at equal steps of weighted rank.
fn edges(runs: &[(f32, f64)]) -> Vec<f32> {
    let gaps = runs.windows(2).map(|pair| between(pair[0].0, pair[1].0));
    if runs.len() <= MAX_VALUE_BINS {
        return gaps.collect();
    }
    let total: f64 = runs.iter().map(|(_, weight)| weight).sum();
    let (mut edges, mut rank) = (Vec::with_capacity(MAX_VALUE_BINS - 1), 0.0);
    let mut step = 1;
    for (gap, (_, weight)) in gaps.zip(runs) {
        rank += weight;
        if step < MAX_VALUE_BINS && rank * MAX_VALUE_BINS as f64 >= step as f64 * total {
            edges.push(gap);
            // A heavy value may take several steps at once.
            step = 1 + (rank * MAX_VALUE_BINS as f64 / total) as usize;
        }
    }
    edges
}

/// A number that separates `below < above`: `below < result <= above`.
fn between(below: f32, above: f32) -> f32 {
    let middle = below / 2.0 + above / 2.0;
    if middle > below && middle <= above { middle } else { above }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn once(values: &[f32]) -> Vec<(f32, f64)> {
        values.iter().map(|&value| (value, 1.0)).collect()
    }

    #[test]
    fn few_distinct_values_get_a_bin_each() {
        let binning = Binning::Numeric { edges: edges(&once(&[-1.0, -0.0, 3.0])) };
        let bins: Vec<u8> = [-1.0, -0.0, 0.0, 3.0, f32::NAN, 1e9].iter().map(|&v| binning.bin(v)).collect();
        assert_eq!(bins, [0, 1, 1, 2, MISSING_BIN, 2]);
    }

    #[test]
    fn neighbouring_floats_are_told_apart() {
        let (a, b) = (1.0_f32, 1.0_f32.next_up());
        assert_eq!(edges(&once(&[a, b])), [b]);
        assert_eq!(between(f32::MIN, f32::MAX), 0.0);
    }

    #[test]
    fn many_values_fill_their_bins_equally() {
        let sorted: Vec<f32> = (0..100_000).map(|i| (i as f32).powi(2)).collect();
        let binning = Binning::Numeric { edges: edges(&once(&sorted)) };
        let mut counts = vec![0; binning.n_value_bins()];
        sorted.iter().for_each(|&v| counts[usize::from(binning.bin(v))] += 1);
        assert_eq!(counts.len(), MAX_VALUE_BINS);
        assert!(counts.iter().all(|count| (390..400).contains(count)), "{counts:?}");
    }

    #[test]
    fn the_scale_of_weights_does_not_move_edges_and_a_heavy_value_takes_its_share() {
        let runs = |scale: f64| -> Vec<(f32, f64)> {
            (0..1_000).map(|i| (i as f32, scale * if i == 500 { 1_000.0 } else { 1.0 })).collect()
        };
        let found = edges(&runs(1.0));
        assert_eq!(found, edges(&runs(0.125)));
        // Half of all weight is in one value: 127 steps are left for the others, and one ends behind it.
        assert!((126..=129).contains(&found.len()) && found.contains(&500.5), "{found:?}");
    }

    #[test]
    fn one_value_or_none_gives_one_bin() {
        assert!(edges(&[(2.0, 5.0)]).is_empty());
        assert!(edges(&[]).is_empty());
    }
}

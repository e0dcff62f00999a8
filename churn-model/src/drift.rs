//! Drift: how far what is scored lies from what the model was fitted on.
//!
//! Values are counted into the bins of the model's own reference histograms, and compared with them by the population
//! stability index (Siddiqi 2006, *Credit Risk Scorecards*): the sum over all bins of `(now - then) ln(now / then)`, with
//! "missing" as a bin of its own. Below 0.1 it is usually taken as no drift, above 0.25 as a lot.

use churn_features::FeatureSchema;

use crate::model::Model;
use crate::reference::ReferenceHistogram;

/// Rows of a generation: the index is taken over the last one to two generations, so that old rows are forgotten.
const GENERATION_ROWS: u64 = 10_000;

/// Below so many rows the index says more about chance than about drift.
const FEWEST_ROWS: u64 = 200;

/// Stands for an empty bin, of which the index would be infinite.
const LEAST_SHARE: f64 = 1e-4;

/// Counts feature vectors and tells how far they have drifted from the fit split.
///
/// # Cost
/// A few nanoseconds per value; eight bytes per bin.
#[derive(Debug, Clone)]
pub struct DriftMonitor {
    references: Vec<ReferenceHistogram>,
    /// Where the bins of each feature begin in a generation; one more at the end.
    starts: Vec<usize>,
    current: Generation,
    previous: Generation,
}

#[derive(Debug, Clone)]
struct Generation {
    counts: Vec<u32>,
    n_rows: u64,
}

impl DriftMonitor {
    /// A monitor that has seen nothing yet.
    pub fn new(model: &Model) -> Self {
        let references = model.references().to_vec();
        let mut starts = vec![0];
        starts.extend(references.iter().scan(0, |end, reference| {
            *end += reference.n_bins();
            Some(*end)
        }));
        let empty = Generation { counts: vec![0; starts[references.len()]], n_rows: 0 };
        Self { references, starts, current: empty.clone(), previous: empty }
    }

    /// Counts feature vectors.
    ///
    /// # Shape
    /// `rows` is row-major `(n_rows, n_features)`.
    /// # Panics
    /// When `rows` is not a whole number of feature vectors.
    pub fn observe(&mut self, rows: &[f32]) {
        let width = self.references.len();
        assert_eq!(rows.len() % width, 0, "rows hold one value per feature each");
        for row in rows.chunks_exact(width) {
            if self.current.n_rows == GENERATION_ROWS {
                std::mem::swap(&mut self.current, &mut self.previous);
                self.current.counts.fill(0);
                self.current.n_rows = 0;
            }
            for ((reference, start), &value) in self.references.iter().zip(&self.starts).zip(row) {
                self.current.counts[start + reference.bin(value)] += 1;
            }
            self.current.n_rows += 1;
        }
    }

    /// Rows that the index is taken over.
    pub(crate) fn n_rows(&self) -> u64 {
        self.current.n_rows + self.previous.n_rows
    }

    /// The population stability index of each feature, in schema order; `None` where too little was seen, or where the
    /// model does not know what was usual.
    pub(crate) fn stability_indices(&self) -> Vec<Option<f64>> {
        let bounds = self.starts.windows(2).map(|pair| pair[0]..pair[1]);
        let index = |(reference, bins): (&ReferenceHistogram, std::ops::Range<usize>)| {
            if self.n_rows() < FEWEST_ROWS || !reference.is_counted() {
                return None;
            }
            let share = |count: u32| (f64::from(count) / self.n_rows() as f64).max(LEAST_SHARE);
            let now = bins.map(|bin| share(self.current.counts[bin] + self.previous.counts[bin]));
            let then = reference.shares.iter().chain([&reference.missing_share]).map(|&then| then.max(LEAST_SHARE));
            Some(now.zip(then).map(|(now, then)| (now - then) * (now / then).ln()).sum())
        };
        self.references.iter().zip(bounds).map(index).collect()
    }

    /// The feature names and their indices, the farthest drifted first, without those that are not known.
    pub fn most_drifted<'a>(&self, schema: &'a FeatureSchema) -> Vec<(&'a str, f64)> {
        let names = schema.features().iter().map(|feature| feature.name());
        let mut drifted: Vec<(&str, f64)> =
            names.zip(self.stability_indices()).filter_map(|(name, index)| Some((name, index?))).collect();
        drifted.sort_by(|a, b| b.1.total_cmp(&a.1)); // stable: schema order on ties
        drifted
    }
}

#[cfg(test)]
mod tests {
    use churn_features::Feature;

    use super::*;
    use crate::forest::{Combine, ForestModel, Node, Tree};
    use crate::{Calibrator, ModelCard, ModelKind, Threshold, ThresholdRule};

    /// A model of a number, with `0..100` in the fit split, and a category of two levels, half of it each.
    fn model() -> Model {
        let features = vec![Feature::numeric("n"), Feature::category("c", vec!["x".into(), "y".into()])];
        let references = vec![
            ReferenceHistogram::of(&features[0], (0..100).map(|i| i as f32)),
            ReferenceHistogram::of(&features[1], [0.0, 1.0]),
        ];
        let schema = FeatureSchema::new(features).unwrap();
        let leaf = Tree { nodes: vec![Node::Leaf { value: 0.5, cover: 1.0 }] };
        let forest = ForestModel::new(&schema, Combine::MeanShare, &[leaf]).unwrap();
        let threshold = Threshold { score: 0.5, rule: ThresholdRule::Fixed };
        Model::new(schema, ModelKind::Forest(forest), Calibrator::Identity, threshold, references, ModelCard::default())
            .unwrap()
    }

    #[test]
    fn rows_like_those_of_the_fit_split_do_not_drift() {
        let mut monitor = DriftMonitor::new(&model());
        (0..400).for_each(|i| monitor.observe(&[(i % 100) as f32, (i % 2) as f32]));
        assert!(monitor.stability_indices().iter().all(|index| index.unwrap() < 1e-9));
    }

    #[test]
    fn a_shift_is_told_by_the_sum_over_all_bins() {
        let mut monitor = DriftMonitor::new(&model());
        (0..1000).for_each(|i| monitor.observe(&[(i % 100) as f32, f32::from(u8::from(i % 10 == 0))]));
        let [n, c] = monitor.stability_indices()[..] else { panic!("two features") };
        let expected = (0.9_f64 - 0.5) * (0.9_f64 / 0.5).ln() + (0.1_f64 - 0.5) * (0.1_f64 / 0.5).ln();
        assert!(n.unwrap() < 1e-9 && (c.unwrap() - expected).abs() < 1e-12, "{n:?} {c:?} {expected}");
        let schema = model().schema().clone();
        assert_eq!(monitor.most_drifted(&schema)[0].0, "c");
    }

    #[test]
    fn too_few_rows_tell_nothing_and_old_rows_are_forgotten() {
        let mut monitor = DriftMonitor::new(&model());
        monitor.observe(&[f32::NAN, f32::NAN]);
        assert_eq!(monitor.stability_indices(), [None, None]);
        (0..GENERATION_ROWS).for_each(|_| monitor.observe(&[f32::NAN, f32::NAN]));
        assert!(monitor.stability_indices()[0].unwrap() > 5.0);
        (0..2 * GENERATION_ROWS).for_each(|i| monitor.observe(&[(i % 100) as f32, (i % 2) as f32]));
        assert!(monitor.stability_indices()[0].unwrap() < 0.01 && monitor.n_rows() <= 2 * GENERATION_ROWS);
    }
}

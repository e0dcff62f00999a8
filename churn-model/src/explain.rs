//! Explanations: what each feature adds to a raw score, exactly or nearly, and in words.
//!
//! **What is computed.** For forests the path-dependent Shapley values of TreeSHAP: where a feature is not known, both
//! sides of a split count by their cover. For linear models each term less its average over the fit split. Base value and
//! contributions add up to the raw score to 1e-9.
//!
//! **How.** With the features on the way to a leaf known with probability `t` each, the value to expect of a tree is a
//! polynomial in `t`, and a feature's Shapley value is the integral of its derivative over `[0, 1]` (Owen 1972). A few
//! quadrature nodes integrate it exactly: half as many as a path has different features. At one node all that remains is
//! one walk down, multiplying factors, and one back up, mixing values: `value = right + factor (left - right)`, and
//! `product * slope * (left - right)` goes to the feature. A feature that was asked for further up has
//! `unknown = p (1 - t) / (p (1 - t) + t)` of its uncertainty left when its answers were met (`p` is the product of its
//! shares so far) and all of it, without effect, when they were not. There is no subtraction of large numbers and no
//! division by small ones, at any depth. Several nodes are walked at once in the lanes of vector registers; a tree with
//! more features on a path than they hold is walked several times.
//!
//! **Layout and cost.** Splits of 48 bytes, cut into sections of up to 64, whose memory stays in the first-level cache;
//! about a dozen vector operations a split and no branch that depends on the row. O(splits) for a row, times the walks.
//! `cargo bench -p churn-benches --bench explain` measures it, `benches/peers/explain.sh` beside other libraries.
//!
//! **Sources.** Lundberg et al., "From local explanations to global understanding with explainable AI for trees", 2020
//! (the values); Yu et al., "Linear TreeSHAP", 2022 (polynomials instead of subsets); Owen, "Multilinear extensions of
//! games", 1972 (the integral). The updates for repeated features are our own; the tests compare them with the definition.

mod approximate;
mod exact;
mod linear;
mod paths;
mod quadrature;
mod question;
mod reason;
mod walk;
mod wording;

pub use exact::ExplainScratch;
pub use reason::{Reason, ReasonValue, Trend};

use approximate::MeanForest;
use exact::ExactForest;
use linear::LinearParts;

use churn_features::FeatureSchema;

use crate::model::{Model, ModelKind};
use crate::reference::ReferenceHistogram;

/// Rows that one thread explains together: as many as pay for fetching a tree, few enough to keep all threads busy.
const BATCH_ROWS: usize = 16;

/// What one raw score is made of: base value + contributions = raw score, to 1e-9.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The raw score before any feature is known.
    pub base_value: f64,
    /// What each feature adds, in schema order.
    pub contributions: Vec<f64>,
    /// The raw score, bit for bit that of the model.
    pub raw_score: f64,
}

/// A model made ready to be explained; may be shared by any number of threads.
///
/// # Example
/// ```no_run
/// use churn_model::Model;
///
/// let model = Model::read("model.safetensors".as_ref())?;
/// let explainer = model.explainer();
/// let row = vec![f32::NAN; model.schema().len()];
/// for reason in explainer.reasons(&row, 3) {
///     println!("{reason}");
/// }
/// # Ok::<(), churn_model::ReadError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Explainer {
    schema: FeatureSchema,
    references: Vec<ReferenceHistogram>,
    kind: Ready,
    base_value: f64,
}

#[derive(Debug, Clone)]
enum Ready {
    Forest { exact: ExactForest, means: MeanForest },
    Linear(LinearParts),
}

impl Explainer {
    /// Makes a model ready to be explained; [`Model::explainer`] does the same.
    ///
    /// # Cost
    /// O(nodes); about 40 bytes per node.
    pub fn new(model: &Model) -> Self {
        let (kind, base_value) = match model.kind() {
            ModelKind::Forest(forest) => {
                let means = MeanForest::new(forest);
                let base_value = means.base_value();
                (Ready::Forest { exact: ExactForest::new(forest), means }, base_value)
            }
            ModelKind::Linear(linear) => {
                let parts = LinearParts::new(linear, model.references());
                let base_value = parts.base_value();
                (Ready::Linear(parts), base_value)
            }
        };
        Self { schema: model.schema().clone(), references: model.references().to_vec(), kind, base_value }
    }

    /// The raw score before any feature is known: for a forest the mean of its leaves by their cover, for a linear model
    /// the mean over the fit split.
    pub fn base_value(&self) -> f64 {
        self.base_value
    }

    /// Explains one feature vector exactly.
    ///
    /// # Panics
    /// When `row` does not have one value per feature.
    pub fn explain(&self, row: &[f32]) -> Explanation {
        self.explanation(row, |contributions| self.explain_into(row, contributions, &mut ExplainScratch::default()))
    }

    /// Writes the exact contributions to one raw score, which it returns.
    ///
    /// # Shape
    /// `contributions` has one place per feature, in schema order.
    /// # Panics
    /// When `row` or `contributions` does not have one value per feature.
    /// # Cost
    /// O(splits); no allocation when `scratch` was used before for the same model, and no lock.
    pub fn explain_into(&self, row: &[f32], contributions: &mut [f64], scratch: &mut ExplainScratch) -> f64 {
        self.check_widths(row, contributions);
        self.exact_into(row, contributions, scratch);
        match &self.kind {
            Ready::Forest { means, .. } => means.walk(row, |_, _| {}),
            Ready::Linear(parts) => parts.raw_score(row),
        }
    }

    /// The exact contributions for many feature vectors, bit for bit those of [`explain_into`](Self::explain_into); with
    /// the feature `rayon` on all cores.
    ///
    /// # Shape
    /// `rows` and the result are row-major `(n_rows, n_features)`.
    /// # Panics
    /// When `rows` is not a whole number of feature vectors.
    pub fn explain_batch(&self, rows: &[f32]) -> Vec<f64> {
        let width = self.schema.len();
        assert_eq!(rows.len() % width, 0, "rows hold one value per feature each");
        let mut contributions = vec![0.0; rows.len()];
        let block = BATCH_ROWS * width;
        #[cfg(feature = "rayon")]
        {
            use rayon::prelude::*;
            let blocks = contributions.par_chunks_mut(block).zip(rows.par_chunks(block));
            blocks.for_each_init(ExplainScratch::default, |scratch, (contributions, rows)| {
                self.exact_into(rows, contributions, scratch);
            });
        }
        #[cfg(not(feature = "rayon"))]
        {
            let mut scratch = ExplainScratch::default();
            for (contributions, rows) in contributions.chunks_mut(block).zip(rows.chunks(block)) {
                self.exact_into(rows, contributions, &mut scratch);
            }
        }
        contributions
    }

    /// Explains one feature vector nearly, and hundreds of times sooner: each step down a tree is credited to the
    /// feature it asks for. It adds up as the exact one does, and is the exact one for linear models.
    ///
    /// # Panics
    /// When `row` does not have one value per feature.
    pub fn approximate(&self, row: &[f32]) -> Explanation {
        self.explanation(row, |contributions| self.approximate_into(row, contributions))
    }

    /// Writes approximate contributions to one raw score, which it returns; see [`approximate`](Self::approximate).
    ///
    /// # Shape
    /// `contributions` has one place per feature, in schema order.
    /// # Panics
    /// When `row` or `contributions` does not have one value per feature.
    /// # Cost
    /// O(trees x depth); no allocation and no lock.
    pub fn approximate_into(&self, row: &[f32], contributions: &mut [f64]) -> f64 {
        self.check_widths(row, contributions);
        match &self.kind {
            Ready::Forest { means, .. } => {
                contributions.fill(0.0);
                let raw_score = means.walk(row, |feature, change| contributions[feature] += change);
                contributions.iter_mut().for_each(|contribution| *contribution /= means.divisor());
                raw_score
            }
            Ready::Linear(parts) => {
                parts.explain_into(row, contributions);
                parts.raw_score(row)
            }
        }
    }

    /// The `k` largest exact contributions in words, largest first; fewer when fewer features contribute anything.
    ///
    /// # Panics
    /// When `row` does not have one value per feature.
    pub fn reasons(&self, row: &[f32], k: usize) -> Vec<Reason> {
        self.reasons_of(row, &self.explain(row).contributions, k)
    }

    /// The `k` largest of contributions that were found before, in words; see [`reasons`](Self::reasons).
    ///
    /// # Panics
    /// When `row` or `contributions` does not have one value per feature.
    pub fn reasons_of(&self, row: &[f32], contributions: &[f64], k: usize) -> Vec<Reason> {
        self.check_widths(row, contributions);
        let mut order: Vec<usize> = (0..row.len()).filter(|&feature| contributions[feature] != 0.0).collect();
        order.sort_by(|&a, &b| contributions[b].abs().total_cmp(&contributions[a].abs())); // stable: schema order on ties
        order.truncate(k);
        let reason =
            |feature: usize| Reason::new(&self.schema, &self.references[feature], feature, row, contributions[feature]);
        order.into_iter().map(reason).collect()
    }

    fn explanation(&self, row: &[f32], fill: impl FnOnce(&mut [f64]) -> f64) -> Explanation {
        let mut contributions = vec![0.0; row.len()];
        let raw_score = fill(&mut contributions);
        Explanation { base_value: self.base_value, contributions, raw_score }
    }

    fn exact_into(&self, rows: &[f32], contributions: &mut [f64], scratch: &mut ExplainScratch) {
        match &self.kind {
            Ready::Forest { exact, means } => {
                exact.sum_into(rows, contributions, scratch);
                contributions.iter_mut().for_each(|contribution| *contribution /= means.divisor());
            }
            Ready::Linear(parts) => {
                let width = self.schema.len();
                for (row, contributions) in rows.chunks_exact(width).zip(contributions.chunks_exact_mut(width)) {
                    parts.explain_into(row, contributions);
                }
            }
        }
    }

    fn check_widths(&self, row: &[f32], contributions: &[f64]) {
        assert_eq!(row.len(), self.schema.len(), "a feature vector has one value per feature");
        assert_eq!(contributions.len(), self.schema.len(), "there is one contribution per feature");
    }
}

impl Model {
    /// The model made ready to be explained.
    pub fn explainer(&self) -> Explainer {
        Explainer::new(self)
    }
}

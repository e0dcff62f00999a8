//! A whole model: features in, churn probability and decision out.

use churn_features::FeatureSchema;

use crate::calibrator::{Calibrator, CalibratorError, RawScale};
use crate::card::ModelCard;
use crate::forest::ForestModel;
use crate::linear::LinearModel;
use crate::reference::ReferenceHistogram;
use crate::threshold::Threshold;

/// The closed set of fitted models; scoring and the model file match on it.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelKind {
    /// Trees: a random forest, a decision tree or an additive ensemble.
    Forest(ForestModel),
    /// A logistic regression.
    Linear(LinearModel),
}

impl ModelKind {
    /// The uncalibrated output for one feature vector.
    ///
    /// # Panics
    /// When `row` does not have one value per feature.
    pub fn raw_score(&self, row: &[f32]) -> f64 {
        match self {
            Self::Forest(forest) => forest.raw_score(row),
            Self::Linear(linear) => linear.raw_score(row),
        }
    }

    /// The uncalibrated output for many feature vectors, bit for bit that of [`raw_score`](Self::raw_score).
    ///
    /// # Shape
    /// `rows` is row-major `(n_rows, n_features)`; the result is `(n_rows,)`.
    /// # Panics
    /// When `rows` is not a whole number of feature vectors.
    pub fn raw_scores(&self, rows: &[f32]) -> Vec<f64> {
        match self {
            Self::Forest(forest) => forest.raw_scores(rows),
            Self::Linear(linear) => rows.chunks(linear.terms().len()).map(|row| linear.raw_score(row)).collect(),
        }
    }

    /// What the raw score is.
    pub fn raw_scale(&self) -> RawScale {
        match self {
            Self::Forest(forest) => forest.combine().scale(),
            Self::Linear(_) => RawScale::LogOdds,
        }
    }

    /// Number of features in a feature vector.
    pub fn n_features(&self) -> usize {
        match self {
            Self::Forest(forest) => forest.n_features(),
            Self::Linear(linear) => linear.terms().len(),
        }
    }
}

/// Everything that the model file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    schema: FeatureSchema,
    kind: ModelKind,
    calibrator: Calibrator,
    threshold: Threshold,
    references: Vec<ReferenceHistogram>,
    card: ModelCard,
}

/// What keeps the parts of a model from fitting together.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The fitted model reads another number of features than the schema has.
    #[error("the model reads {model} features, the schema has {schema}")]
    Width {
        /// Features that the fitted model reads.
        model: usize,
        /// Features in the schema.
        schema: usize,
    },
    /// Not one reference histogram per feature.
    #[error("there are {found} reference histograms for {expected} features")]
    References {
        /// Histograms found.
        found: usize,
        /// Features in the schema.
        expected: usize,
    },
    /// A reference histogram that is not one of its feature.
    #[error("the reference histogram of feature {feature:?} does not fit it, or holds a number that is not finite")]
    Reference {
        /// Name of the feature.
        feature: String,
    },
    /// The calibrator is no calibrator.
    #[error(transparent)]
    Calibrator(#[from] CalibratorError),
    /// The threshold is not a number.
    #[error("the threshold is not a number")]
    Threshold,
}

impl Model {
    /// Puts a model together from its parts.
    ///
    /// # Errors
    /// When the parts do not fit together; see [`ModelError`].
    pub fn new(
        schema: FeatureSchema,
        kind: ModelKind,
        calibrator: Calibrator,
        threshold: Threshold,
        references: Vec<ReferenceHistogram>,
        card: ModelCard,
    ) -> Result<Self, ModelError> {
        if kind.n_features() != schema.len() {
            return Err(ModelError::Width { model: kind.n_features(), schema: schema.len() });
        }
        if references.len() != schema.len() {
            return Err(ModelError::References { found: references.len(), expected: schema.len() });
        }
        if let Some((feature, _)) = schema.features().iter().zip(&references).find(|(f, histogram)| !histogram.fits(f))
        {
            return Err(ModelError::Reference { feature: feature.name().to_owned() });
        }
        calibrator.check()?;
        if threshold.score.is_nan() {
            return Err(ModelError::Threshold);
        }
        Ok(Self { schema, kind, calibrator, threshold, references, card })
    }

    /// The features that the model reads, in order.
    pub fn schema(&self) -> &FeatureSchema {
        &self.schema
    }

    /// The fitted model behind the calibrator.
    pub fn kind(&self) -> &ModelKind {
        &self.kind
    }

    /// The map from raw scores to probabilities.
    pub fn calibrator(&self) -> &Calibrator {
        &self.calibrator
    }

    /// The score at or above which someone acts.
    pub fn threshold(&self) -> &Threshold {
        &self.threshold
    }

    /// What each feature looked like in the fit split, in schema order.
    pub fn references(&self) -> &[ReferenceHistogram] {
        &self.references
    }

    /// What the model is for and how well it does.
    pub fn card(&self) -> &ModelCard {
        &self.card
    }

    /// The churn probability of one feature vector, in schema order.
    ///
    /// # Missing
    /// NaN, and a category code that the schema does not have.
    /// # Panics
    /// When `row` does not have one value per feature.
    /// # Cost
    /// O(trees x depth), or O(features) for a linear model; no allocation and no lock.
    pub fn score(&self, row: &[f32]) -> f64 {
        self.calibrator.score(self.kind.raw_scale(), self.kind.raw_score(row))
    }

    /// The churn probabilities of many feature vectors, bit for bit those of [`score`](Self::score) and sooner.
    ///
    /// # Shape
    /// `rows` is row-major `(n_rows, n_features)`; the result is `(n_rows,)`.
    /// # Panics
    /// When `rows` is not a whole number of feature vectors.
    pub fn scores(&self, rows: &[f32]) -> Vec<f64> {
        self.calibrator.scores(self.kind.raw_scale(), self.kind.raw_scores(rows))
    }

    /// Whether someone should act on a score.
    pub fn decide(&self, score: f64) -> bool {
        self.threshold.decide(score)
    }
}

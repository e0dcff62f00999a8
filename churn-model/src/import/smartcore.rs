//! Trees, forests and logistic regressions fitted by smartcore 0.7.
//!
//! smartcore keeps its nodes private, so they are read from what its `serde` feature writes. It sends `value <=
//! split_value` left, in f64. A leaf holds a label, but its size and impurity tell the share of churn too.

mod nodes;

use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use smartcore::ensemble::random_forest_classifier::RandomForestClassifier;
use smartcore::linalg::basic::arrays::{Array1, Array2};
use smartcore::linear::logistic_regression::LogisticRegression;
use smartcore::numbers::basenum::Number;
use smartcore::numbers::floatnum::FloatNumber;
use smartcore::numbers::realnum::RealNumber;
use smartcore::tree::decision_tree_classifier::DecisionTreeClassifier;

use churn_features::FeatureSchema;

use super::{ImportError, check_numbers, plain_linear};
use crate::forest::{Combine, ForestModel, Tree};
use crate::linear::LinearModel;

use nodes::{SavedForest, SavedTree};

/// What the leaves of an imported smartcore tree say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeafValue {
    /// 1 where smartcore's own `predict` says churn, else 0: the raw score of a forest is its share of votes.
    Vote,
    /// The share of churn among the observations that the leaf was fitted on, which smartcore itself cannot give: a
    /// finer score for ranking tenants. In a forest its side of one half may differ from the majority of votes; in a
    /// tree fitted on f32 it differs where smartcore's rounding gave a leaf the label of its minority.
    Share,
}

impl ForestModel {
    /// A decision tree fitted by smartcore.
    ///
    /// The raw score is above one half where the tree predicts `positive`, the label that means churn, and below where
    /// it predicts the other one; [`LeafValue::Share`] tells the exception. A leaf split evenly has a share of one half,
    /// where smartcore predicts the lesser label.
    ///
    /// # Missing
    /// NaN goes right at every split, as in smartcore.
    /// # Errors
    /// When the tree is not fitted on two classes with `positive` among them, the schema has categories or another
    /// width, or what smartcore writes cannot be understood.
    /// # Cost
    /// Writes the tree as JSON in memory, about 200 bytes a node.
    pub fn from_smartcore_tree<TX, TY, X, Y>(
        schema: &FeatureSchema,
        tree: &DecisionTreeClassifier<TX, TY, X, Y>,
        positive: TY,
        leaves: LeafValue,
    ) -> Result<Self, ImportError>
    where
        TX: Number + PartialOrd,
        TY: Number + Ord + Serialize,
        X: Array2<TX>,
        Y: Array1<TY>,
        DecisionTreeClassifier<TX, TY, X, Y>: Serialize,
    {
        check_numbers(schema)?;
        let saved: SavedTree = resave(tree)?;
        let trees = [saved.plant(schema, 0, &label_as_saved(positive)?, leaves)?];
        Ok(Self::new(schema, Combine::MeanShare, &trees)?)
    }

    /// A random forest fitted by smartcore.
    ///
    /// With [`LeafValue::Vote`] the raw score is the share of trees that vote `positive`, the label that means churn.
    /// smartcore decides by majority and gives a tie to the lesser label: it says churn where the raw score is above
    /// one half when `positive` is the greater label, and at or above it when `positive` is the lesser one.
    ///
    /// Arrays of `ndarray` serialize only with the `serde` feature of that crate; smartcore's own matrices always do.
    ///
    /// # Missing
    /// NaN goes right at every split, as in smartcore.
    /// # Errors
    /// When the forest is not fitted on two classes with `positive` among them, the schema has categories or another
    /// width, or what smartcore writes cannot be understood.
    /// # Cost
    /// Writes the forest as JSON in memory, about 200 bytes a node.
    /// # Example
    /// ```
    /// use churn_features::{Feature, FeatureSchema};
    /// use churn_model::{ForestModel, LeafValue};
    /// use smartcore::ensemble::random_forest_classifier::RandomForestClassifier;
    /// use smartcore::linalg::basic::matrix::DenseMatrix;
    ///
    /// let jobs = DenseMatrix::from_2d_array(&[&[1.0], &[2.0], &[7.0], &[9.0]])?;
    /// let churned = vec![1, 1, 0, 0];
    /// let forest = RandomForestClassifier::fit(&jobs, &churned, Default::default())?;
    ///
    /// let schema = FeatureSchema::new(vec![Feature::numeric("jobs")])?;
    /// let model = ForestModel::from_smartcore_forest(&schema, &forest, 1, LeafValue::Share)?;
    /// assert!(model.raw_score(&[1.0]) > model.raw_score(&[9.0]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_smartcore_forest<TX, TY, X, Y>(
        schema: &FeatureSchema,
        forest: &RandomForestClassifier<TX, TY, X, Y>,
        positive: TY,
        leaves: LeafValue,
    ) -> Result<Self, ImportError>
    where
        TX: Number + FloatNumber + PartialOrd,
        TY: Number + Ord + Serialize,
        X: Array2<TX>,
        Y: Array1<TY>,
        RandomForestClassifier<TX, TY, X, Y>: Serialize,
    {
        check_numbers(schema)?;
        let saved: SavedForest = resave(forest)?;
        let positive = label_as_saved(positive)?;
        let saved = saved.trees.ok_or(ImportError::NotFitted)?;
        let plant = |(position, tree): (usize, SavedTree)| tree.plant(schema, position, &positive, leaves);
        let trees: Vec<Tree> = saved.into_iter().enumerate().map(plant).collect::<Result<_, _>>()?;
        Ok(Self::new(schema, Combine::MeanShare, &trees)?)
    }
}

/// As much of a saved logistic regression as tells whether it can be asked for the rest without a panic.
#[derive(serde::Deserialize)]
struct SavedLogistic {
    coefficients: Option<IgnoredAny>,
    intercept: Option<IgnoredAny>,
    classes: Option<Vec<serde_json::Value>>,
}

impl LinearModel {
    /// A logistic regression fitted by smartcore on two classes.
    ///
    /// The raw score is the log-odds of `positive`, the label that means churn. smartcore's weights speak for the
    /// greater label; the signs are turned where that is not ours.
    ///
    /// # Missing
    /// smartcore has no rule; here a missing value adds nothing, as a 0 would.
    /// # Errors
    /// When the model is not fitted on two classes with `positive` among them, the schema has categories or another
    /// width, or a weight is not finite.
    pub fn from_smartcore_logistic<TX, TY, X, Y>(
        schema: &FeatureSchema,
        model: &LogisticRegression<TX, TY, X, Y>,
        positive: TY,
    ) -> Result<Self, ImportError>
    where
        TX: Number + FloatNumber + RealNumber,
        TY: Number + Ord + Serialize,
        X: Array2<TX>,
        Y: Array1<TY>,
        LogisticRegression<TX, TY, X, Y>: Serialize,
    {
        let saved: SavedLogistic = resave(model)?;
        let (Some(_), Some(_), Some(classes)) = (saved.coefficients, saved.intercept, saved.classes) else {
            return Err(ImportError::NotFitted);
        };
        let sign = if nodes::class_position(&classes, &label_as_saved(positive)?)? == 1 { 1.0 } else { -1.0 };
        // A number that f64 cannot hold becomes NaN, which the linear model refuses.
        let number = |value: &TX| sign * value.to_f64().unwrap_or(f64::NAN);
        let intercept = model.intercept().iterator(0).next().map_or(f64::NAN, number);
        plain_linear(schema, intercept, model.coefficients().iterator(0).map(number).collect())
    }
}

/// Reads a model's private parts from what it serializes into.
fn resave<M: Serialize, S: DeserializeOwned>(model: &M) -> Result<S, ImportError> {
    let text = serde_json::to_vec(model).map_err(ImportError::Serialized)?;
    serde_json::from_slice(&text).map_err(ImportError::Serialized)
}

fn label_as_saved<TY: Serialize>(label: TY) -> Result<serde_json::Value, ImportError> {
    serde_json::to_value(label).map_err(ImportError::Serialized)
}

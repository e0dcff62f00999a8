//! Learners that compete, each judged on observations that it had not seen.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    CalibratorLearner, DecisionTreeLearner, FitError, LinearLearner, Observations, Progress, RandomForestLearner,
};
use crate::calibrator::Calibrator;
use crate::model::ModelKind;

/// Which learner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// Many trees.
    RandomForest,
    /// One tree.
    DecisionTree,
    /// Logistic regression.
    LinearLearner,
}

impl Algorithm {
    /// All of them, in the order they are tried.
    pub const ALL: [Self; 3] = [Self::RandomForest, Self::DecisionTree, Self::LinearLearner];

    /// The name that flags, files and model cards use.
    pub fn name(self) -> &'static str {
        match self {
            Self::RandomForest => "random-forest",
            Self::DecisionTree => "decision-tree",
            Self::LinearLearner => "linear-learner",
        }
    }
}

/// A learner of any kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Learner {
    /// Many trees.
    RandomForest(RandomForestLearner),
    /// One tree.
    DecisionTree(DecisionTreeLearner),
    /// Logistic regression.
    Linear(LinearLearner),
}

/// A fitted learner, calibrated, and how it did on what it had not seen.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Which learner.
    pub algorithm: Algorithm,
    /// What it fitted.
    pub kind: ModelKind,
    /// The map from its raw scores to probabilities.
    pub calibrator: Calibrator,
    /// Raw score of every observation by models that had not seen it; NaN where there is none.
    pub honest_raw_scores: Vec<f64>,
    /// The same, calibrated.
    pub honest_scores: Vec<f64>,
    /// Cross-validated log loss of these, the calibrator included.
    pub honest_log_loss: f64,
    /// How these scores came to be: `out-of-bag` or `cross-validated`.
    pub criterion: &'static str,
    /// Hyperparameters as used, by name.
    pub hyperparameters: BTreeMap<String, Value>,
    /// The leaf size that a forest was fitted with, given or chosen.
    pub min_leaf: Option<u32>,
    /// What happened on the way.
    pub notes: Vec<String>,
    /// What a user of the model has to know, should it be kept.
    pub caveats: Vec<String>,
}

impl Candidate {
    /// Puts a learner together that was fitted and calibrated before, from what cannot be computed anew.
    ///
    /// Its hyperparameters, notes and caveats are empty.
    pub fn restored(
        algorithm: Algorithm,
        kind: ModelKind,
        calibrator: Calibrator,
        honest_raw_scores: Vec<f64>,
        honest_log_loss: f64,
    ) -> Self {
        let mut candidate = Self::new(algorithm, kind, honest_raw_scores, Vec::new());
        candidate.calibrate(calibrator);
        Self { honest_log_loss, ..candidate }
    }

    /// Calibrated scores of feature vectors that stand one after the other.
    pub fn scores(&self, rows: &[f32]) -> Vec<f64> {
        self.calibrator.scores(self.kind.raw_scale(), self.kind.raw_scores(rows))
    }
}

impl Learner {
    /// Which learner it is.
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::RandomForest(_) => Algorithm::RandomForest,
            Self::DecisionTree(_) => Algorithm::DecisionTree,
            Self::Linear(_) => Algorithm::LinearLearner,
        }
    }

    /// Fits it, scores every observation by models that have not seen its group, and calibrates by these scores.
    ///
    /// # Errors
    /// When a hyperparameter is out of range, there is too much to fit, or the calibrator finds one label only among
    /// the observations that have a score.
    pub fn fit_candidate(
        &self,
        observations: &Observations<'_>,
        calibration: CalibratorLearner,
        progress: &Progress<'_>,
    ) -> Result<Candidate, FitError> {
        let mut candidate = match self {
            Self::RandomForest(learner) => forest(learner, observations, progress)?,
            Self::DecisionTree(learner) => tree(learner, observations, progress)?,
            Self::Linear(learner) => linear(learner, observations, progress)?,
        };
        let scale = candidate.kind.raw_scale();
        let raw = &candidate.honest_raw_scores;
        candidate.honest_log_loss = calibration.log_loss(scale, raw, observations)?;
        let calibrator = calibration.fit(scale, raw, observations)?;
        candidate.calibrate(calibrator);
        Ok(candidate)
    }
}

/// Position of the candidate with the least honest log loss; the first of equals.
///
/// A single tree has to be better by more than a standard error of the paired differences: the honest scores that it is
/// judged by also chose how far to prune it, out of more settings than the others try, and its own scores vary most
/// from one sample to the next.
pub fn best_of(candidates: &[Candidate], labels: &[bool]) -> usize {
    let best = least_loss(candidates, |_| true).unwrap_or(0);
    let is_tree = |candidate: &Candidate| candidate.algorithm == Algorithm::DecisionTree;
    match least_loss(candidates, |candidate| !is_tree(candidate)) {
        Some(other)
            if is_tree(&candidates[best]) && !is_clearly_better(&candidates[best], &candidates[other], labels) =>
        {
            other
        }
        _ => best,
    }
}

fn least_loss(candidates: &[Candidate], competes: impl Fn(&Candidate) -> bool) -> Option<usize> {
    let competing = candidates.iter().enumerate().filter(|(_, candidate)| competes(candidate));
    competing.min_by(|a, b| a.1.honest_log_loss.total_cmp(&b.1.honest_log_loss)).map(|(position, _)| position)
}

fn is_clearly_better(candidate: &Candidate, other: &Candidate, labels: &[bool]) -> bool {
    let loss = |score: f64, churned: bool| -(if churned { score } else { 1.0 - score }).max(1e-6).ln();
    let scores = candidate.honest_scores.iter().zip(&other.honest_scores).zip(labels);
    let gains: Vec<f64> = scores
        .filter(|((a, b), _)| !a.is_nan() && !b.is_nan())
        .map(|((&a, &b), &churned)| loss(b, churned) - loss(a, churned))
        .collect();
    let n = gains.len() as f64;
    let mean = gains.iter().sum::<f64>() / n;
    let variance = gains.iter().map(|gain| (gain - mean).powi(2)).sum::<f64>() / n;
    mean > (variance / n).sqrt()
}

impl Candidate {
    /// One that has not been calibrated.
    fn new(algorithm: Algorithm, kind: ModelKind, honest_raw_scores: Vec<f64>, used: Vec<(&str, Value)>) -> Self {
        let criterion = if algorithm == Algorithm::RandomForest { "out-of-bag" } else { "cross-validated" };
        Self {
            algorithm,
            kind,
            calibrator: Calibrator::Identity,
            honest_scores: Vec::new(),
            honest_log_loss: f64::NAN,
            honest_raw_scores,
            criterion,
            hyperparameters: used.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            min_leaf: None,
            notes: Vec::new(),
            caveats: Vec::new(),
        }
    }

    fn calibrate(&mut self, calibrator: Calibrator) {
        let scale = self.kind.raw_scale();
        let score = |&raw: &f64| if raw.is_nan() { raw } else { calibrator.score(scale, raw) };
        self.honest_scores = self.honest_raw_scores.iter().map(score).collect();
        self.calibrator = calibrator;
    }
}

fn forest(
    learner: &RandomForestLearner,
    observations: &Observations<'_>,
    progress: &Progress<'_>,
) -> Result<Candidate, FitError> {
    let fitted = learner.fit_out_of_bag(observations, progress)?;
    let mut notes = Vec::new();
    if !fitted.trials.is_empty() {
        let sizes: Vec<u32> = fitted.trials.iter().map(|trial| trial.min_leaf).collect();
        let (least, most) = (sizes.iter().min().copied().unwrap_or(0), sizes.iter().max().copied().unwrap_or(0));
        notes.push(format!("leaf size chosen by out-of-bag log loss between {least} and {most}"));
    }
    let n_unseen = fitted.out_of_bag.iter().filter(|raw| raw.is_nan()).count();
    if n_unseen > 0 {
        notes.push(format!("{n_unseen} observations were in every bag and have no out-of-bag score"));
    }
    let used = vec![
        ("n_trees", json!(learner.n_trees)),
        ("max_depth", json!(learner.max_depth)),
        ("min_leaf", json!(fitted.min_leaf)),
        ("features_per_split", json!(fitted.features_per_split)),
    ];
    let candidate = Candidate::new(Algorithm::RandomForest, ModelKind::Forest(fitted.model), fitted.out_of_bag, used);
    Ok(Candidate { min_leaf: Some(fitted.min_leaf), notes, ..candidate })
}

fn tree(
    learner: &DecisionTreeLearner,
    observations: &Observations<'_>,
    progress: &Progress<'_>,
) -> Result<Candidate, FitError> {
    let fitted = learner.fit_out_of_fold(observations, progress)?;
    let note = match fitted.model.n_nodes().div_ceil(2) {
        1 => "1 leaf: no split was worth it".to_owned(),
        n_leaves => format!("{n_leaves} leaves"),
    };
    let used = vec![
        ("max_depth", json!(learner.max_depth)),
        ("min_leaf", json!(learner.min_leaf)),
        ("complexity", json!(fitted.complexity)),
    ];
    let candidate = Candidate::new(Algorithm::DecisionTree, ModelKind::Forest(fitted.model), fitted.out_of_fold, used);
    Ok(Candidate { notes: vec![note], ..candidate })
}

fn linear(
    learner: &LinearLearner,
    observations: &Observations<'_>,
    progress: &Progress<'_>,
) -> Result<Candidate, FitError> {
    let fitted = learner.fit_out_of_fold(observations, progress)?;
    let (mut notes, mut caveats) = (Vec::new(), Vec::new());
    match fitted.has_converged {
        true => notes.push(format!("converged in {} steps", fitted.n_steps)),
        false => caveats
            .push(format!("the linear learner did not converge in {} steps; a larger penalty helps", fitted.n_steps)),
    }
    let used = vec![("penalty", json!(fitted.penalty)), ("l1_ratio", json!(learner.l1_ratio))];
    let candidate = Candidate::new(Algorithm::LinearLearner, ModelKind::Linear(fitted.model), fitted.out_of_fold, used);
    Ok(Candidate { notes, caveats, ..candidate })
}

#[cfg(test)]
mod tests {
    use churn_features::{Feature, FeatureSchema};
    use ndarray::Array2;

    use super::*;

    /// A candidate of this kind whose honest scores are these.
    fn candidate(algorithm: Algorithm, scores: &[f64], labels: &[bool]) -> Candidate {
        let schema = FeatureSchema::new(vec![Feature::numeric("x")]).expect("sound");
        let features = Array2::from_shape_fn((labels.len(), 1), |(row, _)| row as f32);
        let observations = Observations::new(&schema, features.view(), labels).expect("sound");
        let fitted = linear(&LinearLearner::default(), &observations, &Progress::silent()).expect("is fitted");
        let loss = |(&score, &churned): (&f64, &bool)| -(if churned { score } else { 1.0 - score }).ln();
        let honest_log_loss = scores.iter().zip(labels).map(loss).sum::<f64>() / labels.len() as f64;
        Candidate { algorithm, honest_scores: scores.to_vec(), honest_log_loss, ..fitted }
    }

    #[test]
    fn the_least_log_loss_is_kept_and_a_tree_only_when_it_is_clearly_better() {
        let labels: Vec<bool> = (0..100).map(|row| row % 2 == 0).collect();
        let scored = |right: f64, wrong: f64, n_wrong: usize| -> Vec<f64> {
            let score = |(row, &churned): (usize, &bool)| {
                let right = if row < n_wrong { wrong } else { right };
                if churned { right } else { 1.0 - right }
            };
            labels.iter().enumerate().map(score).collect()
        };
        let of = |algorithm, scores: Vec<f64>| candidate(algorithm, &scores, &labels);
        let linear = of(Algorithm::LinearLearner, scored(0.7, 0.7, 0));
        let forest = of(Algorithm::RandomForest, scored(0.8, 0.8, 0));
        assert_eq!(best_of(&[linear.clone(), forest.clone()], &labels), 1);
        assert_eq!(best_of(&[forest.clone(), forest.clone()], &labels), 0);

        // Better by a hair on average, and now and then much worse: that may be chance.
        let lucky = of(Algorithm::DecisionTree, scored(0.97, 0.02, 4));
        assert!(lucky.honest_log_loss < forest.honest_log_loss);
        assert_eq!(best_of(&[lucky, forest.clone(), linear.clone()], &labels), 1);
        // Better on every row.
        let better = of(Algorithm::DecisionTree, scored(0.9, 0.9, 0));
        assert_eq!(best_of(&[linear, forest, better], &labels), 2);
    }
}

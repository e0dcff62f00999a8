//! The whole procedure: fit the learners, keep the best, calibrate it, say where to act.

use churn_features::FeatureSchema;
use churn_model::evaluate::{Metrics, choose_threshold};
use churn_model::fit::{Candidate, best_of};
use churn_model::{Threshold, ThresholdRule};

use crate::Error;
use crate::candidates::fit_candidates;
use crate::config::{ThresholdChoice, TrainConfig};
use crate::console::Console;
use crate::evaluation::score_all;
use crate::outcome::CandidateOutcome;
use crate::rows::Rows;

/// What is repeated, always in the same way, on the fit split, on folds and on dates.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Procedure<'a> {
    /// What was asked for.
    pub(crate) config: &'a TrainConfig,
    /// The features of the rows.
    pub(crate) schema: &'a FeatureSchema,
}

/// What the procedure leaves behind.
#[derive(Debug, Clone)]
pub(crate) struct Fitted {
    /// The learners that competed, in the order tried.
    pub(crate) candidates: Vec<Candidate>,
    /// Wall time of fitting each.
    pub(crate) fit_seconds: Vec<f64>,
    /// Position of the one that was kept.
    pub(crate) chosen: usize,
}

impl Fitted {
    /// The candidate that was kept.
    pub(crate) fn kept(&self) -> &Candidate {
        &self.candidates[self.chosen]
    }
}

impl Procedure<'_> {
    /// Fits the learners and keeps the best; calibrates them on rows of a later time, where there are any.
    ///
    /// # Errors
    /// When a learner or a calibrator cannot be fitted.
    pub(crate) fn fit(
        &self,
        fit: &Rows,
        calibration: Option<&Rows>,
        console: &Console,
        part: Option<&str>,
    ) -> Result<Fitted, Error> {
        let fit_error = |source| Error::Fit { what: "a model".to_owned(), source };
        let observations = fit.observations(self.schema).map_err(fit_error)?;
        let (mut candidates, fit_seconds) = fit_candidates(self.config, &observations, console, part)?;
        let chosen = best_of(&candidates, &fit.labels);
        if let Some(rows) = calibration {
            for candidate in &mut candidates {
                let scale = candidate.kind.raw_scale();
                let raw = score_all(rows.features.view(), |rows| candidate.kind.raw_scores(rows));
                let observations = rows.observations(self.schema).map_err(fit_error)?;
                candidate.calibrator = self
                    .config
                    .calibration
                    .learner()
                    .fit(scale, &raw, &observations)
                    .map_err(|source| Error::Fit { what: "a calibrator".to_owned(), source })?;
            }
        }
        Ok(Fitted { candidates, fit_seconds, chosen })
    }

    /// Where to act, chosen on scores of rows that the model had not seen.
    ///
    /// # Errors
    /// When no threshold fits the rule.
    pub(crate) fn threshold(&self, scores: &[f64], labels: &[bool]) -> Result<Threshold, Error> {
        let scored = scores.iter().zip(labels).filter(|(score, _)| !score.is_nan());
        let (scores, labels): (Vec<f64>, Vec<bool>) = scored.map(|(&score, &label)| (score, label)).unzip();
        let threshold = match self.config.threshold {
            ThresholdChoice::Score(score) => Ok(Threshold { score, rule: ThresholdRule::Fixed }),
            _ => choose_threshold(self.config.threshold_rule(), &scores, &labels),
        };
        threshold.map_err(|source| Error::Evaluate { what: "the threshold".to_owned(), source })
    }

    /// The scores of rows by a candidate, and how good they are.
    ///
    /// # Errors
    /// When the labels of the rows are all equal.
    pub(crate) fn test(&self, candidate: &Candidate, rows: &Rows) -> Result<(Vec<f64>, Metrics), Error> {
        let scores = score_all(rows.features.view(), |rows| candidate.scores(rows));
        let metrics = Metrics::of(&scores, &rows.labels, &self.config.campaign())
            .map_err(|source| Error::Evaluate { what: format!("the {}", candidate.algorithm.name()), source })?;
        Ok((scores, metrics))
    }

    /// What is told of a candidate.
    ///
    /// # Errors
    /// See [`test`](Self::test).
    pub(crate) fn outcome(
        &self,
        candidate: &Candidate,
        fit_seconds: f64,
        test: &Rows,
    ) -> Result<CandidateOutcome, Error> {
        Ok(CandidateOutcome {
            algorithm: candidate.algorithm,
            honest_log_loss: candidate.honest_log_loss,
            criterion: candidate.criterion,
            test: self.test(candidate, test)?.1,
            hyperparameters: candidate.hyperparameters.clone(),
            calibrator: candidate.calibrator.word(),
            notes: candidate.notes.clone(),
            fit_seconds,
        })
    }
}

//! Metrics as log lines, under the names that the built-in linear learner gives them: one a line, `name=value`.

use std::io::Write;

use churn_model::Threshold;
use churn_model::evaluate::{Confusion, log_loss, roc_auc};
use churn_training_data::TrainingSet;

use super::data::ChannelRows;
use crate::Error;
use crate::evaluation::score_all;
use crate::pipeline::Trained;
use crate::rows::Rows;

/// Scores of some rows and what happened.
struct Scored {
    scores: Vec<f64>,
    labels: Vec<bool>,
}

/// Prints the metrics of every part there is.
///
/// Without a validation channel, `validation:` is about scores of the training rows by models that had not seen them.
///
/// # Errors
/// When scores cannot be evaluated.
pub(crate) fn print(
    trained: &Trained,
    set: &TrainingSet,
    rows: Option<&ChannelRows>,
    host: &str,
    beta: f64,
) -> Result<(), Error> {
    let by_model = |rows: &[usize]| {
        let Rows { features, labels, .. } = Rows::of(set, rows);
        Scored { scores: score_all(features.view(), |rows| trained.model.scores(rows)), labels }
    };
    let parts = &trained.parts;
    let train = by_model(&parts.fit);
    let validation: Vec<usize> = rows.map_or(parts.calibration.clone(), |rows| rows.validation.clone().collect());
    let validation = if validation.is_empty() {
        let honest = Scored::known(&trained.honest_scores, set.labels(), &parts.fit);
        if honest.has_both_labels() { honest } else { by_model(&parts.fit) }
    } else {
        by_model(&validation)
    };
    let mut lines = Lines { threshold: *trained.model.threshold(), host, beta, text: String::new() };
    lines.loss("train", &train)?;
    lines.all("validation", &validation)?;
    if parts.is_test_held_out() {
        lines.all("test", &by_model(&parts.test))?;
    }
    // One reader who has gone away is no reason to fail.
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(lines.text.as_bytes()).and_then(|()| out.flush());
    Ok(())
}

impl Scored {
    fn known(scores: &[f64], labels: &[bool], rows: &[usize]) -> Self {
        let known = rows.iter().filter(|&&row| !scores[row].is_nan());
        let (scores, labels) = known.map(|&row| (scores[row], labels[row])).unzip();
        Self { scores, labels }
    }

    fn has_both_labels(&self) -> bool {
        self.labels.contains(&true) && self.labels.contains(&false)
    }
}

struct Lines<'a> {
    threshold: Threshold,
    host: &'a str,
    beta: f64,
    text: String,
}

impl Lines<'_> {
    fn add(&mut self, part: &str, name: &str, value: f64) {
        self.text.push_str(&format!("{part}:{name}={value:.6}\n"));
    }

    /// In the words of the linear learner's own log, which dashboards look for.
    fn add_quality(&mut self, part: &str, name: &str, kind: &str, value: f64) {
        self.text.push_str(&format!("#quality_metric: host={}, {part} {name} <{kind}>={value:.6}\n", self.host));
    }

    fn loss(&mut self, part: &str, scored: &Scored) -> Result<(), Error> {
        let loss = log_loss(&scored.scores, &scored.labels).map_err(|source| failed(part, source))?;
        self.add(part, "objective_loss", loss);
        self.add_quality(part, "binary_classification_cross_entropy", "loss", loss);
        Ok(())
    }

    fn all(&mut self, part: &str, scored: &Scored) -> Result<(), Error> {
        self.loss(part, scored)?;
        let Scored { scores, labels } = scored;
        let confusion = Confusion::at(self.threshold.score, scores, labels).map_err(|source| failed(part, source))?;
        // Where nobody is called churn, or nobody churned, nothing was right about it.
        let [accuracy, precision, recall, f_beta] =
            [confusion.accuracy(), confusion.precision(), confusion.recall(), confusion.f_beta(self.beta)]
                .map(|share| share.unwrap_or(0.0));
        self.add(part, "binary_classification_accuracy", accuracy);
        self.add_quality(part, "binary_classification_accuracy", "score", accuracy);
        self.add(part, "recall", recall);
        self.add(part, "precision", precision);
        self.add(part, "binary_f_beta", f_beta);
        if scored.has_both_labels() {
            let roc_auc = roc_auc(scores, labels).map_err(|source| failed(part, source))?;
            self.add(part, "roc_auc_score", roc_auc);
        }
        Ok(())
    }
}

fn failed(part: &str, source: churn_model::evaluate::EvaluateError) -> Error {
    Error::Evaluate { what: format!("the {part} rows"), source }
}

//! Contributions of a linear model: each term less what it adds on average.

use crate::linear::{LinearModel, Term};
use crate::reference::ReferenceHistogram;

/// A linear model and what each of its terms adds on average over the fit split.
///
/// A number that is not missing adds nothing on average, as it is standardised to the mean of the fit split; how often it
/// is missing, and how frequent the levels of a category are, the reference histograms tell.
#[derive(Debug, Clone)]
pub(super) struct LinearParts {
    model: LinearModel,
    averages: Vec<f64>,
}

impl LinearParts {
    pub(super) fn new(model: &LinearModel, references: &[ReferenceHistogram]) -> Self {
        let averages = model.terms().iter().zip(references).map(|(term, reference)| average(term, reference)).collect();
        Self { model: model.clone(), averages }
    }

    pub(super) fn base_value(&self) -> f64 {
        self.model.intercept() + self.averages.iter().sum::<f64>()
    }

    pub(super) fn raw_score(&self, row: &[f32]) -> f64 {
        self.model.raw_score(row)
    }

    pub(super) fn explain_into(&self, row: &[f32], contributions: &mut [f64]) {
        for ((contribution, term), (&value, average)) in
            contributions.iter_mut().zip(self.model.terms()).zip(row.iter().zip(&self.averages))
        {
            *contribution = term.contribution(value) - average;
        }
    }
}

fn average(term: &Term, reference: &ReferenceHistogram) -> f64 {
    match term {
        Term::Numeric { missing_weight, .. } => reference.missing_share * missing_weight,
        Term::Category { level_weights, missing_weight } => {
            let known: f64 = level_weights.iter().zip(&reference.shares).map(|(weight, share)| weight * share).sum();
            known + reference.missing_share * missing_weight
        }
    }
}

//! The tables that compare learners: on the test split, and fold by fold.

use std::collections::BTreeMap;

use churn_model::evaluate::Metrics;
use maud::{Markup, html};

use super::chart::interval_cell;
use super::tables::Heading::{Numbers, Words};
use super::tables::{headings, table};
use crate::findings::learner;
use crate::numbers::{count, decimals, duration, or_dash, range, sentence, setting};
use crate::outcome::{CandidateOutcome, CrossValidation, Outcome};

/// Every learner that was tried, with two yardsticks below.
pub(super) fn candidates(outcome: &Outcome) -> Markup {
    let (tests, baseline) = (outcome.candidates.iter().map(|candidate| &candidate.test), &outcome.baseline.test);
    let lows = tests.clone().map(|test| test.roc_auc_low).fold(baseline.roc_auc_low.min(0.5), f64::min);
    let highs = tests.map(|test| test.roc_auc_high).fold(baseline.roc_auc_high, f64::max);
    let names = [
        Words("Learner"),
        Numbers("Honest log loss"),
        Numbers("Log loss"),
        Numbers("ROC-AUC"),
        Numbers("95\u{a0}% interval"),
        Numbers("PR-AUC"),
        Numbers("Brier"),
        Numbers("Calibration error"),
        Numbers("Lift at 10\u{a0}%"),
        Numbers("Profit (EMPC)"),
        Numbers("Fit time"),
    ];
    let numbers = |test: &Metrics| {
        html! {
            td { (decimals(test.log_loss, 4)) }
            td { (decimals(test.roc_auc, 3)) }
            td class="picture" {
                (interval_cell((lows, highs), (test.roc_auc_low, test.roc_auc_high), test.roc_auc))
                span class="quiet" { (range(test.roc_auc_low, test.roc_auc_high, 3)) }
            }
            td { (decimals(test.pr_auc, 3)) }
            td { (decimals(test.brier, 4)) }
            td { (decimals(test.ece, 3)) }
            td { (decimals(test.lift_10, 2)) }
            td { (decimals(test.empc, 2)) }
        }
    };
    let base = outcome.test.metrics.base_rate;
    let body = html! {
        tbody {
            @for (i, candidate) in outcome.candidates.iter().enumerate() {
                tr class=[(i == outcome.chosen).then_some("kept")] {
                    th scope="row" class="short" {
                        (learner(candidate))
                        @if i == outcome.chosen { " " span class="badge" { "kept" } }
                    }
                    td { (decimals(candidate.honest_log_loss, 4)) }
                    (numbers(&candidate.test))
                    td { (duration(candidate.fit_seconds)) }
                }
            }
        }
        tbody class="yardsticks" {
            tr {
                th scope="row" { "best feature: " (outcome.baseline.feature) }
                td { "–" }
                (numbers(baseline))
                td { "–" }
            }
            tr {
                th scope="row" class="short" { "base rate for all" }
                td { "–" }
                td { (decimals(-(base * base.ln() + (1.0 - base) * (1.0 - base).ln()), 4)) }
                td { (decimals(0.5, 3)) } td { "–" }
                td { (decimals(base, 3)) }
                td { (decimals(base * (1.0 - base), 4)) }
                td { (decimals(0.0, 3)) }
                td { (decimals(1.0, 2)) } td { "–" } td { "–" }
            }
        }
    };
    table(
        "numbers tight",
        "The lowest honest log loss decides; everything right of it is measured on the test split",
        &headings(&names),
        &body,
    )
}

/// The hyperparameters and notes of one candidate.
pub(super) fn hyperparameters(candidate: &CandidateOutcome) -> Markup {
    html! {
        details {
            summary { "Hyperparameters of the " (learner(candidate)) }
            dl class="settings" {
                @for (name, value) in &candidate.hyperparameters { div { dt { (name) } dd { (setting(value)) } } }
                div { dt { "calibrator" } dd { (candidate.calibrator) } }
                div { dt { "honest scores" } dd { (candidate.criterion) } }
            }
            @if !candidate.notes.is_empty() { ul { @for note in &candidate.notes { li { (sentence(note)) } } } }
        }
    }
}

/// What each fold kept and how it did.
pub(super) fn cross_validation(found: &CrossValidation) -> Markup {
    let names = [
        Words("Fold"),
        Words("Kept"),
        Numbers("Number"),
        Numbers("Churned"),
        Numbers("ROC-AUC"),
        Numbers("PR-AUC"),
        Numbers("Log loss"),
        Numbers("Brier"),
        Numbers("Calibration error"),
        Numbers("Lift at 10\u{a0}%"),
    ];
    let mean = |means: &BTreeMap<&'static str, f64>| {
        let keys = [("roc_auc", 3), ("pr_auc", 3), ("log_loss", 4), ("brier", 4), ("ece", 3), ("lift_10", 2)];
        html! {
            @for (key, places) in keys { td { (or_dash(means.get(key).copied(), |mean| decimals(mean, places))) } }
        }
    };
    let body = html! {
        tbody {
            @for fold in &found.folds {
                @let metrics = &fold.metrics;
                tr {
                    th scope="row" { (fold.fold) }
                    td class="word" { (fold.algorithm.name().replace('-', " ")) }
                    td { (count(metrics.n)) }
                    td { (count(metrics.n_churned)) }
                    td { (decimals(metrics.roc_auc, 3)) }
                    td { (decimals(metrics.pr_auc, 3)) }
                    td { (decimals(metrics.log_loss, 4)) }
                    td { (decimals(metrics.brier, 4)) }
                    td { (decimals(metrics.ece, 3)) }
                    td { (decimals(metrics.lift_10, 2)) }
                }
            }
        }
        tbody class="yardsticks" {
            tr class="kept" {
                th scope="row" { "mean" }
                td class="word" { "whatever each fold kept" } td {} td {}
                (mean(&found.mean))
            }
            @for (name, means) in &found.candidates {
                tr {
                    th scope="row" { "mean" }
                    td class="word" { (name.replace('-', " ")) " always" } td {} td {}
                    (mean(means))
                }
            }
        }
    };
    table("numbers", "The whole procedure, repeated without each fold and tested on it", &headings(&names), &body)
}

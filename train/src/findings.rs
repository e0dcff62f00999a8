//! What a run found, in plain sentences; the report and the model card say the same.

pub(crate) mod over_time;

use churn_model::evaluate::{CalibrationBin, GainsPoint, ProfitPoint};
use churn_model::{Calibrator, Campaign, ThresholdRule};
use churn_training_data::Role;

use crate::numbers::{count, counted, decimals, percent, round_percent, sentence, value};
use crate::outcome::{CandidateOutcome, Outcome};

/// Shares of highest scores that tables of gains show.
pub(crate) const GAINS_SHARES: [f64; 6] = [0.01, 0.05, 0.10, 0.20, 0.30, 0.50];

/// The candidate that was kept.
pub(crate) fn kept(outcome: &Outcome) -> &CandidateOutcome {
    &outcome.candidates[outcome.chosen]
}

/// The name of a learner as words.
pub(crate) fn learner(candidate: &CandidateOutcome) -> String {
    candidate.algorithm.name().replace('-', " ")
}

/// What one row is called: a tenant, unless rows are known to share one.
pub(crate) fn rows(outcome: &Outcome) -> &'static str {
    if outcome.over_time.is_some() || outcome.split.group.is_some() { "observations" } else { "tenants" }
}

/// What the label says.
pub(crate) fn label(outcome: &Outcome) -> String {
    if outcome.over_time.is_some() {
        format!("Label: {}.", outcome.label.trim_end_matches('.'))
    } else {
        format!("Label {}", sentence(&outcome.label))
    }
}

/// What the command that repeats the run promises.
pub(crate) const REPEATABLE: &str = "Files are named as they were in the folder that the run was started in; cargo works in \
    the project's folder, and elsewhere the program itself begins the line: train and the same options. The same data, flags and seed give the same model file, byte for byte.";

/// Number of columns that the model reads.
pub(crate) fn n_features(outcome: &Outcome) -> usize {
    outcome.columns.iter().filter(|column| column.role == Role::Feature).count()
}

/// Who was fitted on and who was held out.
pub(crate) fn split(outcome: &Outcome) -> String {
    let (split, rows) = (&outcome.split, rows(outcome));
    let calibrated = match split.n_calibration {
        0 => String::new(),
        n if outcome.over_time.is_some() => format!(" calibrated on {} later ones,", count(n)),
        n => format!(" calibrated on {} others,", count(n)),
    };
    if !split.is_test_held_out {
        return format!(
            "Fitted on {} {rows} ({} churned) with {};{calibrated} and tested on the same, because they are too few to \
             hold any out.",
            count(split.n_fit),
            count(split.n_fit_churned),
            counted(n_features(outcome), "feature", "features"),
        );
    }
    let mut text = format!(
        "Fitted on {} {rows} ({} churned) with {};{calibrated} tested on {} others ({} churned) that no fit, calibration \
         or choice has seen.",
        count(split.n_fit),
        count(split.n_fit_churned),
        counted(n_features(outcome), "feature", "features"),
        count(split.n_test),
        count(split.n_test_churned),
    );
    match (&outcome.over_time, &split.group) {
        (Some(over_time), _) => text += over_time::cut(over_time),
        (None, Some(group)) => text += &format!(" Rows with the same {group} stayed on one side."),
        (None, None) => {}
    }
    text
}

/// Observations that the columns were summarised over: also those that no part of the split holds.
pub(crate) fn n_summarised(outcome: &Outcome) -> usize {
    let split = outcome.split.n_fit + outcome.split.n_test;
    outcome.over_time.as_ref().map_or(split, |over_time| over_time::n_labelled(&over_time.dates).max(split))
}

/// One line of a table of gains.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Gain {
    /// Share of the observations, highest scores first.
    pub(crate) share: f64,
    /// Number of them.
    pub(crate) n: f64,
    /// Churned ones among them; tied scores count by expectation.
    pub(crate) n_churned: f64,
    /// Share of all churned observations found.
    pub(crate) found_share: f64,
    /// Churn among them ÷ base rate.
    pub(crate) lift: f64,
}

impl Gain {
    /// Share of churn among the contacted.
    pub(crate) fn churned_share(&self) -> f64 {
        self.n_churned / self.n
    }
}

/// What contacting a share of the highest scores finds.
pub(crate) fn gain_at(outcome: &Outcome, share: f64) -> Gain {
    let metrics = &outcome.test.metrics;
    let found_share = found_at(&outcome.test.gains, share);
    Gain {
        share,
        n: share * metrics.n as f64,
        n_churned: found_share * metrics.n_churned as f64,
        found_share,
        lift: found_share / share,
    }
}

/// Straight lines between the points of a gains curve are exact.
fn found_at(gains: &[GainsPoint], share: f64) -> f64 {
    let after = gains.partition_point(|point| point.contacted_share < share);
    match (after.checked_sub(1).map(|before| &gains[before]), gains.get(after)) {
        (Some(a), Some(b)) => {
            let part = (share - a.contacted_share) / (b.contacted_share - a.contacted_share);
            a.found_share + part * (b.found_share - a.found_share)
        }
        (None, Some(point)) | (Some(point), None) => point.found_share,
        (None, None) => 0.0,
    }
}

/// The quality of the scores in one sentence.
pub(crate) fn headline(outcome: &Outcome) -> String {
    let top = gain_at(outcome, 0.1);
    format!(
        "Of the tenth of {} with the highest scores, {} churned: {} times as many as among all, of whom {} churned.",
        rows(outcome),
        percent(top.churned_share()),
        decimals(top.lift, 1),
        percent(outcome.test.metrics.base_rate),
    )
}

/// Why the kept candidate was kept.
pub(crate) fn choice(outcome: &Outcome) -> String {
    let kept = kept(outcome);
    let (name, criterion) = (learner(kept), kept.criterion);
    if outcome.candidates.len() == 1 {
        return format!("The {name} was the only candidate.");
    }
    let is_least = outcome.candidates.iter().all(|other| kept.honest_log_loss <= other.honest_log_loss);
    if is_least {
        let n = count(outcome.candidates.len());
        return format!(
            "The {name} was kept: of {n} candidates it has the least log loss on {criterion} scores of the fit split."
        );
    }
    format!(
        "The {name} was kept by its log loss on {criterion} scores of the fit split. A single tree is kept only when it \
         is better by more than chance could explain."
    )
}

/// Whether the model is worth more than its best feature.
pub(crate) fn against_baseline(outcome: &Outcome) -> String {
    let (model, single) = (&outcome.test.metrics, &outcome.baseline.test);
    let verdict = if model.roc_auc_low > single.roc_auc {
        "the model is better, and all of its interval lies above that"
    } else if model.roc_auc > single.roc_auc {
        "the model is better, but its interval reaches down to that"
    } else {
        "the model is no better"
    };
    format!(
        "The best single feature, {}, reaches ROC-AUC {} alone; with {} (95\u{a0}% interval {} to {}) {verdict}.",
        outcome.baseline.feature,
        decimals(single.roc_auc, 3),
        decimals(model.roc_auc, 3),
        decimals(model.roc_auc_low, 3),
        decimals(model.roc_auc_high, 3),
    )
}

/// Mean score of the test split.
pub(crate) fn mean_score(bins: &[CalibrationBin]) -> f64 {
    let n: usize = bins.iter().map(|bin| bin.n).sum();
    bins.iter().map(|bin| bin.mean_score * bin.n as f64).sum::<f64>() / n as f64
}

/// Whether the scores can be read as probabilities.
pub(crate) fn calibration(outcome: &Outcome) -> String {
    let metrics = &outcome.test.metrics;
    format!(
        "On average the scores say {} and {} churned; the expected calibration error is {} (0 is perfect).",
        percent(mean_score(&outcome.test.calibration)),
        percent(metrics.base_rate),
        decimals(metrics.ece, 3),
    )
}

/// What turns raw scores into scores.
pub(crate) fn calibrator(calibrator: &Calibrator) -> String {
    match calibrator {
        Calibrator::Identity => "No calibrator was added: raw scores are probabilities already.".to_owned(),
        Calibrator::Logistic { slope, intercept } => {
            let (slope, intercept) = (decimals(*slope, 3), decimals(*intercept, 3));
            format!("Logistic calibrator: log-odds times {slope}, moved by {intercept}.")
        }
        Calibrator::Isotonic { raw_scores, .. } => {
            format!("Isotonic calibrator with {}.", counted(raw_scores.len(), "knot", "knots"))
        }
    }
}

/// What the campaign costs and brings.
pub(crate) fn campaign(campaign: &Campaign) -> String {
    format!(
        "A kept tenant is worth {}, the offer costs {} when it is taken, a contact costs {}. A tenant that would have \
         churned takes the offer and stays with probability {} (mean of Beta({}, {})); one that would have stayed \
         always takes it.",
        value(campaign.lifetime_value),
        value(campaign.offer),
        value(campaign.contact),
        round_percent(campaign.mean_acceptance()),
        value(campaign.accept_alpha),
        value(campaign.accept_beta),
    )
}

/// What the threshold was chosen by.
pub(crate) fn threshold(outcome: &Outcome) -> String {
    let score = decimals(outcome.threshold.score, 3);
    match outcome.threshold.rule {
        ThresholdRule::Profit { campaign } => {
            let even = campaign.break_even();
            if even > 1.0 {
                return "No score makes a contact pay with these costs, so nobody is contacted.".to_owned();
            }
            format!(
                "From a score of {score} on, the expected gain of a contact covers its costs: that is the threshold."
            )
        }
        ThresholdRule::Capacity { share } => {
            format!("The threshold of {score} is the score that at most {} of the fit split reach.", percent(share))
        }
        ThresholdRule::Precision { at_least } => format!(
            "The threshold of {score} is the lowest score at or above which at least {} of the fit split churned.",
            percent(at_least)
        ),
        ThresholdRule::Recall { at_least } => format!(
            "The threshold of {score} is the score of the highest precision that finds at least {} of the churn in the fit \
             split.",
            percent(at_least)
        ),
        ThresholdRule::Accuracy => {
            format!("The threshold of {score} is the score at which most decisions are right on the fit split.")
        }
        ThresholdRule::FScore { beta } => {
            format!("The threshold of {score} is the score of the highest F-score on the fit split, with beta {beta}.")
        }
        ThresholdRule::Fixed => format!("The threshold of {score} was given by hand."),
    }
}

/// What acting at the threshold means on the test split.
pub(crate) fn decision(outcome: &Outcome) -> String {
    let confusion = &outcome.test.confusion;
    let n_contacted = confusion.true_positives + confusion.false_positives;
    let (Some(precision), Some(recall)) = (confusion.precision(), confusion.recall()) else {
        return format!("At the threshold none of {} {} is contacted.", count(confusion.n()), rows(outcome));
    };
    format!(
        "At the threshold {} of {} {} are contacted ({}); {} of them churned, and they are {} of all churn.",
        count(n_contacted),
        count(confusion.n()),
        rows(outcome),
        round_percent(n_contacted as f64 / confusion.n() as f64),
        round_percent(precision),
        round_percent(recall),
    )
}

/// The highest point of the profit curve; of several, the one that contacts fewest.
pub(crate) fn best_profit(curve: &[ProfitPoint]) -> Option<&ProfitPoint> {
    curve.iter().reduce(|best, point| if point.profit_per_tenant > best.profit_per_tenant { point } else { best })
}

/// The point of the profit curve where the threshold stands.
pub(crate) fn profit_at_threshold(outcome: &Outcome) -> Option<&ProfitPoint> {
    let is_contacted = |point: &&ProfitPoint| point.threshold.is_none_or(|score| outcome.threshold.decide(score));
    outcome.test.profit.iter().take_while(is_contacted).last()
}

/// What the campaign would have earned on the test split.
pub(crate) fn profit(outcome: &Outcome) -> String {
    let (Some(here), Some(best)) = (profit_at_threshold(outcome), best_profit(&outcome.test.profit)) else {
        return "No profit was reckoned.".to_owned();
    };
    format!(
        "A campaign at the threshold would have earned {} per tenant, contacted or not; the best that any number of \
         contacts could have earned on the test split, at the mean acceptance, is {}, by contacting {}.",
        decimals(here.profit_per_tenant, 2),
        decimals(best.profit_per_tenant, 2),
        if best.contacted_share > 0.0 { round_percent(best.contacted_share) } else { "nobody".to_owned() },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_points_of_the_gains_curve_churn_is_found_in_proportion() {
        let point = |contacted_share, found_share| GainsPoint { contacted_share, found_share };
        let gains = [point(0.0, 0.0), point(0.2, 0.8), point(1.0, 1.0)];
        assert_eq!(found_at(&gains, 0.1), 0.4);
        assert_eq!(found_at(&gains, 0.2), 0.8);
        assert_eq!(found_at(&gains, 1.0), 1.0);
        assert_eq!(found_at(&[], 0.5), 0.0);
    }
}

//! From a threshold rule to the threshold.

use super::confusion::Confusion;
use super::error::EvaluateError;
use super::ranking::Ranking;
use crate::threshold::{Threshold, ThresholdRule};

/// Finds the score at or above which the rule says to act.
///
/// - `Profit`: the campaign's break-even probability, whatever the scores at hand. Where contacting never pays it is the
///   number just above 1, which no score reaches.
/// - `Capacity`: the lowest score that at most `share` of the observations reach. Tied scores are contacted together or
///   not at all, so fewer than `share` may be. Where even the highest score is shared by more than that, it is taken
///   nevertheless: more are contacted than asked for, because a threshold that nobody reaches helps nobody.
/// - `Precision`: the lowest score at or above which precision is still `at_least` that. Precision may be lower for some
///   higher score.
/// - `Recall`: of the scores that find at least so much of all churn, the one of the highest precision.
/// - `Accuracy`, `FScore`: the score at which the measure is highest. Of equals the highest score is taken, here and for
///   `Recall`; the highest of all at least, because a threshold that nobody reaches helps nobody.
/// - `Fixed`: an error, for the score of such a rule is given by hand.
///
/// Choose on observations that the model was not fitted on, and not on those that the result is reported for.
///
/// # Errors
/// When lengths differ, there are no rows, a score is NaN or outside `[0, 1]`, a number in the rule is out of range, the
/// precision is out of reach (the error then names the best one), or the rule is `Fixed`.
/// # Cost
/// O(n log n).
pub fn choose_threshold(rule: ThresholdRule, scores: &[f64], labels: &[bool]) -> Result<Threshold, EvaluateError> {
    let ranking = Ranking::of_probabilities(scores, labels)?;
    let score = match rule {
        ThresholdRule::Profit { campaign } => {
            campaign.check()?;
            campaign.break_even().min(1.0_f64.next_up())
        }
        ThresholdRule::Capacity { share } => {
            check_share("share", share)?;
            reached_by(&ranking, share)
        }
        ThresholdRule::Precision { at_least } => {
            check_share("at_least", at_least)?;
            precise_from(&ranking, at_least)?
        }
        ThresholdRule::Recall { at_least } => {
            check_share("at_least", at_least)?;
            // A hair below, because a recall of 0.8 may be 4 of 5.
            best_score(&ranking, |decided| {
                let finds_enough = decided.recall().is_some_and(|recall| recall >= at_least - 1e-12);
                decided.precision().filter(|_| finds_enough)
            })?
        }
        ThresholdRule::Accuracy => best_score(&ranking, Confusion::accuracy)?,
        ThresholdRule::FScore { beta } => {
            if !(beta.is_finite() && beta > 0.0) {
                let (found, expected) = (beta.to_string(), "a positive number");
                return Err(EvaluateError::Argument { name: "beta", found, expected });
            }
            best_score(&ranking, |decided| decided.f_beta(beta))?
        }
        ThresholdRule::Fixed => return Err(EvaluateError::FixedRule),
    };
    Ok(Threshold { score, rule })
}

fn check_share(name: &'static str, found: f64) -> Result<(), EvaluateError> {
    if found > 0.0 && found <= 1.0 {
        return Ok(());
    }
    Err(EvaluateError::Argument { name, found: found.to_string(), expected: "above 0 and at most 1" })
}

fn reached_by(ranking: &Ranking, share: f64) -> f64 {
    // Not `n() <= share * n`: 0.29 * 100 is a little below 29, but 29 / 100 is 0.29.
    let fits = ranking.reached().take_while(|reached| reached.n() as f64 / ranking.n() as f64 <= share);
    fits.last().map_or(ranking.ties()[0].score, |reached| reached.score)
}

fn precise_from(ranking: &Ranking, at_least: f64) -> Result<f64, EvaluateError> {
    match ranking.reached().filter(|reached| reached.precision() >= at_least).last() {
        Some(reached) => Ok(reached.score),
        None => {
            let best = ranking.reached().map(|reached| reached.precision()).fold(0.0, f64::max);
            Err(EvaluateError::PrecisionOutOfReach { at_least, best })
        }
    }
}

/// The score at which decisions measure best, the highest of equals.
fn best_score(ranking: &Ranking, measure: impl Fn(&Confusion) -> Option<f64>) -> Result<f64, EvaluateError> {
    ranking.needs_churned()?;
    let mut best: Option<(f64, f64)> = None;
    for reached in ranking.reached() {
        let measured = measure(&ranking.confusion(&reached)).unwrap_or(f64::NEG_INFINITY);
        if best.is_none_or(|(most, _)| measured > most) {
            best = Some((measured, reached.score));
        }
    }
    Ok(best.map_or(1.0, |(_, score)| score))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::threshold::Campaign;

    const SCORES: [f64; 6] = [0.9, 0.8, 0.8, 0.6, 0.5, 0.4];
    const LABELS: [bool; 6] = [false, true, true, false, true, false];

    fn chosen(rule: ThresholdRule) -> Result<f64, EvaluateError> {
        choose_threshold(rule, &SCORES, &LABELS).map(|threshold| threshold.score)
    }

    #[test]
    fn profit_takes_the_break_even_and_nobody_where_nothing_pays() {
        let campaign = Campaign::default();
        assert_eq!(chosen(ThresholdRule::Profit { campaign }), Ok(campaign.break_even()));
        let dear = Campaign { contact: 150.0, ..campaign };
        let threshold = choose_threshold(ThresholdRule::Profit { campaign: dear }, &SCORES, &LABELS).unwrap();
        assert!(!threshold.decide(1.0));
    }

    #[test]
    fn capacity_never_splits_a_tie_and_stays_below_the_share() {
        assert_eq!(chosen(ThresholdRule::Capacity { share: 0.5 }), Ok(0.8));
        assert_eq!(chosen(ThresholdRule::Capacity { share: 0.49 }), Ok(0.9));
        assert_eq!(chosen(ThresholdRule::Capacity { share: 1.0 }), Ok(0.4));
    }

    #[test]
    fn capacity_takes_the_highest_score_where_none_fits() {
        assert_eq!(chosen(ThresholdRule::Capacity { share: 0.1 }), Ok(0.9));
    }

    #[test]
    fn capacity_holds_every_whole_number_of_a_hundred() {
        let scores: Vec<f64> = (0..100).map(|i| f64::from(i) / 100.0).collect();
        for k in 1..=100 {
            let rule = ThresholdRule::Capacity { share: f64::from(k) / 100.0 };
            let threshold = choose_threshold(rule, &scores, &[false; 100]).unwrap();
            assert_eq!(scores.iter().filter(|score| threshold.decide(**score)).count(), k as usize);
        }
    }

    #[test]
    fn precision_goes_as_low_as_the_floor_allows() {
        assert_eq!(chosen(ThresholdRule::Precision { at_least: 0.6 }), Ok(0.5));
        assert_eq!(chosen(ThresholdRule::Precision { at_least: 0.65 }), Ok(0.8));
    }

    #[test]
    fn an_unreachable_precision_names_the_best_one() {
        let error = chosen(ThresholdRule::Precision { at_least: 0.7 }).unwrap_err();
        assert_eq!(error, EvaluateError::PrecisionOutOfReach { at_least: 0.7, best: 2.0 / 3.0 });
    }

    /// Falling scores; the third and the fifth tenant stayed.
    fn chosen_of_six(rule: ThresholdRule) -> f64 {
        let (scores, labels) = ([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [true, true, false, true, false, true]);
        choose_threshold(rule, &scores, &labels).unwrap().score
    }

    #[test]
    fn a_recall_floor_is_kept_at_the_best_precision() {
        let chosen = |at_least| chosen_of_six(ThresholdRule::Recall { at_least });
        assert_eq!([chosen(0.5), chosen(0.75), chosen(1.0)], [0.8, 0.6, 0.4]);
    }

    #[test]
    fn accuracy_and_f_score_weigh_errors_differently() {
        let f_score = |beta| chosen_of_six(ThresholdRule::FScore { beta });
        assert_eq!([chosen_of_six(ThresholdRule::Accuracy), f_score(0.5), f_score(2.0)], [0.8, 0.8, 0.4]);
        assert!(choose_threshold(ThresholdRule::FScore { beta: 0.0 }, &SCORES, &LABELS).is_err());
        assert!(choose_threshold(ThresholdRule::Accuracy, &SCORES, &[false; 6]).is_err());
    }
    proptest! {
        #[test]
        fn no_other_score_does_better(
            rows in vec((0..8_u8, any::<bool>()), 1..40).prop_filter("churn", |rows| rows.iter().any(|row| row.1)),
            beta in 0.1..5.0_f64,
            at_least in 0.05..1.0_f64,
        ) {
            let (scores, labels): (Vec<f64>, Vec<bool>) =
                rows.iter().map(|&(score, churned)| (f64::from(score) / 8.0, churned)).unzip();
            let at = |threshold: f64| Confusion::at(threshold, &scores, &labels).unwrap();
            let precise = |decided: Confusion| decided.precision().filter(|_| decided.recall().unwrap() >= at_least);
            let rules = [ThresholdRule::Accuracy, ThresholdRule::FScore { beta }, ThresholdRule::Recall { at_least }];
            for rule in rules {
                let measure = |threshold: f64| match rule {
                    ThresholdRule::Accuracy => at(threshold).accuracy(),
                    ThresholdRule::FScore { beta } => at(threshold).f_beta(beta),
                    _ => precise(at(threshold)),
                };
                let chosen = choose_threshold(rule, &scores, &labels).unwrap().score;
                let best = measure(chosen).unwrap();
                for &score in &scores {
                    let other = measure(score).unwrap_or(f64::NEG_INFINITY);
                    prop_assert!(other < best || other == best && score <= chosen, "{:?}: {} at {}", rule, other, score);
                }
            }
        }
    }
}

//! The charts of the report.

use churn_model::evaluate::CalibrationBin;
use maud::{Markup, html};

use super::chart::{Axis, Plot, Side};
use crate::findings::{best_profit, calibration, gain_at, profit, profit_at_threshold};
use crate::numbers::{decimals, percent, round_percent, value};
use crate::outcome::Outcome;

/// 97.5 % quantile of the standard normal distribution.
const Z_95: f64 = 1.959_963_984_540_054;

/// True against false positives, for every threshold.
pub(super) fn roc(outcome: &Outcome) -> Markup {
    let (metrics, confusion) = (&outcome.test.metrics, &outcome.test.confusion);
    let plot = Plot {
        x: Axis::share("false positive rate: of those who stayed, called churn"),
        y: Axis::share("True positive rate: of churn, found"),
    };
    let points: Vec<_> = outcome.test.roc.iter().map(|p| (p.false_positive_rate, p.true_positive_rate)).collect();
    let area = format!("ROC-AUC {}", decimals(metrics.roc_auc, 3));
    let message = format!(
        "{area}: of two tenants of whom one churned, that one has the higher score in {} of cases (95\u{a0}% \
         interval {} to {}). A coin reaches 50\u{a0}%.",
        percent(metrics.roc_auc),
        percent(metrics.roc_auc_low),
        percent(metrics.roc_auc_high)
    );
    let marks = html! {
        (plot.line("reference", &[(0.0, 0.0), (1.0, 1.0)]))
        (plot.label("quiet", (0.35, 0.35), Side::Right, (8.0, 13.0), "a coin"))
        (plot.line("model", &points))
        (plot.label("model", (0.62, 0.40), Side::Right, (0.0, 0.0), &area))
        @if let (Some(found), Some(spared)) = (confusion.recall(), confusion.specificity()) {
            (plot.dot("threshold", (1.0 - spared, found)))
            (plot.label("threshold", (1.0 - spared, found), Side::Right, (8.0, 13.0), "threshold"))
        }
    };
    plot.figure("roc", "ROC curve", &message, &marks)
}

/// Precision against recall, as steps.
pub(super) fn precision_recall(outcome: &Outcome) -> Markup {
    let (metrics, confusion) = (&outcome.test.metrics, &outcome.test.confusion);
    let mut points = Vec::with_capacity(2 * outcome.test.precision_recall.len());
    let mut reached = 0.0;
    for point in &outcome.test.precision_recall {
        points.extend([(reached, point.precision), (point.recall, point.precision)]);
        reached = point.recall;
    }
    let end = precision_axis_end(&points);
    let base = format!("base rate {}", round_percent(metrics.base_rate));
    let plot = Plot {
        x: Axis::share("recall: of churn, found"),
        // Precision falls to the base rate, so its name would stand on one of the two lines.
        y: Axis::share_up_to(&format!("Precision: of those called, churned (dashed: {base})"), end),
    };
    let area = format!("PR-AUC {}", decimals(metrics.pr_auc, 3));
    let cut = if end < 1.0 { " The axis ends early: precision at the lowest recalls may lie above it." } else { "" };
    let message =
        format!("{area}: the mean precision over all recalls. Scores without any information reach the {base}.{cut}");
    let marks = html! {
        (plot.line("reference", &[(0.0, metrics.base_rate), (1.0, metrics.base_rate)]))
        (plot.line("model", &points))
        (plot.label("model", (1.0, plot.y.end()), Side::Left, (4.0, 14.0), &area))
        @if let (Some(precision), Some(recall)) = (confusion.precision(), confusion.recall()) {
            (plot.dot("threshold", (recall, precision)))
            // Where there is room: above the start of a falling curve, below the rest of it.
            @let (side, dy) = if recall < 0.3 { (Side::Right, -10.0) } else { (Side::Left, 16.0) };
            (plot.label("threshold", (recall, precision), side, (7.0, dy), "threshold"))
        }
    };
    plot.figure("precision-recall", "Precision and recall", &message, &marks)
}

/// Where the precision axis ends: at 1, or lower where all but the first few of the churned are found with little.
fn precision_axis_end(points: &[(f64, f64)]) -> f64 {
    const FIRST_FEW: f64 = 0.05;
    let most = points.iter().filter(|point| point.0 >= FIRST_FEW).map(|point| point.1).fold(0.0, f64::max);
    if most > 0.4 { 1.0 } else { (1.5 * most).max(0.01) }
}

/// Churn found against tenants contacted.
pub(super) fn gains(outcome: &Outcome) -> Markup {
    let metrics = &outcome.test.metrics;
    let plot = Plot { x: Axis::share("contacted, highest scores first"), y: Axis::share("Churn found") };
    let points: Vec<_> = outcome.test.gains.iter().map(|p| (p.contacted_share, p.found_share)).collect();
    let [tenth, third] = [0.1, 0.3].map(|share| gain_at(outcome, share));
    let message = format!(
        "Contacting the 10\u{a0}% with the highest scores finds {} of all churn, contacting 30\u{a0}% finds {}. A \
         random choice would find 10\u{a0}% and 30\u{a0}%.",
        round_percent(tenth.found_share),
        round_percent(third.found_share)
    );
    let marks = html! {
        (plot.line("ideal", &[(0.0, 0.0), (metrics.base_rate, 1.0), (1.0, 1.0)]))
        (plot.label("quiet", (metrics.base_rate, 1.0), Side::Right, (10.0, 17.0), "perfect scores"))
        (plot.line("reference", &[(0.0, 0.0), (1.0, 1.0)]))
        (plot.label("quiet", (0.7, 0.7), Side::Right, (8.0, 12.0), "random choice"))
        (plot.line("model", &points))
        @for gain in [tenth, third] {
            @let at = (gain.share, gain.found_share);
            (plot.dot("model", at))
            (plot.label("model", at, Side::Right, (9.0, 12.0), &round_percent(gain.found_share)))
        }
    };
    plot.figure("gains", "Cumulative gains", &message, &marks)
}

/// Churned share against mean score, bin by bin.
pub(super) fn calibration_plot(outcome: &Outcome) -> Markup {
    let bins = &outcome.test.calibration;
    let reach = |bin: &CalibrationBin| bin.mean_score.max(wilson(bin.n_churned, bin.n).1);
    let end = bins.iter().map(reach).fold(0.0, f64::max).clamp(0.01, 1.0);
    let plot = Plot { x: Axis::score_up_to("mean score", end), y: Axis::score_up_to("Share that churned", end) };
    let end = plot.x.end();
    let points: Vec<_> = bins.iter().map(|bin| (bin.mean_score, bin.churned_share())).collect();
    let marks = html! {
        (plot.line("reference", &[(0.0, 0.0), (end, end)]))
        (plot.label("quiet", (0.8 * end, 0.8 * end), Side::Right, (6.0, 16.0), "perfect"))
        @for bin in bins {
            @let (low, high) = wilson(bin.n_churned, bin.n);
            (plot.upright("interval", bin.mean_score, low, high))
        }
        @for point in points { (plot.dot("model", point)) }
        (plot.label("quiet", (0.0, end), Side::Right, (8.0, 14.0), "bars: 95\u{a0}% intervals"))
    };
    let message = format!("{} Above the line more churned than the scores say, below it fewer.", calibration(outcome));
    plot.figure("calibration-plot", "Scores against what happened", &message, &marks)
}

/// 95 % interval of a churned share (Wilson 1927), which stays in `[0, 1]` for few observations too.
pub(super) fn wilson(n_churned: usize, n: usize) -> (f64, f64) {
    let (n, share, z2) = (n as f64, n_churned as f64 / n as f64, Z_95 * Z_95);
    let middle = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z_95 / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

/// Profit against tenants contacted.
pub(super) fn profit_plot(outcome: &Outcome) -> Markup {
    let points: Vec<_> = outcome.test.profit.iter().map(|p| (p.contacted_share, p.profit_per_tenant)).collect();
    let best = best_profit(&outcome.test.profit).map(|best| (best.contacted_share, best.profit_per_tenant));
    let here = profit_at_threshold(outcome).map(|here| (here.contacted_share, here.profit_per_tenant));
    let floor = profit_floor(&points, [best, here].into_iter().flatten());
    let drawn = above(&points, floor);
    let end = if drawn.len() < points.len() { drawn.last().map_or(1.0, |last| last.0) } else { 1.0 };
    let (low, high) = drawn.iter().fold((0.0_f64, 0.0_f64), |(low, high), point| (low.min(point.1), high.max(point.1)));
    // The first few contacts may lose a little, which is not worth a step of the axis; a label needs room above zero.
    let low = if -low < 0.03 * high { 0.0 } else { low };
    let high = high.max(-0.1 * low);
    let plot = Plot {
        x: Axis::share_up_to("contacted, highest scores first", end.max(0.001)),
        y: Axis::over("Profit per tenant", low, high, value),
    };
    // The two points often stand close together, so their names stand one below the other, in the corner that the curve
    // is away from.
    let side = if best.is_some_and(|best| best.0 > 0.6 * plot.x.end()) { Side::Right } else { Side::Left };
    let corner = (if side == Side::Left { plot.x.end() } else { plot.x.start() }, plot.y.end());
    let name = if here == best { "● threshold and best" } else { "● best" };
    let marks = html! {
        (plot.line("model", &drawn))
        @if let Some(best) = best {
            (plot.dot("model", best))
            (plot.label("model", corner, side, (4.0, 6.0), &format!("{name} {}", decimals(best.1, 2))))
        }
        @if let Some(here) = here {
            (plot.dot("threshold", here))
            @if Some(here) != best {
                (plot.label("threshold", corner, side, (4.0, 24.0), &format!("○ threshold {}", decimals(here.1, 2))))
            }
        }
    };
    let cut =
        if drawn.len() < points.len() { " The axes end where contacts cost more than the best earns." } else { "" };
    plot.figure("profit", "Profit of a campaign", &(profit(outcome) + cut), &marks)
}

/// The loss at which the curve is cut, so that it does not flatten what can be earned; nothing is cut where no contact
/// pays.
fn profit_floor(points: &[(f64, f64)], shown: impl Iterator<Item = (f64, f64)>) -> f64 {
    let most = points.iter().map(|point| point.1).fold(0.0, f64::max);
    if most > 0.0 { shown.map(|point| point.1).fold(-most, f64::min) } else { f64::NEG_INFINITY }
}

/// The curve up to where it falls below the floor for good.
fn above(points: &[(f64, f64)], floor: f64) -> Vec<(f64, f64)> {
    let n = points.iter().rposition(|point| point.1 >= floor).map_or(points.len(), |last| last + 1);
    let mut drawn = points[..n].to_vec();
    if let (Some(&last), Some(&next)) = (drawn.last(), points.get(n)) {
        // The crossing itself, unless it is the last point, whose place would otherwise hide that something was cut.
        let part = (last.1 - floor) / (last.1 - next.1);
        if n + 1 < points.len() && part.is_finite() {
            drawn.push((last.0 + part * (next.0 - last.0), floor));
        }
    }
    drawn
}

/// Scores of those who churned above the axis, of those who stayed below it.
pub(super) fn histogram(outcome: &Outcome) -> Markup {
    let bins = &outcome.test.histogram;
    let n_stayed: usize = bins.iter().map(|bin| bin.0).sum();
    let n_churned: usize = bins.iter().map(|bin| bin.1).sum();
    let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
    let shares: Vec<_> = bins.iter().map(|bin| (share(bin.0, n_stayed), share(bin.1, n_churned))).collect();
    let most_stayed = shares.iter().fold(0.01_f64, |most, bin| most.max(bin.0));
    let most_churned = shares.iter().fold(0.01_f64, |most, bin| most.max(bin.1));
    let text = |share: f64| format!("{}\u{a0}%", value((share * 1e4).abs().round() / 100.0));
    let width = 1.0 / bins.len().max(1) as f64;
    let threshold = outcome.threshold.score;
    let n_reached = bins.iter().rposition(|bin| bin.0 + bin.1 > 0).map_or(bins.len(), |last| last + 1);
    let end = if threshold <= 1.0 { threshold.max(n_reached as f64 * width) } else { 1.0 };
    let plot = Plot {
        x: Axis::score_up_to("score", end),
        y: Axis::over("Share of each label", -most_stayed, most_churned, text),
    };
    let end = plot.x.end();
    let message = format!(
        "Above the line the scores of those who churned, below it of those who stayed. {} of those who churned and \
         {} of those who stayed are at or above the threshold of {}.",
        round_percent(outcome.test.confusion.recall().unwrap_or(0.0)),
        round_percent(1.0 - outcome.test.confusion.specificity().unwrap_or(1.0)),
        decimals(threshold, 3)
    );
    let marks = html! {
        @for (i, (stayed, churned)) in shares.iter().enumerate() {
            @let range = (i as f64 * width, (i + 1) as f64 * width);
            @if *churned > 0.0 { (plot.bar("churned", range, (0.0, *churned))) }
            @if *stayed > 0.0 { (plot.bar("stayed", range, (-*stayed, 0.0))) }
        }
        (plot.label("churned", (end, most_churned), Side::Left, (2.0, 8.0), "churned"))
        (plot.label("stayed", (end, -most_stayed), Side::Left, (2.0, 0.0), "stayed"))
        @if threshold <= 1.0 {
            (plot.upright("threshold", threshold, plot.y.start(), plot.y.end()))
            (plot.label("threshold", (threshold, plot.y.end()), Side::Right, (6.0, 0.0), "threshold"))
        }
    };
    plot.figure("histogram", "Distribution of scores", &message, &marks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_share_is_wilsons() {
        // statsmodels.stats.proportion.proportion_confint(3, 20, method="wilson")
        let (low, high) = wilson(3, 20);
        assert!((low - 0.052_369).abs() < 1e-5 && (high - 0.360_418).abs() < 1e-5, "{low} {high}");
    }

    #[test]
    fn a_curve_is_cut_where_it_falls_below_the_floor_for_good() {
        let points = [(0.0, 0.0), (0.1, -3.0), (0.2, 2.0), (0.4, -2.0), (0.6, -4.0), (1.0, -9.0)];
        let floor = profit_floor(&points, [(0.2, 2.0)].into_iter());
        assert_eq!(floor, -2.0);
        assert_eq!(above(&points, floor), [&points[..4], &[(0.4, -2.0)]].concat());
        assert_eq!(above(&points, -3.0).last(), Some(&(0.5, -3.0)), "between two points");
        assert_eq!(above(&points, f64::NEG_INFINITY), points);
    }
}

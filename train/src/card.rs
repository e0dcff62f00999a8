//! The model card as Markdown: what the model is for, what it was fitted on, how well it does and where it fails.

use std::fmt::Write;

use churn_features::Feature;
use churn_model::evaluate::{Importance, MeanChange, Metrics};

use crate::commands;
use crate::findings::{self, GAINS_SHARES, gain_at, over_time as told};
use crate::numbers::{self, count, counted, decimals, or_dash, percent, sentence, setting};
use crate::outcome::{Outcome, Segment};
use crate::over_time::OverTime;

/// Features whose importance the card names.
const N_IMPORTANT: usize = 10;

/// Levels of a category that the card names.
const N_LEVELS: usize = 20;

/// The model card of a run, as Markdown.
///
/// The same outcome gives the same bytes.
///
/// # Panics
/// When `outcome.chosen` is no position in `outcome.candidates`.
pub fn model_card(outcome: &Outcome) -> String {
    let kept = findings::kept(outcome);
    let mut card = Card::default();
    card.line(&format!("# Churn model: {} on {}", findings::learner(kept), text(&outcome.source)));
    card.paragraph(&format!("Model `{}`. {}", outcome.model_id, findings::headline(outcome)));

    card.heading("Intended use");
    card.paragraph(
        "To rank tenants by how likely they are to churn, so that people can decide whom to contact first, and to \
         weigh the expected loss: a score is a calibrated probability. The tenants scored have to resemble the ones \
         fitted on.",
    );
    card.heading("Not for");
    card.list(&[
        "Decisions without a person that harm a tenant, such as ending or changing a contract.".to_owned(),
        "Saying why a tenant churns: importance is about the model, not about causes.".to_owned(),
        "Tenants, prices or products unlike the ones fitted on, without testing again.".to_owned(),
    ]);

    card.heading("Label, data and split");
    card.paragraph(&text(&findings::label(outcome)));
    card.paragraph(&text(&findings::split(outcome)));
    if let Some(over_time) = &outcome.over_time {
        log_and_plan(&mut card, over_time);
    }

    card.heading("Features in their order");
    features(&mut card, &outcome.features);

    card.heading("Candidates");
    candidates(&mut card, outcome);
    card.paragraph(&text(&format!("{} {}", findings::choice(outcome), findings::against_baseline(outcome))));
    card.paragraph(&format!("Hyperparameters of the {}:", findings::learner(kept)));
    let line = |(name, value): (&String, _)| format!("{}: {}", text(name), text(&setting(value)));
    card.list(&kept.hyperparameters.iter().map(line).collect::<Vec<_>>());
    card.list(&kept.notes.iter().map(|note| text(&sentence(note))).collect::<Vec<_>>());

    card.heading("Metrics on the test split");
    metrics(&mut card, &outcome.test.metrics);
    gains(&mut card, outcome);
    if let Some(found) = &outcome.cross_validation {
        let mean = |key| or_dash(found.mean.get(key).copied(), |mean| decimals(mean, 3));
        let (n, auc, loss) = (found.folds.len(), mean("roc_auc"), mean("log_loss"));
        card.paragraph(&format!("Cross-validation of the whole procedure, {n} folds: ROC-AUC {auc}, log loss {loss}."));
    }

    if let Some(over_time) = &outcome.over_time {
        yardsticks(&mut card, outcome, over_time);
    }

    card.heading("Calibration");
    let calibrator = findings::calibrator(&outcome.calibrator);
    card.paragraph(&format!("{} {calibrator}", findings::calibration(outcome)));

    card.heading("Threshold and its costs");
    card.paragraph(&format!("{} {}", findings::campaign(&outcome.campaign), findings::threshold(outcome)));
    card.paragraph(&format!("{} {}", findings::decision(outcome), findings::profit(outcome)));

    if !outcome.segments.is_empty() {
        card.heading("Segments");
        segments(&mut card, &outcome.segments);
    }
    if !outcome.importance.is_empty() {
        card.heading("Importance");
        importance(&mut card, outcome);
    }
    if let Some(over_time) = outcome.over_time.as_ref().filter(|over_time| !over_time.families.is_empty()) {
        card.paragraph("The same, with all features of a family shuffled together.");
        importance_table(&mut card, "Family", &over_time.families);
    }
    if !outcome.caveats.is_empty() {
        card.heading("Caveats");
        card.list(&outcome.caveats.iter().map(|caveat| text(&sentence(caveat))).collect::<Vec<_>>());
    }
    if let Some(command) = commands::repeat(outcome) {
        card.heading("Reproduction");
        card.paragraph(&format!("{}\n", findings::REPEATABLE));
        // Indented, because a fence could be closed by what stands in it.
        command.lines().for_each(|line| card.line(&format!("    {line}")));
    }
    card.markdown
}

fn features(card: &mut Card, features: &[Feature]) {
    card.paragraph("A row without names has its values in this order.\n");
    for (number, feature) in (1..).zip(features) {
        let kind = feature.kind().word();
        let levels = match feature.levels() {
            [] => String::new(),
            levels if levels.len() > N_LEVELS => {
                format!(" of {} and {} more", levels[..N_LEVELS].join(", "), levels.len() - N_LEVELS)
            }
            levels => format!(" of {}", levels.join(", ")),
        };
        let unit = feature.unit().map(|unit| format!(", in {unit}")).unwrap_or_default();
        card.line(&format!("{number}. {}: {kind}{}{}", text(feature.name()), text(&unit), text(&levels)));
    }
}

fn candidates(card: &mut Card, outcome: &Outcome) {
    card.table(
        &["Learner", "Honest log loss", "Test log loss", "Test ROC-AUC", "Lift at 10 %"],
        outcome.candidates.iter().enumerate().map(|(i, candidate)| {
            let kept = if i == outcome.chosen { " (kept)" } else { "" };
            vec![
                findings::learner(candidate) + kept,
                decimals(candidate.honest_log_loss, 4),
                decimals(candidate.test.log_loss, 4),
                decimals(candidate.test.roc_auc, 3),
                decimals(candidate.test.lift_10, 2),
            ]
        }),
    );
}

fn metrics(card: &mut Card, metrics: &Metrics) {
    let interval = format!(
        "{} (95 % interval {} to {})",
        decimals(metrics.roc_auc, 3),
        decimals(metrics.roc_auc_low, 3),
        decimals(metrics.roc_auc_high, 3)
    );
    let lines = [
        ("ROC-AUC", interval),
        ("PR-AUC", decimals(metrics.pr_auc, 3)),
        ("Base rate", decimals(metrics.base_rate, 3)),
        ("Log loss", decimals(metrics.log_loss, 4)),
        ("Brier score", decimals(metrics.brier, 4)),
        ("Expected calibration error", decimals(metrics.ece, 3)),
        ("Lift at 10 %", decimals(metrics.lift_10, 2)),
        ("Expected maximum profit per tenant", decimals(metrics.empc, 2)),
    ];
    card.table(&["Metric", "Value"], lines.into_iter().map(|(name, value)| vec![name.to_owned(), value]));
}

fn gains(card: &mut Card, outcome: &Outcome) {
    let gains = GAINS_SHARES.map(|share| gain_at(outcome, share));
    card.table(
        &["Highest scores", "Precision", "Of all churn", "Lift"],
        gains.iter().filter(|gain| gain.n >= 1.0).map(|gain| {
            vec![
                format!("top {} %", decimals(100.0 * gain.share, 0)),
                percent(gain.churned_share()),
                percent(gain.found_share),
                decimals(gain.lift, 2),
            ]
        }),
    );
}

fn segments(card: &mut Card, segments: &[Segment]) {
    card.table(
        &["Segment", "Number", "Churned", "Mean score", "ROC-AUC"],
        segments.iter().map(|segment| {
            vec![
                format!("{}: {}", text(&segment.feature), text(&segment.part)),
                count(segment.n),
                count(segment.n_churned) + if segment.is_small() { " (few)" } else { "" },
                percent(segment.mean_score),
                or_dash(segment.firm_roc_auc(), |auc| decimals(auc, 3)),
            ]
        }),
    );
    if segments.iter().any(Segment::is_small) {
        card.paragraph(&format!(
            "Few: fewer than {} churned, nothing firm can be said, and no ROC-AUC is given.",
            Segment::FEW_CHURNED
        ));
    }
}

fn importance(card: &mut Card, outcome: &Outcome) {
    let on = count(outcome.n_importance);
    card.paragraph(&format!("How much worse scores get when a feature is shuffled, on {on} test observations (± sd)."));
    importance_table(card, "Feature", &outcome.importance[..outcome.importance.len().min(N_IMPORTANT)]);
}

fn importance_table(card: &mut Card, what: &str, features: &[Importance]) {
    let shown = |change: MeanChange| {
        decimals(change.mean, 4) + &change.sd.map(|sd| format!(" ± {}", decimals(sd, 4))).unwrap_or_default()
    };
    card.table(
        &[what, "Log loss rises by", "ROC-AUC falls by"],
        features.iter().map(|feature| {
            vec![text(&feature.name), shown(feature.log_loss_increase), shown(feature.roc_auc_decrease)]
        }),
    );
}

/// What was in the log, how it was observed, and which dates were used for what.
fn log_and_plan(card: &mut Card, over_time: &OverTime) {
    card.heading("Log and observation plan");
    card.paragraph(&text(&told::log(&over_time.log)));
    card.paragraph(&text(&told::plan(&over_time.plan)));
    card.heading("Split by date");
    card.paragraph(&told::dates(over_time));
    card.table(
        &["Part and its observation dates", "Observations", "Churned", "Base rate"],
        told::parts(&over_time.dates).iter().map(|span| {
            vec![
                format!("{}: {} ({})", told::part_word(span.part), span.days(), counted(span.n_dates, "date", "dates")),
                count(span.n_observed),
                or_dash(span.n_churned.map(|n_churned| n_churned as f64), |n_churned| decimals(n_churned, 0)),
                or_dash(span.base_rate(), percent),
            ]
        }),
    );
    card.paragraph(&told::base_rates(&over_time.dates));
    if let Some(sentence) = told::event_study(&over_time.event_study) {
        card.paragraph(&sentence);
    }
}

/// The best possible score, the original system's columns, bags, and other dates.
fn yardsticks(card: &mut Card, outcome: &Outcome, over_time: &OverTime) {
    if let Some(oracle) = &over_time.oracle {
        card.heading("How good it could be");
        card.paragraph(&told::oracle(outcome, oracle));
    }
    if let Some(original) = &over_time.original {
        card.heading("Beside the original system");
        card.paragraph(&told::original(outcome, original));
        card.paragraph(&format!("Its columns: {}.", text(&original.features.join(", "))));
    }
    if let Some(bagging) = &over_time.bagging {
        card.heading("Bagging by tenant");
        card.paragraph(&told::bagging(bagging));
    }
    if let Some(sentence) = told::backtest(&over_time.backtest) {
        card.heading("Backtest");
        card.paragraph(&sentence);
        if let Some(left_out) = told::backtest_left_out(over_time) {
            card.paragraph(&numbers::sentence(&left_out));
        }
        card.table(
            &["Date tested on, learner", "Fitted on", "Tested on", "ROC-AUC", "Best possible", "Log loss"],
            over_time.backtest.iter().map(|step| {
                vec![
                    format!("{}, {}", step.date, step.algorithm.name().replace('-', " ")),
                    count(step.n_fit),
                    count(step.test.n),
                    decimals(step.test.roc_auc, 3),
                    or_dash(step.oracle_roc_auc, |auc| decimals(auc, 3)),
                    decimals(step.test.log_loss, 4),
                ]
            }),
        );
    }
}

/// Markdown in the making.
#[derive(Default)]
struct Card {
    markdown: String,
}

impl Card {
    fn heading(&mut self, heading: &str) {
        self.line(&format!("\n## {heading}"));
    }

    fn paragraph(&mut self, paragraph: &str) {
        self.line(&format!("\n{paragraph}"));
    }

    fn list(&mut self, items: &[String]) {
        if !items.is_empty() {
            self.line(&format!("\n- {}", items.join("\n- ")));
        }
    }

    /// The first column holds words, the others numbers.
    fn table(&mut self, names: &[&str], lines: impl Iterator<Item = Vec<String>>) {
        self.line(&format!("\n| {} |\n| --- |{}", names.join(" | "), " ---: |".repeat(names.len() - 1)));
        lines.for_each(|cells| self.line(&format!("| {} |", cells.join(" | "))));
    }

    /// No-break spaces are for pages that wrap; in a text file they only get in the way of searching.
    fn line(&mut self, line: &str) {
        self.markdown += &line.replace('\u{a0}', " ");
        self.markdown.push('\n');
    }
}

/// Text from outside, so that Markdown shows it and does not act on it.
fn text(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '[' | ']' | '|' | '#' => write!(escaped, "\\{c}").unwrap_or_default(),
            '<' => escaped += "&lt;",
            '&' => escaped += "&amp;",
            '\n' | '\r' => escaped.push(' '),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_is_shown_and_does_nothing() {
        assert_eq!(text("a|b *c* <d> & [e](f)\n# g"), r"a\|b \*c\* &lt;d> &amp; \[e\](f) \# g");
        assert_eq!(text("jobs_per_day_30d"), "jobs_per_day_30d");
    }
}

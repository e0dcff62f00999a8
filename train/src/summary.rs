//! What a run prints, and the sentences that its files share.

mod over_time;

use std::path::Path;

use churn_model::Campaign;
use churn_model::evaluate::{Importance, Metrics};
use churn_training_data::{ColumnSummary, Role, TrainingSet, ValueSummary};

use crate::commands;
use crate::console::Console;
use crate::outcome::{CandidateOutcome, CrossValidation, Outcome, Split};
use crate::run_folder::SCORES_FILE;
use churn_model::fit::Algorithm;

pub(crate) use over_time::{print_assembled, print_observed, print_over_time};

/// The metrics that are averaged over folds, by their documented keys.
pub(crate) fn values(metrics: &Metrics) -> Vec<(&'static str, f64)> {
    vec![
        ("roc_auc", metrics.roc_auc),
        ("pr_auc", metrics.pr_auc),
        ("log_loss", metrics.log_loss),
        ("brier", metrics.brier),
        ("ece", metrics.ece),
        ("lift_10", metrics.lift_10),
        ("empc", metrics.empc),
    ]
}

pub(crate) fn print_columns(console: &Console, source: &str, set: &TrainingSet, columns: &[ColumnSummary]) {
    let (n, n_churned) = (set.n_observations(), set.n_churned());
    console.line(format!(
        "{source}: {n} rows, {n_churned} churned ({}); {}",
        percent(n_churned, n),
        set.label_values()
    ));
    let mut rows = vec![["column", "role", "kind", "missing", "distinct", "values"].map(str::to_owned).to_vec()];
    rows.extend(columns.iter().map(|column| {
        let count = |count: Option<usize>| count.map_or_else(String::new, |count| count.to_string());
        vec![
            column.name.clone(),
            role_word(&column.role).to_owned(),
            column.kind.unwrap_or_default().to_owned(),
            count(column.n_missing),
            count(column.n_distinct),
            value_text(&column.values),
        ]
    }));
    console.table(&rows);
    for column in columns {
        if let Role::Dropped { reason } = &column.role {
            console.line(format!("  note: {} is left out: {reason}", column.name));
        }
        // The first line has said how the label was read.
        let notes = column.notes.iter().filter(|_| column.role != Role::Label);
        notes.for_each(|note| console.line(format!("  note: {}: {note}", column.name)));
    }
}

/// The word for what a column is for.
pub(crate) fn role_word(role: &Role) -> &'static str {
    match role {
        Role::Label => "label",
        Role::Id => "id",
        Role::Group => "group",
        Role::Weight => "weight",
        Role::Feature => "feature",
        Role::Dropped { .. } => "left out",
    }
}

fn value_text(values: &ValueSummary) -> String {
    match values {
        ValueSummary::Numbers { min, median, max } => format!("{min} .. {median} .. {max}"),
        ValueSummary::Levels(levels) => {
            let names: Vec<&str> = levels.iter().take(4).map(|(name, _)| name.as_str()).collect();
            names.join(", ")
        }
        ValueSummary::Nothing => String::new(),
    }
}

pub(crate) fn print_split(console: &Console, split: &Split) {
    let group = split.group.as_ref().map(|group| format!("; rows of one {group} stay together")).unwrap_or_default();
    let calibration = match split.n_calibration {
        0 => String::new(),
        n => format!(", calibrate on {n}"),
    };
    let held_out = if split.is_test_held_out { "held out" } else { "that were fitted on" };
    console.line(format!("\nfit on {} rows{calibration}, test on {} {held_out}{group}", split.n_fit, split.n_test));
}

pub(crate) fn print_candidates(console: &Console, candidates: &[CandidateOutcome], chosen: usize) {
    let header = ["learner", "honest log loss", "by", "test ROC-AUC", "log loss", "ECE", "calibrator", "seconds", ""];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(candidates.iter().enumerate().map(|(position, candidate)| {
        vec![
            candidate.algorithm.name().to_owned(),
            format!("{:.4}", candidate.honest_log_loss),
            candidate.criterion.to_owned(),
            format!("{:.4}", candidate.test.roc_auc),
            format!("{:.4}", candidate.test.log_loss),
            format!("{:.4}", candidate.test.ece),
            candidate.calibrator.to_owned(),
            format!("{:.2}", candidate.fit_seconds),
            if position == chosen { "kept".to_owned() } else { String::new() },
        ]
    }));
    console.line("");
    console.table(&rows);
    for candidate in candidates {
        let settings: Vec<String> =
            candidate.hyperparameters.iter().map(|(name, value)| format!("{name} {}", short(value))).collect();
        let notes = candidate.notes.iter().map(|note| format!("; {note}")).collect::<String>();
        console.line(format!("  {}: {}{notes}", candidate.algorithm.name(), settings.join(", ")));
    }
}

pub(crate) fn print_fold(console: &Console, fold: u32, algorithm: Algorithm, metrics: &Metrics) {
    if fold == 0 {
        console.line("\ncross-validation");
    }
    let (auc, loss) = (metrics.roc_auc, metrics.log_loss);
    console.line(format!("  fold {fold}: {:<14}  ROC-AUC {auc:.4}  log loss {loss:.4}", algorithm.name()));
}

pub(crate) fn print_cross_validation(console: &Console, cross_validation: &CrossValidation) {
    let means = cross_validation.candidates.iter().map(|(&name, mean)| (name, mean));
    let mut rows = vec![["mean over folds", "ROC-AUC", "log loss", "Brier", "ECE"].map(str::to_owned).to_vec()];
    rows.extend(means.chain([("as kept", &cross_validation.mean)]).map(|(name, mean)| {
        let value = |key: &str| mean.get(key).map_or_else(String::new, |value| format!("{value:.4}"));
        vec![name.to_owned(), value("roc_auc"), value("log_loss"), value("brier"), value("ece")]
    }));
    console.table(&rows);
}

/// Says how good the kept model is and what to mind.
pub(crate) fn print_results(console: &Console, outcome: &Outcome) {
    let Metrics { roc_auc, roc_auc_low, roc_auc_high, pr_auc, log_loss, brier, ece, lift_10, empc, .. } =
        outcome.test.metrics;
    let kept = outcome.candidates[outcome.chosen].algorithm.name();
    let baseline = &outcome.baseline;
    let rows = row_word(outcome);
    let held_out = if outcome.split.is_test_held_out { "held-out" } else { "fitted" };
    console.line(format!("\n{kept} on {} {held_out} {rows}s", outcome.split.n_test));
    console.line(format!("  ROC-AUC   {roc_auc:.4}  (95 % interval {roc_auc_low:.4} to {roc_auc_high:.4})"));
    console.line(format!("            {:.4}  with {} alone", baseline.test.roc_auc, baseline.feature));
    console.line(format!("  PR-AUC    {pr_auc:.4}  (base rate {:.4})", outcome.test.metrics.base_rate));
    console.line(format!("  log loss  {log_loss:.4}    Brier {brier:.4}    ECE {ece:.4}"));
    console.line(format!("  lift      {lift_10:.2} among the tenth with the highest scores"));
    let Campaign { lifetime_value, offer, contact, .. } = outcome.campaign;
    console.line(format!(
        "  profit    {empc:.2} per tenant at best (EMPC; lifetime value {lifetime_value}, offer {offer}, contact {contact})"
    ));
    let confusion = &outcome.test.confusion;
    console.line(format!(
        "  acting from {:.4} on contacts {}, of whom {} churned (of {})",
        outcome.threshold.score,
        confusion.true_positives + confusion.false_positives,
        confusion.true_positives,
        confusion.true_positives + confusion.false_negatives,
    ));
    let matters = |importance: &&Importance| importance.log_loss_increase.mean > 0.0;
    let needed: Vec<&str> =
        outcome.importance.iter().filter(matters).take(5).map(|importance| importance.name.as_str()).collect();
    console.line(if needed.is_empty() {
        "  no feature helps".to_owned()
    } else {
        format!("  needs most: {}", needed.join(", "))
    });
    if let Some(over_time) = &outcome.over_time {
        print_over_time(console, over_time, &outcome.test.metrics);
    }
    outcome.caveats.iter().for_each(|caveat| console.line(format!("  caution: {caveat}")));
}

/// Says where the files are and what to do with them.
pub(crate) fn print_files(console: &Console, outcome: &Outcome, folder: &Path) {
    console.line(format!("\nmodel file {}", folder.join(crate::MODEL_FILE).display()));
    console.line(format!("model card {}", folder.join("model-card.md").display()));
    console.line(format!("report     {}", folder.join("report.html").display()));
    if outcome.over_time.is_some() {
        let scores = folder.join(SCORES_FILE);
        console.line(format!("scores of the tenants at risk today: {}, highest first", scores.display()));
    }
    console.line("\nnext, to score others, in the project's folder:");
    let model_file = folder.join(crate::MODEL_FILE).display().to_string();
    commands::score(outcome, &model_file).iter().for_each(|command| console.line(format!("  {command}")));
}

/// Churned rows below which a model or a test says little.
const FEW_CHURNED: usize = 100;

/// A ROC-AUC above which a leak is likelier than a good model.
const TOO_GOOD: f64 = 0.995;

/// What a user of the model has to know.
pub(crate) fn caveats(outcome: &Outcome) -> Vec<String> {
    let mut caveats = match &outcome.over_time {
        None => vec![
            "not point-in-time: a flat table does not say when its values became known, so features may hold what came \
             after the churn"
                .to_owned(),
        ],
        Some(over_time) => over_time::caveats(over_time),
    };
    let row = row_word(outcome);
    let Split { n_fit_churned, n_test_churned, is_test_held_out, .. } = outcome.split;
    if !is_test_held_out {
        caveats.push(format!(
            "too few {row}s to hold any out: the test is on those that the model was fitted on, and says nothing about \
             others"
        ));
    }
    if n_fit_churned < FEW_CHURNED {
        let rows = churned_rows(n_fit_churned, row);
        caveats.push(format!("only {rows} to learn from; expect other data to look different"));
    }
    if n_test_churned < FEW_CHURNED {
        let rows = churned_rows(n_test_churned, row);
        caveats.push(format!("only {rows} in the test; mind the interval of the ROC-AUC"));
    }
    let group = if outcome.over_time.is_some() { Some("tenant") } else { outcome.split.group.as_deref() };
    if let Some(group) = group {
        caveats.push(format!(
            "{row}s of one {group} are alike, so the interval of the ROC-AUC, which counts {row}s, is too narrow"
        ));
    }
    let Metrics { roc_auc, roc_auc_low, .. } = outcome.test.metrics;
    if roc_auc_low <= 0.5 {
        caveats.push("the ranking is no better than chance, as far as the test can tell".to_owned());
    } else if is_test_held_out && roc_auc < outcome.baseline.test.roc_auc {
        caveats.push(format!("{} alone ranks the test better than the model", outcome.baseline.feature));
    }
    if roc_auc > TOO_GOOD && is_test_held_out {
        caveats.push(format!(
            "almost no errors on held-out {row}s: the label may be a rule over the features, or a feature may be known \
             only after the churn"
        ));
    }
    caveats
}

/// A hyperparameter with three digits where it has more.
fn short(value: &serde_json::Value) -> String {
    match value.as_f64() {
        Some(number) if value.is_f64() && number != 0.0 => {
            let digits = 2 - number.abs().log10().floor() as i32;
            let rounded = (number * 10_f64.powi(digits)).round() / 10_f64.powi(digits);
            rounded.to_string()
        }
        _ => value.to_string(),
    }
}

fn churned_rows(n: usize, row: &str) -> String {
    if n == 1 { format!("1 churned {row}") } else { format!("{n} churned {row}s") }
}

/// What a row is called.
fn row_word(outcome: &Outcome) -> &'static str {
    if outcome.over_time.is_some() { "observation" } else { "row" }
}

fn percent(part: usize, whole: usize) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}

//! The report of a run: one HTML page that needs no network, no script and no second file.

mod chart;
mod columns;
mod curves;
mod learners;
mod months;
mod over_time;
mod tables;
mod time_line;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::MODEL_FILE;
use crate::commands;
use crate::findings;
use crate::numbers::{count, counted, decimals, percent, range, sentence};
use crate::outcome::Outcome;
use crate::over_time::OverTime;

const STYLE: &str = include_str!("style.css");

/// The report as one HTML page.
///
/// The same outcome gives the same bytes. Long curves are thinned to what can be seen, so the page stays small however
/// many observations the test split has.
///
/// # Panics
/// When `outcome.chosen` is no position in `outcome.candidates`.
pub fn render(outcome: &Outcome) -> String {
    let title = format!("Churn model: {} on {}", findings::learner(findings::kept(outcome)), outcome.source);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (header(outcome))
                main {
                    (key_figures(outcome))
                    (over_time::time(outcome))
                    (over_time::event_study(outcome))
                    (learners(outcome))
                    (over_time::possible(outcome))
                    (over_time::bagging(outcome))
                    (ranking(outcome))
                    (calibration(outcome))
                    (acting(outcome))
                    (features(outcome))
                    (segments(outcome))
                    (over_time::backtest(outcome))
                    (cross_validation(outcome))
                    (data(outcome))
                    (caveats(outcome))
                    (using(outcome))
                }
                footer { p { "Model " code { (outcome.model_id) } ", seed " (outcome.seed) "." } }
            }
        }
    };
    page.into_string()
}

/// A part of the page with its heading.
fn section(id: &str, title: &str, lead: &str, content: &Markup) -> Markup {
    html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (title) }
            @if !lead.is_empty() { p class="lead" { (lead) } }
            (content)
        }
    }
}

fn header(outcome: &Outcome) -> Markup {
    let over_time = outcome.over_time.as_ref();
    let has = |holds: fn(&OverTime) -> bool| over_time.is_some_and(holds);
    let links = [
        ("time", "Time", over_time.is_some()),
        ("event-study", "Before they leave", has(|over_time| !over_time.event_study.is_empty())),
        ("learners", "Learners", true),
        (
            "possible",
            over_time.and_then(over_time::possible_title).unwrap_or_default(),
            has(|over_time| over_time::possible_title(over_time).is_some()),
        ),
        ("bagging", "Bagging", has(|over_time| over_time.bagging.is_some())),
        ("ranking", "Ranking", true),
        ("calibration", "Calibration", true),
        ("acting", "Acting on scores", true),
        ("features", "Features", true),
        ("segments", "Segments", !outcome.segments.is_empty()),
        ("backtest", "Backtest", has(|over_time| findings::over_time::backtest(&over_time.backtest).is_some())),
        ("cross-validation", "Cross-validation", outcome.cross_validation.is_some()),
        ("data", "Data", true),
        ("caveats", "Caveats", !outcome.caveats.is_empty()),
        ("using", "Using the model", true),
    ];
    html! {
        header {
            p class="kicker" { "Churn model " code { (outcome.model_id) } }
            h1 {
                "A " (findings::learner(findings::kept(outcome))) " fitted on "
                span class="name" { (outcome.source) }
            }
            p class="headline" { (findings::headline(outcome)) }
            p { (findings::split(outcome)) " " (findings::label(outcome)) }
            @if !outcome.caveats.is_empty() {
                p class="notice" {
                    "Before scores are used: "
                    a href="#caveats" { (counted(outcome.caveats.len(), "caveat", "caveats")) } "."
                }
            }
            nav aria-label="Parts of the report" {
                @for (id, name, _) in links.iter().filter(|link| link.2) { a href={ "#" (id) } { (name) } }
            }
        }
    }
}

fn key_figures(outcome: &Outcome) -> Markup {
    let metrics = &outcome.test.metrics;
    let interval = format!("95\u{a0}% interval {}", range(metrics.roc_auc_low, metrics.roc_auc_high, 3));
    let figures = [
        ("ROC-AUC", decimals(metrics.roc_auc, 3), interval),
        ("Lift at 10\u{a0}%", decimals(metrics.lift_10, 2), "times the base rate".to_owned()),
        ("PR-AUC", decimals(metrics.pr_auc, 3), format!("base rate {}", decimals(metrics.base_rate, 3))),
        ("Log loss", decimals(metrics.log_loss, 4), format!("Brier score {}", decimals(metrics.brier, 4))),
        ("Calibration error", decimals(metrics.ece, 3), "0 is perfect".to_owned()),
        (
            "Expected profit",
            decimals(metrics.empc, 2),
            format!("per tenant (EMPC), {} contacted on average", percent(metrics.empc_fraction)),
        ),
    ];
    let content = html! {
        dl class="figures" {
            @for (name, number, note) in &figures {
                div { dt { (name) } dd { strong { (number) } span class="quiet" { (note) } } }
            }
        }
    };
    let lead = format!("On {} test observations that the model has not seen.", count(metrics.n));
    section("key-figures", "Key figures", &lead, &content)
}

fn learners(outcome: &Outcome) -> Markup {
    let lead = format!("{} {}", findings::choice(outcome), findings::against_baseline(outcome));
    let content = html! {
        (learners::candidates(outcome))
        @for candidate in &outcome.candidates { (learners::hyperparameters(candidate)) }
    };
    section("learners", "Learners compared", &lead, &content)
}

fn ranking(outcome: &Outcome) -> Markup {
    let content = html! {
        div class="charts" {
            (curves::gains(outcome))
            (curves::roc(outcome))
            (curves::precision_recall(outcome))
            div { (tables::gains(outcome)) }
        }
    };
    section("ranking", "Ranking: who is put first", &findings::headline(outcome), &content)
}

fn calibration(outcome: &Outcome) -> Markup {
    let lead = format!(
        "Where scores are calibrated, three of ten tenants with a score of 0.3 churn. {}",
        findings::calibrator(&outcome.calibrator)
    );
    let content = html! {
        div class="charts" { (curves::calibration_plot(outcome)) div { (tables::calibration(outcome)) } }
    };
    section("calibration", "Calibration: what a score means", &lead, &content)
}

fn acting(outcome: &Outcome) -> Markup {
    let content = html! {
        p { (findings::campaign(&outcome.campaign)) " " (findings::threshold(outcome)) }
        div class="charts" {
            (curves::profit_plot(outcome))
            (curves::histogram(outcome))
        }
        div class="charts" { (tables::confusion(outcome)) }
    };
    section("acting", "Acting on scores: threshold and profit", &findings::decision(outcome), &content)
}

fn features(outcome: &Outcome) -> Markup {
    let lead = format!(
        "Measured on {} test observations. Features that carry the same news stand in for each other, so each of \
         them may look unimportant; a value near or below zero is chance.",
        count(outcome.n_importance)
    );
    let content = html! {
        @if outcome.importance.is_empty() { p { "The importance of features was not measured." } }
        @else { (tables::importance(outcome)) }
        @if let Some(over_time) = outcome.over_time.as_ref().filter(|over_time| !over_time.families.is_empty()) {
            h3 { "By family" }
            (tables::families(&over_time.families))
        }
        @if let Some(rules) = &outcome.rules {
            h3 { "The tree as rules" }
            div class="scroll" tabindex="0" role="group" aria-label="The tree as rules" { pre { (rules) } }
        }
    };
    section(
        "features",
        "Features: what the model uses",
        if outcome.importance.is_empty() { "" } else { &lead },
        &content,
    )
}

fn segments(outcome: &Outcome) -> Markup {
    if outcome.segments.is_empty() {
        return Markup::default();
    }
    let lead = "Where the mean score (dot) lies off the 95\u{a0}% interval of the share that churned (line), scores \
                are off for that part; where ROC-AUC is low, their order tells little there.";
    section("segments", "Segments: where it works", lead, &tables::segments(outcome))
}

fn cross_validation(outcome: &Outcome) -> Markup {
    let Some(found) = &outcome.cross_validation else { return Markup::default() };
    let lead = "Everything is repeated on each fold: fitting, choosing and calibrating. How far folds lie apart \
                shows how much chance there is in the figures above.";
    section("cross-validation", "Cross-validation", lead, &learners::cross_validation(found))
}

fn data(outcome: &Outcome) -> Markup {
    let n = findings::n_summarised(outcome);
    let lead = format!(
        "From {}: {} and {}.",
        outcome.source,
        if outcome.over_time.is_some() {
            counted(n, "labelled observation", "labelled observations")
        } else {
            counted(n, "row", "rows")
        },
        counted(outcome.columns.len(), "column", "columns")
    );
    section("data", "Data: what went in", &lead, &columns::columns(outcome))
}

fn caveats(outcome: &Outcome) -> Markup {
    if outcome.caveats.is_empty() {
        return Markup::default();
    }
    let content = html! { ul class="caveats" { @for caveat in &outcome.caveats { li { (sentence(caveat)) } } } };
    section("caveats", "Caveats", "", &content)
}

fn using(outcome: &Outcome) -> Markup {
    let content = html! {
        h3 { (if outcome.over_time.is_some() { "Score the tenants of a newer log" } else { "Score a table" }) }
        pre { (commands::score(outcome, MODEL_FILE).join("\n")) }
        h3 { "Score in Rust" }
        pre { (commands::RUST) }
        @if let Some(command) = commands::repeat(outcome) {
            h3 { "Repeat this run" }
            pre { (command) }
            p class="quiet" { (findings::REPEATABLE) }
        }
    };
    section("using", "Using the model file", "", &content)
}

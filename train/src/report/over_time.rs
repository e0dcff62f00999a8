//! The sections that only a log with times can fill.

use churn_model::evaluate::Metrics;
use maud::{Markup, html};

use super::chart::{Axis, Plot, Side, interval_cell};
use super::curves::wilson;
use super::section;
use super::tables::Heading::{Numbers, Words};
use super::tables::{headings, table};
use super::{months, time_line};
use crate::findings::{self, over_time as told};
use crate::numbers::{count, decimals, or_dash, percent, range, sentence, value};
use crate::outcome::Outcome;
use crate::over_time::{BacktestFacts, BagFacts, OverTime, StudyWeek};

/// Who was observed when, and what is known about the log.
pub(super) fn time(outcome: &Outcome) -> Markup {
    let Some(over_time) = &outcome.over_time else { return Markup::default() };
    let content = html! {
        div class="charts" {
            (time_line::time_line(over_time))
            (time_line::base_rate_plot(over_time))
            (time_line::cohorts(over_time))
            div {
                h3 { "The plan" }
                dl class="settings" {
                    @for (name, value) in told::plan_settings(over_time) { div { dt { (name) } dd { (value) } } }
                }
                h3 { "The log" }
                dl class="settings" {
                    @for (name, value) in log_settings(over_time) { div { dt { (name) } dd { (value) } } }
                }
            }
        }
        details {
            summary { "Every observation date" }
            (dates(over_time))
        }
    };
    section("time", "Time: who was observed when", &told::plan(&over_time.plan), &content)
}

fn log_settings(over_time: &OverTime) -> Vec<(String, String)> {
    let log = &over_time.log;
    let n = |n: u64| count(usize::try_from(n).unwrap_or(usize::MAX));
    let facts = [
        ("tenants", n(log.n_tenants)),
        ("events in the log", n(log.n_events)),
        ("first event", log.first.to_string()),
        ("end of the log", log.end.to_string()),
        ("tenants at the last date, all in scores.csv", count(over_time.n_scored)),
    ];
    let left_out = log.left_out.iter().map(|(why, left_out)| (format!("left out: {why}"), n(*left_out)));
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(left_out).collect()
}

fn dates(over_time: &OverTime) -> Markup {
    let names = [
        Words("Observation date"),
        Words("Used for"),
        Numbers("Observed"),
        Numbers("Churned"),
        Numbers("Base rate"),
        Numbers("95\u{a0}% interval"),
        Numbers("Too young"),
        Numbers("Churned inside the gap"),
    ];
    let body = html! {
        tbody {
            @for date in &over_time.dates {
                @let is_known = told::is_labelled(date) && date.n_observed > 0;
                tr {
                    th scope="row" class="short" { (date.date) }
                    td class="word" { (told::part_word(date.part)) }
                    td { (count(date.n_observed)) }
                    @if is_known {
                        @let (low, high) = wilson(date.n_churned, date.n_observed);
                        td { (count(date.n_churned)) }
                        td { (percent(date.n_churned as f64 / date.n_observed as f64)) }
                        td class="quiet" { (range(100.0 * low, 100.0 * high, 1)) "\u{a0}%" }
                    } @else {
                        td { "–" } td { "–" } td { "–" }
                    }
                    td { (count(date.n_too_young)) }
                    td { (count(date.n_cancelled_in_gap)) }
                }
            }
        }
    };
    table("numbers", "Tenants at risk on every observation date", &headings(&names), &body)
}

/// Usage of churners and stayers in the weeks before.
pub(super) fn event_study(outcome: &Outcome) -> Markup {
    let Some(study) = outcome.over_time.as_ref().map(|over_time| &over_time.event_study) else {
        return Markup::default();
    };
    let Some(message) = told::event_study(study) else { return Markup::default() };
    let lead = "Weekly logins and jobs of tenants that churned, beside tenants like them that stayed: of about the same \
                tenure and the same usage earlier on, seen in the same calendar weeks. 100\u{a0}% is a tenant's own mean \
                of the first 12 of these 27 weeks, so tenants that grow rise above it; what warns is the distance between the \
                two lines.";
    let content = html! { div class="charts" { (study_plot(study, &message)) (study_table(study)) } };
    section("event-study", "Before they leave", lead, &content)
}

fn study_plot(study: &[StudyWeek], message: &str) -> Markup {
    let week = |week: &StudyWeek| f64::from(week.week);
    let churners: Vec<(f64, f64)> = study.iter().map(|w| (week(w), w.churners)).collect();
    let stayers: Vec<(f64, f64)> = study.iter().map(|w| (week(w), w.stayers)).collect();
    let most = churners.iter().chain(&stayers).map(|point| point.1).filter(|y| y.is_finite()).fold(1.0, f64::max);
    let first = study.first().map_or(-1.0, week).min(-1.0);
    let step = (-first / 6.5).ceil();
    let weeks = (0..=(-first / step) as usize).rev().map(|i| -step * i as f64).map(|week| (week, value(week)));
    let quarters = (0..).map(|i| 0.25 * f64::from(i)).take_while(|level| *level < 1.05 * most);
    let name = "Weekly usage, of the earlier level";
    let plot = Plot {
        x: Axis::with_ticks("week; 0 is the last whole one before they churned", (first, 0.0), weeks.collect()),
        y: if most > 2.0 {
            Axis::share_up_to(name, most)
        } else {
            let text = |level| format!("{}\u{a0}%", value(100.0 * level));
            Axis::with_ticks(name, (0.0, 1.1 * most), quarters.map(|level| (level, text(level))).collect())
        },
    };
    let end = |points: &[(f64, f64)]| points.last().copied().unwrap_or_default();
    // Each name stands on its line's free side, clear of all of the line that it stands beside.
    let beside = |points: &[(f64, f64)], is_above: bool| {
        let levels = points.iter().rev().take(8).map(|point| point.1);
        let level = if is_above { levels.reduce(f64::max) } else { levels.reduce(f64::min) };
        ((end(points).0, level.unwrap_or_default()), if is_above { (2.0, -11.0) } else { (14.0, 17.0) })
    };
    let is_churners_above = end(&churners).1 > end(&stayers).1;
    let (churners_at, churners_place) = beside(&churners, is_churners_above);
    let (stayers_at, stayers_place) = beside(&stayers, !is_churners_above);
    let marks = html! {
        (plot.line("reference", &[(plot.x.start(), 1.0), (plot.x.end(), 1.0)]))
        @if let Some(opens) = told::lines_part(study) {
            (plot.upright("drop", week(opens), plot.y.start(), opens.stayers))
            (plot.label("quiet", (week(opens), plot.y.start()), Side::Left, (6.0, -8.0), "the lines part"))
        }
        (plot.line("stayed", &stayers))
        (plot.line("churned", &churners))
        (plot.label("stayed", stayers_at, Side::Left, stayers_place, "stayers"))
        (plot.label("churned", churners_at, Side::Left, churners_place, "churners"))
    };
    plot.figure("usage", "Usage before churn", message, &marks)
}

fn study_table(study: &[StudyWeek]) -> Markup {
    let names = [Words("Week"), Numbers("Churners"), Numbers("Stayers"), Numbers("Below by")];
    let body = html! {
        tbody {
            @for week in study.iter().rev().step_by(2).take(14) {
                tr {
                    th scope="row" { (decimals(f64::from(week.week), 0)) }
                    td { (told::whole_percent(week.churners)) }
                    td { (told::whole_percent(week.stayers)) }
                    td { (told::whole_percent(1.0 - week.churners / week.stayers)) }
                }
            }
        }
    };
    table("numbers", "Mean weekly usage, of the earlier level, every second week", &headings(&names), &body)
}

/// What the comparison with other scores is called, where there are any.
pub(super) fn possible_title(over_time: &OverTime) -> Option<&'static str> {
    match (&over_time.oracle, &over_time.original) {
        (Some(_), _) => Some("How good it could be"),
        (None, Some(_)) => Some("Beside the original system"),
        (None, None) => None,
    }
}

/// The model between chance and the best possible score.
pub(super) fn possible(outcome: &Outcome) -> Markup {
    let Some(over_time) = &outcome.over_time else { return Markup::default() };
    let Some(title) = possible_title(over_time) else { return Markup::default() };
    let (oracle, original) = (over_time.oracle.as_ref(), over_time.original.as_ref());
    let sentences = [
        oracle.map(|oracle| told::oracle(outcome, oracle)),
        original.map(|original| told::original(outcome, original)),
    ];
    let best = &outcome.baseline;
    let mut lines: Vec<(String, &'static str, &Metrics)> = Vec::new();
    if let Some(oracle) = oracle {
        lines.push(("true churn probabilities".to_owned(), "", &oracle.test));
    }
    lines.push((format!("this model: {}", findings::learner(findings::kept(outcome))), "kept", &outcome.test.metrics));
    if let Some(original) = original {
        let name = format!(
            "the original system's {} columns: {}",
            original.features.len(),
            original.algorithm.name().replace('-', " ")
        );
        lines.push((name, "", &original.test));
    }
    lines.push((format!("best feature: {}", best.feature), "", &best.test));
    let content = html! {
        (comparison(&lines, oracle.map(|oracle| oracle.test.roc_auc)))
        @if let Some(original) = original {
            p class="quiet" { "The original system's columns: " (original.features.join(", ")) "." }
        }
    };
    let lead: Vec<String> = sentences.into_iter().flatten().collect();
    section("possible", title, &lead.join(" "), &content)
}

fn comparison(lines: &[(String, &'static str, &Metrics)], best: Option<f64>) -> Markup {
    let low = lines.iter().map(|line| line.2.roc_auc_low).fold(0.5, f64::min);
    let high = lines.iter().map(|line| line.2.roc_auc_high).fold(0.5, f64::max);
    let mut names = vec![Words("Scores by"), Numbers("ROC-AUC"), Numbers("95\u{a0}% interval")];
    names.extend(best.map(|_| Numbers("Of the way from chance")));
    names.extend([Numbers("Log loss"), Numbers("Calibration error"), Numbers("Lift at 10\u{a0}%")]);
    let body = html! {
        tbody {
            @for (name, class, test) in lines {
                tr class=[Some(*class).filter(|class| !class.is_empty())] {
                    th scope="row" { (name) }
                    td { (decimals(test.roc_auc, 3)) }
                    td class="picture" {
                        (interval_cell((low, high), (test.roc_auc_low, test.roc_auc_high), test.roc_auc))
                        span class="quiet" { (range(test.roc_auc_low, test.roc_auc_high, 3)) }
                    }
                    @if let Some(best) = best { td { (percent((test.roc_auc - 0.5) / (best - 0.5))) } }
                    td { (decimals(test.log_loss, 4)) }
                    td { (decimals(test.ece, 3)) }
                    td { (decimals(test.lift_10, 2)) }
                }
            }
        }
    };
    table("numbers", "On the same test observations; pictures begin at chance, 0.5", &headings(&names), &body)
}

/// What out-of-bag scores promise with bags by tenant and by row.
pub(super) fn bagging(outcome: &Outcome) -> Markup {
    let Some(bagging) = outcome.over_time.as_ref().and_then(|over_time| over_time.bagging.as_ref()) else {
        return Markup::default();
    };
    let names = [
        Words("Bags drawn"),
        Numbers("Leaf size chosen"),
        Numbers("ROC-AUC out of bag"),
        Numbers("ROC-AUC on the test"),
        Numbers("Promised too much"),
        Numbers("Log loss out of bag"),
        Numbers("Log loss on the test"),
    ];
    let line = |name: &str, bag: &BagFacts, is_used: bool| {
        html! {
            tr class=[is_used.then_some("kept")] {
                th scope="row" class="short" { (name) @if is_used { " " span class="badge" { "used" } } }
                td { (bag.min_leaf) }
                td { (decimals(bag.out_of_bag_roc_auc, 3)) }
                td { (decimals(bag.test_roc_auc, 3)) }
                td { (decimals(told::promised_too_much(bag), 3)) }
                td { (decimals(bag.out_of_bag_log_loss, 4)) }
                td { (decimals(bag.test_log_loss, 4)) }
            }
        }
    };
    let body = html! {
        tbody { (line("by tenant", &bagging.by_tenant, true)) (line("row by row", &bagging.by_row, false)) }
    };
    let caption = "The same forest, bagged in two ways; scores before calibration";
    let content = table("numbers", caption, &headings(&names), &body);
    section("bagging", "Bagging by tenant", &told::bagging(bagging), &content)
}

/// The procedure repeated while the observation date moves.
pub(super) fn backtest(outcome: &Outcome) -> Markup {
    let Some(over_time) = &outcome.over_time else { return Markup::default() };
    let steps = &over_time.backtest;
    let Some(message) = told::backtest(steps) else { return Markup::default() };
    let lead = "Fitting, choosing and calibrating are repeated as if each date were today. How far the dates lie apart \
                shows how much a test of a few dates can tell.";
    let content = html! {
        div class="charts" { (backtest_plot(steps, &message)) }
        (backtest_table(steps))
        @if let Some(left_out) = told::backtest_left_out(over_time) { p class="quiet" { (sentence(&left_out)) } }
    };
    section("backtest", "Backtest", lead, &content)
}

fn backtest_plot(steps: &[BacktestFacts], message: &str) -> Markup {
    let x = |step: &BacktestFacts| f64::from(step.date.days());
    let (Some(first), Some(last)) = (steps.first(), steps.last()) else { return Markup::default() };
    let points: Vec<(f64, f64)> = steps.iter().map(|step| (x(step), step.test.roc_auc)).collect();
    let oracle: Vec<(f64, f64)> = steps.iter().filter_map(|step| Some((x(step), step.oracle_roc_auc?))).collect();
    let all = || {
        oracle
            .iter()
            .map(|point| point.1)
            .chain(steps.iter().flat_map(|step| [step.test.roc_auc_low, step.test.roc_auc_high]))
    };
    let all = || all().filter(|auc| auc.is_finite());
    let low = all().fold(f64::INFINITY, f64::min).min(first.test.roc_auc);
    let high = all().fold(f64::NEG_INFINITY, f64::max).max(first.test.roc_auc);
    let plot = Plot {
        x: months::axis("observation date tested on", first.date.plus_days(-14), last.date.plus_days(14)),
        y: Axis::over("ROC-AUC", low, high, value),
    };
    let marks = html! {
        @for step in steps { (plot.upright("interval pale", x(step), step.test.roc_auc_low, step.test.roc_auc_high)) }
        (plot.line("ideal", &oracle))
        (plot.line("model", &points))
        @for point in &points { (plot.dot("model", *point)) }
        // Above its highest and below its lowest point a line leaves room for its name.
        @if let Some(at) = oracle.iter().max_by(|a, b| a.1.total_cmp(&b.1)) {
            (plot.label("quiet", *at, Side::Right, (-20.0, -8.0), "best possible"))
        }
        @if let Some(at) = points.iter().min_by(|a, b| a.1.total_cmp(&b.1)) {
            (plot.label("model", *at, Side::Right, (6.0, 17.0), "fitted anew"))
        }
    };
    plot.figure("backtest-plot", "ROC-AUC, date by date", message, &marks)
}

fn backtest_table(steps: &[BacktestFacts]) -> Markup {
    let names = [
        Words("Date tested on"),
        Words("Kept"),
        Numbers("Fitted on"),
        Numbers("Tested on"),
        Numbers("Churned"),
        Numbers("ROC-AUC"),
        Numbers("95\u{a0}% interval"),
        Numbers("Best possible"),
        Numbers("Log loss"),
        Numbers("Calibration error"),
        Numbers("Lift at 10\u{a0}%"),
    ];
    let body = html! {
        tbody {
            @for step in steps {
                @let test = &step.test;
                tr {
                    th scope="row" class="short" { (step.date) }
                    td class="word" { (step.algorithm.name().replace('-', " ")) }
                    td { (count(step.n_fit)) }
                    td { (count(test.n)) }
                    td { (count(test.n_churned)) }
                    td { (decimals(test.roc_auc, 3)) }
                    td class="quiet" { (range(test.roc_auc_low, test.roc_auc_high, 3)) }
                    td { (or_dash(step.oracle_roc_auc, |auc| decimals(auc, 3))) }
                    td { (decimals(test.log_loss, 4)) }
                    td { (decimals(test.ece, 3)) }
                    td { (decimals(test.lift_10, 2)) }
                }
            }
        }
    };
    table("numbers", "Fitted on what was known before each date, tested on that date", &headings(&names), &body)
}

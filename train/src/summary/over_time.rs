//! What a run on a log of events prints, and what its user has to know.

use churn_model::evaluate::Metrics;
use churn_training_data::{Assembled, Cohort, ColumnSummary, ObservationPlan, Role};

use crate::console::Console;
use crate::findings::over_time::{backtest_left_out, part_word, parts};
use crate::numbers::percent;
use crate::over_time::{BacktestFacts, BagFacts, DateFacts, LogFacts, OverTime, Part, SplitKind};
use crate::source::Assembly;

/// What was in the log, how it was observed, and which dates are used for what.
pub(crate) fn print_observed(
    console: &Console,
    source: &str,
    (log, plan, dates): (&LogFacts, &ObservationPlan, &[DateFacts]),
    columns: &[ColumnSummary],
    n_observations: usize,
) {
    print_log(console, source, log, plan);
    console.table(&part_rows(dates));
    let features = columns.iter().filter(|column| column.role == Role::Feature);
    let (unknown, known): (Vec<&ColumnSummary>, Vec<&ColumnSummary>) =
        features.partition(|column| column.n_missing == Some(n_observations));
    let unknown: Vec<&str> = unknown.iter().map(|column| column.name.as_str()).collect();
    let missing =
        if unknown.is_empty() { String::new() } else { format!("; missing in every row: {}", unknown.join(", ")) };
    console.line(format!("{} features{missing}", known.len() + unknown.len()));
}

/// What was in the log, how it was observed, and how many observations each date has.
pub(crate) fn print_assembled(console: &Console, assembly: &Assembly) {
    let Assembled { plan, labelled, censored, cohorts, .. } = &assembly.assembled;
    print_log(console, &assembly.source, &assembly.log(), plan);
    console.table(&cohort_rows(cohorts));
    let (n, n_churned) = (labelled.n_observations(), labelled.n_churned());
    let churned = percent(n_churned as f64 / n as f64);
    console.line(format!(
        "{n} labelled observations, of which {n_churned} churned ({churned}); {} without a label yet",
        censored.len()
    ));
}

fn cohort_rows(cohorts: &[Cohort]) -> Vec<Vec<String>> {
    let header =
        ["observation date", "at risk", "churned", "stayed", "no label yet", "left in gap", "too young", "inactive"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(cohorts.iter().map(|cohort| {
        let Cohort { n_churned, n_stayed, n_censored, n_cancelled_in_gap, n_too_young, n_inactive, .. } = *cohort;
        let counts = [cohort.n_at_risk(), n_churned, n_stayed, n_censored, n_cancelled_in_gap, n_too_young, n_inactive];
        [cohort.date().to_string()].into_iter().chain(counts.map(|n| n.to_string())).collect()
    }));
    rows
}

fn print_log(console: &Console, source: &str, log: &LogFacts, plan: &ObservationPlan) {
    console.line(format!(
        "{source}: {} events of {} tenants, {} to {}; churn: {}, {} days after a gap of {}",
        log.n_events,
        log.n_tenants,
        log.first,
        log.end,
        plan.rule.word(),
        plan.horizon_days,
        plan.gap_days
    ));
    log.left_out.iter().for_each(|(why, n)| console.line(format!("  left out: {n} {why}")));
}

/// What the figures of the kept model are held against.
pub(crate) fn print_over_time(console: &Console, over_time: &OverTime, test: &Metrics) {
    if let Some(oracle) = &over_time.oracle {
        console.line(format!(
            "  oracle    {:.4}  is the best possible ROC-AUC on the test; the model comes {:.1} % of the way from chance",
            oracle.test.roc_auc,
            100.0 * oracle.reached
        ));
    }
    if let Some(original) = &over_time.original {
        console.line(format!(
            "  original  {:.4}  with the {} columns of the original system alone ({}), {:.4} with all",
            original.test.roc_auc,
            original.features.len(),
            original.algorithm.name(),
            test.roc_auc
        ));
    }
    if let Some(bagging) = &over_time.bagging {
        let line = |name: &str, bag: &BagFacts| {
            console.line(format!(
                "  bags      {name:<9}  out of bag {:.4}, on the test {:.4} (leaf size {})",
                bag.out_of_bag_roc_auc, bag.test_roc_auc, bag.min_leaf
            ));
        };
        line("by tenant", &bagging.by_tenant);
        line("by row", &bagging.by_row);
    }
    print_backtest(console, &over_time.backtest);
    // Where no date could be tested, that is a caution.
    if let Some(left_out) = backtest_left_out(over_time).filter(|_| !over_time.backtest.is_empty()) {
        console.line(format!("  {left_out}"));
    }
}

fn part_rows(dates: &[DateFacts]) -> Vec<Vec<String>> {
    let mut rows = vec![
        ["part", "observation dates", "dates", "observations", "churned", "base rate"].map(str::to_owned).to_vec(),
    ];
    rows.extend(parts(dates).iter().map(|span| {
        vec![
            part_word(span.part).to_owned(),
            span.days(),
            span.n_dates.to_string(),
            span.n_observed.to_string(),
            span.n_churned.map_or_else(String::new, |n_churned| n_churned.to_string()),
            span.base_rate().map_or_else(String::new, |rate| format!("{rate:.4}")),
        ]
    }));
    rows
}

fn print_backtest(console: &Console, backtest: &[BacktestFacts]) {
    if backtest.is_empty() {
        return;
    }
    let header = ["backtest", "kept", "fitted on", "tested on", "churned", "ROC-AUC", "oracle", "log loss", "ECE"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(backtest.iter().map(|step| {
        vec![
            step.date.to_string(),
            step.algorithm.name().to_owned(),
            step.n_fit.to_string(),
            step.test.n.to_string(),
            step.test.n_churned.to_string(),
            format!("{:.4}", step.test.roc_auc),
            step.oracle_roc_auc.map_or_else(String::new, |auc| format!("{auc:.4}")),
            format!("{:.4}", step.test.log_loss),
            format!("{:.4}", step.test.ece),
        ]
    }));
    console.table(&rows);
}

/// What a user of a model has to know that was fitted on a log.
pub(super) fn caveats(over_time: &OverTime) -> Vec<String> {
    let mut caveats = Vec::new();
    if over_time.oracle.is_some() {
        caveats.push(
            "the world is simulated: the figures show that the job works, not how well anybody's real tenants can be \
             scored"
                .to_owned(),
        );
    }
    let n_test_dates = over_time.dates.iter().filter(|date| date.part == Part::Test).count();
    match over_time.split {
        SplitKind::Tenants => caveats.push(
            "the test is of other tenants on the same dates, so it does not tell how a model does later on".to_owned(),
        ),
        SplitKind::Time if n_test_dates == 1 => {
            caveats.push("tested on one observation date only; another season may look different".to_owned());
        }
        SplitKind::Time => {}
    }
    if over_time.backtest.is_empty() {
        caveats.extend(backtest_left_out(over_time));
    }
    caveats
}

#[cfg(test)]
mod tests {
    use churn_events::ObservationDate;

    use super::*;
    use crate::over_time::{DateFacts, LogFacts};

    fn over_time(split: SplitKind, n_test_dates: i32) -> OverTime {
        let day = ObservationDate::from_days;
        let date = |i| DateFacts {
            date: day(28 * i),
            part: Part::Test,
            n_observed: 10,
            n_churned: 1,
            n_too_young: 0,
            n_cancelled_in_gap: 0,
        };
        OverTime {
            log: LogFacts { n_tenants: 10, n_events: 100, first: day(0), end: day(365), left_out: Vec::new() },
            plan: ObservationPlan::default(),
            split,
            dates: (0..n_test_dates).map(date).collect(),
            event_study: Vec::new(),
            oracle: None,
            original: None,
            bagging: None,
            families: Vec::new(),
            backtest: Vec::new(),
            backtest_left_out: 0,
            n_scored: 0,
        }
    }

    #[test]
    fn a_test_that_tells_little_about_later_is_a_caveat() {
        assert!(caveats(&over_time(SplitKind::Time, 3)).is_empty());
        assert!(caveats(&over_time(SplitKind::Time, 1))[0].contains("one observation date only"));
        assert!(caveats(&over_time(SplitKind::Tenants, 3))[0].contains("other tenants on the same dates"));
    }

    #[test]
    fn a_backtest_that_tested_nothing_is_a_caveat_with_its_reason() {
        let facts = OverTime { backtest_left_out: 7, ..over_time(SplitKind::Time, 3) };
        let caveats = caveats(&facts);
        assert!(caveats[0].starts_with("backtest: 0 of 7 dates; the others have fewer than 30 churned"), "{caveats:?}");
        assert!(caveats[0].contains("more tenants"), "says what helps: {caveats:?}");
    }

    #[test]
    fn parts_without_labels_have_no_base_rate_to_print() {
        let mut facts = over_time(SplitKind::Time, 2);
        facts.dates[1].part = Part::Censored;
        let rows = part_rows(&facts.dates);
        assert_eq!(rows[1], ["test", "1970-01-01", "1", "10", "1", "0.1000"]);
        assert_eq!(rows[2], ["no label yet", "1970-01-29", "1", "10", "", ""]);
    }
}

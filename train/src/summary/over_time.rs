//! What a run on a log of events prints, and what its user has to know.

use churn_model::evaluate::Metrics;

use crate::console::Console;
use crate::findings::over_time::{part_word, parts};
use crate::over_time::{BacktestFacts, BagFacts, OverTime, Part, SplitKind};

/// Which dates were used for what, and what the figures of the kept model are held against.
pub(crate) fn print_over_time(console: &Console, over_time: &OverTime, test: &Metrics) {
    print_parts(console, over_time);
    if let Some(oracle) = &over_time.oracle {
        console.line(format!(
            "  oracle    {:.4}  is the best possible ROC-AUC on the test; the model comes {:.1} % of the way from chance",
            oracle.test.roc_auc,
            100.0 * oracle.reached
        ));
    }
    if let Some(original) = &over_time.original {
        console.line(format!(
            "  original  {:.4}  with the original system's {} columns alone ({}), {:.4} with all",
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
}

fn print_parts(console: &Console, over_time: &OverTime) {
    let mut rows = vec![
        ["part", "observation dates", "dates", "observations", "churned", "base rate"].map(str::to_owned).to_vec(),
    ];
    rows.extend(parts(&over_time.dates).iter().map(|span| {
        vec![
            part_word(span.part).to_owned(),
            span.days(),
            span.n_dates.to_string(),
            span.n_at_risk.to_string(),
            span.n_churned.map_or_else(String::new, |n_churned| n_churned.to_string()),
            span.base_rate().map_or_else(String::new, |rate| format!("{rate:.4}")),
        ]
    }));
    console.table(&rows);
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
    match over_time.plan.split {
        SplitKind::Tenants => caveats.push(
            "the test is of other tenants on the same dates, so it does not tell how a model does later on".to_owned(),
        ),
        SplitKind::Time if n_test_dates == 1 => {
            caveats.push("tested on one observation date only; another season may look different".to_owned());
        }
        SplitKind::Time => {}
    }
    caveats
}

//! Fit and test, repeated while the observation date moves forward.

use churn_events::ObservationDate;
use churn_model::evaluate::roc_auc;
use churn_training_data::{ObservationPlan, TrainingSet};

use crate::Error;
use crate::console::Console;
use crate::over_time::BacktestFacts;
use crate::procedure::Procedure;
use crate::rows::Rows;

/// Churned observations below which a date is neither fitted up to nor tested on.
const FEW_CHURNED: usize = 30;

/// Tests each date by a model of what had been known before it: observations whose label horizons had ended by then.
///
/// `truth` gives the true churn probabilities of some observations, where the world is simulated.
///
/// # Errors
/// When a learner cannot be fitted.
pub(crate) fn backtest(
    procedure: &Procedure<'_>,
    set: &TrainingSet,
    plan: &ObservationPlan,
    truth: impl Fn(&[usize]) -> Option<Vec<f64>>,
    console: &Console,
) -> Result<Vec<BacktestFacts>, Error> {
    let Some(dates) = set.keys().dates() else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    let mut days: Vec<ObservationDate> = dates.to_vec();
    days.sort_unstable();
    days.dedup();
    for date in days {
        let is_known = |row: usize| plan.label_horizon(dates[row]).1 <= date.start();
        let fit: Vec<usize> = (0..dates.len()).filter(|&row| is_known(row)).collect();
        let test: Vec<usize> = (0..dates.len()).filter(|&row| dates[row] == date).collect();
        let (fit, test_rows) = (Rows::of(set, &fit), Rows::of(set, &test));
        if fit.n_churned() < FEW_CHURNED || test_rows.n_churned() < FEW_CHURNED {
            continue;
        }
        let fitted = procedure.fit(&fit, None, console, Some(&format!("backtest {date}")))?;
        let (_, metrics) = procedure.test(fitted.kept(), &test_rows)?;
        let oracle = truth(&test).and_then(|truth| roc_auc(&truth, &test_rows.labels).ok());
        found.push(BacktestFacts {
            date,
            n_fit: fit.len(),
            algorithm: fitted.kept().algorithm,
            test: metrics,
            oracle_roc_auc: oracle,
        });
    }
    Ok(found)
}

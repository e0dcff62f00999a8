//! Fit and test, repeated while the observation date moves forward.

use churn_events::ObservationDate;
use churn_model::evaluate::roc_auc;
use churn_training_data::{AssemblyError, ObservationPlan, TrainingSet, time_split_at};

use crate::Error;
use crate::console::Console;
use crate::over_time::BacktestFacts;
use crate::procedure::Procedure;
use crate::rows::Rows;

/// Churned observations below which a date is neither fitted up to nor tested on.
pub(crate) const FEW_CHURNED: usize = 30;

/// The dates that were tested, and how many could not be.
#[derive(Debug, Default)]
pub(crate) struct Backtest {
    /// One step per date tested.
    pub(crate) steps: Vec<BacktestFacts>,
    /// Labelled dates with fewer than [`FEW_CHURNED`] churned observations to fit on, or to test on.
    pub(crate) n_left_out: usize,
}

/// Tests each date by a model of what had been known before it: observations whose label horizons had ended by then. A
/// date before which, or on which, too few churned is left out and counted.
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
) -> Result<Backtest, Error> {
    let mut dates: Vec<ObservationDate> = set.keys().dates().unwrap_or_default().to_vec();
    dates.sort_unstable();
    dates.dedup();
    let n_dates = dates.len();
    let mut steps = Vec::new();
    for date in dates {
        let split = match time_split_at(set, plan, date..date.plus_days(1), procedure.config.calibration_share) {
            Ok(split) => split,
            Err(churn_training_data::Error::Assembly(error)) if is_too_little(&error) => continue,
            Err(error) => return Err(error.into()),
        };
        let (fit, test) = (Rows::of(set, &split.fit), Rows::of(set, &split.test));
        if fit.n_churned() < FEW_CHURNED || test.n_churned() < FEW_CHURNED {
            continue;
        }
        let calibration = (!split.calibration.is_empty()).then(|| Rows::of(set, &split.calibration));
        let fitted = procedure.fit(&fit, calibration.as_ref(), console, Some(&format!("backtest {date}")))?;
        let (_, metrics) = procedure.test(fitted.kept(), &test)?;
        let oracle = truth(&split.test).and_then(|truth| roc_auc(&truth, &test.labels).ok());
        steps.push(BacktestFacts {
            date,
            n_fit: fit.len(),
            algorithm: fitted.kept().algorithm,
            test: metrics,
            oracle_roc_auc: oracle,
        });
    }
    Ok(Backtest { n_left_out: n_dates - steps.len(), steps })
}

/// Whether a date cannot be split because there is too little before it, or on it.
fn is_too_little(error: &AssemblyError) -> bool {
    matches!(
        error,
        AssemblyError::ShortForSplit { .. }
            | AssemblyError::NoRoom { .. }
            | AssemblyError::EmptyPart { .. }
            | AssemblyError::OneLabelInPart { .. }
    )
}

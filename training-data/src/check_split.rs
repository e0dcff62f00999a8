use std::collections::HashSet;

use churn_events::ObservationDate;

use crate::plan::later;
use crate::{AssemblyError, Error, ObservationPlan, TrainingSet};

/// Refuses a test that leaks, with the reason.
///
/// Two designs are honest. **Cut by time**: all dates fitted on come before all dates tested with, and every label
/// horizon of the former ends before the latter begin. **Dealt by tenant**: dates may overlap or run backwards, and no
/// tenant is on both sides.
///
/// # Errors
/// When the rows have no dates, a part is empty or names rows that there are none of, a row is in both parts, a label
/// horizon reaches across the cut, or a tenant is on both sides where the cut is not one by time.
pub fn check_split(
    set: &TrainingSet,
    plan: &ObservationPlan,
    fit_rows: &[usize],
    test_rows: &[usize],
) -> Result<(), Error> {
    let keys = set.keys();
    let dates = keys.dates().ok_or(AssemblyError::NoDates)?;
    for (part, rows) in [("fit", fit_rows), ("test", test_rows)] {
        if rows.is_empty() {
            return Err(AssemblyError::EmptyPart { part }.into());
        }
        let n_rows = set.n_observations();
        if let Some(&row) = rows.iter().find(|&&row| row >= n_rows) {
            return Err(AssemblyError::NoSuchRow { part, row, n_rows }.into());
        }
    }
    let tenant_of = |row: usize| keys.get(row).into_owned();
    let fitted: HashSet<usize> = fit_rows.iter().copied().collect();
    if let Some(&row) = test_rows.iter().find(|row| fitted.contains(row)) {
        return Err(AssemblyError::SameRow { row, tenant: tenant_of(row), date: dates[row] }.into());
    }
    let latest = |rows: &[usize]| rows.iter().map(|&row| dates[row]).max();
    let earliest = |rows: &[usize]| rows.iter().map(|&row| dates[row]).min();
    if let (Some(date), Some(test_date)) = (latest(fit_rows), earliest(test_rows))
        && date < test_date
    {
        return check_horizon(plan, date, test_date).map_err(Error::from);
    }
    let fitted: HashSet<_> = fit_rows.iter().map(|&row| keys.get(row)).collect();
    let mut shared = test_rows.iter().filter(|&&row| fitted.contains(&keys.get(row)));
    match shared.next() {
        None => Ok(()),
        Some(&first) => {
            let others: HashSet<_> = shared.map(|&row| keys.get(row)).collect();
            let n_tenants = others.len() + usize::from(!others.contains(&keys.get(first)));
            Err(AssemblyError::SameTenant { tenant: tenant_of(first), n_tenants }.into())
        }
    }
}

fn check_horizon(
    plan: &ObservationPlan,
    date: ObservationDate,
    test_date: ObservationDate,
) -> Result<(), AssemblyError> {
    let horizon_end = later(date, plan.embargo_days());
    if horizon_end > test_date {
        return Err(AssemblyError::HorizonAcrossCut { date, horizon_end, test_date, embargo: plan.embargo_days() });
    }
    Ok(())
}

//! How regular all activity (logins and jobs) is.

use crate::catalog::{Definition, Family};
use crate::kept::Kept;
use crate::observed::{Observed, days_up_to};

/// Days with something done.
pub(crate) const ACTIVE_DAYS_28: Definition = Definition {
    number: 31,
    name: "active_days_28",
    definition: "days with an L or J",
    unit: Some("days"),
    lookback_days: Some(28),
    missing_when: "never",
    family: Family::Usage,
    needs: Kept::LOGINS.union(Kept::JOBS),
    read: |seen| f64::from(((seen.login_days | seen.job_days) & days_up_to(28)).count_ones()),
};

/// The longest time without anything done.
pub(crate) const LONGEST_GAP_90: Definition = Definition {
    number: 32,
    name: "longest_gap_90",
    definition: "longest run of days without L or J in min(90, tenure)",
    unit: Some("days"),
    lookback_days: Some(90),
    missing_when: "tenure under 7 days",
    family: Family::Usage,
    needs: Kept::LOGINS.union(Kept::JOBS),
    read: longest_gap,
};

fn longest_gap(seen: &Observed) -> f64 {
    if seen.tenure_days < 7 {
        return f64::NAN;
    }
    // Each step takes the last day from every run of idle days.
    let mut idle_days = !(seen.login_days | seen.job_days) & days_up_to(seen.tenure_days.min(90).unsigned_abs());
    let mut longest = 0;
    while idle_days != 0 {
        idle_days &= idle_days >> 1;
        longest += 1;
    }
    f64::from(longest)
}

/// Where usage is heading. Weeks are counted back from `t`; those before the tenant's creation are left out.
pub(crate) const USAGE_SLOPE_12W: Definition = Definition {
    number: 47,
    name: "usage_slope_12w",
    definition: "least-squares slope of ln(1 + L + J) per whole week, last 12 weeks of tenure (at least 4)",
    unit: Some("per week"),
    lookback_days: Some(84),
    missing_when: "tenure under 28 days",
    family: Family::Usage,
    needs: Kept::LOGINS.union(Kept::JOBS),
    read: usage_slope,
};

fn usage_slope(seen: &Observed) -> f64 {
    if seen.tenure_days < 28 {
        return f64::NAN;
    }
    let n_weeks = whole_weeks(seen).min(12);
    // Week 0 is the last one, so time runs against the index.
    let middle = (n_weeks as f64 - 1.0) / 2.0;
    let (mut covariance, mut variance) = (0.0, 0.0);
    for week in 0..n_weeks {
        let time = middle - week as f64;
        covariance += time * (seen.usage_in_week(week) as f64).ln_1p();
        variance += time * time;
    }
    covariance / variance
}

/// How unusual the last week is. Weeks before the tenant's creation are left out; the variance is the sample's.
pub(crate) const USAGE_Z_7: Definition = Definition {
    number: 48,
    name: "usage_z_7",
    definition: "(x - m) / sqrt(s2 + m + 1), x = L+J of 7 d, m and s2 mean and sample variance of the 11 weeks of tenure before",
    unit: Some("sd"),
    lookback_days: Some(84),
    missing_when: "tenure under 35 days",
    family: Family::Usage,
    needs: Kept::LOGINS.union(Kept::JOBS),
    read: usage_z,
};

fn usage_z(seen: &Observed) -> f64 {
    if seen.tenure_days < 35 {
        return f64::NAN;
    }
    let last = whole_weeks(seen).min(12);
    let n = (last - 1) as f64;
    let usage = |week| seen.usage_in_week(week) as f64;
    let mean = (1..last).map(usage).sum::<f64>() / n;
    let variance = (1..last).map(|week| (usage(week) - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (usage(0) - mean) / (variance + mean + 1.0).sqrt()
}

fn whole_weeks(seen: &Observed) -> usize {
    seen.tenure_days.unsigned_abs() as usize / 7
}

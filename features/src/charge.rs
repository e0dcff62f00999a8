//! What the tenant pays. Money is whole cents in the state; dollars appear when a feature is read.

use crate::catalog::{Definition, Family};
use crate::kept::Kept;
use crate::observed::{dollars, ratio};

/// The monthly charge in force at `t`.
pub(crate) const MONTHLY_CHARGE: Definition = Definition {
    number: 5,
    name: "monthly_charge",
    definition: "charge in force at `t`",
    unit: Some("$ / month"),
    lookback_days: None,
    missing_when: "unknown",
    family: Family::Charge,
    needs: Kept::CHARGE,
    read: |seen| seen.charge_cents.map_or(f64::NAN, dollars),
};

/// Everything billed so far, credits taken off.
///
/// What was billed before a cancellation still counts when the tenant comes back.
pub(crate) const TOTAL_CHARGE: Definition = Definition {
    number: 6,
    name: "total_charge",
    definition: "billed since creation, also before a cancellation",
    unit: Some("$"),
    lookback_days: None,
    missing_when: "never billed, and tenure over 31 days",
    family: Family::Charge,
    needs: Kept::CHARGE,
    read: |seen| {
        if seen.n_bills == 0 && seen.tenure_days > 31 { f64::NAN } else { seen.billed_cents as f64 / 100.0 }
    },
};

/// How the charge changed in 90 days.
pub(crate) const CHARGE_CHANGE_90: Definition = Definition {
    number: 7,
    name: "charge_change_90",
    definition: "charge now / charge 90 d ago - 1",
    unit: Some("ratio"),
    lookback_days: Some(90),
    missing_when: "tenure under 90 days, or a charge unknown, or 0 then",
    family: Family::Charge,
    needs: Kept::CHARGE,
    read: |seen| match (seen.charge_cents, seen.charge_cents_90_days_ago) {
        (Some(now), Some(then)) if seen.tenure_days >= 90 => ratio(now as f64, then as f64) - 1.0,
        _ => f64::NAN,
    },
};

/// What a job costs the tenant. Also for young tenants: only an unknown charge makes it missing.
pub(crate) const CHARGE_PER_JOB: Definition = Definition {
    number: 8,
    name: "charge_per_job",
    definition: "monthly_charge / max(1, job30)",
    unit: Some("$ / job"),
    lookback_days: Some(30),
    missing_when: "charge unknown",
    family: Family::Charge,
    needs: Kept::CHARGE.union(Kept::JOBS),
    read: |seen| seen.charge_cents.map_or(f64::NAN, |cents| dollars(cents) / seen.jobs(30).max(1) as f64),
};

//! What is known about the tenant itself.

use crate::catalog::{Definition, Family};
use crate::kept::Kept;

/// The industry, as of `t`. The reader turns it into the position of its level; an unseen level is missing.
pub(crate) const INDUSTRY: Definition = Definition {
    number: 1,
    name: "industry",
    definition: "tenant attribute as of `t`",
    unit: None,
    lookback_days: None,
    missing_when: "unknown, or not a level of the schema",
    family: Family::Tenant,
    needs: Kept::TENANT,
    read: |_| f64::NAN,
};

/// Yearly revenue, as of `t`.
pub(crate) const REVENUE: Definition = Definition {
    number: 2,
    name: "revenue",
    definition: "yearly revenue as of `t`",
    unit: Some("million $"),
    lookback_days: None,
    missing_when: "unknown",
    family: Family::Tenant,
    needs: Kept::TENANT,
    read: |seen| seen.revenue.unwrap_or(f64::NAN),
};

/// People employed, as of `t`.
pub(crate) const EMPLOYEES: Definition = Definition {
    number: 3,
    name: "employees",
    definition: "people employed as of `t`",
    unit: Some("people"),
    lookback_days: None,
    missing_when: "unknown",
    family: Family::Tenant,
    needs: Kept::TENANT,
    read: |seen| seen.employees.map_or(f64::NAN, f64::from),
};

/// Sentiment about the company, as of `t`.
pub(crate) const SENTIMENT: Definition = Definition {
    number: 4,
    name: "sentiment",
    definition: "sentiment about the company as of `t`",
    unit: Some("-1..1"),
    lookback_days: None,
    missing_when: "unknown",
    family: Family::Tenant,
    needs: Kept::TENANT,
    read: |seen| seen.sentiment.unwrap_or(f64::NAN),
};

/// Days since the tenant was created: `t` minus the day of creation, so a tenant created yesterday has 1.
///
/// A tenant without any event has 0.
pub(crate) const TENURE_DAYS: Definition = Definition {
    number: 9,
    name: "tenure_days",
    definition: "`t` - tenant created",
    unit: Some("days"),
    lookback_days: None,
    missing_when: "never",
    family: Family::Tenant,
    needs: Kept::NOTHING,
    read: |seen| f64::from(seen.tenure_days),
};

//! How much data the tenant's jobs process.

use crate::catalog::{Definition, Family};
use crate::kept::Kept;
use crate::observed::{ratio, trend};

const BYTES_PER_GB: f64 = 1e9;

/// Data of the jobs of 28 days.
pub(crate) const DATA_GB_28: Definition = Definition {
    number: 22,
    name: "data_gb_28",
    definition: "D(28) / 1e9",
    unit: Some("GB"),
    lookback_days: Some(28),
    missing_when: "never",
    family: Family::DataSize,
    needs: Kept::JOBS,
    read: |seen| seen.data_bytes(28) as f64 / BYTES_PER_GB,
};

/// Data per day of the last 28 days against the 62 before.
pub(crate) const DATA_TREND_28_90: Definition = Definition {
    number: 23,
    name: "data_trend_28_90",
    definition: "(D(28)/28) / ((D(90)-D(28))/62), at most 10",
    unit: Some("ratio"),
    lookback_days: Some(90),
    missing_when: "tenure under 90 days, or no data in the 62 days before the last 28",
    family: Family::DataSize,
    needs: Kept::JOBS,
    read: |seen| seen.over(90, trend((seen.data_bytes(28), 28), (seen.data_bytes(90) - seen.data_bytes(28), 62))),
};

/// Data of a job.
pub(crate) const DATA_GB_PER_JOB_28: Definition = Definition {
    number: 24,
    name: "data_gb_per_job_28",
    definition: "D(28) / 1e9 / n_J(28)",
    unit: Some("GB / job"),
    lookback_days: Some(28),
    missing_when: "tenure under 28 days, or no job",
    family: Family::DataSize,
    needs: Kept::JOBS,
    read: |seen| seen.over(28, ratio(seen.data_bytes(28) as f64 / BYTES_PER_GB, seen.jobs(28) as f64)),
};

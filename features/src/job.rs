//! Jobs submitted, and how they ended. A job is told from others by its id: submitted or ended twice, it counts once, at
//! the first time.

use crate::catalog::{Definition, Family};
use crate::kept::Kept;
use crate::observed::{Observed, ratio, trend};

/// Jobs in 30 days.
pub(crate) const JOB30: Definition = Definition {
    number: 10,
    name: "job30",
    definition: "n_J(30)",
    unit: Some("jobs"),
    lookback_days: Some(30),
    missing_when: "never",
    family: Family::Job,
    needs: Kept::JOBS,
    read: |seen| seen.jobs(30) as f64,
};

/// Jobs in 90 days.
pub(crate) const JOB90: Definition = Definition {
    number: 11,
    name: "job90",
    definition: "n_J(90)",
    unit: Some("jobs"),
    lookback_days: Some(90),
    missing_when: "never",
    family: Family::Job,
    needs: Kept::JOBS,
    read: |seen| seen.jobs(90) as f64,
};

/// Jobs in 7 days.
pub(crate) const JOBS_7: Definition = Definition {
    number: 12,
    name: "jobs_7",
    definition: "n_J(7)",
    unit: Some("jobs"),
    lookback_days: Some(7),
    missing_when: "never",
    family: Family::Job,
    needs: Kept::JOBS,
    read: |seen| seen.jobs(7) as f64,
};

/// Jobs per day of the last 30 days against the 60 before.
pub(crate) const JOB_TREND_30_90: Definition = Definition {
    number: 13,
    name: "job_trend_30_90",
    definition: "(job30/30) / ((job90-job30)/60), at most 10",
    unit: Some("ratio"),
    lookback_days: Some(90),
    missing_when: "tenure under 90 days, or no job in the 60 days before the last 30",
    family: Family::Job,
    needs: Kept::JOBS,
    read: |seen| seen.over(90, trend((seen.jobs(30), 30), (seen.jobs(90) - seen.jobs(30), 60))),
};

/// Jobs for each user who did something.
pub(crate) const JOBS_PER_ACTIVE_USER_28: Definition = Definition {
    number: 14,
    name: "jobs_per_active_user_28",
    definition: "n_J(28) / U(28)",
    unit: Some("jobs / user"),
    lookback_days: Some(28),
    missing_when: "tenure under 28 days, or no active user",
    family: Family::Job,
    needs: Kept::JOBS.union(Kept::USERS),
    read: |seen| seen.over(28, ratio(seen.jobs(28) as f64, seen.active_users_28 as f64)),
};

/// Days since a job was last submitted, be it for the second time, however long ago: `t` minus the day, so yesterday is 1.
pub(crate) const DAYS_SINCE_JOB: Definition = Definition {
    number: 15,
    name: "days_since_job",
    definition: "`t` - last J",
    unit: Some("days"),
    lookback_days: None,
    missing_when: "no job yet",
    family: Family::Job,
    needs: Kept::JOBS,
    read: |seen| seen.days_since_job.map_or(f64::NAN, f64::from),
};

/// The days since the last job, against the tenant's own rhythm.
///
/// The mean gap is the time from the first to the last job day of 90 days, divided by the number of job days less one.
pub(crate) const JOB_RECENCY_RATIO: Definition = Definition {
    number: 16,
    name: "job_recency_ratio",
    definition: "days_since_job / mean gap between job days in 90 d",
    unit: Some("ratio"),
    lookback_days: Some(90),
    missing_when: "fewer than 3 job days in 90 days",
    family: Family::Job,
    needs: Kept::JOBS,
    read: job_recency_ratio,
};

fn job_recency_ratio(seen: &Observed) -> f64 {
    let n_days = seen.job_days.count_ones();
    if n_days < 3 {
        return f64::NAN;
    }
    let (youngest, oldest) = (seen.job_days.trailing_zeros(), seen.job_days.ilog2());
    let mean_gap = f64::from(oldest - youngest) / f64::from(n_days - 1);
    seen.days_since_job.map_or(f64::NAN, |days| f64::from(days) / mean_gap)
}

/// The share of ended jobs that were cancelled, drawn towards 0.1 where few jobs ended.
pub(crate) const CANCEL_RATE_28: Definition = Definition {
    number: 17,
    name: "cancel_rate_28",
    definition: "(cancelled + 1) / (cancelled + terminated + 10)",
    unit: Some("0..1"),
    lookback_days: Some(28),
    missing_when: "never (0.1 is the prior)",
    family: Family::Job,
    needs: Kept::RUNS,
    read: |seen| (seen.cancelled_28 + 1) as f64 / (seen.cancelled_28 + seen.terminated_28 + 10) as f64,
};

/// The share of jobs run to their end that failed, drawn towards 0.1 where few jobs ended.
pub(crate) const FAIL_RATE_28: Definition = Definition {
    number: 18,
    name: "fail_rate_28",
    definition: "(terminated with status failed + 1) / (terminated + 10)",
    unit: Some("0..1"),
    lookback_days: Some(28),
    missing_when: "never (0.1 is the prior)",
    family: Family::Job,
    needs: Kept::RUNS,
    read: |seen| (seen.failed_28 + 1) as f64 / (seen.terminated_28 + 10) as f64,
};

/// The share of jobs that should have ended and have not. The last two days are left out: their jobs may still run.
pub(crate) const UNFINISHED_RATE_28: Definition = Definition {
    number: 19,
    name: "unfinished_rate_28",
    definition: "jobs submitted in [`t`-30, `t`-2) without an end by `t` / those submitted",
    unit: Some("0..1"),
    lookback_days: Some(30),
    missing_when: "tenure under 30 days, or no job submitted then",
    family: Family::Job,
    needs: Kept::JOBS.union(Kept::RUNS),
    read: |seen| {
        let submitted = seen.jobs(30) - seen.jobs(2);
        seen.over(30, ratio(seen.unfinished_3_to_30 as f64, submitted as f64))
    },
};

/// The median run time of the jobs that ended in the 4 week slots.
///
/// Run times are whole seconds in a histogram with a bar for 0 and one for each power of two; inside the bar that holds
/// the median, run times are taken to lie evenly on a log scale. A job without a known submission is left out.
pub(crate) const JOB_HOURS_P50: Definition = Definition {
    number: 20,
    name: "job_hours_p50",
    definition: "median run time, from a log2 histogram over 4 week slots",
    unit: Some("hours"),
    lookback_days: Some(28),
    missing_when: "no job with a known run time ended",
    family: Family::Job,
    needs: Kept::RUNS,
    read: |seen| median_seconds(&seen.run_times) / 3600.0,
};

/// Number of bars of the histogram of run times: 0 seconds, then one per power of two; the last is open.
pub(crate) const N_RUN_TIME_BARS: usize = 32;

/// The bar that a run time falls in.
pub(crate) fn run_time_bar(milliseconds: i64) -> u8 {
    let seconds = (milliseconds / 1000).max(0).unsigned_abs();
    (u64::BITS - seconds.leading_zeros()).min(N_RUN_TIME_BARS as u32 - 1) as u8
}

fn median_seconds(bars: &[u64; N_RUN_TIME_BARS]) -> f64 {
    let half = bars.iter().sum::<u64>() as f64 / 2.0;
    let mut before = 0;
    for (bar, &n) in bars.iter().enumerate() {
        if n > 0 && (before + n) as f64 >= half {
            let share = (half - before as f64) / n as f64;
            return if bar == 0 { 0.0 } else { (bar as f64 - 1.0 + share).exp2() };
        }
        before += n;
    }
    f64::NAN
}

/// Servers asked for by a job.
pub(crate) const SERVERS_PER_JOB_28: Definition = Definition {
    number: 21,
    name: "servers_per_job_28",
    definition: "servers requested / n_J(28)",
    unit: Some("servers / job"),
    lookback_days: Some(28),
    missing_when: "tenure under 28 days, or no job",
    family: Family::Job,
    needs: Kept::JOBS.union(Kept::RUNS),
    read: |seen| seen.over(28, ratio(seen.servers_28 as f64, seen.jobs(28) as f64)),
};

//! Logins.

use crate::catalog::{Definition, Family};
use crate::kept::Kept;
use crate::observed::{days_up_to, ratio, trend};

/// Logins of the last day.
pub(crate) const LOGINS_1: Definition = Definition {
    number: 25,
    name: "logins_1",
    definition: "n_L(1)",
    unit: Some("logins"),
    lookback_days: Some(1),
    missing_when: "never",
    family: Family::Login,
    needs: Kept::LOGINS,
    read: |seen| seen.logins(1) as f64,
};

/// Logins of 7 days.
pub(crate) const LOGINS_7: Definition = Definition {
    number: 26,
    name: "logins_7",
    definition: "n_L(7)",
    unit: Some("logins"),
    lookback_days: Some(7),
    missing_when: "never",
    family: Family::Login,
    needs: Kept::LOGINS,
    read: |seen| seen.logins(7) as f64,
};

/// Logins of 28 days.
pub(crate) const LOGINS_28: Definition = Definition {
    number: 27,
    name: "logins_28",
    definition: "n_L(28)",
    unit: Some("logins"),
    lookback_days: Some(28),
    missing_when: "never",
    family: Family::Login,
    needs: Kept::LOGINS,
    read: |seen| seen.logins(28) as f64,
};

/// Logins per day of the last week against the three before.
pub(crate) const LOGIN_TREND_7_28: Definition = Definition {
    number: 28,
    name: "login_trend_7_28",
    definition: "(n_L(7)/7) / ((n_L(28)-n_L(7))/21), at most 10",
    unit: Some("ratio"),
    lookback_days: Some(28),
    missing_when: "tenure under 28 days, or no login in the 21 days before the last 7",
    family: Family::Login,
    needs: Kept::LOGINS,
    read: |seen| seen.over(28, trend((seen.logins(7), 7), (seen.logins(28) - seen.logins(7), 21))),
};

/// Logins per day of the last 28 days against the 62 before.
pub(crate) const LOGIN_TREND_28_90: Definition = Definition {
    number: 29,
    name: "login_trend_28_90",
    definition: "(n_L(28)/28) / ((n_L(90)-n_L(28))/62), at most 10",
    unit: Some("ratio"),
    lookback_days: Some(90),
    missing_when: "tenure under 90 days, or no login in the 62 days before the last 28",
    family: Family::Login,
    needs: Kept::LOGINS,
    read: |seen| seen.over(90, trend((seen.logins(28), 28), (seen.logins(90) - seen.logins(28), 62))),
};

/// Days since the last login, however long ago: `t` minus the day of the login, so yesterday is 1.
pub(crate) const DAYS_SINCE_LOGIN: Definition = Definition {
    number: 30,
    name: "days_since_login",
    definition: "`t` - last L",
    unit: Some("days"),
    lookback_days: None,
    missing_when: "never logged in",
    family: Family::Login,
    needs: Kept::LOGINS,
    read: |seen| seen.days_since_login.map_or(f64::NAN, f64::from),
};

/// The share of login days on which no job was submitted.
pub(crate) const IDLE_LOGIN_SHARE_28: Definition = Definition {
    number: 33,
    name: "idle_login_share_28",
    definition: "days with L and no J / days with L",
    unit: Some("0..1"),
    lookback_days: Some(28),
    missing_when: "tenure under 28 days, or no login",
    family: Family::Login,
    needs: Kept::LOGINS.union(Kept::JOBS),
    read: |seen| {
        let login_days = seen.login_days & days_up_to(28);
        let idle_days = login_days & !seen.job_days;
        seen.over(28, ratio(f64::from(idle_days.count_ones()), f64::from(login_days.count_ones())))
    },
};

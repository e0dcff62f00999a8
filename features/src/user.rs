//! How many users do something, and how evenly. A user is active on a day with a login or a job; a job submitted twice
//! makes its user active both times.

use crate::catalog::{Definition, Family};
use crate::kept::Kept;
use crate::observed::ratio;

/// Users active in 7 days.
pub(crate) const ACTIVE_USERS_7: Definition = Definition {
    number: 41,
    name: "active_users_7",
    definition: "U(7)",
    unit: Some("users"),
    lookback_days: Some(7),
    missing_when: "never",
    family: Family::User,
    needs: Kept::USERS,
    read: |seen| seen.active_users_7 as f64,
};

/// Users active in 28 days.
pub(crate) const ACTIVE_USERS_28: Definition = Definition {
    number: 42,
    name: "active_users_28",
    definition: "U(28)",
    unit: Some("users"),
    lookback_days: Some(28),
    missing_when: "never",
    family: Family::User,
    needs: Kept::USERS,
    read: |seen| seen.active_users_28 as f64,
};

/// How much of a day an active user is there: the mean number of users active on a day, against those of 28 days.
pub(crate) const STICKINESS_28: Definition = Definition {
    number: 44,
    name: "stickiness_28",
    definition: "mean DAU over 28 d / U(28)",
    unit: Some("0..1"),
    lookback_days: Some(28),
    missing_when: "tenure under 28 days, or no active user",
    family: Family::User,
    needs: Kept::USERS,
    read: |seen| seen.over(28, ratio(seen.user_days_28 as f64 / 28.0, seen.active_users_28 as f64)),
};

/// How the number of active users changed in 28 days. It looks at 56 days, so a younger tenant has none.
pub(crate) const ACTIVE_USERS_CHANGE_28: Definition = Definition {
    number: 45,
    name: "active_users_change_28",
    definition: "U(28) at `t` / U(28) at `t`-28 - 1",
    unit: Some("ratio"),
    lookback_days: Some(56),
    missing_when: "tenure under 56 days, or no active user then",
    family: Family::User,
    needs: Kept::USERS,
    read: |seen| seen.over(56, ratio(seen.active_users_28 as f64, seen.active_users_28_before as f64) - 1.0),
};

/// How much hangs on one user. Also for young tenants: only one without activity has none.
pub(crate) const TOP_USER_SHARE_28: Definition = Definition {
    number: 46,
    name: "top_user_share_28",
    definition: "busiest user's L+J / all users' L+J, over 4 week slots",
    unit: Some("0..1"),
    lookback_days: Some(28),
    missing_when: "no activity",
    family: Family::User,
    needs: Kept::USERS,
    read: |seen| ratio(seen.top_user_activity as f64, seen.users_activity as f64),
};

//! Seats given to users and taken back.
//!
//! A user who is added again without having been deleted, or deleted again without having been added, within 90 days
//! counts once, at the first time. Deleting users who were never added does not make the number of seats negative.

use crate::catalog::{Definition, Family};
use crate::kept::Kept;
use crate::observed::ratio;

/// Seats at `t`.
pub(crate) const SEATS: Definition = Definition {
    number: 36,
    name: "seats",
    definition: "users added minus deleted, at least 0",
    unit: Some("users"),
    lookback_days: None,
    missing_when: "never",
    family: Family::Seat,
    needs: Kept::SEATS,
    read: |seen| seen.seats as f64,
};

/// Seats given in 28 days.
pub(crate) const SEATS_ADDED_28: Definition = Definition {
    number: 37,
    name: "seats_added_28",
    definition: "users added",
    unit: Some("users"),
    lookback_days: Some(28),
    missing_when: "never",
    family: Family::Seat,
    needs: Kept::SEATS,
    read: |seen| seen.seats_added_28 as f64,
};

/// Seats taken back in 28 days.
pub(crate) const SEATS_DELETED_28: Definition = Definition {
    number: 38,
    name: "seats_deleted_28",
    definition: "users deleted",
    unit: Some("users"),
    lookback_days: Some(28),
    missing_when: "never",
    family: Family::Seat,
    needs: Kept::SEATS,
    read: |seen| seen.seats_deleted_28 as f64,
};

/// How the number of seats changed in 90 days.
pub(crate) const SEATS_CHANGE_90: Definition = Definition {
    number: 39,
    name: "seats_change_90",
    definition: "seats now / seats 90 d ago - 1",
    unit: Some("ratio"),
    lookback_days: Some(90),
    missing_when: "tenure under 90 days, or no seat then",
    family: Family::Seat,
    needs: Kept::SEATS,
    read: |seen| seen.over(90, ratio(seen.seats as f64, seen.seats_90_days_ago as f64) - 1.0),
};

/// The share of the tenant's people that have a seat.
pub(crate) const SEAT_PENETRATION: Definition = Definition {
    number: 40,
    name: "seat_penetration",
    definition: "seats / employees",
    unit: Some("ratio"),
    lookback_days: None,
    missing_when: "employees unknown or 0",
    family: Family::Seat,
    needs: Kept::SEATS.union(Kept::TENANT),
    read: |seen| seen.employees.map_or(f64::NAN, |people| ratio(seen.seats as f64, f64::from(people))),
};

/// The share of seats that are used. Also for young tenants: only a tenant without seats has none.
pub(crate) const SEAT_UTILISATION_28: Definition = Definition {
    number: 43,
    name: "seat_utilisation_28",
    definition: "U(28) / max(seats, U(28))",
    unit: Some("0..1"),
    lookback_days: Some(28),
    missing_when: "seats = 0",
    family: Family::Seat,
    needs: Kept::SEATS.union(Kept::USERS),
    read: |seen| {
        if seen.seats == 0 {
            return f64::NAN;
        }
        seen.active_users_28 as f64 / seen.seats.max(seen.active_users_28) as f64
    },
};

//! Axes along the calendar.

use churn_events::ObservationDate;

use super::chart::Axis;

/// Ticks at most, so that their names stand apart on a narrow page.
const MOST_TICKS: usize = 6;

/// Months from one tick to the next.
const STEPS: [usize; 8] = [1, 2, 3, 6, 12, 24, 60, 120];

const NAMES: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// An axis of days from one date to another, with the starts of months as ticks.
pub(super) fn axis(name: &str, first: ObservationDate, last: ObservationDate) -> Axis {
    let last = if last > first { last } else { first.plus_days(1) };
    let named = |date: ObservationDate, text| (f64::from(date.days()), text);
    let months = months(first, last);
    let step = STEPS.into_iter().find(|step| months.len() <= step * MOST_TICKS).unwrap_or(240);
    let mut ticks = Vec::new();
    for &(date, year, month) in months.iter().filter(|&&(_, year, month)| (12 * year + month).is_multiple_of(step)) {
        ticks.push(named(
            date,
            match (month, ticks.is_empty()) {
                (0, _) => year.to_string(),
                (month, true) => format!("{} {year}", NAMES[month]),
                (month, false) => NAMES[month].to_owned(),
            },
        ));
    }
    if ticks.len() < 2 {
        ticks = vec![named(first, first.to_string()), named(last, last.to_string())];
    }
    Axis::with_ticks(name, (f64::from(first.days()), f64::from(last.days())), ticks)
}

/// The first days of months, with year and month (from 0).
fn months(first: ObservationDate, last: ObservationDate) -> Vec<(ObservationDate, usize, usize)> {
    let days = (first.days()..=last.days()).map(ObservationDate::from_days);
    let begins = |&date: &ObservationDate| date.year_month() != date.plus_days(-1).year_month();
    let month = |date: ObservationDate| {
        let (year, month) = date.year_month();
        Some((date, usize::try_from(year).ok()?, month as usize - 1))
    };
    days.filter(begins).filter_map(month).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(first: i32, last: i32) -> Vec<String> {
        let axis = axis("date", ObservationDate::from_days(first), ObservationDate::from_days(last));
        axis.ticks().iter().map(|(_, name)| name.clone()).collect()
    }

    #[test]
    fn ticks_are_starts_of_months_and_few() {
        // 2024-01-01 is day 19,723.
        assert_eq!(names(19_723, 19_723 + 730), ["2024", "Jul", "2025", "Jul"]);
        assert_eq!(names(19_724, 19_724 + 150), ["Feb 2024", "Mar", "Apr", "May"]);
        assert_eq!(names(0, 40 * 365), ["1970", "1980", "1990", "2000"]);
    }

    #[test]
    fn days_within_a_month_are_named_themselves() {
        assert_eq!(names(0, 0), ["1970-01-01", "1970-01-02"]);
        assert_eq!(names(5, 20), ["1970-01-06", "1970-01-21"]);
    }
}

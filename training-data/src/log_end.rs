//! Where a log ends and whether days are missing from it, which decides what labels are known.
//!
//! Whoever has not cancelled before the log ends has stayed; so an end that is later than the events, because one of them
//! bears a wrong time or because it was given so, makes labels of what nobody knows. An end is therefore only taken where
//! events reach up to it: it is refused when after some day so many events are missing as usually come in two weeks, and
//! those that do come are fewer than a fourteenth of the usual.
//!
//! Days that are missing inside a log, such as those of a file that was not given, make labels of what nobody knows in
//! the same way: who is silent on them would be called churned, and who cancels on them would be called stayed.

use std::collections::BTreeMap;
use std::ops::Range;

use churn_events::{Event, ObservationDate, Timestamp};

/// Usual days of events that may be missing before an end: two weeks, so that holidays pass.
const MOST_MISSING_DAYS: f64 = 14.0;

/// Tenants below which a gap may be what happened: a few may well be silent together, many are not.
const FEWEST_TENANTS: u64 = 10;

/// The share of the median day's events below which a day counts as one without events inside a log.
const LEAST_SHARE: f64 = 0.01;

/// What was received on which day.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// The day of the last event counted and its events so far; most events are of the same day as the one before.
    today: (i32, u64),
    before: BTreeMap<i32, u64>,
    /// The latest arrival, with the position of the tenant and the id of the event.
    latest: Option<(Timestamp, u32, String)>,
}

impl Received {
    pub(crate) fn count(&mut self, event: &Event<'_>, tenant: u32) {
        let (at, day) = (event.received_at, event.received_at.date().days());
        if day == self.today.0 {
            self.today.1 += 1;
        } else {
            let (day, n) = std::mem::replace(&mut self.today, (day, 1));
            *self.before.entry(day).or_default() += n;
        }
        match &mut self.latest {
            Some(latest) if latest.0 > at => {}
            Some(latest) => {
                (latest.0, latest.1) = (at, tenant);
                latest.2.clear();
                latest.2.push_str(&event.id);
            }
            None => self.latest = Some((at, tenant, event.id.to_string())),
        }
    }

    pub(crate) fn latest(&self) -> Option<(Timestamp, u32, &str)> {
        self.latest.as_ref().map(|(at, tenant, id)| (*at, *tenant, id.as_str()))
    }
}

/// The days on which events of a log were received, with how many.
#[derive(Debug)]
pub(crate) struct ReceivedDays(Vec<(i32, u64)>);

impl ReceivedDays {
    pub(crate) fn of<'a>(parts: impl Iterator<Item = &'a Received>) -> Self {
        let mut days = BTreeMap::new();
        for Received { today, before, .. } in parts {
            for (&day, &n) in before.iter().chain([(&today.0, &today.1)]).filter(|(_, n)| **n > 0) {
                *days.entry(day).or_default() += n;
            }
        }
        Self(days.into_iter().collect())
    }

    /// The last day with events before an end that was given, where too many are missing between the two.
    pub(crate) fn silence_before(&self, end: ObservationDate) -> Option<ObservationDate> {
        let days = &self.0[..self.0.partition_point(|&(day, _)| day < end.days())];
        let last = days.last()?.0;
        let found = usual_days(days).iter().sum();
        let missing =
            missing(found, i64::from(last) - i64::from(days[0].0), i64::from(end.days() - 1) - i64::from(last));
        (missing > MOST_MISSING_DAYS).then(|| ObservationDate::from_days(last))
    }

    /// The day after which too few events come for a log that goes on to the last of them, and how many do.
    pub(crate) fn last_usual(&self) -> Option<(ObservationDate, u64)> {
        let (first, end) = (i64::from(self.0.first()?.0), i64::from(self.0.last()?.0));
        let usual_days = usual_days(&self.0);
        let (mut found, mut after) = (0.0, usual_days.iter().sum::<f64>());
        let mut worst = (MOST_MISSING_DAYS, None);
        for (position, (&(day, _), usual)) in self.0.iter().zip(&usual_days).enumerate() {
            (found, after) = (found + usual, after - usual);
            let times = missing(found, i64::from(day) - first, end - i64::from(day)) / (after + 1.0);
            if times > worst.0 {
                worst = (times, Some(position));
            }
        }
        let position = worst.1?;
        let n_after = self.0[position + 1..].iter().map(|(_, n)| n).sum();
        Some((ObservationDate::from_days(self.0[position].0), n_after))
    }

    /// These days without those after `end`.
    pub(crate) fn up_to(&self, end: ObservationDate) -> Self {
        Self(self.0[..self.0.partition_point(|&(day, _)| day <= end.days())].to_vec())
    }

    /// The first gap in the log of so many tenants that reaches into `span`: its first day, and the day after its last.
    ///
    /// A gap is a run of days with hardly an event on which two weeks of the usual are missing. The usual is the lesser
    /// of the means before and after, each as at the end of a log, so that a log may begin thinly or become thin. Two weeks
    /// of the usual have to lie before it: what comes before the events proper, such as a table of all tenants, is no log.
    pub(crate) fn gap_in(&self, span: Range<ObservationDate>, n_tenants: u64) -> Option<Range<ObservationDate>> {
        if n_tenants < FEWEST_TENANTS || self.0.is_empty() {
            return None;
        }
        let days = self.0.iter().zip(usual_days(&self.0)).filter(|(_, usual)| *usual >= LEAST_SHARE);
        let days: Vec<(i64, f64)> = days.map(|(&(day, _), usual)| (i64::from(day), usual)).collect();
        let (first, last) = (days.first()?.0, days.last()?.0);
        let (mut before, mut after) = (0.0, days.iter().map(|(_, usual)| usual).sum::<f64>());
        for pair in days.windows(2) {
            let ((day, usual), (next, _)) = (pair[0], pair[1]);
            (before, after) = (before + usual, after - usual);
            let n_days = next - day - 1;
            let missing_before = missing(before, day - first, n_days);
            let missing_after = after / (last - next + 1) as f64 * n_days as f64;
            let date = |day: i64| ObservationDate::from_days(day as i32);
            let gap = date(day + 1)..date(next);
            if before >= MOST_MISSING_DAYS
                && missing_before.min(missing_after) > MOST_MISSING_DAYS
                && gap.start < span.end
                && span.start < gap.end
            {
                return Some(gap);
            }
        }
        None
    }
}

/// How much of a usual day each day is: one from the median up, so that days on which a log was filled count as others.
fn usual_days(days: &[(i32, u64)]) -> Vec<f64> {
    let mut counts: Vec<u64> = days.iter().map(|(_, n)| *n).collect();
    let middle = counts.len() / 2;
    let median = *counts.select_nth_unstable(middle).1 as f64;
    days.iter().map(|(_, n)| (*n as f64 / median).min(1.0)).collect()
}

/// The usual days to be expected in a span, when so many were found in the days before.
fn missing(found: f64, days_before: i64, span_days: i64) -> f64 {
    // The first days of a log say little about what is usual in it.
    found / (days_before as f64 + 1.0).max(MOST_MISSING_DAYS) * span_days as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(days: impl IntoIterator<Item = (i32, u64)>) -> ReceivedDays {
        ReceivedDays(days.into_iter().collect())
    }

    fn last_usual(days: ReceivedDays) -> Option<(i32, u64)> {
        days.last_usual().map(|(date, n)| (date.days(), n))
    }

    #[test]
    fn events_far_from_all_others_are_no_end() {
        let daily = || (0..700).map(|day| (day, 1000));
        assert_eq!(last_usual(days(daily())), None);
        assert_eq!(last_usual(days(daily().chain([(713, 1)]))), None, "two weeks may be silent");
        assert_eq!(last_usual(days(daily().chain([(716, 1)]))), Some((699, 1)));
        assert_eq!(last_usual(days(daily().chain([(12_000, 1), (27_000, 2)]))), Some((699, 3)));
        // A thousand wrong times, more than there are right days; and one tenant whose clock is a year ahead.
        let scattered = (0..1000).map(|number| (800 + number * 25, 1));
        assert_eq!(last_usual(days(daily().chain(scattered))), Some((699, 1000)));
        assert_eq!(last_usual(days(daily().chain((700..1065).map(|day| (day, 2))))), Some((699, 730)));
    }

    #[test]
    fn logs_that_are_thin_grow_or_begin_at_once_end_where_they_end() {
        let weekly = (0..100).map(|week| (week * 7, 1));
        assert_eq!(last_usual(days(weekly.clone())), None);
        assert_eq!(last_usual(days(weekly.chain([(750, 1)]))), None, "eight weeks of weekly events are few events");
        assert_eq!(last_usual(days((0..24).map(|month| (month * 30, 5)))), None);
        assert_eq!(last_usual(days([(0, 1_000_000)].into_iter().chain((1..700).map(|day| (day, 3))))), None);
        assert_eq!(last_usual(days((0..700).map(|day| (day, 1 + day as u64)))), None);
        assert_eq!(last_usual(days((0..700).map(|day| (day, 7000 / (day as u64 + 1))))), None);
        assert_eq!(last_usual(days([(5, 1)])), None);
        assert_eq!(last_usual(days([])), None);
    }

    #[test]
    fn a_gap_is_where_many_tenants_are_silent_that_never_are() {
        let gap = |days: ReceivedDays, span: Range<i32>, n_tenants| {
            let span = ObservationDate::from_days(span.start)..ObservationDate::from_days(span.end);
            days.gap_in(span, n_tenants).map(|gap| (gap.start.days(), gap.end.days()))
        };
        let without = |from, to| days((0..700).filter(|day| !(from..to).contains(day)).map(|day| (day, 1000)));
        assert_eq!(gap(without(300, 330), 0..700, 50), Some((300, 330)));
        assert_eq!(gap(without(300, 314), 0..700, 50), None, "two weeks may be silent");
        assert_eq!(gap(without(300, 315), 0..700, 50), Some((300, 315)));
        assert_eq!(gap(without(300, 330), 0..700, 5), None, "a few tenants may be silent together");
        assert_eq!(gap(without(300, 330), 330..700, 50), None, "no observation looks there");
        assert_eq!(gap(without(300, 330), 0..300, 50), None, "the log is said to end before");
        assert_eq!(gap(without(669, 699), 0..700, 50), Some((669, 699)), "one usual day comes after");
        // Single events with wrong times in between.
        let strays = days((0..700).map(|day| (day, if (300..330).contains(&day) { day as u64 % 3 } else { 1000 })));
        assert_eq!(gap(strays, 0..700, 50), Some((300, 330)));
    }

    #[test]
    fn logs_that_are_thin_or_begin_at_once_have_no_gap() {
        let gap = |days: ReceivedDays| {
            days.gap_in(ObservationDate::from_days(0)..ObservationDate::from_days(5000), 50).map(|gap| gap.start.days())
        };
        assert_eq!(gap(days((0..100).filter(|week| !(40..50).contains(week)).map(|week| (week * 7, 1)))), None);
        assert_eq!(gap(days((0..24).map(|month| (month * 30, 5)))), None);
        // All tenants in one day, or some trial days, long before the events.
        assert_eq!(gap(days([(0, 1000)].into_iter().chain((400..700).map(|day| (day, 300))))), None);
        assert_eq!(gap(days((0..10).chain(400..700).map(|day| (day, 300)))), None);
        // A thin log becomes a daily one, and a daily one thin.
        let thin = |from: i32| (0..30).map(move |number| (from + number * 20, 3));
        assert_eq!(gap(days(thin(0).chain((640..1000).map(|day| (day, 3))))), None);
        assert_eq!(gap(days((0..600).map(|day| (day, 3)).chain(thin(640)))), None);
        // No work on weekends, and eleven days of holidays.
        let work = (0..1000).filter(|day| day % 7 < 5 && !(354..365).contains(&(day % 365)));
        assert_eq!(gap(days(work.map(|day| (day, 40)))), None);
        assert_eq!(gap(days([(5, 1)])), None);
        assert_eq!(gap(days([])), None);
    }

    #[test]
    fn an_end_that_is_given_lies_where_events_are() {
        let silence =
            |days: ReceivedDays, end| days.silence_before(ObservationDate::from_days(end)).map(|last| last.days());
        let daily = || days((0..700).map(|day| (day, 1000)).chain([(27_000, 1)]));
        assert_eq!([300, 700, 714].map(|end| silence(daily(), end)), [None; 3]);
        assert_eq!([715, 2000, 27_000].map(|end| silence(daily(), end)), [Some(699); 3]);
        assert_eq!(silence(days((0..100).map(|week| (week * 7, 1))), 760), None);
        assert_eq!(silence(days((0..100).map(|week| (week * 7, 1))), 900), Some(693));
        assert_eq!(silence(days([]), 900), None);
    }
}

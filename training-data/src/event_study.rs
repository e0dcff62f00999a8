use std::collections::HashMap;

use churn_events::ObservationDate;

use crate::label::LabelTracker;
use crate::observer::Observer;
use crate::usage::week_of;
use crate::{LabelRule, ObservationPlan};

/// Weeks before the churn that are looked at, besides the last one.
const WEEKS_BEFORE: usize = 26;
/// Of these, the first ones make up a tenant's earlier level.
const EARLIER_WEEKS: usize = 12;
/// Logins and jobs in the earlier weeks, below which a level is none to compare with: one a week.
const LEAST_EARLIER: u64 = EARLIER_WEEKS as u64;
/// A week counts at most this many times the earlier level, so that one tenant cannot bend the mean.
const MOST_RELATIVE: f64 = 10.0;

/// Mean weekly usage before churn, of tenants that churned and of others that are like them and stayed.
///
/// Usage is logins and jobs per whole calendar week, relative to the tenant's own mean over the first 12 of the 27 weeks.
/// Week 0 is the last whole one before the tenant churned. With every churned tenant go all those that stayed past the
/// label horizon, are of the same tenure and earlier usage (in bands), and are seen in the same calendar weeks; each
/// churned tenant counts the same.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct EventStudy {
    /// The weeks, from -26 to 0.
    pub weeks: Vec<i32>,
    /// Mean usage of the tenants that churned.
    pub churned: Vec<f64>,
    /// Mean usage of the matched tenants that stayed.
    pub stayed: Vec<f64>,
    /// Tenants that churned and are in the means.
    pub n_churned: usize,
    /// Matched tenants that stayed, counted once for every week 0 that they are seen at.
    pub n_stayed: usize,
    /// Tenants that churned and are left out because no other is like them.
    pub n_unmatched: usize,
    /// Tenants that churned and are left out because they used too little or were seen too shortly before.
    pub n_unseen: usize,
}

/// What makes tenants alike: their tenure in bands and their earlier usage in powers of four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Band {
    tenure: u8,
    usage: u32,
}

/// Weekly usage relative to the earlier level.
type Curve = [f64; WEEKS_BEFORE + 1];

impl EventStudy {
    /// Compares the tenants of a log, which come sorted by id so that sums do not depend on anything else.
    pub(crate) fn of(
        observers: &[&Observer],
        plan: &ObservationPlan,
        start: ObservationDate,
        end: ObservationDate,
    ) -> Option<Self> {
        let first_week = week_of(start.days().saturating_add(6));
        let mut n_unseen = 0;
        // Tenants that churned, by their week 0.
        let mut churned: Vec<(i32, Band, Curve)> = Vec::new();
        for observer in observers {
            let Some(day) = churn_day(&observer.label, plan, end) else { continue };
            let last_week = week_of(day) - 1;
            match seen(observer, last_week, first_week) {
                Some((band, curve)) => churned.push((last_week, band, curve)),
                None => n_unseen += 1,
            }
        }
        churned.sort_by_key(|&(week, ..)| week);
        let mut study = Sums { n_unseen, ..Sums::default() };
        for group in churned.chunk_by(|a, b| a.0 == b.0) {
            let week = group[0].0;
            let mut like: HashMap<Band, (Curve, usize)> = HashMap::new();
            for &(_, band, _) in group {
                like.insert(band, ([0.0; WEEKS_BEFORE + 1], 0));
            }
            for observer in observers.iter().filter(|observer| stays_past(&observer.label, plan, week, end)) {
                let Some((band, curve)) = seen(observer, week, first_week) else { continue };
                if let Some((sum, n)) = like.get_mut(&band) {
                    sum.iter_mut().zip(curve).for_each(|(sum, usage)| *sum += usage);
                    *n += 1;
                }
            }
            for (_, band, curve) in group {
                study.add(curve, &like[band]);
            }
            study.n_stayed += like.values().map(|(_, n)| n).sum::<usize>();
        }
        study.mean()
    }
}

#[derive(Default)]
struct Sums {
    churned: Curve,
    stayed: Curve,
    n_churned: usize,
    n_stayed: usize,
    n_unmatched: usize,
    n_unseen: usize,
}

impl Sums {
    fn add(&mut self, curve: &Curve, (like, n): &(Curve, usize)) {
        if *n == 0 {
            self.n_unmatched += 1;
            return;
        }
        self.n_churned += 1;
        self.churned.iter_mut().zip(curve).for_each(|(sum, usage)| *sum += usage);
        self.stayed.iter_mut().zip(like).for_each(|(sum, usage)| *sum += usage / *n as f64);
    }

    fn mean(self) -> Option<EventStudy> {
        if self.n_churned == 0 {
            return None;
        }
        let mean = |sums: Curve| sums.iter().map(|sum| sum / self.n_churned as f64).collect();
        Some(EventStudy {
            weeks: (-(WEEKS_BEFORE as i32)..=0).collect(),
            churned: mean(self.churned),
            stayed: mean(self.stayed),
            n_churned: self.n_churned,
            n_stayed: self.n_stayed,
            n_unmatched: self.n_unmatched,
            n_unseen: self.n_unseen,
        })
    }
}

/// The day on which a tenant churned: that of its first cancellation, or the one after the last job before a silence as
/// long as the label horizon.
fn churn_day(label: &LabelTracker, plan: &ObservationPlan, end: ObservationDate) -> Option<i32> {
    let day = match plan.rule {
        LabelRule::Cancelled => label.cancellations().next()?.date().days(),
        LabelRule::Usage => {
            let horizon = plan.horizon_days as i32;
            let mut days = label.job_days().iter_from(i32::MIN);
            let mut last = days.next()?;
            for day in days {
                if day - last > horizon {
                    break;
                }
                last = day;
            }
            (last + horizon < end.days()).then_some(last + 1)?
        }
    };
    (day < end.days()).then_some(day)
}

/// Whether a tenant is one in the whole week after `week` and churns neither then nor inside a gap and label horizon
/// from there, all of which the log covers.
fn stays_past(label: &LabelTracker, plan: &ObservationPlan, week: i32, end: ObservationDate) -> bool {
    let from = ObservationDate::from_days((week + 1) * 7);
    let to = from.plus_days(7 + plan.embargo_days() as i32);
    if to > end || label.tenure_start(from).is_none() {
        return false;
    }
    match plan.rule {
        LabelRule::Cancelled => !label.cancellations().any(|at| from.start() <= at && at < to.start()),
        LabelRule::Usage => {
            // Jobs on from day to day until the end of the span, without a silence as long as the label horizon.
            let horizon = plan.horizon_days as i32;
            let mut last = from.days() - 1;
            for day in label.job_days().iter_from(from.days()) {
                if day >= to.days() || day - last > horizon {
                    break;
                }
                last = day;
            }
            to.days() - last <= horizon
        }
    }
}

/// The usage of the weeks up to and with `last_week` and the band of a tenant, when it was one in all of them and used
/// enough in the earlier ones.
fn seen(observer: &Observer, last_week: i32, first_week: i32) -> Option<(Band, Curve)> {
    let from_week = last_week - WEEKS_BEFORE as i32;
    if from_week < first_week {
        return None;
    }
    let from = ObservationDate::from_days(from_week * 7);
    let start = observer.label.tenure_start(from)?;
    let mut counts = [0; WEEKS_BEFORE + 1];
    observer.usage.read(from_week, &mut counts);
    let earlier: u64 = counts[..EARLIER_WEEKS].iter().sum();
    if earlier < LEAST_EARLIER {
        return None;
    }
    let level = earlier as f64 / EARLIER_WEEKS as f64;
    let tenure = match from.days().saturating_sub(start.date().days()) {
        ..90 => 0,
        90..180 => 1,
        180..365 => 2,
        365..730 => 3,
        _ => 4,
    };
    let band = Band { tenure, usage: earlier.ilog2() / 2 };
    Some((band, counts.map(|count| (count as f64 / level).min(MOST_RELATIVE))))
}

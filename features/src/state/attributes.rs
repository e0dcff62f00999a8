use churn_events::{DAY_MS, TenantAttributes};

use super::horizon::Horizon;
use super::id_map::insert_tightly;
use crate::Kept;

/// Longest name of an industry that is kept, in bytes; a longer one is unknown.
pub(crate) const MAX_INDUSTRY_BYTES: usize = 256;

/// Most lifecycle marks that are kept.
const MAX_LIFE_MARKS: usize = 64;

/// When something became true: the time, and the event's digest to decide between two of the same time.
pub(crate) type Since = (i64, u64);

/// A tenant attribute, of which only the newest value is ever asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Newest<T> {
    pub(crate) since: Since,
    pub(crate) value: T,
}

fn keep_newest<T>(held: &mut Option<Newest<T>>, since: Since, value: T) {
    if held.as_ref().is_none_or(|held| held.since < since) {
        *held = Some(Newest { since, value });
    }
}

/// The attributes that an event carries, owned.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Carried {
    pub(crate) industry: Option<Box<str>>,
    pub(crate) revenue: Option<f64>,
    pub(crate) employees: Option<u32>,
    pub(crate) sentiment: Option<f64>,
    pub(crate) charge_cents: Option<i64>,
}

impl Carried {
    /// What of an event's attributes is kept: numbers that are numbers, and names of a sensible length.
    pub(crate) fn new(attributes: &TenantAttributes<'_>) -> Self {
        let industry = attributes.industry.as_deref().filter(|name| name.len() <= MAX_INDUSTRY_BYTES);
        Self {
            industry: industry.map(Box::from),
            revenue: attributes.revenue.filter(|number| number.is_finite()),
            employees: attributes.employees,
            sentiment: attributes.sentiment.filter(|number| number.is_finite()),
            charge_cents: attributes.monthly_charge.map(|charge| charge.cents()),
        }
    }

    /// What of it is kept.
    fn of(self, kept: Kept) -> Self {
        let attributes = if kept.contains(Kept::TENANT) { self.clone() } else { Self::default() };
        Self { charge_cents: self.charge_cents.filter(|_| kept.contains(Kept::CHARGE)), ..attributes }
    }
}

/// What is known about the tenant itself: attributes, charges, bills, and when it came and went.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Attributes {
    pub(crate) industry: Option<Newest<Box<str>>>,
    pub(crate) revenue: Option<Newest<f64>>,
    pub(crate) employees: Option<Newest<u32>>,
    pub(crate) sentiment: Option<Newest<f64>>,
    /// The last charge of each day of the longest lookback, and the one before.
    pub(crate) charges: Vec<Newest<i64>>,
    pub(crate) billed_cents: i128,
    pub(crate) n_bills: u64,
    /// Creations and cancellations: milliseconds, and 1 for a creation in the lowest bit. At the same instant a
    /// cancellation comes first.
    pub(crate) life: Vec<u64>,
    /// The day of the first event.
    pub(crate) first_day: Option<i32>,
}

impl Attributes {
    pub(crate) fn note(&mut self, since: Since, carried: Carried, horizon: &Horizon) {
        let Carried { industry, revenue, employees, sentiment, charge_cents } = carried.of(horizon.kept);
        if let Some(industry) = industry {
            keep_newest(&mut self.industry, since, industry);
        }
        if let Some(revenue) = revenue {
            keep_newest(&mut self.revenue, since, revenue);
        }
        if let Some(employees) = employees {
            keep_newest(&mut self.employees, since, employees);
        }
        if let Some(sentiment) = sentiment {
            keep_newest(&mut self.sentiment, since, sentiment);
        }
        if let Some(cents) = charge_cents {
            self.note_charge(Newest { since, value: cents });
            self.forget(horizon);
        }
    }

    fn note_charge(&mut self, charge: Newest<i64>) {
        let day = charge.since.0.div_euclid(DAY_MS);
        match self.charges.binary_search_by_key(&day, |held| held.since.0.div_euclid(DAY_MS)) {
            Ok(position) if self.charges[position].since < charge.since => self.charges[position] = charge,
            Ok(_) => {}
            Err(position) => insert_tightly(&mut self.charges, position, charge),
        }
    }

    /// Forgets charges that had already been replaced before the longest lookback.
    pub(crate) fn forget(&mut self, horizon: &Horizon) {
        let first_ms = i64::from(horizon.first_day()) * DAY_MS;
        let n_before = self.charges.partition_point(|charge| charge.since.0 < first_ms);
        self.charges.drain(..n_before.saturating_sub(1));
    }

    pub(crate) fn note_bill(&mut self, cents: i64) {
        self.billed_cents = self.billed_cents.saturating_add(cents.into());
        self.n_bills = self.n_bills.saturating_add(1);
    }

    pub(crate) fn note_created(&mut self, ms: i64) {
        self.note_life((ms as u64) << 1 | 1);
    }

    pub(crate) fn note_cancelled(&mut self, ms: i64) {
        self.note_life((ms as u64) << 1);
    }

    fn note_life(&mut self, mark: u64) {
        if let Err(position) = self.life.binary_search(&mark) {
            insert_tightly(&mut self.life, position, mark);
            if self.life.len() > MAX_LIFE_MARKS {
                // Neither how it began nor how it stands now.
                self.life.remove(1);
            }
        }
    }

    /// Whether the last thing that became of the tenant is that it cancelled.
    pub(crate) fn has_cancelled(&self) -> bool {
        self.life.last().is_some_and(|mark| mark & 1 == 0)
    }

    pub(crate) fn note_event(&mut self, day: i32) {
        self.first_day = Some(self.first_day.map_or(day, |first| first.min(day)));
    }

    /// The charge in force just before an instant.
    pub(crate) fn charge_before(&self, ms: i64) -> Option<i64> {
        let n_before = self.charges.partition_point(|charge| charge.since.0 < ms);
        n_before.checked_sub(1).map(|last| self.charges[last].value)
    }

    /// The day that tenure counts from: of the first creation since the last cancellation.
    ///
    /// A tenant that cancelled and did not come back keeps the day that its last life began.
    ///
    /// Labels have a second `tenure_start`, because a state knows only what is before its clock and keeps few marks, while
    /// a label looks back from the end of the log to any date. A property test of `churn-training-data` holds the two
    /// equal.
    pub(crate) fn tenure_from(&self) -> Option<i32> {
        let mut from = None;
        let mut cancelled = false;
        for mark in &self.life {
            let created = mark & 1 == 1;
            if created && (cancelled || from.is_none()) {
                from = Some(((mark >> 1) as i64).div_euclid(DAY_MS) as i32);
                cancelled = false;
            }
            cancelled |= !created;
        }
        from.or(self.first_day)
    }

    pub(crate) fn merge(&mut self, other: &Self, horizon: &Horizon) {
        fn newest<T: Clone>(held: &mut Option<Newest<T>>, other: &Option<Newest<T>>) {
            if let Some(other) = other {
                keep_newest(held, other.since, other.value.clone());
            }
        }
        newest(&mut self.industry, &other.industry);
        newest(&mut self.revenue, &other.revenue);
        newest(&mut self.employees, &other.employees);
        newest(&mut self.sentiment, &other.sentiment);
        for charge in &other.charges {
            self.note_charge(charge.clone());
        }
        self.forget(horizon);
        self.billed_cents = self.billed_cents.saturating_add(other.billed_cents);
        self.n_bills = self.n_bills.saturating_add(other.n_bills);
        for mark in &other.life {
            self.note_life(*mark);
        }
        if let Some(day) = other.first_day {
            self.note_event(day);
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.industry.as_ref().map_or(0, |industry| industry.value.len())
            + self.charges.capacity() * size_of::<Newest<i64>>()
            + self.life.capacity() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenure_begins_again_after_a_cancellation() {
        let tenure_from = |life: &[(i64, bool)]| {
            let mut attributes = Attributes { first_day: Some(3), ..Attributes::default() };
            for (day, created) in life {
                let ms = day * DAY_MS;
                if *created { attributes.note_created(ms) } else { attributes.note_cancelled(ms) }
            }
            attributes.tenure_from()
        };
        assert_eq!(tenure_from(&[]), Some(3));
        assert_eq!(tenure_from(&[(5, true), (7, true)]), Some(5));
        assert_eq!(tenure_from(&[(20, true), (5, true), (9, false), (30, true)]), Some(20));
        assert_eq!(tenure_from(&[(5, true), (9, false)]), Some(5), "it keeps the life that ended");
        assert_eq!(tenure_from(&[(9, true), (9, false)]), Some(9), "a cancellation comes first in an instant");
    }
}

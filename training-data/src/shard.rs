use std::collections::{BTreeMap, HashMap};

use churn_events::{Event, ObservationDate, Timestamp};
use churn_features::{Applied, FeatureReader};

use crate::cohort::Cohort;
use crate::label::{Fate, Standing};
use crate::log_end::Received;
use crate::observer::Observer;
use crate::{AssemblyError, AssemblyReport, ObservationPlan};

/// What every shard reads and none changes.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) plan: ObservationPlan,
    /// Where the log ends, when that was given.
    pub(crate) end: Option<ObservationDate>,
    /// Reads every feature but the industry's level, which has no number before the log has been read.
    pub(crate) reader: FeatureReader,
}

/// The most days of a log without an end given by the caller; an event with a wrong time is more likely than a longer one.
pub(crate) const MOST_DAYS: i32 = 30 * 366;

/// The industry of a row that has none.
pub(crate) const NO_INDUSTRY: u32 = u32::MAX;

/// Some of the tenants, with the observations made of them.
///
/// A tenant's observations depend on its own events only, so shards need not know of each other.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    positions: HashMap<Box<str>, u32>,
    observers: Vec<Observer>,
    rows: Vec<Row>,
    /// Row-major, one feature vector for each row.
    features: Vec<f32>,
    industries: Industries,
    cohorts: BTreeMap<ObservationDate, Cohort>,
    report: AssemblyReport,
    received: Received,
    failure: Option<AssemblyError>,
}

/// A tenant at risk on an observation date.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) observer: u32,
    pub(crate) date: ObservationDate,
    /// Position in the shard's industries.
    pub(crate) industry: u32,
}

/// Industries in the order in which they were met.
#[derive(Debug, Default)]
struct Industries {
    positions: HashMap<Box<str>, u32>,
    names: Vec<Box<str>>,
}

impl Industries {
    fn position_of(&mut self, name: &str) -> u32 {
        if let Some(&position) = self.positions.get(name) {
            return position;
        }
        let position = self.names.len() as u32;
        self.positions.insert(name.into(), position);
        self.names.push(name.into());
        position
    }
}

impl Shard {
    /// Emits what the tenant's observation dates up to the event's arrival show, and then takes in the event.
    pub(crate) fn apply(&mut self, event: &Event<'_>, context: &Context) {
        self.report.count_received(event.received_at);
        // On the date before that the tenant is not known.
        let first_date = event.received_at.date().plus_days(1);
        let position = match self.positions.get(&*event.tenant) {
            Some(&position) => position,
            None => {
                let position = self.observers.len() as u32;
                self.positions.insert(event.tenant.as_ref().into(), position);
                self.observers.push(Observer::new(context.plan.grid_from(first_date)));
                position
            }
        };
        self.received.count(event, position);
        let observer = &mut self.observers[position as usize];
        if !observer.has_state {
            // Until now there were events only from after the end of the log. Once the state has taken one in, its clock
            // has passed all earlier dates, and they stay passed over.
            observer.start(observer.next.min(context.plan.grid_from(first_date)));
        }
        let end = context.end.unwrap_or_else(|| observer.next.plus_days(MOST_DAYS));
        if event.received_at >= end.start() {
            observer.apply_after_end(event, &context.plan.state);
            self.report.n_after_end += 1;
            return;
        }
        self.emit(position, event.received_at.date(), context);
        let first_known = &mut self.observers[position as usize].first_known;
        *first_known = (*first_known).min(first_date);
        let observer = &mut self.observers[position as usize];
        self.report.n_out_of_order += u64::from(observer.is_out_of_order(event));
        let applied = observer.apply(event, &context.plan.state);
        self.report.count_applied(applied);
    }

    /// Emits the observations of every tenant up to and with `end`.
    pub(crate) fn close(&mut self, end: ObservationDate, context: &Context) {
        (0..self.observers.len() as u32).for_each(|position| self.emit(position, end, context));
    }

    /// Emits a tenant's observations up to and with `until`.
    fn emit(&mut self, position: u32, until: ObservationDate, context: &Context) {
        let plan = &context.plan;
        let observer = &mut self.observers[position as usize];
        while observer.next <= until && !plan.is_past_last(observer.next) {
            let date = observer.next;
            observer.next = plan.next_on_grid(date);
            observer.emitted = Some(date);
            match observer.label.standing(date, plan) {
                Standing::Absent => {}
                Standing::TooYoung => cohort(&mut self.cohorts, date).n_too_young += 1,
                Standing::Inactive => cohort(&mut self.cohorts, date).n_inactive += 1,
                Standing::AtRisk => {
                    observer.state.advance_to(date, &plan.state);
                    let start = self.features.len();
                    self.features.resize(start + context.reader.width(), f32::NAN);
                    let features = &mut self.features[start..];
                    if let Err(source) = observer.state.features_at(date, &context.reader, features) {
                        self.features.truncate(start);
                        let tenant = name_of(&self.positions, position);
                        self.failure.get_or_insert(AssemblyError::Features { tenant, date, source });
                        continue;
                    }
                    let industry =
                        observer.state.industry_at(date).map_or(NO_INDUSTRY, |name| self.industries.position_of(name));
                    self.rows.push(Row { observer: position, date, industry });
                }
            }
        }
    }

    /// How often a tenant was at risk, by everything in the log, on a date from `first` on that was passed over because an
    /// event received later stands in the log before those from then.
    pub(crate) fn n_passed_over(&self, first: ObservationDate, end: ObservationDate, plan: &ObservationPlan) -> u64 {
        let mut n = 0;
        for observer in &self.observers {
            let until = observer.first.min(end.plus_days(1));
            let mut date = plan.grid_from(observer.first_known.max(first));
            while date < until && !plan.is_past_last(date) {
                n += u64::from(observer.label.standing(date, plan) == Standing::AtRisk);
                date = plan.next_on_grid(date);
            }
        }
        n
    }

    /// Why an observation could not be made, where one could not.
    pub(crate) fn take_failure(&mut self) -> Option<AssemblyError> {
        self.failure.take()
    }

    pub(crate) fn received(&self) -> &Received {
        &self.received
    }

    /// The event received last: when, of which tenant, and its id.
    pub(crate) fn latest(&self) -> Option<(Timestamp, String, &str)> {
        self.received.latest().map(|(at, tenant, id)| (at, name_of(&self.positions, tenant), id))
    }

    pub(crate) fn report(&self) -> &AssemblyReport {
        &self.report
    }

    /// Tenant ids by the position of their observers.
    pub(crate) fn tenants(&self) -> Vec<&str> {
        let mut tenants = vec![""; self.observers.len()];
        self.positions.iter().for_each(|(tenant, &position)| tenants[position as usize] = tenant);
        tenants
    }

    pub(crate) fn observers(&self) -> &[Observer] {
        &self.observers
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The feature vector of a row, the industry's level aside.
    pub(crate) fn features(&self, row: usize, width: usize) -> &[f32] {
        &self.features[row * width..][..width]
    }

    pub(crate) fn industry(&self, position: u32) -> Option<&str> {
        self.industries.names.get(position as usize).map(AsRef::as_ref)
    }

    /// What became of the tenant of each row by the end of the log.
    pub(crate) fn fates(&self, plan: &ObservationPlan, end: ObservationDate) -> Vec<Fate> {
        let fate = |row: &Row| self.observers[row.observer as usize].label.fate(row.date, plan, end);
        self.rows.iter().map(fate).collect()
    }

    /// Those who were known and not at risk, by date.
    pub(crate) fn cohorts(&self) -> impl Iterator<Item = &Cohort> {
        self.cohorts.values()
    }
}

fn cohort(cohorts: &mut BTreeMap<ObservationDate, Cohort>, date: ObservationDate) -> &mut Cohort {
    cohorts.entry(date).or_insert_with(|| Cohort::new(date))
}

fn name_of(positions: &HashMap<Box<str>, u32>, position: u32) -> String {
    let mut names = positions.iter().filter(|(_, found)| **found == position).map(|(name, _)| name.to_string());
    names.next().unwrap_or_default()
}

impl AssemblyReport {
    fn count_applied(&mut self, applied: Applied) {
        match applied {
            Applied::Counted => {}
            Applied::Late => self.n_late += 1,
            Applied::Duplicate => self.n_duplicate += 1,
            Applied::HeldBack => self.n_held_back += 1,
            Applied::Dropped => self.n_dropped += 1,
        }
    }
}

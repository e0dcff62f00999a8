use std::collections::{BTreeMap, HashMap};

use churn_events::{DAY_MS, Event, ObservationDate, Timestamp};
use churn_features::{Feature, FeatureReader, FeatureSchema, MAX_LEVELS, MAX_LOOKBACK_DAYS, catalogue_schema};
use ndarray::Array2;
#[cfg(feature = "rayon")]
use rayon::prelude::*;

use crate::assembled::Unlabelled;
use crate::label::Fate;
use crate::log_end::ReceivedDays;
use crate::observer::Observer;
use crate::plan::later;
use crate::set::LabelledRows;
use crate::shard::{Context, MOST_DAYS, NO_INDUSTRY, Shard};
use crate::{Assembled, AssemblyError, AssemblyReport, Cohort, Error, EventStudy, Keys, ObservationPlan, TrainingSet};

/// Shards that tenants are dealt to by their ids: enough for many cores, few enough to fill with small batches.
const N_SHARDS: usize = 64;

/// The feature whose levels are collected from the log.
const INDUSTRY: &str = "industry";

/// Assembles point-in-time labelled observations from an activity log, in one pass.
///
/// Each tenant has its own observer: when an event of the tenant arrives that was received at or after its next
/// observation date, the observation is made first, and the event is taken in after it. So only the order within a
/// tenant matters, and what was received later can never change an observation.
///
/// # Cost
/// Tenant states are updated on all cores (feature `rayon`); the result is the same on any number of them. Besides the
/// states, memory holds the feature vectors of all observations and, for each tenant, what labels need: its lifecycle
/// events, one bit for each day with a job and eight bytes for each week with usage.
/// # Example
/// ```no_run
/// # fn batches() -> Vec<Vec<churn_events::Event<'static>>> { Vec::new() }
/// use churn_training_data::{Assembler, ObservationPlan, time_split};
///
/// let plan = ObservationPlan::default();
/// let mut assembler = Assembler::new(plan.clone(), None)?;
/// for batch in batches() {
///     assembler.apply_all(&batch);
/// }
/// let assembled = assembler.finish()?;
/// let split = time_split(&assembled.labelled, &plan, 0.25, 0.2)?;
/// # Ok::<(), churn_training_data::Error>(())
/// ```
#[derive(Debug)]
pub struct Assembler {
    context: Context,
    schema: FeatureSchema,
    shards: Vec<Shard>,
    /// Events of a batch by shard; kept so that it is allocated once.
    dealt: Vec<Vec<usize>>,
}

impl Assembler {
    /// An assembler that has seen no events, of a log that ends at `end`: everything that occurred before it has been
    /// received. When `None`, that is the start of the day on which the last event was received.
    ///
    /// # Errors
    /// When the plan is none that observations can be assembled by.
    pub fn new(plan: ObservationPlan, end: Option<ObservationDate>) -> Result<Self, Error> {
        plan.check()?;
        let schema = schema_of(plan.lookback_days, &[])?;
        let lookback = plan.lookback_days;
        let reader = FeatureReader::new(&schema).map_err(|source| AssemblyError::Schema { lookback, source })?;
        let shards = (0..N_SHARDS).map(|_| Shard::default()).collect();
        Ok(Self { context: Context { plan, end, reader }, schema, shards, dealt: vec![Vec::new(); N_SHARDS] })
    }

    /// Takes in the next events of the log, in received order.
    pub fn apply_all(&mut self, events: &[Event<'_>]) {
        self.dealt.iter_mut().for_each(Vec::clear);
        for (position, event) in events.iter().enumerate() {
            self.dealt[shard_of(&event.tenant)].push(position);
        }
        let context = &self.context;
        let apply = |(shard, dealt): (&mut Shard, &Vec<usize>)| {
            dealt.iter().for_each(|&position| shard.apply(&events[position], context));
        };
        #[cfg(feature = "rayon")]
        self.shards.par_iter_mut().zip(&self.dealt).for_each(apply);
        #[cfg(not(feature = "rayon"))]
        self.shards.iter_mut().zip(&self.dealt).for_each(apply);
    }

    /// The observations of the log.
    ///
    /// # Errors
    /// When the log is empty or too short for one label horizon, when its events do not reach up to its end or days are
    /// missing in between, or its observations have only one label.
    pub fn finish(self) -> Result<Assembled, Error> {
        let Self { context, schema, mut shards, .. } = self;
        let plan = &context.plan;
        let mut report = AssemblyReport::default();
        shards.iter().for_each(|shard| report.add(shard.report()));
        report.n_tenants = shards.iter().map(|shard| shard.observers().len() as u64).sum();
        let Some(start) = report.first_received().map(Timestamp::date) else {
            return Err(AssemblyError::EmptyLog.into());
        };
        if let Some(end) = context.end.filter(|&end| end <= start) {
            return Err(AssemblyError::EndBeforeLog { end, first: start }.into());
        }
        let days = ReceivedDays::of(shards.iter().map(Shard::received));
        let end = end_of(&days, &shards, context.end)?;
        if i64::from(end.days()) - i64::from(start.days()) > i64::from(MOST_DAYS) {
            return Err(AssemblyError::LongLog { start, end, most_years: MOST_DAYS / 366 }.into());
        }
        let first = plan.first.unwrap_or(start.plus_days(plan.lookback_days as i32));
        (report.first_day, report.end_day) = (first.days(), end.days());
        check_gaps(&days, plan, &report)?;

        let close = |shard: &mut Shard| shard.close(end, &context);
        #[cfg(feature = "rayon")]
        shards.par_iter_mut().for_each(close);
        #[cfg(not(feature = "rayon"))]
        shards.iter_mut().for_each(close);
        if let Some(failure) = shards.iter_mut().find_map(Shard::take_failure) {
            return Err(failure.into());
        }
        report.n_passed_over = shards.iter().map(|shard| shard.n_passed_over(first, end, plan)).sum();

        let gathered = Gathered::of(&shards, plan, first, end);
        gathered.check(plan, &report, start, end)?;
        let (levels, n_left_out) = levels(&gathered.labelled, &shards);
        report.n_industry_left_out = n_left_out;
        let schema = if schema.position(INDUSTRY).is_some() { schema_of(plan.lookback_days, &levels)? } else { schema };
        let features = |rows: &[GatheredRow<'_>]| matrix(rows, &shards, &schema, &levels);
        let keys = |rows: &[GatheredRow<'_>]| Keys::of_observations(rows.iter().map(|row| (row.tenant, row.date)));
        let rows = LabelledRows {
            features: features(&gathered.labelled),
            labels: gathered.labelled.iter().map(|row| row.fate == Fate::Churned).collect(),
            keys: keys(&gathered.labelled),
            weights: plan.age_half_life_days.map(|half_life| age_weights(&gathered.labelled, half_life)),
            meaning: plan.label_description(),
            schema: schema.clone(),
        };
        let censored = Unlabelled::new(schema.clone(), keys(&gathered.censored), features(&gathered.censored));
        let event_study = EventStudy::of(&sorted_observers(&shards), plan, start, end);
        let cohorts = gathered.cohorts.into_values().collect();
        let labelled = TrainingSet::of_observations(rows);
        let plan = context.plan;
        Ok(Assembled { plan, labelled, censored, cohorts, event_study, report })
    }
}

/// Where the log ends, once its events are known to reach up to there.
fn end_of(
    days: &ReceivedDays,
    shards: &[Shard],
    given: Option<ObservationDate>,
) -> Result<ObservationDate, AssemblyError> {
    if let Some(end) = given {
        return match days.silence_before(end) {
            Some(last) => Err(AssemblyError::EndBeyondLog { end, last, after_last: last.plus_days(1) }),
            None => Ok(end),
        };
    }
    let latest = shards.iter().filter_map(Shard::latest).max_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    let (received_at, tenant, id) = latest.ok_or(AssemblyError::EmptyLog)?;
    match days.last_usual() {
        Some((last, n_after)) => {
            let (id, after_last) = (id.to_owned(), last.plus_days(1));
            Err(AssemblyError::UnsureEnd { last, n_after, received_at, tenant, id, after_last })
        }
        None => Ok(received_at.date()),
    }
}

/// Refuses a log in which days are missing that an observation looks at, or its label.
fn check_gaps(days: &ReceivedDays, plan: &ObservationPlan, report: &AssemblyReport) -> Result<(), AssemblyError> {
    let lookback = plan.lookback_days as i32;
    let horizon_end = plan.last.map(|last| later(last, plan.embargo_days()));
    let end = horizon_end.map_or(report.end(), |horizon_end| horizon_end.min(report.end()));
    let seen = report.first_date().plus_days(-lookback)..end;
    match days.up_to(report.end()).gap_in(seen, report.n_tenants) {
        Some(gap) => Err(AssemblyError::GapInLog {
            from: gap.start,
            last: gap.end.plus_days(-1),
            days: gap.end.days() - gap.start.days(),
            first_after: gap.end.plus_days(lookback),
        }),
        None => Ok(()),
    }
}

/// The features of the catalogue that look back no further than that.
fn schema_of(lookback_days: u32, industries: &[String]) -> Result<FeatureSchema, AssemblyError> {
    let fail = |source| AssemblyError::Schema { lookback: lookback_days, source };
    let schema = catalogue_schema(industries).map_err(fail)?;
    if lookback_days >= MAX_LOOKBACK_DAYS {
        return Ok(schema);
    }
    let is_within = |feature: &&Feature| feature.lookback_days().is_none_or(|days| days <= lookback_days);
    FeatureSchema::new(schema.features().iter().filter(is_within).cloned().collect()).map_err(fail)
}

/// A tenant's shard, by its id alone: FNV-1a (Fowler, Noll and Vo), folded.
fn shard_of(tenant: &str) -> usize {
    let hash = tenant
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    ((hash >> 32) ^ hash) as usize % N_SHARDS
}

/// A row of the result, and where it is held.
#[derive(Debug, Clone, Copy)]
struct GatheredRow<'a> {
    date: ObservationDate,
    tenant: &'a str,
    shard: usize,
    row: usize,
    fate: Fate,
}

/// The rows of all shards by what became of them, sorted by date and tenant.
struct Gathered<'a> {
    labelled: Vec<GatheredRow<'a>>,
    censored: Vec<GatheredRow<'a>>,
    cohorts: BTreeMap<ObservationDate, Cohort>,
}

impl<'a> Gathered<'a> {
    fn of(shards: &'a [Shard], plan: &ObservationPlan, first: ObservationDate, end: ObservationDate) -> Self {
        let is_within = |date: ObservationDate| first <= date && date <= end;
        let mut cohorts: BTreeMap<ObservationDate, Cohort> = BTreeMap::new();
        let (mut labelled, mut censored) = (Vec::new(), Vec::new());
        for (position, shard) in shards.iter().enumerate() {
            for cohort in shard.cohorts().filter(|cohort| is_within(cohort.date())) {
                cohorts.entry(cohort.date()).or_insert_with(|| Cohort::new(cohort.date())).add(cohort);
            }
            let (tenants, fates) = (shard.tenants(), shard.fates(plan, end));
            for (row, (held, fate)) in shard.rows().iter().zip(fates).enumerate() {
                let date = held.date;
                if !is_within(date) {
                    continue;
                }
                cohorts.entry(date).or_insert_with(|| Cohort::new(date)).count(fate);
                let row = GatheredRow { date, tenant: tenants[held.observer as usize], shard: position, row, fate };
                match fate {
                    Fate::Churned | Fate::Stayed => labelled.push(row),
                    Fate::Censored => censored.push(row),
                    Fate::CancelledInGap => {}
                }
            }
        }
        labelled.sort_unstable_by_key(|row| (row.date, row.tenant));
        censored.sort_unstable_by_key(|row| (row.date, row.tenant));
        Self { labelled, censored, cohorts }
    }

    /// Refuses what no learner can be fitted on.
    fn check(
        &self,
        plan: &ObservationPlan,
        report: &AssemblyReport,
        start: ObservationDate,
        end: ObservationDate,
    ) -> Result<(), AssemblyError> {
        let n_observations = self.labelled.len();
        let n_churned = self.labelled.iter().filter(|row| row.fate == Fate::Churned).count();
        let label = plan.label_description();
        if n_observations == 0 {
            return Err(self.nothing_labelled(plan, report, start, end));
        }
        if n_churned == 0 {
            let is_usage_rule = plan.rule == crate::LabelRule::Usage;
            return Err(AssemblyError::NoChurn { n_observations, label, is_usage_rule });
        }
        if n_churned == n_observations {
            return Err(AssemblyError::OnlyChurn { n_observations, label });
        }
        Ok(())
    }

    fn nothing_labelled(
        &self,
        plan: &ObservationPlan,
        report: &AssemblyReport,
        start: ObservationDate,
        end: ObservationDate,
    ) -> AssemblyError {
        let has_horizon = |date: ObservationDate| plan.label_horizon(date).1 <= end.start();
        let first = plan.grid_from(report.first_date());
        if !has_horizon(first) || plan.is_past_last(first) {
            return AssemblyError::ShortLog {
                start,
                end,
                found_days: i64::from(end.days()) - i64::from(start.days()),
                needed_days: plan.shortest_log_days(),
                lookback: plan.lookback_days,
                gap: plan.gap_days,
                horizon: plan.horizon_days,
                every: plan.every_days,
            };
        }
        let mut last = first;
        while has_horizon(plan.next_on_grid(last)) && !plan.is_past_last(plan.next_on_grid(last)) {
            last = plan.next_on_grid(last);
        }
        let sum = |count: fn(&Cohort) -> u64| {
            self.cohorts.values().filter(|cohort| cohort.date() <= last).map(count).sum::<u64>()
        };
        AssemblyError::NobodyAtRisk {
            first,
            last,
            n_tenants: report.n_tenants as usize,
            n_too_young: sum(|cohort| cohort.n_too_young),
            n_inactive: sum(|cohort| cohort.n_inactive),
            n_cancelled_in_gap: sum(|cohort| cohort.n_cancelled_in_gap),
            n_passed_over: report.n_passed_over,
        }
    }
}

/// The industries of the labelled rows, sorted; of too many the most frequent ones, and the rows of the others.
fn levels(rows: &[GatheredRow<'_>], shards: &[Shard]) -> (Vec<String>, u64) {
    let mut counts: HashMap<&str, u64> = HashMap::new();
    for row in rows {
        let shard = &shards[row.shard];
        if let Some(name) = shard.industry(shard.rows()[row.row].industry) {
            *counts.entry(name).or_default() += 1;
        }
    }
    let mut counts: Vec<(&str, u64)> = counts.into_iter().collect();
    counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let n_left_out = counts.iter().skip(MAX_LEVELS).map(|(_, count)| count).sum();
    let mut levels: Vec<String> = counts.into_iter().take(MAX_LEVELS).map(|(name, _)| name.to_owned()).collect();
    levels.sort_unstable();
    (levels, n_left_out)
}

fn matrix(rows: &[GatheredRow<'_>], shards: &[Shard], schema: &FeatureSchema, levels: &[String]) -> Array2<f32> {
    let industry = schema.position(INDUSTRY);
    let mut features = Vec::with_capacity(rows.len() * schema.len());
    for row in rows {
        let shard = &shards[row.shard];
        let start = features.len();
        features.extend_from_slice(shard.features(row.row, schema.len()));
        let name = shard.rows()[row.row].industry;
        if let (Some(position), Some(name)) = (industry, (name != NO_INDUSTRY).then(|| shard.industry(name)).flatten())
        {
            let level = levels.binary_search_by(|level| level.as_str().cmp(name));
            features[start + position] = level.map_or(f32::NAN, |level| level as f32);
        }
    }
    Array2::from_shape_vec((rows.len(), schema.len()), features)
        .expect("this cannot fail because every row has one value for each feature")
}

/// One for the youngest observations, half as much for each half-life before.
fn age_weights(rows: &[GatheredRow<'_>], half_life_days: u32) -> Vec<f32> {
    let Some(youngest) = rows.iter().map(|row| row.date).max() else { return Vec::new() };
    let age_days = |row: &GatheredRow<'_>| (youngest.start().millis() - row.date.start().millis()) / DAY_MS;
    rows.iter().map(|row| (-(age_days(row) as f64) / f64::from(half_life_days)).exp2() as f32).collect()
}

fn sorted_observers(shards: &[Shard]) -> Vec<&Observer> {
    let mut all: Vec<(&str, &Observer)> =
        shards.iter().flat_map(|shard| shard.tenants().into_iter().zip(shard.observers())).collect();
    all.sort_unstable_by_key(|(tenant, _)| *tenant);
    all.into_iter().map(|(_, observer)| observer).collect()
}

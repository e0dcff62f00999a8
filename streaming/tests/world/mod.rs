//! A small log of a few tenants, with events that come late, twice and early, and a model to score them with.

// Each test file uses a part of it.
#![allow(dead_code)]

use std::sync::Arc;

use churn_events::{DAY_MS, Event, EventKind, JobStatus, Money, ObservationDate, TenantAttributes, Timestamp, encode};
use churn_features::{Feature, FeatureReader, FeatureSchema, FeatureStore, StoreOptions, catalogue_schema};
use churn_model::fit::{Observations, RandomForestLearner};
use churn_model::{Calibrator, Model, ModelCard, ModelKind, ReferenceHistogram, Threshold, ThresholdRule};
use churn_streaming::{Batch, Position, Record, Scoring, SequenceNumber, Shard};
use ndarray::Array2;

pub(crate) const START: ObservationDate = ObservationDate::from_days(20_000);
pub(crate) const N_TENANTS: u64 = 12;

/// Numbers that look random (SplitMix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// The log in the order in which it was received: so many events over forty days, of which some come twice.
pub(crate) fn log(n_events: usize, seed: u64) -> Vec<Event<'static>> {
    let mut dice = Dice(seed);
    let mut events: Vec<Event<'static>> = (0..n_events).map(|number| event(number, n_events, &mut dice)).collect();
    for again in 0..n_events / 20 {
        let mut copy = events[dice.roll(n_events as u64) as usize].clone();
        copy.received_at = Timestamp::from_millis(copy.received_at.millis() + 1_000 + again as i64);
        events.push(copy);
    }
    events.sort_by(|a, b| a.received_at.cmp(&b.received_at).then_with(|| a.id.cmp(&b.id)));
    events
}

fn event(number: usize, n_events: usize, dice: &mut Dice) -> Event<'static> {
    let tenant = dice.roll(N_TENANTS);
    let occurred_ms = START.start().millis() + 40 * DAY_MS * number as i64 / n_events as i64;
    // Some come late, few too late, few ahead of time.
    let delay_ms = match dice.roll(100) {
        0..90 => dice.roll(60_000) as i64,
        90..97 => dice.roll(DAY_MS as u64) as i64,
        97 => 4 * DAY_MS,
        _ => -(dice.roll(600_000) as i64),
    };
    let user = format!("user-{}", dice.roll(5)).into();
    let job = format!("job-{}", dice.roll(200)).into();
    let kind = match dice.roll(20) {
        0 => EventKind::TenantUpdated(TenantAttributes {
            industry: Some(["energy", "retail", "IT"][dice.roll(3) as usize].into()),
            revenue: Some(dice.roll(1_000) as f64 / 4.0),
            employees: Some(dice.roll(5_000) as u32),
            monthly_charge: Some(Money::from_cents(dice.roll(100_000) as i64)),
            ..TenantAttributes::default()
        }),
        1 => EventKind::TenantBilled { amount: Money::from_cents(dice.roll(100_000) as i64) },
        2 => EventKind::UserAdded { user },
        3 if tenant == 3 && number > n_events / 2 => EventKind::TenantCancelled { reason: None },
        3..9 => EventKind::UserLogin { user, session: format!("s-{number}").into() },
        9 | 10 => EventKind::UserLogoff { user, session: format!("s-{}", number.saturating_sub(3)).into() },
        11..16 => {
            EventKind::JobSubmitted { job, user, servers: 1 + dice.roll(8) as u32, data_size: dice.roll(1 << 40) }
        }
        16..19 => EventKind::JobTerminated { job, status: JobStatus::Succeeded },
        _ => EventKind::JobCancelled { job },
    };
    Event {
        id: number.to_string().into(),
        source: "/world".into(),
        tenant: format!("tenant-{tenant}").into(),
        occurred_at: Timestamp::from_millis(occurred_ms),
        received_at: Timestamp::from_millis(occurred_ms + delay_ms),
        kind,
    }
}

/// So many tenants that log in once, and one that has an event three days later: until then, each is due at three dates.
pub(crate) fn silent_log(n_tenants: usize) -> Vec<Event<'static>> {
    let login = |number: usize, time_ms: i64| Event {
        id: number.to_string().into(),
        source: "/world".into(),
        tenant: format!("tenant-{}", number % n_tenants).into(),
        occurred_at: Timestamp::from_millis(time_ms),
        received_at: Timestamp::from_millis(time_ms),
        kind: EventKind::UserLogin { user: "ann".into(), session: number.to_string().into() },
    };
    let last = login(n_tenants, START.start().millis() + 3 * DAY_MS);
    (0..n_tenants).map(|number| login(number, START.start().millis() + number as i64)).chain([last]).collect()
}

pub(crate) fn line(event: &Event<'_>) -> Vec<u8> {
    let mut line = Vec::new();
    encode(event, &mut line);
    while line.last() == Some(&b'\n') {
        line.pop();
    }
    line
}

pub(crate) fn lines(events: &[Event<'_>]) -> Vec<u8> {
    events.iter().flat_map(|event| [line(event), b"\n".to_vec()].concat()).collect()
}

/// A record at a place of its shard, as its producer wrote it.
pub(crate) fn record(sequence: u64, data: Vec<u8>) -> Record {
    Record { position: Position::of(SequenceNumber::from(sequence)), arrived_at: None, data }
}

pub(crate) fn shard(name: &str) -> Arc<Shard> {
    Arc::new(Shard::new("events", name))
}

pub(crate) fn batch(shard: &Arc<Shard>, records: Vec<Record>) -> Batch {
    Batch::new(Arc::clone(shard), records)
}

/// A forest on the catalogue's features, fitted on the tenants of a log with labels that are none, on purpose: what
/// counts is that scores change with features.
pub(crate) fn model() -> Model {
    let industries = ["IT", "energy", "retail"].map(str::to_owned);
    let schema = catalogue_schema(&industries).expect("valid");
    let reader = FeatureReader::new(&schema).expect("the catalogue itself");
    let mut store = FeatureStore::new(StoreOptions::default());
    let mut rows: Vec<f32> = Vec::new();
    let mut next = START.plus_days(3);
    for event in log(6_000, 99) {
        while event.received_at.date() > next {
            next = next.plus_days(1);
            rows.extend(store.features_at(next, &reader).expect("the date has come").features);
        }
        store.apply(&event).expect("there is room");
    }
    let n_rows = rows.len() / reader.width();
    let features = Array2::from_shape_vec((n_rows, reader.width()), rows).expect("fits");
    let labels: Vec<bool> = features.outer_iter().map(|row| row.iter().any(|value| (*value as i64) % 7 == 3)).collect();
    let observations = Observations::new(&schema, features.view(), &labels).expect("fits");
    let forest = RandomForestLearner { n_trees: 20, min_leaf: Some(2), ..RandomForestLearner::default() };
    let forest = forest.fit(&observations).expect("fits");
    let reference = |(position, feature): (usize, &Feature)| {
        ReferenceHistogram::of(feature, features.column(position).iter().copied())
    };
    let references = schema.features().iter().enumerate().map(reference).collect();
    let shares = forest_median(&forest, &features);
    let threshold = Threshold { score: shares, rule: ThresholdRule::Fixed };
    let kind = ModelKind::Forest(forest);
    Model::new(schema, kind, Calibrator::Identity, threshold, references, ModelCard::default()).expect("fits together")
}

/// A threshold that half of the rows are above of, so that decisions change.
fn forest_median(forest: &churn_model::ForestModel, features: &Array2<f32>) -> f64 {
    let mut scores: Vec<f64> =
        features.outer_iter().map(|row| forest.raw_score(row.as_slice().expect("rows lie together"))).collect();
    scores.sort_by(f64::total_cmp);
    scores[scores.len() / 2]
}

pub(crate) fn scoring(model: &Model) -> Scoring {
    Scoring::new(model, 2).expect("its features come of events")
}

/// A model of columns that no event tells.
pub(crate) fn table_model() -> Model {
    let schema = FeatureSchema::new(vec![Feature::numeric("shoe size")]).expect("valid");
    let features = Array2::from_shape_fn((40, 1), |(row, _)| row as f32);
    let labels: Vec<bool> = (0..40).map(|row| row > 20).collect();
    let observations = Observations::new(&schema, features.view(), &labels).expect("fits");
    let forest = RandomForestLearner { n_trees: 2, ..RandomForestLearner::default() };
    let kind = ModelKind::Forest(forest.fit(&observations).expect("fits"));
    let references = vec![ReferenceHistogram::of(&schema.features()[0], [])];
    let threshold = Threshold { score: 0.5, rule: ThresholdRule::Fixed };
    Model::new(schema, kind, Calibrator::Identity, threshold, references, ModelCard::default()).expect("fits together")
}

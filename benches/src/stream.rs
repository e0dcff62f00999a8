//! A stream's records, and the forest that scores what they say.

use std::collections::VecDeque;
use std::sync::Arc;

use churn_events::{Event, ObservationDate, encode};
use churn_features::{FeatureReader, FeatureStore, StoreOptions, catalogue_schema};
use churn_model::fit::{Observations, RandomForestLearner};
use churn_model::{Calibrator, Model, ModelCard, ModelKind, ReferenceHistogram, Threshold, ThresholdRule};
use churn_streaming::{
    Batch, Output, Position, Processor, ProcessorOptions, Record, ScoreWhen, Scoring, SequenceNumber, Shard,
};
use ndarray::Array2;

use crate::{ActivityPlan, Error, MAX_DEPTH, MIN_LEAF, N_TREES};

/// Shards that the records come from.
const N_SHARDS: usize = 4;

/// Records that are handed over at once.
pub const BATCH_RECORDS: usize = 500;

/// Days that states have seen before anything is timed.
const WARM_UP_DAYS: u32 = 20;

/// Several thousand tenants, each with some of its 20 users coming every day.
const PLAN: ActivityPlan = ActivityPlan {
    start: ObservationDate::from_days(20_000),
    n_days: 1_000,
    first_tenant: 0,
    n_tenants: 5_000,
    n_users: 20,
    sessions_per_day: 3.0,
    jobs_per_day: 1.5,
    seed: 1,
};

/// A log without an end, as batches of records of a stream with four shards; every tenant's are in one of them.
pub struct EndlessStream {
    shards: [Arc<Shard>; N_SHARDS],
    day: u32,
    sequence: u64,
    batch_records: usize,
    batches: VecDeque<Batch>,
    /// Bytes and records so far.
    pub totals: (u64, u64),
}

impl EndlessStream {
    /// A stream that hands over so many records at once.
    pub fn new(batch_records: usize) -> Self {
        let shard = |number| Arc::new(Shard::new("bigdatajobs", format!("bigdatajobs/shardId-{number:012}")));
        Self {
            shards: std::array::from_fn(shard),
            day: 0,
            sequence: 0,
            batch_records,
            batches: VecDeque::new(),
            totals: (0, 0),
        }
    }

    /// The next batch; a day's are drawn when the last of the day before is gone.
    pub fn next_batch(&mut self) -> Batch {
        loop {
            if let Some(batch) = self.batches.pop_front() {
                return batch;
            }
            self.draw_day();
        }
    }

    fn draw_day(&mut self) {
        let mut waiting: [Vec<Record>; N_SHARDS] = Default::default();
        for event in PLAN.day(self.day) {
            let at = shard_of(&event);
            let record = self.record(&event);
            waiting[at].push(record);
            if waiting[at].len() == self.batch_records {
                self.hand_over(at, std::mem::take(&mut waiting[at]));
            }
        }
        for (at, records) in waiting.into_iter().enumerate() {
            self.hand_over(at, records);
        }
        self.day += 1;
    }

    fn record(&mut self, event: &Event<'_>) -> Record {
        self.sequence += 1;
        let mut data = Vec::with_capacity(512);
        encode(event, &mut data);
        data.shrink_to_fit();
        self.totals = (self.totals.0 + data.len() as u64, self.totals.1 + 1);
        // As Kinesis numbers its records: 56 digits.
        let digits = format!("4959{:052}", self.sequence);
        let sequence: SequenceNumber = digits.parse().expect("this cannot fail because there are 56 digits");
        Record { position: Position::of(sequence), arrived_at: Some(event.received_at), data }
    }

    fn hand_over(&mut self, at: usize, records: Vec<Record>) {
        if !records.is_empty() {
            self.batches.push_back(Batch::new(Arc::clone(&self.shards[at]), records));
        }
    }
}

fn shard_of(event: &Event<'_>) -> usize {
    event.tenant.bytes().map(usize::from).sum::<usize>() % N_SHARDS
}

/// A processor that has seen some weeks of the stream, and the stream behind that; with `reasons` at most in each record.
///
/// # Errors
/// When the model does not read features of events.
pub fn warm_processor(
    model: &Model,
    when: ScoreWhen,
    reasons: usize,
    batch_records: usize,
) -> Result<(Processor, EndlessStream), Error> {
    let scoring = Scoring::new(model, reasons).map_err(Error::features)?;
    let options = ProcessorOptions { when, ..ProcessorOptions::default() };
    let mut processor = Processor::new(options, Some(scoring));
    let (mut stream, mut output) = (EndlessStream::new(batch_records), Output::default());
    while stream.day <= WARM_UP_DAYS {
        processor.apply(&stream.next_batch(), &mut output);
        output.clear();
    }
    Ok((processor, stream))
}

/// A forest on all features of the catalogue, fitted on tenants of such a log: as many trees and as deep as in the other
/// benchmarks, with labels that need the depth.
///
/// # Errors
/// When it cannot be fitted.
pub fn stream_model() -> Result<Model, Error> {
    let levels = ["energy", "finance", "retail"].map(str::to_owned);
    let schema = catalogue_schema(&levels).map_err(Error::features)?;
    let reader = FeatureReader::new(&schema).map_err(Error::features)?;
    let plan = ActivityPlan { n_tenants: 2_000, seed: 2, ..PLAN };
    let mut store = FeatureStore::new(StoreOptions::default());
    let (mut rows, mut labels) = (Vec::new(), Vec::new());
    for day in 0..WARM_UP_DAYS {
        store.apply_all(&plan.day(day));
        let matrix = store.features_at(plan.start.plus_days(day as i32 + 2), &reader).map_err(Error::features)?;
        for (tenant, (_, row)) in matrix.rows().enumerate() {
            rows.extend_from_slice(row);
            // Noise that is the same in every run, so that trees grow to their limit.
            let dice = (tenant as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(u64::from(day)) >> 7;
            let known: f32 = row.iter().filter(|value| value.is_finite()).sum();
            labels.push((dice ^ u64::from(known.to_bits())).count_ones() % 5 == 0);
        }
    }
    let n_features = schema.len();
    let features = Array2::from_shape_vec((labels.len(), n_features), rows).map_err(Error::features)?;
    let observations = Observations::new(&schema, features.view(), &labels).map_err(Error::fit)?;
    let learner =
        RandomForestLearner { n_trees: N_TREES, max_depth: MAX_DEPTH, min_leaf: Some(MIN_LEAF), ..Default::default() };
    let forest = learner.fit(&observations).map_err(Error::fit)?;
    let references =
        schema.features().iter().zip(features.columns()).map(|(f, column)| ReferenceHistogram::of(f, column.to_vec()));
    let references = references.collect();
    let threshold = Threshold { score: 0.25, rule: ThresholdRule::Fixed };
    let kind = ModelKind::Forest(forest);
    Model::new(schema, kind, Calibrator::Identity, threshold, references, ModelCard::default()).map_err(Error::fit)
}

//! A function behind an event source that delivers again, in the ways in which Lambda does, beside a consumer to which
//! nothing happens.

mod world;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use churn_features::StoreOptions;
use churn_model::Model;
use churn_streaming::lambda::{Handler, MemoryStore, PutError, StateStore, StoreError, TenantItem};
use churn_streaming::{
    DeadLetter, NamedSink, Output, Processor, ProcessorOptions, Record, ScoreRecord, ScoreWhen, Sink, SinkError,
    SinkPosition, kpl,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use world::{Dice, batch, line, log, record, scoring, shard};

static MODEL: LazyLock<Model> = LazyLock::new(world::model);

/// A store that fails now and then, sometimes after it has done what it was asked for.
struct Flaky {
    store: MemoryStore,
    dice: Dice,
    /// How many of a hundred calls fail.
    percent: u64,
}

impl StateStore for Flaky {
    fn get(&mut self, tenants: &[&str]) -> Result<HashMap<String, TenantItem>, StoreError> {
        if self.dice.roll(100) < self.percent {
            return Err(StoreError { source: "is not in the mood".into() });
        }
        self.store.get(tenants)
    }

    fn put(&mut self, tenant: &str, item: TenantItem) -> Result<(), PutError> {
        let fails = self.dice.roll(100) < self.percent;
        if !fails || self.dice.roll(2) == 0 {
            self.store.put(tenant, item)?;
        }
        if fails { Err(PutError::Store { source: "the answer got lost".into() }) } else { Ok(()) }
    }
}

/// What sinks were given.
#[derive(Default)]
struct Given {
    scores: Vec<ScoreRecord>,
    letters: Vec<DeadLetter>,
    fails: bool,
}

struct Shared(Rc<RefCell<Given>>);

impl Sink for Shared {
    fn score(&mut self, records: &[ScoreRecord]) -> Result<(), SinkError> {
        self.0.borrow_mut().scores.extend_from_slice(records);
        Ok(())
    }

    fn bury(&mut self, letters: &[DeadLetter]) -> Result<(), SinkError> {
        self.0.borrow_mut().letters.extend_from_slice(letters);
        Ok(())
    }

    fn keep(&mut self) -> Result<SinkPosition, SinkError> {
        if self.0.borrow().fails {
            return Err(SinkError::new("shared", "is full"));
        }
        Ok(SinkPosition::default())
    }

    fn restore(&mut self, _: SinkPosition) -> Result<(), SinkError> {
        Ok(())
    }
}

fn handler<S: StateStore>(store: S) -> (Handler<S>, Rc<RefCell<Given>>) {
    let given = Rc::new(RefCell::new(Given::default()));
    let sink = || vec![NamedSink { name: "shared".to_owned(), sink: Box::new(Shared(Rc::clone(&given))) }];
    // The bound is for processes that keep tenants from batch to batch.
    let store_options = StoreOptions { max_tenants: 1, ..StoreOptions::default() };
    let when = ScoreWhen::Changes { least: 0.01 };
    let options = ProcessorOptions { store: store_options, when, ..ProcessorOptions::default() };
    (Handler::new(options, Some(scoring(&MODEL)), store, sink(), sink()), given)
}

fn kinesis_record(record: &Record) -> Value {
    let sequence = record.position.sequence;
    json!({
        "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventName": "aws:kinesis:record", "awsRegion": "us-east-1",
        "eventID": format!("shardId-000000000000:{sequence}"),
        "eventSourceARN": "arn:aws:kinesis:us-east-1:000000000000:stream/events",
        "kinesis": {
            "kinesisSchemaVersion": "1.0", "partitionKey": "t", "sequenceNumber": sequence.to_string(),
            "data": STANDARD.encode(&record.data),
        }
    })
}

fn event(records: &[Record]) -> Value {
    json!({ "Records": records.iter().map(kinesis_record).collect::<Vec<_>>() })
}

/// The mapping of a shard to the function.
struct EventSource {
    batch_size: usize,
    bisects: bool,
    /// How many of a hundred batches are delivered once more after they were done.
    percent_again: u64,
    dice: Dice,
    n_invocations: usize,
}

impl EventSource {
    /// Delivers records until all are done.
    fn deliver<S: StateStore>(&mut self, handler: &mut Handler<S>, records: &[Record]) {
        let mut first = 0;
        let mut size = self.batch_size;
        while first < records.len() {
            let end = records.len().min(first + size);
            let delivered = &records[first..end];
            self.n_invocations += 1;
            assert!(self.n_invocations < 20_000, "comes to no end");
            match handler.handle(&event(delivered), &mut |_| {}) {
                Ok(response) => match response.batch_item_failures.as_slice() {
                    [] if self.dice.roll(100) < self.percent_again => {}
                    [] => (first, size) = (end, self.batch_size),
                    [failure] => {
                        let place = |record: &Record| record.position.sequence.to_string() == failure.item_identifier;
                        first += delivered.iter().position(place).expect("names a record of the batch");
                        size = self.batch_size;
                    }
                    _ => panic!("one is all that Lambda looks at"),
                },
                Err(_) if self.bisects && size > 1 => size /= 2,
                Err(_) => {}
            }
        }
    }
}

/// A log as records; some are aggregates, and some are none.
fn records(n_events: usize, seed: u64) -> Vec<Record> {
    let events = log(n_events, seed);
    let mut sequence = 0;
    let chunks = events.chunks(3).flat_map(|chunk| {
        let lines: Vec<(String, Vec<u8>)> = chunk.iter().map(|event| (event.tenant.to_string(), line(event))).collect();
        let mut next = || {
            sequence += 1;
            sequence
        };
        match chunk[0].id.len() % 3 {
            0 => vec![record(next(), kpl::pack(lines.iter().map(|(tenant, line)| (tenant.as_str(), None, &line[..]))))],
            1 => vec![record(next(), lines[0].1.clone()), record(next(), b"poison".to_vec())],
            _ => lines.into_iter().map(|(_, line)| record(next(), line)).collect(),
        }
    });
    chunks.collect()
}

/// States, score records and dead letters, each once.
type Outcome = (BTreeMap<String, Vec<u8>>, BTreeMap<u128, String>, BTreeSet<String>);

fn outcome(states: BTreeMap<String, Vec<u8>>, scores: &[ScoreRecord], letters: &[DeadLetter]) -> Outcome {
    let json = |record: &ScoreRecord| serde_json::to_string(record).expect("is written");
    let letter = |letter: &DeadLetter| format!("{}: {} {}", letter.position, letter.field, letter.reason);
    (states, scores.iter().map(|record| (record.id, json(record))).collect(), letters.iter().map(letter).collect())
}

fn expected(records: &[Record]) -> Outcome {
    let options = ProcessorOptions { when: ScoreWhen::Changes { least: 0.01 }, ..ProcessorOptions::default() };
    let mut processor = Processor::new(options, Some(scoring(&MODEL)));
    let mut output = Output::default();
    processor.apply(&batch(&shard("all"), records.to_vec()), &mut output);
    let bytes = |state: &churn_features::TenantState| {
        let mut bytes = Vec::new();
        state.write_to(&mut bytes);
        bytes
    };
    let states = processor.store().states().map(|(tenant, state)| (tenant.to_owned(), bytes(state))).collect();
    outcome(states, &output.scores, &output.dead_letters)
}

fn found(store: &MemoryStore, given: &Given) -> Outcome {
    let states = store.items.iter().map(|(tenant, item)| (tenant.clone(), item.state.clone())).collect();
    outcome(states, &given.scores, &given.letters)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_is_delivered_again_the_end_is_the_same(
        seed in any::<u64>(),
        n_events in 1..400_usize,
        batch_size in 1..60_usize,
        bisects in any::<bool>(),
        percent in 0..30_u64,
        percent_again in 0..30_u64,
    ) {
        let records = records(n_events, seed);
        let flaky = Flaky { store: MemoryStore::default(), dice: Dice(seed), percent };
        let (mut handler, given) = handler(flaky);
        let mut source = EventSource { batch_size, bisects, percent_again, dice: Dice(seed + 1), n_invocations: 0 };
        source.deliver(&mut handler, &records);
        prop_assert_eq!(found(&handler.store().store, &given.borrow()), expected(&records));
    }

    #[test]
    fn batches_of_a_shard_may_come_side_by_side_when_each_tenant_keeps_to_one_of_them(
        seed in any::<u64>(),
        n_events in 1..300_usize,
        batch_size in 1..30_usize,
    ) {
        let events = log(n_events, seed);
        let records: Vec<Record> = (1..).zip(&events).map(|(sequence, event)| record(sequence, line(event))).collect();
        let (mut handler, given) = handler(MemoryStore::default());
        let is_even = |number: usize| kpl::hash_key(events[number].tenant.as_bytes()).is_multiple_of(2);
        let lane = |even: bool| {
            let numbers = (0..records.len()).filter(|number| is_even(*number) == even);
            numbers.map(|number| records[number].clone()).collect::<Vec<_>>()
        };
        let lanes = [lane(true), lane(false)];
        let mut batches = lanes.each_ref().map(|lane| lane.chunks(batch_size));
        let mut dice = Dice(seed);
        while batches.iter().any(|lane| lane.len() > 0) {
            if let Some(records) = batches[dice.roll(2) as usize].next() {
                let response = handler.handle(&event(records), &mut |_| {}).expect("is taken in");
                prop_assert!(response.batch_item_failures.is_empty());
            }
        }
        prop_assert_eq!(found(handler.store(), &given.borrow()), expected(&records));
    }
}

#[test]
fn the_first_record_of_a_tenant_that_somebody_else_wrote_has_to_come_again() {
    /// Another invocation writes one tenant between our read and our write.
    struct Raced(MemoryStore, bool);
    impl StateStore for Raced {
        fn get(&mut self, tenants: &[&str]) -> Result<HashMap<String, TenantItem>, StoreError> {
            let found = self.0.get(tenants);
            if std::mem::take(&mut self.1) {
                self.0.put("tenant-b", TenantItem { version: 1, ..TenantItem::default() }).expect("is the first");
            }
            found
        }

        fn put(&mut self, tenant: &str, item: TenantItem) -> Result<(), PutError> {
            self.0.put(tenant, item)
        }
    }
    let first = log(1, 5).remove(0);
    let of = |sequence: u64, tenant: &'static str| {
        let event = churn_events::Event { tenant: tenant.into(), id: sequence.to_string().into(), ..first.clone() };
        record(sequence, line(&event))
    };
    let records =
        [of(1, "tenant-a"), record(2, b"poison".to_vec()), of(3, "tenant-b"), of(4, "tenant-a"), of(5, "tenant-b")];
    let (mut handler, given) = handler(Raced(MemoryStore::default(), true));
    let mut said = Vec::new();
    let response = handler.handle(&event(&records), &mut |text| said.push(text.to_owned())).expect("is taken in");
    assert_eq!(
        serde_json::to_value(&response).expect("is written"),
        json!({"batchItemFailures": [{"itemIdentifier": "3"}]})
    );
    assert!(said[0].contains(r#"tenant "tenant-b" has to come again from 3"#), "{said:?}");
    let response = handler.handle(&event(&records[2..]), &mut |_| {}).expect("is taken in");
    assert_eq!(serde_json::to_value(&response).expect("is written"), json!({"batchItemFailures": []}));
    let items = &handler.store().0.items;
    // The other tenant's record was passed over the second time, and not written.
    assert_eq!((items["tenant-a"].version, items["tenant-b"].version), (1, 2));
    assert_eq!(given.borrow().letters.len(), 1);
}

#[test]
fn poison_is_buried_and_no_failure() {
    let (mut handler, given) = handler(MemoryStore::default());
    let good = kinesis_record(&record(9, line(&log(1, 5)[0])));
    let mut truncated = kpl::pack([("t", None, &b"{}"[..])]);
    truncated.truncate(30);
    let event = json!({"Records": [
        kinesis_record(&record(1, vec![0xff])), kinesis_record(&record(2, vec![b'x'; 1 << 20])),
        kinesis_record(&record(3, truncated)), {"eventID": "shardId-7:4", "kinesis": {"sequenceNumber": "4"}}, 7,
        {"eventID": "shardId-7:5", "eventSourceARN": "a", "kinesis": {"sequenceNumber": "5", "data": "%"}},
        {"eventID": "shardId-7:6", "eventSourceARN": "a", "kinesis": {"sequenceNumber": "x", "data": ""}}, good,
    ]});
    let response = handler.handle(&event, &mut |_| {}).expect("is taken in");
    assert!(response.batch_item_failures.is_empty());
    assert_eq!(handler.store().items.len(), 1);
    let given = given.borrow();
    let fields: BTreeSet<&str> = given.letters.iter().map(|letter| &*letter.field).collect();
    assert_eq!(given.letters.len(), 7);
    assert!(fields.is_superset(&["record", "data", "sequenceNumber"].into()), "{fields:?}");
}

#[test]
fn what_is_no_batch_and_a_sink_that_fails_are_errors() {
    let (mut handler, given) = handler(MemoryStore::default());
    let error = handler.handle(&json!({"source": "aws.events"}), &mut |_| {}).expect_err("is refused");
    assert!(error.to_string().contains("Kinesis event source"));
    given.borrow_mut().fails = true;
    let records = records(20, 1);
    assert!(handler.handle(&event(&records), &mut |_| {}).is_err());
    assert!(handler.store().items.is_empty());
    given.borrow_mut().fails = false;
    assert!(handler.handle(&event(&records), &mut |_| {}).is_ok());
    assert_eq!(found(handler.store(), &given.borrow()), expected(&records));
}

#[test]
fn a_state_that_cannot_be_read_stops_its_tenant_and_no_other() {
    let events = log(30, 3);
    let records: Vec<Record> = (1..).zip(&events).map(|(sequence, event)| record(sequence, line(event))).collect();
    let damaged = events[4].tenant.to_string();
    let (mut handler, _) = handler(MemoryStore::default());
    let item = TenantItem { version: 1, state: vec![99], ..TenantItem::default() };
    handler.store_mut().items.insert(damaged.clone(), item.clone());
    let response = handler.handle(&event(&records), &mut |_| {}).expect("is taken in");
    let first = events.iter().position(|event| *event.tenant == damaged).expect("is there") + 1;
    assert_eq!(response.batch_item_failures[0].item_identifier, first.to_string());
    assert_eq!(handler.store().items[&damaged], item);
    assert!(handler.store().items.len() > 1);
}

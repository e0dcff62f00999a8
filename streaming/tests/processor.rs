//! What holds for every log, however it is cut, delivered again and interleaved.

mod world;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use churn_events::{DAY_MS, Event, ObservationDate, Timestamp};
use churn_features::{FeatureReader, FeatureStore, StoreOptions};
use churn_model::{Model, Scorer};
use churn_streaming::{
    Batch, Output, Processor, ProcessorOptions, Record, ScoreRecord, ScoreWhen, Scoring, Shard, kpl,
};
use proptest::prelude::*;
use world::{batch, line, log, record, scoring, shard};

static MODEL: LazyLock<Model> = LazyLock::new(world::model);

const POLICIES: [ScoreWhen; 6] = [
    ScoreWhen::Never,
    ScoreWhen::Events,
    ScoreWhen::Changes { least: 0.01 },
    ScoreWhen::Crossings,
    ScoreWhen::Every { interval_ms: 36_000_000 },
    ScoreWhen::Daily,
];

fn processor(when: ScoreWhen) -> Processor {
    Processor::new(ProcessorOptions { when, ..ProcessorOptions::default() }, Some(scoring(&MODEL)))
}

/// Score records by tenant, in the order of each.
fn by_tenant(scores: &[ScoreRecord]) -> BTreeMap<&str, Vec<&ScoreRecord>> {
    let mut tenants: BTreeMap<&str, Vec<&ScoreRecord>> = BTreeMap::new();
    scores.iter().for_each(|record| tenants.entry(&record.tenant).or_default().push(record));
    tenants
}

/// All of it from one shard, at once.
fn whole(events: &[Event<'_>], when: ScoreWhen) -> (Processor, Output) {
    let mut processor = processor(when);
    let mut output = Output::default();
    let records = events.iter().zip(0..).map(|(event, sequence)| record(sequence, line(event))).collect();
    processor.apply(&batch(&shard("one"), records), &mut output);
    let end = world::START.plus_days(45);
    let due = processor.due(end);
    processor.score_at(end, &due, &mut output);
    (processor, output)
}

/// The shard of an event: all of a tenant's are in one.
fn shard_of(event: &Event<'_>, n_shards: usize) -> usize {
    event.tenant.bytes().map(usize::from).sum::<usize>() % n_shards
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn cuts_repetitions_and_shards_change_nothing(
        seed in any::<u64>(),
        n_events in 1..600_usize,
        n_shards in 1..5_usize,
        policy in 0..POLICIES.len(),
        packs in any::<bool>(),
    ) {
        let (events, when) = (log(n_events, seed), POLICIES[policy]);
        let (expected, expected_output) = whole(&events, when);
        let mut dice = world::Dice(seed ^ 1);
        let shards: Vec<Arc<Shard>> = (0..n_shards).map(|number| shard(&format!("shard-{number}"))).collect();
        let mut left: Vec<Vec<Record>> = vec![Vec::new(); n_shards];
        for event in &events {
            let records = &mut left[shard_of(event, n_shards)];
            records.push(record(records.len() as u64 * 1_000, line(event)));
        }
        let mut begins = vec![0; n_shards];
        let (mut processor, mut output) = (processor(when), Output::default());
        while let Some(at) = (0..n_shards).filter(|at| begins[*at] < left[*at].len()).nth(dice.roll(2) as usize)
            .or_else(|| (0..n_shards).find(|at| begins[*at] < left[*at].len()))
        {
            let end = (begins[at] + 1 + dice.roll(40) as usize).min(left[at].len());
            // Some of what was there is delivered again.
            let begin = begins[at].saturating_sub(dice.roll(30) as usize);
            let mut records = left[at][begin..end].to_vec();
            if packs && begin == begins[at] && records.len() > 1 {
                let parts = records.iter().map(|record| ("any tenant", None, record.data.as_slice()));
                let aggregate = Record { data: kpl::pack(parts), ..records[records.len() - 1].clone() };
                records = vec![aggregate];
            }
            processor.apply(&batch(&shards[at], records), &mut output);
            begins[at] = end;
        }
        let end = world::START.plus_days(45);
        let due = processor.due(end);
        processor.score_at(end, &due, &mut output);
        prop_assert!(processor.store() == expected.store());
        prop_assert_eq!(by_tenant(&output.scores), by_tenant(&expected_output.scores));
        prop_assert_eq!(processor.counts().scores, output.scores.len() as u64);
    }

    /// The slow twin: a store that is asked anew for each score.
    #[test]
    fn a_score_is_that_of_the_features_on_the_coming_date(seed in any::<u64>(), n_events in 1..300_usize) {
        let events = log(n_events, seed);
        let (_, output) = whole(&events, ScoreWhen::Events);
        let reader = FeatureReader::new(MODEL.schema()).expect("features of the catalogue");
        let scorer = Scorer::new(&MODEL);
        let mut store = FeatureStore::new(StoreOptions::default());
        let mut row = vec![0.0; reader.width()];
        let mut scores = output.scores.iter();
        for event in &events {
            let applied = store.apply(event).expect("there is room");
            let state = store.state(&event.tenant).expect("is there");
            let date = state.first_date();
            prop_assert!(date.start() > event.received_at);
            if applied != churn_features::Applied::Counted || state.has_cancelled_at(date) {
                continue;
            }
            state.features_at(date, &reader, &mut row).expect("is to come");
            let record = scores.next().expect("a record for each event that counts");
            prop_assert_eq!((&*record.tenant, record.observation_date), (event.tenant.as_ref(), date));
            prop_assert_eq!(record.score.to_bits(), scorer.score(&row).to_bits());
            prop_assert_eq!(record.at_risk, record.score >= MODEL.threshold().score);
            prop_assert_eq!(f64::from(record.company.job30), f64::from(row[MODEL.schema().features().iter()
                .position(|feature| feature.name() == "job30").expect("is in the catalogue")]));
        }
        prop_assert!(scores.next().is_none());
    }
}

#[test]
fn daily_scores_are_those_of_the_batch_path_on_every_date() {
    let events = log(2_000, 7);
    let (_, output) = whole(&events, ScoreWhen::Daily);
    let reader = FeatureReader::new(MODEL.schema()).expect("features of the catalogue");
    let scorer = Scorer::new(&MODEL);
    let mut expected: BTreeMap<(String, i32), u64> = BTreeMap::new();
    let mut store = FeatureStore::new(StoreOptions::default());
    let mut events = events.iter().peekable();
    for date in (0..=45).map(|days| world::START.plus_days(days)) {
        while let Some(event) = events.next_if(|event| event.received_at < date.start()) {
            store.apply(event).expect("there is room");
        }
        for (tenant, row) in store.features_at(date, &reader).expect("has come").rows() {
            if !store.state(tenant).expect("is there").has_cancelled_at(date) {
                expected.insert((tenant.to_owned(), date.days()), scorer.score(row).to_bits());
            }
        }
    }
    let found: BTreeMap<(String, i32), u64> = output
        .scores
        .iter()
        .map(|record| ((record.tenant.to_string(), record.observation_date.days()), record.score.to_bits()))
        .collect();
    assert!(expected.len() > 300);
    assert_eq!(found, expected);
    assert_eq!(output.scores.len(), expected.len(), "no date twice");
}

#[test]
fn policies_say_less_and_less() {
    let events = log(3_000, 5);
    let n = |when| whole(&events, when).1.scores.len();
    let all = n(ScoreWhen::Events);
    let (any_change, change) = (n(ScoreWhen::Changes { least: 0.0 }), n(ScoreWhen::Changes { least: 0.05 }));
    assert!(all > any_change && any_change > change && change > 20, "{all} {any_change} {change}");
    assert_eq!(n(ScoreWhen::Never), 0);
    let (_, crossings) = whole(&events, ScoreWhen::Crossings);
    for records in by_tenant(&crossings.scores).values() {
        assert!(records[0].at_risk, "nobody is told of a tenant that never was at risk");
        assert!(records.windows(2).all(|pair| pair[0].at_risk != pair[1].at_risk));
    }
    assert!(crossings.scores.len() > 20);
    let (_, hourly) = whole(&events, ScoreWhen::Every { interval_ms: 3_600_000 });
    for records in by_tenant(&hourly.scores).values() {
        let received = |record: &ScoreRecord| record.received_at.millis();
        assert!(records.windows(2).all(|pair| received(pair[1]) - received(pair[0]) >= 3_600_000));
    }
}

#[test]
fn an_event_that_was_put_twice_scores_once() {
    let (mut processor, mut output) = (processor(ScoreWhen::Events), Output::default());
    let event = log(1, 1).remove(0);
    let records = (0..3).map(|sequence| record(sequence, line(&event))).collect();
    processor.apply(&batch(&shard("one"), records), &mut output);
    let counts = processor.event_counts();
    assert_eq!((output.scores.len(), counts.counted, counts.duplicate), (1, 1, 2));
}

#[test]
fn a_clock_that_was_decades_behind_costs_two_years_of_scores_at_most() {
    let (mut processor, mut output) = (processor(ScoreWhen::Daily), Output::default());
    let lines = [0, 20_000].map(|days| {
        let received_at = ObservationDate::from_days(days).start();
        let mut event = log(1, 1).remove(0);
        (event.id, event.occurred_at, event.received_at) = (days.to_string().into(), received_at, received_at);
        line(&event)
    });
    let records = lines.into_iter().zip(0..).map(|(line, sequence)| record(sequence, line)).collect();
    processor.apply(&batch(&shard("one"), records), &mut output);
    assert_eq!(output.scores.len(), 2 * 366);
    assert_eq!(output.scores[731].observation_date, ObservationDate::from_days(20_000));
}

#[test]
fn what_is_received_later_than_now_is_received_now_and_now_goes_on() {
    let later = |n: i64| Timestamp::from_millis(world::START.start().millis() + n * DAY_MS);
    let mut processor = processor(ScoreWhen::Never);
    for (n, now) in [(1, 1), (10, 10), (90, 11)] {
        processor.set_latest_receipt(later(now));
        let mut event = log(1, 1).remove(0);
        (event.id, event.occurred_at, event.received_at) = (n.to_string().into(), later(n), later(n));
        processor.apply(&batch(&shard("one"), vec![record(n as u64, line(&event))]), &mut Output::default());
        assert_eq!(processor.received_up_to(), Some(later(now)));
    }
    let counts = processor.event_counts();
    assert_eq!((counts.counted, counts.total()), (2, 3));
}

#[test]
fn a_producers_clock_that_is_ahead_carries_nobody_into_the_future() {
    let now = world::START.start();
    let event_at = |n: i64| {
        let mut event = log(1, 1).remove(0);
        (event.id, event.occurred_at) = (n.to_string().into(), Timestamp::from_millis(now.millis() + n));
        event.received_at = Timestamp::from_millis(4_102_444_799_000);
        line(&event)
    };
    for ahead_ms in [100 * 365 * DAY_MS, i64::MAX - now.millis()] {
        let (mut processor, mut output) = (processor(ScoreWhen::Daily), Output::default());
        for (n, ahead_ms) in [(1, 0), (2, ahead_ms), (3, 0)] {
            processor.set_latest_receipt(Timestamp::from_millis(now.millis() + n));
            let record = arrived(n as u64, (now.millis() + n).saturating_add(ahead_ms), event_at(n));
            processor.apply(&batch(&shard("one"), vec![record]), &mut output);
            assert_eq!(processor.received_up_to(), Some(Timestamp::from_millis(now.millis() + n)));
        }
        assert_eq!((processor.event_counts().counted, output.scores.len()), (3, 0));
    }
}

#[test]
fn arrivals_that_are_no_time_of_ours_are_the_first_or_the_last() {
    // Neither says when it was received.
    let login = br#"{"specversion":"1.0","id":"1","source":"/jobs","type":"com.anycompany.bdcp.user.login",
        "subject":"tenant-7","time":"2026-03-01T12:30:45Z","data":{"userId":"ann","sessionId":"s-1"}}"#;
    let jobs = br#"{"companyID": "comp_4", "userID": "user_1", "nbJobs": 3, "creationDate": "2024-10-03"}"#;
    for (arrived_ms, expected_ms) in [(i64::MIN, 0), (i64::MAX, 47_847 * DAY_MS - 1)] {
        for when in POLICIES {
            let (mut processor, mut output) = (processor(when), Output::default());
            let records = [login.as_slice(), jobs].into_iter().zip(1..);
            let records = records.map(|(data, sequence)| arrived(sequence, arrived_ms, data.to_vec())).collect();
            processor.apply(&batch(&shard("one"), records), &mut output);
            assert!(output.dead_letters.is_empty() && processor.event_counts().total() > 1);
            assert_eq!(output.received_up_to, Some(Timestamp::from_millis(expected_ms)));
            let date = ObservationDate::from_days(47_847);
            let due = processor.due(date);
            processor.score_at(date, &due, &mut output);
        }
    }
}

#[test]
fn a_tenant_that_cancelled_is_not_scored_any_more() {
    let (_, output) = whole(&log(3_000, 5), ScoreWhen::Events);
    let last = |tenant: &str| {
        output.scores.iter().filter(|record| &*record.tenant == tenant).map(|record| record.received_at).max()
    };
    assert!(last("tenant-3") < last("tenant-4"));
}

fn arrived(sequence: u64, arrived_ms: i64, data: Vec<u8>) -> Record {
    Record { arrived_at: Some(Timestamp::from_millis(arrived_ms)), ..record(sequence, data) }
}

#[test]
fn payloads_of_the_original_producers_are_taken_in() {
    let company = br#"{"companyID": "comp_4", "revenu": 99420, "industry": "retail", "employee": 4635, "job30": 10,
        "job90": 100, "monthlyFee": 400.5, "totalFee": 1200, "riskOfChurn": false}"#;
    let jobs = br#"{"companyID": "comp_4", "userID": "user_1", "nbJobs": 3, "creationDate": "2024-10-03"}"#;
    let now = world::START.start().millis();
    let (mut processor, mut output) = (processor(ScoreWhen::Events), Output::default());
    let companies = Arc::new(Shard::new("companies", "companies/shard-0"));
    let jobs_shard = Arc::new(Shard::new("bigdatajobs", "bigdatajobs/shard-0"));
    processor.apply(&batch(&companies, vec![arrived(1, now, company.to_vec())]), &mut output);
    processor.apply(&batch(&jobs_shard, vec![arrived(1, now, jobs.to_vec())]), &mut output);
    assert_eq!((output.scores.len(), output.dead_letters.len()), (4, 0));
    let json = serde_json::to_value(&output.scores[3]).expect("is written");
    let of = |name: &str| json[name].clone();
    assert_eq!((of("companyID"), of("industry"), of("revenu")), ("comp_4".into(), "retail".into(), 99420.0.into()));
    assert_eq!((of("employee"), of("job30"), of("monthlyFee")), (4635.into(), 3.into(), 400.5.into()));
    assert_eq!(json["event"]["source"], "/legacy/bigdatajobs");
}

/// Everything that a stream can hold and that is no event: counted, buried, never a stop.
#[test]
fn poison_is_buried_and_stops_nothing() {
    let good = |number: usize| line(&log(40, 3)[number]);
    let mut aggregate = kpl::pack([("tenant", None, good(0).as_slice()), ("tenant", None, b"{}".as_slice())]);
    let mut cut = aggregate.clone();
    cut.truncate(cut.len() - 9);
    let mut no_text = good(1);
    no_text[5] = 0xff;
    let poison: Vec<Vec<u8>> = vec![
        Vec::new(),
        b" \n".to_vec(),
        b"{".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        vec![0; 1 << 20],
        [b"{\"x\":\"".to_vec(), vec![b'x'; 1 << 20], b"\"}".to_vec()].concat(),
        vec![0xff, 0xfe, 0x00],
        no_text,
        b"eyJzcGVjdmVyc2lvbiI6IjEuMCJ9".to_vec(),
        cut,
        vec![0xf3, 0x89, 0x9a, 0xc2],
        "[".repeat(1 << 20).into_bytes(),
        String::from_utf8(good(2)).expect("text").replace("\"1.0\"", "\"0.3\"").into_bytes(),
        br#"{"companyID": "c", "userID": "u", "nbJobs": -1, "creationDate": "2024-10-03"}"#.to_vec(),
        br#"{"companyID": "c", "userID": "u", "nbJobs": 99999999, "creationDate": "2024-10-03"}"#.to_vec(),
        br#"{"companyID": "c", "employee": "many"}"#.to_vec(),
    ];
    let n_poison = poison.len();
    // A good record after each, a whole aggregate of which one part is no event, and an unknown type.
    let mut sequence = 0;
    let mut records = Vec::new();
    for (number, data) in poison.into_iter().enumerate() {
        for data in [data, good(number)] {
            sequence += 1;
            records.push(record(sequence, data));
        }
    }
    records.push(record(sequence + 1, std::mem::take(&mut aggregate)));
    let unknown = String::from_utf8(good(20)).expect("text");
    let event_type = unknown.split("\"type\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("has a type");
    records.push(record(sequence + 2, unknown.replace(event_type, "org.other.thing").into_bytes()));
    let (mut processor, mut output) = (processor(ScoreWhen::Events), Output::default());
    processor.apply(&batch(&shard("poisoned"), records), &mut output);
    let counts = processor.counts();
    assert_eq!(
        counts.malformed as usize,
        n_poison + 1,
        "{:#?}",
        output.dead_letters.iter().map(|l| &l.reason).collect::<Vec<_>>()
    );
    assert_eq!((counts.unknown, output.dead_letters.len()), (1, n_poison + 1));
    assert_eq!(
        processor.event_counts().total() as usize,
        n_poison + 1,
        "a good one after each, and one in the aggregate"
    );
    let letter = &output.dead_letters[2];
    assert_eq!((letter.source.as_str(), letter.position.as_str(), letter.field.as_ref()), ("poisoned", "5", "line"));
    assert_eq!(output.dead_letters[n_poison].position, (sequence + 1).to_string() + "/1");
}

#[test]
fn a_shard_without_records_and_a_clock_going_back_are_nothing_special() {
    let events = log(200, 11);
    let (mut processor, mut output) = (processor(ScoreWhen::Events), Output::default());
    processor.apply(&batch(&shard("empty"), Vec::new()), &mut output);
    assert!(processor.positions().is_empty());
    // Arrivals that jump back and forth by hours, with receipt claimed for the year 2090.
    let start = world::START.start().millis();
    let records: Vec<Record> = events
        .iter()
        .zip(1..)
        .map(|(event, sequence)| {
            let mut ahead = event.clone();
            ahead.received_at = Timestamp::from_millis(3_800_000_000_000);
            let back_ms = if sequence % 3 == 0 { 7_200_000 } else { 0 };
            arrived(sequence, start + 40 * 86_400_000 + sequence as i64 - back_ms, line(&ahead))
        })
        .collect();
    processor.apply(&batch(&shard("clock"), records), &mut output);
    assert_eq!((processor.counts().records, output.dead_letters.len()), (events.len() as u64, 0));
    let last = output.scores.iter().map(|record| record.observation_date).max().expect("some are in time");
    assert_eq!(last, world::START.plus_days(41), "nobody was carried into 2090");
}

#[test]
fn parts_of_an_aggregate_that_belong_to_another_shard_are_left_to_it() {
    let events: Vec<Event<'static>> = log(60, 2);
    let lines: Vec<(String, Vec<u8>)> = events.iter().map(|event| (event.tenant.to_string(), line(event))).collect();
    let data = kpl::pack(lines.iter().map(|(tenant, line)| (tenant.as_str(), None, line.as_slice())));
    let half = u128::MAX / 2;
    let mut output = Output::default();
    let mut n_records = 0;
    let mut processor = processor(ScoreWhen::Never);
    for (name, hash_keys) in [("low", 0..=half), ("high", half + 1..=u128::MAX)] {
        let shard = Arc::new(Shard { hash_keys: Some(hash_keys), ..Shard::new("events", name) });
        let batch = Batch::new(shard, vec![record(1, data.clone())]);
        let before = processor.counts().records;
        processor.apply(&batch, &mut output);
        assert!(processor.counts().records > before, "each has some");
        n_records = processor.counts().records;
    }
    assert_eq!(n_records, events.len() as u64, "and together they have all, once");
}

#[test]
fn tenants_beyond_the_most_are_refused_and_the_others_go_on() {
    let store = StoreOptions { max_tenants: 5, ..StoreOptions::default() };
    let options = ProcessorOptions { store, when: ScoreWhen::Events, latest_receipt: None };
    let mut processor = Processor::new(options, Some(scoring(&MODEL)));
    let mut output = Output::default();
    let records = log(500, 1).iter().zip(0..).map(|(event, sequence)| record(sequence, line(event))).collect();
    processor.apply(&batch(&shard("one"), records), &mut output);
    assert_eq!(processor.store().len(), 5);
    assert!(processor.event_counts().refused > 100 && !output.scores.is_empty());
}

#[test]
fn a_model_of_a_table_is_refused_with_what_to_do() {
    let error = Scoring::new(&world::table_model(), 3).expect_err("no event tells a shoe size");
    assert!(error.to_string().contains("train it on events"), "{error}");
}

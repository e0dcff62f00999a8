//! Kafka as source and sink, against brokers that speak its protocol, in this process.

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use churn_events::{Event, Timestamp};
use churn_model::Model;
use churn_streaming::{
    Batch, CheckpointFolder, Consumer, FileSource, KafkaError, KafkaOptions, KafkaSink, KafkaSource, LineSink,
    NamedSink, Next, ProcessorOptions, Retries, Retry, ScoreWhen, Sink, Source, SourceError,
};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use world::{Dice, line, lines, log, scoring};

const WAIT: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(60);
const PARTITIONS: i32 = 4;

static MODEL: LazyLock<Model> = LazyLock::new(world::model);

type Cluster = MockCluster<'static, DefaultProducerContext>;

fn cluster(topics: &[&str]) -> Cluster {
    let cluster = MockCluster::new(3).expect("starts");
    for topic in topics {
        cluster.create_topic(topic, PARTITIONS, 3).expect("is made");
    }
    cluster
}

fn options(cluster: &Cluster, more: &[&str]) -> KafkaOptions {
    let servers = format!("bootstrap.servers={}", cluster.bootstrap_servers());
    // Brokers that went away come back soon.
    let soon = "reconnect.backoff.max.ms=200";
    let properties = [servers.as_str(), soon].into_iter().chain(more.iter().copied());
    KafkaOptions { properties: properties.map(|text| text.parse().expect("is one")).collect(), partitions: None }
}

/// Messages with keys, in their order; without a payload where there is none.
fn produce<'a>(cluster: &Cluster, topic: &str, messages: impl Iterator<Item = (&'a str, Option<Vec<u8>>, i64)>) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", cluster.bootstrap_servers());
    config.set("enable.idempotence", "true").set("partitioner", "murmur2_random");
    let producer: BaseProducer = config.create().expect("is made");
    for (key, payload, time) in messages {
        let mut record = BaseRecord::to(topic).key(key).timestamp(time);
        if let Some(payload) = &payload {
            record = record.payload(payload);
        }
        producer.send(record).map_err(|(error, _)| error).expect("is taken");
    }
    producer.flush(PATIENCE).expect("is delivered");
}

/// As a producer does that passes on what it receives, a while later.
fn produce_events(cluster: &Cluster, topic: &str, events: &[Event<'_>]) {
    let message = |event| -> (&str, Option<Vec<u8>>, i64) {
        let event: &Event<'_> = event;
        (&event.tenant, Some(line(event)), event.received_at.millis() + 250)
    };
    produce(cluster, topic, events.iter().map(message));
}

/// All messages of a topic: the partition, the key and the text.
fn messages(cluster: &Cluster, topic: &str) -> Vec<(i32, String, String)> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", cluster.bootstrap_servers()).set("group.id", "reader");
    config.set("enable.partition.eof", "true");
    let consumer: BaseConsumer = config.create().expect("is made");
    let mut all = TopicPartitionList::new();
    (0..PARTITIONS).for_each(|n| all.add_partition_offset(topic, n, Offset::Beginning).expect("is an offset"));
    consumer.assign(&all).expect("is assigned");
    let (mut found, mut ended) = (Vec::new(), BTreeSet::new());
    while ended.len() < PARTITIONS as usize {
        match consumer.poll(PATIENCE).expect("answers") {
            Ok(message) => {
                let text =
                    |bytes: Option<&[u8]>| String::from_utf8(bytes.expect("is there").to_vec()).expect("is text");
                found.push((message.partition(), text(message.key()), text(message.payload())));
            }
            Err(rdkafka::error::KafkaError::PartitionEOF(partition)) => drop(ended.insert(partition)),
            Err(error) => panic!("{error}"),
        }
    }
    found
}

fn named(name: &str, sink: impl Sink + 'static) -> NamedSink {
    NamedSink { name: name.to_owned(), sink: Box::new(sink) }
}

/// A process's life: what it consumes with, and the source behind its checkpoint.
struct Life {
    consumer: Consumer,
    source: KafkaSource,
    retries: Arc<Retries>,
}

impl Life {
    fn begin(folder: &Path, options: &KafkaOptions, topics: &[&str]) -> Result<Self, SourceError> {
        let retries = Arc::new(Retries::default());
        let state = CheckpointFolder::open(&folder.join("state"), Duration::ZERO).expect("is free");
        let sink = |topic| named(topic, KafkaSink::new(topic, options, Arc::clone(&retries)).expect("is made"));
        let when = ProcessorOptions { when: ScoreWhen::Changes { least: 0.0 }, ..ProcessorOptions::default() };
        let (scores, dead) = (vec![sink("scores")], vec![sink("dead")]);
        let consumer = Consumer::new(when, Some(scoring(&MODEL)), scores, dead, Some(state)).expect("is restored");
        let topics: Vec<String> = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let source = KafkaSource::open(&topics, options, &retries, consumer.processor().positions())?;
        Ok(Self { consumer, source, retries })
    }

    /// Takes in so many batches, or until all shards have said that they have no more.
    fn run(&mut self, n_batches: usize, n_shards: usize, mut between: impl FnMut(&Batch)) {
        let mut idle = BTreeMap::new();
        for _ in 0..n_batches {
            match self.source.next(WAIT).expect("reads on") {
                Next::Batch(batch) => {
                    self.consumer.apply(&batch).expect("sinks take it");
                    idle.insert(batch.shard.name.clone(), batch.records.is_empty());
                    between(&batch);
                }
                Next::Idle => {}
                Next::End => panic!("a topic has no end"),
            }
            if idle.len() == n_shards && idle.values().all(|is_idle| *is_idle) {
                return;
            }
        }
    }

    fn checkpoint(&mut self) {
        let positions = self.consumer.checkpoint().expect("is written");
        self.source.note_checkpoint(positions).expect("is noted");
    }
}

/// The same log from a file, with its score records sorted.
fn replay(folder: &Path, events: &[Event<'_>]) -> (Consumer, BTreeSet<String>) {
    let (log, scores) = (folder.join("log.jsonl"), folder.join("scores.jsonl"));
    fs::write(&log, lines(events)).expect("is written");
    let options = ProcessorOptions { when: ScoreWhen::Changes { least: 0.0 }, ..ProcessorOptions::default() };
    let sink = named("scores", LineSink::file(&scores).expect("can be opened"));
    let mut consumer = Consumer::new(options, Some(scoring(&MODEL)), vec![sink], Vec::new(), None).expect("begins");
    let mut source = FileSource::open(&[log], None, |_| None).expect("is there");
    while let Next::Batch(batch) = source.next(WAIT).expect("is read") {
        consumer.apply(&batch).expect("sinks take it");
    }
    consumer.checkpoint().expect("is kept");
    let scores = fs::read_to_string(scores).expect("is there").lines().map(str::to_owned).collect();
    (consumer, scores)
}

fn of_topic(found: &SourceError) -> &KafkaError {
    found.source.downcast_ref().expect("is one of Kafka's")
}

#[test]
fn a_consumer_that_is_cut_off_anywhere_ends_as_a_file_that_is_replayed() {
    let events = log(10_000, 42);
    let folder = tempfile::tempdir().expect("a folder");
    let (expected, expected_scores) = replay(folder.path(), &events);
    let cluster = cluster(&["events", "scores", "dead"]);
    produce_events(&cluster, "events", &events);
    let options = options(&cluster, &[]);
    let mut dice = Dice(7);
    for _ in 0..6 {
        let mut life = Life::begin(folder.path(), &options, &["events"]).expect("begins");
        for _ in 0..dice.roll(3) {
            life.run(1 + dice.roll(4) as usize, usize::MAX, |_| {});
            life.checkpoint();
        }
        life.run(1 + dice.roll(4) as usize, usize::MAX, |_| {});
        if dice.roll(2) == 0 {
            // The sinks have kept what no checkpoint knows of.
            let before = fs::read(folder.path().join("state/checkpoint.json")).ok();
            life.checkpoint();
            drop(life);
            if let Some(before) = before {
                let manifest: serde_json::Value = serde_json::from_slice(&before).expect("is JSON");
                let states = manifest["states"].as_array().expect("a list");
                let is_there =
                    |name: &serde_json::Value| folder.path().join("state").join(name.as_str().expect("text")).exists();
                if states.iter().all(is_there) {
                    fs::write(folder.path().join("state/checkpoint.json"), before).expect("is written");
                }
            }
        }
    }
    let mut life = Life::begin(folder.path(), &options, &["events"]).expect("begins");
    life.run(usize::MAX, PARTITIONS as usize, |_| {});
    life.checkpoint();
    assert!(life.consumer.processor().store() == expected.processor().store());
    assert_eq!(life.consumer.processor().counts().scores, expected.processor().counts().scores);
    assert_eq!(life.consumer.processor().positions().len(), PARTITIONS as usize);
    let found = messages(&cluster, "scores");
    assert!(found.len() > expected_scores.len(), "nothing came twice: {}", found.len());
    assert_eq!(found.iter().map(|(_, _, text)| text.clone()).collect::<BTreeSet<String>>(), expected_scores);
    assert_eq!(messages(&cluster, "dead"), []);
    // Score records of a tenant lie where its events do.
    let partition_of: BTreeMap<String, i32> =
        messages(&cluster, "events").into_iter().map(|(partition, key, _)| (key, partition)).collect();
    assert!(found.iter().all(|(partition, key, _)| partition_of.get(key) == Some(partition)));
    assert!(partition_of.values().collect::<BTreeSet<_>>().len() > 1);
}

#[test]
fn offsets_are_committed_behind_checkpoints() {
    let cluster = cluster(&["events", "scores", "dead"]);
    produce_events(&cluster, "events", &log(500, 1));
    let folder = tempfile::tempdir().expect("a folder");
    let options = options(&cluster, &["group.id=watched"]);
    let mut life = Life::begin(folder.path(), &options, &["events"]).expect("begins");
    life.run(usize::MAX, PARTITIONS as usize, |_| {});
    life.checkpoint();
    let positions = life.consumer.processor().positions().clone();
    // A commit is under way until the client is asked again.
    let is_idle = |_| matches!(life.source.next(WAIT).expect("reads on"), Next::Idle);
    assert!((0..100).any(is_idle));
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", cluster.bootstrap_servers()).set("group.id", "watched");
    let watcher: BaseConsumer = config.create().expect("is made");
    let mut all = TopicPartitionList::new();
    all.add_partition_range("events", 0, PARTITIONS - 1);
    let committed = watcher.committed_offsets(all, PATIENCE).expect("answers");
    let mut seen = 0;
    for partition in committed.elements() {
        if let Some(position) = positions.get(&format!("events/{}", partition.partition())) {
            let next: i64 = position.sequence.to_string().parse::<i64>().expect("is a number") + 1;
            assert_eq!(partition.offset(), Offset::Offset(next));
            seen += 1;
        }
    }
    assert!(seen > 1 && seen == positions.len());
    assert!(life.retries.counts().is_empty(), "{:?}", life.retries.counts());
}

/// Reads on until each partition has said so many times that it has nothing; how many records came meanwhile.
fn hear_silence(source: &mut KafkaSource, times: usize) -> usize {
    let (mut said, mut n_records, mut n_idle) = (BTreeMap::<String, usize>::new(), 0, 0);
    while said.len() < PARTITIONS as usize || said.values().any(|said| *said < times) {
        match source.next(WAIT).expect("reads on") {
            Next::Batch(batch) if batch.is_sign_of_life() => *said.entry(batch.shard.name.clone()).or_default() += 1,
            Next::Batch(batch) => n_records += batch.records.len(),
            _ => n_idle += 1,
        }
        assert!(n_idle < 100, "{said:?}");
    }
    n_records
}

#[test]
fn partitions_say_again_and_again_that_they_have_nothing_while_brokers_answer() {
    let cluster = cluster(&["events"]);
    let options = options(&cluster, &["statistics.interval.ms=20", "fetch.wait.max.ms=10"]);
    let retries = Arc::new(Retries::default());
    let mut source = KafkaSource::open(&["events".to_owned()], &options, &retries, &BTreeMap::new()).expect("is there");
    assert_eq!(hear_silence(&mut source, 5), 0);
    (1..=3).for_each(|broker| cluster.broker_down(broker).expect("goes away"));
    // What was answered before may still be told.
    let mut n_idle = 0;
    for _ in 0..1_000 {
        n_idle = if matches!(source.next(WAIT / 10), Ok(Next::Idle)) { n_idle + 1 } else { 0 };
        if n_idle == 40 {
            break;
        }
    }
    assert_eq!(n_idle, 40, "brokers that are away are not silence");
    (1..=3).for_each(|broker| cluster.broker_up(broker).expect("comes back"));
    produce_events(&cluster, "events", &log(100, 2));
    assert_eq!(hear_silence(&mut source, 5) + hear_silence(&mut source, 5), 105);
}

#[test]
fn brokers_that_fail_for_a_while_cost_nothing() {
    let events = log(3_000, 5);
    let folder = tempfile::tempdir().expect("a folder");
    let (expected, expected_scores) = replay(folder.path(), &events);
    let cluster = cluster(&["events", "scores", "dead"]);
    produce_events(&cluster, "events", &events);
    let failing = [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN,
    ];
    cluster.request_errors(RDKafkaApiKey::Metadata, &failing[1..2]);
    let mut life =
        Life::begin(folder.path(), &options(&cluster, &["retry.backoff.ms=10"]), &["events"]).expect("begins");
    cluster.request_errors(RDKafkaApiKey::Fetch, &failing);
    let passing = [failing[0], failing[1], RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS];
    cluster.request_errors(RDKafkaApiKey::Produce, &passing);
    cluster.request_errors(RDKafkaApiKey::OffsetCommit, &failing[1..2]);
    let mut n_batches = 0;
    life.run(usize::MAX, PARTITIONS as usize, |_| {
        n_batches += 1;
        if n_batches == 2 {
            (1..=3).for_each(|broker| cluster.broker_down(broker).expect("goes away"));
        }
        if n_batches == 3 {
            (1..=3).for_each(|broker| cluster.broker_up(broker).expect("comes back"));
        }
    });
    // What was fetched before the brokers went away may have been all.
    (1..=3).for_each(|broker| cluster.broker_up(broker).expect("comes back"));
    life.checkpoint();
    assert!(life.consumer.processor().store() == expected.processor().store());
    let found: Vec<String> = messages(&cluster, "scores").into_iter().map(|(_, _, text)| text).collect();
    assert_eq!(found.len(), expected_scores.len(), "a message that was sent again stands twice");
    assert_eq!(found.into_iter().collect::<BTreeSet<String>>(), expected_scores);
    let retries = life.retries.counts();
    assert!(retries.contains_key(&("Fetch", Retry::Failed)), "{retries:?}");
}

#[test]
fn what_is_no_event_becomes_a_dead_letter() {
    let cluster = cluster(&["events", "scores", "dead"]);
    let events = log(200, 3);
    let controls = vec![1_u8; 500_000];
    let poison = [Some(b"poison".to_vec()), None, Some(vec![0xff, 0xfe]), Some(controls)];
    let poison = poison.into_iter().map(|payload| ("tenant-1", payload, 0));
    let good = events.iter().map(|event| (&*event.tenant, Some(line(event)), event.received_at.millis()));
    produce(&cluster, "events", poison.chain(good));
    let folder = tempfile::tempdir().expect("a folder");
    let (expected, _) = replay(folder.path(), &events);
    let mut life = Life::begin(folder.path(), &options(&cluster, &[]), &["events"]).expect("begins");
    life.run(usize::MAX, PARTITIONS as usize, |_| {});
    life.checkpoint();
    assert!(life.consumer.processor().store() == expected.processor().store());
    assert_eq!(life.consumer.processor().counts().malformed, 4);
    let letters = messages(&cluster, "dead");
    let letter = |at: usize| serde_json::from_str::<serde_json::Value>(&letters[at].2).expect("is JSON");
    assert_eq!(letters.len(), 4);
    assert_eq!(letters[0].1, letter(0)["source"].as_str().expect("is text"));
    assert_eq!((&letter(0)["position"], &letter(0)["text"]), (&"0".into(), &"poison".into()));
    assert_eq!(letter(1)["text"], "");
    assert_eq!(letter(2)["textBase64"], "//4=");
    // As JSON, it would be three times what a message may hold.
    assert_eq!(letter(3)["recordBytes"], 500_000);
}

#[test]
fn processes_share_partitions_and_together_end_as_one() {
    let events = log(2_000, 9);
    let whole = tempfile::tempdir().expect("a folder");
    let (expected, expected_scores) = replay(whole.path(), &events);
    let cluster = cluster(&["companies", "jobs", "scores", "dead"]);
    let (companies, jobs): (Vec<Event<'_>>, Vec<Event<'_>>) =
        events.iter().cloned().partition(|event| matches!(event.kind, churn_events::EventKind::TenantUpdated(_)));
    produce_events(&cluster, "companies", &companies);
    produce_events(&cluster, "jobs", &jobs);
    let mut n_tenants = 0;
    let (first, second) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    for (folder, partitions) in [(&first, "0-1"), (&second, "2,3")] {
        let options = KafkaOptions { partitions: Some(partitions.parse().expect("is some")), ..options(&cluster, &[]) };
        let mut life = Life::begin(folder.path(), &options, &["companies", "jobs"]).expect("begins");
        life.run(usize::MAX, 4, |_| {});
        life.checkpoint();
        n_tenants += life.consumer.processor().store().len();
    }
    assert_eq!(n_tenants, expected.processor().store().len());
    assert!(!expected_scores.is_empty() && !messages(&cluster, "scores").is_empty());

    // A partition does not leave its folder.
    let others = KafkaOptions { partitions: Some("1-3".parse().expect("is some")), ..options(&cluster, &[]) };
    let error = Life::begin(first.path(), &others, &["companies", "jobs"]).err().expect("is refused");
    let KafkaError::LeftOut { shard } = of_topic(&error) else { panic!("{error:?}") };
    assert!(shard.ends_with("/0"), "{shard}");
}

#[test]
fn what_cannot_be_read_is_said_at_the_start() {
    let cluster = cluster(&["events", "scores", "dead"]);
    cluster.create_topic("narrow", 2, 1).expect("is made");
    produce_events(&cluster, "events", &log(50, 3));
    let folder = tempfile::tempdir().expect("a folder");
    let begin = |options: &KafkaOptions, topics: &[&str]| {
        Life::begin(folder.path(), options, topics).err().expect("is refused")
    };
    let with = |partitions: &str| KafkaOptions {
        partitions: Some(partitions.parse().expect("is some")),
        ..options(&cluster, &[])
    };
    let error = begin(&with("3-4"), &["events"]);
    assert!(matches!(of_topic(&error), KafkaError::NoPartition { found: 4, partition: 4, .. }), "{error:?}");
    let error = begin(&with("0-1"), &["events", "narrow"]);
    assert!(matches!(of_topic(&error), KafkaError::Uneven { in_first: 4, in_second: 2, .. }), "{error:?}");
    assert_eq!(error.name, "kafka:narrow");
    cluster.topic_error("events", RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED).expect("is set");
    let error = begin(&options(&cluster, &[]), &["events"]);
    assert!(of_topic(&error).to_string().contains("authorization"), "{error:?}");

    let nothing = Arc::new(Retries::default());
    let error = KafkaSource::open(&["events".to_owned()], &KafkaOptions::default(), &nothing, &BTreeMap::new());
    assert!(matches!(of_topic(&error.err().expect("is refused")), KafkaError::NoBrokers));
    let wrong = options(&cluster, &["no.such.property=1"]);
    let error = KafkaSource::open(&["events".to_owned()], &wrong, &nothing, &BTreeMap::new());
    let error = error.err().expect("is refused");
    let KafkaError::Client { source } = of_topic(&error) else { panic!("{error:?}") };
    assert!(source.to_string().contains("no.such.property"), "{source}");
}

#[test]
fn a_checkpoint_beyond_the_end_of_a_partition_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    {
        let cluster = cluster(&["events", "scores", "dead"]);
        produce_events(&cluster, "events", &log(500, 3));
        let mut life = Life::begin(folder.path(), &options(&cluster, &[]), &["events"]).expect("begins");
        life.run(usize::MAX, PARTITIONS as usize, |_| {});
        life.checkpoint();
    }
    let anew = cluster(&["events", "scores", "dead"]);
    produce_events(&anew, "events", &log(20, 3));
    let error = Life::begin(folder.path(), &options(&anew, &[]), &["events"]).err().expect("is refused");
    assert!(matches!(of_topic(&error), KafkaError::Cut { .. }), "{error:?}");
    let earliest = options(&anew, &["auto.offset.reset=earliest"]);
    assert!(Life::begin(folder.path(), &earliest, &["events"]).is_ok());
}

#[test]
fn messages_that_are_not_delivered_are_an_error_of_the_checkpoint() {
    let cluster = cluster(&["events", "scores", "dead"]);
    produce_events(&cluster, "events", &log(300, 3));
    let folder = tempfile::tempdir().expect("a folder");
    let options = options(&cluster, &["message.timeout.ms=1000"]);
    let mut life = Life::begin(folder.path(), &options, &["events"]).expect("begins");
    cluster.topic_error("scores", RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED).expect("is set");
    let mut is_refused = false;
    let mut given = 0;
    while !is_refused && given < 300 {
        if let Next::Batch(batch) = life.source.next(WAIT).expect("reads on") {
            given += batch.records.len();
            is_refused = life.consumer.apply(&batch).is_err();
        }
    }
    assert!(is_refused || life.consumer.checkpoint().is_err());
    drop(life);
    let state = CheckpointFolder::open(&folder.path().join("state"), Duration::ZERO).expect("is free");
    assert_eq!((state.number(), state.positions().len()), (0, 0));
}

/// The program as a process, and what it says.
struct Running {
    child: Child,
    told: Lines<BufReader<ChildStderr>>,
}

impl Running {
    fn start(folder: &Path, cluster: &Cluster) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_consume"))
            .current_dir(folder)
            .args(["--source=kafka:events", "--sink=kafka:scores", "--model=.", "--reasons=2", "--state=state"])
            .args(["--checkpoint-every=20ms", "--status-every=50ms", "--kafka-property"])
            .arg(format!("bootstrap.servers={}", cluster.bootstrap_servers()))
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let told = BufReader::new(child.stderr.take().expect("is piped")).lines();
        Self { child, told }
    }

    fn wait_for(&mut self, is_it: impl Fn(&str) -> bool) {
        let is_there = self.told.any(|line| is_it(&line.expect("is text")));
        assert!(is_there, "it has ended");
    }

    /// Asks it to end, and listens until it has.
    fn end(mut self) {
        Command::new("kill").arg(self.child.id().to_string()).status().expect("is sent");
        self.told.by_ref().for_each(drop);
        assert!(self.child.wait().expect("ends").success());
    }
}

#[test]
fn a_message_of_the_future_carries_nobody_there() {
    let folder = tempfile::tempdir().expect("a folder");
    MODEL.write(&folder.path().join("model.safetensors")).expect("is written");
    let cluster = cluster(&["events", "scores"]);
    let mut event = log(1, 1).remove(0);
    event.received_at = Timestamp::from_millis(4_102_444_799_000);
    produce_events(&cluster, "events", &[event.clone()]);
    let mut running = Running::start(folder.path(), &cluster);
    running.wait_for(|line| line.starts_with("consume: 1 records ("));
    running.end();
    let state = CheckpointFolder::open(&folder.path().join("state"), Duration::ZERO).expect("is free");
    let processor = state.restore(ProcessorOptions::default(), None).expect("is read");
    let received_at = processor.received_up_to().expect("has come");
    assert!(event.occurred_at < received_at && received_at.date() < event.received_at.date().plus_days(-365));
}

#[test]
fn the_program_is_killed_and_goes_on() {
    let events = log(10_000, 11);
    let folder = tempfile::tempdir().expect("a folder");
    let (expected, expected_scores) = replay(folder.path(), &events);
    MODEL.write(&folder.path().join("model.safetensors")).expect("is written");
    let cluster = cluster(&["events", "scores"]);
    let half = events.len() / 2;
    produce_events(&cluster, "events", &events[..half]);
    for n_lines in 1..4 {
        let mut running = Running::start(folder.path(), &cluster);
        (0..n_lines).for_each(|_| running.wait_for(|_| true));
        running.child.kill().expect("is there");
        running.child.wait().expect("has ended");
    }
    produce_events(&cluster, "events", &events[half..]);
    let mut running = Running::start(folder.path(), &cluster);
    let all = format!("consume: {} records (", events.len());
    running.wait_for(|line| line.starts_with(&all) && line.contains("0 records behind"));
    running.end();
    let state = CheckpointFolder::open(&folder.path().join("state"), Duration::ZERO).expect("is free");
    let when = ProcessorOptions { when: ScoreWhen::Changes { least: 0.0 }, ..ProcessorOptions::default() };
    let processor = state.restore(when, Some(scoring(&MODEL))).expect("is read");
    assert!(processor.store() == expected.processor().store());
    let found: BTreeSet<String> = messages(&cluster, "scores").into_iter().map(|(_, _, text)| text).collect();
    assert_eq!(found, expected_scores);
}

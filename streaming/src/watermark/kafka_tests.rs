//! Dates over topics of Kafka, with a clock that goes on with every sign of life.

#[path = "../../tests/world/mod.rs"]
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;

use churn_events::DAY_MS;
use churn_streaming::{KafkaOptions, KafkaSource, Next, ProcessorOptions, Retries, ScoreWhen, Source as _};
use rdkafka::config::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::*;

#[test]
fn a_date_comes_though_a_partition_is_quiet_and_another_is_empty() {
    let cluster = MockCluster::new(1).expect("starts");
    cluster.create_topic("events", 3, 1).expect("is made");
    let servers = cluster.bootstrap_servers();
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", &servers).create().expect("is made");
    for partition in [0, 1] {
        let mut event = world::log(1, 1).remove(0);
        // On two dates, a tenant each.
        event.received_at = world::START.plus_days(partition).start();
        (event.occurred_at, event.tenant) = (event.received_at, format!("tenant-{partition}").into());
        let (line, time) = (world::line(&event), event.received_at.millis() + DAY_MS / 2);
        let record = BaseRecord::<(), _>::to("events").partition(partition).timestamp(time).payload(&line);
        producer.send(record).map_err(|(error, _)| error).expect("is taken");
    }
    producer.flush(Duration::from_secs(60)).expect("is delivered");

    let properties = [&format!("bootstrap.servers={servers}"), "statistics.interval.ms=20", "fetch.wait.max.ms=10"];
    let properties = properties.iter().map(|text| text.parse().expect("is one")).collect();
    let options = KafkaOptions { properties, partitions: None };
    let topics = ["events".to_owned()];
    let retries = Arc::new(Retries::default());
    let mut source = KafkaSource::open(&topics, &options, &retries, &BTreeMap::new()).expect("is there");
    let daily = ProcessorOptions { when: ScoreWhen::Daily, ..ProcessorOptions::default() };
    let scoring = Some(world::scoring(&world::model()));
    let mut consumer = Consumer::new(daily, scoring, Vec::new(), Vec::new(), None).expect("begins");
    let mut calendar = Calendar::begin(&consumer);
    let mut n_idle = 0;
    while consumer.processor().counts().scores == 0 {
        match source.next(Duration::from_millis(200)).expect("reads on") {
            Next::Batch(batch) => {
                if batch.is_sign_of_life() {
                    calendar.begun = calendar.begun.checked_sub(Duration::from_secs(1)).expect("is after the start");
                }
                let received_at = consumer.apply(&batch).expect("is taken in");
                calendar.note(&batch, received_at);
                calendar.advance(&mut consumer).expect("is scored");
            }
            _ => n_idle += 1,
        }
        assert!(n_idle < 50, "no date has come");
    }
    assert_eq!(calendar.last, Some(world::START.plus_days(1)));
    assert_eq!(consumer.processor().counts().scores, 1, "of the tenant of the date before");
}

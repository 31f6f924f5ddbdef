use std::time::{Duration, Instant};

use inventory_store::log::kafka::{KafkaLog, wanted_topic};
use inventory_store::log::{Assignment, Consumed, Log, LogError, Purpose};
use inventory_store::types::{NextOffset, Partition, Timestamp, Topic};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;

use super::{event, topic};
use crate::conformance::observe::Owner;
use crate::support::broker::Broker;

#[test]
fn what_is_created_is_described_as_wanted() {
    let Some(broker) = Broker::shared("kafka: creating topics") else { return };
    let config = broker.config();
    let log = KafkaLog::connect(&config).expect("connects");
    for topic in Topic::ALL {
        assert_eq!(log.describe(topic).expect("asked"), None, "describing creates nothing");
        let want = wanted_topic(&config.topics, topic, 4, 1 << 20, true);
        log.create(topic, &want).expect("creates");
        let have = log.describe(topic).expect("asked").expect("there");
        assert_eq!((have.partitions, have.replication), (want.partitions, want.replication));
        for (name, value) in &want.settings {
            assert_eq!(have.settings.get(name), Some(value), "{topic}: {name}");
        }
        assert!(matches!(log.create(topic, &want), Err(LogError::TopicExists { .. })));
    }
}

/// Its batches are larger than a plain producer's; a topic may take less.
#[test]
fn a_transaction_goes_into_topics_that_take_smaller_batches() {
    let Some(broker) = Broker::shared("kafka: topics that take small batches") else { return };
    let mut config = broker.config();
    config.producer.compression = "none".into();
    let log = KafkaLog::connect(&config).expect("connects");
    for topic in Topic::ALL {
        let mut want = wanted_topic(&config.topics, topic, 1, 1 << 20, true);
        if topic == Topic::Events {
            want.settings.insert("max.message.bytes".into(), "20000".into());
        }
        log.create(topic, &want).expect("creates");
    }
    let owner = Owner::of_all(log.as_ref(), &config.topics.commands, 1);
    let mut transactor = log.transactor("small batches").expect("a transactor");
    let large = "x".repeat(4000);
    transactor.stage(&vec![event(0, &large); 100]).expect("staged");
    let consumed = [Consumed { partition: Partition(0), next: NextOffset::ZERO, metadata: String::new() }];
    let positions = transactor.commit(&consumed, &owner.generation()).expect("committed");
    assert_eq!(positions.len(), 100);
}

#[test]
fn a_topic_that_is_not_there_is_named() {
    let Some(broker) = Broker::shared("kafka: missing topics") else { return };
    let config = broker.config();
    let log = KafkaLog::connect(&config).expect("connects");
    let unknown = |error: LogError| {
        let LogError::UnknownTopic { topic: Topic::Events, name } = &error else { panic!("{error}") };
        assert_eq!(*name, config.topics.events);
    };
    unknown(log.partitions(Topic::Events).expect_err("missing"));
    unknown(log.bounds(Topic::Events, Partition(0)).expect_err("missing"));
    unknown(log.offset_at(Topic::Events, Partition(0), Timestamp(1)).expect_err("missing"));
    for answer in log.appender().expect("an appender").append(vec![event(0, "x"), event(1, "y")]) {
        unknown(answer.expect_err("missing"));
    }
    // The broker makes topics by itself; nothing of ours may have asked it to.
    assert_eq!(log.describe(Topic::Events).expect("asked"), None);
}

#[test]
fn a_topic_deleted_under_a_reader_is_a_typed_error() {
    let Some(broker) = Broker::shared("kafka: deleted topics") else { return };
    let config = broker.config();
    let log = KafkaLog::connect(&config).expect("connects");
    log.create(Topic::Events, &topic(1)).expect("creates");
    log.appender().expect("an appender").append(vec![event(0, "x")]).pop().expect("one").expect("written");
    let from = [Assignment { topic: Topic::Events, partition: Partition(0), next: NextOffset::ZERO }];
    let mut reader = log.reader(Purpose::Live, &from).expect("a reader");
    let deadline = Instant::now() + Duration::from_secs(60);
    while reader.poll(10, Duration::from_millis(100)).expect("it is there").records.is_empty() {
        assert!(Instant::now() < deadline, "nothing was read");
    }
    let mut settings = ClientConfig::new();
    settings.set("bootstrap.servers", broker.bootstrap());
    let admin: AdminClient<DefaultClientContext> = settings.create().expect("an admin client");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let deleted = runtime.block_on(admin.delete_topics(&[&config.topics.events], &AdminOptions::new()));
    assert!(deleted.expect("asked").iter().all(Result::is_ok));
    let error = loop {
        assert!(Instant::now() < deadline, "no error for a deleted topic");
        match reader.poll(10, Duration::from_millis(200)) {
            Ok(batch) => assert!(batch.records.is_empty()),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, LogError::UnknownTopic { topic: Topic::Events, .. }), "{error}");
    assert!(reader.poll(10, Duration::from_millis(10)).is_err(), "until it is assigned anew");
}

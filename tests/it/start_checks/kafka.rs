use std::sync::Arc;
use std::time::Duration;

use inventory_store::config::KafkaConfig;
use inventory_store::config::lane::LaneConfig;
use inventory_store::lane::{CheckError, PartitionStatus, State};
use inventory_store::log::kafka::KafkaLog;
use inventory_store::log::{Log, TopicDescription};
use inventory_store::types::{Partition, Topic};
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::{check_error, config, day, directory};
use crate::support::broker::{self, Broker};
use crate::support::lanes;

const PARTITIONS: u16 = 2;

fn connect(config: &KafkaConfig) -> Arc<dyn Log> {
    KafkaLog::connect(config).expect("the log")
}

/// A log with 400 events, folded into stores under `directory`.
fn folded(config: &KafkaConfig, directory: &std::path::Path) -> Arc<dyn Log> {
    let log = connect(config);
    lanes::create_topics(log.as_ref(), PARTITIONS);
    lanes::publish(log.as_ref(), day(1, 400));
    lanes::run(&log, directory, &super::config());
    log
}

fn admin(broker: &Broker) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", broker.bootstrap()).create().expect("an admin client")
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(30), future).await }).expect("in 30 s")
}

#[test]
fn records_deleted_before_they_were_read_are_a_truncated_log() {
    let Some(broker) = Broker::shared("kafka: records deleted past the store's position") else { return };
    let (settings, place) = (broker.config(), directory());
    let log = folded(&settings, place.path());
    lanes::publish(log.as_ref(), day(2, 400));
    let mut all = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        all.add_partition_offset(&settings.topics.events, partition.into(), Offset::End)
            .expect("a partition");
    }
    wait(admin(broker).delete_records(&all, &AdminOptions::new())).expect("deleted");

    let error = check_error(lanes::start(&log, place.path(), &config()));
    assert!(matches!(error, CheckError::Truncated { .. }), "{error}");

    // And without a store, it is a log that lacks its beginning.
    let error = check_error(lanes::start(&log, directory().path(), &config()));
    assert!(matches!(error, CheckError::TruncatedHistory { .. }), "{error}");
}

#[test]
fn a_topic_deleted_and_made_anew_is_noticed_whatever_it_holds() {
    let Some(broker) = Broker::shared("kafka: the topic deleted and made anew") else { return };
    let (settings, place) = (broker.config(), directory());
    let log = folded(&settings, place.path());
    for (events, more) in [(0, "nothing"), (900, "more than before")] {
        let topics = [settings.topics.events.as_str(), settings.topics.dead_letters.as_str()];
        wait(admin(broker).delete_topics(&topics, &AdminOptions::new())).expect("deleted");
        let log = lanes::eventually("the topics gone", || {
            let fresh = connect(&settings);
            let gone = |topic| matches!(fresh.describe(topic), Ok(None));
            (gone(Topic::Events) && gone(Topic::DeadLetters)).then_some(fresh)
        });
        lanes::create_topics(log.as_ref(), PARTITIONS);
        lanes::eventually("the topics back", || log.bounds(Topic::Events, Partition(PARTITIONS - 1)).ok());
        lanes::publish(log.as_ref(), day(5, events));
        let error = check_error(lanes::start(&log, place.path(), &config()));
        match error {
            CheckError::AfterEnd { .. } if events == 0 => {}
            CheckError::Rewritten { .. } if events > 0 => {}
            other => panic!("holding {more}: {other}"),
        }
    }
    drop(log);
}

#[test]
fn a_topic_with_another_partition_count_is_refused_before_anything_is_made() {
    let Some(broker) = Broker::shared("kafka: topics with unlike partition counts") else { return };
    let place = directory();
    let log = connect(&broker.config());
    let want = TopicDescription { partitions: 3, replication: 1, settings: Default::default() };
    log.create(Topic::Results, &want).expect("a topic");
    lanes::create_topics(log.as_ref(), PARTITIONS);
    lanes::eventually("the topic is known", || log.partitions(Topic::Results).ok());
    let error = check_error(lanes::start(&log, place.path(), &config()));
    let CheckError::UnlikeTopics { topic: Topic::Results, events: PARTITIONS, found: 3 } = &error else {
        panic!("{error}")
    };
    assert!(error.to_string().contains("inventory-store topics check"), "{error}");
    assert!(lanes::stores(place.path()).homes().expect("a directory").is_empty(), "nothing was made");
}

#[test]
fn partitions_added_while_it_runs_stop_everything() {
    let Some(broker) = Broker::shared("kafka: partitions added to a topic in use") else { return };
    let (settings, place) = (broker.config(), directory());
    let log = folded(&settings, place.path());
    let watching = LaneConfig { watermark_interval_ms: 20, partition_check_interval_ms: 20, ..config() };
    let lanes = lanes::start(&log, place.path(), &watching).expect("started");
    let registry = lanes.registry();
    lanes::until_level(&log, &registry);
    let more = NewPartitions::new(&settings.topics.events, 3);
    let answers = wait(admin(broker).create_partitions(&[more], &AdminOptions::new())).expect("asked");
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    lanes::eventually("every partition stopped", || {
        let stopped = |status: &PartitionStatus| matches!(status.state, State::Failed { .. });
        registry.statuses().iter().all(stopped).then_some(())
    });
    let found = registry.halted().expect("the reason");
    assert!(matches!(found, CheckError::PartitionCount { store: PARTITIONS, log: 3, .. }), "{found}");
    lanes.stop();
    // It serves the stores for stale reads, and so holds them open.
    drop(registry);
    let error = check_error(lanes::start(&log, place.path(), &config()));
    // The other topics have as many as before.
    assert!(matches!(error, CheckError::UnlikeTopics { events: 3, found: PARTITIONS, .. }), "{error}");
}

#[test]
fn another_broker_is_another_cluster() {
    let Some(broker) = Broker::shared("kafka: a store on another cluster") else { return };
    let Some(other) = Broker::own("kafka: a store on another cluster", &broker::Options::default()) else {
        return;
    };
    let place = directory();
    drop(folded(&broker.config(), place.path()));
    let elsewhere = connect(&other.config());
    lanes::create_topics(elsewhere.as_ref(), PARTITIONS);
    let error = check_error(lanes::start(&elsewhere, place.path(), &config()));
    assert!(matches!(error, CheckError::OtherCluster { .. }), "{error}");
}

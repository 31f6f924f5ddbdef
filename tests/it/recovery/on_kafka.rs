//! Snapshots and recovery on a real broker.

use std::path::Path;
use std::time::Duration;

use inventory_store::config::KafkaConfig;
use inventory_store::log::kafka::KafkaLog;
use inventory_store::log::{Log, TopicDescription};
use inventory_store::snapshots::topic::{Reading, read};
use inventory_store::snapshots::{BaseError, Work};
use inventory_store::types::{NewRecord, Partition, Topic};
use serde_json::Value;

use crate::support::broker::Broker;
use crate::support::process::{Ran, run_with};
use crate::support::service::{Service, eventually};

pub fn variables(kafka: &KafkaConfig) -> Vec<(String, String)> {
    let topics = &kafka.topics;
    let mut variables: Vec<(String, String)> = [
        ("EVENTS", &topics.events),
        ("COMMANDS", &topics.commands),
        ("SNAPSHOTS", &topics.snapshots),
        ("RESULTS", &topics.results),
        ("DEAD_LETTERS", &topics.dead_letters),
    ]
    .map(|(key, name)| (format!("INVENTORY_STORE__KAFKA__TOPICS__{key}"), name.clone()))
    .into();
    for (key, value) in [
        ("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap_servers.as_str()),
        ("INVENTORY_STORE__CONTRACT__PARTITIONS", "2"),
        ("INVENTORY_STORE__LANE__GROUP", topics.events.as_str()),
        ("INVENTORY_STORE__LANE__INSTANCE", topics.events.as_str()),
        ("INVENTORY_STORE__SNAPSHOT__EVERY_EVENTS", "200"),
        ("INVENTORY_STORE__SNAPSHOT__CHUNK_BYTES", "4000"),
        ("INVENTORY_STORE__ARCHIVE__URL", "/nowhere"),
    ] {
        variables.push((key.into(), value.into()));
    }
    variables
}

pub fn run_on(variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
    run_with(arguments, variables, "", Path::new("."))
}

/// A record of the snapshots topic that is nothing of ours.
fn foreign(partition: Partition) -> NewRecord {
    NewRecord {
        topic: Topic::Snapshots,
        partition,
        timestamp: None,
        key: Some(b"SKU".to_vec()),
        value: Some(b"x".to_vec()),
        headers: Vec::new(),
    }
}

#[test]
fn a_service_on_kafka_comes_back_from_the_topic_however_it_ended() {
    let Some(broker) = Broker::shared("recovery: a service on Kafka") else { return };
    let settings = variables(&broker.config());
    let settings: Vec<(&str, &str)> = settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    run_on(&settings, &["topics", "create", "--development"]).ended(0);
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let generate = |events: &str, seed: &str| {
        run_on(&settings, &["generate", "--events", events, "--skus", "60", "--seed", seed]).ended(0);
    };

    let service = Service::start(&data, &settings);
    generate("3000", "1");
    service.wait_until_passed(3000, Duration::from_secs(60));
    assert_eq!(service.terminate(), Some(0));

    // Everything here is lost, and events came meanwhile.
    generate("300", "2");
    std::fs::remove_dir_all(&data).expect("lost");
    let service = Service::start(&data, &settings);
    service.wait_until_level(Duration::from_secs(60));
    assert!(service.log().contains("partition restored"), "{}", service.log());
    generate("1000", "3");
    eventually("a cycle is under way", Duration::from_secs(60), || {
        (service.get("/health/live").0 == 200 && service.passed() > 3500).then_some(())
    });
    service.kill();

    let service = Service::start(&data, &settings);
    service.wait_until_level(Duration::from_secs(90));
    assert_eq!(service.terminate(), Some(0));
    let data = data.display().to_string();
    run_on(&settings, &["verify", "--against", "live", "--data-dir", &data]).ended(0);
    run_on(&settings, &["verify", "--against", "snapshot", "--data-dir", &data]).ended(0);
}

/// How far a restore is shows while it lasts: here it is held up until it was seen.
#[test]
fn a_restore_shows_how_far_it_is() {
    let Some(broker) = Broker::shared("recovery: a restore is shown") else { return };
    let config = broker.config();
    let settings = variables(&config);
    let settings: Vec<(&str, &str)> = settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    run_on(&settings, &["topics", "create", "--development"]).ended(0);
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let service = Service::start(&data, &settings);
    run_on(&settings, &["generate", "--events", "1000", "--skus", "60", "--seed", "1"]).ended(0);
    service.wait_until_passed(1000, Duration::from_secs(60));
    assert_eq!(service.terminate(), Some(0));
    std::fs::remove_dir_all(&data).expect("lost");

    let mut patient = config.clone();
    // It must not end by itself before it was seen, however slow this machine is.
    patient.transactions.timeout_ms = 120_000;
    let log = KafkaLog::connect(&patient).expect("connects");
    let partition = Partition(0);
    let mut open = log.transactor(&config.topics.snapshots).expect("a transactor");
    open.stage(&[foreign(partition)]).expect("staged");
    eventually("the record is in the log", Duration::from_secs(60), || {
        let bounds = log.bounds(Topic::Snapshots, partition).expect("bounds");
        (bounds.high_watermark > bounds.last_stable).then_some(())
    });
    let service = Service::start(&data, &settings);
    let restoring = |partition: &Value| {
        partition["partition"] == 0
            && partition["state"] == "restoring"
            && partition["progress"]["phase"].is_string()
    };
    eventually("partition 0 shows how far its restore is", Duration::from_secs(60), || {
        let (status, ready) = service.get("/health/ready");
        let waiting = ready["waiting"].as_array().is_some_and(|waiting| waiting.iter().any(restoring));
        (status == 503 && waiting && service.partitions().iter().any(restoring)).then_some(())
    });
    open.abort().expect("aborted");
    service.wait_until_level(Duration::from_secs(60));
    assert!(service.partitions().iter().all(|partition| partition["progress"].is_null()));
}

#[test]
fn queries_neither_fail_nor_mix_during_cutovers_on_kafka() {
    let Some(broker) = Broker::shared("recovery: cutovers on Kafka") else { return };
    let settings = variables(&broker.config());
    let settings: Vec<(&str, &str)> = settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    run_on(&settings, &["topics", "create", "--development"]).ended(0);
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let service = Service::start(&data, &settings);
    service.wait_until_level(Duration::from_secs(60));
    super::jobs::hammered(&service, &settings);
    assert_eq!(service.terminate(), Some(0));
    let data = data.display().to_string();
    run_on(&settings, &["verify", "--against", "live", "--data-dir", &data]).ended(0);
    run_on(&settings, &["verify", "--against", "snapshot", "--data-dir", &data]).ended(0);
}

#[test]
#[cfg_attr(not(feature = "failpoints"), ignore = "needs the feature failpoints")]
fn a_repair_on_kafka_is_what_the_topic_gives_from_then_on() {
    let Some(broker) = Broker::shared("recovery: a repair on Kafka") else { return };
    let settings = variables(&broker.config());
    let settings: Vec<(&str, &str)> = settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    run_on(&settings, &["topics", "create", "--development"]).ended(0);
    let directory = tempfile::tempdir().expect("a directory");
    super::repairs::repaired(directory.path(), &settings);
}

/// An open transaction in the snapshots topic is waited for, not read past; and named when it does not end.
#[test]
fn an_open_transaction_in_the_snapshots_topic_is_named() {
    let Some(broker) = Broker::shared("recovery: an open transaction") else { return };
    let config = broker.config();
    let log = KafkaLog::connect(&config).expect("connects");
    let want = TopicDescription { partitions: 1, replication: 1, settings: Default::default() };
    log.create(Topic::Snapshots, &want).expect("a topic");
    let partition = Partition(0);
    let mut open = log.transactor(&config.topics.snapshots).expect("a transactor");
    open.stage(&[foreign(partition)]).expect("staged");
    eventually("the record is in the log", Duration::from_secs(60), || {
        let bounds = log.bounds(Topic::Snapshots, partition).expect("bounds");
        (bounds.high_watermark > bounds.last_stable).then_some(())
    });
    let scratch = tempfile::tempdir().expect("a directory");
    let reading =
        Reading { scratch: scratch.path().to_path_buf(), memory: 1 << 20, patience: Duration::from_secs(2) };
    match read(log.as_ref(), partition, &reading, &Work::default()).err() {
        Some(BaseError::Stalled { cause, .. }) => assert!(cause.contains("open transaction"), "{cause}"),
        other => panic!("{other:?}"),
    }
    open.abort().expect("aborted");
    let latest = read(log.as_ref(), partition, &reading, &Work::default()).expect("it ends by position");
    assert_eq!(latest.records, 0);
}

//! A store that stands here and cannot go on is set aside for the newest sound base, by itself.

use std::path::Path;
use std::time::Duration;

use inventory_store::config::log::LogConfig;
use inventory_store::log::embedded::EmbeddedLog;
use inventory_store::types::{NextOffset, Partition, Topic};

use super::on_demand::{numbers, settings, snapshot};
use super::on_kafka::{run_on, variables};
use super::service::{SETTINGS, generate, standing, verify};
use crate::support::broker::Broker;
use crate::support::process::run_with;
use crate::support::service::{Service, eventually};
use crate::support::topics::delete_before;

const SET_ASIDE: &str = "was set aside";

fn truncate(data: &Path, partition: u16, before: u64) {
    let config = LogConfig { partitions: 2, ..LogConfig::default() };
    let log = EmbeddedLog::open(&data.join("log"), &config).expect("the log");
    log.truncate(Topic::Events, Partition(partition), NextOffset(before)).expect("truncated");
}

/// Retention has passed the store, and a later base is there: another process had the partitions meanwhile.
#[test]
fn a_store_below_the_logs_start_is_restored_by_itself() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let service = Service::start(&data, &SETTINGS);
    generate(&service, 300, 1);
    assert_eq!(service.terminate(), Some(0));
    let left_behind = directory.path().join("left");
    std::fs::rename(data.join("partitions"), &left_behind).expect("moved");
    let service = Service::start(&data, &SETTINGS);
    generate(&service, 300, 2);
    assert_eq!(service.terminate(), Some(0));
    for (partition, (_, _, next, _)) in (0..).zip(standing(&data)) {
        truncate(&data, partition, next);
    }
    std::fs::remove_dir_all(data.join("partitions")).expect("gone");
    std::fs::rename(&left_behind, data.join("partitions")).expect("back");

    let service = Service::start(&data, &SETTINGS);
    service.wait_until_level(Duration::from_secs(60));
    let log = service.log();
    assert_eq!(log.matches(SET_ASIDE).count(), 2, "once for each partition: {log}");
    generate(&service, 200, 3);
    assert_eq!(service.terminate(), Some(0));
    verify(directory.path(), &data);
}

/// The same on a real broker, whose records were deleted.
#[test]
fn a_store_below_the_start_of_a_kafka_log_is_restored_by_itself() {
    let Some(broker) = Broker::shared("recovery: a store below the log's start") else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let (data, left_behind) = (directory.path().join("data"), directory.path().join("left"));
    let config = broker.config();
    let mut all = variables(&config);
    all.extend(settings("/nowhere").into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
    let settings: Vec<(&str, &str)> = all.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    run_on(&settings, &["topics", "create", "--development"]).ended(0);
    let applied = |service: &Service, events| {
        eventually("every event is applied", Duration::from_secs(60), || {
            (service.passed() >= events).then_some(())
        });
    };
    let service = Service::start(&data, &settings);
    run_on(&settings, &["generate", "--events", "600", "--skus", "60", "--seed", "1"]).ended(0);
    applied(&service, 600);
    assert_eq!(service.terminate(), Some(0));
    std::fs::rename(&data, &left_behind).expect("moved");
    let service = Service::start(&data, &settings);
    run_on(&settings, &["generate", "--events", "600", "--skus", "60", "--seed", "2"]).ended(0);
    applied(&service, 1200);
    let bases = numbers(&snapshot(&service), "next");
    assert_eq!(service.terminate(), Some(0));
    std::fs::remove_dir_all(&data).expect("gone");
    std::fs::rename(&left_behind, &data).expect("back");
    delete_before(broker.bootstrap(), &config.topics.events, &bases);

    let service = Service::start(&data, &settings);
    service.wait_until_level(Duration::from_secs(90));
    assert_eq!(service.log().matches(SET_ASIDE).count(), 2, "once for each partition: {}", service.log());
    assert_eq!(service.terminate(), Some(0));
    let data = data.display().to_string();
    run_on(&settings, &["verify", "--against", "live", "--data-dir", &data]).ended(0);
}

#[test]
fn a_damaged_store_is_restored_by_itself_and_kept_beside() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let service = Service::start(&data, &SETTINGS);
    generate(&service, 400, 1);
    assert_eq!(service.terminate(), Some(0));
    let before = standing(&data);
    std::fs::remove_file(data.join("partitions/000/gen-0001/CURRENT")).expect("damaged");
    std::fs::write(data.join("partitions/001/LIVE"), "nonsense").expect("damaged");

    let service = Service::start(&data, &SETTINGS);
    service.wait_until_level(Duration::from_secs(60));
    let log = service.log();
    assert_eq!(log.matches(SET_ASIDE).count(), 2, "once for each partition: {log}");
    assert!(log.contains("gen-0001") && log.contains("LIVE"), "what was damaged is named: {log}");
    assert_eq!(service.terminate(), Some(0));
    let after = standing(&data);
    let content =
        |all: &[(u64, u128, u64, _)]| all.iter().map(|(r, d, n, _)| (*r, *d, *n)).collect::<Vec<_>>();
    assert_eq!(content(&after), content(&before));
    assert!(data.join("partitions/000/gen-0001").is_dir(), "for somebody to look at");
    verify(directory.path(), &data);
}

/// Without snapshots the archive alone brings a store back; one partition after another, as configured.
#[test]
fn without_snapshots_a_lost_store_comes_from_the_archive() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let url = directory.path().join("archive").display().to_string();
    let settings = [
        ("INVENTORY_STORE__CONTRACT__PARTITIONS", "2"),
        ("INVENTORY_STORE__SNAPSHOT__ENABLED", "false"),
        ("INVENTORY_STORE__SNAPSHOT__RESTORES", "1"),
        ("INVENTORY_STORE__ARCHIVE__URL", url.as_str()),
    ];
    let service = Service::start(&data, &settings);
    generate(&service, 400, 1);
    assert_eq!(service.terminate(), Some(0));
    let before = standing(&data);
    let data_dir = data.display().to_string();
    run_with(&["archive", "create", "--data-dir", &data_dir], &settings, "", directory.path()).ended(0);
    for (partition, (_, _, next, _)) in (0..).zip(&before) {
        truncate(&data, partition, *next);
    }
    std::fs::remove_dir_all(data.join("partitions")).expect("lost");

    let service = Service::start(&data, &settings);
    service.wait_until_level(Duration::from_secs(60));
    let log = service.log();
    assert_eq!(log.matches("of the archive").count(), 2, "{log}");
    assert_eq!(service.terminate(), Some(0));
    assert_eq!(standing(&data), before);
}

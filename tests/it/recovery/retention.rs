//! The guard over what a lost store would need: it warns long before retention takes it.

use std::path::Path;
use std::time::Duration;

use inventory_store::config::log::LogConfig;
use inventory_store::generator::{Options, Warehouse};
use inventory_store::log::embedded::EmbeddedLog;
use inventory_store::log::kafka::KafkaLog;
use inventory_store::log::{Log, TopicDescription};
use inventory_store::types::{Timestamp, Topic};

use super::on_kafka::variables;
use crate::support::broker::Broker;
use crate::support::lanes;
use crate::support::process::run_with;
use crate::support::service::{Service, eventually};

const HOUR_MS: i64 = 3_600_000;
const AT_RISK: &str = "has used up half of its time in the topic";

#[expect(clippy::disallowed_methods, reason = "retention goes by the clock")]
fn minutes_ago(minutes: i64) -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Timestamp(i64::try_from(since.as_millis()).expect("a time") - minutes * 60_000)
}

/// Events of forty minutes ago, of which a topic that keeps an hour is to keep a third of an hour more.
fn publish_old(log: &dyn Log) {
    let events = Warehouse::new(Options { seed: 1, skus: 50, ..Options::default() }).take(400);
    lanes::publish_at(log, events, Some(minutes_ago(40)));
}

/// What is left for each of two partitions, by the gauge.
fn shares(service: &Service) -> Vec<f64> {
    let value = |line: &str| {
        line.strip_prefix("inventory_store_retention_left_ratio{")?.split(' ').nth(1)?.parse().ok()
    };
    service.metrics().lines().filter_map(value).collect()
}

/// Without any base it is warned of, once for each partition; with a base all is well.
fn warns_until_there_is_a_base(data: &Path, settings: &[(&str, &str)]) {
    let off = [settings, &[("INVENTORY_STORE__SNAPSHOT__ENABLED", "false")]].concat();
    let service = Service::start(data, &off);
    service.wait_until_level(Duration::from_secs(60));
    eventually("what is left shows", Duration::from_secs(60), || {
        let shares = shares(&service);
        (shares.len() == 2 && shares.iter().all(|share| (0.2..0.4).contains(share))).then_some(())
    });
    eventually("it is warned of", Duration::from_secs(180), || {
        (service.log().matches(AT_RISK).count() == 2).then_some(())
    });
    assert!(service.log().contains("inventory-store snapshot"), "and what to do: {}", service.log());
    assert_eq!(service.terminate(), Some(0));
    let warned = service_log(data).matches(AT_RISK).count();

    let often = [settings, &[("INVENTORY_STORE__SNAPSHOT__EVERY_EVENTS", "1")]].concat();
    let service = Service::start(data, &often);
    // A cycle that a rebalance at the start cuts off is begun again after half a minute.
    eventually("a base holds all there is", Duration::from_secs(180), || {
        (shares(&service) == [1.0, 1.0]).then_some(())
    });
    assert_eq!(service.terminate(), Some(0));
    assert!(service_log(data).matches(AT_RISK).count() <= warned + 2, "once a partition and run at most");
}

fn service_log(data: &Path) -> String {
    std::fs::read_to_string(data.with_extension("serve.log")).expect("the service's log")
}

#[test]
fn the_guard_warns_before_the_embedded_log_forgets_what_no_base_has() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    {
        let config = LogConfig { partitions: 2, ..LogConfig::default() };
        publish_old(EmbeddedLog::open(&data.join("log"), &config).expect("the log").as_ref());
    }
    let settings = [
        ("INVENTORY_STORE__CONTRACT__PARTITIONS", "2"),
        ("INVENTORY_STORE__LOG__RETENTION__EVENTS_HOURS", "1"),
        ("INVENTORY_STORE__LANE__WATERMARK_INTERVAL_MS", "50"),
        ("INVENTORY_STORE__ARCHIVE__URL", "/nowhere"),
    ];
    warns_until_there_is_a_base(&data, &settings);
}

/// Of another log, and so nothing that a store here could come back from.
#[test]
fn a_base_of_another_cluster_does_not_keep_the_guard_quiet() {
    let directory = tempfile::tempdir().expect("a directory");
    let archive = directory.path().join("archive").display().to_string();
    let settings = [
        ("INVENTORY_STORE__CONTRACT__PARTITIONS", "2"),
        ("INVENTORY_STORE__LOG__RETENTION__EVENTS_HOURS", "1"),
        ("INVENTORY_STORE__LANE__WATERMARK_INTERVAL_MS", "50"),
        ("INVENTORY_STORE__SNAPSHOT__ENABLED", "false"),
        ("INVENTORY_STORE__ARCHIVE__URL", archive.as_str()),
        ("INVENTORY_STORE__ARCHIVE__EVERY_EVENTS", "0"),
        ("INVENTORY_STORE__ARCHIVE__EVERY_SECONDS", "0"),
    ];
    let started = |name: &str| {
        let data = directory.path().join(name);
        let config = LogConfig { partitions: 2, ..LogConfig::default() };
        publish_old(EmbeddedLog::open(&data.join("log"), &config).expect("the log").as_ref());
        let service = Service::start(&data, &settings);
        service.wait_until_level(Duration::from_secs(60));
        service
    };
    let other = started("other");
    run_with(&["archive", "create", "--url", &other.url], &[], "", directory.path()).ended(0);
    assert_eq!(other.terminate(), Some(0));
    let service = started("data");
    eventually("it is warned of", Duration::from_secs(180), || {
        (service.log().matches(AT_RISK).count() == 2).then_some(())
    });
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn the_guard_warns_before_kafka_forgets_what_no_base_has() {
    let Some(broker) = Broker::shared("recovery: the retention guard") else { return };
    let config = broker.config();
    let log = KafkaLog::connect(&config).expect("connects");
    let want = TopicDescription {
        partitions: 2,
        replication: 1,
        settings: [("retention.ms".to_owned(), HOUR_MS.to_string())].into(),
    };
    log.create(Topic::Events, &want).expect("a topic");
    lanes::create_topics(log.as_ref(), 2);
    publish_old(log.as_ref());
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let settings = variables(&config);
    let settings: Vec<(&str, &str)> = settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    warns_until_there_is_a_base(&data, &settings);
}

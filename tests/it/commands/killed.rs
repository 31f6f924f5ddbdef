//! kill -9 at every boundary of a transaction: nothing is lost, and nothing happens twice.

use std::path::Path;
use std::sync::Arc;

use inventory_store::config::KafkaConfig;
use inventory_store::config::lane::LaneConfig;
use inventory_store::config::log::{Fsync, LogConfig};
use inventory_store::failpoint;
use inventory_store::log::Log;
use inventory_store::log::embedded::EmbeddedLog;
use inventory_store::log::kafka::KafkaLog;

use super::harness::{Extra, PARTITIONS, RECEIVE, World, code, command, quantity, sku_of};
use crate::conformance::observe::append;
use crate::support::broker::Broker;
use crate::support::killed::killed_at;
use crate::support::{child, lanes};

const COMMANDS: u16 = 60;

fn lane_config(group: &str) -> LaneConfig {
    LaneConfig {
        lanes: 1,
        poll_wait_ms: 5,
        group: group.into(),
        instance: "child".into(),
        ..LaneConfig::default()
    }
}

fn embedded(directory: &Path) -> Arc<dyn Log> {
    let config = LogConfig { partitions: PARTITIONS, fsync: Fsync::Interval, ..LogConfig::default() };
    EmbeddedLog::open(&directory.join("log"), &config).expect("the log")
}

fn kafka(brokers: &str, prefix: &str) -> Arc<dyn Log> {
    let mut config = KafkaConfig { bootstrap_servers: brokers.into(), ..KafkaConfig::default() };
    crate::support::broker::prefix_topics(&mut config, prefix);
    config.consumer.session_timeout_ms = 6_000;
    config.consumer.heartbeat_interval_ms = 500;
    // A killed owner's open transaction holds everybody up for this long.
    config.transactions.timeout_ms = 2_000;
    KafkaLog::connect(&config).expect("the log")
}

/// In the child: decides until it is killed or every command has its result.
fn decide(role: &str) {
    let _failpoints = fail::FailScenario::setup();
    let parts: Vec<&str> = role.split('|').collect();
    let (log, directory) = match parts[..] {
        [directory] => (embedded(Path::new(directory)), directory),
        [directory, brokers, prefix] => (kafka(brokers, prefix), directory),
        _ => panic!("{role:?}"),
    };
    let lanes =
        lanes::start(&log, Path::new(directory), &lane_config(parts.last().expect("one"))).expect("started");
    let world =
        World { log: Arc::clone(&log), place: tempfile::tempdir().expect("a place"), group: String::new() };
    world.results(usize::from(COMMANDS));
    lanes::until_level(&log, &lanes.registry());
    lanes.stop();
}

fn fill(log: &dyn Log, from: u16, to: u16) {
    let records = (from..to).map(|number| {
        command(&sku_of(number % PARTITIONS), &number.to_string(), RECEIVE, &quantity(1), Extra::default())
    });
    append(log, records.collect());
}

fn each_once(world: &World, point: &str) {
    let results = world.results(usize::from(COMMANDS));
    assert!(results.iter().all(|(_, outcome)| code(outcome).is_none()), "{point}");
    assert_eq!(world.events().len(), usize::from(COMMANDS), "{point}");
    world.sequences_are_gapless();
}

#[test]
fn on_the_embedded_log() {
    if let Some(role) = child::role() {
        return decide(&role);
    }
    for point in failpoint::ALL {
        let place = tempfile::tempdir().expect("a place");
        let log = embedded(place.path());
        fill(log.as_ref(), 0, COMMANDS);
        drop(log);
        killed_at("commands::killed::on_the_embedded_log", &place.path().display().to_string(), point, 0);
        let world = World { log: embedded(place.path()), place, group: "lanes".into() };
        each_once(&world, point);
    }
}

#[test]
fn on_kafka() {
    if let Some(role) = child::role() {
        return decide(&role);
    }
    let Some(broker) = Broker::shared("kafka: commands: killed at each failpoint") else { return };
    for point in failpoint::ALL {
        let place = tempfile::tempdir().expect("a place");
        let prefix = crate::support::broker::fresh_name();
        let log = kafka(broker.bootstrap(), &prefix);
        lanes::create_topics(log.as_ref(), PARTITIONS);
        fill(log.as_ref(), 0, COMMANDS);
        let role = format!("{}|{}|{prefix}", place.path().display(), broker.bootstrap());
        killed_at("commands::killed::on_kafka", &role, point, 0);
        each_once(&World { log, place, group: prefix }, point);
    }
}

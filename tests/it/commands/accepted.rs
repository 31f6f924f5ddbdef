//! An owner whose positions the group has accepted, and which is then silent until its partitions have moved: its
//! transaction can still be committed, and is here, so the new owner waits for its end before it decides anything.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use inventory_store::config::KafkaConfig;
use inventory_store::config::lane::LaneConfig;
use inventory_store::failpoint;
use inventory_store::log::Log;
use inventory_store::log::kafka::KafkaLog;
use inventory_store::types::{Topic, partition_of};

use super::harness::{PARTITIONS, RECEIVE, World, code, quantity, sku_of, until_live};
use crate::support::broker::{Broker, dies_with_its_parent, fresh_name, prefix_topics};
use crate::support::{child, lanes};

const NAME: &str = "commands::accepted::its_commit_is_waited_for_and_nothing_is_decided_twice";
/// How long the old owner is silent: twice of what takes it out of the group.
const SILENT_MS: u32 = 12_000;

fn log(brokers: &str, prefix: &str) -> Arc<dyn Log> {
    let mut config = KafkaConfig { bootstrap_servers: brokers.into(), ..KafkaConfig::default() };
    prefix_topics(&mut config, prefix);
    config.consumer.session_timeout_ms = 6_000;
    config.consumer.heartbeat_interval_ms = 500;
    config.consumer.max_poll_interval_ms = 6_000;
    // Its end must come from the silent owner, and not from the broker's patience.
    config.transactions.timeout_ms = 60_000;
    KafkaLog::connect(&config).expect("the log")
}

/// In the child: decides one command, is silent between the positions and the commit, and dies after that.
fn decide_slowly(role: &str) {
    let _failpoints = fail::FailScenario::setup();
    let parts: Vec<&str> = role.split('|').collect();
    let [directory, brokers, prefix] = parts[..] else { panic!("{role:?}") };
    let log = log(brokers, prefix);
    let config =
        LaneConfig { lanes: 1, group: prefix.into(), instance: "silent".into(), ..LaneConfig::default() };
    let _lanes = lanes::start(&log, Path::new(directory), &config).expect("started");
    loop {
        std::thread::park();
    }
}

#[test]
fn its_commit_is_waited_for_and_nothing_is_decided_twice() {
    if let Some(role) = child::role() {
        return decide_slowly(&role);
    }
    let Some(broker) = Broker::shared("kafka: commands: an owner silent before its commit") else { return };
    let (place, prefix) = (tempfile::tempdir().expect("a place"), fresh_name());
    let log = log(broker.bootstrap(), &prefix);
    lanes::create_topics(log.as_ref(), PARTITIONS);
    let world = World { log, place, group: prefix.clone() };
    let sku = sku_of(0);
    let here = partition_of(&sku, PARTITIONS);
    let sent = world.send(&sku, "1", RECEIVE, quantity(7));

    // Given an owner that has sent its records and its positions, and says nothing more for long.
    let directory = world.directory("silent");
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command
        .args(["--exact", NAME, "--nocapture", "--test-threads=1"])
        .env("INVENTORY_STORE_TEST_CHILD", format!("{}|{}|{prefix}", directory.display(), broker.bootstrap()))
        .env(
            "FAILPOINTS",
            format!("{}=1*sleep({SILENT_MS});{}=1*return", failpoint::BEFORE_COMMIT, failpoint::AFTER_COMMIT),
        )
        .stdout(Stdio::null());
    std::fs::create_dir_all(&directory).expect("a directory");
    dies_with_its_parent(&mut command);
    let mut silent = command.spawn().expect("a child");
    let written = || world.log.bounds(Topic::Results, here).expect("bounds").high_watermark.0;
    lanes::eventually("its result is written and not committed", || (written() > 0).then_some(()));
    assert!(world.results_now().is_empty(), "the failpoint holds the commit back");

    // When another takes its partitions over.
    let other = world.start("other");
    until_live(&other.registry());

    // Then what the silent one committed meanwhile is there, and it is what counts.
    let results = world.results_now();
    assert_eq!(results.len(), 1, "the new owner was live before the old one's transaction had ended");
    assert_eq!(code(&results[0].1), None);
    let position = world.log.committed(&prefix, &[here]).expect("the group's positions").remove(0);
    let position = position.expect("a position");
    assert_eq!(position.next, sent.offset.next());
    assert!(position.metadata.contains("silent"), "moved by the old owner: {}", position.metadata);

    // And nothing of it is decided again, neither by itself nor when it is sent again.
    let again = world.send(&sku, "1", RECEIVE, quantity(7));
    let new = world.send(&sku, "2", RECEIVE, quantity(1));
    assert_eq!(world.outcome(again).verdict, results[0].1.verdict);
    assert_eq!(code(&world.outcome(new)), None);
    assert_eq!(world.events().len(), 2);
    world.sequences_are_gapless();
    assert_eq!(silent.wait().expect("gone").signal(), Some(9), "it died once it had committed");
    other.stop();
    world.replay_gives_the_same_rows("other");
}

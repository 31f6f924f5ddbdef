//! Killed at random moments, any number of times, a store ends as if nothing had happened.
//!
//! The child is this very test binary, run for one test that projects a log into a directory; its parent
//! kills it with SIGKILL.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use inventory_store::config::KafkaConfig;
use inventory_store::config::lane::LaneConfig;
use inventory_store::config::log::{Fsync, LogConfig};
use inventory_store::generator::{Options, Warehouse};
use inventory_store::log::Log;
use inventory_store::log::embedded::EmbeddedLog;
use inventory_store::log::kafka::KafkaLog;
use inventory_store::types::{NewRecord, Partition, Topic};

use crate::support::broker::Broker;
use crate::support::{lanes, seed};

const EVENTS: usize = 30_000;
const PARTITIONS: u16 = 3;
/// Set for the child: where the stores go; the log is beside them unless `CHILD_KAFKA` names brokers.
const CHILD: &str = "INVENTORY_STORE_KILL_CHILD";
const CHILD_BULK: &str = "INVENTORY_STORE_KILL_CHILD_BULK";
const CHILD_KAFKA: &str = "INVENTORY_STORE_KILL_CHILD_KAFKA";

/// Which log; opened by the parent and by each child.
enum Kind {
    Embedded,
    Kafka(Box<KafkaConfig>),
}

impl Kind {
    fn open(&self, directory: &Path) -> Arc<dyn Log> {
        match self {
            Self::Embedded => {
                let config =
                    LogConfig { partitions: PARTITIONS, fsync: Fsync::Interval, ..LogConfig::default() };
                EmbeddedLog::open(&directory.join("log"), &config).expect("the log")
            }
            Self::Kafka(config) => KafkaLog::connect(config).expect("the log"),
        }
    }
}

fn lane_config(bulk: bool) -> LaneConfig {
    LaneConfig {
        lanes: 2,
        live_batch_records: 100,
        bulk_batch_records: 150,
        // Small, so that there are many commits to be killed between.
        bulk_spill_records: 700,
        bulk_from_records: if bulk { 0 } else { u64::MAX },
        poll_wait_ms: 5,
        ..LaneConfig::default()
    }
}

/// The child's body; a plain run of the tests passes over it.
#[test]
fn child() {
    let Ok(directory) = std::env::var(CHILD) else { return };
    let directory = PathBuf::from(directory);
    let kind = match std::env::var(CHILD_KAFKA) {
        Ok(config) => Kind::Kafka(Box::new(serde_json::from_str(&config).expect("settings"))),
        Err(_) => Kind::Embedded,
    };
    let log = kind.open(&directory);
    lanes::run(&log, &directory, &lane_config(std::env::var(CHILD_BULK).is_ok()));
}

fn spawn(kind: &Kind, directory: &Path, bulk: bool) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command.args(["kill::child", "--exact", "--nocapture"]).env(CHILD, directory);
    if bulk {
        command.env(CHILD_BULK, "1");
    }
    if let Kind::Kafka(config) = kind {
        command.env(CHILD_KAFKA, serde_json::to_string(config).expect("settings"));
    }
    command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().expect("a child")
}

/// Waits for the child to end by itself, or kills it when its time is over. Gives whether it ended well.
fn wait_or_kill(child: &mut Child, time: Duration) -> bool {
    let deadline = Instant::now() + time;
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            assert!(status.success(), "the child failed by itself: {status}");
            return true;
        }
        if Instant::now() >= deadline {
            child.kill().expect("killed");
            child.wait().expect("gone");
            return false;
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// A day's events with malformed records among them.
fn fill(log: &dyn Log, seed: u64) {
    let mut events = Warehouse::new(Options { seed, skus: 500, ..Options::default() });
    let appender = log.appender().expect("an appender");
    for chunk in 0..10 {
        lanes::publish(log, events.by_ref().take(EVENTS / 10));
        let malformed = NewRecord {
            topic: Topic::Events,
            partition: Partition(chunk % PARTITIONS),
            timestamp: None,
            key: Some(b"SKU-1".to_vec()),
            value: Some(b"not an event".to_vec()),
            headers: Vec::new(),
        };
        appender.append(vec![malformed]).remove(0).expect("appended");
    }
}

fn letters(log: &dyn Log) -> u64 {
    let end = |p| log.bounds(Topic::DeadLetters, Partition(p)).expect("bounds").high_watermark.0;
    (0..PARTITIONS).map(end).sum()
}

fn killed_at_random_moments(kind: &Kind) {
    let mut random = fastrand::Rng::with_seed(seed());
    let directory = tempfile::tempdir().expect("a directory");
    let undisturbed = tempfile::tempdir().expect("a directory");

    // The same log, folded without interruption into stores elsewhere.
    let log = kind.open(directory.path());
    fill(log.as_ref(), random.u64(..));
    let began = Instant::now();
    lanes::run(&log, undisturbed.path(), &lane_config(false));
    let whole = began.elapsed();
    let sent = letters(log.as_ref());
    drop(log);
    let expected = lanes::content(undisturbed.path());
    let applied: u64 = expected.iter().map(|c| c.progress.counters.applied).sum();
    assert_eq!((applied, sent), (EVENTS as u64, 10));

    let mut kills = 0;
    loop {
        let mut child = spawn(kind, directory.path(), random.bool());
        // After a dozen kills it may run to its end.
        let time = if kills < 12 { whole.mul_f64(random.f64() * 0.4) } else { Duration::from_secs(120) };
        if wait_or_kill(&mut child, time) {
            break;
        }
        kills += 1;
    }
    eprintln!("{kills} kills");
    assert!(kills > 0, "nothing was killed");
    assert_eq!(lanes::content(directory.path()), expected);

    // Every malformed record has its letter, in spite of all.
    let again = letters(kind.open(directory.path()).as_ref()) - sent;
    assert!(again >= 10, "{again} letters of 10");
}

#[test]
fn killed_at_random_moments_a_store_of_the_embedded_log_is_byte_identical() {
    killed_at_random_moments(&Kind::Embedded);
}

#[test]
fn killed_at_random_moments_a_store_of_kafka_is_byte_identical() {
    let Some(broker) = Broker::shared("kafka: a projecting process killed at random moments") else { return };
    let config = broker.config();
    lanes::create_topics(KafkaLog::connect(&config).expect("the log").as_ref(), PARTITIONS);
    killed_at_random_moments(&Kind::Kafka(Box::new(config)));
}

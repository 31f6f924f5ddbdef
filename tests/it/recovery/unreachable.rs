//! An archive on an object store that does not answer when a partition needs it.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use inventory_store::config::ArchiveConfig;
use inventory_store::config::kafka::Secret;
use inventory_store::config::log::{Fsync, LogConfig};
use inventory_store::lane::{Lanes, State};
use inventory_store::log::Log;
use inventory_store::log::embedded::EmbeddedLog;
use inventory_store::snapshots::Work;
use inventory_store::snapshots::archive::{Archive, Origin};
use inventory_store::types::{NextOffset, Partition, Topic};

use super::ground::{Ground, PARTITIONS, bytes, never, none, same};
use crate::support::lanes::{self, eventually, stores};

/// Nobody listens there.
fn unreachable() -> ArchiveConfig {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let options = [
        ("aws_endpoint", format!("http://{closed}")),
        ("aws_region", "us-east-1".into()),
        ("aws_allow_http", "true".into()),
        ("aws_access_key_id", "id".into()),
        ("aws_secret_access_key", "hunter2".into()),
    ];
    ArchiveConfig {
        url: "s3://a-bucket/archive".into(),
        timeout_seconds: 1,
        options: options.into_iter().map(|(name, value)| (name.into(), Secret::new(value))).collect(),
        ..ArchiveConfig::default()
    }
}

fn start(ground: &Ground, instance: &str, archive: ArchiveConfig) -> Lanes {
    let directory = ground.directory(instance);
    std::fs::create_dir_all(&directory).expect("a directory");
    let mut settings = lanes::settings("inventory-store", PARTITIONS);
    settings.snapshots = never();
    settings.archive = archive;
    Lanes::start(Arc::clone(&ground.log), stores(&directory), settings, &ground.lane(instance))
        .expect("started")
}

/// A base of each partition as an instance left it.
fn archive_all(ground: &Ground, instance: &str, at: &Path) -> ArchiveConfig {
    let config = ArchiveConfig { url: at.display().to_string(), ..ArchiveConfig::default() };
    let archive = Archive::open(&config).expect("opens");
    let stores = stores(&ground.directory(instance));
    for partition in (0..PARTITIONS).map(Partition) {
        let store = stores.open_live(partition).expect("opens").expect("is served");
        let origin = Origin {
            created_at: "2026-11-24T10:00:00Z".parse().expect("a time"),
            created_from: "a test".into(),
        };
        archive.create(&store.reader(), origin, &Work::default()).expect("a base");
    }
    config
}

#[test]
fn a_start_without_a_base_and_without_its_archive_reads_the_whole_log() {
    let place = tempfile::tempdir().expect("a place");
    let ground = Ground::embedded(place.path());
    ground.happen(1, 200);
    let lanes = start(&ground, "first", unreachable());
    lanes::until_level(&ground.log, &lanes.registry());
    lanes.stop();
    same("the log has it all", &ground.bytes("first"), &ground.replayed());
}

/// The log forgot, the disk is lost, and the archive that has the rest does not answer: that is what is said, and
/// not that history is gone. Once it answers, the partition comes back whole.
#[test]
fn a_start_that_needs_an_archive_out_of_reach_says_so_and_loses_nothing() {
    let place = tempfile::tempdir().expect("a place");
    let config = LogConfig { partitions: PARTITIONS, fsync: Fsync::Interval, ..LogConfig::default() };
    let log = EmbeddedLog::open(&place.path().join("log"), &config).expect("the log");
    let ground = Ground {
        log: Arc::<EmbeddedLog>::clone(&log) as Arc<dyn Log>,
        place: place.path().to_path_buf(),
        group: "lanes".into(),
        partitions: PARTITIONS,
    };
    ground.happen(1, 300);
    ground.run("before", none());
    let kept = archive_all(&ground, "before", &place.path().join("archive"));
    ground.happen(2, 50);
    ground.run("before", none());
    let expected = bytes(&ground.directory("before"));
    for partition in (0..PARTITIONS).map(Partition) {
        log.truncate(Topic::Events, partition, NextOffset(20)).expect("truncated");
    }

    let lanes = start(&ground, "after", unreachable());
    for partition in (0..PARTITIONS).map(Partition) {
        let reason = eventually("it says so", || match lanes.registry().state(partition) {
            State::Failed { reason } => Some(reason),
            _ => None,
        });
        assert!(reason.contains("s3://a-bucket/archive cannot be reached"), "{reason}");
        assert!(!reason.contains("hunter2") && !reason.contains("--accept-truncated-history"), "{reason}");
    }
    lanes.stop();

    let lanes = start(&ground, "after", kept);
    lanes::until_level(&ground.log, &lanes.registry());
    lanes.stop();
    same("base with tail and what was before", &bytes(&ground.directory("after")), &expected);
}

//! Opening, locking, expiring, compacting.

use std::fs;
use std::io::{BufRead as _, BufReader};

use inventory_store::config::LogConfig;
use inventory_store::config::log::Fsync;
use inventory_store::log::embedded::EmbeddedLog;
use inventory_store::log::{Log as _, LogError};
use inventory_store::types::{NewRecord, NextOffset, Partition, Timestamp, Topic};

use crate::conformance::embedded::{config, spawn_writer};
use crate::conformance::observe::{append, read, record, texts};

const T: i64 = 1_700_000_000_000;
const HOUR: i64 = 3_600_000;

#[test]
fn a_second_process_is_told_who_has_the_log() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut child = spawn_writer(directory.path(), 1);
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    assert!(lines.any(|line| line.expect("text").starts_with("ack ")), "the child writes");
    let error = EmbeddedLog::open(directory.path(), &config()).err().expect("locked");
    let LogError::Locked { owner, .. } = &error else { panic!("{error}") };
    assert_eq!(*owner, format!("process {}", child.id()));
    child.kill().expect("killed");
    child.wait().expect("ended");
    EmbeddedLog::open(directory.path(), &config()).expect("free again");
}

#[test]
fn the_owner_can_be_named_by_its_url() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = EmbeddedLog::open(directory.path(), &config()).expect("opens");
    log.name_owner("http://127.0.0.1:8080").expect("named");
    let error = EmbeddedLog::open(directory.path(), &config()).err().expect("locked").to_string();
    assert!(error.contains(&format!("process {} (http://127.0.0.1:8080)", std::process::id())), "{error}");
}

#[test]
fn another_number_of_partitions_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    drop(EmbeddedLog::open(directory.path(), &config()).expect("opens"));
    let other = LogConfig { partitions: 4, ..config() };
    let error = EmbeddedLog::open(directory.path(), &other).err().expect("refused");
    assert!(matches!(error, LogError::PartitionCount { have: 3, want: 4, .. }), "{error}");
    EmbeddedLog::open(directory.path(), &config()).expect("opens as before");
}

/// A process killed while it made the log leaves something that opens as an empty one.
#[test]
fn a_log_not_made_to_its_end_is_made_again() {
    let made = tempfile::tempdir().expect("a directory");
    drop(EmbeddedLog::open(made.path(), &config()).expect("opens"));
    let untouched = tempfile::tempdir().expect("a directory");
    fs::write(untouched.path().join("MARK.new"), b"torn").expect("written");
    let log = EmbeddedLog::open(untouched.path(), &config()).expect("only a torn MARK.new");
    append(&*log, vec![record(Topic::Events, 0, "x")]);

    // A log that was only opened: its mark still says 0 in both places, so nothing of it is thrown away.
    let log = EmbeddedLog::open(made.path(), &config()).expect("opens");
    assert_eq!(read(&*log, Topic::Events, 0), []);
}

#[test]
fn records_expire_by_their_time_in_blocks() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = EmbeddedLog::open(directory.path(), &config()).expect("opens");
    let at = |ms: i64| NewRecord { timestamp: Some(Timestamp(T + ms)), ..record(Topic::Commands, 0, "x") };
    append(&*log, (0..2500).map(at).collect());
    append(&*log, vec![record(Topic::Snapshots, 0, "row")]);
    let start = || log.bounds(Topic::Commands, Partition(0)).expect("bounds").start.0;
    let keep = 72 * HOUR;
    for (now, wanted) in
        [(0, 0), (keep + 1023, 0), (keep + 1024, 1024), (keep + 2048, 2048), (keep + 2499, 2048)]
    {
        log.maintain(Timestamp(T + now)).expect("maintains");
        assert_eq!(start(), wanted, "{now}");
    }
    assert_eq!(read(&*log, Topic::Commands, 0).len(), 2500 - 2048);
    log.maintain(Timestamp(T + keep + 2500)).expect("maintains");
    assert_eq!(start(), 2500, "also the last block, once all of it has expired");
    assert_eq!(read(&*log, Topic::Snapshots, 0).len(), 1, "a compacted topic expires nothing");
    drop(log);
    let log = EmbeddedLog::open(directory.path(), &config()).expect("opens again");
    let bounds = log.bounds(Topic::Commands, Partition(0)).expect("bounds");
    assert_eq!((bounds.start.0, bounds.last_stable.0), (2500, 2500));
    assert_eq!(append(&*log, vec![at(0)])[0].offset.0, 2500);
    assert_eq!(
        log.offset_at(Topic::Commands, Partition(0), Timestamp(T)).expect("an offset"),
        NextOffset(2500)
    );
}

#[test]
fn tombstones_go_after_their_time_and_passes_may_be_small() {
    let directory = tempfile::tempdir().expect("a directory");
    let small = LogConfig { compaction_keys: 3, ..config() };
    let log = EmbeddedLog::open(directory.path(), &small).expect("opens");
    let row = |key: u16, value: Option<&str>| NewRecord {
        key: Some(format!("row-{key}").into_bytes()),
        value: value.map(|v| v.as_bytes().to_vec()),
        ..record(Topic::Snapshots, 0, "")
    };
    for round in ["one", "two"] {
        append(&*log, (0..10).map(|key| row(key, Some(round))).collect());
    }
    append(&*log, vec![row(3, None), row(4, None), row(4, Some("back"))]);
    let keep = 192 * HOUR;
    let after = |now: i64| {
        log.compact(Timestamp(now)).expect("compacts");
        let seen = read(&*log, Topic::Snapshots, 0);
        (seen.iter().filter(|s| s.value.is_some()).count(), seen.iter().filter(|s| s.value.is_none()).count())
    };
    assert_eq!(after(T), (9, 1));
    assert_eq!(after(T + keep - 1), (9, 1));
    assert_eq!(after(T + keep), (9, 0));
    let twos = read(&*log, Topic::Snapshots, 0);
    assert_eq!(texts(&twos).iter().filter(|t| *t == "two").count(), 8);
    drop(log);
    let log = EmbeddedLog::open(directory.path(), &small).expect("opens again");
    assert_eq!(read(&*log, Topic::Snapshots, 0), twos);
    let refused = log.appender().expect("an appender").append(vec![NewRecord { key: None, ..row(0, None) }]);
    assert!(matches!(refused[0], Err(LogError::Refused { .. })), "a compacted topic needs keys");
}

#[test]
fn relaxed_syncing_keeps_everything_over_a_clean_stop() {
    let directory = tempfile::tempdir().expect("a directory");
    let relaxed = LogConfig { fsync: Fsync::Interval, fsync_interval_ms: 3_600_000, ..config() };
    let log = EmbeddedLog::open(directory.path(), &relaxed).expect("opens");
    for i in 0..50 {
        append(&*log, vec![record(Topic::Events, 0, &i.to_string())]);
    }
    drop(log);
    let log = EmbeddedLog::open(directory.path(), &relaxed).expect("opens again");
    assert_eq!(read(&*log, Topic::Events, 0).len(), 50);
}

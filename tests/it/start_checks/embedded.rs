use std::path::Path;
use std::sync::Arc;

use inventory_store::codec::rows::meta::{Identity, Versions};
use inventory_store::config::lane::LaneConfig;
use inventory_store::config::log::{Fsync, LogConfig};
use inventory_store::lane::{CheckError, Registry, State};
use inventory_store::log::Log;
use inventory_store::log::embedded::EmbeddedLog;
use inventory_store::store::StoreError;
use inventory_store::types::{NextOffset, Partition, Topic};

use super::{check_error, config, day, directory};
use crate::support::lanes;

const PARTITIONS: u16 = 2;

fn open(directory: &Path, partitions: u16) -> Arc<EmbeddedLog> {
    let config = LogConfig { partitions, fsync: Fsync::Interval, ..LogConfig::default() };
    EmbeddedLog::open(directory, &config).expect("the log")
}

fn as_log(log: &Arc<EmbeddedLog>) -> Arc<dyn Log> {
    Arc::<EmbeddedLog>::clone(log)
}

/// A log of `events` events, folded into stores.
fn folded(directory: &Path, events: usize) -> Arc<EmbeddedLog> {
    let log = open(&directory.join("log"), PARTITIONS);
    lanes::publish(log.as_ref(), day(1, events));
    lanes::run(&as_log(&log), directory, &config());
    log
}

/// Waits until the partition has failed; says why.
fn why_failed(registry: &Registry, partition: Partition) -> Arc<str> {
    lanes::eventually("it fails", || match registry.state(partition) {
        State::Failed { reason } => Some(reason),
        _ => None,
    })
}

#[test]
fn a_store_goes_on_where_it_was() {
    let place = directory();
    let log = folded(place.path(), 400);
    let before = lanes::content(place.path());
    lanes::publish(log.as_ref(), day(2, 100));
    lanes::run(&as_log(&log), place.path(), &config());
    let after = lanes::content(place.path());
    let applied =
        |content: &[lanes::Content]| content.iter().map(|c| c.progress.counters.applied).sum::<u64>();
    assert_eq!((applied(&before), applied(&after)), (400, 500));
}

#[test]
fn a_log_that_begins_behind_the_store_is_truncated() {
    let place = directory();
    let log = folded(place.path(), 400);
    lanes::publish(log.as_ref(), day(2, 400));
    for partition in (0..PARTITIONS).map(Partition) {
        let end = log.bounds(Topic::Events, partition).expect("bounds").high_watermark;
        log.truncate(Topic::Events, partition, end).expect("truncated");
    }
    let before = lanes::content(place.path());
    let error = check_error(lanes::start(&as_log(&log), place.path(), &config()));
    let CheckError::Truncated { next, start, .. } = &error else { panic!("{error}") };
    assert!(next < start);
    assert!(error.to_string().contains("inventory-store restore --from latest --cutover"), "{error}");
    assert_eq!(lanes::content(place.path()), before, "nothing was written");
}

#[test]
fn one_truncated_partition_stops_and_the_others_go_on() {
    let place = directory();
    let log = folded(place.path(), 400);
    let before = lanes::content(place.path());
    lanes::publish(log.as_ref(), day(2, 400));
    let end = log.bounds(Topic::Events, Partition(0)).expect("bounds").high_watermark;
    log.truncate(Topic::Events, Partition(0), end).expect("truncated");

    let lanes = lanes::start(&as_log(&log), place.path(), &config()).expect("the other partition is sound");
    let registry = lanes.registry();
    let end = log.bounds(Topic::Events, Partition(1)).expect("bounds").high_watermark;
    lanes::eventually("partition 1 live and at its end", || {
        let status = registry.status(Partition(1)).expect("a partition");
        (status.state == State::Live && status.next == end).then_some(())
    });
    let reason = why_failed(&registry, Partition(0));
    assert!(reason.contains("inventory-store restore"), "{reason}");
    assert!(!registry.is_ready());

    // What there is, for readers that allow stale answers.
    let status = registry.status(Partition(0)).expect("a partition");
    assert_eq!((status.next, status.rows), (before[0].progress.next, before[0].count));
    let store = registry.store(Partition(0)).expect("its store is served");
    let rows = store.scan(None, usize::MAX).expect("rows");
    assert_eq!(rows.len(), before[0].rows.len());
    lanes.stop();
}

#[test]
fn an_unreadable_live_file_stops_its_partition_alone() {
    let place = directory();
    let log = folded(place.path(), 400);
    let live = place.path().join("partitions/000/LIVE");
    for bytes in [&b"nonsense"[..], b"\xff\xfe", b""] {
        std::fs::write(&live, bytes).expect("written");
        let lanes = lanes::start(&as_log(&log), place.path(), &config()).expect("the other one is sound");
        let registry = lanes.registry();
        lanes::eventually("partition 1 live", || (registry.state(Partition(1)) == State::Live).then_some(()));
        let reason = why_failed(&registry, Partition(0));
        assert!(reason.contains("partitions/000") && reason.contains("LIVE"), "{reason}");
        assert!(reason.contains("set the directory aside"), "{reason}");
        lanes.stop();
        assert_eq!(std::fs::read(&live).expect("still there"), bytes, "nothing was written");
    }
}

#[test]
fn a_store_of_a_newer_program_is_refused() {
    let current = Versions::CURRENT;
    for (what, versions) in [
        ("format", Versions { format: current.format + 1, ..current }),
        ("decoder", Versions { decoder: current.decoder + 1, ..current }),
        ("evolve", Versions { evolve: current.evolve + 1, ..current }),
    ] {
        let place = directory();
        let log = open(&place.path().join("log"), PARTITIONS);
        {
            let stores = lanes::stores(place.path());
            for partition in (0..PARTITIONS).map(Partition) {
                let cluster_id = log.cluster_id().expect("an id");
                let (partition_count, begins) = (PARTITIONS, NextOffset(0));
                let identity = Identity { partition, partition_count, cluster_id, versions, begins };
                let store = stores.create(identity).expect("a store");
                stores.activate(partition, store.generation()).expect("served");
            }
        }
        lanes::publish(log.as_ref(), day(1, 100));
        let error = check_error(lanes::start(&as_log(&log), place.path(), &config()));
        let CheckError::Store(StoreError::Newer { what: found, .. }) = &error else {
            panic!("{what}: {error}")
        };
        assert!(found.starts_with(what), "{what}: {error}");
        assert!(error.to_string().contains("run the newer program"), "{error}");
    }
}

#[test]
fn a_log_that_aged_up_to_the_store_s_position_is_fine() {
    let place = directory();
    let log = folded(place.path(), 400);
    for partition in (0..PARTITIONS).map(Partition) {
        let end = log.bounds(Topic::Events, partition).expect("bounds").high_watermark;
        log.truncate(Topic::Events, partition, end).expect("truncated");
    }
    lanes::publish(log.as_ref(), day(2, 100));
    lanes::run(&as_log(&log), place.path(), &config());
}

/// Copies a directory, files and folders.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).expect("copied");
        }
    }
}

/// A directory whose log was put back to a copy made when it held `kept` of the events its stores have read.
fn put_back(kept: usize) -> tempfile::TempDir {
    let place = directory();
    let (log, saved) = (place.path().join("log"), place.path().join("saved"));
    lanes::publish(open(&log, PARTITIONS).as_ref(), day(1, kept));
    copy(&log, &saved);
    {
        let log = open(&log, PARTITIONS);
        lanes::publish(log.as_ref(), day(3, 400));
        lanes::run(&as_log(&log), place.path(), &config());
    }
    std::fs::remove_dir_all(&log).expect("removed");
    std::fs::rename(&saved, &log).expect("put back");
    place
}

#[test]
fn a_log_that_ends_before_the_store_lost_records() {
    for kept in [0, 100] {
        let place = put_back(kept);
        let before = lanes::content(place.path());
        let log = open(&place.path().join("log"), PARTITIONS);
        let error = check_error(lanes::start(&as_log(&log), place.path(), &config()));
        assert!(matches!(error, CheckError::AfterEnd { .. }), "{kept}: {error}");
        assert!(error.to_string().contains("inventory-store replay --from beginning --cutover"), "{error}");
        assert_eq!(lanes::content(place.path()), before, "nothing was written");
    }
}

#[test]
fn other_bytes_where_the_store_stood_are_a_rewritten_log() {
    let place = put_back(100);
    let log = open(&place.path().join("log"), PARTITIONS);
    lanes::publish(log.as_ref(), day(4, 900));
    let error = check_error(lanes::start(&as_log(&log), place.path(), &config()));
    assert!(matches!(error, CheckError::Rewritten { .. }), "{error}");
    assert!(error.to_string().contains("inventory-store replay --from beginning --cutover"), "{error}");
}

#[test]
fn another_log_is_another_cluster() {
    let place = directory();
    drop(folded(place.path(), 400));
    let elsewhere = directory();
    let other = open(&elsewhere.path().join("log"), PARTITIONS);
    let error = check_error(lanes::start(&as_log(&other), place.path(), &config()));
    let CheckError::OtherCluster { store, log, .. } = &error else { panic!("{error}") };
    assert_eq!(log, &other.cluster_id().expect("an id"));
    assert_ne!(store, log);
    assert!(error.to_string().contains("another data directory"), "{error}");
}

#[test]
fn another_partition_count_is_refused_before_anything_is_made() {
    let place = directory();
    drop(folded(place.path(), 400));
    let found = lanes::stores(place.path()).partitions().expect("partitions");
    let copy = directory();
    let wider = open(&copy.path().join("log"), PARTITIONS + 2);
    let error = check_error(lanes::start(&as_log(&wider), place.path(), &config()));
    assert!(error.concerns_all(), "{error}");
    assert_eq!(lanes::stores(place.path()).partitions().expect("partitions"), found, "nothing was made");
}

#[test]
fn a_log_without_its_beginning_is_accepted_only_when_told() {
    let place = directory();
    let log = open(&place.path().join("log"), PARTITIONS);
    lanes::publish(log.as_ref(), day(1, 300));
    for partition in (0..PARTITIONS).map(Partition) {
        log.truncate(Topic::Events, partition, NextOffset(10)).expect("truncated");
    }
    let error = check_error(lanes::start(&as_log(&log), place.path(), &config()));
    assert!(matches!(error, CheckError::TruncatedHistory { start: NextOffset(10), .. }), "{error}");
    assert!(error.to_string().contains("--accept-truncated-history"), "{error}");
    assert!(lanes::stores(place.path()).partitions().expect("partitions").is_empty(), "nothing was made");

    let accepting = LaneConfig { accept_truncated_history: true, ..config() };
    let statuses = lanes::run(&as_log(&log), place.path(), &accepting);
    assert!(statuses.iter().all(|status| status.begins == NextOffset(10)), "what is missing is shown");
    // Told once, it is known: the next start needs no flag.
    lanes::run(&as_log(&log), place.path(), &config());
}

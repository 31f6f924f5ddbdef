//! A running service makes bases for the archive by itself, and keeps as many as configured.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::service::{generate, standing};
use crate::support::process::{Ran, run};
use crate::support::service::{Service, eventually};

fn archive(root: &str, verb: &[&str]) -> Ran {
    run(&[&["archive", verb[0], "--archive", root], &verb[1..]].concat())
}

/// Partition and position of every base.
fn bases(root: &str) -> Vec<(u64, u64)> {
    let listed = archive(root, &["list", "--json"]).ended(0).stdout;
    let base = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("a JSON line");
        (line["partition"].as_u64().expect("a partition"), line["next"].as_u64().expect("a position"))
    };
    listed.lines().map(base).collect()
}

fn start(data: &Path, root: &str, every_events: &str, every_seconds: &str) -> Service {
    let settings = [
        ("INVENTORY_STORE__CONTRACT__PARTITIONS", "2"),
        ("INVENTORY_STORE__LANE__WATERMARK_INTERVAL_MS", "20"),
        ("INVENTORY_STORE__ARCHIVE__URL", root),
        ("INVENTORY_STORE__ARCHIVE__EVERY_EVENTS", every_events),
        ("INVENTORY_STORE__ARCHIVE__EVERY_SECONDS", every_seconds),
        ("INVENTORY_STORE__ARCHIVE__KEEP", "2"),
        ("INVENTORY_STORE__ARCHIVE__KEEP_DAYS", "0"),
    ];
    Service::start(data, &settings)
}

#[test]
fn bases_are_made_by_events_and_only_the_newest_are_kept() {
    let directory = tempfile::tempdir().expect("a directory");
    let (data, root) = (directory.path().join("data"), directory.path().join("archive"));
    let root = root.display().to_string();
    let service = start(&data, &root, "50", "0");
    for seed in 1..=4 {
        generate(&service, 300, seed);
        // A base may have been made within the burst; what is due after it comes too.
        eventually("both partitions have a base of nearly all there is", Duration::from_secs(60), || {
            let near = |partition: &Value| {
                let next = partition["next"].as_u64().expect("a position");
                let of = |base: &&(u64, u64)| Some(base.0) == partition["partition"].as_u64();
                bases(&root).iter().filter(of).any(|(_, at)| next - at < 50)
            };
            service.partitions().iter().all(near).then_some(())
        });
    }
    eventually("two of each are kept", Duration::from_secs(60), || {
        let bases = bases(&root);
        [0, 1].iter().all(|p| bases.iter().filter(|base| base.0 == *p).count() == 2).then_some(())
    });
    assert!(service.log().contains("a base is no longer kept and was removed"), "{}", service.log());
    assert!(service.metrics().contains("inventory_store_archive_bases_total{outcome=\"made\"}"));
    assert_eq!(service.terminate(), Some(0));
    archive(&root, &["verify"]).ended(0);
}

#[test]
fn bases_are_made_by_time_and_never_twice_of_the_same() {
    let directory = tempfile::tempdir().expect("a directory");
    let (data, root) = (directory.path().join("data"), directory.path().join("archive"));
    let root = root.display().to_string();
    let service = start(&data, &root, "0", "1");
    generate(&service, 200, 1);
    let ends = eventually("both partitions have a base of all there is", Duration::from_secs(60), || {
        let ends: Vec<(u64, u64)> = service
            .partitions()
            .iter()
            .map(|p| (p["partition"].as_u64().expect("a number"), p["next"].as_u64().expect("a position")))
            .collect();
        let bases = bases(&root);
        ends.iter().all(|end| bases.contains(end)).then_some(ends)
    });
    assert_eq!(service.terminate(), Some(0));
    let before = bases(&root).len();

    // A start finds what there is, and makes nothing of what is archived already.
    let service = start(&data, &root, "0", "1");
    service.wait_until_level(Duration::from_secs(60));
    assert_eq!(service.terminate(), Some(0));
    assert_eq!(bases(&root).len(), before);
    let positions: Vec<u64> = standing(&data).iter().map(|(_, _, next, _)| *next).collect();
    assert_eq!(ends.iter().map(|(_, next)| *next).collect::<Vec<_>>(), positions);
}

#[test]
fn an_archive_that_cannot_be_written_is_named_once_and_nothing_else_suffers() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let blocked = directory.path().join("blocked");
    std::fs::write(&blocked, "a file where the archive's directory should be").expect("written");
    let service = start(&data, &blocked.display().to_string(), "50", "0");
    generate(&service, 400, 1);
    eventually("it is named for both partitions", Duration::from_secs(60), || {
        (service.log().matches("no base was made for the archive").count() == 2).then_some(())
    });
    generate(&service, 400, 2);
    assert_eq!(service.log().matches("no base was made for the archive").count(), 2);
    assert_eq!(service.terminate(), Some(0));
}

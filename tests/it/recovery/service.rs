//! A running service publishes, and comes back from what it published.

use std::path::Path;
use std::time::Duration;

use inventory_store::codec::rows::meta::CheckpointMark;
use inventory_store::types::Partition;

use crate::support::lanes::stores;
use crate::support::process::run_with;
use crate::support::service::{Service, eventually};

pub const SETTINGS: [(&str, &str); 4] = [
    ("INVENTORY_STORE__CONTRACT__PARTITIONS", "2"),
    ("INVENTORY_STORE__SNAPSHOT__EVERY_EVENTS", "100"),
    ("INVENTORY_STORE__SNAPSHOT__CHUNK_BYTES", "2000"),
    ("INVENTORY_STORE__ARCHIVE__URL", "/nowhere"),
];

/// Publishes events and waits until all are applied.
pub fn generate(service: &Service, events: u32, seed: u32) {
    service.wait_until_level(Duration::from_secs(60));
    let passed = service.passed() + u64::from(events);
    let (events, seed) = (events.to_string(), seed.to_string());
    let arguments = ["generate", "--events", &events, "--skus", "40", "--seed", &seed, "--url", &service.url];
    run_with(&arguments, &[], "", Path::new(".")).ended(0);
    service.wait_until_passed(passed, Duration::from_secs(60));
}

/// Rows, digest, position and last checkpoint of a stopped service's partitions.
pub fn standing(data: &Path) -> Vec<(u64, u128, u64, Option<CheckpointMark>)> {
    let stores = stores(data);
    (0..2)
        .map(|number| {
            let writer = stores.open_live(Partition(number)).expect("opens").expect("is served");
            let meta = writer.meta();
            assert_eq!(writer.recount().expect("recounts").digest.0, meta.digest);
            (meta.rows, meta.digest, meta.progress.next.0, meta.last_checkpoint)
        })
        .collect()
}

pub fn verify(directory: &Path, data: &Path) {
    let data = data.display().to_string();
    for against in ["live", "snapshot"] {
        let arguments = ["verify", "--against", against, "--data-dir", &data];
        run_with(&arguments, &SETTINGS, "", directory).ended(0);
    }
}

#[test]
fn a_service_that_lost_its_stores_comes_back_from_its_last_snapshot() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let service = Service::start(&data, &SETTINGS);
    generate(&service, 600, 1);
    assert_eq!(service.terminate(), Some(0));
    let before = standing(&data);
    for (_, _, next, checkpoint) in &before {
        assert_eq!(checkpoint.map(|mark| mark.next.0), Some(*next), "stopping publishes a last cycle");
    }
    verify(directory.path(), &data);

    std::fs::remove_dir_all(data.join("partitions")).expect("lost");
    let service = Service::start(&data, &SETTINGS);
    service.wait_until_level(Duration::from_secs(60));
    assert!(service.log().contains("partition restored"), "{}", service.log());
    generate(&service, 200, 2);
    assert_eq!(service.terminate(), Some(0));
    verify(directory.path(), &data);
}

/// kill -9 wherever it hits: cycles of a few small chunks are under way nearly all the time.
#[test]
fn a_service_killed_while_it_publishes_loses_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    for round in 0..5 {
        let service = Service::start(&data, &SETTINGS);
        service.wait_until_level(Duration::from_secs(60));
        let events = (300 + 70 * round).to_string();
        let seed = round.to_string();
        let arguments =
            ["generate", "--events", &events, "--skus", "40", "--seed", &seed, "--url", &service.url];
        run_with(&arguments, &[], "", directory.path()).ended(0);
        service.kill();
        if round == 3 {
            std::fs::remove_dir_all(data.join("partitions")).expect("lost");
        }
    }
    let service = Service::start(&data, &SETTINGS);
    service.wait_until_level(Duration::from_secs(60));
    assert_eq!(service.terminate(), Some(0));
    verify(directory.path(), &data);
}

/// A store left behind by another owner: what the topic holds is no longer what its marks say.
#[test]
fn a_store_that_another_owner_has_passed_is_set_aside() {
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
    std::fs::remove_dir_all(data.join("partitions")).expect("gone");
    std::fs::rename(&left_behind, data.join("partitions")).expect("back");

    let service = Service::start(&data, &SETTINGS);
    service.wait_until_level(Duration::from_secs(60));
    assert!(service.log().contains("another owner has moved on"), "{}", service.log());
    generate(&service, 200, 3);
    assert_eq!(service.terminate(), Some(0));
    verify(directory.path(), &data);
}

#[test]
fn a_checkpoint_shows_in_the_partitions() {
    let directory = tempfile::tempdir().expect("a directory");
    let service = Service::start(&directory.path().join("data"), &SETTINGS);
    generate(&service, 500, 1);
    eventually("every partition has a checkpoint", Duration::from_secs(60), || {
        service.partitions().iter().all(|partition| partition["last_checkpoint"].is_object()).then_some(())
    });
}

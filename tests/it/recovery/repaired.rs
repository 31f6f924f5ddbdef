//! A repair reaches the topic: the cycle after it is a baseline, and the next restore gives the repaired rows.

use std::path::Path;
use std::time::Duration;

use inventory_store::types::partition_of;

use super::verbs::spoil;
use crate::support::process::{Ran, run_with};
use crate::support::service::{Service, eventually};

const SETTINGS: [(&str, &str); 3] = [
    ("INVENTORY_STORE__CONTRACT__PARTITIONS", "2"),
    ("INVENTORY_STORE__SNAPSHOT__EVERY_EVENTS", "100"),
    ("INVENTORY_STORE__SNAPSHOT__CHUNK_BYTES", "2000"),
];

fn verb(directory: &Path, arguments: &[&str]) -> Ran {
    let data = directory.join("data").display().to_string();
    let archive = directory.join("archive").display().to_string();
    run_with(&[arguments, &["--data-dir", &data, "--archive", &archive]].concat(), &SETTINGS, "", directory)
}

/// A service that has read so many events in all and has stopped, with a last cycle.
fn serve(directory: &Path, events: u64, happen: impl FnOnce(&str)) -> String {
    let service = Service::start(&directory.join("data"), &SETTINGS);
    happen(&service.url);
    eventually("all is read", Duration::from_secs(60), || (service.passed() == events).then_some(()));
    service.wait_until_level(Duration::from_secs(60));
    let log = service.log();
    assert_eq!(service.terminate(), Some(0));
    log
}

#[test]
fn the_next_restore_from_the_topic_after_a_repair_gives_the_repaired_rows() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    serve(at, 600, |url| {
        let arguments = ["generate", "--events", "600", "--skus", "40", "--seed", "4", "--url", url];
        run_with(&arguments, &SETTINGS, "", at).ended(0);
    });
    spoil(at, 1);
    // Another event of the partition: the next cycle carries the spoiled row into the topic.
    let other =
        (0..).map(|n| format!("Other-{n}")).find(|sku| partition_of(sku, 2).0 == 1).expect("one of two");
    serve(at, 601, |url| {
        let event = format!(
            r#"{{"specversion":"1.0","id":"e-1","source":"/test","type":"com.paklog.inventory.fulfillment.v1.product-stock.level-changed","subject":"{other}","data":{{"sku":"{other}","previous_stock_level":{{"quantity_on_hand":0,"quantity_allocated":0,"available_to_promise":0}},"new_stock_level":{{"quantity_on_hand":5,"quantity_allocated":0,"available_to_promise":5}},"change_reason":"RECEIPT"}}}}"#
        );
        run_with(&["publish", "--url", url], &SETTINGS, &event, at).ended(0);
    });
    verb(at, &["verify", "--against", "live"]).ended(1);
    verb(at, &["verify", "--against", "snapshot"]).ended(1);

    verb(at, &["replay", "--cutover"]).ended(1).said("--accept-changes 1");
    verb(at, &["replay", "--cutover", "--accept-changes", "1"]).ended(0);
    verb(at, &["verify", "--against", "live"]).ended(0);
    // Until its baseline is published the topic holds the spoiled row; that a service does before it stops.
    serve(at, 601, |_| {});
    verb(at, &["verify", "--against", "snapshot"]).ended(0);

    std::fs::remove_dir_all(at.join("data/partitions")).expect("lost");
    let log = serve(at, 601, |_| {});
    assert!(log.contains("partition restored"), "{log}");
    verb(at, &["verify", "--against", "live"]).ended(0);
    verb(at, &["verify", "--against", "snapshot"]).ended(0);
}

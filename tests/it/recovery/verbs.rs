use std::path::Path;
use std::time::Duration;

use inventory_store::codec::rows::meta::Progress;
use inventory_store::store::Changes;
use inventory_store::types::{Partition, Quantity};
use serde_json::Value;

use crate::support::lanes::stores;
use crate::support::process::{Ran, binary, run_with};
use crate::support::service::{Service, eventually};

const EVENTS: &str = "3000";
const SETTINGS: [(&str, &str); 2] =
    [("INVENTORY_STORE__CONTRACT__PARTITIONS", "3"), ("INVENTORY_STORE__SNAPSHOT__ENABLED", "false")];

/// A data directory whose service has read a generated day and is stopped.
fn stopped() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let service = Service::start(&data, &SETTINGS);
    let arguments = ["generate", "--events", EVENTS, "--skus", "60", "--seed", "7", "--url", &service.url];
    run_with(&arguments, &[], "", Path::new(".")).ended(0);
    // The end that the service knows of may be a second old.
    eventually("all is read", Duration::from_secs(60), || {
        (service.passed().to_string() == EVENTS).then_some(())
    });
    assert_eq!(service.terminate(), Some(0));
    directory
}

fn verb(directory: &Path, arguments: &[&str]) -> Ran {
    let data = directory.join("data").display().to_string();
    let archive = directory.join("archive").display().to_string();
    let all = [arguments, &["--data-dir", &data, "--archive", &archive]].concat();
    run_with(&all, &SETTINGS, "", directory)
}

fn lines(ran: &Ran) -> Vec<Value> {
    ran.stdout.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

/// Changes the on-hand of the first SKU of a partition behind the log's back, as a fault of the decoder would.
pub fn spoil(directory: &Path, partition: u16) -> String {
    let stores = stores(&directory.join("data"));
    let mut writer = stores.open_live(Partition(partition)).expect("opens").expect("is served");
    let (sku, mut row) = writer.reader().scan(None, 1).expect("reads").remove(0);
    let loaded = writer.load_stock(sku.as_str()).expect("reads").expect("a row");
    row.on_hand = Quantity::new(987_654).expect("a quantity");
    let progress: Progress = writer.progress().clone();
    let mut changes = Changes::new(progress);
    changes.put_stock(sku.as_str(), &row, Some(loaded.hash));
    writer.commit(&changes).expect("spoils");
    writer.close().expect("closes");
    sku.as_str().to_owned()
}

#[test]
fn a_replay_beside_gives_the_same_stores_and_a_sku_as_it_was() {
    let directory = stopped();
    let at = directory.path();
    let ran = verb(at, &["replay", "--into", "rebuilt", "--json"]).ended(0);
    let summaries = lines(&ran);
    assert_eq!(summaries.len(), 3);
    let events: u64 = summaries.iter().filter_map(|line| line["events"].as_u64()).sum();
    assert_eq!(events.to_string(), EVENTS);
    let of = |data: &str| {
        let stores = stores(&at.join(data));
        (0..3)
            .map(|number| {
                let writer = stores.open_live(Partition(number)).expect("opens").expect("is there");
                (writer.meta().rows, writer.meta().digest, writer.progress().next)
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(of("data"), of("rebuilt"));

    // As of a position that history has, too: both answer the same numbers.
    let now = verb(at, &["replay", "--sku", "SKU-000001", "--json"]).ended(0);
    let data = at.join("data").display().to_string();
    let got = run_with(&["get", "SKU-000001", "--json", "--data-dir", &data], &SETTINGS, "", at).ended(0);
    assert_eq!(now.stdout, got.stdout);
    let position = lines(&got)[0]["position"].as_str().expect("a position").to_owned();
    let then = verb(at, &["replay", "--sku", "SKU-000001", "--to", &position, "--json"]).ended(0);
    assert_eq!(lines(&then)[0]["position"], position.as_str());
    verb(at, &["replay", "--cutover", "--to", "0:1"]).ended(2);
    verb(at, &["replay", "--into", "x", "--to", "0:999999"]).ended(1).said("not in the log");
    verb(at, &["replay", "--into", "x", "--from", "offset", "nowhere"]).ended(2);
    // A base there is not: the beginning is one, as long as the log reaches it.
    verb(at, &["replay", "--into", "since", "--from", "offset", "1:100", "--partition", "1"]).ended(0);
}

/// The repair: found by `verify`, refused by a plain cutover, taken with exactly so many changes.
#[test]
fn spoiled_rows_are_found_and_repaired() {
    let directory = stopped();
    let at = directory.path();
    verb(at, &["verify"]).ended(0);
    let sku = spoil(at, 1);
    let found = verb(at, &["verify", "--json"]).ended(1);
    let differing: Vec<Value> = lines(&found).into_iter().filter(|line| line["sku"].is_string()).collect();
    assert_eq!(differing.len(), 1);
    assert_eq!(differing[0]["sku"], sku.as_str());
    assert!(differing[0]["have"].as_str().expect("a row").contains("987654"));
    verb(at, &["replay", "--cutover"]).ended(1).said("--accept-changes 1");
    verb(at, &["replay", "--cutover", "--accept-changes", "2"]).ended(1).said("nothing was changed");
    verb(at, &["verify"]).ended(1);
    verb(at, &["replay", "--cutover", "--accept-changes", "1"]).ended(0);
    verb(at, &["verify"]).ended(0);

    // And the service goes on from it.
    let service = Service::start(&at.join("data"), &SETTINGS);
    service.wait_until_level(Duration::from_secs(60));
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn a_replay_killed_goes_on_where_it_was() {
    let directory = stopped();
    let at = directory.path();
    let data = at.join("data").display().to_string();
    for _ in 0..4 {
        let mut child = binary()
            .args(["replay", "--into", "rebuilt", "--data-dir", &data])
            .envs(SETTINGS)
            .current_dir(at)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("starts");
        // Somewhere in it: the moment is whatever it is.
        let state = at.join("rebuilt/partitions");
        eventually("it has begun or ended", Duration::from_secs(60), || {
            let begun = state.is_dir();
            (begun || child.try_wait().expect("a status").is_some()).then_some(())
        });
        child.kill().expect("kill -9");
        child.wait().expect("it is gone");
    }
    verb(at, &["replay", "--into", "rebuilt"]).ended(0);
    let (have, want) = (stores(&at.join("rebuilt")), stores(&at.join("data")));
    for number in 0..3 {
        let of = |stores: &inventory_store::store::PartitionStores| {
            let writer = stores.open_live(Partition(number)).expect("opens").expect("is there");
            (writer.meta().rows, writer.meta().digest, writer.recount().expect("recounts").digest)
        };
        assert_eq!(of(&have), of(&want));
    }
}

#[test]
fn a_restore_without_a_base_says_so_and_changes_nothing() {
    let directory = stopped();
    let at = directory.path();
    let ran = verb(at, &["restore", "--from", "latest", "--into", "copy"]).ended(1);
    ran.said("there is no checkpoint");
    verb(at, &["restore", "--from", "latest", "--cutover"]).ended(1).said("there is no");
    verb(at, &["restore", "--from", "007-1-0000000000000000", "--into", "copy"]).ended(2);
    verb(at, &["restore", "--from", "002-1-0000000000000000", "--into", "copy"]).ended(1);
    verb(at, &["restore", "--from", "soon", "--into", "copy"]).ended(2);
}

//! Rows spoiled on purpose: found, repaired, and what is published from then on is the repaired.

use std::path::Path;
use std::time::Duration;

use inventory_store::codec::rows::meta::Progress;
use inventory_store::store::Changes;
use inventory_store::types::Partition;
use serde_json::Value;

use super::jobs::generate;
use crate::support::lanes::stores;
use crate::support::process::{Ran, run_with};
use crate::support::service::{Service, eventually};

const SETTINGS: [(&str, &str); 3] = [
    ("INVENTORY_STORE__CONTRACT__PARTITIONS", "2"),
    ("INVENTORY_STORE__SNAPSHOT__EVERY_EVENTS", "200"),
    ("INVENTORY_STORE__ARCHIVE__URL", "/nowhere"),
];

/// As a faulty decoder would: some events are passed over in silence.
const FAULT: &str = "projector::lose_event=100*off->40*return->off";

fn asked(service: &Service, arguments: &[&str]) -> Ran {
    run_with(&[arguments, &["--json", "--url", &service.url]].concat(), &[], "", Path::new("."))
}

fn lines(ran: &Ran) -> Vec<Value> {
    ran.stdout.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

fn started(data: &Path, settings: &[(&str, &str)]) -> Service {
    let service = Service::start(data, settings);
    service.wait_until_level(Duration::from_secs(90));
    service
}

/// A service that lost events while they were folded, and published what it had then.
fn spoiled(data: &Path, settings: &[(&str, &str)]) {
    let service = started(data, &[settings, &[("FAILPOINTS", FAULT)]].concat());
    generate(&service, settings, 1500, 1, &[]);
    // The end that the service knows of may be a second old.
    eventually("all is read", Duration::from_secs(90), || (service.passed() == 1500).then_some(()));
    assert_eq!(service.terminate(), Some(0));
}

/// How many rows a running service finds to differ.
fn found(service: &Service) -> usize {
    let ran = asked(service, &["verify"]).ended(1);
    let rows = lines(&ran).iter().filter(|line| line["difference"].is_string()).count();
    let ends: Vec<_> = lines(&ran).into_iter().filter(|line| line["covers_from"].is_number()).collect();
    assert_eq!(ends.len(), 2, "from where it covers is said: {}", ran.stdout);
    assert_eq!(ends.iter().filter_map(|end| end["differences"].as_u64()).sum::<u64>() as usize, rows);
    rows
}

pub fn repaired(directory: &Path, settings: &[(&str, &str)]) {
    let data = directory.join("data");
    spoiled(&data, settings);
    let service = started(&data, settings);
    let differ = found(&service);
    assert!(differ > 0);
    asked(&service, &["verify", "--against", "snapshot"]).ended(1);

    // Nothing is changed unless exactly what was looked at is accepted.
    asked(&service, &["replay", "--cutover"]).ended(1).said(&format!("--accept-changes {differ}"));
    let more = (differ + 1).to_string();
    asked(&service, &["replay", "--cutover", "--accept-changes", &more]).ended(1).said("nothing was changed");
    assert_eq!(found(&service), differ);
    let accepted = differ.to_string();
    let ran = asked(&service, &["replay", "--cutover", "--accept-changes", &accepted]).ended(0);
    let changed: Vec<_> = lines(&ran).into_iter().filter(|line| line["serves"].is_string()).collect();
    assert_eq!(changed.len(), 2);
    for changed in &changed {
        let repaired = changed["differences"] != 0;
        assert_eq!(
            changed["baseline"].is_number(),
            repaired,
            "a repair is done with its baseline: {changed}"
        );
        eprintln!("stood still for {} ms, {} rows repaired", changed["pause_ms"], changed["differences"]);
    }
    asked(&service, &["verify"]).ended(0);
    asked(&service, &["verify", "--against", "snapshot"]).ended(0);

    // The next restore from the topic gives the repaired rows.
    generate(&service, settings, 300, 2, &[]);
    service.kill();
    std::fs::remove_dir_all(data.join("partitions")).expect("lost");
    let service = started(&data, settings);
    assert!(service.log().contains("partition restored"), "{}", service.log());
    asked(&service, &["verify"]).ended(0);
    assert_eq!(service.terminate(), Some(0));
}

#[test]
#[cfg_attr(not(feature = "failpoints"), ignore = "needs the feature failpoints")]
fn a_repair_of_a_running_service_is_what_the_topic_gives_from_then_on() {
    let directory = tempfile::tempdir().expect("a directory");
    repaired(directory.path(), &SETTINGS);
}

/// What was published before is older than the repaired store, though the topic names it last.
#[test]
#[cfg_attr(not(feature = "failpoints"), ignore = "needs the feature failpoints")]
fn a_repair_of_a_stopped_service_is_not_undone_by_the_topic() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    spoiled(&data, &SETTINGS);
    let at = data.display().to_string();
    let stopped = |arguments: &[&str]| {
        run_with(&[arguments, &["--data-dir", &at]].concat(), &SETTINGS, "", directory.path())
    };
    let differ = stopped(&["verify", "--json"]).ended(1);
    let differ = lines(&differ).iter().filter(|line| line["difference"].is_string()).count().to_string();
    stopped(&["replay", "--cutover", "--accept-changes", &differ]).ended(0);
    let service = started(&data, &SETTINGS);
    asked(&service, &["verify"]).ended(0);
    assert!(!service.log().contains("another owner has moved on"), "{}", service.log());
    assert_eq!(service.terminate(), Some(0));
    stopped(&["verify", "--against", "snapshot"]).ended(0);
}

/// A SKU that is served and that the log does not give blocks every cutover, whatever is accepted.
#[test]
fn a_sku_that_would_be_gone_blocks_a_cutover() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let service = started(&data, &SETTINGS);
    generate(&service, &SETTINGS, 300, 1, &[]);
    eventually("all is read", Duration::from_secs(60), || (service.passed() == 300).then_some(()));
    assert_eq!(service.terminate(), Some(0));
    {
        let stores = stores(&data);
        let mut writer = stores.open_live(Partition(0)).expect("opens").expect("is served");
        let (sku, row) = writer.reader().scan(None, 1).expect("reads").remove(0);
        assert_eq!(inventory_store::types::partition_of(sku.as_str(), 2), Partition(0));
        let progress: Progress = writer.progress().clone();
        let mut changes = Changes::new(progress);
        changes.put_stock("OF-NO-EVENT", &row, None);
        writer.commit(&changes).expect("spoils");
        writer.close().expect("closes");
    }
    let service = started(&data, &SETTINGS);
    asked(&service, &["replay", "--cutover"]).ended(1).said("missing from the new stores");
    asked(&service, &["replay", "--cutover", "--accept-changes", "1"]).ended(1).said("nothing was changed");
    asked(&service, &["verify"]).ended(1);
}

/// Restoring over a sound store is a checked cutover; of a spoiled one it is refused.
#[test]
fn a_restore_over_a_served_store_must_give_the_served_rows() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let service = started(&data, &SETTINGS);
    generate(&service, &SETTINGS, 900, 1, &[]);
    eventually("all is read", Duration::from_secs(60), || (service.passed() == 900).then_some(()));
    assert_eq!(service.terminate(), Some(0));
    let at = data.display().to_string();
    let restore = ["restore", "--from", "latest", "--cutover"];
    run_with(&[&restore[..], &["--data-dir", &at]].concat(), &SETTINGS, "", directory.path()).ended(0);
    let service = started(&data, &SETTINGS);
    generate(&service, &SETTINGS, 100, 2, &["--commands"]);
    let ran = asked(&service, &restore).ended(0);
    assert!(lines(&ran).iter().all(|line| line["serves"].is_string()), "{}", ran.stdout);
    asked(&service, &["verify"]).ended(0);
    asked(&service, &["restore", "--from", "soon", "--cutover"]).ended(2);
    asked(&service, &["restore", "--from", "007-1-0000000000000000", "--cutover"])
        .ended(2)
        .said("no partition 7");
}

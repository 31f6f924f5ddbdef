//! Bases made by a running service because somebody asks, and its generations looked after from outside.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::on_kafka::{run_on, variables};
use super::service::{generate, standing, verify};
use crate::support::broker::Broker;
use crate::support::process::{Ran, run_with};
use crate::support::service::{Service, eventually};

/// Nothing is published by itself, not at the end either.
const QUIET: [(&str, &str); 5] = [
    ("INVENTORY_STORE__CONTRACT__PARTITIONS", "2"),
    ("INVENTORY_STORE__SNAPSHOT__EVERY_EVENTS", "1000000"),
    ("INVENTORY_STORE__SNAPSHOT__EVERY_SECONDS", "100000"),
    ("INVENTORY_STORE__SNAPSHOT__AT_SHUTDOWN", "false"),
    ("INVENTORY_STORE__SNAPSHOT__CHUNK_BYTES", "2000"),
];

pub fn settings(archive: &str) -> Vec<(&str, &str)> {
    [&QUIET[..], &[("INVENTORY_STORE__ARCHIVE__URL", archive)]].concat()
}

/// A verb, asked of the service.
fn ask(service: &Service, verb: &[&str]) -> Ran {
    run_with(&[verb, &["--url", &service.url]].concat(), &[], "", Path::new("."))
}

fn lines(ran: &Ran) -> Vec<Value> {
    ran.stdout.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

pub fn numbers(items: &[Value], name: &str) -> Vec<u64> {
    items.iter().map(|item| item[name].as_u64().expect("a number")).collect()
}

/// Has a snapshot published; each checkpoint holds everything that was applied when it was asked for.
pub fn snapshot(service: &Service) -> Vec<Value> {
    let applied = numbers(&service.partitions(), "next");
    // On Kafka a partition may still be on its way from one lane of the process to another.
    let cycles = eventually("both partitions are published", Duration::from_secs(60), || {
        let ran = ask(service, &["snapshot", "--json", "--partition", "0", "--partition", "1"]);
        assert!([0, 1, 3].contains(&ran.status), "{}", ran.stderr);
        (ran.status == 0).then(|| lines(&ran))
    });
    assert_eq!(numbers(&cycles, "partition"), [0, 1]);
    for (next, applied) in numbers(&cycles, "next").iter().zip(applied) {
        assert!(*next >= applied, "{cycles:?}");
    }
    for (cycle, partition) in cycles.iter().zip(&service.partitions()) {
        assert_eq!(partition["last_checkpoint"]["next"], cycle["next"]);
        assert_eq!(partition["last_checkpoint"]["cycle"], cycle["cycle"]);
    }
    cycles
}

#[test]
fn a_snapshot_asked_for_is_what_a_lost_store_comes_back_from() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let service = Service::start(&data, &settings("/nowhere"));
    generate(&service, 400, 1);
    let first = snapshot(&service);
    assert!(numbers(&first, "rows").iter().all(|rows| *rows > 0));
    assert!(numbers(&first, "bytes").iter().all(|bytes| *bytes > 0));

    // Only what has changed since, and of the partition asked for alone.
    let again = lines(&ask(&service, &["snapshot", "--json", "--partition", "1"]).ended(0));
    assert_eq!(numbers(&again, "partition"), [1]);
    assert!(numbers(&again, "rows")[0] < numbers(&first, "rows")[1]);
    assert!(again[0]["cycle"].as_u64() > first[1]["cycle"].as_u64());

    generate(&service, 200, 2);
    let ran = ask(&service, &["snapshot"]).ended(0);
    assert_eq!(ran.stdout.lines().count(), 2, "{}", ran.stdout);
    service.kill();
    std::fs::remove_dir_all(data.join("partitions")).expect("lost");
    let service = Service::start(&data, &settings("/nowhere"));
    service.wait_until_level(Duration::from_secs(60));
    assert_eq!(service.log().matches("partition restored").count(), 2, "{}", service.log());
    assert_eq!(service.terminate(), Some(0));
    verify(directory.path(), &data);
}

#[test]
fn what_cannot_be_published_is_refused_with_the_reason() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let off = [settings("/nowhere"), vec![("INVENTORY_STORE__SNAPSHOT__ENABLED", "false")]].concat();
    let service = Service::start(&data, &off);
    service.wait_until_level(Duration::from_secs(60));
    ask(&service, &["snapshot"]).ended(1).said("snapshot.enabled is false");
    ask(&service, &["snapshot", "--partition", "9"]).ended(2).said("no partition 9");
    assert_eq!(service.terminate(), Some(0));

    // A partition that stands still says why.
    std::fs::write(data.join("partitions/000/LIVE"), "nonsense").expect("damaged");
    let service = Service::start(&data, &settings("/nowhere"));
    eventually("partition 0 has failed, partition 1 is live", Duration::from_secs(60), || {
        let partitions = service.partitions();
        (partitions.len() == 2 && partitions[0]["state"] == "failed" && partitions[1]["state"] == "live")
            .then_some(())
    });
    let ran = ask(&service, &["snapshot", "--json"]).ended(1).said("LIVE");
    assert_eq!(numbers(&lines(&ran), "partition"), [1], "the other one is published all the same");
    let nobody = run_with(&["snapshot", "--url", "http://127.0.0.1:9"], &[], "", Path::new("."));
    nobody.ended(3).said("cannot be reached");
}

#[test]
fn a_running_service_archives_what_it_serves() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let root = directory.path().join("archive").display().to_string();
    let service = Service::start(&data, &settings(&root));
    generate(&service, 400, 1);
    let applied = numbers(&service.partitions(), "next");
    let made = lines(&ask(&service, &["archive", "create", "--json"]).ended(0));
    assert!(numbers(&made, "next").iter().zip(applied).all(|(next, applied)| *next >= applied), "{made:?}");
    assert!(made.iter().all(|base| base["outcome"] == "new"));
    let again = lines(&ask(&service, &["archive", "create", "--json"]).ended(0));
    assert!(again.iter().all(|base| base["outcome"] == "already there"), "nothing came since: {again:?}");
    let elsewhere = run_with(&["archive", "create", "--archive", &root], &[], "", directory.path());
    elsewhere.ended(2).said("--data-dir");
    assert_eq!(service.terminate(), Some(0));
    let archive = |verb: &str| run_with(&["archive", verb, "--archive", &root], &[], "", directory.path());
    archive("verify").ended(0);
    assert_eq!(archive("list").ended(0).stdout.lines().count(), 3, "a head and two bases");

    let before = standing(&data);
    std::fs::remove_dir_all(data.join("partitions")).expect("lost");
    let service = Service::start(&data, &settings(&root));
    service.wait_until_level(Duration::from_secs(60));
    assert_eq!(service.log().matches("of the archive").count(), 2, "{}", service.log());
    assert_eq!(service.terminate(), Some(0));
    let content =
        |all: &[(u64, u128, u64, _)]| all.iter().map(|(r, d, n, _)| (*r, *d, *n)).collect::<Vec<_>>();
    assert_eq!(content(&standing(&data)), content(&before));
}

#[test]
fn generations_of_a_running_service_are_listed_served_and_pruned() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let service = Service::start(&data, &settings("/nowhere"));
    generate(&service, 400, 1);
    ask(&service, &["replay", "--cutover"]).ended(0);
    generate(&service, 200, 2);

    let list = || lines(&ask(&service, &["generations", "list", "--json"]).ended(0));
    let standing = |of: &str| -> Vec<(u64, String, bool)> {
        let one = |found: &Value| {
            assert!(found["error"].is_null(), "{of}: {found}");
            let name = found["generation"].as_str().expect("a name").to_owned();
            (found["partition"].as_u64().expect("a number"), name, found["live"] == true)
        };
        list().iter().map(one).collect()
    };
    let (old, new) = ("gen-0001".to_owned(), "gen-0002".to_owned());
    let after_cutover =
        [0, 1].iter().flat_map(|p| [(*p, old.clone(), false), (*p, new.clone(), true)]).collect::<Vec<_>>();
    assert_eq!(standing("after the cutover"), after_cutover);
    let rows = numbers(&service.partitions(), "rows");
    let live: Vec<Value> = list().into_iter().filter(|found| found["live"] == true).collect();
    assert_eq!(numbers(&live, "rows"), rows);

    // Back to the one before: it lacks what came since, and is brought up to it.
    ask(&service, &["generations", "activate", "0", "gen-0001"]).ended(0);
    assert_eq!(service.partitions()[0]["generation"], "gen-0001");
    assert_eq!(numbers(&service.partitions(), "rows"), rows);
    ask(&service, &["generations", "activate", "0", "gen-0001"]).ended(1).said("already");
    ask(&service, &["generations", "activate", "0", "gen-0007"]).ended(1).said("generations list");
    ask(&service, &["generations", "activate", "0", "old"]).ended(2).said("gen-0001");

    let pruned = lines(&ask(&service, &["generations", "prune", "--json"]).ended(0));
    assert_eq!(pruned.len(), 2, "{pruned:?}");
    assert_eq!(standing("after pruning"), [(0, old, true), (1, new, true)]);
    generate(&service, 100, 3);
    assert_eq!(service.terminate(), Some(0));
    let data = data.display().to_string();
    run_with(&["verify", "--data-dir", &data], &settings("/nowhere"), "", directory.path()).ended(0);
}

#[test]
fn a_snapshot_and_a_base_asked_for_on_kafka_are_what_stores_come_back_from() {
    let Some(broker) = Broker::shared("recovery: snapshot and archive on demand") else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let (data, root) = (directory.path().join("data"), directory.path().join("archive"));
    let root = root.display().to_string();
    let mut variables = variables(&broker.config());
    variables.extend(settings(&root).into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
    let settings: Vec<(&str, &str)> = variables.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    run_on(&settings, &["topics", "create", "--development"]).ended(0);
    let service = Service::start(&data, &settings);
    run_on(&settings, &["generate", "--events", "1000", "--skus", "60", "--seed", "1"]).ended(0);
    let applied = |events| {
        eventually("every event is applied", Duration::from_secs(60), || {
            (service.passed() >= events).then_some(())
        });
    };
    applied(1000);
    let bases = eventually("both partitions are archived", Duration::from_secs(60), || {
        let ran = ask(&service, &["archive", "create", "--json", "--partition", "0", "--partition", "1"]);
        assert!([0, 1, 3].contains(&ran.status), "{}", ran.stderr);
        (ran.status == 0).then(|| lines(&ran))
    });
    assert_eq!(bases.len(), 2);
    run_on(&settings, &["generate", "--events", "500", "--skus", "60", "--seed", "2"]).ended(0);
    applied(1500);
    let cycles = snapshot(&service);
    assert!(numbers(&bases, "next").iter().sum::<u64>() < numbers(&cycles, "next").iter().sum::<u64>());
    service.kill();
    std::fs::remove_dir_all(&data).expect("lost");

    let service = Service::start(&data, &settings);
    service.wait_until_level(Duration::from_secs(90));
    assert!(service.log().matches("checkpoint of cycle").count() >= 2, "{}", service.log());
    assert_eq!(service.terminate(), Some(0));
    let data = data.display().to_string();
    run_on(&settings, &["verify", "--against", "live", "--data-dir", &data]).ended(0);
    run_on(&settings, &["verify", "--against", "archive", "--data-dir", &data]).ended(0);
}

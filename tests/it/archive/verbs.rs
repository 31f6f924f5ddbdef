//! `archive` and `generations` as scripts meet them, on the directory of a stopped service.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::support::process::{Ran, run};
use crate::support::service::Service;

/// The directory of a service that has stopped: 3 partitions, some events.
fn stopped(directory: &Path) -> PathBuf {
    let data = directory.join("data");
    let service = Service::start(&data, &[("INVENTORY_STORE__CONTRACT__PARTITIONS", "3")]);
    run(&["generate", "--events", "400", "--skus", "50", "--seed", "3", "--url", &service.url]).ended(0);
    service.wait_until_passed(400, Duration::from_secs(60));
    assert_eq!(service.terminate(), Some(0));
    data
}

fn lines(ran: &Ran) -> Vec<Value> {
    ran.stdout.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn bases_are_made_listed_verified_and_pruned() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = stopped(directory.path());
    let root = directory.path().join("archive");
    let archive =
        |verb: &str, more: &[&str]| run(&[&["archive", verb, "--archive", text(&root)], more].concat());

    assert_eq!(archive("list", &["--json"]).ended(0).stdout, "", "nothing yet, and no directory made");
    assert!(!root.exists());
    let made = lines(&archive("create", &["--data-dir", text(&data), "--json"]).ended(0));
    assert_eq!(made.len(), 3);
    for base in &made {
        assert_eq!((base["outcome"].as_str(), base["superseded"].is_null()), (Some("new"), true), "{base}");
    }
    let again =
        lines(&archive("create", &["--data-dir", text(&data), "--partition", "1", "--json"]).ended(0));
    assert_eq!((again.len(), &again[0]["outcome"]), (1, &Value::from("already there")));
    assert_eq!(again[0]["base"], made[1]["base"]);

    let listed = lines(&archive("list", &["--json"]).ended(0));
    let names = |bases: &[Value]| bases.iter().map(|base| base["base"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&listed), names(&made));
    assert!(archive("list", &[]).ended(0).stdout.starts_with("base "));
    assert_eq!(lines(&archive("verify", &["--json"]).ended(0)).len(), 3);
    archive("verify", &[made[0]["base"].as_str().expect("a name")]).ended(0);
    assert_eq!(archive("prune", &["--keep", "1", "--keep-days", "0"]).ended(0).stdout, "");

    // One bit.
    let rows = super::files(&root).into_iter().find(|path| path.extension().is_some_and(|e| e == "rows"));
    let rows = rows.expect("a file of rows");
    let mut bytes = std::fs::read(&rows).expect("reads");
    bytes[60] ^= 4;
    std::fs::write(&rows, bytes).expect("writes");
    let ran = archive("verify", &["--json"]).ended(4);
    let unsound: Vec<Value> = lines(&ran).into_iter().filter(|line| line["sound"] == false).collect();
    assert_eq!((unsound.len(), &unsound[0]["base"]), (1, &made[0]["base"]));
    let name = rows.file_name().and_then(|name| name.to_str()).expect("a name");
    assert!(unsound[0]["error"].as_str().is_some_and(|error| error.contains(name)), "{unsound:?}");
}

#[test]
fn what_cannot_be_done_ends_with_the_status_for_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().join("archive");
    let cases: &[(&[&str], i32, &str)] = &[
        (&["archive", "create", "--data-dir", "/nowhere"], 2, "holds no stores"),
        (&["archive", "verify", "latest"], 2, "archive list"),
        (&["archive", "verify", "007-42-9f86d081884c7d65"], 1, "archive list"),
        (&["archive", "list", "--archive", "ftp://host/dir"], 2, "archive.url"),
        (&["archive", "prune", "--keep", "0"], 2, "--keep"),
        (&["generations", "list", "--data-dir", "/nowhere"], 2, "holds no stores"),
        (&["generations", "activate", "1", "latest", "--data-dir", "/nowhere"], 2, "generations list"),
    ];
    for (arguments, status, says) in cases {
        let mut arguments = arguments.to_vec();
        if arguments[0] == "archive" && !arguments.contains(&"--archive") {
            arguments.extend(["--archive", text(&root)]);
        }
        let ran = run(&arguments).ended(*status);
        assert!(ran.stderr.contains(says), "{arguments:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{arguments:?}");
    }
}

#[test]
fn a_running_service_keeps_its_directory_and_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let service = Service::start(&data, &[("INVENTORY_STORE__CONTRACT__PARTITIONS", "1")]);
    for verb in [&["archive", "create"][..], &["generations", "list"]] {
        let ran = run(&[verb, &["--data-dir", text(&data)]].concat()).ended(2);
        assert!(ran.stderr.contains(&service.url), "{}", ran.stderr);
    }
}

#[test]
fn generations_are_listed_and_only_sound_ones_are_served() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = stopped(directory.path());
    let generations = |verb: &[&str], more: &[&str]| {
        run(&[&["generations"], verb, &["--data-dir", text(&data)], more].concat())
    };
    let listed = lines(&generations(&["list"], &["--json"]).ended(0));
    assert_eq!(listed.len(), 3);
    assert!(listed.iter().all(|found| found["live"] == true && found["error"].is_null()), "{listed:?}");
    assert!(generations(&["list"], &[]).ended(0).stdout.contains("gen-0001"));
    assert_eq!(generations(&["prune"], &[]).ended(0).stdout, "", "what is served stays");

    generations(&["activate", "1", "gen-0001"], &[]).ended(0);
    let refused = generations(&["activate", "1", "gen-0009"], &[]).ended(1);
    assert!(refused.stderr.contains("gen-0009"), "{}", refused.stderr);

    // A second one, which is not a store.
    let second = data.join("partitions/001/gen-0002");
    std::fs::create_dir_all(&second).expect("makes");
    std::fs::write(second.join("CURRENT"), "nothing").expect("writes");
    generations(&["activate", "1", "gen-0002"], &[]).ended(4);
    let listed = lines(&generations(&["list"], &["--json"]).ended(0));
    let of = |generation: &str| {
        let found = listed.iter().find(|line| line["partition"] == 1 && line["generation"] == generation);
        found.expect("is listed").clone()
    };
    assert_eq!((&of("gen-0001")["live"], &of("gen-0002")["live"]), (&Value::from(true), &Value::from(false)));
    assert!(of("gen-0002")["error"].is_string());
    let removed = lines(&generations(&["prune"], &["--json"]).ended(0));
    assert_eq!((removed.len(), &removed[0]["generation"]), (1, &Value::from("gen-0002")));
    assert!(!second.exists());
}

//! Jobs of a running service: `/jobs`, cutovers under load, kill -9 around the change.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use super::asking::{Hammer, ask, ended, job};
use crate::support::process::run_with;
use crate::support::service::{Service, eventually};

const SETTINGS: [(&str, &str); 3] = [
    ("INVENTORY_STORE__CONTRACT__PARTITIONS", "2"),
    ("INVENTORY_STORE__SNAPSHOT__EVERY_EVENTS", "400"),
    ("INVENTORY_STORE__ARCHIVE__URL", "/nowhere"),
];

/// Sends a generated day to the service, or to the brokers that it follows.
pub fn generate(service: &Service, settings: &[(&str, &str)], events: u32, seed: u32, more: &[&str]) {
    let (events, seed) = (events.to_string(), seed.to_string());
    let mut arguments = vec!["generate", "--events", &events, "--skus", "40", "--seed", &seed];
    if !settings.iter().any(|(name, _)| *name == "KAFKA_BOOTSTRAP_SERVERS") {
        arguments.extend(["--url", &service.url]);
    }
    arguments.extend(more);
    run_with(&arguments, settings, "", Path::new(".")).ended(0);
}

fn skus() -> Vec<String> {
    (0..40).map(|number| format!("SKU-{number:06}")).collect()
}

fn generations(service: &Service) -> Vec<String> {
    service.partitions().iter().map(|p| p["generation"].as_str().expect("a generation").to_owned()).collect()
}

#[test]
fn queries_neither_fail_nor_mix_while_partitions_change_over_under_writes_and_commands() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let service = Service::start(&data, &SETTINGS);
    hammered(&service, &SETTINGS);
    assert_eq!(service.terminate(), Some(0));
    let data = data.display().to_string();
    run_with(&["verify", "--data-dir", &data], &SETTINGS, "", directory.path()).ended(0);
    run_with(&["verify", "--against", "snapshot", "--data-dir", &data], &SETTINGS, "", directory.path())
        .ended(0);
}

/// Cutovers while events and commands come and everything is read; then each command was decided once.
pub fn hammered(service: &Service, settings: &[(&str, &str)]) {
    generate(service, settings, 3000, 1, &[]);
    eventually("every SKU is there", Duration::from_secs(60), || {
        let (_, page) = service.get("/stock_levels?limit=100");
        (page["items"].as_array().map_or(0, Vec::len) == 40).then_some(())
    });
    let before = generations(service);
    let hammer = Hammer::start(service, &skus());
    let stop = Arc::<AtomicBool>::default();
    let (writing, url) = (Arc::clone(&stop), service.url.clone());
    // Each command receives one unit of a SKU that nobody else writes: its stock tells how many were decided.
    let commands = std::thread::spawn(move || {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let mut sent = 0;
        while !writing.load(Ordering::Relaxed) {
            let command = json!({"specversion": "1.0", "id": format!("c-{sent}"), "source": "/hammer",
                "type": "com.paklog.inventory.fulfillment.v1.product-stock.receive",
                "subject": format!("ONCE-{}", sent % 4), "data": {"quantity": 1}});
            // Each is sent twice: the second is the first one's outcome.
            for _ in 0..2 {
                let answer = agent
                    .post(format!("{url}/commands"))
                    .header("content-type", "application/cloudevents+json")
                    .send(command.to_string().as_bytes())
                    .expect("an answer");
                assert_eq!(answer.status().as_u16(), 200, "command {sent}");
            }
            sent += 1;
        }
        sent
    });
    for round in 2..5 {
        let id = {
            let (status, started) =
                ask(service, "POST", "/jobs", Some(&json!({"kind": "replay", "cutover": true})));
            assert_eq!(status, 202, "{started}");
            started["id"].as_str().expect("an id").to_owned()
        };
        generate(service, settings, 600, round, &["--commands"]);
        let job = ended(service, &id);
        assert_eq!(job["state"], "done", "{job}");
        let made = job["summary"]["partitions"].as_array().expect("partitions");
        assert_eq!(made.len(), 2, "{job}");
        for made in made {
            let pause = made["pause_ms"].as_f64().expect("a pause");
            eprintln!("partition {} stood still for {pause} ms", made["partition"]);
            assert!(pause < 1000.0, "{made}");
        }
    }
    // What is served is what the log gives, at one position, while all goes on; and so is what a base gives.
    let verified = job(service, &json!({"kind": "verify"}));
    assert_eq!(
        (&verified["state"], &verified["summary"]["differences"]),
        (&json!("done"), &json!(0)),
        "{verified}"
    );
    let restored = job(service, &json!({"kind": "restore", "from": "latest", "cutover": true}));
    assert_eq!(restored["state"], "done", "{restored}");
    stop.store(true, Ordering::Relaxed);
    let sent: u64 = commands.join().expect("every command was accepted");
    let reads = hammer.end();
    eprintln!("{reads} SKUs read, {sent} commands sent twice");
    assert!(reads > 100 && sent > 0);
    let after = generations(service);
    assert!(before.iter().zip(&after).all(|(before, after)| before < after), "{before:?} {after:?}");
    let on_hand = |sku: &str| service.get(&format!("/stock_levels/{sku}")).1["quantity_on_hand"].as_u64();
    let received: u64 = (0..4).filter_map(|number| on_hand(&format!("ONCE-{number}"))).sum();
    assert_eq!(received, sent, "each command once");
    let (_, metrics) = service.get("/partitions");
    assert!(metrics["items"].is_array());
}

#[test]
fn a_job_is_listed_shown_refused_and_cancelled_as_documented() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let service = Service::start(&data, &SETTINGS);
    generate(&service, &SETTINGS, 500, 1, &[]);
    eventually("all is read", Duration::from_secs(60), || (service.passed() == 500).then_some(()));
    for (bad, part) in [
        (json!({"kind": "replay"}), "exactly one of"),
        (json!({"kind": "forget"}), "unknown variant"),
        (json!({"kind": "replay", "cutover": true, "to": "0:3"}), "neither to nor partial"),
        (json!({"kind": "verify", "sample": 101}), "sample"),
        (json!({"kind": "replay", "into": "here"}), "absolute"),
        (json!([]), "this is no job"),
    ] {
        let (status, problem) = ask(&service, "POST", "/jobs", Some(&bad));
        assert_eq!((status, &problem["code"]), (400, &json!("INVALID_REQUEST")), "{bad}");
        assert!(problem["detail"].as_str().expect("a detail").contains(part), "{bad}: {problem}");
    }
    for path in ["/jobs/job-0001", "/jobs/nothing"] {
        assert_eq!(ask(&service, "GET", path, None).1["code"], "UNKNOWN_JOB");
        assert_eq!(ask(&service, "DELETE", path, None).0, 404);
    }
    let into = data.join("elsewhere").display().to_string();
    let inside = job(&service, &json!({"kind": "replay", "into": into}));
    assert_eq!((&inside["state"], &inside["error"]["class"]), (&json!("refused"), &json!("refused")));

    let verified = job(&service, &json!({"kind": "verify"}));
    assert_eq!((&verified["state"], &verified["summary"]["differences"]), (&json!("done"), &json!(0)));
    let into = directory.path().join("rebuilt").display().to_string();
    let made = job(&service, &json!({"kind": "replay", "into": into, "to": "0:99", "partitions": [0]}));
    assert_eq!(made["summary"]["partitions"][0]["next"], 100, "{made}");
    let shown = job(&service, &json!({"kind": "replay", "sku": "SKU-000001"}));
    let (_, now) = service.get("/stock_levels/SKU-000001");
    assert_eq!(shown["summary"]["sku"], now);
    assert_eq!(job(&service, &json!({"kind": "replay", "sku": "NEVER"}))["state"], "refused");

    let (status, list) = ask(&service, "GET", "/jobs", None);
    let ids: Vec<&str> =
        list["items"].as_array().expect("items").iter().filter_map(|j| j["id"].as_str()).collect();
    assert_eq!(status, 200);
    assert_eq!(ids, ["job-0005", "job-0004", "job-0003", "job-0002", "job-0001"], "the newest first");
    assert_eq!(ask(&service, "DELETE", "/jobs/job-0002", None).0, 200, "it has ended: it stays as it is");

    // What was done is still known after a restart, and numbers go on.
    assert_eq!(service.terminate(), Some(0));
    let service = Service::start(&data, &SETTINGS);
    service.wait_until_level(Duration::from_secs(60));
    assert_eq!(service.get("/jobs/job-0002").1["summary"]["differences"], 0);
    assert_eq!(job(&service, &json!({"kind": "verify"}))["id"], "job-0006");
}

/// The error beyond the history kept names a verb, and that verb gives the SKU as it was.
#[test]
fn the_job_that_an_as_of_error_names_gives_the_sku_as_it_was() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let settings = [&SETTINGS[..], &[("INVENTORY_STORE__STORE__HISTORY_HOURS", "0")]].concat();
    let service = Service::start(&data, &settings);
    generate(&service, &settings, 1000, 1, &[]);
    eventually("all is read", Duration::from_secs(60), || (service.passed() == 1000).then_some(()));
    let sku = "SKU-000001";
    let position =
        service.get(&format!("/stock_levels/{sku}")).1["position"].as_str().expect("one").to_owned();
    let (partition, offset) = position.split_once(':').expect("a position");
    let before: u64 = offset.parse::<u64>().expect("an offset") - 1;
    let (status, problem) = service.get(&format!("/stock_levels/{sku}?as_of={partition}:{before}"));
    assert_eq!((status, &problem["code"]), (422, &json!("HISTORY_NOT_KEPT")), "{problem}");
    let named = problem["job"].as_str().expect("a job").replace('\'', "");
    let mut words = named.split(' ');
    assert_eq!(words.next(), Some("inventory-store"));
    let arguments: Vec<&str> = words.chain(["--json", "--url", &service.url]).collect();
    let ran = run_with(&arguments, &[], "", Path::new(".")).ended(0);
    let body: serde_json::Value = serde_json::from_str(&ran.stdout).expect("the body");
    assert_eq!(body["sku"], sku);
    assert_ne!(body["position"], position, "as it was before its last event");
    // What is partial says so, and begins where it was asked to.
    let from = format!("{partition}:{before}");
    let arguments = ["replay", "--from", "offset", &from, "--partial", "--sku", sku, "--url", &service.url];
    let ran = run_with(&arguments, &[], "", Path::new(".")).ended(0);
    assert!(ran.stderr.contains("partial"), "{}", ran.stderr);
}

/// A job ends as soon as may be, and the same again goes on with what it made.
#[test]
fn a_job_that_is_cancelled_is_interrupted_and_goes_on_when_it_is_asked_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let service = Service::start(&data, &SETTINGS);
    generate(&service, &SETTINGS, 4000, 1, &[]);
    service.wait_until_passed(4000, Duration::from_secs(60));
    let request = json!({"kind": "replay", "cutover": true});
    for _ in 0..3 {
        let (status, started) = ask(&service, "POST", "/jobs", Some(&request));
        assert_eq!(status, 202, "{started}");
        let id = started["id"].as_str().expect("an id");
        let other = ask(&service, "POST", "/jobs", Some(&json!({"kind": "verify"})));
        // It may have ended by then; while it runs there is no other beside it.
        assert!(other.0 == 202 || (other.0 == 409 && other.1["code"] == "JOB_RUNNING"), "{other:?}");
        assert!([200, 202].contains(&ask(&service, "DELETE", &format!("/jobs/{id}"), None).0));
        let job = ended(&service, id);
        assert!(job["state"] == "interrupted" || job["state"] == "done", "{job}");
        eventually("nothing runs", Duration::from_secs(60), || {
            let (_, list) = service.get("/jobs");
            list["items"].as_array().expect("items").iter().all(|job| job["state"] != "running").then_some(())
        });
    }
    assert_eq!(job(&service, &request)["state"], "done");

    // Ctrl-C at the command line: the service's job ends too.
    let mut child = crate::support::process::binary()
        .args(["replay", "--cutover", "--json", "--url", &service.url])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("starts");
    let newest = || service.get("/jobs").1["items"][0].clone();
    let before = newest()["id"].clone();
    eventually("the job is there, or over", Duration::from_secs(60), || {
        (newest()["id"] != before || child.try_wait().expect("a status").is_some()).then_some(())
    });
    let pid = libc::pid_t::try_from(child.id()).expect("a process id");
    // SAFETY: a signal to our own child, which is not waited for yet or has ended as a zombie.
    #[allow(unsafe_code)]
    unsafe {
        libc::kill(pid, libc::SIGINT);
    }
    let status = child.wait().expect("it ends").code();
    let job = newest();
    match status {
        Some(130) => assert_eq!(job["state"], "interrupted", "{job}"),
        Some(0) => assert_eq!(job["state"], "done", "{job}"),
        other => panic!("{other:?}: {job}"),
    }
}

#[test]
#[cfg_attr(not(feature = "failpoints"), ignore = "needs the feature failpoints")]
fn a_service_killed_around_the_change_serves_one_sound_generation() {
    for point in ["cutover::before_switch", "cutover::after_switch"] {
        let directory = tempfile::tempdir().expect("a directory");
        let data = directory.path().join("data");
        let service = Service::start(&data, &SETTINGS);
        generate(&service, &SETTINGS, 800, 1, &[]);
        service.wait_until_passed(800, Duration::from_secs(60));
        let before = generations(&service);
        assert_eq!(service.terminate(), Some(0));

        let failpoint = format!("{point}=1*return");
        let service = Service::start(&data, &[&SETTINGS[..], &[("FAILPOINTS", &failpoint)]].concat());
        service.wait_until_level(Duration::from_secs(60));
        let (status, started) =
            ask(&service, "POST", "/jobs", Some(&json!({"kind": "replay", "cutover": true})));
        assert_eq!(status, 202, "{started}");
        eventually("the service dies at the failpoint", Duration::from_secs(60), || {
            service.log().contains(&format!("failpoint {point} hit")).then_some(())
        });
        drop(service);

        let service = Service::start(&data, &SETTINGS);
        service.wait_until_level(Duration::from_secs(60));
        let now = generations(&service);
        let switched = now[0] != before[0];
        assert_eq!(switched, point == "cutover::after_switch", "{point}: {before:?} {now:?}");
        let (_, cut_off) = service.get("/jobs/job-0001");
        assert_eq!(cut_off["state"], "interrupted", "{cut_off}");
        // The same again goes on, and all is sound.
        let again = job(&service, &json!({"kind": "replay", "cutover": true}));
        assert_eq!(again["state"], "done", "{again}");
        let verified = job(&service, &json!({"kind": "verify"}));
        assert_eq!(verified["summary"]["differences"], 0, "{verified}");
        generate(&service, &SETTINGS, 200, 2, &["--commands"]);
        assert_eq!(service.terminate(), Some(0));
        let data = data.display().to_string();
        run_with(&["verify", "--data-dir", &data], &SETTINGS, "", directory.path()).ended(0);
    }
}

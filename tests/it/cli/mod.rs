//! The command line as scripts meet it: the real binary, its exit statuses, what goes to which stream.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::process::{binary, run, run_with};
use crate::support::service::{Service, eventually};

mod commands;
mod dead_letters;
mod on_kafka;

const NOWHERE: &str = "http://127.0.0.1:1";
const VERBS: &[&[&str]] = &[
    &["serve"],
    &["publish"],
    &["generate"],
    &["get"],
    &["history"],
    &["replay"],
    &["restore"],
    &["verify"],
    &["command"],
    &["command", "receive"],
    &["command", "adjust"],
    &["command", "set"],
    &["command", "allocate"],
    &["command", "deallocate"],
    &["command", "pick"],
    &["command", "status"],
    &["command", "hold"],
    &["command", "release"],
    &["dead-letters"],
    &["dead-letters", "list"],
    &["dead-letters", "show"],
    &["dead-letters", "put-back"],
    &["topics"],
    &["topics", "check"],
    &["topics", "create"],
    &["topics", "describe"],
    &["config"],
    &["config", "show"],
    &["config", "check"],
    &["archive"],
    &["archive", "create"],
    &["archive", "list"],
    &["archive", "verify"],
    &["archive", "prune"],
    &["generations"],
    &["generations", "list"],
    &["generations", "prune"],
    &["generations", "activate"],
    &["completions"],
];

/// A structured level-changed from one on-hand level to another.
fn level_changed(id: &str, sku: &str, from: u64, to: u64) -> Value {
    let level = |on_hand: u64| json!({"quantity_on_hand": on_hand, "quantity_allocated": 0, "available_to_promise": on_hand});
    json!({
        "specversion": "1.0", "id": id, "source": "/tests/cli", "subject": sku,
        "type": "com.paklog.inventory.fulfillment.v1.product-stock.level-changed",
        "time": "2026-11-01T12:00:00Z", "datacontenttype": "application/json",
        "data": {"sku": sku, "previous_stock_level": level(from), "new_stock_level": level(to), "change_reason": "RECEIPT"},
    })
}

fn write(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    std::fs::write(&path, text).expect("a file");
    path.display().to_string()
}

#[test]
fn every_verb_has_help_with_examples_on_stdout() {
    for verb in VERBS {
        let ran = run(&[*verb, &["--help"]].concat()).ended(0);
        assert!(ran.stdout.contains("Examples:"), "{verb:?}: {}", ran.stdout);
        assert_eq!(ran.stderr, "", "{verb:?}");
    }
    assert!(run(&["--help"]).ended(0).stdout.contains("Exit status"));
    run(&["--version"]).ended(0);
}

#[test]
fn wrong_usage_ends_with_2_and_prints_no_data() {
    for arguments in [
        &[][..],
        &["frobnicate"],
        &["get"],
        &["get", "a\u{1}b"],
        &["get", "S", "--at-least", "3"],
        &["get", "S", "--as-of", "yesterday"],
        &["get", "S", "--url", "http://x", "--data-dir", "d"],
        &["get", "S", "--url", "ftp://x"],
        &["history", "S", "--limit", "0"],
        &["publish", "--url", "http://x", "--brokers", "b:1"],
        &["publish", "/nowhere/events.json", "--url", NOWHERE],
        &["generate", "--events", "1"],
        &["serve", "--http", "localhost"],
        &["topics", "check"],
        &["completions", "tcsh"],
        &["get", "S", "--token-file", "/nowhere/token"],
        &["get", "S", "--data-dir", "/nowhere"],
        &["command", "receive", "S"],
        &["command", "receive", "S", "--quantity", "many"],
        &["command", "receive", "S", "--quantity", "1", "--expiry-date", "2027-01-31"],
        &["command", "deallocate", "S"],
        &["command", "allocate", "S", "--quantity", "1", "--expires-at", "2027-01-31T00:00:00Z"],
        &["command", "adjust", "S", "--quantity-change", "-1"],
        &["command", "conjure", "S"],
        &["dead-letters", "show", "first"],
        &["dead-letters", "list", "--url", "http://x", "--data-dir", "d"],
        &["dead-letters", "list", "--data-dir", "/nowhere"],
    ] {
        let ran = run(arguments).ended(2);
        assert_eq!(ran.stdout, "", "{arguments:?}");
        assert_ne!(ran.stderr, "", "{arguments:?}");
    }
}

#[test]
fn a_service_that_is_not_there_ends_with_3() {
    let directory = tempfile::tempdir().expect("a directory");
    let event = level_changed("e1", "S", 0, 1).to_string();
    let file = write(directory.path(), "event.json", &event);
    for arguments in [
        &["get", "S", "--url", NOWHERE][..],
        &["history", "S", "--url", NOWHERE],
        &["command", "receive", "S", "--quantity", "1", "--url", NOWHERE],
        &["dead-letters", "list", "--url", NOWHERE],
        &["publish", &file, "--url", NOWHERE],
        &["generate", "--events", "1", "--skus", "1", "--seed", "1", "--url", NOWHERE],
        &["generate", "--events", "1", "--skus", "1", "--seed", "1", "--url", NOWHERE, "--wait", "0"],
    ] {
        assert_eq!(run(arguments).ended(3).said("127.0.0.1:1").stdout, "", "{arguments:?}");
    }
}

#[test]
fn each_layer_of_settings_wins_over_the_one_before() {
    let directory = tempfile::tempdir().expect("a directory");
    let one = write(directory.path(), "one.toml", "[lane]\nlanes = 2\n[telemetry]\nlevel = \"warn\"");
    let two = write(directory.path(), "two.toml", "[lane]\nlanes = 3");
    let variables =
        [("INVENTORY_STORE__TELEMETRY__LEVEL", "debug"), ("KAFKA_BOOTSTRAP_SERVERS", "kafka-1:9092")];
    let arguments = ["--config", &one, "--config", &two, "config", "show", "--json"];
    let ran = run_with(&arguments, &variables, "", Path::new(".")).ended(0);
    let shown: Vec<Value> = serde_json::from_str(&ran.stdout).expect("a JSON array");
    let of = |key: &str| {
        let setting = shown.iter().find(|setting| setting["key"] == key).unwrap_or_else(|| panic!("{key}"));
        (
            setting["value"].as_str().unwrap_or_default().to_owned(),
            setting["from"].as_str().unwrap_or_default().to_owned(),
        )
    };
    assert_eq!(of("lane.lanes"), ("3".into(), format!("file {two}")));
    assert_eq!(
        of("telemetry.level"),
        ("\"debug\"".into(), "environment INVENTORY_STORE__TELEMETRY__LEVEL".into())
    );
    assert_eq!(
        of("kafka.bootstrap_servers"),
        ("\"kafka-1:9092\"".into(), "environment KAFKA_BOOTSTRAP_SERVERS".into())
    );
    assert_eq!(of("http.listen"), ("\"127.0.0.1:8080\"".into(), "default".into()));
}

#[test]
fn config_show_can_be_given_back_as_a_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let variables = [
        ("INVENTORY_STORE__KAFKA__PROPERTIES__SOCKET_TIMEOUT_MS", "5000"),
        ("INVENTORY_STORE__MEMORY__BUDGET", "512MiB"),
    ];
    let shown = run_with(&["config", "show"], &variables, "", Path::new(".")).ended(0).stdout;
    let file = write(directory.path(), "shown.toml", &shown);
    let again = run(&["--config", &file, "config", "show"]).ended(0).stdout;
    let settings = |text: &str| -> Vec<String> {
        text.lines()
            .map(|line| line.split(" # ").next().unwrap_or_default().trim_end().to_owned())
            .filter(|l| !l.starts_with('#'))
            .collect()
    };
    assert_eq!(settings(&shown), settings(&again));
    assert!(
        shown.contains("\"socket.timeout.ms\" = \"5000\"") && shown.contains("budget = 536870912"),
        "{shown}"
    );
}

#[test]
fn config_check_lists_every_problem_with_where_it_stands() {
    let directory = tempfile::tempdir().expect("a directory");
    let file =
        write(directory.path(), "store.toml", "[telemetry]\nlevle = \"info\"\n[lane]\nlanes = \"many\"");
    let variables =
        [("INVENTORY_STORE__HTTP__LISTEN", "0.0.0.0:80"), ("INVENTORY_STORE__STROE__HISTORY_HOURS", "1")];
    let ran = run_with(&["--config", &file, "config", "check"], &variables, "", Path::new(".")).ended(2);
    for words in [
        "telemetry.level",
        "lane.lanes",
        "http.listen",
        "tokens_file",
        "INVENTORY_STORE__STROE__HISTORY_HOURS",
        "`store`",
        &file,
    ] {
        assert!(ran.stderr.contains(words), "{words:?} is not in: {}", ran.stderr);
    }
    assert_eq!(ran.stdout, "");
    run(&["config", "check"]).ended(0);
    // What is wrong stops every verb alike, before it does anything.
    run(&["--config", &file, "serve", "--data-dir", "/nowhere"]).ended(2).said("telemetry.level");
}

#[test]
fn secrets_are_shown_by_no_verb() {
    const SECRET: &str = "geheim-4711";
    let directory = tempfile::tempdir().expect("a directory");
    let file = write(
        directory.path(),
        "store.toml",
        &format!("[kafka.properties]\n\"ssl.key.password\" = \"{SECRET}\""),
    );
    let variables = [
        ("INVENTORY_STORE__KAFKA__SECURITY__PASSWORD", SECRET),
        ("INVENTORY_STORE__KAFKA__SECURITY__KEY_PASSWORD", SECRET),
        ("INVENTORY_STORE_TOKEN", SECRET),
    ];
    for arguments in [
        &["--config", &file, "config", "show"][..],
        &["--config", &file, "config", "show", "--json"],
        &["--config", &file, "config", "check"],
        &["--config", &file, "get", "S", "--url", NOWHERE],
        &["--help"],
    ] {
        let ran = run_with(arguments, &variables, "", Path::new("."));
        assert!(!ran.stdout.contains(SECRET) && !ran.stderr.contains(SECRET), "{arguments:?}");
    }
    let shown =
        run_with(&["--config", &file, "config", "show"], &variables, "", Path::new(".")).ended(0).stdout;
    assert_eq!(shown.matches("\"***\"").count(), 3, "{shown}");
    let wrong = [("INVENTORY_STORE__KAFKA__SECURITY__PASWORD", SECRET)];
    let ran = run_with(&["config", "check"], &wrong, "", Path::new(".")).ended(2);
    assert!(!ran.stderr.contains(SECRET), "{}", ran.stderr);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = binary()
        .args(["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut first = String::new();
    BufReader::with_capacity(16, child.stdout.take().expect("a pipe")).read_line(&mut first).expect("a line");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(first, "#compdef inventory-store\n");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        assert!(run(&["completions", shell]).ended(0).stdout.contains("inventory-store"), "{shell}");
    }
}

#[test]
fn events_in_stock_out_also_after_kill_9() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let service = Service::start(&data, &[]);
    service.wait_until_level(Duration::from_secs(60));
    let events: Vec<Value> =
        (0..50).map(|n| level_changed(&format!("e{n}"), "SKU-A/1 ä", n, n + 1)).collect();
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();

    let ran = run_with(&["publish", "-", "--url", &service.url], &[], &lines, Path::new(".")).ended(0);
    let published: Vec<(&str, &str)> =
        ran.stdout.lines().map(|line| line.split_once('\t').expect("a tab")).collect();
    assert_eq!(published.len(), 50, "{}", ran.stdout);
    assert_eq!(published[7].0, "e7");
    let last = published[49].1.to_owned();

    let get =
        |url: &str| run(&["get", "SKU-A/1 ä", "--url", url, "--at-least", &last, "--json"]).ended(0).stdout;
    let before: Value = serde_json::from_str(&get(&service.url)).expect("a JSON body");
    assert_eq!((&before["quantity_on_hand"], &before["version"]), (&json!(50), &json!(50)));
    assert_eq!(before["position"], last.as_str());

    let table = run(&["get", "SKU-A/1 ä", "--url", &service.url]).ended(0).stdout;
    assert!(table.lines().any(|line| line.starts_with("on hand") && line.ends_with(" 50")), "{table}");
    let history = run(&["history", "SKU-A/1 ä", "--limit", "3", "--url", &service.url]).ended(0).stdout;
    assert_eq!(history.lines().count(), 4, "{history}");
    assert!(
        history.lines().nth(1).is_some_and(|line| line.starts_with(&last) && line.contains("on hand +1")),
        "{history}"
    );
    let earlier = published[9].1;
    let as_of =
        run(&["get", "SKU-A/1 ä", "--as-of", earlier, "--url", &service.url, "--json"]).ended(0).stdout;
    let as_of: Value = serde_json::from_str(&as_of).expect("a JSON body");
    assert_eq!((&as_of["quantity_on_hand"], &as_of["position"]), (&json!(10), &json!(earlier)));
    run(&["get", "SKU-unknown", "--url", &service.url]).ended(1).said("SKU-unknown");

    service.kill();
    let service = Service::start(&data, &[]);
    service.wait_until_level(Duration::from_secs(60));
    let after: Value = serde_json::from_str(&get(&service.url)).expect("a JSON body");
    assert_eq!(before, after);

    // While it runs, the directory is its own, and whoever tries is told where to ask.
    let data_dir = data.display().to_string();
    for arguments in [
        &["get", "SKU-A/1 ä", "--data-dir", &data_dir][..],
        &["serve", "--data-dir", &data_dir, "--http", "127.0.0.1:0"],
    ] {
        run(arguments).ended(2).said(&service.url);
    }
    assert_eq!(service.terminate(), Some(0));

    // Stopped, it is read in place, with the same answers.
    let stopped =
        run(&["get", "SKU-A/1 ä", "--data-dir", &data_dir, "--at-least", &last, "--json"]).ended(0).stdout;
    assert_eq!(serde_json::from_str::<Value>(&stopped).expect("a JSON body"), before);
    let stopped = run(&["history", "SKU-A/1 ä", "--limit", "3", "--data-dir", &data_dir]).ended(0).stdout;
    assert_eq!(stopped, history);
    let (partition, _) = last.split_once(':').expect("a position");
    run(&["get", "SKU-A/1 ä", "--data-dir", &data_dir, "--at-least", &format!("{partition}:1000")])
        .ended(3)
        .said("not reached");
    run(&["get", "SKU-unknown", "--data-dir", &data_dir]).ended(1);
}

#[test]
fn publish_names_what_failed_and_sends_the_rest() {
    let directory = tempfile::tempdir().expect("a directory");
    let service = Service::start(&directory.path().join("data"), &[]);
    let url = service.url.as_str();
    let good = |id: &str| level_changed(id, "SKU-1", 0, 5).to_string();
    let mut wrong = level_changed("bad-1", "SKU-1", 0, 5);
    wrong["data"]["new_stock_level"]["quantity_on_hand"] = json!(1.5);
    let mut command = level_changed("c-1", "SKU-1", 0, 5);
    command["type"] = json!("com.paklog.inventory.fulfillment.v1.product-stock.receive");

    let lines = format!("{}\n\n{{\"specversion\":\n{wrong}\n{}\n{command}\n", good("ok-1"), good("ok-2"));
    let ran = run_with(&["publish", "--url", url], &[], &lines, Path::new(".")).ended(1);
    assert_eq!(
        ran.stdout.lines().filter_map(|line| line.split('\t').next()).collect::<Vec<_>>(),
        ["ok-1", "ok-2"]
    );
    for words in ["line 3", "line 4", "bad-1", "line 6", "c-1", "quantity", "3 of 5 failed"] {
        assert!(ran.stderr.contains(words), "{words:?} is not in: {}", ran.stderr);
    }

    let array = format!("[{},\n {wrong}]", good("ok-3"));
    let ran =
        run_with(&["publish", "--url", url, "--json"], &[], &array, Path::new(".")).ended(1).said("item 2");
    let line: Value = serde_json::from_str(ran.stdout.trim()).expect("one JSON line");
    assert_eq!(line["id"], "ok-3");

    let pretty = serde_json::to_string_pretty(&level_changed("ok-4", "SKU-1", 0, 5)).expect("JSON");
    assert!(
        run_with(&["publish", "--url", url], &[], &pretty, Path::new("."))
            .ended(0)
            .stdout
            .starts_with("ok-4\t")
    );
    for nothing in ["", "\n \n", "[]"] {
        run_with(&["publish", "--url", url], &[], nothing, Path::new(".")).ended(1);
    }
    run_with(&["publish", "--url", url], &[], "no JSON", Path::new(".")).ended(1);
}

#[test]
fn generate_goes_on_behind_what_was_taken() {
    let directory = tempfile::tempdir().expect("a directory");
    let service = Service::start(&directory.path().join("data"), &[]);
    let progress = directory.path().join("progress").display().to_string();
    let generate = |events: &str| {
        let fixed = [
            "generate",
            "--skus",
            "20",
            "--seed",
            "7",
            "--url",
            &service.url,
            "--wait",
            "60",
            "--progress",
            &progress,
            "--json",
        ];
        let ran = run(&[&fixed[..], &["--events", events]].concat()).ended(0);
        serde_json::from_str::<Value>(&ran.stdout).expect("a JSON summary")
    };
    assert_eq!(generate("300")["sent"], 300);
    assert_eq!(generate("500")["sent"], 200);
    assert_eq!(generate("500")["sent"], 0);
    eventually("all are applied", Duration::from_secs(60), || (service.passed() == 500).then_some(()));
    // One stream, taken in two pieces: no conflict, no anomaly, nothing twice.
    for number in 0..20 {
        let (status, body) = service.get(&format!("/stock_levels/SKU-{number:06}"));
        if status == 200 {
            assert_eq!(
                (&body["duplicates"], &body["conflicts"], &body["anomalies"]),
                (&json!(0), &json!(0), &json!(0)),
                "{body}"
            );
        }
    }
}

#[test]
fn another_number_of_partitions_is_refused_before_anything_is_written() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    assert_eq!(Service::start(&data, &[("INVENTORY_STORE__CONTRACT__PARTITIONS", "3")]).terminate(), Some(0));
    let data_dir = data.display().to_string();
    let other = [("INVENTORY_STORE__CONTRACT__PARTITIONS", "4")];
    let ran =
        run_with(&["serve", "--data-dir", &data_dir, "--http", "127.0.0.1:0"], &other, "", Path::new("."));
    assert_eq!(ran.ended(2).said("partitions").stdout, "");
    assert!(!data.join("partitions/003").exists());
    assert_eq!(Service::start(&data, &[("INVENTORY_STORE__CONTRACT__PARTITIONS", "3")]).terminate(), Some(0));
}

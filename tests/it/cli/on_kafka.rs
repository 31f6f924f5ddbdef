//! The verbs against a real broker.

use std::path::Path;
use std::time::Duration;

use inventory_store::log::Log as _;
use inventory_store::log::kafka::KafkaLog;
use inventory_store::types::{Header, NewRecord, Partition, Topic, partition_of};
use serde_json::{Value, json};

use super::level_changed;
use crate::support::broker::{Broker, variables};
use crate::support::process::{Ran, run_with};
use crate::support::service::{Service, eventually};

fn run_on(variables: &[(String, String)], arguments: &[&str], input: &str) -> Ran {
    let variables: Vec<(&str, &str)> = variables.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    run_with(arguments, &variables, input, Path::new("."))
}

#[test]
fn topics_are_checked_created_and_described() {
    let Some(broker) = Broker::shared("cli: topics") else { return };
    let kafka = broker.config();
    let settings = variables(&kafka, 3);

    let missing = run_on(&settings, &["topics", "check", "--development"], "").ended(1);
    assert_eq!(missing.stdout.matches("missing").count(), 5, "{}", missing.stdout);
    let data = tempfile::tempdir().expect("a directory");
    let data_dir = data.path().join("data").display().to_string();
    run_on(&settings, &["serve", "--data-dir", &data_dir, "--http", "127.0.0.1:0"], "")
        .ended(2)
        .said("topics create");

    let created = run_on(&settings, &["topics", "create", "--development"], "").ended(0);
    assert_eq!(created.stdout.matches(" created ").count(), 5, "{}", created.stdout);
    run_on(&settings, &["topics", "check", "--development"], "").ended(0);
    // What exists is never changed by creating.
    run_on(&settings, &["topics", "create", "--development"], "").ended(0);

    // Production wants three copies; another number of partitions is a difference too.
    let differs = run_on(&variables(&kafka, 4), &["topics", "check", "--json"], "").ended(1);
    let body: Value = serde_json::from_str(&differs.stdout).expect("a JSON body");
    assert_eq!(body["items"][0]["topic"], kafka.topics.events.as_str());
    let found = body["items"][0]["differences"].as_array().expect("a list");
    for wanted in [
        json!({"property": "partitions", "want": "4", "have": "3"}),
        json!({"property": "replication", "want": "3", "have": "1"}),
        json!({"property": "min.insync.replicas", "want": "2", "have": "1"}),
    ] {
        assert!(found.contains(&wanted), "{wanted} in {body}");
    }

    let described = run_on(&settings, &["topics", "describe", "--json"], "").ended(0);
    let body: Value = serde_json::from_str(&described.stdout).expect("a JSON body");
    assert_eq!(body["items"][2]["settings"]["cleanup.policy"], "compact", "{body}");
}

#[test]
fn topics_of_different_sizes_stop_serve_before_anything_is_written() {
    let Some(broker) = Broker::shared("cli: topics of different sizes") else { return };
    let (kafka, other) = (broker.config(), broker.config());
    run_on(&variables(&kafka, 3), &["topics", "create", "--development"], "").ended(0);
    run_on(&variables(&other, 2), &["topics", "create", "--development"], "").ended(0);
    let mut mixed = kafka.clone();
    mixed.topics.results.clone_from(&other.topics.results);
    let data = tempfile::tempdir().expect("a directory");
    let directory = data.path().join("data");
    let data_dir = directory.display().to_string();
    run_on(&variables(&mixed, 3), &["serve", "--data-dir", &data_dir, "--http", "127.0.0.1:0"], "")
        .ended(2)
        .said("different numbers of partitions");
    assert!(!directory.join("partitions").exists());
}

#[test]
fn events_and_commands_go_to_the_topic_their_type_belongs_to() {
    let Some(broker) = Broker::shared("cli: publish") else { return };
    let settings = variables(&broker.config(), 3);
    run_on(&settings, &["topics", "create", "--development"], "").ended(0);
    let mut command = level_changed("c-1", "SKU-1", 0, 5);
    command["type"] = json!("com.paklog.inventory.fulfillment.v1.product-stock.receive");
    command["data"] = json!({"quantity": 1});
    let lines = format!(
        "{}\n{command}\n{}\n",
        level_changed("e-1", "SKU-1", 0, 5),
        level_changed("e-2", "SKU-1", 5, 7)
    );
    let published = run_on(&settings, &["publish"], &lines).ended(0).stdout;
    let position = |id: &str| {
        let line = published.lines().find(|line| line.starts_with(&format!("{id}\t"))).expect("a line");
        line.split('\t').nth(1).expect("a position").to_owned()
    };
    // The command does not stand between the two events.
    let partition = position("c-1").split(':').next().expect("a partition").to_owned();
    assert_eq!(position("e-1"), format!("{partition}:0"), "{published}");
    assert_eq!(position("e-2"), format!("{partition}:1"), "{published}");
    assert_eq!(position("c-1"), format!("{partition}:0"), "{published}");
    let generated = run_on(
        &settings,
        &["generate", "--events", "100", "--skus", "5", "--seed", "3", "--commands", "--json"],
        "",
    );
    assert_eq!(serde_json::from_str::<Value>(&generated.ended(0).stdout).expect("JSON")["sent"], 100);

    let data = tempfile::tempdir().expect("a directory");
    let as_text: Vec<(&str, &str)> = settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let service = Service::start(&data.path().join("data"), &as_text);
    service.wait_until_level(Duration::from_secs(60));
    let (status, body) = service.get(&format!("/stock_levels/SKU-1?at_least={}", position("e-2")));
    // The command may have been decided by now, or not.
    let seen = (&body["quantity_on_hand"], &body["version"]);
    let either = [(&json!(7), &json!(2)), (&json!(8), &json!(3))];
    assert!(status == 200 && either.contains(&seen), "{status} {body}");
    // With Kafka events do not come by HTTP.
    run_on(&settings, &["publish", "--url", &service.url], &lines).ended(1).said("--brokers");
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn dead_letters_are_read_from_the_brokers_and_commands_put_back() {
    let Some(broker) = Broker::shared("cli: dead letters") else { return };
    let kafka = broker.config();
    let settings = variables(&kafka, 3);
    run_on(&settings, &["topics", "create", "--development"], "").ended(0);
    let data = tempfile::tempdir().expect("a directory");
    let as_text: Vec<(&str, &str)> = settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let service = Service::start(&data.path().join("data"), &as_text);
    service.wait_until_level(Duration::from_secs(60));

    let here = partition_of("S", 3);
    let elsewhere = Partition((here.0 + 1) % 3);
    let receive = json!({"specversion": "1.0", "id": "c-1", "source": "/t", "subject": "S",
        "type": "com.paklog.inventory.fulfillment.v1.product-stock.receive", "data": {"quantity": 7}});
    let record = |topic, partition, value: &[u8]| NewRecord {
        topic,
        partition,
        timestamp: None,
        key: Some(b"S".to_vec()),
        value: Some(value.to_vec()),
        headers: vec![
            Header::new("content-type", "application/cloudevents+json"),
            Header::new("x-mine", "1"),
        ],
    };
    let log = KafkaLog::connect(&kafka).expect("the log");
    let appender = log.appender().expect("an appender");
    for answer in appender.append(vec![
        record(Topic::Events, here, b"\xFF"),
        record(Topic::Commands, elsewhere, receive.to_string().as_bytes()),
    ]) {
        answer.expect("appended");
    }
    let items = eventually("both are put aside", Duration::from_secs(60), || {
        let listed = run_on(&settings, &["dead-letters", "list", "--json"], "").ended(0).stdout;
        let body: Value = serde_json::from_str(&listed).expect("a JSON body");
        body["items"].as_array().cloned().filter(|items| items.len() == 2)
    });
    let over_http =
        run_on(&settings, &["dead-letters", "list", "--json", "--url", &service.url], "").ended(0);
    let over_http: Value = serde_json::from_str(&over_http.stdout).expect("a JSON body");
    assert_eq!(over_http["items"].as_array(), Some(&items));
    let command = items.iter().find(|item| item["reason"] == "wrong_partition").expect("the command");
    let position = command["position"].as_str().expect("a position");
    run_on(&settings, &["dead-letters", "put-back", position], "").ended(0);
    eventually("it is decided", Duration::from_secs(60), || {
        (service.get("/stock_levels/S").1["quantity_on_hand"] == 7).then_some(())
    });
    let shown = run_on(&settings, &["dead-letters", "show", position, "--json"], "").ended(0).stdout;
    let shown: Value = serde_json::from_str(&shown).expect("a JSON body");
    assert_eq!(
        (&shown["value"], shown["headers"].as_array().map(Vec::len)),
        (&json!(receive.to_string()), Some(2))
    );
    assert_eq!(service.terminate(), Some(0));
}

//! `dead-letters`: through a service, and in the directory of a stopped one.

use std::time::Duration;

use inventory_store::log::Log as _;
use inventory_store::types::{Header, NewRecord, Partition, Topic, partition_of};
use serde_json::{Value, json};

use crate::support::process::run;
use crate::support::raw_http::get;
use crate::support::service::eventually;
use crate::support::stack::{PARTITIONS, Settings, Stack};

#[test]
fn letters_are_listed_shown_and_put_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let stack = Stack::start(directory.path(), Settings::default());
    let url = format!("http://{}", stack.server.address);
    let here = partition_of("S", PARTITIONS);
    let elsewhere = Partition((here.0 + 1) % PARTITIONS);
    let receive = json!({"specversion": "1.0", "id": "c-1", "source": "/t", "subject": "S",
        "type": "com.paklog.inventory.fulfillment.v1.product-stock.receive", "data": {"quantity": 7}});
    let record = |topic, partition, value: &str| NewRecord {
        topic,
        partition,
        timestamp: None,
        key: Some(b"S".to_vec()),
        value: Some(value.into()),
        headers: vec![Header::new("content-type", "application/cloudevents+json")],
    };
    let appender = stack.log.appender().expect("an appender");
    for answer in appender.append(vec![
        record(Topic::Events, here, "{\"torn\":\u{1b}"),
        record(Topic::Commands, elsewhere, &receive.to_string()),
    ]) {
        answer.expect("appended");
    }
    drop(appender);
    let list = |place: &[&str]| -> Vec<Value> {
        let ran = run(&[&["dead-letters", "list", "--json"], place].concat()).ended(0);
        let body: Value = serde_json::from_str(&ran.stdout).expect("a JSON body");
        body["items"].as_array().expect("items").clone()
    };
    let items = eventually("both are put aside", Duration::from_secs(60), || {
        Some(list(&["--url", &url])).filter(|items| items.len() == 2)
    });
    let of = |topic: &str| {
        let item = items.iter().find(|item| item["topic"] == topic).expect("a letter");
        item["position"].as_str().expect("a position").to_owned()
    };
    let (event, command) = (of("inventory.events"), of("inventory.stock.commands"));
    let table = run(&["dead-letters", "list", "--url", &url]).ended(0).stdout;
    assert!(table.contains("invalid_json") && table.contains("wrong_partition"), "{table}");
    let shown = run(&["dead-letters", "show", &event, "--url", &url]).ended(0).stdout;
    assert!(shown.contains("value     {\"torn\":\\u{1b}") && !shown.contains('\u{1b}'), "{shown}");

    run(&["dead-letters", "put-back", &event, "--url", &url]).ended(1).said("replay");
    run(&["dead-letters", "show", "0:99", "--url", &url]).ended(1).said("0:99");
    let put_back = run(&["dead-letters", "put-back", &command, "--url", &url]).ended(0);
    assert!(put_back.stdout.starts_with(&format!("{here}:")), "{}", put_back.stdout);
    eventually("it is decided", Duration::from_secs(60), || {
        (get(stack.server.address, "/stock_levels/S").json()["quantity_on_hand"] == 7).then_some(())
    });

    drop(stack);
    let data_dir = directory.path().display().to_string();
    let place = ["--data-dir", data_dir.as_str()];
    let settings = [("INVENTORY_STORE__CONTRACT__PARTITIONS", PARTITIONS.to_string())];
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let on_disk = |arguments: &[&str]| {
        crate::support::process::run_with(
            &[arguments, &place].concat(),
            &settings,
            "",
            std::path::Path::new("."),
        )
    };
    let body: Value =
        serde_json::from_str(&on_disk(&["dead-letters", "list", "--json"]).ended(0).stdout).expect("JSON");
    assert_eq!(body["items"].as_array().expect("items"), &items);
    let body = on_disk(&["dead-letters", "show", &command, "--json"]).ended(0).stdout;
    let body: Value = serde_json::from_str(&body).expect("a JSON body");
    assert_eq!(body["value"], receive.to_string());
    on_disk(&["dead-letters", "put-back", &event]).ended(1);
    on_disk(&["dead-letters", "put-back", &command]).ended(0);
    let stack = Stack::start(directory.path(), Settings::default());
    assert_eq!(get(stack.server.address, "/stock_levels/S").json()["quantity_on_hand"], 7, "decided once");
}

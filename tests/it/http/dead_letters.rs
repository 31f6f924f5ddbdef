//! Dead letters over HTTP: listed once each, shown whole, commands put back.

use std::time::Duration;

use inventory_store::log::Log as _;
use inventory_store::types::{Header, NewRecord, Partition, Topic, partition_of};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::commands::command;
use crate::support::raw_http::{ask, get};
use crate::support::service::eventually;
use crate::support::stack::{PARTITIONS, Settings, Stack};

fn record(topic: Topic, partition: Partition, value: &[u8]) -> NewRecord {
    NewRecord {
        topic,
        partition,
        timestamp: None,
        key: Some(b"S".to_vec()),
        value: Some(value.to_vec()),
        headers: vec![
            Header::new("content-type", "application/cloudevents+json"),
            Header::new("x-mine", vec![0xFF]),
        ],
    }
}

fn append(stack: &Stack, records: Vec<NewRecord>) {
    let appender = stack.log.appender().expect("an appender");
    for answer in appender.append(records) {
        answer.expect("appended");
    }
}

fn letters(stack: &Stack, count: usize) -> Vec<Value> {
    eventually("the letters are written", Duration::from_secs(60), || {
        let body = get(stack.server.address, "/dead-letters").json();
        let items = body["items"].as_array().cloned().unwrap_or_default();
        (items.len() >= count).then_some(items)
    })
}

#[test]
fn letters_are_listed_once_and_shown_byte_for_byte() {
    let directory = TempDir::new().expect("a directory");
    let stack = Stack::start(directory.path(), Settings::default());
    let at = stack.server.address;
    let here = partition_of("S", PARTITIONS);
    append(&stack, vec![record(Topic::Events, here, b"{\"no\":"), record(Topic::Events, here, b"\xFF\xFE")]);
    let items = letters(&stack, 2);
    assert_eq!(items.len(), 2);
    assert_eq!(
        (&items[0]["topic"], &items[0]["origin"]),
        (&json!("inventory.events"), &json!(format!("{here}:0")))
    );
    assert_eq!(items[0]["reason"], "invalid_json");
    assert_eq!(
        (&items[1]["value_bytes"], &items[1]["whole"], &items[1]["key"]),
        (&json!(2), &json!(true), &json!("S"))
    );

    // The same letter again, as a crash between the two writes leaves it.
    let letter = |offset: u64| {
        let text = |name: &str, value: &str| Header::new(format!("x-dead-letter-{name}"), value);
        let mut record = record(Topic::DeadLetters, Partition(here.0), b"x");
        record.headers.extend([
            text("reason", "invalid_json"),
            text("detail", ""),
            text("topic", "inventory.events"),
            text("partition", &here.to_string()),
            text("offset", &offset.to_string()),
            text("timestamp", "0"),
        ]);
        record
    };
    append(&stack, vec![letter(0), letter(77), record(Topic::DeadLetters, here, b"none of ours")]);
    let body = get(at, "/dead-letters").json();
    assert_eq!(body["items"].as_array().map(Vec::len), Some(3), "{body}");
    assert_eq!(body["others"], 1);
    let first = get(at, "/dead-letters?limit=2").json();
    let next = first["next"].as_str().expect("more");
    let rest = get(at, &format!("/dead-letters?limit=2&after={next}")).json();
    assert_eq!((&rest["items"][0], &rest["next"]), (&body["items"][2], &Value::Null));

    let position = items[1]["position"].as_str().expect("a position");
    let shown = get(at, &format!("/dead-letters/{position}")).json();
    assert_eq!((&shown["value"], &shown["value_base64"]), (&Value::Null, &json!("//4=")));
    assert_eq!(shown["headers"].as_array().map(Vec::len), Some(2), "its own headers only: {shown}");
    assert_eq!(shown["headers"][1], json!({"name": "x-mine", "value": null, "value_base64": "/w=="}));
    for nothing in [format!("{here}:99"), "77:0".to_owned()] {
        assert_eq!(get(at, &format!("/dead-letters/{nothing}")).status, 404, "{nothing}");
    }
    assert_eq!(get(at, "/dead-letters/first").status, 400);
    let put_back =
        ask(at, &format!("POST /dead-letters/{position}/put-back\r\ncontent-type: application/json"), b"{}");
    assert_eq!((put_back.status, &put_back.json()["code"]), (409, &json!("CANNOT_PUT_BACK")));
    assert!(put_back.json()["detail"].as_str().is_some_and(|text| text.contains("replay")), "{put_back:?}");
    assert_eq!(ask(at, &format!("POST /dead-letters/{position}/put-back"), b"").status, 415);
}

#[test]
fn a_command_on_the_wrong_partition_is_put_back_on_its_own() {
    let directory = TempDir::new().expect("a directory");
    let stack = Stack::start(directory.path(), Settings::default());
    let at = stack.server.address;
    let elsewhere = Partition((partition_of("S", PARTITIONS).0 + 1) % PARTITIONS);
    let receive = command("S", "c-1", "product-stock.receive", json!({"quantity": 7})).to_string();
    append(
        &stack,
        vec![
            record(Topic::Commands, elsewhere, receive.as_bytes()),
            record(Topic::Commands, elsewhere, b"{"),
        ],
    );
    let items = letters(&stack, 2);
    assert_eq!(
        (&items[0]["topic"], &items[0]["reason"]),
        (&json!("inventory.stock.commands"), &json!("wrong_partition"))
    );
    let put_back = |item: &Value| {
        let position = item["position"].as_str().expect("a position");
        ask(at, &format!("POST /dead-letters/{position}/put-back\r\ncontent-type: application/json"), b"{}")
    };
    let answer = put_back(&items[0]);
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_eq!(answer.json()["sku"], "S");
    eventually("it is decided", Duration::from_secs(60), || {
        (get(at, "/stock_levels/S").json()["quantity_on_hand"] == 7).then_some(())
    });
    assert_eq!(put_back(&items[0]).status, 202, "twice is decided once");
    let broken = put_back(&items[1]);
    assert_eq!((broken.status, &broken.json()["code"]), (409, &json!("CANNOT_PUT_BACK")));
    assert!(broken.json()["detail"].as_str().is_some_and(|text| text.contains("again")), "{broken:?}");
    eventually("the second was decided too", Duration::from_secs(60), || {
        (get(at, "/commands?sku=S&source=/test&id=c-1").status == 200).then_some(())
    });
    assert_eq!(get(at, "/stock_levels/S").json()["quantity_on_hand"], 7);
}

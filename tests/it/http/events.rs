//! `POST /events`: the three forms, and all that is refused.

use std::net::SocketAddr;

use inventory_store::config::http::HttpConfig;
use inventory_store::log::Log as _;
use inventory_store::types::{Partition, Topic, partition_of};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::raw_http::{Answer, ask, get};
use crate::support::stack::{PARTITIONS, Settings, Stack};

const PREFIX: &str = "com.paklog.inventory.fulfillment.v1.";

/// Events of one SKU, numbered.
pub struct Events {
    sku: String,
    count: u64,
}

impl Events {
    pub fn of(sku: &str) -> Self {
        Self { sku: sku.to_owned(), count: 0 }
    }

    pub fn event(&mut self, name: &str, mut data: Value) -> Value {
        self.count += 1;
        data["sku"] = self.sku.clone().into();
        let n = self.count;
        json!({
            "specversion": "1.0", "id": format!("{}-{n}", self.sku), "source": "/test", "type": format!("{PREFIX}{name}"),
            "subject": self.sku, "time": format!("2026-11-01T{:02}:{:02}:{:02}Z", 12 + n / 3600, 34 + n / 60 % 26, n % 60),
            "datacontenttype": "application/json", "data": data,
        })
    }
}

/// On hand from `before` to `after`.
pub fn level(sku: &str, id: &str, before: usize, after: usize) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/test", "type": format!("{PREFIX}product-stock.level-changed"),
        "subject": sku, "time": "2026-11-01T12:34:56Z", "datacontenttype": "application/json",
        "data": {"sku": sku, "previousQuantityOnHand": before, "newQuantityOnHand": after,
                 "changeType": "RECEIPT", "reasonCode": "RECEIPT"},
    })
}

fn batch(at: SocketAddr, body: &[u8]) -> Answer {
    ask(at, "POST /events\r\ncontent-type: application/cloudevents-batch+json", body)
}

/// Publishes a batch; the positions.
pub fn publish(at: SocketAddr, events: &[Value]) -> Vec<String> {
    let answer = batch(at, &serde_json::to_vec(events).expect("json"));
    assert_eq!(answer.status, 201, "{}", answer.text());
    let body = answer.json();
    let items = body["items"].as_array().expect("items");
    assert_eq!(items.len(), events.len());
    for (item, event) in items.iter().zip(events) {
        assert_eq!(item["id"], event["id"], "in the order sent");
    }
    items.iter().map(|item| item["position"].as_str().expect("a position").to_owned()).collect()
}

fn stack(http: HttpConfig) -> (TempDir, Stack) {
    let directory = TempDir::new().expect("a directory");
    let stack = Stack::start(directory.path(), Settings { http, ..Settings::default() });
    (directory, stack)
}

fn written(stack: &Stack) -> u64 {
    let end = |p| stack.log.bounds(Topic::Events, Partition(p)).expect("bounds").high_watermark.0;
    (0..PARTITIONS).map(end).sum()
}

#[test]
fn structured_binary_and_batch_are_stored_and_answered_with_their_positions() {
    let (_directory, stack) = stack(HttpConfig::default());
    let at = stack.server.address;
    let partition = partition_of("S", PARTITIONS);
    let structured = ask(
        at,
        "POST /events\r\ncontent-type: application/cloudevents+json; charset=utf-8\r\nx-correlation-id: order-7",
        level("S", "e-1", 0, 1).to_string().as_bytes(),
    );
    let expected = format!(r#"{{"items":[{{"id":"e-1","position":"{partition}:0"}}]}}"#);
    assert_eq!((structured.status, structured.text()), (201, expected.as_str()));

    let event = level("S", "e-2", 1, 2);
    let binary = ask(
        at,
        &format!(
            "POST /events\r\ncontent-type: application/json\r\nce-specversion: 1.0\r\nce-id: e-2\r\nce-source: /test\r\nce-type: {}\r\nce-subject: S\r\nce-time: 2026-11-01T12:34:57Z",
            event["type"].as_str().expect("a type")
        ),
        event["data"].to_string().as_bytes(),
    );
    assert_eq!(
        (binary.status, &binary.json()["items"][0]["position"]),
        (201, &json!(format!("{partition}:1")))
    );

    let positions = publish(at, &[level("S", "e-3", 2, 3), level("S", "e-3", 2, 3), level("S", "e-4", 3, 4)]);
    let answer = get(at, &format!("/stock_levels/S?at_least={}", positions[2])).json();
    assert_eq!(
        (&answer["quantity_on_hand"], &answer["version"], &answer["duplicates"]),
        (&json!(4), &json!(4), &json!(1))
    );
    let history = get(at, "/stock_levels/S/history").json();
    let of = |id: &str| {
        let items = history["items"].as_array().expect("items");
        items
            .iter()
            .find(|item| item["event_id"] == id)
            .unwrap_or_else(|| panic!("{id} in {history}"))
            .clone()
    };
    assert_eq!(of("e-1")["correlation_id"], "order-7");
    assert_eq!(of("e-2")["correlation_id"], Value::Null);
    assert_eq!(publish(at, &[]), Vec::<String>::new(), "an empty batch is an empty answer");
}

#[test]
fn one_bad_event_and_nothing_of_the_request_is_written() {
    let (_directory, stack) = stack(HttpConfig::default());
    let at = stack.server.address;
    let good = level("S", "good", 0, 1);
    let mut fraction = level("S", "fraction", 0, 1);
    fraction["data"]["newQuantityOnHand"] = json!(1.5);
    let mut unnamed = level("S", "unnamed", 0, 1);
    unnamed.as_object_mut().expect("an object").remove("id");
    let mut torn = level("S", "torn", 0, 1);
    torn["subject"] = json!("another");
    let long = level(&"x".repeat(1000), "long", 0, 1);
    let control = level("a\u{1}b", "control", 0, 1);
    let mut large = level("S", "large", 0, 1);
    large["data"]["comment"] = json!("x".repeat(1 << 20));
    for (bad, id, reason) in [
        (&fraction, json!("fraction"), "invalid_quantity"),
        (&unnamed, Value::Null, "missing_field"),
        (&torn, json!("torn"), "disagreeing_sku"),
        (&long, json!("long"), "invalid_sku"),
        (&control, json!("control"), "invalid_sku"),
        (&large, json!("large"), "too_large"),
        (&json!(7), Value::Null, "invalid_json"),
    ] {
        let answer = batch(at, json!([good, bad]).to_string().as_bytes());
        let body = answer.json();
        assert_eq!((answer.status, &body["code"]), (400, &json!("INVALID_EVENTS")), "{body}");
        assert_eq!((&body["items"][0]["index"], &body["items"][0]["id"]), (&json!(1), &id), "{body}");
        assert_eq!(body["items"].as_array().map(Vec::len), Some(1));
        let found = body["items"][0]["reason"].as_str().expect("a reason");
        assert!(found == reason || id.is_null(), "{body}");
        assert_eq!(written(&stack), 0, "{id}");
    }
    let many: Vec<Value> = (0..250).map(|_| json!(1)).collect();
    let body = batch(at, json!(many).to_string().as_bytes()).json();
    assert_eq!(body["items"].as_array().map(Vec::len), Some(100));
    assert!(body["detail"].as_str().expect("text").starts_with("250 of 250 events"));
}

#[test]
fn bodies_that_are_no_cloudevents_are_refused() {
    let (_directory, stack) = stack(HttpConfig { max_batch_events: 3, ..HttpConfig::default() });
    let at = stack.server.address;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_data =
        format!(r#"{{"specversion":"1.0","id":"e","source":"/t","subject":"S","type":"t","data":{deep}}}"#);
    let structured = "POST /events\r\ncontent-type: application/cloudevents+json";
    for body in [
        &b"{"[..],
        b"not json",
        b"\xff\xfe",
        b"{}",
        b"null",
        b"[]",
        deep.as_bytes(),
        deep_data.as_bytes(),
        b"{}{}",
    ] {
        let answer = ask(at, structured, body);
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (400, Some("INVALID_EVENTS")),
            "{answer:?}"
        );
    }
    assert_eq!(batch(at, deep.as_bytes()).status, 400);
    assert_eq!(ask(at, structured, b"").status, 400);
    for content_type in
        ["text/plain", "application/json", "application/xml", "application/cloudevents+xml", "\u{1}"]
    {
        let answer = ask(at, &format!("POST /events\r\ncontent-type: {content_type}"), b"{}");
        assert!([400, 415].contains(&answer.status), "{content_type}: {answer:?}");
    }
    assert_eq!(ask(at, "POST /events", b"{}").status, 415);
    let four: Vec<Value> = (0..4).map(|i| level("S", &format!("e-{i}"), 0, 1)).collect();
    assert_eq!(batch(at, json!(four).to_string().as_bytes()).status, 413);
    assert_eq!(ask(at, structured, &vec![b' '; 10 << 20]).status, 413);
    let parameters = ask(at, "POST /events?sync=1\r\ncontent-type: application/cloudevents+json", b"{}");
    assert_eq!(parameters.json()["parameter"], "sync");
    assert_eq!(written(&stack), 0);
    assert_eq!(publish(at, &[level("S", "e", 0, 1)]).len(), 1);
}

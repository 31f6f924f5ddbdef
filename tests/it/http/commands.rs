//! Commands over HTTP on the embedded log: the three forms, the platform's routes, what is refused and how, and
//! what is never lost.

use std::net::SocketAddr;
use std::time::Duration;

use inventory_store::config::http::HttpConfig;
use inventory_store::types::{Topic, partition_of};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::events::{level, publish};
use crate::support::raw_http::{Answer, ask, get};
use crate::support::service::eventually;
use crate::support::stack::{PARTITIONS, Settings, Stack};
use crate::support::topics::read;

const PREFIX: &str = "com.paklog.inventory.fulfillment.v1.";
const STRUCTURED: &str = "POST /commands\r\ncontent-type: application/cloudevents+json";
const BATCH: &str = "POST /commands\r\ncontent-type: application/cloudevents-batch+json";

fn stack(http: HttpConfig) -> (TempDir, Stack) {
    let directory = TempDir::new().expect("a directory");
    let stack = Stack::start(directory.path(), Settings { http, ..Settings::default() });
    (directory, stack)
}

pub fn command(sku: &str, id: &str, name: &str, data: Value) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/test", "type": format!("{PREFIX}{name}"), "subject": sku,
           "time": "2026-11-01T12:34:56Z", "datacontenttype": "application/json", "data": data})
}

fn receive(sku: &str, id: &str, quantity: u64) -> Value {
    command(sku, id, "product-stock.receive", json!({"quantity": quantity}))
}

fn send(at: SocketAddr, command: &Value) -> Answer {
    ask(at, STRUCTURED, command.to_string().as_bytes())
}

fn batch(at: SocketAddr, commands: &[Value]) -> Answer {
    ask(at, BATCH, json!(commands).to_string().as_bytes())
}

/// Status and outcome.
fn told(answer: &Answer) -> (u16, Value) {
    let body = answer.json();
    (answer.status, body["outcome"].clone())
}

fn written(stack: &Stack, topic: Topic) -> usize {
    read(stack.log.as_ref(), topic).len()
}

#[test]
fn an_accepted_command_is_answered_with_its_events_and_a_position_that_shows_it() {
    let (_directory, stack) = stack(HttpConfig::default());
    let at = stack.server.address;
    let partition = partition_of("S", PARTITIONS);
    let answer = ask(
        at,
        &format!("{STRUCTURED}\r\nx-correlation-id: order-7"),
        receive("S", "c-1", 100).to_string().as_bytes(),
    );
    let body = answer.json();
    assert_eq!(told(&answer), (200, json!("accepted")), "{body}");
    assert_eq!((&body["sku"], &body["version"]), (&json!("S"), &json!(1)));
    assert_eq!((&body["command_id"], &body["command_source"]), (&json!("c-1"), &json!("/test")));
    assert_eq!(body["command_type"], format!("{PREFIX}product-stock.receive"));
    assert_eq!(body["command_position"], format!("{partition}:0"));
    assert_eq!(body["event_ids"].as_array().map(Vec::len), Some(1));
    assert_eq!(body["positions"].as_array().map(Vec::len), Some(1), "{body}");
    let at_least = body["at_least"].as_str().expect("a position");
    for target in ["/stock_levels/S", "/stock_levels/S/history", "/stock_levels/S/lots", "/stock_levels"] {
        let seen = get(at, &format!("{target}?at_least={at_least}"));
        assert_eq!(seen.status, 200, "{target}: {}", seen.text());
    }
    let level = get(at, &format!("/stock_levels/S?at_least={at_least}")).json();
    assert_eq!((&level["quantity_on_hand"], &level["version"]), (&json!(100), &json!(1)));
    let history = get(at, "/stock_levels/S/history").json();
    assert_eq!(history["items"][0]["correlation_id"], "order-7");
    assert_eq!(history["items"][0]["event_id"], body["event_ids"][0]);

    // Binary, two events of one command.
    let receive = command("S", "c-2", "product-stock.receive", json!({"quantity": 5, "status": "DAMAGED"}));
    let binary = ask(
        at,
        &format!(
            "POST /commands\r\ncontent-type: application/json\r\nce-specversion: 1.0\r\nce-id: c-2\r\nce-source: /test\r\nce-type: {}\r\nce-subject: S",
            receive["type"].as_str().expect("a type")
        ),
        receive["data"].to_string().as_bytes(),
    );
    let body = binary.json();
    assert_eq!((binary.status, &body["version"]), (200, &json!(3)), "{body}");
    assert_eq!(body["positions"].as_array().map(Vec::len), Some(2));
    assert_eq!(body["at_least"], body["positions"][1]);
}

#[test]
fn a_refusal_is_an_outcome_with_a_status_of_its_own() {
    let (_directory, stack) = stack(HttpConfig::default());
    let at = stack.server.address;
    assert_eq!(send(at, &receive("S", "c-1", 10)).status, 200);
    let mut stale = receive("S", "stale", 1);
    stale["expectedversion"] = json!("7");
    let mut late = receive("S", "late", 1);
    late["expirytime"] = json!("2020-01-01T00:00:00Z");
    let too_many = command("S", "many", "product-stock.allocate", json!({"quantity": 11}));
    let unknown = command("T", "unknown", "product-stock.allocate", json!({"quantity": 1}));
    for (command, status, code) in [
        (too_many, 409, "INSUFFICIENT_STOCK"),
        (unknown, 409, "UNKNOWN_SKU"),
        (receive("S", "c-1", 11), 409, "COMMAND_ID_REUSED"),
        (late, 409, "EXPIRED"),
        (stale, 412, "VERSION_CONFLICT"),
        (receive("S", "zero", 0), 422, "INVALID_COMMAND"),
        (command("S", "type", "product-stock.conjure", json!({})), 422, "INVALID_COMMAND"),
        (command("S", "text", "product-stock.receive", json!({"quantity": "ten"})), 422, "INVALID_COMMAND"),
        (command("S", "less", "product-stock.receive", json!({"quantity": -1})), 422, "INVALID_COMMAND"),
        (
            command("S", "over", "product-stock.receive", json!({"quantity": 9_223_372_036_854_775_807_u64})),
            422,
            "INVALID_COMMAND",
        ),
        (
            command(
                "S",
                "huge",
                "product-stock.receive",
                serde_json::from_str(r#"{"quantity":1e400}"#).expect("JSON"),
            ),
            422,
            "INVALID_COMMAND",
        ),
        (command("S", "empty", "product-stock.adjust", json!({})), 422, "INVALID_COMMAND"),
    ] {
        let answer = send(at, &command);
        let body = answer.json();
        assert_eq!(
            (answer.status, body["outcome"].as_str()),
            (status, Some("rejected")),
            "{command}: {body}"
        );
        assert_eq!(body["code"], code, "{command}: {body}");
        assert!(body["message"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
        assert!(body["details"].is_object() && body["positions"] == json!([]), "{body}");
        assert!(body.get("at_least").is_some());
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    eventually("only the first changed anything", Duration::from_secs(60), || {
        (get(at, "/stock_levels/S").json()["quantity_on_hand"] == 10).then_some(())
    });
}

#[test]
fn the_same_command_again_has_the_same_outcome_and_no_new_event() {
    let (directory, stack) = stack(HttpConfig::default());
    let at = stack.server.address;
    let first = send(at, &receive("S", "c-1", 10)).json();
    let refused = command("S", "c-2", "product-stock.allocate", json!({"quantity": 11}));
    assert_eq!(send(at, &refused).status, 409);
    assert_eq!(send(at, &receive("S", "c-3", 5)).status, 200, "it would fit now");
    let again = send(at, &receive("S", "c-1", 10)).json();
    for field in ["version", "event_ids", "outcome", "command_hash"] {
        assert_eq!(first[field], again[field], "{field}: {again}");
    }
    assert_eq!(send(at, &refused).json()["code"], "INSUFFICIENT_STOCK", "the first outcome");
    // All at once, in one request.
    let many = batch(at, &vec![receive("S", "c-1", 10); 20]).json();
    assert!(
        many["items"].as_array().expect("items").iter().all(|item| item["event_ids"] == first["event_ids"])
    );
    assert_eq!(written(&stack, Topic::Events), 2);
    drop(stack);
    let stack = Stack::start(directory.path(), Settings::default());
    let after = send(stack.server.address, &receive("S", "c-1", 10)).json();
    assert_eq!((&after["event_ids"], &after["version"]), (&first["event_ids"], &first["version"]));
    assert_eq!(written(&stack, Topic::Events), 2);
}

#[test]
fn a_batch_has_one_outcome_each_in_the_order_sent() {
    let (_directory, stack) = stack(HttpConfig::default());
    let at = stack.server.address;
    let answer = batch(
        at,
        &[
            receive("A", "1", 5),
            command("A", "2", "product-stock.allocate", json!({"quantity": 6})),
            receive("B", "1", 0),
            command("A", "3", "product-stock.allocate", json!({"quantity": 5})),
        ],
    );
    let body = answer.json();
    let items = body["items"].as_array().expect("items");
    let seen: Vec<_> =
        items.iter().map(|item| (item["status"].as_u64(), item["command_id"].as_str())).collect();
    assert_eq!(answer.status, 207);
    assert_eq!(
        seen,
        [(Some(200), Some("1")), (Some(409), Some("2")), (Some(422), Some("1")), (Some(200), Some("3"))],
        "{body}"
    );
    assert_eq!((batch(at, &[]).status, batch(at, &[]).json()), (207, json!({"items": []})));
    let thousand: Vec<Value> = (0..1_000).map(|n| receive(&format!("SKU-{n}"), "1", 1)).collect();
    let answer = batch(at, &thousand);
    let body = answer.json();
    let items = body["items"].as_array().expect("items");
    assert_eq!((answer.status, items.len()), (207, 1_000));
    assert!(items.iter().all(|item| item["status"] == 200), "{body}");
}

#[test]
fn one_that_cannot_be_read_and_nothing_of_the_request_is_written() {
    let (_directory, stack) = stack(HttpConfig { max_batch_events: 10, ..HttpConfig::default() });
    let at = stack.server.address;
    let without = |field: &str| {
        let mut command = receive("S", "x", 1);
        command.as_object_mut().expect("an object").remove(field);
        command
    };
    let mut other_subject = receive("S", "x", 1);
    other_subject["data"]["sku"] = json!("T");
    let mut large = receive("S", "x", 1);
    large["data"]["comment"] = json!("x".repeat(1 << 20));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep = format!(
        r#"{{"specversion":"1.0","id":"x","source":"/t","type":"{PREFIX}product-stock.receive","subject":"S","data":{deep}}}"#
    );
    let repeated = format!(
        r#"{{"specversion":"1.0","id":"x","id":"y","source":"/t","type":"{PREFIX}product-stock.receive","subject":"S","data":{{"quantity":1}}}}"#
    );
    let good = receive("S", "good", 1).to_string();
    for bad in [
        without("id"),
        without("source"),
        without("type"),
        without("subject"),
        without("specversion"),
        other_subject,
        receive(&"x".repeat(1_000), "x", 1),
        receive("a\u{1}b", "x", 1),
        receive("", "x", 1),
        large,
        json!(7),
        json!(null),
    ]
    .map(|bad| bad.to_string())
    .into_iter()
    .chain([repeated, deep.clone()])
    {
        let shown: String = bad.chars().take(200).collect();
        let answer = ask(at, BATCH, format!("[{good},{bad}]").as_bytes());
        let body = answer.json();
        assert_eq!((answer.status, &body["code"]), (400, &json!("INVALID_COMMANDS")), "{shown}: {body}");
        if body["items"].is_array() {
            assert_eq!(
                (&body["items"][0]["index"], body["items"][0]["detail"].is_string()),
                (&json!(1), true)
            );
        }
        assert_eq!(ask(at, STRUCTURED, bad.as_bytes()).status, 400, "{shown}");
    }
    for body in [&b"{"[..], b"", b"\xff\xfe", b"[]", deep.as_bytes()] {
        assert_eq!(ask(at, STRUCTURED, body).status, 400);
    }
    assert_eq!(ask(at, STRUCTURED, &vec![b' '; 10 << 20]).status, 413);
    let eleven: Vec<Value> = (0..11).map(|n| receive("S", &n.to_string(), 1)).collect();
    assert_eq!(batch(at, &eleven).status, 413);
    for content_type in ["text/plain", "application/json", "application/cloudevents+xml"] {
        let answer = ask(at, &format!("POST /commands\r\ncontent-type: {content_type}"), good.as_bytes());
        assert_eq!(answer.status, 415, "{content_type}");
    }
    assert_eq!(
        ask(at, &STRUCTURED.replace("/commands", "/commands?sync=1"), b"{}").json()["parameter"],
        "sync"
    );
    assert_eq!((written(&stack, Topic::Commands), written(&stack, Topic::DeadLetters)), (0, 0));
    assert_eq!(send(at, &receive("S", "good", 1)).status, 200, "the service goes on");
}

#[test]
fn clocks_may_be_days_off() {
    let (_directory, stack) = stack(HttpConfig::default());
    let at = stack.server.address;
    for (id, time) in [("past", "1999-12-31T23:59:59Z"), ("future", "2199-01-01T00:00:00+14:00")] {
        let mut command = receive("S", id, 1);
        command["time"] = json!(time);
        let answer = send(at, &command);
        assert_eq!(answer.status, 200, "{time}");
        let at_least = answer.json()["at_least"].as_str().expect("a position").to_owned();
        assert_eq!(get(at, &format!("/stock_levels/S?at_least={at_least}")).status, 200);
    }
    assert_eq!(get(at, "/stock_levels/S").json()["version"], 2);
}

#[test]
fn who_does_not_wait_gets_a_promise_and_asks_later() {
    let (_directory, stack) = stack(HttpConfig::default());
    let at = stack.server.address;
    let answer = ask(
        at,
        &format!("{STRUCTURED}\r\nprefer: respond-async"),
        receive("S P", "c 1", 10).to_string().as_bytes(),
    );
    let body = answer.json();
    assert_eq!(told(&answer), (202, json!("pending")), "{body}");
    assert_eq!((&body["at_least"], &body["positions"]), (&Value::Null, &json!([])));
    let place = answer.header("location").expect("a location");
    assert_eq!(place, "/commands?sku=S%20P&source=%2Ftest&id=c%201");
    let outcome = eventually("the command is decided", Duration::from_secs(60), || {
        let answer = get(at, place);
        assert!([200, 202].contains(&answer.status), "{}", answer.text());
        (answer.status == 200).then(|| answer.json())
    });
    assert_eq!((&outcome["outcome"], &outcome["version"]), (&json!("accepted"), &json!(1)));
    let at_least = outcome["at_least"].as_str().expect("a position");
    let level = get(at, &format!("/stock_levels/S%20P?at_least={at_least}")).json();
    assert_eq!(level["quantity_on_hand"], 10);
    let refused = command("S P", "no", "product-stock.allocate", json!({"quantity": 11}));
    assert_eq!(send(at, &refused).status, 409);
    eventually("the refusal is known", Duration::from_secs(60), || {
        (get(at, "/commands?sku=S%20P&source=/test&id=no").status == 409).then_some(())
    });
    let unknown = get(at, "/commands?sku=S&source=/test&id=never");
    assert_eq!((unknown.status, &unknown.json()["code"]), (404, &json!("UNKNOWN_COMMAND")));
    for (query, parameter) in [("sku=S&source=/t", "id"), ("source=/t&id=1", "sku"), ("sku=S&id=1", "source")]
    {
        let answer = get(at, &format!("/commands?{query}"));
        assert_eq!((answer.status, &answer.json()["parameter"]), (400, &json!(parameter)));
    }
}

#[test]
fn the_platform_s_own_requests_are_commands() {
    let (_directory, stack) = stack(HttpConfig::default());
    let at = stack.server.address;
    // A foreign event is known to the deciding lane once it is folded, and not by having been appended.
    let known = publish(at, &[level("S/1", "e-1", 0, 20)]).remove(0);
    assert_eq!(get(at, &format!("/stock_levels/S%2F1?at_least={known}")).status, 200);
    let json_body = |head: &str, body: Value| {
        ask(at, &format!("{head}\r\ncontent-type: application/json"), body.to_string().as_bytes())
    };
    let adjust = "PATCH /stock_levels/S%2F1\r\nidempotency-key: key-1";
    let change = json!({"quantity_change": -2, "reason_code": "DAMAGE", "comment": "fell"});
    let answer = json_body(adjust, change.clone());
    let body = answer.json();
    assert_eq!(told(&answer), (200, json!("accepted")), "{body}");
    assert_eq!(
        (&body["command_id"], &body["command_source"]),
        (&json!("key-1"), &json!("/inventory-store/http"))
    );
    assert_eq!(body["command_type"], format!("{PREFIX}product-stock.adjust"));
    let version = body["version"].clone();
    assert_eq!(json_body(adjust, change.clone()).json()["version"], version, "the same key changes nothing");
    let other = json!({"quantity_change": -3, "reason_code": "DAMAGE"});
    assert_eq!(json_body(adjust, other).json()["code"], "COMMAND_ID_REUSED");

    let reserve =
        json_body("POST /stock_levels/S%2F1/reservations", json!({"quantity": 8, "order_id": "ORD-1"}));
    assert_eq!(told(&reserve), (200, json!("accepted")));
    let twice =
        json_body("POST /stock_levels/S%2F1/reservations", json!({"quantity": 8, "order_id": "ORD-1"}));
    assert_eq!(
        (twice.status, &twice.json()["code"]),
        (409, &json!("ALLOCATION_EXISTS")),
        "without a key each is its own"
    );

    let bulk = json_body(
        "POST /allocations/bulk\r\nidempotency-key: \"bulk-1\"",
        json!({"requests": [
            {"sku": "S/1", "quantity": 4, "order_id": "ORD-2"},
            {"sku": "S/1", "quantity": 400, "order_id": "ORD-3"},
            {"sku": "never seen", "quantity": 1, "order_id": "ORD-4"},
        ]}),
    );
    let body = bulk.json();
    let seen: Vec<_> = (0..3)
        .map(|n| (body["items"][n]["status"].as_u64(), body["items"][n]["command_id"].as_str()))
        .collect();
    assert_eq!(bulk.status, 207);
    assert_eq!(
        seen,
        [(Some(200), Some("bulk-1/0")), (Some(409), Some("bulk-1/1")), (Some(409), Some("bulk-1/2"))],
        "{body}"
    );

    let at_least = body["items"][0]["at_least"].as_str().expect("a position");
    let level = get(at, &format!("/stock_levels/S%2F1?at_least={at_least}"));
    let etag = level.header("etag").expect("a version").to_owned();
    let level = level.json();
    assert_eq!((&level["quantity_on_hand"], &level["quantity_allocated"]), (&json!(18), &json!(12)));
    assert_eq!(level["allocations"][0], json!({"allocation_id": "ORD-1", "quantity": 8, "expires_at": null}));

    let conditional = format!("PATCH /stock_levels/S%2F1\r\nif-match: {etag}");
    let once = json!({"quantity_change": 1, "reason_code": "CYCLE_COUNT"});
    assert_eq!(json_body(&conditional, once.clone()).status, 200);
    assert_eq!((json_body(&conditional, once).status), 412, "the version has moved on");

    for (head, body, status) in [
        ("PATCH /stock_levels/S", json!({"quantity_change": 1}), 400),
        (
            "PATCH /stock_levels/S",
            json!({"quantity_change": 1, "reason_code": "ADJUSTMENT", "sku": "T"}),
            400,
        ),
        ("PATCH /stock_levels/S", json!([]), 400),
        ("PATCH /stock_levels/S\r\nif-match: 7", change.clone(), 400),
        ("PATCH /stock_levels/S\r\nidempotency-key: ", change.clone(), 400),
        ("PATCH /stock_levels/S", json!({"quantity_change": "many", "reason_code": "ADJUSTMENT"}), 422),
        ("PATCH /stock_levels/S", json!({"quantity_change": 1, "reason_code": "because"}), 422),
        ("POST /stock_levels/S/reservations", json!({"quantity": 1}), 400),
        ("POST /stock_levels/S/reservations", json!({"quantity": 0, "order_id": "O"}), 422),
        ("POST /allocations/bulk", json!({"requests": [{"sku": "", "quantity": 1, "order_id": "O"}]}), 400),
        ("POST /allocations/bulk", json!({"requests": {}}), 400),
    ] {
        let answer = json_body(head, body.clone());
        assert_eq!(answer.status, status, "{head} {body}: {}", answer.text());
    }
    let form = ask(at, "PATCH /stock_levels/S\r\ncontent-type: text/plain", change.to_string().as_bytes());
    assert_eq!(form.status, 415, "a page of another origin could send it unasked");
}

#[test]
fn too_many_at_once_are_told_to_come_back_and_nothing_of_theirs_is_written() {
    let directory = TempDir::new().expect("a directory");
    let settings = Settings { request_memory: Some(64 << 10), ..Settings::default() };
    let stack = Stack::start(directory.path(), settings);
    let at = stack.server.address;
    // Another request holds most of the memory there is, since it was told to go on; its body never ends.
    let mut slow = crate::support::raw_http::Connection::open(at);
    slow.send(b"POST /commands HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/cloudevents+json\r\nexpect: 100-continue\r\ncontent-length: 20000\r\n\r\n");
    assert!(slow.is_told_to_go_on());
    let commands: Vec<Value> = (0..30).map(|n| receive("S", &format!("c-{n}"), 1)).collect();
    let refused = batch(at, &commands);
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.json()["code"], "TOO_MANY_REQUESTS");
    drop(slow);
    eventually("there is room again", Duration::from_secs(60), || {
        (send(at, &receive("S", "last", 1)).status == 200).then_some(())
    });
}

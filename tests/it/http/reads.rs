//! What is read back of events that went in over HTTP: every route, every body.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use inventory_store::config::http::HttpConfig;
use inventory_store::config::lane::LaneConfig;
use inventory_store::config::log::LogConfig;
use inventory_store::log::embedded::EmbeddedLog;
use inventory_store::types::{NextOffset, Partition, Topic, partition_of};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::events::{Events, level, publish};
use crate::support::raw_http::{Answer, ask, get};
use crate::support::service::eventually;
use crate::support::stack::{PARTITIONS, Settings, Stack, log_directory};

fn stack() -> (TempDir, Stack) {
    let directory = TempDir::new().expect("a directory");
    let stack = Stack::start(directory.path(), Settings::default());
    (directory, stack)
}

/// `get`, once everything up to the last of these positions is in it.
fn get_after(at: SocketAddr, target: &str, positions: &[String]) -> Answer {
    let last = positions.last().expect("a position");
    let sign = if target.contains('?') { '&' } else { '?' };
    get(at, &format!("{target}{sign}at_least={last}"))
}

/// The contract's example, made of events.
fn example(sku: &str) -> Vec<Value> {
    let mut of = Events::of(sku);
    let mut list = vec![
        of.event("product-stock.level-changed", json!({
            "previousQuantityOnHand": 0, "newQuantityOnHand": 60, "changeType": "RECEIPT", "reasonCode": "RECEIPT",
            "lot_number": "L1", "location_id": "A-01", "expiry_date": "2027-01-31"})),
        of.event("product-stock.level-changed", json!({
            "previousQuantityOnHand": 60, "newQuantityOnHand": 70, "changeType": "RECEIPT", "reasonCode": "RECEIPT",
            "location_id": "A-01"})),
        of.event("product-stock.level-changed", json!({
            "previous_stock_level": {"quantity_on_hand": 70, "quantity_allocated": 0, "available_to_promise": 70},
            "new_stock_level": {"quantity_on_hand": 100, "quantity_allocated": 30, "available_to_promise": 70},
            "change_reason": "ALLOCATION", "allocation_id": "ORD-1"})),
        of.event("inventory-hold.placed", json!({
            "hold_id": "H1", "hold_type": "QUALITY_HOLD", "quantity_on_hold": 50, "reason": "inspection"})),
        of.event("stock-status.changed", json!({
            "previous_status": "AVAILABLE", "new_status": "DAMAGED", "quantity": 2, "reason": "fork lift"})),
        of.event("stock-transfer.initiated", json!({
            "transfer_id": "T1", "source_location": "A-01", "destination_location": "B-02", "quantity": 10,
            "initiated_by": "ana", "reason": "refill"})),
        of.event("inventory-valuation.changed", json!({
            "valuation_method": "MOVING_AVERAGE", "previous_unit_cost": 0, "new_unit_cost": 2.50,
            "previous_total_value": 0, "new_total_value": "250.00", "quantity": 100, "reason": "count"})),
        of.event("abc-classification.changed", json!({
            "previous_class": null, "new_class": "A", "criteria": "VALUE_BASED", "reason": "yearly"})),
    ];
    for serial in ["S-1", "S-2", "S-3", "S-4"] {
        list.push(
            of.event("serial-number.received", json!({"serial_number": serial, "location_id": "A-01"})),
        );
    }
    list.push(of.event("serial-number.allocated", json!({"serial_number": "S-4", "allocation_id": "ORD-1"})));
    list
}

#[test]
fn the_contracts_example_is_read_back_literally() {
    let (_directory, stack) = stack();
    let at = stack.server.address;
    let positions = publish(at, &example("SKU-1"));
    let answer = get_after(at, "/stock_levels/SKU-1", &positions);
    let expected = concat!(
        r#"{"sku":"SKU-1","quantity_on_hand":100,"quantity_allocated":30,"available_to_promise":18,"quantity_held":50,"quantity_unavailable":2,"shortfall":0,"#,
        r#""version":13,"position":"POSITION","last_event_time":"2026-11-01T12:34:13Z","#,
        r#""statuses":{"DAMAGED":2},"#,
        r#""holds":[{"hold_id":"H1","hold_type":"QUALITY_HOLD","quantity":50,"reason":"inspection","lot_number":null,"expires_at":null}],"#,
        r#""allocations":[{"allocation_id":"ORD-1","quantity":30,"expires_at":null}],"#,
        r#""lots":[{"lot_number":"L1","quantity":60,"expiry_date":"2027-01-31"}],"locations":[{"location_id":"A-01","quantity":60}],"#,
        r#""unassigned":{"lots":40,"locations":40},"#,
        r#""transfers":[{"transfer_id":"T1","source_location":"A-01","destination_location":"B-02","quantity":10}],"#,
        r#""serials":{"received":3,"allocated":1},"#,
        r#""valuation":{"valuation_method":"MOVING_AVERAGE","unit_cost":2.5,"total_value":250,"valued_quantity":100},"#,
        r#""abc_class":"A","kit":null,"#,
        r#""duplicates":0,"conflicts":0,"anomalies":0}"#,
    )
    .replace("POSITION", positions.last().expect("a position"));
    assert_eq!((answer.status, answer.text()), (200, expected.as_str()));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("etag"), Some("\"13\""));

    for (facet, body) in [
        (
            "holds",
            r#"[{"hold_id":"H1","hold_type":"QUALITY_HOLD","quantity":50,"reason":"inspection","lot_number":null,"expires_at":null}]"#,
        ),
        ("allocations", r#"[{"allocation_id":"ORD-1","quantity":30,"expires_at":null}]"#),
        ("lots", r#"[{"lot_number":"L1","quantity":60,"expiry_date":"2027-01-31"}]"#),
        ("locations", r#"[{"location_id":"A-01","quantity":60}]"#),
        (
            "transfers",
            r#"[{"transfer_id":"T1","source_location":"A-01","destination_location":"B-02","quantity":10}]"#,
        ),
        (
            "serials",
            concat!(
                r#"[{"serial_number":"S-1","state":"received","location_id":"A-01","lot_number":null,"allocation_id":null},"#,
                r#"{"serial_number":"S-2","state":"received","location_id":"A-01","lot_number":null,"allocation_id":null},"#,
                r#"{"serial_number":"S-3","state":"received","location_id":"A-01","lot_number":null,"allocation_id":null},"#,
                r#"{"serial_number":"S-4","state":"allocated","location_id":"A-01","lot_number":null,"allocation_id":"ORD-1"}]"#,
            ),
        ),
    ] {
        let page = get(at, &format!("/stock_levels/SKU-1/{facet}"));
        assert_eq!(
            (page.status, page.text()),
            (200, format!(r#"{{"items":{body},"next":null}}"#).as_str()),
            "{facet}"
        );
        let unknown = get(at, &format!("/stock_levels/SKU-2/{facet}"));
        assert_eq!((unknown.status, unknown.json()["code"].as_str()), (404, Some("UNKNOWN_SKU")));
    }
    for target in ["/stock_levels/SKU-2", "/stock_levels/SKU-2/history", "/stock_levels/sku-1"] {
        assert_eq!(get(at, target).json()["code"], "UNKNOWN_SKU", "{target}");
    }
}

#[test]
fn an_unchanged_sku_is_304_by_its_version() {
    let (_directory, stack) = stack();
    let at = stack.server.address;
    let positions = publish(at, &[level("S", "e-1", 0, 5)]);
    assert_eq!(get_after(at, "/stock_levels/S", &positions).header("etag"), Some("\"1\""));
    for same in ["\"1\"", "W/\"1\"", "\"0\", \"1\"", "*"] {
        let answer = ask(at, &format!("GET /stock_levels/S\r\nif-none-match: {same}"), b"");
        assert_eq!(
            (answer.status, answer.header("etag"), answer.body.len()),
            (304, Some("\"1\""), 0),
            "{same}"
        );
    }
    for other in ["\"2\"", "1", "\"11\"", "nonsense"] {
        assert_eq!(
            ask(at, &format!("GET /stock_levels/S\r\nif-none-match: {other}"), b"").status,
            200,
            "{other}"
        );
    }
    let positions = publish(at, &[level("S", "e-2", 5, 6)]);
    let changed = format!("GET /stock_levels/S?at_least={}\r\nif-none-match: \"1\"", positions[0]);
    assert_eq!(ask(at, &changed, b"").status, 200);
    let head = ask(at, "HEAD /stock_levels/S", b"");
    assert_eq!((head.status, head.header("etag")), (200, Some("\"2\"")));
}

#[test]
fn what_was_written_is_read_at_its_position() {
    let (_directory, stack) = stack();
    let at = stack.server.address;
    for i in 0..100 {
        let positions = publish(at, &[level("S", &format!("e-{i}"), i, i + 1)]);
        let answer = get_after(at, "/stock_levels/S", &positions);
        assert_eq!(answer.json()["quantity_on_hand"], i + 1);
    }
}

#[test]
fn a_position_that_does_not_come_is_waited_for_and_no_longer() {
    let directory = TempDir::new().expect("a directory");
    let http = HttpConfig { at_least_timeout_ms: 50, ..HttpConfig::default() };
    let stack = Stack::start(directory.path(), Settings { http, ..Settings::default() });
    let at = stack.server.address;
    let partition = partition_of("S", PARTITIONS);
    for query in ["at_least", "as_of"] {
        let answer = get(at, &format!("/stock_levels/S?{query}={partition}:7"));
        assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("NOT_REACHED")));
        assert_eq!(answer.json()["next"], 0);
        assert!(answer.header("retry-after").is_some());
    }
    let other = Partition((partition.0 + 1) % PARTITIONS);
    for query in ["at_least", "as_of"] {
        let answer = get(at, &format!("/stock_levels/S?{query}={other}:0"));
        assert_eq!((answer.status, answer.json()["parameter"].as_str()), (400, Some(query)));
    }
}

#[test]
fn skus_of_every_kind_are_found_under_their_escapes() {
    let (_directory, stack) = stack();
    let at = stack.server.address;
    let long = "x".repeat(255);
    for (i, (sku, segment)) in [
        ("A/B", "A%2FB"),
        ("a b", "a%20b"),
        ("a+b", "a+b"),
        ("ü/漢", "%C3%BC%2F%E6%BC%A2"),
        ("100%", "100%25"),
        ("..", "%2E%2E"),
        ("?#", "%3F%23"),
        ("holds", "holds"),
        (long.as_str(), long.as_str()),
    ]
    .into_iter()
    .enumerate()
    {
        let positions = publish(at, &[level(sku, &format!("e-{i}"), 0, 7)]);
        let answer = get_after(at, &format!("/stock_levels/{segment}"), &positions);
        assert_eq!((answer.status, answer.json()["sku"].as_str()), (200, Some(sku)));
        assert_eq!(
            get(at, &format!("/stock_levels/{segment}/history")).json()["items"][0]["position"],
            positions[0]
        );
    }
}

#[test]
fn history_is_paged_newest_first_and_asked_for_the_past() {
    let (_directory, stack) = stack();
    let at = stack.server.address;
    let mut positions = Vec::new();
    for i in 0..25 {
        positions.extend(publish(at, &[level("S", &format!("e-{i}"), i, i + 1)]));
    }
    get_after(at, "/stock_levels/S", &positions);
    let first = get(at, "/stock_levels/S/history?limit=1");
    let partition = partition_of("S", PARTITIONS);
    assert_eq!(
        first.text().split(",\"next\"").next(),
        Some(
            format!(
                concat!(
                    r#"{{"items":[{{"position":"{}","time":"2026-11-01T12:34:56Z","#,
                    r#""type":"com.paklog.inventory.fulfillment.v1.product-stock.level-changed","event_id":"e-24","correlation_id":null,"#,
                    r#""quantity_on_hand":25,"quantity_allocated":0,"quantity_held":0,"quantity_unavailable":0,"available_to_promise":25}}]"#,
                ),
                positions[24]
            )
            .as_str()
        )
    );
    assert_eq!(first.json()["begins"], format!("{partition}:0"));

    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = get(at, &format!("/stock_levels/S/history?limit=7{after}")).json();
        let items = page["items"].as_array().expect("items");
        assert!(!items.is_empty() && items.len() <= 7);
        seen.extend(items.iter().map(|item| item["position"].as_str().expect("a position").to_owned()));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, positions.iter().rev().cloned().collect::<Vec<_>>());

    for i in [0_usize, 11, 24] {
        let was = get(at, &format!("/stock_levels/S?as_of={}", positions[i]));
        assert!(
            was.text().starts_with(&format!(r#"{{"sku":"S","position":"{}","time""#, positions[i])),
            "{}",
            was.text()
        );
        assert_eq!(was.json()["quantity_on_hand"], i + 1);
        assert!(was.header("etag").is_none());
    }
    assert_eq!(get(at, "/stock_levels/S?as_of=2999-01-01T00:00:00Z").json()["quantity_on_hand"], 25);
    let before = get(at, "/stock_levels/S?as_of=2001-01-01T00:00:00%2B02:00");
    assert_eq!((before.status, before.json()["code"].as_str()), (404, Some("UNKNOWN_SKU")));
}

#[test]
fn a_past_that_is_not_kept_names_the_job_that_finds_it() {
    let directory = TempDir::new().expect("a directory");
    let positions = {
        let stack = Stack::start(directory.path(), Settings::default());
        publish(stack.server.address, &[level("it's", "e-1", 0, 1), level("it's", "e-2", 1, 2)])
    };
    // Rebuilt in bulk, which keeps no history of what it passes.
    std::fs::remove_dir_all(directory.path().join("partitions")).expect("removed");
    let lane = LaneConfig { bulk_from_records: 1, ..LaneConfig::default() };
    let stack = Stack::start(directory.path(), Settings { lane, ..Settings::default() });
    let answer = get(stack.server.address, &format!("/stock_levels/it's?as_of={}", positions[0]));
    assert_eq!(
        (answer.status, answer.json()["code"].as_str()),
        (422, Some("HISTORY_NOT_KEPT")),
        "{answer:?}"
    );
    let job = format!(r"inventory-store replay --to {} --sku 'it'\''s'", positions[0]);
    assert_eq!(answer.json()["job"], job);
    assert!(answer.json()["begins"].is_string());
    assert_eq!(get(stack.server.address, "/stock_levels/it's").json()["quantity_on_hand"], 2);
}

#[test]
fn a_facet_of_many_is_cut_and_has_pages_that_miss_nothing_while_it_is_written() {
    let (_directory, stack) = stack();
    let at = stack.server.address;
    let mut of = Events::of("S");
    let hold = |of: &mut Events, id: String| {
        of.event(
            "inventory-hold.placed",
            json!({
            "hold_id": id, "hold_type": "COUNT_HOLD", "quantity_on_hold": 1, "reason": "count"}),
        )
    };
    let lasting: Vec<String> = (0..250).map(|i| format!("H-{:03}", i * 2)).collect();
    let events: Vec<Value> = lasting.iter().map(|id| hold(&mut of, id.clone())).collect();
    let positions = publish(at, &events);
    let whole = get_after(at, "/stock_levels/S", &positions).json();
    assert_eq!(whole["holds"].as_array().map(Vec::len), Some(100));
    assert_eq!(whole["truncated"], json!(["holds"]));
    assert_eq!(whole["quantity_held"], 250);

    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Between the lasting ones others come and go.
            for i in 0.. {
                if done.load(Ordering::Relaxed) {
                    return;
                }
                let id = format!("H-{:03}", (i * 37 % 250) * 2 + 1);
                let placed = hold(&mut of, id.clone());
                let released = of.event(
                    "inventory-hold.released",
                    json!({
                    "hold_id": id, "quantity_released": 1, "released_by": "ana"}),
                );
                publish(at, &[placed]);
                publish(at, &[released]);
            }
        });
        for _ in 0..20 {
            let (mut seen, mut after) = (Vec::new(), String::new());
            loop {
                let page = get(at, &format!("/stock_levels/S/holds?limit=17{after}")).json();
                let items = page["items"].as_array().expect("items");
                seen.extend(items.iter().map(|item| item["hold_id"].as_str().expect("an id").to_owned()));
                match page["next"].as_str() {
                    Some(next) => after = format!("&after={next}"),
                    None => break,
                }
            }
            assert!(seen.is_sorted_by(|a, b| a < b), "in order and none twice");
            let seen: BTreeSet<_> = seen.iter().collect();
            assert!(lasting.iter().all(|id| seen.contains(id)), "none is missed");
        }
        done.store(true, Ordering::Relaxed);
    });
    let token = get(at, "/stock_levels/S/holds?limit=1").json()["next"].as_str().expect("a token").to_owned();
    let foreign = get(at, &format!("/stock_levels/S/lots?after={token}"));
    assert_eq!(
        (foreign.status, foreign.json()["parameter"].as_str()),
        (400, Some("after")),
        "tokens are a list's own"
    );
}

#[test]
fn the_list_of_skus_is_in_order_over_all_partitions() {
    let (_directory, stack) = stack();
    let at = stack.server.address;
    let mut skus: Vec<String> = (0..300).map(|i| format!("SKU-{:04}", i * 7 % 300)).collect();
    skus.extend(["Ü-1".to_owned(), "a/b".to_owned(), "~".to_owned()]);
    let events: Vec<Value> = skus.iter().map(|sku| level(sku, &format!("e-{sku}"), 0, 3)).collect();
    let positions = publish(at, &events);
    skus.sort();
    for position in &positions[positions.len() - 50..] {
        assert_eq!(get(at, &format!("/stock_levels?limit=1&at_least={position}")).status, 200);
    }
    for limit in [1, 7, 100, 1000] {
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let page = get(at, &format!("/stock_levels?limit={limit}{after}")).json();
            assert_eq!(page["missing_partitions"], json!([]));
            let items = page["items"].as_array().expect("items");
            assert!(items.len() <= limit);
            seen.extend(items.iter().map(|item| item["sku"].as_str().expect("a sku").to_owned()));
            match page["next"].as_str() {
                Some(next) => after = format!("&after={}", escape(next)),
                None => break,
            }
        }
        assert_eq!(seen, skus, "limit {limit}");
    }
    let item = &get(at, "/stock_levels?limit=1").json()["items"][0];
    let one = get(at, &format!("/stock_levels/{}", escape(item["sku"].as_str().expect("a sku")))).json();
    assert!(item.as_object().expect("an object").iter().all(|(name, value)| one[name] == *value));
    assert_eq!(get(at, "/stock_levels?after=SKU-0298x&limit=1").json()["items"][0]["sku"], "SKU-0299");
}

fn escape(sku: &str) -> String {
    sku.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

#[test]
fn a_partition_that_stands_still_is_503_and_missing_from_the_list() {
    let directory = TempDir::new().expect("a directory");
    let skus: Vec<String> = (0..40).map(|i| format!("S-{i}")).collect();
    {
        let stack = Stack::start(directory.path(), Settings::default());
        let events: Vec<Value> = skus.iter().map(|sku| level(sku, sku, 0, 1)).collect();
        publish(stack.server.address, &events);
        eventually("all is applied", Duration::from_secs(60), || {
            let applied: u64 = stack.registry.statuses().iter().map(|status| status.next.0).sum();
            (applied == 40).then_some(())
        });
    }
    // Its store is lost, and so is the beginning of its log: nothing to rebuild it from.
    std::fs::remove_dir_all(directory.path().join("partitions/000")).expect("removed");
    {
        let config = LogConfig { partitions: PARTITIONS, ..LogConfig::default() };
        let log = EmbeddedLog::open(&log_directory(directory.path()), &config).expect("the log");
        log.truncate(Topic::Events, Partition(0), NextOffset(1)).expect("truncated");
    }
    let stack = Stack::start(directory.path(), Settings::default());
    let at = stack.server.address;
    let (broken, sound): (Vec<&String>, Vec<&String>) =
        skus.iter().partition(|sku| partition_of(sku, PARTITIONS) == Partition(0));
    assert!(!broken.is_empty() && !sound.is_empty());
    for sku in broken {
        let answer = get(at, &format!("/stock_levels/{sku}"));
        assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("NOT_LIVE")), "{answer:?}");
        assert_eq!(answer.json()["state"], "failed");
        assert!(answer.header("retry-after").is_some());
        assert!(!answer.text().contains("partitions/000"), "no path is told: {}", answer.text());
    }
    for sku in &sound {
        assert_eq!(get(at, &format!("/stock_levels/{sku}")).status, 200);
    }
    let list = get(at, "/stock_levels?limit=1000").json();
    assert_eq!(list["missing_partitions"], json!([0]));
    assert_eq!(list["items"].as_array().map(Vec::len), Some(sound.len()));
    let ready = get(at, "/health/ready");
    assert_eq!((ready.status, ready.json()["waiting"][0]["state"].as_str()), (503, Some("failed")));
    assert_eq!(get(at, "/health/live").status, 200);
}

#[test]
fn partitions_say_how_far_they_are() {
    let (_directory, stack) = stack();
    let at = stack.server.address;
    let positions = publish(at, &[level("S", "e-1", 0, 1), level("S", "e-2", 1, 2)]);
    get_after(at, "/stock_levels/S", &positions);
    let partition = partition_of("S", PARTITIONS);
    let item = eventually("the numbers are shown", Duration::from_secs(60), || {
        let item = get(at, "/partitions").json()["items"][usize::from(partition.0)].clone();
        (item["log_end"] == 2 && item["next"] == 2).then_some(item)
    });
    assert_eq!((&item["state"], &item["lag_events"], &item["rows"]), (&json!("live"), &json!(0), &json!(1)));
    assert_eq!(item["history_begins"], format!("{partition}:0"));
    assert_eq!(item["digest"].as_str().map(str::len), Some(32));
    assert_ne!(item["digest"], "0".repeat(32));
    assert_eq!(get(at, "/health/ready").status, 200);
}

//! Clients faster than the log: memory stays within its bound, late ones get 429, nothing accepted is lost.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::service::{Service, eventually};

/// Of the whole process; the bound below is this and what a process has anyway.
const BUDGET: u64 = 256 << 20;
const CLIENTS: u64 = 48;
const BATCH: u64 = 500;

fn command(client: u64, number: u64) -> Value {
    json!({"specversion": "1.0", "id": number.to_string(), "source": format!("/pressure/{client}"),
           "type": "com.paklog.inventory.fulfillment.v1.product-stock.receive", "subject": format!("SKU-{}", number % 50),
           "datacontenttype": "application/json", "data": {"quantity": 1, "location_id": format!("A-{client}")}})
}

/// What a client was told.
#[derive(Default)]
struct Told {
    /// Commands accepted, or promised to be decided.
    accepted: u64,
    refused_for_now: u64,
}

fn client(number: u64, url: &str, stop: &AtomicBool, sent: &AtomicU64) -> Told {
    let agent = ureq::Agent::config_builder().http_status_as_error(false);
    let agent = agent.timeout_global(Some(Duration::from_secs(90))).build().new_agent();
    let (mut next, mut told) = (0, Told::default());
    while !stop.load(Ordering::Relaxed) {
        let batch: Vec<Value> = (next..next + BATCH).map(|n| command(number, n)).collect();
        let mut request = agent.post(format!("{url}/commands"));
        request = request.header("content-type", "application/cloudevents-batch+json");
        if number.is_multiple_of(2) {
            request = request.header("prefer", "respond-async");
        }
        let mut answer = request.send(Value::Array(batch).to_string().as_bytes()).expect("an answer");
        let retry_after = answer.headers().get("retry-after").cloned();
        let status = answer.status().as_u16();
        let body: Value = answer.body_mut().with_config().limit(64 << 20).read_json().expect("JSON");
        match status {
            207 => {
                let items = body["items"].as_array().expect("items");
                assert!(items.iter().all(|item| item["status"] == 200 || item["status"] == 202), "{body}");
                told.accepted += items.len() as u64;
                sent.fetch_add(BATCH, Ordering::Relaxed);
                next += BATCH;
            }
            // Sent again later, as it is.
            429 => {
                assert!(retry_after.is_some(), "it says when to come back");
                told.refused_for_now += 1;
            }
            _ => panic!("{status}: {body}"),
        }
    }
    told
}

#[test]
fn memory_is_bounded_late_ones_are_told_so_and_nothing_accepted_is_lost() {
    let soak = std::env::var_os("INVENTORY_STORE_SOAK").is_some();
    let seconds = if soak { 60 } else { 5 };
    let directory = TempDir::new().expect("a directory");
    let budget = BUDGET.to_string();
    let settings = [
        ("INVENTORY_STORE__MEMORY__BUDGET", budget.as_str()),
        ("INVENTORY_STORE__CONTRACT__PARTITIONS", "4"),
        ("INVENTORY_STORE__HTTP__MAX_UNDECIDED_COMMANDS", "5000"),
    ];
    let service = Service::start(&directory.path().join("data"), &settings);
    service.wait_until_level(Duration::from_secs(60));
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let began = Instant::now();
    let told: Vec<Told> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|n| {
                scope.spawn({
                    let (url, stop, sent) = (&service.url, &stop, &sent);
                    move || client(n, url, stop, sent)
                })
            })
            .collect();
        while began.elapsed() < Duration::from_secs(seconds) {
            std::thread::sleep(Duration::from_millis(50));
        }
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().expect("a client")).collect()
    });
    let took = began.elapsed().as_secs_f64();
    let accepted: u64 = told.iter().map(|told| told.accepted).sum();
    let refused: u64 = told.iter().map(|told| told.refused_for_now).sum();
    let peak = service.used().peak_rss_bytes;
    eprintln!(
        "{accepted} accepted in {took:.1} s ({:.0}/s), {refused} of {} requests told to come back, peak {} MiB of {} MiB",
        accepted as f64 / took,
        refused + accepted / BATCH,
        peak >> 20,
        BUDGET >> 20
    );
    assert!(accepted > 0 && refused > 0, "{accepted} accepted, {refused} refused");
    assert!(peak < BUDGET + (96 << 20), "peak {} MiB", peak >> 20);
    // Every unit of every accepted command is there, by the client's own location, and no other.
    eventually("all that was accepted is in the stock", Duration::from_secs(120), || {
        let mut by_client: HashMap<String, u64> = HashMap::new();
        for sku in 0..50 {
            let (_, body) = service.get(&format!("/stock_levels/SKU-{sku}"));
            for location in body["locations"].as_array().into_iter().flatten() {
                let units = location["quantity"].as_u64().expect("units");
                *by_client
                    .entry(location["location_id"].as_str().expect("a location").to_owned())
                    .or_default() += units;
            }
        }
        let whole = |(n, told): (usize, &Told)| {
            by_client.get(&format!("A-{n}")).copied().unwrap_or(0) == told.accepted
        };
        told.iter().enumerate().all(whole).then_some(())
    });
}

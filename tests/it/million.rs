//! The main job at size: a generated day on a real broker, projected by the real binary that is killed three
//! times on the way, and every SKU compared with the model.
//!
//! `make test` runs a short day; `make soak` (`INVENTORY_STORE_SOAK=1`) one million events over 100,000 SKUs.
//! The seed is printed and taken back by `INVENTORY_STORE_SEED`.

use std::collections::HashMap;
use std::process::Command;
use std::time::{Duration, Instant};

use inventory_store::codec::event::Mode;
use inventory_store::config::KafkaConfig;
use inventory_store::domain::event::{Event, Fact};
use inventory_store::generator::{Layout, Options, Warehouse, record};
use inventory_store::log::Log;
use inventory_store::log::kafka::KafkaLog;
use inventory_store::types::{Headers, NewRecord};
use serde_json::Value;

use crate::support::broker::Broker;
use crate::support::model::{Model, comparable};
use crate::support::seed;
use crate::support::service::{Service, Used, eventually};

const PARTITIONS: u16 = 12;
/// `memory.budget` of the service: a quarter of the default, and less than a million events take in the log.
const BUDGET: u64 = 256 << 20;

/// The environment that points the binary at this broker and these topics.
pub fn environment(config: &KafkaConfig) -> Vec<(&'static str, String)> {
    vec![
        ("INVENTORY_STORE__KAFKA__BOOTSTRAP_SERVERS", config.bootstrap_servers.clone()),
        ("INVENTORY_STORE__KAFKA__TOPICS__EVENTS", config.topics.events.clone()),
        ("INVENTORY_STORE__KAFKA__TOPICS__COMMANDS", config.topics.commands.clone()),
        ("INVENTORY_STORE__KAFKA__TOPICS__SNAPSHOTS", config.topics.snapshots.clone()),
        ("INVENTORY_STORE__KAFKA__TOPICS__RESULTS", config.topics.results.clone()),
        ("INVENTORY_STORE__KAFKA__TOPICS__DEAD_LETTERS", config.topics.dead_letters.clone()),
    ]
}

/// Creates the five topics as a new user would.
pub fn create_topics(config: &KafkaConfig) {
    let output = Command::new(env!("CARGO_BIN_EXE_inventory-store"))
        .args(["topics", "create", "--development"])
        .envs(environment(config))
        .output()
        .expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A way of writing `event` that some service uses: mode and layout vary with `n`.
fn some_way(n: usize, event: &Event<'_>) -> (Mode, Layout) {
    let leaves_allocated = match &event.fact {
        Fact::LevelChanged(changed) => changed.previous.allocated == changed.new.allocated,
        _ => true,
    };
    let layout = match n % 7 {
        0 => Layout::CamelCase,
        1 => Layout::Flat,
        2 if leaves_allocated => Layout::Minimal,
        _ => Layout::Canonical,
    };
    (if n.is_multiple_of(4) { Mode::Binary } else { Mode::Structured }, layout)
}

fn in_the_model(model: &mut Model, record: &NewRecord) {
    let mut headers = HashMap::new();
    record.headers.visit(&mut |name, value| {
        let text = String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
        headers.insert(name.to_owned(), text);
    });
    model.record(&headers, record.value.as_deref().unwrap_or_default());
}

#[test]
fn a_day_survives_three_kills_and_every_sku_equals_the_model() {
    let Some(broker) = Broker::shared("a day on a real broker with three kill -9") else { return };
    let soak = std::env::var("INVENTORY_STORE_SOAK").is_ok_and(|v| v == "1");
    let (events, skus) = if soak { (1_000_000, 100_000) } else { (60_000, 3_000) };
    let seed = seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let config = broker.config();
    create_topics(&config);

    let mut model = Model::default();
    let log = KafkaLog::connect(&config).expect("the broker answers");
    let appender = log.appender().expect("an appender");
    let mut warehouse = Warehouse::new(Options { seed, skus, ..Options::default() }).enumerate().peekable();
    let mut append = |count: usize| {
        let mut left = count;
        while left > 0 {
            let batch: Vec<NewRecord> = warehouse
                .by_ref()
                .take(left.min(20_000))
                .map(|(n, event)| {
                    let (mode, layout) = some_way(n, &event);
                    let record = record(&event, mode, layout, PARTITIONS);
                    in_the_model(&mut model, &record);
                    record
                })
                .collect();
            left -= batch.len();
            for answer in appender.append(batch) {
                answer.expect("appended");
            }
        }
    };

    // The first half is there before the service; more comes each time it lies dead, the last while it runs.
    append(events / 2);
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let mut environment = environment(&config);
    environment.push(("INVENTORY_STORE__MEMORY__BUDGET", BUDGET.to_string()));
    // A partition behind by so much catches up in bulk: the first start does, the later ones follow live.
    environment.push(("INVENTORY_STORE__LANE__BULK_FROM_RECORDS", "1000".to_owned()));
    let settings: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let started = Instant::now();
    let mut used = Used::default();
    let mut kills = Vec::new();
    let mut appended = events as u64 / 2;
    for _ in 0..3 {
        let service = Service::start(&data, &settings);
        // Somewhere on its way through what it is behind.
        let behind = appended.saturating_sub(service.passed()).max(1);
        let until = appended - behind + random.u64(0..behind);
        eventually("the service gets on", Duration::from_secs(120), || {
            (service.passed() >= until).then_some(())
        });
        kills.push(service.passed());
        let one = service.kill();
        append(events / 8);
        appended += events as u64 / 8;
        used.cpu_seconds += one.cpu_seconds;
        used.peak_rss_bytes = used.peak_rss_bytes.max(one.peak_rss_bytes);
    }
    // The last of it arrives while it runs.
    let service = Service::start(&data, &settings);
    append(events - events / 2 - 3 * (events / 8));
    service.wait_until_passed(events as u64, Duration::from_secs(300));
    let seconds = started.elapsed().as_secs_f64();
    let last = service.used();
    used.cpu_seconds += last.cpu_seconds;
    used.peak_rss_bytes = used.peak_rss_bytes.max(last.peak_rss_bytes);

    let mut differences = Vec::new();
    for (name, sku) in &model.skus {
        let (status, body) = service.get(&format!("/stock_levels/{name}"));
        if status != 200 || comparable(body.clone()) != sku.body(name) {
            differences.push(format!("{name}: {status}\n  store {body}\n  model {}", sku.body(name)));
        }
    }
    assert!(
        differences.is_empty(),
        "{} of {} SKUs differ (seed {seed}, killed at {kills:?}):\n{}",
        differences.len(),
        model.skus.len(),
        differences[..differences.len().min(3)].join("\n")
    );
    let malformed: u64 = service.partitions().iter().filter_map(|p| malformed(&p["malformed"])).sum();
    assert_eq!(malformed, 0, "no record was malformed");
    assert_eq!(service.terminate(), Some(0), "SIGTERM ends it cleanly");
    eprintln!(
        "{events} events, {} SKUs, killed at {kills:?}: {seconds:.1} s with the writing, {:.0} events/s, {:.1} CPU \
         seconds, {} MiB at most",
        model.skus.len(),
        events as f64 / seconds,
        used.cpu_seconds,
        used.peak_rss_bytes >> 20
    );
    assert!(
        used.peak_rss_bytes <= BUDGET + BUDGET / 10,
        "{} MiB at most, with a budget of {} MiB",
        used.peak_rss_bytes >> 20,
        BUDGET >> 20
    );
}

/// A count, or a sum over reasons.
fn malformed(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| Some(value.as_object()?.values().filter_map(Value::as_u64).sum()))
}

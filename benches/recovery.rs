//! Recovery on a real broker: publishing while serving, the snapshots topic, a restore from it beside a bare reader
//! of the same topic in the same run, the time until an instance without any store is live, and the pause of a
//! cutover.
//!
//! Publishing is measured in two shapes: events of every SKU in turn, so that nearly every event makes a row to
//! publish, which is near the worst there is; and events of a twentieth of the SKUs, with `snapshot.every_events`
//! at its default.
//!
//! A SKU has two rows here, its own and a location's. Restore and reader run in processes of their own, and what
//! serves is the real binary, so that CPU seconds and peak memory are their own; the broker runs beside them on
//! the same machine. 200,000 SKUs, a tail of 20,000 events and a cycle every 20,000 events of a partition by
//! default; `INVENTORY_STORE_BENCH_FULL=1` for a million, 100,000 and 100,000, the default of the setting.
//! `INVENTORY_STORE_BENCH_ONLY=restore` (or `live`, `publishing`, `ordinary`, `cutover`) for one part alone.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../tests/it/support/broker.rs"]
#[allow(dead_code)]
mod broker;
#[path = "../tests/it/support/left_out.rs"]
mod left_out;
#[path = "../tests/it/support/service.rs"]
#[allow(dead_code)]
mod service;

mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use inventory_store::config::store::{MemoryConfig, MemoryPlan, StoreConfig};
use inventory_store::config::{KafkaConfig, SnapshotConfig};
use inventory_store::log::Log;
use inventory_store::log::kafka::{KafkaLog, wanted_topic};
use inventory_store::snapshots::restore::from_topic;
use inventory_store::snapshots::topic::Reading;
use inventory_store::snapshots::{Wanted, Work};
use inventory_store::store::PartitionStores;
use inventory_store::types::{Header, NewRecord, Partition, Topic, partition_of};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value, json};
use service::{Service, eventually};
use support::{Of, Parts, cpu_seconds, describe, full, keep, machine, resident};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PARTITIONS: u16 = 12;
const BUDGET: u64 = 1 << 30;
/// No wait here is longer.
const LIMIT: Duration = Duration::from_secs(600);

struct Scale {
    skus: u64,
    tail: u64,
    /// Events of a partition after which a cycle begins: 1.2 for each SKU, at any scale.
    every: u64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("--floor") => println!("{}", floor(&arguments[2], &arguments[3])),
        Some("--restore") => println!("{}", restore(&arguments[2], &arguments[3])),
        _ => run(),
    }
}

fn run() {
    let machine = machine();
    println!("{}", describe(&machine));
    let parts = Parts::of(&["restore", "live", "publishing", "ordinary", "cutover"]);
    let Some(broker) = broker::Broker::shared("recovery") else {
        println!("recovery: no broker on this machine, so this is left out; see target/left-out.txt");
        return;
    };
    let scale = if full() {
        Scale { skus: 1_000_000, tail: 100_000, every: 100_000 }
    } else {
        Scale { skus: 200_000, tail: 20_000, every: 20_000 }
    };
    let config = broker.config();
    let log = KafkaLog::connect(&config).expect("the broker answers");
    for topic in Topic::ALL {
        log.create(topic, &wanted_topic(&config.topics, topic, PARTITIONS, 1 << 20, true)).expect("a topic");
    }
    let mut events = Events::new(Arc::clone(&log) as Arc<dyn Log>, scale.skus);
    events.happen(scale.skus, scale.skus);
    let place = tempfile::tempdir().expect("a directory");
    let published = publish_all(&config, &place.path().join("first"), &scale);
    let mut figures = json!({"skus": scale.skus, "tail": scale.tail, "published": published});
    let mut peak = 0.0_f64;

    if parts.has("restore") {
        figures["restore"] = beside_the_floor(&config, &scale);
    }
    events.happen(scale.tail, scale.skus);
    let second = place.path().join("second");
    let live = time_to_live(&config, &second, &events);
    println!(
        "\nan instance without a store, {} SKUs from the topic and {} events of tail: live after {:.1} s, {:.1} CPU s, \
         {:.0} MiB at most",
        scale.skus,
        scale.tail,
        of(&live, "seconds"),
        of(&live, "cpu_seconds"),
        of(&live, "peak_rss_bytes") / 1048576.0
    );
    peak = peak.max(of(&live, "peak_rss_bytes"));
    figures["live"] = live;

    let every = SnapshotConfig::default().every_events;
    let all = Shape { name: "publishing", of: "every SKU", among: scale.skus, every: scale.every };
    let few = Shape { name: "ordinary", of: "a twentieth of the SKUs", among: scale.skus / 20, every };
    for shape in [all, few] {
        if !parts.has(shape.name) {
            continue;
        }
        // The same store for both, and as many events.
        let without = serving(&config, &second, &shape, &mut events, false);
        let with = serving(&config, &second, &shape, &mut events, true);
        println!("\n{:<40}{:>14}{:>14}{:>10}{:>10}", "live", "events/s", "per CPU s", "CPU s", "peak MiB");
        show("serving, publishing nothing", &without);
        show("serving and publishing", &with);
        let per_cpu_second = |figures: &Value| of(figures, "records") / of(figures, "cpu_seconds");
        let cost = 1.0 - per_cpu_second(&with) / per_cpu_second(&without);
        let rows = of(&with, "rows_published") / of(&with, "records");
        println!(
            "events of {}, a cycle every {} of a partition, {rows:.2} rows published per event: \
             publishing costs {:.1}% of the events per CPU second",
            shape.of,
            shape.every,
            cost * 100.0
        );
        peak = peak.max(of(&with, "peak_rss_bytes"));
        figures[shape.name] = json!({"without": without, "with": with, "cost": cost, "rows_per_event": rows});
    }

    if parts.has("cutover") {
        let cutover = cutover(&config, &second, &mut events);
        let mut pauses = numbers(&cutover["pauses_ms"]);
        let median = support::median(&mut pauses);
        println!(
            "\n{} partitions change over, {} SKUs, {} rows, events coming: pause {:.1} ms at least, {median:.1} median, \
             {:.1} at most; {:.0} MiB at most",
            pauses.len(),
            scale.skus,
            cutover["rows"],
            pauses[0],
            pauses[pauses.len() - 1],
            of(&cutover, "peak_rss_bytes") / 1048576.0
        );
        peak = peak.max(of(&cutover, "peak_rss_bytes"));
        figures["cutover"] = cutover;
    }
    println!("peak memory {:.2} of memory.budget", peak / BUDGET as f64);
    figures["peak_to_budget"] = (peak / BUDGET as f64).into();
    keep("recovery", &machine, &figures);
}

/// Restores beside bare readers of the same topic.
fn beside_the_floor(config: &KafkaConfig, scale: &Scale) -> Value {
    let prefix = config.topics.events.strip_suffix(".events").expect("the name that the tests give");
    let (mut floors, mut restores) = (Vec::new(), Vec::new());
    // In turn, so that a slow moment of the machine does not fall on one of them alone.
    for _ in 0..3 {
        floors.push(child(&["--floor", &config.bootstrap_servers, &config.topics.snapshots]));
        restores.push(child(&["--restore", &config.bootstrap_servers, prefix]));
    }
    let per_sku = of(&floors[0], "bytes") / scale.skus as f64;
    println!(
        "\n{} SKUs of 2 rows, {} records, {per_sku:.0} bytes per SKU (keys and values, before compression)\n",
        scale.skus, floors[0]["records"]
    );
    println!("{:<40}{:>14}{:>14}{:>10}{:>10}", "", "records/s", "per CPU s", "CPU s", "peak MiB");
    for (name, all) in [("bare librdkafka reader", &floors), ("restore into RocksDB", &restores)] {
        all.iter().for_each(|figures| show(name, figures));
    }
    let ratio = rate(&restores) / rate(&floors);
    println!("records per CPU second, restore ÷ bare reader: {ratio:.2}");
    json!({"bytes_per_sku": per_sku, "floor": floors, "restore": restores, "restore_to_floor": ratio})
}

/// Records per CPU second, the median.
fn rate(all: &[Value]) -> f64 {
    let mut rates: Vec<f64> = all.iter().map(|f| of(f, "records") / of(f, "cpu_seconds")).collect();
    support::median(&mut rates)
}

fn numbers(values: &Value) -> Vec<f64> {
    values.as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
}

fn of(figures: &Value, name: &str) -> f64 {
    figures[name].as_f64().unwrap_or(f64::NAN)
}

fn show(name: &str, figures: &Value) {
    println!(
        "{name:<40}{:>14.0}{:>14.0}{:>10.2}{:>10.0}",
        of(figures, "records") / of(figures, "seconds"),
        of(figures, "records") / of(figures, "cpu_seconds"),
        of(figures, "cpu_seconds"),
        of(figures, "peak_rss_bytes") / 1048576.0
    );
}

/// Runs one measurement in a process of its own and reads what it reports.
fn child(arguments: &[&str]) -> Value {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program).args(arguments).output().expect("the measurement runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().last().unwrap_or_default();
    serde_json::from_str(line)
        .unwrap_or_else(|e| panic!("{arguments:?}: {e}: {text}\n{}", String::from_utf8_lossy(&output.stderr)))
}

/// Receipts at a location.
struct Events {
    log: Arc<dyn Log>,
    /// How many each SKU has had.
    received: Vec<u64>,
    made: u64,
}

impl Events {
    fn new(log: Arc<dyn Log>, skus: u64) -> Self {
        Self { log, received: vec![0; usize::try_from(skus).expect("a count")], made: 0 }
    }

    /// Of `among` SKUs in turn, spread evenly over all.
    fn happen(&mut self, count: u64, among: u64) {
        let appender = self.log.appender().expect("an appender");
        let mut left = count;
        while left > 0 {
            let batch = left.min(50_000);
            left -= batch;
            let records = (0..batch).map(|_| self.next(among)).collect();
            for answer in appender.append(records) {
                answer.expect("appended");
            }
        }
    }

    fn next(&mut self, among: u64) -> NewRecord {
        let n = self.made;
        self.made += 1;
        let skus = self.received.len() as u64;
        // A prime that divides no count of SKUs here: each comes once before any comes twice, in no order.
        let number = n.wrapping_mul(7_368_787) % among * (skus / among);
        let sku = format!("SKU-{number:08}");
        let received = &mut self.received[usize::try_from(number).expect("a number")];
        let before = *received * 10;
        *received += 1;
        let value = format!(
            r#"{{"specversion":"1.0","id":"e-{n}","source":"/paklog/warehouse","type":"com.paklog.inventory.fulfillment.v1.product-stock.level-changed","subject":"{sku}","time":"2026-11-24T10:00:00Z","datacontenttype":"application/json","data":{{"sku":"{sku}","previous_stock_level":{{"quantity_on_hand":{},"quantity_allocated":0,"available_to_promise":{}}},"new_stock_level":{{"quantity_on_hand":{},"quantity_allocated":0,"available_to_promise":{}}},"change_reason":"RECEIPT","location_id":"A-17"}}}}"#,
            before,
            before,
            before + 10,
            before + 10
        );
        NewRecord {
            topic: Topic::Events,
            partition: partition_of(&sku, PARTITIONS),
            timestamp: None,
            key: Some(sku.into_bytes()),
            value: Some(value.into_bytes()),
            headers: vec![Header::new("content-type", "application/cloudevents+json; charset=UTF-8")],
        }
    }
}

/// A service on this broker.
fn start(config: &KafkaConfig, data: &Path, snapshots: &[(&str, String)]) -> Service {
    let mut settings = broker::variables(config, PARTITIONS);
    for (key, value) in [
        ("INVENTORY_STORE__LANE__GROUP", config.topics.events.clone()),
        ("INVENTORY_STORE__LANE__INSTANCE", "bench".into()),
        ("INVENTORY_STORE__MEMORY__BUDGET", BUDGET.to_string()),
        ("INVENTORY_STORE__ARCHIVE__URL", "/nowhere".into()),
        ("INVENTORY_STORE__SNAPSHOT__EVERY_SECONDS", "86400".into()),
        ("INVENTORY_STORE__SNAPSHOT__AT_SHUTDOWN", "false".into()),
    ] {
        settings.push((key.into(), value));
    }
    for (key, value) in snapshots {
        settings.push((format!("INVENTORY_STORE__SNAPSHOT__{key}"), value.clone()));
    }
    let settings: Vec<(&str, &str)> = settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    Service::start(data, &settings)
}

fn until_read(service: &Service, events: u64) {
    eventually("all is read", LIMIT, || (service.passed() >= events).then_some(()));
    service.wait_until_level(LIMIT);
}

/// The positions of the partitions' checkpoints, all together.
fn shown(service: &Service) -> u64 {
    let position = |p: &Value| -> Option<u64> { p["last_checkpoint"]["next"].as_u64() };
    service.partitions().iter().filter_map(position).sum()
}

/// Reads everything and publishes a baseline of every partition.
fn publish_all(config: &KafkaConfig, data: &Path, scale: &Scale) -> Value {
    let eager = [("EVERY_EVENTS", "1".to_owned()), ("BYTES_PER_SECOND", (1_u64 << 30).to_string())];
    let began = Instant::now();
    let service = start(config, data, &eager);
    until_read(&service, scale.skus);
    let (read, at_read) = (began.elapsed().as_secs_f64(), service.used());
    eventually("every row is published", LIMIT, || (shown(&service) >= scale.skus).then_some(()));
    let used = service.used();
    assert_eq!(service.terminate(), Some(0));
    json!({
        "replayed_seconds": read, "published_seconds": began.elapsed().as_secs_f64() - read,
        "published_cpu_seconds": used.cpu_seconds - at_read.cpu_seconds, "peak_rss_bytes": used.peak_rss_bytes,
    })
}

/// From nothing to live.
fn time_to_live(config: &KafkaConfig, data: &Path, events: &Events) -> Value {
    let began = Instant::now();
    let service = start(config, data, &[]);
    until_read(&service, events.made);
    let (seconds, used) = (began.elapsed().as_secs_f64(), service.used());
    assert!(service.log().contains("partition restored"), "from the topic: {}", service.log());
    assert_eq!(service.terminate(), Some(0));
    json!({"seconds": seconds, "cpu_seconds": used.cpu_seconds, "peak_rss_bytes": used.peak_rss_bytes})
}

/// What events come while publishing is measured.
struct Shape {
    name: &'static str,
    of: &'static str,
    /// How many SKUs they are of.
    among: u64,
    /// Of a partition after which a cycle begins.
    every: u64,
}

/// Serves while so many events come that every partition publishes one cycle, or none.
fn serving(config: &KafkaConfig, data: &Path, shape: &Shape, events: &mut Events, publishes: bool) -> Value {
    // What earlier runs have left marked is not of this one.
    let quiet = [("EVERY_EVENTS", u64::MAX.to_string())];
    let cycle = [("EVERY_EVENTS", shape.every.to_string())];
    let service = start(config, data, if publishes { &cycle } else { &quiet });
    until_read(&service, events.made);
    if publishes {
        // A cycle that was due at the start, over all that the other run has marked, ends first.
        eventually("no cycle is due", LIMIT, || {
            let due = |p: &Value| {
                let next = |v: &Value| v.as_u64().unwrap_or(0);
                next(&p["next"]) - next(&p["last_checkpoint"]["next"]) >= shape.every
            };
            (!service.partitions().iter().any(due)).then_some(())
        });
    }
    let published = || rows_published(&service);
    let (before, began, shown_before, rows_before) =
        (service.used(), Instant::now(), shown(&service), published());
    let count = shape.every * u64::from(PARTITIONS) * 9 / 8;
    events.happen(count, shape.among);
    until_read(&service, events.made);
    let seconds = began.elapsed().as_secs_f64();
    if publishes {
        eventually("the cycles have ended", LIMIT, || {
            (shown(&service) >= shown_before + shape.every * u64::from(PARTITIONS)).then_some(())
        });
    }
    let (used, rows) = (service.used(), published() - rows_before);
    assert_eq!(service.terminate(), Some(0));
    json!({
        "records": count, "seconds": seconds, "cpu_seconds": used.cpu_seconds - before.cpu_seconds,
        "peak_rss_bytes": used.peak_rss_bytes, "rows_published": rows,
    })
}

/// Rows in the snapshots topic by this service, by its own count.
fn rows_published(service: &Service) -> f64 {
    let text = service.metrics();
    let line = text.lines().find_map(|line| line.strip_prefix("inventory_store_snapshot_records_total "));
    line.and_then(|count| count.trim().parse().ok()).expect("the metric")
}

/// Makes every partition anew from the log's start beside the one that is served, and changes over, while
/// events come.
fn cutover(config: &KafkaConfig, data: &Path, events: &mut Events) -> Value {
    let service = start(config, data, &[("EVERY_EVENTS", u64::MAX.to_string())]);
    until_read(&service, events.made);
    let began = Instant::now();
    let mut job = Command::new(env!("CARGO_BIN_EXE_inventory-store"))
        .args(["replay", "--cutover", "--json", "--url", &service.url])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the job starts");
    let skus = events.received.len() as u64;
    while job.try_wait().expect("the job's status").is_none() {
        events.happen(100, skus);
        std::thread::sleep(Duration::from_millis(50));
    }
    let output = job.wait_with_output().expect("the job ends");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "the cutover: {text}\n{}", service.log());
    let lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let pauses: Vec<f64> = lines.iter().filter_map(|line| line["pause_ms"].as_f64()).collect();
    assert_eq!(pauses.len(), usize::from(PARTITIONS), "{text}");
    let rows: u64 = lines.iter().filter_map(|line| line["rows"].as_u64()).sum();
    let used = service.used();
    let seconds = began.elapsed().as_secs_f64();
    assert_eq!(service.terminate(), Some(0));
    json!({
        "pauses_ms": pauses, "rows": rows, "seconds": seconds, "peak_rss_bytes": used.peak_rss_bytes,
    })
}

fn clients() -> u16 {
    std::thread::available_parallelism().map_or(1, |cores| u16::try_from(cores.get()).unwrap_or(1))
}

fn plan() -> MemoryPlan {
    MemoryPlan::divide(&MemoryConfig { budget: BUDGET }, PARTITIONS).expect("the budget fits")
}

/// The client's settings as the service has them.
fn bulk_config() -> KafkaConfig {
    let plan = plan();
    KafkaConfig::default().within(plan.fetch_queues, clients(), plan.producer_buffers)
}

fn measured(records: u64, bytes: u64, began: Instant, cpu_before: f64) -> Value {
    json!({
        "records": records, "bytes": bytes, "seconds": began.elapsed().as_secs_f64(),
        "cpu_seconds": cpu_seconds(Of::Process) - cpu_before, "peak_rss_bytes": resident().1,
    })
}

/// librdkafka alone: the same fetch settings as ours in bulk, the batch queue, nothing looked at but lengths.
fn floor(servers: &str, topic: &str) -> Value {
    let (records, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
    let (began, cpu_before) = (Instant::now(), cpu_seconds(Of::Process));
    std::thread::scope(|scope| {
        for client in 0..clients() {
            let (records, bytes) = (&records, &bytes);
            scope.spawn(move || read_bare(servers, topic, client, records, bytes));
        }
    });
    measured(records.into_inner(), bytes.into_inner(), began, cpu_before)
}

/// One client's partitions, to their ends.
#[allow(unsafe_code)]
fn read_bare(servers: &str, topic: &str, client: u16, records: &AtomicU64, bytes: &AtomicU64) {
    use rdkafka_sys::rd_kafka_resp_err_t as Code;
    let queue_kib = bulk_config().consumer.bulk_queue_kib;
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("group.id", "floor")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .set("fetch.min.bytes", "1024")
        .set("fetch.wait.max.ms", "100")
        .set("fetch.max.bytes", (u64::from(queue_kib) * 256).clamp(1 << 20, 50 << 20).to_string())
        .set("fetch.message.max.bytes", (u64::from(queue_kib) * 128).min(1 << 20).to_string())
        .set("queued.min.messages", "20000")
        .set("queued.max.messages.kbytes", queue_kib.to_string())
        .set("fetch.queue.backoff.ms", "2")
        .create()
        .expect("a consumer");
    let mut list = TopicPartitionList::new();
    let mine: Vec<u16> = (0..PARTITIONS).filter(|partition| partition % clients() == client).collect();
    for partition in &mine {
        list.add_partition_offset(topic, i32::from(*partition), Offset::Beginning).expect("a partition");
    }
    consumer.assign(&list).expect("assigned");
    let mut ended = 0;
    // SAFETY: the queue and its messages belong to the consumer, which outlives this block; every message is
    // destroyed once.
    unsafe {
        let queue = rdkafka_sys::rd_kafka_queue_get_consumer(consumer.client().native_ptr());
        let mut messages = vec![std::ptr::null_mut(); 10_000];
        while ended < mine.len() {
            let mut count =
                rdkafka_sys::rd_kafka_consume_batch_queue(queue, 0, messages.as_mut_ptr(), messages.len());
            if count == 0 {
                let one = rdkafka_sys::rd_kafka_consume_queue(queue, 20);
                if !one.is_null() {
                    messages[0] = one;
                    count = 1;
                }
            }
            let (mut read, mut size) = (0, 0);
            for message in &messages[..usize::try_from(count).expect("no error")] {
                match (**message).err {
                    Code::RD_KAFKA_RESP_ERR_NO_ERROR => {
                        read += 1;
                        size += (**message).len as u64 + (**message).key_len as u64;
                    }
                    Code::RD_KAFKA_RESP_ERR__PARTITION_EOF => ended += 1,
                    _ => {}
                }
                rdkafka_sys::rd_kafka_message_destroy(*message);
            }
            records.fetch_add(read, Ordering::Relaxed);
            bytes.fetch_add(size, Ordering::Relaxed);
        }
        rdkafka_sys::rd_kafka_queue_destroy(queue);
    }
}

/// Every partition from the topic into a store, as many at a time as a service does.
fn restore(servers: &str, prefix: &str) -> Value {
    let mut config = KafkaConfig { bootstrap_servers: servers.into(), ..bulk_config() };
    broker::prefix_topics(&mut config, prefix);
    let directory = tempfile::tempdir().expect("a directory");
    let (began, cpu_before) = (Instant::now(), cpu_seconds(Of::Process));
    let log = KafkaLog::connect(&config).expect("the broker answers");
    let stores =
        PartitionStores::open(directory.path(), &StoreConfig::default(), &plan().store).expect("stores");
    let cluster_id = log.cluster_id().expect("an id");
    let (next, records, bytes) = (AtomicU16::new(0), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..clients() {
            scope.spawn(|| {
                loop {
                    let partition = Partition(next.fetch_add(1, Ordering::Relaxed));
                    if partition.0 >= PARTITIONS {
                        return;
                    }
                    let wanted = Wanted {
                        partition,
                        partition_count: PARTITIONS,
                        cluster_id: cluster_id.clone(),
                        bounds: log.bounds(Topic::Events, partition).expect("bounds"),
                        at_most: None,
                    };
                    let reading = Reading {
                        scratch: stores.scratch(partition),
                        memory: SnapshotConfig::default().read_memory,
                        patience: Duration::from_secs(60),
                    };
                    let restored = from_topic(log.as_ref(), &stores, &wanted, &reading, &Work::default());
                    let restored = restored.expect("restored");
                    records.fetch_add(restored.records, Ordering::Relaxed);
                    bytes.fetch_add(restored.bytes, Ordering::Relaxed);
                    restored.store.close().expect("closes");
                }
            });
        }
    });
    measured(records.into_inner(), bytes.into_inner(), began, cpu_before)
}

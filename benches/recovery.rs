//! Recovery on a real broker: publishing while serving, the snapshots topic, a restore from it beside a bare reader
//! of the same topic in the same run, and the time until an instance without any store is live.
//!
//! A SKU has two rows here, its own and a location's. Restore and reader run in processes of their own, and what
//! serves is the real binary, so that CPU seconds and peak memory are their own; the broker runs beside them on
//! the same machine. 200,000 SKUs, a tail of 20,000 events and a cycle every 20,000 events of a partition by
//! default; `INVENTORY_STORE_BENCH_FULL=1` for a million, 100,000 and 100,000, the defaults of the settings.

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
use std::process::Command;
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
use support::{Of, cpu_seconds, describe, full, keep, machine, resident};

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
    let mut events = Events { log: Arc::clone(&log) as Arc<dyn Log>, skus: scale.skus, made: 0 };
    events.happen(scale.skus);
    let place = tempfile::tempdir().expect("a directory");

    let published = publish_all(&config, &place.path().join("first"), &scale);
    let prefix = config.topics.events.strip_suffix(".events").expect("the name that the tests give");
    let rounds = 3;
    let (mut floors, mut restores) = (Vec::new(), Vec::new());
    // In turn, so that a slow moment of the machine does not fall on one of them alone.
    for _ in 0..rounds {
        floors.push(child(&["--floor", &config.bootstrap_servers, &config.topics.snapshots]));
        restores.push(child(&["--restore", &config.bootstrap_servers, prefix]));
    }
    let floor = &floors[0];
    let per_sku = of(floor, "bytes") / scale.skus as f64;
    println!(
        "\n{} SKUs of 2 rows, {} records, {per_sku:.0} bytes per SKU (key, value and mark, before compression)\n",
        scale.skus, floor["records"]
    );
    println!("{:<40}{:>14}{:>14}{:>10}{:>10}", "", "records/s", "per CPU s", "CPU s", "peak MiB");
    for (name, all) in [("bare librdkafka reader", &floors), ("restore into RocksDB", &restores)] {
        for figures in all {
            show(name, figures);
        }
    }
    let rate = |all: &[Value]| {
        let mut rates: Vec<f64> = all.iter().map(|f| of(f, "records") / of(f, "cpu_seconds")).collect();
        support::median(&mut rates)
    };
    let ratio = rate(&restores) / rate(&floors);
    println!("records per CPU second, restore ÷ bare reader: {ratio:.2}");

    events.happen(scale.tail);
    let live = time_to_live(&config, &place.path().join("second"), &scale);
    println!(
        "\nan instance without a store, {} SKUs from the topic and {} events of tail: live after {:.1} s, {:.1} CPU s, \
         {:.0} MiB at most",
        scale.skus,
        scale.tail,
        of(&live, "seconds"),
        of(&live, "cpu_seconds"),
        of(&live, "peak_rss_bytes") / 1048576.0
    );

    // The same store for both, and as many events.
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..if full() { 1 } else { 2 } {
        without.push(serving(&config, &place.path().join("second"), &scale, &mut events, false));
        with.push(serving(&config, &place.path().join("second"), &scale, &mut events, true));
    }
    println!("\n{:<40}{:>14}{:>14}{:>10}{:>10}", "live", "events/s", "per CPU s", "CPU s", "peak MiB");
    for (name, all) in [("serving, publishing nothing", &without), ("serving and publishing", &with)] {
        for figures in all {
            show(name, figures);
        }
    }
    let cost = 1.0 - rate(&with) / rate(&without);
    println!("publishing costs {:.1}% of the events per CPU second", cost * 100.0);
    let peak = [&live].into_iter().chain(&with).map(|f| of(f, "peak_rss_bytes")).fold(0.0, f64::max);
    println!("peak memory {:.2} of memory.budget", peak / BUDGET as f64);
    let figures = json!({
        "skus": scale.skus, "tail": scale.tail, "bytes_per_sku": per_sku, "published": published,
        "floor": floors, "restore": restores, "restore_to_floor": ratio, "live": live,
        "serving": without, "serving_and_publishing": with, "publishing_cost": cost,
        "peak_to_budget": peak / BUDGET as f64,
    });
    keep("recovery", &machine, &figures);
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

/// Receipts at a location, every SKU in turn.
struct Events {
    log: Arc<dyn Log>,
    skus: u64,
    made: u64,
}

impl Events {
    fn happen(&mut self, count: u64) {
        let appender = self.log.appender().expect("an appender");
        let mut left = count;
        while left > 0 {
            let batch = left.min(50_000);
            left -= batch;
            let records = (0..batch).map(|_| self.next()).collect();
            for answer in appender.append(records) {
                answer.expect("appended");
            }
        }
    }

    fn next(&mut self) -> NewRecord {
        let n = self.made;
        self.made += 1;
        // A prime that divides no count of SKUs here: each comes once before any comes twice, in no order.
        let sku = format!("SKU-{:08}", n.wrapping_mul(7_368_787) % self.skus);
        let round = n / self.skus;
        let value = format!(
            r#"{{"specversion":"1.0","id":"e-{n}","source":"/paklog/warehouse","type":"com.paklog.inventory.fulfillment.v1.product-stock.level-changed","subject":"{sku}","time":"2026-11-24T10:00:00Z","datacontenttype":"application/json","data":{{"sku":"{sku}","previous_stock_level":{{"quantity_on_hand":{},"quantity_allocated":0,"available_to_promise":{}}},"new_stock_level":{{"quantity_on_hand":{},"quantity_allocated":0,"available_to_promise":{}}},"change_reason":"RECEIPT","location_id":"A-17"}}}}"#,
            round * 10,
            round * 10,
            round * 10 + 10,
            round * 10 + 10
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
fn time_to_live(config: &KafkaConfig, data: &Path, scale: &Scale) -> Value {
    let began = Instant::now();
    let service = start(config, data, &[]);
    until_read(&service, scale.skus + scale.tail);
    let (seconds, used) = (began.elapsed().as_secs_f64(), service.used());
    assert!(service.log().contains("partition restored"), "from the topic: {}", service.log());
    assert_eq!(service.terminate(), Some(0));
    json!({"seconds": seconds, "cpu_seconds": used.cpu_seconds, "peak_rss_bytes": used.peak_rss_bytes})
}

/// Serves while so many events come that every partition publishes one cycle, or none.
fn serving(config: &KafkaConfig, data: &Path, scale: &Scale, events: &mut Events, publishes: bool) -> Value {
    // What earlier runs have left marked is not of this one.
    let quiet = [("EVERY_EVENTS", u64::MAX.to_string())];
    let cycle = [("EVERY_EVENTS", scale.every.to_string())];
    let service = start(config, data, if publishes { &cycle } else { &quiet });
    until_read(&service, events.made);
    if publishes {
        // A cycle that was due at the start, over all that the other run has marked, ends first.
        eventually("no cycle is due", LIMIT, || {
            let due = |p: &Value| {
                let next = |v: &Value| v.as_u64().unwrap_or(0);
                next(&p["next"]) - next(&p["last_checkpoint"]["next"]) >= scale.every
            };
            (!service.partitions().iter().any(due)).then_some(())
        });
    }
    let (before, began, shown_before) = (service.used(), Instant::now(), shown(&service));
    let count = scale.every * u64::from(PARTITIONS) * 9 / 8;
    events.happen(count);
    until_read(&service, events.made);
    let seconds = began.elapsed().as_secs_f64();
    if publishes {
        eventually("the cycles have ended", LIMIT, || {
            (shown(&service) >= shown_before + scale.every * u64::from(PARTITIONS)).then_some(())
        });
    }
    let used = service.used();
    assert_eq!(service.terminate(), Some(0));
    json!({
        "records": count, "seconds": seconds, "cpu_seconds": used.cpu_seconds - before.cpu_seconds,
        "peak_rss_bytes": used.peak_rss_bytes,
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
        .set("fetch.message.max.bytes", (u64::from(queue_kib) * 128).min(8 << 20).to_string())
        .set("queued.min.messages", "1000000")
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
                        // Its mark is 50 bytes, about; a header's parsing is no bare reader's work.
                        size += (**message).len as u64 + (**message).key_len as u64 + 50;
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

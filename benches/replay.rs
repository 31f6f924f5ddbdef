//! Replay: from `inventory.events` on a real broker into durable RocksDB, beside a bare librdkafka reader of the
//! same topic in the same run, and the same fold from memory without any log. The replay is the job; a service
//! that starts with nothing and becomes live stands apart.
//!
//! Each figure is measured in a process of its own, so that CPU seconds and peak memory are its own; the broker
//! runs beside them on the same machine, so wall time is what three processes leave of it. The floor has the
//! same number of clients as the replay, the same fetch settings and the same queue. Each is run in turn
//! several times and the median of CPU seconds is what the ratio is made of.
//!
//! Short by default; `INVENTORY_STORE_BENCH_FULL=1` for 3 million events, several rounds and the peers of
//! benches/peers (Kafka Streams, Flink) on a topic of the same events in the canonical form, which is all they
//! read; `INVENTORY_STORE_BENCH_PEERS=1` brings the peers into the short form, where their start-up weighs more.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../tests/it/support/broker.rs"]
#[allow(dead_code)]
mod broker;
#[path = "../tests/it/support/left_out.rs"]
mod left_out;

mod support;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use inventory_store::codec::event::Mode;
use inventory_store::codec::rows::meta::{Identity, Versions};
use inventory_store::commands::CommandSettings;
use inventory_store::config::lane::LaneConfig;
use inventory_store::config::store::{MemoryConfig, MemoryPlan, StoreConfig};
use inventory_store::config::{ArchiveConfig, KafkaConfig, SnapshotConfig};
use inventory_store::domain::Rules;
use inventory_store::generator::{Layout, Options, Warehouse, record};
use inventory_store::jobs::{Begin, Plan, Rebuild, Stop};
use inventory_store::lane::{LaneMemory, LaneSettings, Lanes, State};
use inventory_store::log::Log;
use inventory_store::log::kafka::{KafkaLog, wanted_topic};
use inventory_store::projector::{DeadLetters, Projector, ProjectorSettings};
use inventory_store::snapshots::Work;
use inventory_store::snapshots::archive::Archive;
use inventory_store::store::PartitionStores;
use inventory_store::types::{NewRecord, NextOffset, Offset, Partition, Record, Timestamp, Topic};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use serde_json::{Value, json};
use support::{Of, cpu_seconds, describe, full, keep, machine, median, resident};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PARTITIONS: u16 = 12;
const SKUS: u32 = 100_000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("--floor") => report(&floor(&arguments[2], &arguments[3], number(&arguments[4]))),
        Some("--replay") => report(&replay(&arguments[2], &arguments[3], number(&arguments[4]))),
        Some("--serve") => report(&serve(&arguments[2], &arguments[3], number(&arguments[4]))),
        Some("--memory") => report(&memory(number(&arguments[2]))),
        _ => run(),
    }
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number of events")
}

const FLOOR: &str = "bare librdkafka reader";
const REPLAY: &str = "replay into RocksDB";
const SERVE: &str = "a service, from nothing to live";
const MEMORY: &str = "from memory: decode, fold, write";

fn run() {
    let machine = machine();
    println!("{}", describe(&machine));
    let (events, rounds) = if full() { (3_000_000, 5) } else { (1_000_000, 3) };
    let mut rows: Vec<(String, Value)> = Vec::new();
    for _ in 0..rounds {
        rows.push((MEMORY.into(), child(&["--memory", &events.to_string()])));
    }
    match broker::Broker::shared("replay from Kafka") {
        None => println!("replay: no broker on this machine, so Kafka is left out; see target/left-out.txt"),
        Some(broker) => {
            let config = broker.config();
            let bytes = fill(&config, events, mixed);
            println!(
                "{events} mixed events of {} bytes, {PARTITIONS} partitions, {SKUS} SKUs, {} clients",
                bytes / events,
                clients()
            );
            let (servers, topic, count) =
                (&config.bootstrap_servers, &config.topics.events, events.to_string());
            // In turn, so that a slow moment of the machine does not fall on one of them alone.
            for round in 0..rounds {
                rows.push((FLOOR.into(), child(&["--floor", servers, topic, &count])));
                rows.push((REPLAY.into(), child(&["--replay", servers, topic, &count])));
                if full() || round == 0 {
                    rows.push((SERVE.into(), child(&["--serve", servers, topic, &count])));
                }
            }
            if full() || std::env::var("INVENTORY_STORE_BENCH_PEERS").is_ok_and(|wanted| wanted == "1") {
                rows.extend(peers(broker, events));
            }
        }
    }
    show(&rows);
    let ratios = ratios(&rows);
    let figures: Vec<Value> =
        rows.iter().map(|(name, figures)| json!({"name": name, "figures": figures})).collect();
    keep("replay", &machine, &json!({ "rows": figures, "ratios": ratios }));
}

/// How many clients read at once: one per lane.
fn clients() -> u16 {
    LaneConfig::default().count(PARTITIONS)
}

fn show(rows: &[(String, Value)]) {
    println!("\n{:<40}{:>12}{:>14}{:>10}{:>10}", "", "events/s", "per CPU s", "CPU s", "peak MiB");
    for (name, figures) in rows {
        let of = |key: &str| figures[key].as_f64().unwrap_or(f64::NAN);
        println!(
            "{name:<40}{:>12.0}{:>14.0}{:>10.2}{:>10.0}",
            of("events") / of("seconds"),
            of("events") / of("cpu_seconds"),
            of("cpu_seconds"),
            of("peak_rss_bytes") / 1048576.0
        );
    }
}

/// Events per CPU second: the median of each, and ours beside every other.
fn ratios(rows: &[(String, Value)]) -> Value {
    let rate = |name: &str| {
        let mut all: Vec<f64> = rows
            .iter()
            .filter(|(row, _)| row == name)
            .filter_map(|(_, f)| Some(f["events"].as_f64()? / f["cpu_seconds"].as_f64()?))
            .collect();
        (!all.is_empty()).then(|| median(&mut all))
    };
    let Some(replay) = rate(REPLAY) else { return Value::Null };
    let mut ratios = serde_json::Map::new();
    println!();
    let mut names: Vec<&str> = rows.iter().map(|(name, _)| name.as_str()).collect();
    names.dedup();
    for name in names {
        if name == REPLAY || ratios.contains_key(name) {
            continue;
        }
        let Some(other) = rate(name) else { continue };
        println!("events per CPU second, replay into RocksDB ÷ {name}: {:.2}", replay / other);
        ratios.insert(name.to_owned(), json!(replay / other));
    }
    Value::Object(ratios)
}

/// The peers, on a topic of their own.
fn peers(broker: &broker::Broker, events: u64) -> Vec<(String, Value)> {
    let config = broker.config();
    fill(&config, events, |_| (Mode::Structured, Layout::Canonical));
    let (servers, topic, count) = (&config.bootstrap_servers, &config.topics.events, events.to_string());
    let directory = tempfile::tempdir().expect("a directory");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/run");
    let mut rows =
        vec![("replay, the peers' topic".to_owned(), child(&["--replay", servers, topic, &count]))];
    for peer in ["streams-default", "streams-best", "streams-restore", "flink"] {
        let output = Command::new(script)
            .args([peer, servers, topic, &count])
            .arg(directory.path())
            .output()
            .expect("benches/peers/run runs");
        let text = String::from_utf8_lossy(&output.stdout);
        match text.lines().rev().find_map(|line| serde_json::from_str::<Value>(line).ok()) {
            Some(figures) => rows.push((peer.to_owned(), figures)),
            None => println!("{peer} gave no figures: {}", String::from_utf8_lossy(&output.stderr)),
        }
    }
    rows
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

struct Measured {
    events: u64,
    seconds: f64,
    /// User and system time of this process for it, every thread.
    cpu_seconds: f64,
}

fn report(measured: &Measured) {
    println!(
        "{}",
        json!({
            "events": measured.events, "seconds": measured.seconds,
            "cpu_seconds": measured.cpu_seconds, "peak_rss_bytes": resident().1,
        })
    );
}

/// How the event of this number is written.
type Way = fn(usize) -> (Mode, Layout);

/// Most of it canonical, the rest in the older layouts, one in four binary: as a topic has seen it.
fn mixed(i: usize) -> (Mode, Layout) {
    let mode = if i % 4 == 3 { Mode::Binary } else { Mode::Structured };
    let layout = match i % 10 {
        0 => Layout::CamelCase,
        1 => Layout::Flat,
        2 => Layout::Minimal,
        _ => Layout::Canonical,
    };
    (mode, layout)
}

fn day(events: u64, way: Way) -> impl Iterator<Item = NewRecord> {
    let options = Options { seed: 6, skus: SKUS, ..Options::default() };
    let count = usize::try_from(events).expect("fits");
    Warehouse::new(options).take(count).enumerate().map(move |(i, event)| {
        let (mode, layout) = way(i);
        record(&event, mode, layout, PARTITIONS)
    })
}

/// Creates the topics and writes the day; gives its bytes.
fn fill(config: &KafkaConfig, events: u64, way: Way) -> u64 {
    let log = KafkaLog::connect(config).expect("the broker answers");
    for topic in Topic::ALL {
        log.create(topic, &wanted_topic(&config.topics, topic, PARTITIONS, 1 << 20, true)).expect("a topic");
    }
    let appender = log.appender().expect("an appender");
    let mut bytes = 0;
    let mut day = day(events, way).peekable();
    while day.peek().is_some() {
        let batch: Vec<NewRecord> = day.by_ref().take(50_000).collect();
        bytes += batch.iter().filter_map(|r| r.value.as_ref()).map(|v| v.len() as u64).sum::<u64>();
        for answer in appender.append(batch) {
            answer.expect("appended");
        }
    }
    bytes
}

/// librdkafka alone: the same fetch settings as ours in bulk, as many clients, the batch queue, nothing looked
/// at.
fn floor(servers: &str, topic: &str, events: u64) -> Measured {
    let clients = clients();
    let seen = AtomicU64::new(0);
    let cpu_before = cpu_seconds(Of::Process);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for client in 0..clients {
            let seen = &seen;
            scope.spawn(move || read_bare(servers, topic, (client, clients), events, seen));
        }
    });
    Measured {
        events: seen.into_inner(),
        seconds: start.elapsed().as_secs_f64(),
        cpu_seconds: cpu_seconds(Of::Process) - cpu_before,
    }
}

/// One client of so many, until all together have seen every event.
#[allow(unsafe_code)]
fn read_bare(servers: &str, topic: &str, (client, clients): (u16, u16), events: u64, seen: &AtomicU64) {
    let queue_kib = bulk_config().consumer.bulk_queue_kib;
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("group.id", "floor")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("fetch.min.bytes", "1024")
        .set("fetch.wait.max.ms", "500")
        .set("fetch.max.bytes", (u64::from(queue_kib) * 256).clamp(1 << 20, 50 << 20).to_string())
        .set("fetch.message.max.bytes", (u64::from(queue_kib) * 128).min(1 << 20).to_string())
        .set("queued.min.messages", "20000")
        .set("queued.max.messages.kbytes", queue_kib.to_string())
        .set("fetch.queue.backoff.ms", "2")
        .create()
        .expect("a consumer");
    let mut list = TopicPartitionList::new();
    for partition in (0..PARTITIONS).filter(|partition| partition % clients == client) {
        list.add_partition_offset(topic, i32::from(partition), KafkaOffset::Beginning).expect("a partition");
    }
    consumer.assign(&list).expect("assigned");
    // SAFETY: the queue and its messages belong to the consumer, which outlives this block; every message is
    // destroyed once.
    unsafe {
        let queue = rdkafka_sys::rd_kafka_queue_get_consumer(consumer.client().native_ptr());
        let mut messages = vec![std::ptr::null_mut(); 10_000];
        while seen.load(Ordering::Relaxed) < events {
            let mut count =
                rdkafka_sys::rd_kafka_consume_batch_queue(queue, 0, messages.as_mut_ptr(), messages.len());
            if count == 0 {
                let one = rdkafka_sys::rd_kafka_consume_queue(queue, 20);
                if !one.is_null() {
                    messages[0] = one;
                    count = 1;
                }
            }
            let mut good = 0;
            for message in &messages[..usize::try_from(count).expect("no error")] {
                good += u64::from(
                    (**message).err == rdkafka_sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR,
                );
                rdkafka_sys::rd_kafka_message_destroy(*message);
            }
            seen.fetch_add(good, Ordering::Relaxed);
        }
        rdkafka_sys::rd_kafka_queue_destroy(queue);
    }
}

fn plan() -> MemoryPlan {
    MemoryPlan::divide(&MemoryConfig::default(), PARTITIONS).expect("the default budget fits")
}

/// The client's settings as the service has them with the default budget.
fn bulk_config() -> KafkaConfig {
    let plan = plan();
    KafkaConfig::default().within(plan.fetch_queues, clients(), plan.producer_buffers)
}

fn settings() -> ProjectorSettings {
    ProjectorSettings {
        rules: Rules { own_source: "/inventory-store".into() },
        max_record_bytes: 1 << 20,
        dedupe_window_ms: 86_400_000,
    }
}

/// The client's settings for the topics that go with this one.
fn config_of(servers: &str, topic: &str) -> KafkaConfig {
    let mut config = KafkaConfig { bootstrap_servers: servers.into(), ..bulk_config() };
    let prefix = topic.strip_suffix(".events").expect("the name that the tests give");
    broker::prefix_topics(&mut config, prefix);
    config
}

/// The job `replay`, from the log's beginning to its end.
fn replay(servers: &str, topic: &str, events: u64) -> Measured {
    let config = config_of(servers, topic);
    let directory = tempfile::tempdir().expect("a directory");
    let plan = plan();
    let url = directory.path().join("archive").to_str().expect("UTF-8").to_owned();
    let archive = Archive::open(&ArchiveConfig { url, ..ArchiveConfig::default() }).expect("opens");
    let cpu_before = cpu_seconds(Of::Process);
    let start = Instant::now();
    let log = KafkaLog::connect(&config).expect("the broker answers");
    let stores =
        PartitionStores::open(directory.path(), &StoreConfig::default(), &plan.store).expect("stores");
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(usize::from(PARTITIONS));
    let job = Rebuild {
        log: log.as_ref(),
        stores: &stores,
        archive: &archive,
        projector: settings(),
        memory: usize::try_from(plan.fold_alone()).expect("fits") / threads,
        read_memory: SnapshotConfig::default().read_memory,
        patience: Duration::from_secs(60),
        plan: Plan { begin: Begin::Beginning, stop: Stop::End, partial: false },
        history_from: BTreeMap::new(),
        keep: false,
    };
    let (next, replayed) = (AtomicU16::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let partition = Partition(next.fetch_add(1, Ordering::Relaxed));
                    if partition.0 >= PARTITIONS {
                        return;
                    }
                    let (store, rebuilt) = job.run(partition, &Work::default()).expect("replayed");
                    replayed.fetch_add(rebuilt.events, Ordering::Relaxed);
                    drop(store);
                }
            });
        }
    });
    assert_eq!(replayed.into_inner(), events, "every event was folded");
    let seconds = start.elapsed().as_secs_f64();
    Measured { events, seconds, cpu_seconds: cpu_seconds(Of::Process) - cpu_before }
}

/// Lanes over fresh stores, until every partition is live at the log's end.
fn serve(servers: &str, topic: &str, events: u64) -> Measured {
    let config = config_of(servers, topic);
    let directory = tempfile::tempdir().expect("a directory");
    let plan = plan();
    let cpu_before = cpu_seconds(Of::Process);
    let start = Instant::now();
    let lane = LaneConfig { bulk_from_records: 1, group: topic.to_owned(), ..LaneConfig::default() };
    let count = lane.count(PARTITIONS);
    let lane = lane.within(plan.fetch_queues, count);
    let log: Arc<dyn Log> = KafkaLog::connect(&config).expect("the broker answers");
    let stores =
        PartitionStores::open(directory.path(), &StoreConfig::default(), &plan.store).expect("stores");
    let commands = CommandSettings {
        rules: settings().rules,
        mode: Mode::Structured,
        max_record_bytes: 1 << 20,
        extended_values: false,
        partitions: PARTITIONS,
    };
    let memory = LaneMemory { fold: plan.fold, overlays: plan.overlays };
    let settings = LaneSettings {
        projector: settings(),
        commands,
        memory,
        snapshots: SnapshotConfig { enabled: false, ..SnapshotConfig::default() },
        archive: ArchiveConfig::default(),
    };
    let lanes = Lanes::start(log, stores, settings, &lane).expect("lanes");
    let registry = lanes.registry();
    let live =
        |statuses: &[inventory_store::lane::PartitionStatus]| statuses.iter().all(|s| s.state == State::Live);
    loop {
        let statuses = registry.statuses();
        if live(&statuses) && statuses.iter().map(|s| s.next.0).sum::<u64>() >= events {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(600), "not level after ten minutes: {statuses:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
    let seconds = start.elapsed().as_secs_f64();
    let cpu_seconds = cpu_seconds(Of::Process) - cpu_before;
    lanes.stop();
    Measured { events, seconds, cpu_seconds }
}

/// The same work without a log: records in memory, one partition after another.
fn memory(events: u64) -> Measured {
    let directory = tempfile::tempdir().expect("a directory");
    let mut records: Vec<Vec<NewRecord>> = vec![Vec::new(); usize::from(PARTITIONS)];
    for record in day(events, mixed) {
        records[usize::from(record.partition.0)].push(record);
    }
    let plan = plan();
    let fold = usize::try_from(plan.fold).expect("fits") / usize::from(PARTITIONS);
    let stores =
        PartitionStores::open(directory.path(), &StoreConfig::default(), &plan.store).expect("stores");
    let cpu_before = cpu_seconds(Of::Process);
    let start = Instant::now();
    for (number, of_partition) in (0..PARTITIONS).zip(&records) {
        let identity = Identity {
            partition: Partition(number),
            partition_count: PARTITIONS,
            cluster_id: "memory".into(),
            versions: Versions::CURRENT,
            begins: NextOffset::ZERO,
        };
        let store = stores.create(identity).expect("a store");
        let mut projector = Projector::new(store, settings(), DeadLetters::CountOnly, fold);
        projector.set_mode(inventory_store::projector::Mode::Bulk).expect("bulk");
        for (chunk_number, chunk) in of_partition.chunks(20_000).enumerate() {
            let fed = chunk.iter().enumerate().map(|(n, record)| Record {
                topic: Topic::Events,
                partition: record.partition,
                offset: Offset((chunk_number * 20_000 + n) as u64),
                timestamp: Timestamp(1_793_512_800_000),
                key: record.key.as_deref(),
                value: record.value.as_deref(),
                headers: &record.headers,
            });
            projector.fold(fed).expect("folded");
            if projector.is_full() {
                projector.commit().expect("written");
            }
        }
        projector.commit().expect("written");
        projector.close().expect("closed");
    }
    Measured {
        events,
        seconds: start.elapsed().as_secs_f64(),
        cpu_seconds: cpu_seconds(Of::Process) - cpu_before,
    }
}

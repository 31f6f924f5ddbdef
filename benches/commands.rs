//! Commands: from the moment one was due to its committed result, at fixed rates, and how many a second where
//! they wait already; beside a floor on the same schedule.
//!
//! The floor is a bare transactional producer: it takes the same commands by the same rule (what has waited,
//! bounded), writes records of the same size to the same partitions of events and results, sends the offsets
//! and commits, and decides nothing. The load is open-loop: a command is due at its time whether or not the
//! ones before it were answered, and its latency counts from then. Generator and measuring reader are this
//! process; what is measured runs in one of its own, so that its CPU seconds are its own; the broker runs beside
//! them on the same machine.
//!
//! `cargo bench --bench commands -- 1000 5000` measures these rates alone. Short by default; `INVENTORY_STORE_BENCH_FULL=1` for the long form.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, unsafe_code)]

#[path = "../tests/it/support/broker.rs"]
#[allow(dead_code)]
mod broker;
#[path = "../tests/it/support/left_out.rs"]
mod left_out;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use inventory_store::config::KafkaConfig;
use inventory_store::log::kafka::{KafkaLog, wanted_topic};
use inventory_store::log::{Assignment, Log, Purpose};
use inventory_store::types::{NextOffset, Partition, Timestamp, Topic, partition_of};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value, json};

const PARTITIONS: u16 = 12;
const SKUS: u64 = 10_000;
/// Most commands of one transaction, here and there.
const BATCH: usize = 1000;
/// How often commands that wait already are measured, floor and store in turn.
const PRELOADED_ROUNDS: usize = 2;
const ID: &[u8] = b"\"command_id\":\"c-";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("--floor") => floor(&arguments[2], &arguments[3], number(&arguments[4]), number(&arguments[5])),
        _ => run(&arguments.iter().filter_map(|word| word.parse().ok()).collect::<Vec<u64>>()),
    }
}

fn number(text: &str) -> usize {
    text.parse().expect("a number")
}

/// What runs beside the generator.
enum Measured {
    Store,
    Floor {
        /// Bytes of an event and of a result, as the store wrote them.
        bytes: (usize, usize),
    },
}

/// At these rates alone, or with none given: commands that wait already, then at every rate.
fn run(rates: &[u64]) {
    let full = std::env::var("INVENTORY_STORE_BENCH_FULL").is_ok_and(|full| full == "1");
    let Some(broker) = broker::Broker::shared("the command path") else {
        println!("commands: no broker on this machine, so this is left out; see target/left-out.txt");
        return;
    };
    let (preloaded, seconds) = if full { (300_000, 30) } else { (100_000, 6) };
    let rounds = if rates.is_empty() { PRELOADED_ROUNDS } else { 0 };
    let rates = if rates.is_empty() { &[100, 1000, 5000, 10_000, 20_000] } else { rates };

    // A broker that has just been started is slow: it gets warm before anything counts.
    let warm = preload(broker, &Measured::Store, preloaded / 2);
    let bytes = (number(&warm["event_bytes"].to_string()), number(&warm["result_bytes"].to_string()));
    println!("event {} B, result {} B", bytes.0, bytes.1);
    let (mut stores, mut floors) = (Vec::new(), Vec::new());
    if rounds > 0 {
        println!("{preloaded} commands preloaded over {PARTITIONS} partitions");
        println!("{:<10}{:>14}{:>18}", "", "commands/s", "CPU µs/command");
    }
    for _ in 0..rounds {
        for (name, measured, all) in
            [("floor", Measured::Floor { bytes }, &mut floors), ("store", Measured::Store, &mut stores)]
        {
            let figures = preload(broker, &measured, preloaded);
            println!("{name:<10}{:>14.0}{:>18.1}", of(&figures, "per_second"), of(&figures, "cpu_micros"));
            all.push(figures);
        }
    }
    let mean = |all: &[Value]| all.iter().map(|one| of(one, "per_second")).sum::<f64>() / all.len() as f64;
    if rounds > 0 {
        println!(
            "the store has {:.0}% of the floor's commands a second\n",
            100.0 * mean(&stores) / mean(&floors)
        );
    }

    println!(
        "{:<10}{:<8}{:>10}{:>10}{:>10}{:>12}{:>16}",
        "rate/s", "", "p50 ms", "p99 ms", "p99.9 ms", "reached/s", "CPU µs/command"
    );
    let mut of_rates = Vec::new();
    for &rate in rates {
        let mut both = Vec::new();
        for (name, measured) in [("floor", Measured::Floor { bytes }), ("store", Measured::Store)] {
            let figures = at_rate(broker, &measured, rate, seconds);
            println!(
                "{rate:<10}{name:<8}{:>10.1}{:>10.1}{:>10.1}{:>12.0}{:>16.1}",
                of(&figures, "p50_ms"),
                of(&figures, "p99_ms"),
                of(&figures, "p999_ms"),
                of(&figures, "reached"),
                of(&figures, "cpu_micros")
            );
            both.push(figures);
        }
        println!("{:<18}p99 {:.2} × the floor's", "", of(&both[1], "p99_ms") / of(&both[0], "p99_ms"));
        of_rates.push(json!({"rate": rate, "floor": both[0], "store": both[1]}));
    }
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&directory).expect("target/bench");
    let all = json!({"bench": "commands", "full": full, "preloaded": {"store": stores, "floor": floors}, "rates": of_rates});
    std::fs::write(directory.join("commands.json"), serde_json::to_vec_pretty(&all).expect("JSON"))
        .expect("written");
}

fn of(figures: &Value, name: &str) -> f64 {
    figures[name].as_f64().unwrap_or(f64::NAN)
}

/// Fresh topics, and the generator and reader on them.
struct Stage {
    config: KafkaConfig,
    log: Arc<KafkaLog>,
    names: [String; 3],
}

impl Stage {
    fn new(broker: &broker::Broker) -> Self {
        let config = broker.config();
        let log = KafkaLog::connect(&config).expect("the broker answers");
        for topic in Topic::ALL {
            log.create(topic, &wanted_topic(&config.topics, topic, PARTITIONS, 1 << 20, true))
                .expect("a topic");
        }
        let names =
            [config.topics.events.clone(), config.topics.commands.clone(), config.topics.results.clone()];
        Self { config, log, names }
    }

    /// Starts what is measured and waits until it takes commands.
    fn start(&self, measured: &Measured) -> Running {
        match measured {
            Measured::Floor { bytes: (event, result) } => {
                let mut child = Command::new(std::env::current_exe().expect("this program"))
                    .args(["--floor", &self.config.bootstrap_servers, &self.names.join(",")])
                    .args([event.to_string(), result.to_string()])
                    .stdout(Stdio::piped())
                    .spawn()
                    .expect("the floor starts");
                let mut line = String::new();
                BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
                assert_eq!(line.trim(), "ready");
                Running { child, _directory: None }
            }
            Measured::Store => {
                let directory = tempfile::tempdir().expect("a directory");
                let topics = &self.config.topics;
                let child = Command::new(env!("CARGO_BIN_EXE_inventory-store"))
                    .args(["serve", "--http", "127.0.0.1:0", "--data-dir"])
                    .arg(directory.path())
                    .env("INVENTORY_STORE__KAFKA__BOOTSTRAP_SERVERS", &self.config.bootstrap_servers)
                    .env("INVENTORY_STORE__KAFKA__TOPICS__EVENTS", &topics.events)
                    .env("INVENTORY_STORE__KAFKA__TOPICS__COMMANDS", &topics.commands)
                    .env("INVENTORY_STORE__KAFKA__TOPICS__SNAPSHOTS", &topics.snapshots)
                    .env("INVENTORY_STORE__KAFKA__TOPICS__RESULTS", &topics.results)
                    .env("INVENTORY_STORE__KAFKA__TOPICS__DEAD_LETTERS", &topics.dead_letters)
                    .env("INVENTORY_STORE__LANE__GROUP", &topics.commands)
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .spawn()
                    .expect("the store starts");
                let lock = directory.path().join("LOCK");
                let deadline = Instant::now() + Duration::from_secs(60);
                let mut ready: Option<Instant> = None;
                loop {
                    let owner = std::fs::read_to_string(&lock).unwrap_or_default();
                    if let Some(begin) = owner.find("http://") {
                        let url: String =
                            owner[begin..].chars().take_while(|c| !c.is_whitespace() && *c != '"').collect();
                        // Its lanes share the partitions out while they are ready already: only when they have
                        // been for a while is the latency that of commands and not of a move.
                        let is_ready = ureq::get(format!("{url}/health/ready")).call().is_ok();
                        let since =
                            if is_ready { *ready.get_or_insert_with(Instant::now) } else { Instant::now() };
                        if !is_ready {
                            ready = None;
                        } else if since.elapsed() > Duration::from_secs(6) {
                            break;
                        }
                    }
                    assert!(Instant::now() < deadline, "the store is not ready after a minute");
                    std::thread::sleep(Duration::from_millis(20));
                }
                Running { child, _directory: Some(directory) }
            }
        }
    }

    /// Reads results until `count` came, and gives each one's number and time since `began`.
    fn follow(
        &self,
        count: u64,
        began: Instant,
        deadline: Instant,
        mut seen: impl FnMut(u64, Duration, Timestamp),
    ) -> u64 {
        let from: Vec<Assignment> = (0..PARTITIONS)
            .map(|p| Assignment { topic: Topic::Results, partition: Partition(p), next: NextOffset::ZERO })
            .collect();
        let mut reader = self.log.reader(Purpose::Live, &from).expect("a reader");
        let mut got = 0;
        while got < count && Instant::now() < deadline {
            let batch = reader.poll(10_000, Duration::from_millis(20)).expect("results");
            let at = began.elapsed();
            for index in 0..batch.records.len() {
                let record = batch.records.get(index);
                seen(command_number(record.value.expect("a value")), at, record.timestamp);
                got += 1;
            }
        }
        got
    }

    /// The mean size of the first records of a topic.
    fn mean_bytes(&self, topic: Topic) -> usize {
        let from: Vec<Assignment> = (0..PARTITIONS)
            .map(|p| Assignment { topic, partition: Partition(p), next: NextOffset::ZERO })
            .collect();
        let mut reader = self.log.reader(Purpose::Live, &from).expect("a reader");
        let (mut bytes, mut count) = (0, 0);
        let deadline = Instant::now() + Duration::from_secs(20);
        while count < 1000 && Instant::now() < deadline {
            let batch = reader.poll(1000, Duration::from_millis(100)).expect("records");
            for index in 0..batch.records.len() {
                bytes += batch.records.get(index).value.map_or(0, <[u8]>::len);
                count += 1;
            }
        }
        bytes / count.max(1)
    }

    fn producer(&self) -> ThreadedProducer<DefaultProducerContext> {
        ClientConfig::new()
            .set("bootstrap.servers", &self.config.bootstrap_servers)
            .set("enable.idempotence", "true")
            .set("linger.ms", "1")
            .create()
            .expect("a producer")
    }

    fn send(&self, producer: &ThreadedProducer<DefaultProducerContext>, index: u64) {
        let sku = format!("SKU-{:06}", index.wrapping_mul(2_654_435_761) % SKUS);
        let value = format!(
            r#"{{"specversion":"1.0","id":"c-{index}","source":"/bench","type":"com.paklog.inventory.fulfillment.v1.product-stock.receive","subject":"{sku}","time":"2026-11-01T12:00:00Z","datacontenttype":"application/json","data":{{"quantity":5,"location_id":"A-01"}}}}"#
        );
        let headers = rdkafka::message::OwnedHeaders::new().insert(rdkafka::message::Header {
            key: "content-type",
            value: Some("application/cloudevents+json"),
        });
        let record = BaseRecord::to(&self.names[1])
            .partition(i32::from(partition_of(&sku, PARTITIONS).0))
            .key(sku.as_bytes())
            .payload(value.as_bytes())
            .headers(headers);
        let mut record = record;
        while let Err((error, again)) = producer.send(record) {
            assert!(format!("{error}").contains("QueueFull"), "{error}");
            std::thread::sleep(Duration::from_millis(1));
            record = again;
        }
    }
}

/// The number in the id of the command that a result answers.
fn command_number(value: &[u8]) -> u64 {
    let at = memchr::memmem::find(value, ID).expect("a command's id") + ID.len();
    value[at..].iter().take_while(|b| b.is_ascii_digit()).fold(0, |n, b| n * 10 + u64::from(b - b'0'))
}

struct Running {
    child: Child,
    _directory: Option<tempfile::TempDir>,
}

impl Running {
    fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("it runs");
        let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
        (fields[11].parse::<f64>().expect("ticks") + fields[12].parse::<f64>().expect("ticks")) / 100.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Commands that wait already: how many a second are done with.
fn preload(broker: &broker::Broker, measured: &Measured, count: u64) -> Value {
    let stage = Stage::new(broker);
    let producer = stage.producer();
    for index in 0..count {
        stage.send(&producer, index);
    }
    producer.flush(Duration::from_secs(60)).expect("written");
    let running = stage.start(measured);
    let began = Instant::now();
    // By the times of the results: what waits is taken up before the store shows itself ready.
    let (mut first, mut last) = (i64::MAX, i64::MIN);
    let got = stage.follow(count, began, began + Duration::from_secs(180), |_, _, written| {
        first = first.min(written.0);
        last = last.max(written.0);
    });
    assert_eq!(got, count, "not every command was answered");
    let cpu = running.cpu_seconds();
    let seconds = (last - first) as f64 / 1e3;
    json!({
        "per_second": count as f64 / seconds.max(1e-3),
        "seconds": seconds,
        // The start of the process included.
        "cpu_micros": cpu * 1e6 / count as f64,
        "event_bytes": stage.mean_bytes(Topic::Events),
        "result_bytes": stage.mean_bytes(Topic::Results),
    })
}

/// Commands at a fixed rate for some seconds, after a short warming up that does not count.
fn at_rate(broker: &broker::Broker, measured: &Measured, rate: u64, seconds: u64) -> Value {
    let stage = Arc::new(Stage::new(broker));
    let running = stage.start(measured);
    let warm = rate * 2;
    let count = warm + rate * seconds;
    let cpu_before = AtomicU64::new(0);
    let began = Instant::now() + Duration::from_millis(200);
    let due = |index: u64| Duration::from_nanos(index * 1_000_000_000 / rate);
    let generator = std::thread::spawn({
        let stage = Arc::clone(&stage);
        move || {
            let producer = stage.producer();
            for index in 0..count {
                let at = began + Duration::from_nanos(index * 1_000_000_000 / rate);
                let left = at.saturating_duration_since(Instant::now());
                if !left.is_zero() {
                    std::thread::sleep(left);
                }
                stage.send(&producer, index);
            }
            producer.flush(Duration::from_secs(60)).expect("written");
        }
    });
    let mut histogram: Histogram<u64> = Histogram::new(3).expect("a histogram");
    let mut last = Duration::ZERO;
    let deadline = began + Duration::from_secs(seconds + 30);
    let got = stage.follow(count, began, deadline, |index, at, _| {
        if index >= warm {
            if cpu_before.load(Ordering::Relaxed) == 0 {
                cpu_before.store((running.cpu_seconds() * 1e6) as u64, Ordering::Relaxed);
            }
            let micros = at.saturating_sub(due(index)).as_micros() as u64;
            histogram.record(micros).expect("it grows as needed");
            last = last.max(at);
        }
    });
    let cpu = running.cpu_seconds() * 1e6 - cpu_before.load(Ordering::Relaxed) as f64;
    generator.join().expect("the generator");
    let ms = |quantile: f64| histogram.value_at_quantile(quantile) as f64 / 1e3;
    json!({
        "p50_ms": ms(0.5), "p99_ms": ms(0.99), "p999_ms": ms(0.999), "max_ms": histogram.max() as f64 / 1e3,
        "reached": histogram.len() as f64 / (last.saturating_sub(due(warm))).as_secs_f64().max(1e-3),
        "unanswered": count - got,
        "cpu_micros": cpu / (histogram.len().max(1) as f64),
    })
}

/// A bare transactional producer: takes what has waited, writes as many bytes to the same partitions, commits.
fn floor(servers: &str, names: &str, event_bytes: usize, result_bytes: usize) {
    let names: Vec<&str> = names.split(',').collect();
    let (events, commands, results) = (names[0], names[1], names[2]);
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("group.id", commands)
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "earliest")
        .set("fetch.wait.max.ms", "100")
        .set("fetch.queue.backoff.ms", "10")
        .create()
        .expect("a consumer");
    consumer.subscribe(&[commands]).expect("subscribed");
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("transactional.id", format!("{commands}-floor"))
        .set("transaction.timeout.ms", "15000")
        .set("compression.type", "snappy")
        .set("retry.backoff.ms", "2")
        .create()
        .expect("a producer");
    producer.init_transactions(Duration::from_secs(30)).expect("initialised");
    let mut ready = false;
    loop {
        if !ready && consumer.assignment().is_ok_and(|a| a.count() == usize::from(PARTITIONS)) {
            println!("ready");
            ready = true;
        }
        let mut batch = Vec::new();
        let mut wait = Duration::from_millis(2);
        while batch.len() < BATCH {
            match consumer.poll(wait) {
                Some(Ok(message)) => {
                    let key = message.key().expect("a key").to_vec();
                    let value = message.payload().expect("a value");
                    let at = memchr::memmem::find(value, b"\"id\":\"c-").expect("an id") + 8;
                    let number: String =
                        value[at..].iter().take_while(|b| b.is_ascii_digit()).map(|b| *b as char).collect();
                    batch.push((message.partition(), message.offset(), key, number));
                }
                Some(Err(error)) => eprintln!("floor: {error}"),
                None => break,
            }
            wait = Duration::ZERO;
        }
        if batch.is_empty() {
            continue;
        }
        producer.begin_transaction().expect("begun");
        let mut offsets = std::collections::BTreeMap::new();
        for (partition, offset, key, number) in &batch {
            let event = padded(String::from("{\"data\":\""), event_bytes);
            let result = padded(format!("{{\"command_id\":\"c-{number}\",\"data\":\""), result_bytes);
            for (topic, value) in [(events, &event), (results, &result)] {
                let record = BaseRecord::to(topic).partition(*partition).key(key).payload(value.as_bytes());
                producer.send(record).map_err(|(error, _)| error).expect("sent");
            }
            offsets.insert(*partition, offset + 1);
        }
        let mut list = TopicPartitionList::new();
        for (partition, next) in offsets {
            list.add_partition_offset(commands, partition, Offset::Offset(next)).expect("an offset");
        }
        let group = consumer.group_metadata().expect("in a group");
        producer.send_offsets_to_transaction(&list, &group, Duration::from_secs(15)).expect("offsets sent");
        // SAFETY: the producer outlives the call, and the error, where there is one, is looked at and leaked:
        // the process ends with it.
        let error =
            unsafe { rdkafka_sys::rd_kafka_commit_transaction(producer.client().native_ptr(), 15_000) };
        assert!(error.is_null(), "the floor could not commit");
    }
}

/// JSON of so many bytes, with something in it that does not compress to nothing.
fn padded(mut text: String, bytes: usize) -> String {
    const WORDS: &str = "com.paklog.inventory.fulfillment.v1.product-stock.level-changed 9f3c1b 70e2 quantity_on_hand 4417 quantity_allocated 12 available_to_promise 4405 ";
    while text.len() + 2 < bytes {
        let left = bytes - text.len() - 2;
        text.push_str(&WORDS[..left.min(WORDS.len())]);
    }
    text.push_str("\"}");
    text
}

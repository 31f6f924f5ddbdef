//! The live path, on a real broker: how long after the broker appended an event it is readable over HTTP, and
//! how long a point read takes beside a projector at work.
//!
//! The service runs as the real binary in a process of its own; this process writes and reads. Both loads are
//! open: they follow a schedule whatever the answers do, and a latency counts from the moment it was due.
//!
//! - **append to readable**: a plain producer (acks=all, idempotent, linger 5 ms) writes at 10,000, 60,000 and
//!   120,000 events/s. The topic has `message.timestamp.type=LogAppendTime`, so the delivery report says when
//!   the broker appended; a sample of events is then asked for with `at_least`, which answers as soon as that
//!   position is readable. The broker's clock counts whole milliseconds.
//! - **query**: point reads at 1,000 to 20,000/s over keep-alive connections while 10,000 events/s come in.
//!
//! `INVENTORY_STORE_BENCH_ONLY=append` or `query` for one of them alone.
//!
//! The broker, the service and both loads share this machine: a rate that was not reached is said.

#![allow(
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]
#![allow(clippy::disallowed_methods, reason = "the broker's append time is wall-clock time")]

#[path = "../tests/it/support/broker.rs"]
#[allow(dead_code)]
mod broker;
#[path = "../tests/it/support/left_out.rs"]
mod left_out;
#[path = "../tests/it/support/service.rs"]
#[allow(dead_code)]
mod service;
mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use inventory_store::codec::event::Mode;
use inventory_store::config::KafkaConfig;
use inventory_store::generator::{Layout, Options, Warehouse, record};
use inventory_store::log::Log;
use inventory_store::log::kafka::{KafkaLog, wanted_topic};
use inventory_store::types::{NewRecord, Topic};
use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use serde_json::{Value, json};
use support::{Of, Parts, cpu_seconds, describe, full, keep, machine};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PARTITIONS: u16 = 12;
const SKUS: u32 = 20_000;
/// Events that a producer writes before its schedule begins.
const CONNECTING: usize = 1_000;

fn main() {
    let machine = machine();
    println!("{}", describe(&machine));
    let parts = Parts::of(&["append", "query"]);
    let Some(broker) = broker::Broker::shared("the live path") else {
        println!("live: no broker on this machine; see target/left-out.txt");
        return;
    };
    let config = broker.config();
    create_topics(&config);
    let directory = tempfile::tempdir().expect("a directory");
    let settings = environment(&config);
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let service = service::Service::start(&directory.path().join("data"), &settings);
    let mut day = Warehouse::new(Options { skus: SKUS, ..Options::default() });

    // These are there before anything is measured.
    let warm = Load::prepare(&mut day, 50_000, 0);
    let known = warm.skus();
    warm.write(&config, 20_000);
    service.wait_until_passed(50_000, Duration::from_secs(120));
    until_settled(&service);

    let seconds = if full() { 30 } else { 6 };
    let rates: &[u64] = if parts.has("append") { &[10_000, 60_000, 120_000] } else { &[] };
    let latencies: Vec<Value> =
        rates.iter().map(|rate| append_to_readable(&config, &service, &mut day, *rate, seconds)).collect();
    let rates: &[u64] = if parts.has("query") { &[1_000, 5_000, 10_000, 20_000] } else { &[] };
    let queries: Vec<Value> =
        rates.iter().map(|rate| query(&config, &service, &mut day, &known, *rate, seconds)).collect();
    let used = service.used();
    let rss = used.peak_rss_bytes as f64 / f64::from(1 << 20);
    println!("\nserving: {rss:.0} MiB at most, of memory.budget 1024 MiB");
    let figures = json!({
        "append_to_readable": latencies, "query": queries, "serve_peak_rss_bytes": used.peak_rss_bytes,
    });
    keep("live", &machine, &figures);
}

fn create_topics(config: &KafkaConfig) {
    let log = KafkaLog::connect(config).expect("the broker answers");
    for topic in Topic::ALL {
        let mut wanted = wanted_topic(&config.topics, topic, PARTITIONS, 1 << 20, true);
        if topic == Topic::Events {
            wanted.settings.insert("message.timestamp.type".into(), "LogAppendTime".into());
        }
        log.create(topic, &wanted).expect("a topic");
    }
}

fn environment(config: &KafkaConfig) -> Vec<(&'static str, String)> {
    vec![
        ("INVENTORY_STORE__KAFKA__BOOTSTRAP_SERVERS", config.bootstrap_servers.clone()),
        ("INVENTORY_STORE__KAFKA__TOPICS__EVENTS", config.topics.events.clone()),
        ("INVENTORY_STORE__KAFKA__TOPICS__COMMANDS", config.topics.commands.clone()),
        ("INVENTORY_STORE__KAFKA__TOPICS__SNAPSHOTS", config.topics.snapshots.clone()),
        ("INVENTORY_STORE__KAFKA__TOPICS__RESULTS", config.topics.results.clone()),
        ("INVENTORY_STORE__KAFKA__TOPICS__DEAD_LETTERS", config.topics.dead_letters.clone()),
    ]
}

/// Waits until the lanes have shared the partitions out for good: a move answers reads with another instance's
/// address, and is not what is measured.
fn until_settled(service: &service::Service) {
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut since = Instant::now();
    while since.elapsed() < Duration::from_secs(8) {
        if service.get("/health/ready").0 != 200 {
            since = Instant::now();
        }
        assert!(Instant::now() < deadline, "the service does not stay ready");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// An event whose way is followed: its SKU, and once it is delivered its position and append time.
struct Sample {
    sku: String,
    partition: i32,
    offset: i64,
    appended_ms: i64,
}

/// Records to write, ready made so that making them costs nothing while they are written.
struct Load {
    records: Vec<(NewRecord, Option<OwnedHeaders>)>,
    /// Each of this many is followed; 0 = none.
    sample_each: usize,
}

struct Reports {
    samples: Mutex<Option<mpsc::Sender<Sample>>>,
    failed: AtomicU64,
}

struct Delivery(Arc<Reports>);

impl ClientContext for Delivery {}

impl ProducerContext for Delivery {
    type DeliveryOpaque = Box<Option<String>>;

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: Self::DeliveryOpaque) {
        match (result, *opaque) {
            (Ok(message), Some(sku)) => {
                let sample = Sample {
                    sku,
                    partition: message.partition(),
                    offset: message.offset(),
                    appended_ms: message.timestamp().to_millis().unwrap_or(0),
                };
                if let Some(samples) = &*self.0.samples.lock().expect("not poisoned") {
                    // Whoever followed them may be done.
                    let _ = samples.send(sample);
                }
            }
            (Err(_), _) => {
                self.0.failed.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

/// What became of a load.
struct Written {
    events_per_second: f64,
    failed: u64,
    /// Of the writing thread and the producer's own, this process's.
    cpu_seconds: f64,
}

impl Load {
    fn prepare(day: &mut Warehouse, events: usize, sample_each: usize) -> Self {
        let records = day
            .take(events)
            .map(|event| {
                let mut record = record(&event, Mode::Structured, Layout::Canonical, PARTITIONS);
                let headers = std::mem::take(&mut record.headers);
                let mut all = OwnedHeaders::new_with_capacity(headers.len());
                for header in &headers {
                    all = all.insert(Header { key: &header.name, value: header.value.as_ref() });
                }
                (record, Some(all))
            })
            .collect();
        Self { records, sample_each }
    }

    /// Those whose stock is asked for.
    fn skus(&self) -> Arc<[String]> {
        let keys = self.records.iter().filter_map(|(record, _)| record.key.clone());
        let skus: std::collections::BTreeSet<String> =
            keys.map(|key| String::from_utf8(key).expect("a SKU")).collect();
        skus.into_iter().collect()
    }

    fn write(self, config: &KafkaConfig, rate: u64) -> Written {
        self.write_and_follow(config, rate, None)
    }

    /// Writes at `rate` events/s by the clock, a millisecond's worth at a time; what is late is caught up.
    fn write_and_follow(
        mut self,
        config: &KafkaConfig,
        rate: u64,
        samples: Option<mpsc::Sender<Sample>>,
    ) -> Written {
        let cpu_before = cpu_seconds(Of::Process);
        let reports = Arc::new(Reports { samples: Mutex::new(samples), failed: AtomicU64::new(0) });
        let producer: ThreadedProducer<Delivery> = ClientConfig::new()
            .set("bootstrap.servers", &config.bootstrap_servers)
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("linger.ms", "5")
            .set("queue.buffering.max.messages", "1000000")
            .create_with_context(Delivery(Arc::clone(&reports)))
            .expect("a producer");
        let topic = config.topics.events.clone();
        let count = self.records.len();
        let mut sent = 0;
        // Until it is connected and knows every partition's leader, what comes due would pile up, to be written
        // at once in the end: a burst, and no rate.
        while sent < count.min(CONNECTING) {
            self.send(&producer, &topic, sent, false);
            sent += 1;
        }
        producer.flush(Duration::from_secs(60)).expect("delivered");
        let (began, before) = (Instant::now(), sent);
        while sent < count {
            let due = before + (began.elapsed().as_secs_f64() * rate as f64) as usize;
            while sent < due.min(count) {
                let followed = self.sample_each > 0 && sent.is_multiple_of(self.sample_each);
                self.send(&producer, &topic, sent, followed);
                sent += 1;
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        producer.flush(Duration::from_secs(60)).expect("delivered");
        let events_per_second = (count - before) as f64 / began.elapsed().as_secs_f64();
        *reports.samples.lock().expect("not poisoned") = None;
        Written {
            events_per_second,
            failed: reports.failed.load(Ordering::Relaxed),
            cpu_seconds: cpu_seconds(Of::Process) - cpu_before,
        }
    }

    fn send(&mut self, producer: &ThreadedProducer<Delivery>, topic: &str, at: usize, followed: bool) {
        let (record, headers) = &mut self.records[at];
        let key = record.key.clone().expect("a key");
        let sku = followed.then(|| String::from_utf8(key.clone()).expect("a SKU"));
        let new = BaseRecord::with_opaque_to(topic, Box::new(sku))
            .partition(i32::from(record.partition.0))
            .key(&key)
            .payload(record.value.as_deref().expect("a value"))
            .headers(headers.take().expect("headers"));
        producer.send(new).map_err(|(error, _)| error).expect("room in the producer's queue");
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("bounds")
}

/// Milliseconds at a percentile of microseconds.
fn at(histogram: &Histogram<u64>, percentile: f64) -> f64 {
    histogram.value_at_percentile(percentile) as f64 / 1e3
}

fn append_to_readable(
    config: &KafkaConfig,
    service: &service::Service,
    day: &mut Warehouse,
    rate: u64,
    seconds: u64,
) -> Value {
    /// Events followed in a second, and connections that wait for them.
    const FOLLOWED: u64 = 250;
    const CONNECTIONS: usize = 16;
    let load = Load::prepare(day, usize::try_from(rate * seconds).expect("fits"), (rate / FOLLOWED) as usize);
    let service_before = service.used().cpu_seconds;
    let (send, samples) = mpsc::channel();
    let samples = Arc::new(Mutex::new(samples));
    let followers: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (samples, url) = (Arc::clone(&samples), service.url.clone());
            std::thread::spawn(move || follow(&url, &samples))
        })
        .collect();
    let written = load.write_and_follow(config, rate, Some(send));
    let (mut all, mut otherwise) = (histogram(), 0);
    for follower in followers {
        let (latencies, others) = follower.join().expect("a follower");
        all.add(latencies).expect("the same bounds");
        otherwise += others;
    }
    service.wait_until_level(Duration::from_secs(300));
    let service_cpu = service.used().cpu_seconds - service_before;
    let events = rate * seconds;
    let figures = json!({
        "wanted_events_per_second": rate, "events_per_second": written.events_per_second,
        "failed": written.failed, "followed": all.len(), "answered_otherwise": otherwise,
        "p50_ms": at(&all, 50.0), "p99_ms": at(&all, 99.0), "max_ms": at(&all, 100.0),
        "service_cpu_micros_per_event": service_cpu * 1e6 / events as f64,
        "load_cpu_seconds": written.cpu_seconds, "seconds": seconds,
    });
    println!(
        "append to readable: {rate} events/s wanted, {:.0} written, {} followed ({otherwise} answered otherwise): p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms; service {:.1} µs CPU an event, load {:.1} s CPU",
        written.events_per_second,
        all.len(),
        at(&all, 50.0),
        at(&all, 99.0),
        at(&all, 100.0),
        service_cpu * 1e6 / events as f64,
        written.cpu_seconds,
    );
    figures
}

/// Asks for each sample until it is readable. Gives the microseconds since the broker appended it.
/// And how many were answered otherwise.
fn follow(url: &str, samples: &Mutex<mpsc::Receiver<Sample>>) -> (Histogram<u64>, u64) {
    let mut connection = Connection::open(url);
    let (mut latencies, mut otherwise) = (histogram(), 0);
    loop {
        let Ok(sample) = samples.lock().expect("not poisoned").recv() else { return (latencies, otherwise) };
        let path = format!("/stock_levels/{}?at_least={}:{}", sample.sku, sample.partition, sample.offset);
        let status = connection.get(&path);
        // A serial's or a kit's event can be put aside by the rules; its SKU is not there then.
        if status == 200 {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_micros();
            let since = now.saturating_sub(u128::try_from(sample.appended_ms).unwrap_or(0) * 1000);
            latencies.saturating_record(u64::try_from(since).unwrap_or(u64::MAX).max(1));
        } else {
            otherwise += 1;
        }
    }
}

/// Point reads on a schedule beside a writer on another.
fn query(
    config: &KafkaConfig,
    service: &service::Service,
    day: &mut Warehouse,
    known: &Arc<[String]>,
    rate: u64,
    seconds: u64,
) -> Value {
    const EVENTS: u64 = 10_000;
    const CONNECTIONS: u64 = 16;
    let load = Load::prepare(day, usize::try_from(EVENTS * seconds).expect("fits"), 0);
    let service_before = service.used().cpu_seconds;
    let stop = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..CONNECTIONS)
        .map(|number| {
            let (url, stop, known) = (service.url.clone(), Arc::clone(&stop), Arc::clone(known));
            std::thread::spawn(move || {
                let cpu_before = cpu_seconds(Of::Thread);
                let latencies = read_on_schedule(&url, rate / CONNECTIONS, number, &known, &stop);
                (latencies, cpu_seconds(Of::Thread) - cpu_before)
            })
        })
        .collect();
    let began = Instant::now();
    let written = load.write(config, EVENTS);
    stop.store(true, Ordering::Relaxed);
    let took = began.elapsed().as_secs_f64();
    let (mut all, mut load_cpu) = (histogram(), 0.0);
    for reader in readers {
        let (latencies, cpu) = reader.join().expect("a reader");
        all.add(latencies).expect("the same bounds");
        load_cpu += cpu;
    }
    let reached = all.len() as f64 / took;
    let service_cpu = service.used().cpu_seconds - service_before;
    println!(
        "point reads over HTTP: {rate}/s wanted, {reached:.0}/s done beside {:.0} events/s: p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms; service {service_cpu:.1} s CPU in {took:.1} s, readers {load_cpu:.1} s",
        written.events_per_second,
        at(&all, 50.0),
        at(&all, 90.0),
        at(&all, 99.0),
    );
    json!({
        "wanted_reads_per_second": rate, "reads_per_second": reached,
        "events_per_second": written.events_per_second, "p50_ms": at(&all, 50.0), "p90_ms": at(&all, 90.0),
        "p99_ms": at(&all, 99.0), "max_ms": at(&all, 100.0), "service_cpu_seconds": service_cpu, "readers_cpu_seconds": load_cpu,
        "seconds": took,
    })
}

fn read_on_schedule(
    url: &str,
    rate: u64,
    number: u64,
    known: &[String],
    stop: &AtomicBool,
) -> Histogram<u64> {
    let mut connection = Connection::open(url);
    let mut random = fastrand::Rng::with_seed(number);
    let mut latencies = histogram();
    let each = Duration::from_nanos(1_000_000_000 / rate);
    let mut due = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        due += each;
        let ahead = due.saturating_duration_since(Instant::now());
        if !ahead.is_zero() {
            std::thread::sleep(ahead);
        }
        let status = connection.get(&format!("/stock_levels/{}", known[random.usize(..known.len())]));
        // Of a SKU whose first events were put aside there is nothing.
        assert!([200, 404].contains(&status), "{}", String::from_utf8_lossy(&connection.buffer));
        latencies.saturating_record(u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX).max(1));
    }
    latencies
}

/// A keep-alive connection that reads no more of an answer than it must.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    fn open(url: &str) -> Self {
        let stream = TcpStream::connect(url.trim_start_matches("http://")).expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        Self { stream, buffer: Vec::new() }
    }

    /// Sends a GET and reads the whole answer. Gives its status.
    fn get(&mut self, path: &str) -> u16 {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        self.stream.write_all(request.as_bytes()).expect("sent");
        self.buffer.clear();
        let mut piece = [0; 8192];
        loop {
            let read = self.stream.read(&mut piece).expect("an answer");
            assert!(read > 0, "the service closed the connection");
            self.buffer.extend_from_slice(&piece[..read]);
            let Some(head) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
            let text = String::from_utf8_lossy(&self.buffer[..head]).to_ascii_lowercase();
            let length: usize = text
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .map_or(0, |length| length.trim().parse().expect("a length"));
            if self.buffer.len() >= head + 4 + length {
                return text.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
            }
        }
    }
}

//! With the platform's own stack: the Java CloudEvents SDK and Kafka client write what we read, and read what
//! we write.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use inventory_store::codec::event::{Mode, encode};
use inventory_store::domain::event::Event;
use inventory_store::generator::{Layout, Options, Warehouse, record, written_as};
use inventory_store::log::Log;
use inventory_store::log::kafka::KafkaLog;
use inventory_store::types::partition_of;
use serde_json::Value;

use crate::million::{create_topics, environment};
use crate::support::broker::{Broker, jars};
use crate::support::left_out::left_out;
use crate::support::model::{Model, comparable};
use crate::support::service::Service;

const PARTITIONS: u16 = 12;

/// The Java program, with its jars from the cache that `.ci/deps --with-kafka` filled.
struct Java {
    jars: PathBuf,
}

impl Java {
    fn find(what: &str) -> Option<Self> {
        jars("interop").map_err(|why| left_out(what, &why)).ok().map(|jars| Self { jars })
    }

    /// Runs it and gives the lines it printed.
    fn run(&self, arguments: &[&str], input: &str) -> Vec<String> {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/Interop.java");
        let mut child = Command::new("java")
            .args(["-Xmx256m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp"])
            .arg(format!("{}/*", self.jars.display()))
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("java starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        let input = input.to_owned();
        let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let output = child.wait_with_output().expect("java ends");
        assert!(output.status.success(), "java: {}", String::from_utf8_lossy(&output.stderr));
        writer.join().expect("the writer ends").expect("java reads its input");
        String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
    }
}

fn day(events: usize, skus: u32) -> Vec<Event<'static>> {
    Warehouse::new(Options { seed: 11, skus, ..Options::default() }).take(events).collect()
}

#[test]
fn events_written_by_java_in_both_modes_and_every_compression_give_the_models_numbers() {
    let what = "events written by the platform's Java client";
    let (Some(broker), Some(java)) = (Broker::shared(what), Java::find(what)) else { return };
    let config = broker.config();
    create_topics(&config);
    let mut model = Model::default();
    // Each compression in turn, the two modes alternating; the last two also in camelCase.
    let events = day(6_000, 40);
    let ways = [
        ("structured", "none", Layout::Canonical),
        ("binary", "gzip", Layout::Canonical),
        ("structured", "snappy", Layout::Canonical),
        ("binary", "lz4", Layout::CamelCase),
        ("structured", "zstd", Layout::CamelCase),
    ];
    let mut types = std::collections::BTreeSet::new();
    for (part, (mode, compression, layout)) in events.chunks(events.len() / ways.len()).zip(ways) {
        let mut lines = String::new();
        for event in part {
            types.insert(event.fact.type_name());
            let encoded = encode(event, Mode::Structured);
            let mut json: Value = serde_json::from_slice(&encoded.value).expect("JSON");
            json["data"] = written_as(layout, event, json["data"].take());
            lines.push_str(&json.to_string());
            lines.push('\n');
            model.structured(json.to_string().as_bytes());
        }
        let positions =
            java.run(&["write", broker.bootstrap(), &config.topics.events, mode, compression], &lines);
        assert_eq!(positions.len(), part.len());
    }
    assert_eq!(types.len(), 15, "events of every type: {types:?}");

    let directory = tempfile::tempdir().expect("a directory");
    let environment = environment(&config);
    let settings: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let data = directory.path().join("data");
    let compare = |service: &Service| {
        for (name, sku) in &model.skus {
            let (status, body) = service.get(&format!("/stock_levels/{name}"));
            assert_eq!((status, comparable(body)), (200, sku.body(name)), "{name}");
        }
    };
    let service = Service::start(&data, &settings);
    service.wait_until_level(Duration::from_secs(60));
    compare(&service);
    service.kill();
    // The same after kill -9.
    let service = Service::start(&data, &settings);
    service.wait_until_level(Duration::from_secs(60));
    compare(&service);
}

#[test]
fn java_reads_what_we_write() {
    let what = "our events read by the platform's Java client";
    let (Some(broker), Some(java)) = (Broker::shared(what), Java::find(what)) else { return };
    let config = broker.config();
    create_topics(&config);
    let log = KafkaLog::connect(&config).expect("the broker answers");
    let appender = log.appender().expect("an appender");
    let events = day(1_000, 40);
    let mode = |n: usize| if n.is_multiple_of(2) { Mode::Structured } else { Mode::Binary };
    let records = events.iter().enumerate().map(|(n, e)| record(e, mode(n), Layout::Canonical, PARTITIONS));
    let positions: Vec<String> = appender
        .append(records.collect())
        .into_iter()
        .map(|answer| answer.expect("appended").to_string())
        .collect();

    let lines = java.run(&["read", broker.bootstrap(), &config.topics.events], "");
    let read: std::collections::HashMap<String, Value> = lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .map(|event| (event["position"].as_str().expect("a position").to_owned(), event))
        .collect();
    assert_eq!(read.len(), events.len());
    for (event, position) in events.iter().zip(&positions) {
        let theirs = &read[position];
        let ours: Value = serde_json::from_slice(&encode(event, Mode::Structured).value).expect("JSON");
        for attribute in ["id", "source", "type", "subject", "datacontenttype"] {
            assert_eq!(theirs[attribute], ours[attribute], "{attribute} at {position}");
        }
        assert_eq!(theirs["key"], ours["subject"]);
        assert_eq!(theirs["extensions"]["correlationid"], ours["correlationid"]);
        let time = |value: &Value| value.as_str().map(|t| t.parse::<inventory_store::types::UtcTime>());
        assert_eq!(time(&theirs["time"]), time(&ours["time"]));
        let data: Value = serde_json::from_str(theirs["data"].as_str().expect("data")).expect("JSON");
        assert_eq!(data, ours["data"], "at {position}");
    }
}

#[test]
fn javas_partition_for_ten_thousand_keys_equals_ours() {
    let Some(java) = Java::find("Java's partitioner") else { return };
    let mut random = fastrand::Rng::with_seed(5);
    let keys: Vec<String> = (0..10_000)
        .map(|n| {
            let extra: String = (0..random.usize(0..12)).map(|_| random.alphanumeric()).collect();
            format!("{extra}{}{n}", ["SKU-", "ä/", "货", ""][n % 4])
        })
        .collect();
    let theirs = java.run(&["partitions", "12"], &(keys.join("\n") + "\n"));
    assert_eq!(theirs.len(), keys.len());
    for (key, partition) in keys.iter().zip(theirs) {
        assert_eq!(partition_of(key, PARTITIONS).to_string(), partition, "{key:?}");
    }
}

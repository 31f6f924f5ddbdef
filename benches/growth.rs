//! Growth: does an event cost the same after thirty million events as after one, and with five million SKUs as
//! with ten thousand? And does memory stay within its bound throughout?
//!
//! As a replay does it, without the broker: partitions one after another on as many threads as there are cores,
//! each with its share of the memory, in bulk, a few thousand records at a time, into durable stores. The records
//! lie in files, which a process of its own has written; the CPU seconds of the folding process count, less those
//! of reading the files.
//!
//! The pictures go to docs/pictures with the long form, which wants 25 GB of disk, to target/bench otherwise.
//! `INVENTORY_STORE_BENCH_ONLY=events` (or `skus`) for one curve alone.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};

use inventory_store::codec::event::Mode;
use inventory_store::codec::rows::meta::{Identity, Versions};
use inventory_store::config::store::{MemoryConfig, MemoryPlan, StoreConfig};
use inventory_store::domain::Rules;
use inventory_store::generator::{Layout, Options, Warehouse, record};
use inventory_store::projector::{DeadLetters, Mode as Writing, Projector, ProjectorSettings};
use inventory_store::store::PartitionStores;
use inventory_store::types::{Header, NewRecord, NextOffset, Offset, Partition, Record, Timestamp, Topic};
use serde_json::{Value, json};
use support::{Of, Parts, Stopwatch, describe, full, keep, machine, resident};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PARTITIONS: u16 = 12;
/// Records folded at a time, as a replay takes them from its reader.
const CHUNK: usize = 4096;
/// How often each point is measured in the long form.
const ROUNDS: usize = 3;

/// Events and SKUs of each point.
type Points = &'static [(u64, u64)];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |at: usize| arguments[at].parse::<u64>().expect("a number");
    match arguments.get(1).map(String::as_str) {
        Some("--generate") => generate(number(2), number(3), Path::new(&arguments[4])),
        Some("--fold") => println!("{}", fold(Path::new(&arguments[2]))),
        _ => run(),
    }
}

fn run() {
    let machine = machine();
    println!("{}", describe(&machine));
    let parts = Parts::of(&["events", "skus"]);
    let (by_events, by_skus): (Points, Points) = if full() {
        (
            &[(1_000_000, 100_000), (10_000_000, 100_000), (30_000_000, 100_000)],
            &[(10_000_000, 10_000), (10_000_000, 100_000), (10_000_000, 1_000_000), (10_000_000, 5_000_000)],
        )
    } else {
        (&[(250_000, 20_000), (1_000_000, 20_000)], &[(1_000_000, 10_000), (1_000_000, 200_000)])
    };
    println!("\n{:>12}{:>12}{:>14}{:>14}{:>14}", "events", "SKUs", "ns/event CPU", "rows", "peak MiB");
    let mut figures = json!({});
    for (by, points) in [("events", by_events), ("skus", by_skus)] {
        if !parts.has(by) {
            continue;
        }
        let curve = measure(points);
        let drawn: Vec<(f64, f64)> =
            curve.iter().map(|point| (point[by].as_f64().expect("a number"), nanos(point))).collect();
        draw(&format!("growth-{by}"), by, &drawn);
        if let (Some((_, first)), Some((_, last))) = (drawn.first(), drawn.last()) {
            println!("last ÷ first by {by}: {:.2}", last / first);
        }
        figures[by] = json!(curve);
    }
    keep("growth", &machine, &figures);
}

/// The points of a curve in turn, so that a slow moment of the machine does not fall on one of them alone, and
/// that several times; of each point the cheapest round counts.
fn measure(points: &[(u64, u64)]) -> Vec<Value> {
    let places: Vec<_> = points
        .iter()
        .map(|(events, skus)| {
            let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
            child(&["--generate", &events.to_string(), &skus.to_string(), path_of(&place)]);
            place
        })
        .collect();
    let mut rounds: Vec<Vec<Value>> = vec![Vec::new(); points.len()];
    for _ in 0..if full() { ROUNDS } else { 1 } {
        for (((events, skus), place), rounds) in points.iter().zip(&places).zip(&mut rounds) {
            let figure: Value =
                serde_json::from_str(child(&["--fold", path_of(place)]).trim()).expect("JSON");
            assert_eq!(figure["events"].as_u64(), Some(*events), "every event was folded");
            println!(
                "{events:>12}{skus:>12}{:>14.0}{:>14}{:>14.0}",
                nanos(&figure),
                figure["rows"].as_u64().unwrap_or(0),
                figure["peak_rss_bytes"].as_f64().unwrap_or(f64::NAN) / f64::from(1 << 20)
            );
            rounds.push(figure);
        }
    }
    let best = |(rounds, (_, skus)): (Vec<Value>, &(u64, u64))| {
        let all: Vec<f64> = rounds.iter().map(nanos).collect();
        let mut best = rounds.into_iter().min_by(|a, b| nanos(a).total_cmp(&nanos(b))).expect("a round");
        best["skus"] = json!(skus);
        best["cpu_nanos_of_all_rounds"] = json!(all);
        best
    };
    rounds.into_iter().zip(points).map(best).collect()
}

/// CPU time of an event.
fn nanos(figure: &Value) -> f64 {
    figure["cpu_nanos"].as_f64().expect("a number")
}

fn path_of(place: &tempfile::TempDir) -> &str {
    place.path().to_str().expect("a path in UTF-8")
}

/// Runs a part in a process of its own; gives what it prints.
fn child(arguments: &[&str]) -> String {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program).args(arguments).output().expect("it runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Writes the records of each partition to a file of its own: key, value and correlation id, each behind its
/// length.
fn generate(events: u64, skus: u64, directory: &Path) {
    let options = Options { skus: u32::try_from(skus).expect("fits"), ..Options::default() };
    let file = |number| File::create(directory.join(format!("{number}.records"))).expect("a file");
    let mut files: Vec<_> = (0..PARTITIONS).map(|n| BufWriter::with_capacity(1 << 20, file(n))).collect();
    for event in Warehouse::new(options).take(usize::try_from(events).expect("fits")) {
        let record = record(&event, Mode::Structured, Layout::Canonical, PARTITIONS);
        let [content_type, correlation] = record.headers.as_slice() else { panic!("{:?}", record.headers) };
        assert_eq!((content_type.name.as_str(), correlation.name.as_str()), HEADERS);
        assert_eq!(content_type.value.as_deref(), Some(STRUCTURED));
        let file = &mut files[usize::from(record.partition.0)];
        for part in [record.key, record.value, correlation.value.clone()] {
            let part = part.expect("all are there");
            file.write_all(&u32::try_from(part.len()).expect("short").to_le_bytes()).expect("written");
            file.write_all(&part).expect("written");
        }
    }
    files.iter_mut().for_each(|file| file.flush().expect("written"));
}

const HEADERS: (&str, &str) = ("content-type", "X-Correlation-ID");
const STRUCTURED: &[u8] = b"application/cloudevents+json; charset=UTF-8";

/// Reads the next records of a partition's file.
fn read_chunk(file: &mut impl Read, partition: Partition) -> Vec<NewRecord> {
    let mut chunk = Vec::with_capacity(CHUNK);
    let mut part = || {
        let mut length = [0; 4];
        file.read_exact(&mut length).ok()?;
        let mut part = vec![0; u32::from_le_bytes(length) as usize];
        file.read_exact(&mut part).expect("a whole part");
        Some(part)
    };
    while chunk.len() < CHUNK
        && let Some(key) = part()
    {
        let (value, correlation) = (part(), part());
        chunk.push(NewRecord {
            topic: Topic::Events,
            partition,
            timestamp: None,
            key: Some(key),
            value,
            headers: vec![
                Header { name: HEADERS.0.into(), value: Some(STRUCTURED.into()) },
                Header { name: HEADERS.1.into(), value: correlation },
            ],
        });
    }
    chunk
}

/// One point of a curve: folds what [`generate`] wrote.
fn fold(records: &Path) -> Value {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let plan = MemoryPlan::divide(&MemoryConfig::default(), PARTITIONS).expect("the default budget fits");
    let stores =
        PartitionStores::open(directory.path(), &StoreConfig::default(), &plan.store).expect("stores");
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(usize::from(PARTITIONS));
    let memory = usize::try_from(plan.fold_alone()).expect("fits") / threads;
    let watch = Stopwatch::start(Of::Process);
    let next = AtomicU16::new(0);
    let sums = Mutex::new((0, 0, 0.0));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= PARTITIONS {
                        return;
                    }
                    let (events, rows, reading) = fold_partition(&stores, number, memory, records);
                    let mut sums = sums.lock().expect("no thread failed");
                    *sums = (sums.0 + events, sums.1 + rows, sums.2 + reading);
                }
            });
        }
    });
    let used = watch.stop();
    let (events, rows, reading) = *sums.lock().expect("no thread failed");
    json!({
        "events": events, "rows": rows, "cpu_nanos": (used.cpu - reading) * 1e9 / events as f64,
        "wall_nanos": used.wall * 1e9 / events as f64, "peak_rss_bytes": resident().1,
    })
}

/// Gives events and rows, and the CPU seconds of reading the file.
fn fold_partition(stores: &PartitionStores, number: u16, memory: usize, records: &Path) -> (u64, u64, f64) {
    let mut file = BufReader::new(File::open(records.join(format!("{number}.records"))).expect("a file"));
    let mut projector = projector(stores, number, memory);
    let (mut events, mut reading) = (0, 0.0);
    loop {
        let watch = Stopwatch::start(Of::Thread);
        let chunk = read_chunk(&mut file, Partition(number));
        reading += watch.stop().cpu;
        if chunk.is_empty() {
            break;
        }
        projector
            .fold(chunk.iter().zip(events..).map(|(record, offset)| fed(record, offset)))
            .expect("folded");
        events += chunk.len() as u64;
        if projector.is_full() {
            projector.commit().expect("written");
        }
        let watch = Stopwatch::start(Of::Thread);
        drop(chunk);
        reading += watch.stop().cpu;
    }
    projector.commit().expect("written");
    let rows = projector.store().meta().rows;
    projector.close().expect("closed");
    (events, rows, reading)
}

fn projector(stores: &PartitionStores, number: u16, memory: usize) -> Projector {
    let identity = Identity {
        partition: Partition(number),
        partition_count: PARTITIONS,
        cluster_id: "growth".into(),
        versions: Versions::CURRENT,
        begins: NextOffset::ZERO,
    };
    let settings = ProjectorSettings {
        rules: Rules { own_source: "/inventory-store".into() },
        max_record_bytes: 1 << 20,
        dedupe_window_ms: 86_400_000,
    };
    let store = stores.create(identity).expect("a store");
    let mut projector = Projector::new(store, settings, DeadLetters::CountOnly, memory);
    projector.set_mode(Writing::Bulk).expect("bulk");
    projector
}

fn fed(record: &NewRecord, offset: u64) -> Record<'_> {
    Record {
        topic: Topic::Events,
        partition: record.partition,
        offset: Offset(offset),
        timestamp: Timestamp(1_793_512_800_000),
        key: record.key.as_deref(),
        value: record.value.as_deref(),
        headers: &record.headers,
    }
}

/// A curve as SVG: the number on a logarithmic axis, CPU nanoseconds an event from zero up.
fn draw(name: &str, by: &str, curve: &[(f64, f64)]) {
    const WIDTH: f64 = 640.0;
    const HEIGHT: f64 = 320.0;
    const MARGIN: f64 = 56.0;
    let (Some(first), Some(last)) = (curve.first(), curve.last()) else { return };
    let top = curve.iter().map(|(_, y)| *y).fold(0.0, f64::max) * 1.2;
    let x = |value: f64| MARGIN + (value / first.0).ln() / (last.0 / first.0).ln() * (WIDTH - 2.0 * MARGIN);
    let y = |value: f64| HEIGHT - MARGIN - value / top * (HEIGHT - 2.0 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
         <text x=\"{MARGIN}\" y=\"24\" font-size=\"14\">CPU nanoseconds an event, by {}</text>\n",
        if by == "events" { "events folded" } else { "SKUs" }
    );
    for step in 0..=4 {
        let value = top * f64::from(step) / 4.0;
        let _ = writeln!(
            svg,
            "<line x1=\"{MARGIN}\" x2=\"{0}\" y1=\"{1:.1}\" y2=\"{1:.1}\" stroke=\"#ddd\"/><text x=\"{2}\" y=\"{3:.1}\" text-anchor=\"end\">{value:.0}</text>",
            WIDTH - MARGIN,
            y(value),
            MARGIN - 6.0,
            y(value) + 4.0
        );
    }
    let points: Vec<String> = curve.iter().map(|(a, b)| format!("{:.1},{:.1}", x(*a), y(*b))).collect();
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#06c\" stroke-width=\"2\"/>",
        points.join(" ")
    );
    for (a, b) in curve {
        let _ = writeln!(
            svg,
            "<circle cx=\"{0:.1}\" cy=\"{1:.1}\" r=\"4\" fill=\"#06c\"/><text x=\"{0:.1}\" y=\"{2:.1}\" text-anchor=\"middle\">{b:.0}</text><text x=\"{0:.1}\" y=\"{3}\" text-anchor=\"middle\">{a:.0}</text>",
            x(*a),
            y(*b),
            y(*b) - 10.0,
            HEIGHT - MARGIN + 20.0
        );
    }
    svg.push_str("</svg>\n");
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let directory = root.join(if full() { "docs/pictures" } else { "target/bench" });
    std::fs::create_dir_all(&directory).expect("a directory");
    std::fs::write(directory.join(format!("{name}.svg")), svg).expect("the picture");
}

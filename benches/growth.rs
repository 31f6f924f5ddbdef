//! Growth: does an event cost the same after thirty million events as after one, and with five million SKUs as
//! with ten thousand? And does memory stay within its bound throughout?
//!
//! Records come straight from the generator, a few thousand at a time, and are folded in bulk into twelve
//! partitions' stores, as a replay does; only folding and writing are timed, in CPU seconds of the process.
//! Each point is a process of its own. The generator knows every SKU too: a second process that only
//! generates says what that takes, and it is taken off the peak.
//!
//! The pictures go to docs/pictures with the long form, to target/bench otherwise.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use inventory_store::codec::event::Mode;
use inventory_store::codec::rows::meta::{Identity, Versions};
use inventory_store::config::store::{MemoryConfig, MemoryPlan, StoreConfig};
use inventory_store::domain::Rules;
use inventory_store::generator::{Layout, Options, Warehouse, record};
use inventory_store::projector::{DeadLetters, Mode as Writing, Projector, ProjectorSettings};
use inventory_store::store::PartitionStores;
use inventory_store::types::{NewRecord, NextOffset, Offset, Partition, Record, Timestamp, Topic};
use serde_json::{Value, json};
use support::{Of, Stopwatch, describe, full, keep, machine, resident};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PARTITIONS: u16 = 12;
/// Records made and folded at a time.
const CHUNK: usize = 24_000;

/// Events and SKUs of each point.
type Points = &'static [(u64, u64)];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |at: usize| arguments[at].parse::<u64>().expect("a number");
    match arguments.get(1).map(String::as_str) {
        Some("--fold") => println!("{}", point(number(2), number(3), true)),
        Some("--generate") => println!("{}", point(number(2), number(3), false)),
        _ => run(),
    }
}

fn run() {
    let machine = machine();
    println!("{}", describe(&machine));
    let (by_events, by_skus): (Points, Points) = if full() {
        (
            &[(1_000_000, 100_000), (10_000_000, 100_000), (30_000_000, 100_000)],
            &[(10_000_000, 10_000), (10_000_000, 100_000), (10_000_000, 1_000_000), (10_000_000, 5_000_000)],
        )
    } else {
        (&[(250_000, 20_000), (1_000_000, 20_000)], &[(1_000_000, 10_000), (1_000_000, 200_000)])
    };
    println!("\n{:>12}{:>12}{:>14}{:>14}{:>14}", "events", "SKUs", "ns/event CPU", "rows", "peak MiB");
    let events = measure(by_events);
    let skus = measure(by_skus);
    for (name, points, by) in [("growth-events", &events, "events"), ("growth-skus", &skus, "skus")] {
        let curve: Vec<(f64, f64)> = points
            .iter()
            .map(|p| (p[by].as_f64().expect("a number"), p["cpu_nanos"].as_f64().expect("a number")))
            .collect();
        draw(name, by, &curve);
    }
    let ratio = |points: &[Value]| {
        let of = |p: Option<&Value>| p.and_then(|p| p["cpu_nanos"].as_f64()).unwrap_or(f64::NAN);
        of(points.last()) / of(points.first())
    };
    println!("\nlast ÷ first: {:.2} by events, {:.2} by SKUs", ratio(&events), ratio(&skus));
    keep("growth", &machine, &json!({ "by_events": events, "by_skus": skus }));
}

fn measure(points: &[(u64, u64)]) -> Vec<Value> {
    let child = |what: &str, events: u64, skus: u64| -> Value {
        let program = std::env::current_exe().expect("this program");
        let output = Command::new(program)
            .args([what, &events.to_string(), &skus.to_string()])
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(text.lines().last().unwrap_or_default())
            .unwrap_or_else(|e| panic!("{what}: {e}: {text}{}", String::from_utf8_lossy(&output.stderr)))
    };
    let mut figures = Vec::new();
    for (events, skus) in points {
        let mut folded = child("--fold", *events, *skus);
        let generated = child("--generate", *events, *skus);
        let peak = |v: &Value| v["peak_rss_bytes"].as_u64().unwrap_or(0);
        let net = peak(&folded).saturating_sub(peak(&generated));
        folded["net_peak_bytes"] = json!(net);
        println!(
            "{events:>12}{skus:>12}{:>14.0}{:>14}{:>14.0}",
            folded["cpu_nanos"].as_f64().unwrap_or(f64::NAN),
            folded["rows"].as_u64().unwrap_or(0),
            net as f64 / f64::from(1 << 20)
        );
        figures.push(folded);
    }
    figures
}

/// One point of a curve; without `fold`, what the generator alone takes.
fn point(events: u64, skus: u64, fold: bool) -> Value {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let plan = MemoryPlan::divide(&MemoryConfig::default(), PARTITIONS).expect("the default budget fits");
    let stores =
        PartitionStores::open(directory.path(), &StoreConfig::default(), &plan.store).expect("stores");
    let memory = usize::try_from(plan.fold).expect("fits") / usize::from(PARTITIONS);
    let mut projectors: Vec<Projector> = if fold {
        (0..PARTITIONS).map(|number| projector(&stores, number, memory)).collect()
    } else {
        Vec::new()
    };
    let options = Options { skus: u32::try_from(skus).expect("fits"), ..Options::default() };
    let mut day = Warehouse::new(options);
    let mut next = vec![0_u64; usize::from(PARTITIONS)];
    let (mut cpu, mut wall, mut left) = (0.0, 0.0, usize::try_from(events).expect("fits"));
    while left > 0 {
        let chunk = day
            .by_ref()
            .take(CHUNK.min(left))
            .map(|event| record(&event, Mode::Structured, Layout::Canonical, PARTITIONS));
        let mut partitions: Vec<Vec<NewRecord>> = vec![Vec::new(); usize::from(PARTITIONS)];
        for record in chunk {
            partitions[usize::from(record.partition.0)].push(record);
        }
        left -= CHUNK.min(left);
        let watch = Stopwatch::start(Of::Process);
        for (projector, (records, next)) in projectors.iter_mut().zip(partitions.iter().zip(&mut next)) {
            projector
                .fold(records.iter().zip(*next..).map(|(record, offset)| fed(record, offset)))
                .expect("folded");
            *next += records.len() as u64;
            if projector.is_full() {
                projector.commit().expect("written");
            }
        }
        let used = watch.stop();
        cpu += used.cpu;
        wall += used.wall;
    }
    let watch = Stopwatch::start(Of::Process);
    let mut rows = 0;
    for mut projector in projectors {
        projector.commit().expect("written");
        rows += projector.store().meta().rows;
        projector.close().expect("closed");
    }
    let used = watch.stop();
    let (cpu, wall) = (cpu + used.cpu, wall + used.wall);
    json!({
        "events": events, "skus": skus, "rows": rows, "cpu_nanos": cpu * 1e9 / events as f64,
        "wall_nanos": wall * 1e9 / events as f64, "peak_rss_bytes": resident().1,
    })
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

//! Decoding: nanoseconds an event from bytes in memory, for the decoder, its oracle, and `serde_json::Value`
//! as the floor of any decoder that builds a tree.
//!
//! The stream is the generator's warehouse day in the mix a topic has seen: most of it canonical, the rest in
//! the older layouts, one in four binary. "fresh" walks through a set much larger than the caches, as a replay
//! does; "hot" goes over a few events again and again.

//!
//! The second table is decode and evolve together, from memory, without any I/O: the records of twelve
//! partitions one partition after another, 100,000 SKUs, every entry an event touches loaded as absent first.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::hint::black_box;
use std::ops::Range;

use inventory_store::codec::event::{DEFAULT_MAX_BYTES, Decoded, Mode, decode, oracle};
use inventory_store::domain::{Aggregate, Rules, evolve, touched};
use inventory_store::generator::{Layout, Options, Warehouse, record};
use inventory_store::types::{Headers, NewRecord, Offset, Timestamp};
use rustc_hash::FxHashMap;
use serde_json::{Value, json};
use support::{Of, Stopwatch, describe, full, keep, machine, median};

/// As the service: what allocates and frees per event is measured with what it allocates from.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PARTITIONS: usize = 12;

fn records(count: usize, pick: impl Fn(usize) -> (Mode, Layout)) -> Vec<NewRecord> {
    Warehouse::new(Options::default())
        .take(count)
        .enumerate()
        .map(|(i, event)| {
            let (mode, layout) = pick(i);
            record(&event, mode, layout, 12)
        })
        .collect()
}

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

/// The median of several rounds, in nanoseconds an event: CPU and wall time of this thread.
fn measure(records: &[NewRecord], rounds: usize, mut read: impl FnMut(&NewRecord)) -> (f64, f64) {
    let (mut cpu, mut wall) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let watch = Stopwatch::start(Of::Thread);
        for record in records {
            read(record);
        }
        let used = watch.stop();
        cpu.push(used.cpu_nanos(records.len()));
        wall.push(used.wall_nanos(records.len()));
    }
    (median(&mut cpu), median(&mut wall))
}

fn fast(record: &NewRecord) {
    let decoded = decode(record.key.as_deref(), record.value.as_deref(), &record.headers, DEFAULT_MAX_BYTES);
    black_box(decoded.expect("a well-formed event"));
}

fn slow(record: &NewRecord) {
    let decoded =
        oracle::decode(record.key.as_deref(), record.value.as_deref(), &record.headers, DEFAULT_MAX_BYTES);
    black_box(decoded.expect("a well-formed event"));
}

fn tree(record: &NewRecord) {
    let value: serde_json::Value =
        serde_json::from_slice(record.value.as_deref().expect("a value")).expect("JSON");
    black_box(value);
}

/// How the event of this number is written.
type Way<'a> = &'a dyn Fn(usize) -> (Mode, Layout);

fn main() {
    let machine = machine();
    println!("{}\n", describe(&machine));
    // For a profile of one of them: `-- fold`, `-- decode`.
    let only = std::env::args().find(|word| word == "fold" || word == "decode");
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    let streams = if wanted("decode") { decoding() } else { Vec::new() };
    let folded = if wanted("fold") { folding() } else { Value::Null };
    keep("decode", &machine, &json!({ "decode": streams, "decode_and_evolve": folded }));
}

fn decoding() -> Vec<Value> {
    let (count, rounds) = if full() { (1_000_000, 5) } else { (200_000, 5) };
    println!(
        "{:<24} {:>6} {:>12} {:>12} {:>8} {:>10} {:>12}",
        "ns/event", "bytes", "fresh, CPU", "fresh, wall", "hot", "oracle", "json tree"
    );
    let streams: [(&str, Way<'_>); 4] = [
        ("mixed", &mixed),
        ("canonical, structured", &|_| (Mode::Structured, Layout::Canonical)),
        ("camelCase, data first", &|_| (Mode::Structured, Layout::CamelCase)),
        ("canonical, binary", &|_| (Mode::Binary, Layout::Canonical)),
    ];
    let mut figures = Vec::new();
    for (name, pick) in streams {
        let fresh = records(count, pick);
        let few = &fresh[..fresh.len().min(64)];
        let bytes: usize = fresh.iter().map(|r| r.value.as_ref().map_or(0, Vec::len)).sum();
        // Once through, then again: a clock cannot be read around so few.
        let hot: Vec<NewRecord> = few.to_vec();
        let (hot, _) = measure_often(&hot, rounds * 2_000, fast);
        let sample = &fresh[..fresh.len().min(10_000)];
        let (cpu, wall) = measure(&fresh, rounds, fast);
        let (oracle, _) = measure(sample, 1, slow);
        let (value, _) = measure(sample, rounds, tree);
        let bytes = bytes / fresh.len();
        println!("{name:<24} {bytes:>6} {cpu:>12.0} {wall:>12.0} {hot:>8.0} {oracle:>10.0} {value:>12.0}");
        figures.push(json!({
            "stream": name, "bytes": bytes, "cpu_nanos": cpu, "wall_nanos": wall, "hot_nanos": hot,
            "oracle_nanos": oracle, "json_tree_nanos": value,
        }));
    }
    figures
}

/// The same few records again and again.
fn measure_often(records: &[NewRecord], times: usize, mut read: impl FnMut(&NewRecord)) -> (f64, f64) {
    let watch = Stopwatch::start(Of::Thread);
    for _ in 0..times {
        for record in records {
            read(record);
        }
    }
    let used = watch.stop();
    (used.cpu_nanos(records.len() * times), used.wall_nanos(records.len() * times))
}

/// Decode and evolve together, CPU nanoseconds an event.
fn folding() -> Value {
    let (count, rounds) = if full() { (3_000_000, 3) } else { (1_000_000, 3) };
    let mut partitions: Vec<Fetched> = (0..PARTITIONS).map(|_| Fetched::default()).collect();
    let options = Options { skus: 100_000, ..Options::default() };
    for (i, event) in Warehouse::new(options).take(count).enumerate() {
        let (mode, layout) = mixed(i);
        let record = record(&event, mode, layout, PARTITIONS as u16);
        partitions[usize::from(record.partition.0)].push(&record);
    }
    let rules = Rules { own_source: "/inventory-store".into() };
    let (mut cpu, mut wall) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let watch = Stopwatch::start(Of::Thread);
        let folded: Vec<_> = partitions.iter().map(|records| fold(&rules, records)).collect();
        let used = watch.stop();
        // Dropping what was folded is no part of it.
        drop(black_box(folded));
        cpu.push(used.cpu_nanos(count));
        wall.push(used.wall_nanos(count));
    }
    let (cpu, wall) = (median(&mut cpu), median(&mut wall));
    println!(
        "\ndecode and evolve, mixed stream of {count} events: {cpu:.0} ns/event of CPU ({wall:.0} wall), {:.2}M events per CPU second",
        1e3 / cpu
    );
    json!({ "events": count, "cpu_nanos": cpu, "wall_nanos": wall, "events_per_cpu_second": 1e9 / cpu })
}

/// Records one behind the other in one piece of memory, as a fetch brings them.
#[derive(Default)]
struct Fetched {
    bytes: Vec<u8>,
    /// Key and value of each, and which headers are its.
    records: Vec<[Range<usize>; 3]>,
    headers: Vec<[Range<usize>; 2]>,
}

impl Fetched {
    fn push(&mut self, record: &NewRecord) {
        let mut put = |bytes: &[u8]| {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(bytes);
            start..self.bytes.len()
        };
        let key = put(record.key.as_deref().expect("a key"));
        let value = put(record.value.as_deref().expect("a value"));
        let first = self.headers.len();
        for header in &record.headers {
            self.headers.push([put(header.name.as_bytes()), put(header.value.as_deref().expect("a value"))]);
        }
        self.records.push([key, value, first..self.headers.len()]);
    }
}

struct HeadersOf<'f> {
    fetched: &'f Fetched,
    which: Range<usize>,
}

impl Headers for HeadersOf<'_> {
    fn visit<'a>(&'a self, visit: &mut dyn FnMut(&'a str, Option<&'a [u8]>)) {
        for [name, value] in &self.fetched.headers[self.which.clone()] {
            let name = std::str::from_utf8(&self.fetched.bytes[name.clone()]).expect("a name");
            visit(name, Some(&self.fetched.bytes[value.clone()]));
        }
    }
}

fn fold(rules: &Rules, fetched: &Fetched) -> Vec<Aggregate> {
    let mut places: FxHashMap<Box<str>, usize> = FxHashMap::default();
    // Room for all: what growing costs is the projector's to bound.
    let mut aggregates: Vec<Aggregate> = Vec::with_capacity(12_000);
    for ([key, value, which], offset) in fetched.records.iter().zip(0..) {
        let headers = HeadersOf { fetched, which: which.clone() };
        let [key, value] = [key, value].map(|part| Some(&fetched.bytes[part.clone()]));
        let decoded = decode(key, value, &headers, DEFAULT_MAX_BYTES);
        let Ok(Decoded::Event(event)) = decoded else { panic!("a well-formed event") };
        let sku = event.envelope.sku.as_ref();
        let place = match places.get(sku) {
            Some(place) => *place,
            None => {
                places.insert(sku.into(), aggregates.len());
                aggregates.push(Aggregate::default());
                aggregates.len() - 1
            }
        };
        let aggregate = &mut aggregates[place];
        let touched = touched(&event);
        for (facet, id) in &touched {
            if !aggregate.is_loaded(*facet, id) {
                aggregate.load(*facet, id, None);
            }
        }
        let effect = evolve(rules, aggregate, &event, Offset(offset), Timestamp(1_793_512_800_000));
        black_box(effect.expect("an event that can be applied"));
        // As the projector does with what ended before it was ever written.
        for (facet, id) in &touched {
            if aggregate.entry(*facet, id).is_none()
                && let Some(place) = aggregate.place(*facet, id)
            {
                aggregate.forget(place);
            }
        }
    }
    aggregates
}

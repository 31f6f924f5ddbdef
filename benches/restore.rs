//! Restore: a base of the archive into a store, beside a floor in the same run: the same files read and
//! decompressed, and nothing else.
//!
//! One partition on one thread, so that figures are per core; partitions are independent of each other.
//! 200,000 SKUs by default, `INVENTORY_STORE_BENCH_FULL=1` for a million; once each with an allocation and a
//! location beside its own row, and once with its own row alone. `INVENTORY_STORE_BENCH_DIR` = where to keep the files instead of the system's temporary
//! directory.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::{Path, PathBuf};

use inventory_store::codec::rows::meta::{Identity, Meta, Versions};
use inventory_store::codec::rows::{encode_entry, encode_stock, entry_key};
use inventory_store::config::ArchiveConfig;
use inventory_store::config::store::{MemoryConfig, MemoryPlan, StoreConfig};
use inventory_store::domain::rows::{AllocationRow, Entry, Facet, LastEvent, LocationRow, StockRow};
use inventory_store::log::Bounds;
use inventory_store::snapshots::archive::{Archive, Base, Origin};
use inventory_store::snapshots::restore::from_archive;
use inventory_store::snapshots::{Wanted, Work};
use inventory_store::store::{Filling, PartitionStores, StoreError};
use inventory_store::types::{NextOffset, Offset, Partition, Quantity, UtcTime, Version};
use serde_json::{Value, json};
use support::{Of, Stopwatch, Used, describe, full, keep, machine};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const P: Partition = Partition(0);

/// What rows a SKU has.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    /// Its own as a few events leave it, an allocation, a location: small rows, and many.
    Small,
    /// Its own alone, as many events leave it.
    Own,
}

fn main() {
    let machine = machine();
    println!("{}", describe(&machine));
    let skus: u64 = if full() { 1_000_000 } else { 200_000 };
    let small = measure(Shape::Small, skus);
    let own = measure(Shape::Own, skus);
    keep("restore", &machine, &json!({"skus": skus, "small_rows": small, "own_rows": own}));
}

fn measure(shape: Shape, skus: u64) -> Value {
    let parent = std::env::var_os("INVENTORY_STORE_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = tempfile::tempdir_in(parent).expect("a directory");

    let source = stores(&directory.path().join("source"));
    let (store, made) = timed(|| {
        source.build::<StoreError>(P, |filling| {
            fill(shape, skus, filling)?;
            let mut meta = Meta::new(identity());
            meta.progress.next = NextOffset(skus * 10);
            meta.progress.counters.skus = skus;
            Ok(meta)
        })
    });
    let store = store.expect("a store");
    let rows = store.meta().rows;

    let root = directory.path().join("archive");
    let url = root.to_str().expect("UTF-8").to_owned();
    let archive = Archive::open(&ArchiveConfig { url, ..ArchiveConfig::default() }).expect("opens");
    let created_at: UtcTime = "2026-11-24T10:00:00Z".parse().expect("a time");
    let origin = Origin { created_at, created_from: "a benchmark".into() };
    let (published, create) = timed(|| archive.create(&store.reader(), origin, &Work::default()));
    let published = published.expect("a base");
    let base = published.base();
    println!(
        "\n{skus} SKUs, {rows} rows of {:.0} bytes on average, made in {:.1} s\n",
        base.manifest.raw_bytes as f64 / rows as f64,
        made.wall
    );

    // Once to have the files in the page cache: what is measured is ours, not the disk's.
    floor(&root);
    head();
    let ((), floor) = timed(|| floor(&root));
    let floor = row("floor: read files and decompress", base, floor);
    let ((), read) = timed(|| read(&archive, base));
    let read = row("read: rows, order, checksums, digest", base, read);
    let (sound, verify) = timed(|| archive.verify(base.id, &Work::default()));
    sound.expect("sound");
    let verify = row("verify: that, and sha256", base, verify);
    let restore: Vec<Value> = (0..3)
        .map(|_| {
            let into = tempfile::tempdir_in(directory.path()).expect("a directory");
            let into = stores(into.path());
            let (restored, used) =
                timed(|| from_archive(&archive, base, &into, &wanted(), &Work::default()).expect("restored"));
            assert_eq!(restored.rows, base.manifest.rows);
            row("restore: into a store", base, used)
        })
        .collect();
    let create = row("create: from a store", base, create);

    let bytes = base.manifest.bytes();
    println!(
        "\n{} files, {bytes} bytes, of {} before compression ({:.2}:1), {:.1} bytes per SKU",
        base.manifest.files.len(),
        base.manifest.raw_bytes,
        base.manifest.raw_bytes as f64 / bytes as f64,
        bytes as f64 / skus as f64
    );
    let levels = if shape == Shape::Small { levels(&archive, base) } else { Vec::new() };
    json!({
        "rows": base.manifest.rows, "files": base.manifest.files.len(), "bytes": bytes,
        "raw_bytes": base.manifest.raw_bytes, "floor": floor, "read": read, "verify": verify,
        "restore": restore, "create": create, "zstd_levels": levels,
    })
}

/// The rows of many SKUs, in order.
fn fill(shape: Shape, skus: u64, filling: &mut Filling<'_>) -> Result<(), StoreError> {
    let mut random = fastrand::Rng::with_seed(5);
    let mut units = |below: u64| Quantity::new(random.u64(0..below)).expect("units");
    let mut random = fastrand::Rng::with_seed(6);
    let (mut key, mut value) = (Vec::new(), Vec::new());
    for n in 0..skus {
        let sku = format!("SKU-{n:08}");
        let allocated = units(50);
        let stock = StockRow {
            on_hand: units(2000),
            allocated,
            named_allocations: allocated,
            in_locations: units(50),
            version: Version(random.u64(5..40)),
            last: Some(LastEvent {
                offset: Offset(random.u64(0..skus * 10)),
                time: UtcTime::new(1_790_000_000 + random.i64(0..86_400), 0).expect("a time"),
            }),
            identities: (0..if shape == Shape::Own { 16 } else { random.usize(4..=16) })
                .map(|_| random.u64(..))
                .collect(),
            ..StockRow::default()
        };
        value.clear();
        encode_stock(&stock, &mut value);
        filling.put(sku.as_bytes(), &value)?;
        if shape == Shape::Own {
            continue;
        }
        let allocation = Entry::Allocation(AllocationRow { quantity: allocated, expires_at: None });
        let location = Entry::Location(LocationRow { quantity: stock.in_locations });
        for (facet, id, entry) in [
            (Facet::Allocation, format!("ORD-{:08}", random.u32(0..100_000_000)), allocation),
            (Facet::Location, format!("A-{:02}-{:02}", random.u8(0..60), random.u8(0..60)), location),
        ] {
            key.clear();
            value.clear();
            entry_key(&sku, facet, &id, &mut key);
            encode_entry(&entry, &mut value);
            filling.put(&key, &value)?;
        }
    }
    Ok(())
}

/// Reads each file of rows whole and decompresses its blocks: their places are all it knows of the format.
fn floor(root: &Path) {
    let mut into = Vec::new();
    let mut decompressor = zstd::bulk::Decompressor::new().expect("zstd");
    for file in files(root) {
        let bytes = std::fs::read(&file).expect("reads");
        let mut rest = &bytes[36..];
        loop {
            let number =
                |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().expect("4 bytes")) as usize;
            let (stored, raw) = (number(0), number(4));
            if stored == 0 {
                break;
            }
            into.clear();
            into.reserve(raw);
            decompressor.decompress_to_buffer(&rest[24..24 + stored], &mut into).expect("decompresses");
            std::hint::black_box(&into);
            rest = &rest[24 + stored..];
        }
    }
}

fn read(archive: &Archive, base: &Base) {
    let mut reader = archive.read(base).expect("opens");
    while let Some(row) = reader.next().expect("reads") {
        std::hint::black_box(row);
    }
}

/// What other levels would give, over the first files' blocks: why blocks are packed with level 1.
fn levels(archive: &Archive, base: &Base) -> Vec<Value> {
    const BLOCK: usize = 256 << 10;
    let mut blocks: Vec<Vec<u8>> = vec![Vec::with_capacity(BLOCK)];
    let mut reader = archive.read(base).expect("opens");
    while let Some((key, value)) = reader.next().expect("reads") {
        let block = blocks.last_mut().expect("one");
        block.extend_from_slice(&(value.len() as u32).to_le_bytes());
        block.extend_from_slice(&(key.len() as u32).to_le_bytes());
        block.extend_from_slice(key);
        block.extend_from_slice(value);
        if block.len() >= BLOCK {
            if blocks.len() == 256 {
                break;
            }
            blocks.push(Vec::with_capacity(BLOCK));
        }
    }
    let raw: usize = blocks.iter().map(Vec::len).sum();
    let rate = |used: Used| raw as f64 / used.cpu / 1e6;
    println!("\n{:<10} {:>8} {:>14} {:>14}", "zstd level", "ratio", "pack MB/s", "unpack MB/s");
    let level = |level: i32| {
        let pack = || -> Vec<Vec<u8>> {
            blocks.iter().map(|block| zstd::bulk::compress(block, level).expect("packs")).collect()
        };
        let (packed, packing) = timed(pack);
        let ((), unpacking) = timed(|| {
            for block in &packed {
                std::hint::black_box(zstd::bulk::decompress(block, 2 * BLOCK).expect("unpacks"));
            }
        });
        let stored: usize = packed.iter().map(Vec::len).sum();
        let ratio = raw as f64 / stored as f64;
        println!("{level:<10} {ratio:>8.2} {:>14.0} {:>14.0}", rate(packing), rate(unpacking));
        json!({"level": level, "ratio": ratio, "pack_mb_s": rate(packing), "unpack_mb_s": rate(unpacking)})
    };
    [-5, -1, 1, 3, 6].into_iter().map(level).collect()
}

/// What one run of `work` takes, on all threads of this process.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Used) {
    let watch = Stopwatch::start(Of::Process);
    let done = work();
    (done, watch.stop())
}

fn head() {
    println!(
        "{:<38} {:>9} {:>9} {:>12} {:>12} {:>14} {:>14}",
        "", "wall s", "CPU s", "rows/s", "MB/s", "rows/CPU s", "MB/CPU s"
    );
}

fn row(name: &str, base: &Base, used: Used) -> Value {
    let (rows, bytes) = (base.manifest.rows as f64, base.manifest.raw_bytes as f64 / 1e6);
    let Used { wall, cpu } = used;
    println!(
        "{name:<38} {wall:>9.2} {cpu:>9.2} {:>12.0} {:>12.0} {:>14.0} {:>14.0}",
        rows / wall,
        bytes / wall,
        rows / cpu,
        bytes / cpu
    );
    json!({"seconds": wall, "cpu_seconds": cpu, "rows_per_cpu_second": rows / cpu, "mb_per_cpu_second": bytes / cpu})
}

fn stores(directory: &Path) -> PartitionStores {
    let memory = MemoryPlan::divide(&MemoryConfig::default(), 12).expect("a plan").store;
    PartitionStores::open(directory, &StoreConfig::default(), &memory).expect("opens")
}

fn identity() -> Identity {
    Identity {
        partition: P,
        partition_count: 1,
        cluster_id: "a-cluster".into(),
        versions: Versions::CURRENT,
        begins: NextOffset::ZERO,
    }
}

fn wanted() -> Wanted {
    let end = NextOffset(u64::MAX);
    let bounds = Bounds { start: NextOffset::ZERO, last_stable: end, high_watermark: end };
    Wanted { partition: P, partition_count: 1, cluster_id: "a-cluster".into(), bounds, at_most: None }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rows") {
            found.push(path);
        }
    }
    found.sort();
    found
}

//! Invariant 10: memory is bounded by configuration, not by rows.

use std::path::Path;

use inventory_store::config::store::{MemoryConfig, MemoryPlan};
use inventory_store::domain::rows::StockRow;
use inventory_store::store::{Changes, StoreWriter};
use inventory_store::types::{NextOffset, Partition, Sku, Version};

use super::{open, stores};
use crate::support::child::{self, tell};

const PARTITIONS: u16 = 12;
const BUDGET: u64 = 192 << 20;
/// In rows, over all partitions: twice the budget, five times the store's share of it.
const CONTENT: u64 = 2 * BUDGET;
const ROW: usize = 4 << 10;
/// One batch staged, and its copy on the way in.
const BATCH: u64 = 8 << 20;
/// Code, stacks and what twelve open stores take, before a row is written.
const BASE: u64 = 64 << 20;

/// A figure of this process, in bytes.
fn status(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("Linux's own account");
    let line = text.lines().find(|line| line.starts_with(name)).expect("a figure of that name");
    let kib: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number");
    kib << 10
}

/// A text that does not compress, and that rows are cut from.
fn noise(random: &mut fastrand::Rng) -> String {
    (0..64 * ROW).map(|_| char::from(random.u8(b' '..=b'~'))).collect()
}

fn row(noise: &str, random: &mut fastrand::Rng) -> StockRow {
    let start = random.usize(..noise.len() - ROW);
    StockRow { version: Version(1), abc_class: Some(noise[start..start + ROW].into()), ..StockRow::default() }
}

fn write(
    writer: &mut StoreWriter,
    batch: u64,
    rows: u64,
    noise: &str,
    random: &mut fastrand::Rng,
    bulk: bool,
) {
    let mut progress = writer.progress().clone();
    progress.next = NextOffset(progress.next.0 + rows);
    let mut changes = Changes::new(progress);
    for number in 0..rows {
        changes.put_stock(&format!("SKU-{batch}-{number}"), &row(noise, random), None);
    }
    let written = if bulk { writer.ingest(&changes) } else { writer.commit(&changes) };
    written.expect("writes");
}

fn fill(directory: &Path) {
    let plan = MemoryPlan::divide(&MemoryConfig { budget: BUDGET }, PARTITIONS).expect("it fits");
    let stores = stores(directory, &plan.store);
    let mut writers: Vec<StoreWriter> = (0..PARTITIONS).map(|n| open(&stores, Partition(n))).collect();
    tell("base", status("VmRSS:"));

    let mut random = fastrand::Rng::with_seed(1);
    let noise = noise(&mut random);
    let rows = 200;
    let batches = CONTENT / (ROW as u64 * rows * u64::from(PARTITIONS));
    for batch in 0..batches {
        // A third in sorted files. Each store sits idle for a while, its buffers partly full.
        for writer in &mut writers {
            write(writer, batch, rows, &noise, &mut random, batch % 3 == 0);
        }
    }
    // Then everything is read, at random and in order, so that the block cache is full.
    for writer in &writers {
        let reader = writer.reader();
        for _ in 0..500 {
            let name = format!("SKU-{}-{}", random.u64(..batches), random.u64(..rows));
            let sku = Sku::new(&name).expect("a SKU");
            assert!(reader.view(&sku, 100).expect("reads").is_some());
        }
        let recount = writer.recount().expect("recounts");
        assert_eq!(recount.rows, batches * rows);
    }
    tell("peak", status("VmHWM:"));
}

#[test]
fn twice_the_budget_in_rows_stays_within_the_budget() {
    if let Some(directory) = child::role() {
        fill(Path::new(&directory));
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let name = "store::memory::twice_the_budget_in_rows_stays_within_the_budget";
    let mut process = child::again(name, directory.path().to_str().expect("UTF-8"));
    let mut figure = |name| process.line(name).and_then(|n| n.parse::<u64>().ok()).expect("a figure");
    let (base, peak) = (figure("base "), figure("peak "));
    process.finish();
    eprintln!("base {} MiB, peak {} MiB of {} MiB", base >> 20, peak >> 20, BUDGET >> 20);
    assert!(base < BASE, "{} MiB before a row is written", base >> 20);
    let bound = BASE + BUDGET / 100 * 110;
    assert!(peak < bound, "peak {} MiB, bound {} MiB", peak >> 20, bound >> 20);
    // What the store keeps to is its own share, with the batch being written.
    let plan = MemoryPlan::divide(&MemoryConfig { budget: BUDGET }, PARTITIONS).expect("it fits");
    let share = plan.store.block_cache + plan.store.write_buffers + BATCH;
    let bound = base + share / 100 * 110;
    assert!(
        peak < bound,
        "peak {} MiB, the store's bound {} MiB, base {} MiB",
        peak >> 20,
        bound >> 20,
        base >> 20
    );
}

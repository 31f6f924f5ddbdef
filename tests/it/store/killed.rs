//! Invariant 2, under `kill -9`: after any crash the store holds exactly what lies below its position.

use std::collections::BTreeMap;
use std::path::Path;

use inventory_store::config::store::StoreMemory;
use inventory_store::domain::rows::{AllocationRow, Entry, Facet, StockRow};
use inventory_store::store::{Changes, Digest, StoreWriter};
use inventory_store::types::{NextOffset, Partition, Quantity, Sku, Version};

use super::{open, stores};
use crate::support::child::{self, tell};
use crate::support::seed;

/// Small enough that buffers are flushed and files compacted all the time.
const MEMORY: StoreMemory = StoreMemory { block_cache: 4 << 20, write_buffers: 1 << 20 };
const PARTITION: Partition = Partition(3);
const SKUS: u64 = 300;

/// The SKUs that step `number` changes: a function of its number alone.
fn changed(number: u64) -> Vec<u64> {
    let mut random = fastrand::Rng::with_seed(number);
    let mut skus: Vec<u64> = (0..40).map(|_| random.u64(..SKUS)).collect();
    skus.sort_unstable();
    skus.dedup();
    skus
}

fn sku(number: u64) -> String {
    format!("SKU-{number:05}")
}

/// The SKU's row after step `step`.
fn stock(step: u64) -> StockRow {
    StockRow {
        version: Version(step),
        named_allocations: allocation(step).map_or(Quantity::ZERO, |entry| entry.quantity()),
        abc_class: Some("x".repeat(400).into()),
        ..StockRow::default()
    }
}

/// Its one entry, which odd steps put and even steps delete.
fn allocation(step: u64) -> Option<Entry> {
    let quantity = Quantity::new(step).expect("a quantity");
    (step % 2 == 1).then_some(Entry::Allocation(AllocationRow { quantity, expires_at: None }))
}

fn step(writer: &mut StoreWriter, bulk: bool) -> u64 {
    let number = writer.progress().next.0 + 1;
    let mut progress = writer.progress().clone();
    progress.next = NextOffset(number);
    let mut changes = Changes::new(progress);
    for sku in changed(number).into_iter().map(sku) {
        let before = writer.load_stock(&sku).expect("loads").map(|loaded| loaded.hash);
        changes.put_stock(&sku, &stock(number), before);
        let before =
            writer.load_entry(&sku, Facet::Allocation, "a").expect("loads").map(|loaded| loaded.hash);
        match allocation(number) {
            Some(entry) => drop(changes.put_entry(&sku, "a", &entry, before)),
            None => changes.delete_entry(&sku, Facet::Allocation, "a", before),
        }
    }
    let written = if bulk { writer.ingest(&changes) } else { writer.commit(&changes) };
    written.expect("writes");
    number
}

/// The child: writes step after step and says which it has written, until it is killed.
fn write_for_ever(directory: &Path, bulk: bool) {
    let mut writer = open(&stores(directory, &MEMORY), PARTITION);
    loop {
        let number = step(&mut writer, bulk);
        tell("written", number);
    }
}

/// The store holds exactly the rows of its position, and that is not below what was said to be written.
fn check(directory: &Path, said: u64) -> u64 {
    let writer = open(&stores(directory, &MEMORY), PARTITION);
    let next = writer.progress().next.0;
    assert!(next >= said, "{said} was written, the store is at {next}");
    let recount = writer.recount().expect("recounts");
    assert_eq!((recount.rows, recount.digest), (writer.meta().rows, Digest(writer.meta().digest)));

    let mut last = BTreeMap::new();
    for number in 1..=next {
        last.extend(changed(number).into_iter().map(|sku| (sku, number)));
    }
    let expected: Vec<(Sku, StockRow)> =
        last.iter().map(|(name, number)| (Sku::new(&sku(*name)).expect("a SKU"), stock(*number))).collect();
    let reader = writer.reader();
    assert_eq!(reader.scan(None, usize::MAX).expect("reads"), expected);
    for (name, number) in last {
        let view = reader.view(&Sku::new(&sku(name)).expect("a SKU"), 10).expect("reads").expect("is there");
        let found = &view.facet(Facet::Allocation).expect("a page").entries;
        assert_eq!(found.iter().map(|(_, entry)| entry.clone()).next(), allocation(number));
    }
    next
}

fn killed_again_and_again(name: &str, bulk: bool) {
    if let Some(directory) = child::role() {
        write_for_ever(Path::new(&directory), bulk);
    }
    let mut random = fastrand::Rng::with_seed(seed());
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_str().expect("UTF-8");
    let mut at = 0;
    for _ in 0..8 {
        let mut process = child::again(name, path);
        let mut said = at;
        for _ in 0..random.u64(1..=25) {
            said = process.line("written ").expect("it goes on writing").parse().expect("a number");
        }
        process.kill();
        let next = check(directory.path(), said);
        assert!(next > at, "it went on where it was");
        at = next;
    }
}

#[test]
fn a_store_killed_between_commits_is_whole() {
    killed_again_and_again("store::killed::a_store_killed_between_commits_is_whole", false);
}

#[test]
fn a_store_killed_between_ingests_is_whole() {
    killed_again_and_again("store::killed::a_store_killed_between_ingests_is_whole", true);
}

/// A generation that a killed process left half made is not served and in nobody's way.
#[test]
fn a_half_made_generation_is_passed_over() {
    let directory = tempfile::tempdir().expect("a directory");
    let home = directory.path().join("partitions/003/gen-0001");
    std::fs::create_dir_all(&home).expect("a directory");
    std::fs::write(home.join("CURRENT"), "MANIFEST-").expect("writes");
    std::fs::write(directory.path().join("partitions/003/gen-0002.ingest"), "half a file").expect("writes");
    let mut writer = open(&stores(directory.path(), &MEMORY), PARTITION);
    assert_eq!(writer.generation().to_string(), "gen-0002");
    step(&mut writer, true);
    drop(writer);
    assert_eq!(check(directory.path(), 1), 1);
}

//! What readers see: one position, whole writes, bounded work.

use std::sync::atomic::{AtomicBool, Ordering};

use rocksdb::perf::{PerfContext, PerfMetric, PerfStatsLevel, set_perf_stats};

use super::fixtures::*;
use crate::codec::rows::decode_stock;
use crate::domain::rows::{Entry, Facet, StockRow};
use crate::store::{Changes, StoreReader, StoreWriter};
use crate::types::{Sku, Version};

/// SKUs of which one is the beginning of another, in SKU order.
const SKUS: [&str; 5] = ["A", "A!", "AB", "Ä", "\u{10ffff}"];

fn filled(writer: &mut StoreWriter, per_facet: usize) {
    let mut changes = Changes::new(moved(writer.progress(), 9, 0));
    for sku in SKUS {
        changes.put_stock(sku, &stock(1, 8), None);
        for facet in Facet::ALL {
            for id in 0..per_facet {
                changes.put_entry(sku, &format!("{id:03}"), &entry(facet, id as u64 + 1), None);
            }
        }
    }
    writer.commit(&changes).expect("commits");
}

#[test]
fn a_view_holds_the_first_entries_of_each_facet_and_says_what_it_left_out() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut writer = fresh(&stores(&directory, 1));
    filled(&mut writer, 3);
    let reader = writer.reader();
    for text in SKUS {
        for (limit, truncated) in [(2, true), (3, false), (10, false)] {
            let view = reader.view(&sku(text), limit).expect("reads").expect("is there");
            assert_eq!(view.stock, stock(1, 8));
            assert_eq!(view.position().expect("a position").to_string(), "7:8");
            let facets: Vec<Facet> = view.facets.iter().map(|page| page.facet).collect();
            assert_eq!(
                facets,
                [Facet::Hold, Facet::Allocation, Facet::Lot, Facet::Location, Facet::Transfer]
            );
            for page in view.facets {
                assert_eq!(page.truncated, truncated);
                let expected: Vec<(Box<str>, Entry)> = (0..limit.min(3))
                    .map(|id| (format!("{id:03}").into(), entry(page.facet, id as u64 + 1)))
                    .collect();
                assert_eq!(page.entries, expected);
            }
        }
    }
    assert_eq!(reader.view(&sku("A "), 5).expect("reads"), None);
}

/// Every choice of facets that have entries, fewer than the limit or more: what a view shows of each is what
/// the facet's own page shows.
#[test]
fn a_view_finds_what_the_pages_of_its_facets_find() {
    const LIMIT: usize = 2;
    let directory = tempfile::tempdir().expect("a directory");
    let mut writer = fresh(&stores(&directory, 1));
    let mut changes = Changes::new(moved(writer.progress(), 9, 0));
    // Of each facet none, one or three entries.
    let counts = |mut choice: usize| {
        Facet::ALL.map(|facet| {
            let count = [0, 1, 3][choice % 3];
            choice /= 3;
            (facet, count)
        })
    };
    let all = 3_usize.pow(Facet::ALL.len() as u32);
    for choice in 0..all {
        let name = format!("SKU-{choice}");
        let has = |facet: Facet| quantity(u64::from(counts(choice)[facet.index()].1 > 0));
        let row = StockRow {
            held: has(Facet::Hold),
            named_allocations: has(Facet::Allocation),
            in_lots: has(Facet::Lot),
            in_locations: has(Facet::Location),
            ..stock(1, 8)
        };
        changes.put_stock(&name, &row, None);
        for (facet, count) in counts(choice) {
            for id in 0..count {
                changes.put_entry(&name, &format!("{id}"), &entry(facet, id + 1), None);
            }
        }
    }
    writer.commit(&changes).expect("commits");
    let reader = writer.reader();
    for choice in 0..all {
        let name = sku(&format!("SKU-{choice}"));
        let view = reader.view(&name, LIMIT).expect("reads").expect("is there");
        for page in &view.facets {
            let own = reader.facet(&name, page.facet, None, LIMIT).expect("reads").expect("is there");
            assert_eq!(*page, own, "{name}");
            let count = counts(choice)[page.facet.index()].1 as usize;
            assert_eq!((page.entries.len(), page.truncated), (count.min(LIMIT), count > LIMIT), "{name}");
        }
    }
}

/// A seek looks into every file: one is enough for entries that lie side by side, and for none of them but
/// transfers, of which no sum tells.
#[test]
fn a_view_seeks_once_where_no_facet_is_cut() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut writer = fresh(&stores(&directory, 1));
    let mut changes = Changes::new(moved(writer.progress(), 9, 0));
    changes.put_stock("bare", &StockRow { version: Version(1), ..StockRow::default() }, None);
    changes.put_stock("full", &stock(1, 8), None);
    for facet in Facet::ALL {
        for id in ["a", "b"] {
            changes.put_entry("full", id, &entry(facet, 1), None);
        }
    }
    writer.commit(&changes).expect("commits");
    let reader = writer.reader();
    let seeks = |name: &str, limit| {
        set_perf_stats(PerfStatsLevel::EnableCount);
        let mut context = PerfContext::default();
        context.reset();
        let view = reader.view(&sku(name), limit).expect("reads");
        let seeks = context.metric(PerfMetric::SeekOnMemtableCount);
        set_perf_stats(PerfStatsLevel::Disable);
        assert!(view.is_some());
        seeks
    };
    assert_eq!(seeks("bare", 5), 1);
    assert_eq!(seeks("full", 5), 1);
    // Each page is cut short: the next facet lies behind what is left out.
    assert_eq!(seeks("full", 1), 5);
}

#[test]
fn pages_of_a_facet_follow_one_another_without_gap_or_overlap() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut writer = fresh(&stores(&directory, 1));
    filled(&mut writer, 1);
    let ids = ["", "a", "a\u{0}", "a\u{0}\u{0}", "a\u{1}", "b", "ÿ"];
    let mut changes = Changes::new(moved(writer.progress(), 10, 0));
    for id in ids {
        changes.put_entry("A", id, &entry(Facet::Serial, 1), None);
    }
    writer.commit(&changes).expect("commits");
    let reader = writer.reader();
    for limit in 1..=ids.len() {
        let (mut seen, mut after): (Vec<Box<str>>, Option<Box<str>>) = (Vec::new(), None);
        loop {
            let page = reader
                .facet(&sku("A"), Facet::Serial, after.as_deref(), limit)
                .expect("reads")
                .expect("the SKU is known");
            seen.extend(page.entries.iter().map(|(id, _)| id.clone()));
            after = seen.last().cloned();
            if !page.truncated {
                break;
            }
        }
        // The fixture's own "000" stands between "" and "a".
        let mut expected: Vec<&str> = ids.to_vec();
        expected.insert(1, "000");
        assert_eq!(seen.iter().map(|id| &**id).collect::<Vec<_>>(), expected, "limit {limit}");
    }
    assert_eq!(reader.facet(&sku("none"), Facet::Serial, None, 5).expect("reads"), None);
}

#[test]
fn a_scan_gives_every_sku_once_in_order() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut writer = fresh(&stores(&directory, 1));
    assert_eq!(writer.reader().scan(None, 5).expect("reads"), []);
    filled(&mut writer, 2);
    let reader = writer.reader();
    for limit in 1..=6 {
        let (mut seen, mut after): (Vec<Sku>, Option<Sku>) = (Vec::new(), None);
        loop {
            let page = reader.scan(after.as_ref(), limit).expect("reads");
            assert!(page.iter().all(|(_, row)| *row == stock(1, 8)));
            seen.extend(page.iter().map(|(sku, _)| sku.clone()));
            after = seen.last().cloned();
            if page.len() < limit {
                break;
            }
        }
        assert_eq!(seen, SKUS.map(sku), "limit {limit}");
    }
    assert_eq!(reader.scan(Some(&sku("A")), 0).expect("reads"), []);
}

/// Every commit writes its number into the row and every entry: a reader must never see two of them at once.
#[test]
fn readers_see_whole_commits_only() {
    const COMMITS: u64 = 400;
    let directory = tempfile::tempdir().expect("a directory");
    let mut writer = fresh(&stores(&directory, 1));
    let (reader, done) = (writer.reader(), AtomicBool::new(false));
    let watch = |reader: StoreReader| {
        let (mut last, mut seen) = (0, 0);
        while !done.load(Ordering::Relaxed) {
            let Some(view) = reader.view(&sku("A"), 100).expect("reads") else { continue };
            let number = view.stock.version.0;
            for page in &view.facets {
                assert_eq!(page.entries.len(), 3);
                assert!(page.entries.iter().all(|(_, found)| *found == entry(page.facet, number)));
            }
            assert!(number >= last, "a later read is never older");
            seen += u64::from(number > last);
            last = number;
            reader.freeze(|frozen| {
                let row = frozen.get(b"A").expect("reads").expect("is there");
                let version = decode_stock(&row).expect("a row").version.0;
                assert_eq!(frozen.meta().expect("meta").progress.next.0, version, "of one write");
            });
        }
        seen
    };
    std::thread::scope(|scope| {
        let watchers = [scope.spawn(|| watch(reader.clone())), scope.spawn(|| watch(reader.clone()))];
        for number in 1..=COMMITS {
            let mut changes = Changes::new(moved(writer.progress(), number, 0));
            let before = writer.load_stock("A").expect("loads").map(|loaded| loaded.hash);
            changes.put_stock("A", &stock(number, number), before);
            for facet in Facet::ALL {
                for id in ["x", "y", "z"] {
                    let before = writer.load_entry("A", facet, id).expect("loads").map(|loaded| loaded.hash);
                    changes.put_entry("A", id, &entry(facet, number), before);
                }
            }
            let written = if number % 100 == 0 { writer.ingest(&changes) } else { writer.commit(&changes) };
            written.expect("writes");
        }
        done.store(true, Ordering::Relaxed);
        for watcher in watchers {
            assert!(watcher.join().expect("no reader failed") > 1, "it watched more than one commit");
        }
    });
}

/// What RocksDB does for `read`, in entries stepped over and blocks looked at.
fn work(read: impl FnOnce()) -> (u64, u64) {
    set_perf_stats(PerfStatsLevel::EnableCount);
    let mut context = PerfContext::default();
    context.reset();
    read();
    let work = (
        context.metric(PerfMetric::InternalKeySkippedCount),
        context.metric(PerfMetric::BlockReadCount) + context.metric(PerfMetric::BlockCacheHitCount),
    );
    set_perf_stats(PerfStatsLevel::Disable);
    work
}

/// A million entries on one SKU: reading it, and walking past it, costs what a hundred would.
#[test]
fn a_million_entries_cost_a_view_no_more_than_a_few() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut writer = fresh(&stores(&directory, 1));
    let mut changes = Changes::new(moved(writer.progress(), 1, 0));
    for text in ["big", "few", "last"] {
        changes.put_stock(text, &stock(1, 0), None);
    }
    for id in 0..1_000_000 {
        changes.put_entry("big", &format!("{id:07}"), &entry(Facet::Serial, 1), None);
    }
    for id in 0..150 {
        changes.put_entry("big", &format!("{id:07}"), &entry(Facet::Allocation, 1), None);
        changes.put_entry("few", &format!("{id:07}"), &entry(Facet::Allocation, 1), None);
    }
    writer.ingest(&changes).expect("ingests");
    drop(changes);

    let reader = writer.reader();
    let big = sku("big");
    let (skipped, blocks) = work(|| drop(reader.view(&big, 100).expect("reads")));
    assert!(skipped < 1000 && blocks < 60, "view: {skipped} keys, {blocks} blocks");
    let (skipped, blocks) = work(|| drop(reader.facet(&big, Facet::Serial, Some("05"), 100).expect("reads")));
    assert!(skipped < 1000 && blocks < 60, "page: {skipped} keys, {blocks} blocks");
    let scanned = reader.scan(None, 10).expect("reads");
    assert_eq!(scanned.iter().map(|(sku, _)| sku.as_str()).collect::<Vec<_>>(), ["big", "few", "last"]);
    let (skipped, blocks) = work(|| assert_eq!(reader.scan(None, 3).expect("reads").len(), 3));
    assert!(skipped < 1000 && blocks < 60, "scan: {skipped} keys, {blocks} blocks");
}

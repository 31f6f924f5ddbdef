use std::sync::Arc;

use super::{COUNT, Content, Letterbox, MEMORY, PARTITION, Place, Stored, content, letters_to, settings};
use crate::codec::event::Mode as Layout;
use crate::generator::{Options, Warehouse};
use crate::projector::{DeadLetters, Mode, Projector};
use crate::types::{NextOffset, partition_of};

/// `INVENTORY_STORE_SEED` repeats a run.
#[expect(clippy::print_stderr, reason = "a seed is of use only where it is shown")]
fn seed() -> u64 {
    let seed = match std::env::var("INVENTORY_STORE_SEED") {
        Ok(text) => text.parse().expect("INVENTORY_STORE_SEED is a number"),
        Err(_) => fastrand::u64(..),
    };
    eprintln!("INVENTORY_STORE_SEED={seed}");
    seed
}

/// A day's events of one partition, with what goes wrong on a real topic: events twice, records that are
/// none, types of newer services, offsets without a record.
fn stream(random: &mut fastrand::Rng, events: usize) -> Vec<Stored> {
    let warehouse = Warehouse::new(Options { seed: random.u64(..), skus: 40, ..Options::default() });
    let mut records: Vec<Stored> = Vec::new();
    let mut offset = 0;
    for event in warehouse.filter(|e| partition_of(&e.envelope.sku, COUNT) == PARTITION).take(events) {
        let layout = if random.bool() { Layout::Structured } else { Layout::Binary };
        let mut record = Stored::of(offset, &event, layout);
        match random.u8(0..60) {
            0 => record.value = None,
            1 => record.value = Some(b"{\"no\":\"event\"".to_vec()),
            2 => record.headers.retain(|header| header.name == "no such"),
            3 if !records.is_empty() => {
                let twice = records[records.len() - 1 - random.usize(0..records.len().min(10))].clone();
                record = Stored { offset, timestamp: record.timestamp, ..twice };
            }
            4 => {
                record.value = Some(br#"{"specversion":"1.0","id":"n","source":"s","type":"com.paklog.inventory.fulfillment.v1.drone.landed","subject":"SKU-1","data":{}}"#.to_vec());
                record.headers =
                    vec![crate::types::Header::new("content-type", "application/cloudevents+json")];
            }
            // Another partition's.
            5 => record = Stored { offset, ..foreign(random, &record) },
            // Log time goes back: producers' clocks differ.
            6 => record.timestamp -= 5_000,
            _ => {}
        }
        records.push(record);
        offset += if random.u8(0..20) == 0 { random.u64(2..9) } else { 1 };
    }
    records
}

fn foreign(random: &mut fastrand::Rng, like: &Stored) -> Stored {
    let warehouse = Warehouse::new(Options { seed: random.u64(..), skus: 40, ..Options::default() });
    let mut warehouse = warehouse;
    let event = warehouse
        .find(|event| partition_of(&event.envelope.sku, COUNT) != PARTITION)
        .expect("another partition's");
    Stored { timestamp: like.timestamp, ..Stored::of(like.offset, &event, Layout::Structured) }
}

fn fold(projector: &mut Projector, records: &[Stored]) {
    let next = projector.next();
    let due = records.iter().filter(|record| !next.is_past(crate::types::Offset(record.offset)));
    projector.fold(due.map(|record| record.record(PARTITION))).expect("folded");
}

/// The end that a reader reports: past the last record and the gap behind it.
fn end_of(records: &[Stored]) -> NextOffset {
    NextOffset(records.last().expect("records").offset + 3)
}

/// All in one batch, live.
fn plainly(records: &[Stored]) -> (Content, usize) {
    let place = Place::new();
    let letterbox = Arc::new(Letterbox::default());
    let mut projector = place.projector(&letterbox);
    fold(&mut projector, records);
    projector.pass(end_of(records));
    assert!(projector.commit().expect("committed"));
    assert!(!projector.commit().expect("committed"), "nothing is left to write");
    let content = content(projector.store());
    assert!(content.progress.counters.applied > 0 && content.count > 20, "the stream does something");
    assert_eq!(content.progress.counters.skus, content.rows.len() as u64, "each SKU is counted once");
    assert_eq!(content.progress.next, end_of(records));
    assert_eq!(content.progress.dead_letter_mark, end_of(records));
    (content, letterbox.letters().len())
}

/// Batches of any size, live and bulk in turn, killed now and then before a write, refused now and then by
/// the dead letters' topic.
fn erratically(random: &mut fastrand::Rng, records: &[Stored], modes: &[Mode]) -> (Content, usize) {
    let place = Place::new();
    let letterbox = Arc::new(Letterbox::default());
    let open = |random: &mut fastrand::Rng| {
        // All rows at hand; packed after each write; packed and let go of.
        let memory = *random.choice(&[MEMORY, 16 * 1024, 2 * 1024]).expect("a size");
        let mut projector = Projector::new(place.store(), settings(), letters_to(&letterbox), memory);
        projector.set_mode(*random.choice(modes).expect("a mode")).expect("a mode");
        projector
    };
    let mut projector = open(random);
    loop {
        let next = projector.next();
        let from = records.partition_point(|record| next.is_past(crate::types::Offset(record.offset)));
        let size = if random.u8(0..4) == 0 { random.usize(1..200) } else { random.usize(1..12) };
        // A reader may deliver again what was delivered before.
        let again = from.saturating_sub(random.usize(0..3));
        let to = (from + size).min(records.len());
        let batch = &records[again..to];
        projector.fold(batch.iter().map(|record| record.record(PARTITION))).expect("folded");
        if random.u8(0..12) == 0 {
            // Killed: what was not committed is gone.
            drop(projector);
            projector = open(random);
            continue;
        }
        if projector.is_full() || projector.mode() == Mode::Live || random.u8(0..5) == 0 {
            if random.u8(0..8) == 0 {
                *letterbox.failing.lock().expect("failing") = 1;
            }
            while let Err(error) = projector.commit() {
                assert!(error.is_retriable(), "{error}");
            }
        }
        if random.u8(0..6) == 0 {
            projector.set_mode(*random.choice(modes).expect("a mode")).ok();
        }
        if to == records.len() {
            projector.pass(end_of(records));
            while projector.commit().is_err() {}
            break;
        }
    }
    projector.close().expect("closed");
    (content(&place.store()), letterbox.letters().len())
}

#[test]
fn any_split_in_any_mode_with_any_interruption_gives_the_same_bytes() {
    let mut random = fastrand::Rng::with_seed(seed());
    for _ in 0..3 {
        let records = stream(&mut random, 1200);
        let (expected, letters) = plainly(&records);
        for modes in [&[Mode::Live][..], &[Mode::Bulk], &[Mode::Live, Mode::Bulk]] {
            let (found, sent) = erratically(&mut random, &records, modes);
            assert_eq!(found, expected, "{modes:?}");
            assert!(sent >= letters, "{modes:?}: {sent} letters, at least {letters} are due");
        }
    }
}

#[test]
fn a_scratch_rebuild_counts_and_sends_nothing() {
    let mut random = fastrand::Rng::with_seed(7);
    let records = stream(&mut random, 800);
    let (expected, letters) = plainly(&records);
    assert!(letters > 0);
    let place = Place::new();
    let mut projector = Projector::new(place.store(), settings(), DeadLetters::CountOnly, MEMORY);
    projector.set_mode(Mode::Bulk).expect("bulk");
    fold(&mut projector, &records);
    projector.pass(end_of(&records));
    projector.commit().expect("committed");
    let found = content(projector.store());
    assert_eq!(found.digest, expected.digest);
    assert_eq!(found.progress.counters, expected.progress.counters);
    assert_eq!(found.progress.dead_letter_mark, NextOffset::ZERO, "its letters are another's to send");
}

#[test]
fn live_keeps_history_and_bulk_begins_it_anew() {
    let mut random = fastrand::Rng::with_seed(11);
    let records = stream(&mut random, 400);
    let place = Place::new();
    let mut projector = place.projector(&Arc::default());
    fold(&mut projector, &records[..200]);
    projector.commit().expect("committed");
    assert_eq!(projector.store().meta().history_begins, NextOffset::ZERO);
    let (sku, stock) = projector.store().reader().scan(None, 1).expect("rows").remove(0);
    let history = projector.store().reader().history(&sku, None, usize::MAX).expect("history");
    assert_eq!(history.len() as u64, stock.version.0, "an item per applied event");
    assert_eq!(history[0].numbers, stock.numbers());
    assert!(history.windows(2).all(|pair| pair[0].offset > pair[1].offset), "newest first");

    projector.set_mode(Mode::Bulk).expect("bulk");
    fold(&mut projector, &records[200..]);
    projector.set_mode(Mode::Live).expect("live");
    assert_eq!(projector.store().meta().history_begins, projector.next());
}

//! Random changes against a sorted map: rows, digest, count, dirty marks, position; live, bulk and reopened.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::fixtures::*;
use crate::codec::rows::{RowKey, decode_entry, decode_stock, encode_entry, encode_stock, parse_key};
use crate::domain::rows::Facet;
use crate::store::{Changes, Digest, Recount, RowHash, StoreWriter};

/// Keys and values as they must stand.
type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Debug, Clone)]
enum Edit {
    Stock { sku: usize, units: u64 },
    Put { sku: usize, facet: usize, id: usize, units: u64 },
    Delete { sku: usize, facet: usize, id: usize },
}

/// SKUs of which one is the beginning of another, and ids with every awkward byte.
const SKUS: [&str; 5] = ["A", "A!", "AB", "Ä ö", "\u{10ffff}"];
const IDS: [&str; 5] = ["", "1", "1\u{0}", "\u{1}", "ÿ"];

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit =
        prop_oneof![
            (0..SKUS.len(), 1..5_u64).prop_map(|(sku, units)| Edit::Stock { sku, units }),
            (0..SKUS.len(), 0..6_usize, 0..IDS.len(), 1..5_u64)
                .prop_map(|(sku, facet, id, units)| Edit::Put { sku, facet, id, units }),
            (0..SKUS.len(), 0..6_usize, 0..IDS.len()).prop_map(|(sku, facet, id)| Edit::Delete {
                sku,
                facet,
                id
            }),
        ];
    prop::collection::vec(edit, 0..25)
}

/// Stages the net effect of the edits, as a projector would: rows loaded, changed, each put once.
fn stage(writer: &StoreWriter, model: &mut Rows, changes: &mut Changes, edits: &[Edit]) {
    let mut net: BTreeMap<Vec<u8>, Option<u64>> = BTreeMap::new();
    for edit in edits {
        let (key, units) = match *edit {
            Edit::Stock { sku, units } => (RowKey::Stock { sku: SKUS[sku] }, Some(units)),
            Edit::Put { sku, facet, id, units } => {
                (RowKey::Entry { sku: SKUS[sku], facet: Facet::ALL[facet], id: IDS[id] }, Some(units))
            }
            Edit::Delete { sku, facet, id } => {
                (RowKey::Entry { sku: SKUS[sku], facet: Facet::ALL[facet], id: IDS[id] }, None)
            }
        };
        let mut bytes = Vec::new();
        key.write(&mut bytes);
        net.insert(bytes, units);
    }
    // Backwards, so that the store has to sort.
    for (bytes, units) in net.into_iter().rev() {
        match (parse_key(&bytes).expect("a key"), units) {
            (RowKey::Stock { sku }, Some(units)) => {
                let before = writer.load_stock(sku).expect("loads").map(|loaded| loaded.hash);
                let row = stock(units, units);
                changes.put_stock(sku, &row, before);
                let mut value = Vec::new();
                encode_stock(&row, &mut value);
                model.insert(bytes, value);
            }
            (RowKey::Entry { sku, facet, id }, Some(units)) => {
                let before = writer.load_entry(sku, facet, id).expect("loads").map(|loaded| loaded.hash);
                let row = entry(facet, units);
                changes.put_entry(sku, id, &row, before);
                let mut value = Vec::new();
                encode_entry(&row, &mut value);
                model.insert(bytes, value);
            }
            (RowKey::Entry { sku, facet, id }, None) => {
                let before = writer.load_entry(sku, facet, id).expect("loads").map(|loaded| loaded.hash);
                changes.delete_entry(sku, facet, id, before);
                model.remove(&bytes);
            }
            (RowKey::Stock { .. }, None) => unreachable!("a SKU's own row is never deleted"),
        }
    }
}

fn digest_of(rows: &Rows) -> Digest {
    rows.iter().fold(Digest::EMPTY, |sum, (key, value)| sum.replace(None, Some(RowHash::of(key, value))))
}

fn stored(writer: &StoreWriter) -> Rows {
    let mut rows = Rows::new();
    writer
        .database
        .each_row(|key, value| {
            rows.insert(key.to_vec(), value.to_vec());
            Ok(())
        })
        .expect("reads");
    rows
}

/// The dirty marks as they must be: of each row that ever changed, the hash it had at the beginning.
fn check_marks(writer: &StoreWriter, at_checkpoint: &Rows, touched: &BTreeMap<Vec<u8>, ()>) {
    let marks: BTreeMap<Vec<u8>, Vec<u8>> = marks(writer)
        .into_iter()
        .map(|mark| (mark.key, mark.before.map_or(Vec::new(), |hash| hash.0.to_le_bytes().to_vec())))
        .collect();
    let expected: BTreeMap<Vec<u8>, Vec<u8>> = touched
        .keys()
        .map(|key| {
            let before = at_checkpoint
                .get(key)
                .map_or(Vec::new(), |value| RowHash::of(key, value).0.to_le_bytes().to_vec());
            (key.clone(), before)
        })
        .collect();
    assert_eq!(marks, expected);
}

fn check(writer: &StoreWriter, model: &Rows, next: u64) {
    assert_eq!(&stored(writer), model);
    let recount = writer.recount().expect("recounts");
    assert_eq!(recount, Recount { rows: model.len() as u64, digest: digest_of(model) });
    assert_eq!((writer.meta().rows, Digest(writer.meta().digest)), (recount.rows, recount.digest));
    assert_eq!(writer.meta().progress.next.0, next);
    assert_eq!(&writer.reader().meta().expect("meta"), writer.meta());
    for (key, value) in model {
        match parse_key(key).expect("a key") {
            RowKey::Stock { .. } => drop(decode_stock(value).expect("a row")),
            RowKey::Entry { facet, .. } => drop(decode_entry(facet, value).expect("an entry")),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Invariant: one atomic write carries changed rows, digest, dirty marks and the position.
    #[test]
    fn commits_keep_what_a_sorted_map_keeps(
        batches in prop::collection::vec((edits(), any::<bool>(), any::<bool>()), 1..8),
    ) {
        let directory = tempfile::tempdir().expect("a directory");
        let stores = stores(&directory, 1);
        let mut writer = fresh(&stores);
        let (mut model, mut touched) = (Rows::new(), BTreeMap::new());
        for (number, (edits, flush, again)) in batches.iter().enumerate() {
            let next = number as u64 + 1;
            let mut changes = Changes::new(moved(writer.progress(), next, 1000));
            let before = model.clone();
            stage(&writer, &mut model, &mut changes, edits);
            for key in model.keys().chain(before.keys()) {
                if model.get(key) != before.get(key) {
                    touched.insert(key.clone(), ());
                }
            }
            writer.commit(&changes).expect("commits");
            if *flush {
                writer.flush().expect("flushes");
            }
            if *again {
                writer = reopen(&stores, writer);
            }
            check(&writer, &model, next);
            check_marks(&writer, &Rows::new(), &touched);
        }
    }

    /// Invariant: bulk and live give byte-identical rows, digest and position.
    #[test]
    fn ingesting_gives_the_same_bytes_as_committing(
        batches in prop::collection::vec((edits(), any::<bool>()), 1..8),
    ) {
        let (live, bulk) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let (live, bulk) = (stores(&live, 1), stores(&bulk, 1));
        let (mut live, mut bulk_writer) = (fresh(&live), fresh(&bulk));
        let mut model = Rows::new();
        for (number, (edits, again)) in batches.iter().enumerate() {
            let next = number as u64 + 1;
            let mut changes = Changes::new(moved(live.progress(), next, 1000));
            stage(&live, &mut model.clone(), &mut changes, edits);
            live.commit(&changes).expect("commits");
            let mut changes = Changes::new(moved(bulk_writer.progress(), next, 1000));
            stage(&bulk_writer, &mut model, &mut changes, edits);
            bulk_writer.ingest(&changes).expect("ingests");
            if *again {
                bulk_writer = reopen(&bulk, bulk_writer);
            }
            check(&live, &model, next);
            check(&bulk_writer, &model, next);
            prop_assert_eq!(stored(&live), stored(&bulk_writer));
            prop_assert_eq!(live.meta().digest, bulk_writer.meta().digest);
            prop_assert_eq!(&live.meta().progress, &bulk_writer.meta().progress);
            prop_assert!(bulk_writer.meta().baseline);
        }
    }
}

#[test]
fn many_rows_load_as_each_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut writer = fresh(&stores(&directory, 1));
    let mut changes = Changes::new(moved(writer.progress(), 1, 0));
    for sku in SKUS {
        changes.put_stock(sku, &stock(1, 0), None);
        changes.put_entry(sku, "id", &entry(Facet::Hold, 3), None);
    }
    writer.commit(&changes).expect("commits");
    let keys: Vec<RowKey<'_>> = ["none", "AB", "A", "zz"]
        .into_iter()
        .flat_map(|sku| {
            [
                RowKey::Entry { sku, facet: Facet::Hold, id: "id" },
                RowKey::Stock { sku },
                RowKey::Stock { sku },
            ]
        })
        .collect();
    let mut sorted = keys.clone();
    sorted.sort();
    for keys in [keys, sorted] {
        let loaded = writer.load_many(&keys).expect("loads");
        for (key, loaded) in keys.iter().zip(loaded) {
            let alone = match *key {
                RowKey::Stock { sku } => writer.load_stock(sku).expect("loads").map(|l| l.hash),
                RowKey::Entry { sku, facet, id } => {
                    writer.load_entry(sku, facet, id).expect("loads").map(|l| l.hash)
                }
            };
            assert_eq!(loaded.map(|l| l.hash), alone, "{key:?}");
        }
    }
}

#[test]
fn a_write_that_cannot_be_right_is_refused_whole() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut writer = fresh(&stores(&directory, 1));
    let mut changes = Changes::new(moved(writer.progress(), 5, 0));
    changes.put_stock("A", &stock(1, 0), None);
    writer.commit(&changes).expect("commits");
    let before = writer.meta().clone();

    let mut twice = Changes::new(moved(writer.progress(), 6, 0));
    twice.put_stock("B", &stock(1, 0), None);
    twice.put_stock("B", &stock(2, 0), None);
    assert!(matches!(writer.commit(&twice), Err(crate::store::StoreError::RepeatedRow { .. })));
    assert!(matches!(writer.ingest(&twice), Err(crate::store::StoreError::RepeatedRow { .. })));

    let back = Changes::new(moved(writer.progress(), 4, 0));
    assert!(matches!(writer.commit(&back), Err(crate::store::StoreError::Inconsistent { .. })));
    assert_eq!(writer.meta(), &before);
    assert_eq!(writer.recount().expect("recounts").rows, 1);
}

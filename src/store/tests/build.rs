//! Generations made from a stream of sorted rows.

use std::fs;

use super::fixtures::*;
use crate::codec::rows::meta::Meta;
use crate::codec::rows::{RowKey, encode_stock};
use crate::store::{Filling, Recount, RowHash, StoreError};
use crate::types::NextOffset;

fn put(filling: &mut Filling<'_>, name: &str, version: u64) -> Result<RowHash, StoreError> {
    let (mut key, mut value) = (Vec::new(), Vec::new());
    RowKey::Stock { sku: name }.write(&mut key);
    encode_stock(&stock(version, version), &mut value);
    filling.put(&key, &value)
}

fn meta() -> Meta {
    let mut meta = Meta::new(identity());
    meta.progress.next = NextOffset(9);
    meta.cycle = 6;
    meta
}

#[test]
fn holds_the_rows_and_marks_put_and_is_served_only_once_activated() {
    let directory = tempfile::tempdir().expect("a directory");
    let stores = stores(&directory, 24);
    let old = fresh(&stores);
    let mut hash = None;
    let writer = stores
        .build::<StoreError>(PARTITION, |filling| {
            hash = Some(put(filling, "A", 1)?);
            put(filling, "B", 2)?;
            filling.mark(5, b"A", hash)?;
            filling.mark(5, b"Gone", None)?;
            assert_eq!(filling.rows(), 2);
            Ok(meta())
        })
        .expect("built");
    assert!(writer.generation() > old.generation());
    assert_eq!(stores.live(PARTITION).expect("reads"), Some(old.generation()));
    assert_eq!(writer.load_stock("B").expect("reads").expect("a row").row, stock(2, 2));
    let recount = writer.recount().expect("recounts");
    let meta = writer.meta();
    assert_eq!((recount.rows, recount.digest.0), (meta.rows, meta.digest));
    assert_eq!(marks(&writer).len(), 2);
    assert_eq!(marks(&writer)[0].before, hash);
    let writer = {
        stores.activate(PARTITION, writer.generation()).expect("activated");
        reopen(&stores, writer)
    };
    assert_eq!(writer.meta().progress.next, NextOffset(9));
    assert_eq!(writer.recount().expect("recounts"), recount);
}

#[test]
fn an_empty_one_is_a_store_too() {
    let directory = tempfile::tempdir().expect("a directory");
    let stores = stores(&directory, 24);
    let writer = stores.build::<StoreError>(PARTITION, |_| Ok(meta())).expect("built");
    assert_eq!(writer.recount().expect("recounts"), Recount::default());
}

#[test]
fn nothing_is_left_of_one_that_failed_or_was_killed() {
    let directory = tempfile::tempdir().expect("a directory");
    let before = stores(&directory, 24);
    let failed = before.build::<StoreError>(PARTITION, |filling| {
        put(filling, "B", 1)?;
        put(filling, "A", 1)?;
        Ok(meta())
    });
    assert!(matches!(failed, Err(StoreError::RepeatedRow { .. })));
    let home = directory.path().join("partitions/007");
    assert_eq!(fs::read_dir(&home).expect("the home").count(), 0);

    // As a process killed while ingesting leaves it.
    for name in ["gen-0001.building", "gen-0001.files"] {
        fs::create_dir(home.join(name)).expect("made");
        fs::write(home.join(name).join("000001.sst"), b"half").expect("written");
    }
    drop(before);
    let after = stores(&directory, 24);
    assert_eq!(fs::read_dir(&home).expect("the home").count(), 0);
    assert_eq!(after.generations(PARTITION).expect("reads"), []);
}

//! Cut, flipped and missing bytes: an earlier whole state, or a typed error; never anything else.

use std::fs;
use std::path::{Path, PathBuf};

use super::fixtures::*;
use crate::codec::rows::meta::{Versions, encode_meta};
use crate::domain::rows::Facet;
use crate::store::database::META_KEY;
use crate::store::options::ROWS;
use crate::store::{Changes, Generation, PartitionStores, Recount, StoreError, StoreWriter};
use crate::types::Partition;

const STEPS: u64 = 20;

/// `STEPS` commits, each changing rows of two SKUs, in the write-ahead log alone.
fn written(stores: &PartitionStores) -> Vec<Recount> {
    let mut writer = fresh(stores);
    let mut states = vec![writer.recount().expect("recounts")];
    for step in 1..=STEPS {
        let mut changes = Changes::new(moved(writer.progress(), step, 0));
        for sku in ["A", "B"] {
            let before = writer.load_stock(sku).expect("loads").map(|loaded| loaded.hash);
            changes.put_stock(sku, &stock(step, step), before);
        }
        changes.put_entry("A", &step.to_string(), &entry(Facet::Hold, step), None);
        changes.add_history("A", &item(step, 0, step));
        writer.commit(&changes).expect("commits");
        states.push(writer.recount().expect("recounts"));
    }
    states
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("lists") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copies");
        }
    }
}

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(directory.join("partitions/007/gen-0001"))
        .expect("lists")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    found.sort();
    found
}

fn open(directory: &Path) -> Result<StoreWriter, StoreError> {
    let config = crate::config::store::StoreConfig { history_hours: 1, ..Default::default() };
    let stores = PartitionStores::open(directory, &config, &MEMORY)?;
    Ok(stores.open_live(PARTITION)?.expect("is served"))
}

/// Opened, it must be exactly one of the states that were committed, at that state's position.
fn is_a_whole_state(writer: &StoreWriter, states: &[Recount]) -> u64 {
    let recount = writer.recount().expect("recounts");
    let next = writer.meta().progress.next.0;
    assert_eq!(Some(&recount), states.get(next as usize), "rows are those of position {next}");
    assert_eq!((recount.rows, recount.digest.0), (writer.meta().rows, writer.meta().digest));
    let history = writer.reader().history(&sku("A"), None, 100).expect("reads");
    assert_eq!(history.len() as u64, next, "history goes with its rows");
    assert_eq!(marks(writer).len() as u64, recount.rows);
    next
}

/// A power cut takes the end of the write-ahead log: what is left is an earlier whole state.
#[test]
fn a_torn_end_of_the_log_leaves_an_earlier_whole_state() {
    let directory = tempfile::tempdir().expect("a directory");
    let states = written(&stores(&directory, 1));
    let logs = files(directory.path(), "log");
    let log = logs.last().expect("a write-ahead log");
    let length = fs::metadata(log).expect("a length").len();
    let name = log.strip_prefix(directory.path()).expect("inside");
    let mut seen = std::collections::BTreeSet::new();
    for cut in (0..=length).step_by((length / 60).max(1) as usize).chain([length - 1, length]) {
        let torn = tempfile::tempdir().expect("a directory");
        copy(directory.path(), torn.path());
        fs::File::options()
            .write(true)
            .open(torn.path().join(name))
            .expect("opens")
            .set_len(cut)
            .expect("cuts");
        let writer = open(torn.path()).unwrap_or_else(|error| panic!("cut at {cut} of {length}: {error}"));
        seen.insert(is_a_whole_state(&writer, &states));
    }
    assert!(seen.len() > 10 && seen.contains(&STEPS), "{seen:?}");
}

#[test]
fn a_flipped_byte_in_the_log_never_shows_as_a_state_of_its_own() {
    let directory = tempfile::tempdir().expect("a directory");
    let states = written(&stores(&directory, 1));
    let logs = files(directory.path(), "log");
    let log = logs.last().expect("a write-ahead log");
    let name = log.strip_prefix(directory.path()).expect("inside");
    let bytes = fs::read(log).expect("reads");
    for at in (0..bytes.len()).step_by((bytes.len() / 40).max(1)) {
        let flipped = tempfile::tempdir().expect("a directory");
        copy(directory.path(), flipped.path());
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x10;
        fs::write(flipped.path().join(name), bytes).expect("writes");
        match open(flipped.path()) {
            Ok(writer) => drop(is_a_whole_state(&writer, &states)),
            Err(StoreError::Damaged { .. }) => {}
            Err(other) => panic!("flipped at {at}: {other}"),
        }
    }
}

#[test]
fn damaged_files_are_named_with_what_to_do() {
    let directory = tempfile::tempdir().expect("a directory");
    let states = written(&stores(&directory, 1));
    let writer = open(directory.path()).expect("opens");
    writer.flush().expect("flushes");
    drop(writer);

    let tables = files(directory.path(), "sst");
    assert!(!tables.is_empty());
    for table in &tables {
        let name = table.strip_prefix(directory.path()).expect("inside");
        let bytes = fs::read(table).expect("reads");
        for at in (0..bytes.len()).step_by((bytes.len() / 15).max(1)) {
            let broken = tempfile::tempdir().expect("a directory");
            copy(directory.path(), broken.path());
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x01;
            fs::write(broken.path().join(name), bytes).expect("writes");
            // Either the byte does not matter to what is read, or it is found out.
            let outcome = open(broken.path()).and_then(|writer| {
                let recount = writer.recount()?;
                assert_eq!(Some(&recount), states.last(), "flipped at {at} of {}", name.display());
                writer.reader().history(&sku("A"), None, 100)?;
                writer.reader().freeze(|frozen| frozen.marks(1)?.collect::<Result<Vec<_>, _>>())
            });
            match outcome {
                Ok(_) => {}
                Err(error @ StoreError::Damaged { .. }) => {
                    let text = error.to_string();
                    assert!(text.contains("gen-0001") && text.contains("set the directory aside"), "{text}");
                }
                Err(other) => panic!("flipped at {at} of {}: {other}", name.display()),
            }
        }
    }
    for gone in ["CURRENT", tables[0].file_name().and_then(|n| n.to_str()).expect("a name")] {
        let broken = tempfile::tempdir().expect("a directory");
        copy(directory.path(), broken.path());
        fs::remove_file(broken.path().join("partitions/007/gen-0001").join(gone)).expect("removes");
        let outcome = open(broken.path()).and_then(|writer| writer.recount());
        assert!(matches!(outcome, Err(StoreError::Damaged { .. })), "{gone} gone: {outcome:?}");
    }
}

#[test]
fn what_a_newer_program_wrote_is_refused_by_name() {
    let directory = tempfile::tempdir().expect("a directory");
    let stores = stores(&directory, 1);
    let current = Versions::CURRENT;
    for (versions, what) in [
        (Versions { format: current.format + 1, ..current }, "format"),
        (Versions { decoder: current.decoder + 1, ..current }, "decoder version"),
        (Versions { evolve: current.evolve + 1, ..current }, "evolve version"),
    ] {
        let mut identity = identity();
        identity.versions = versions;
        let generation = stores.create(identity).expect("a store").generation();
        match stores.open_generation(PARTITION, generation) {
            Err(StoreError::Newer { what: told, .. }) => assert_eq!(told, what),
            other => panic!("expected a refusal, got {other:?}"),
        }
    }
    let mut older = identity();
    older.versions = Versions { format: 0, decoder: 0, evolve: 0 };
    let generation = stores.create(older).expect("a store").generation();
    assert!(stores.open_generation(PARTITION, generation).is_ok(), "an older one is used");
}

#[test]
fn an_unreadable_value_is_named_never_defaulted() {
    let directory = tempfile::tempdir().expect("a directory");
    let stores = stores(&directory, 1);
    let mut writer = fresh(&stores);
    let mut changes = Changes::new(moved(writer.progress(), 1, 0));
    changes.put_stock("A", &stock(1, 0), None);
    writer.commit(&changes).expect("commits");
    let put = |writer: &StoreWriter, key: &[u8], value: &[u8]| {
        let family = writer.database.family(ROWS).expect("a family");
        writer.database.db.put_cf(family, key, value).expect("puts");
    };
    put(&writer, b"A", b"\x01nonsense");
    let unreadable = |error: Result<(), StoreError>, key: &str| match error {
        Err(StoreError::Unreadable { key: told, .. }) => assert_eq!(told, key),
        other => panic!("expected an unreadable row, got {other:?}"),
    };
    unreadable(writer.load_stock("A").map(drop), "A");
    unreadable(writer.reader().view(&sku("A"), 5).map(drop), "A");
    unreadable(writer.reader().scan(None, 5).map(drop), "A");

    put(&writer, META_KEY, b"\x01nonsense");
    drop(writer);
    unreadable(stores.open_live(PARTITION).map(drop), "\\x00meta");
}

#[test]
fn a_generation_of_another_partition_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let stores = stores(&directory, 1);
    let writer = fresh(&stores);
    let mut meta = writer.meta().clone();
    meta.identity.partition = Partition(8);
    let mut bytes = Vec::new();
    encode_meta(&meta, &mut bytes);
    writer.database.db.put_cf(writer.database.family(ROWS).expect("rows"), META_KEY, bytes).expect("puts");
    drop(writer);
    assert!(matches!(stores.open_live(PARTITION), Err(StoreError::OtherPartition { .. })));
}

#[test]
fn generations_are_made_served_and_removed() {
    let directory = tempfile::tempdir().expect("a directory");
    let stores = stores(&directory, 1);
    assert_eq!(stores.partitions().expect("lists"), []);
    assert!(stores.open_live(PARTITION).expect("looks").is_none());
    let first = stores.create(identity()).expect("a store");
    assert!(stores.open_live(PARTITION).expect("looks").is_none(), "made is not served");
    stores.activate(PARTITION, first.generation()).expect("served");
    let second = stores.create(identity()).expect("a store");
    assert_eq!(stores.generations(PARTITION).expect("lists"), [Generation(1), Generation(2)]);
    assert_eq!(stores.live(PARTITION).expect("looks"), Some(Generation(1)));
    assert!(matches!(stores.remove(PARTITION, Generation(1)), Err(StoreError::Inconsistent { .. })));
    drop(first);
    stores.activate(PARTITION, second.generation()).expect("served");
    stores.remove(PARTITION, Generation(1)).expect("removed");
    assert!(matches!(stores.activate(PARTITION, Generation(1)), Err(StoreError::Inconsistent { .. })));
    assert_eq!(stores.partitions().expect("lists"), [PARTITION]);
    fs::write(directory.path().join("partitions/007/LIVE"), "nonsense").expect("writes");
    assert!(matches!(stores.live(PARTITION), Err(StoreError::Damaged { .. })));
}

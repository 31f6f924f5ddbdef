//! Cycles: which rows the next snapshot must carry, and with which hash.

use super::fixtures::*;
use crate::codec::rows::meta::{CheckpointMark, CycleUnderWay};
use crate::store::{Before, Changes, RowHash, StoreWriter};
use crate::types::NextOffset;

/// Writes version `version` of the SKU, and gives its row's hash.
fn write(writer: &mut StoreWriter, name: &str, version: u64) -> RowHash {
    let next = writer.progress().next.0 + 1;
    let before = writer.load_stock(name).expect("reads").map(|loaded| loaded.hash);
    let mut changes = Changes::new(moved(writer.progress(), next, 0));
    let hash = changes.put_stock(name, &stock(version, next - 1), before);
    writer.commit(&changes).expect("commits");
    hash
}

#[test]
fn what_is_known_to_be_marked_is_marked_again_only_under_another_cycle() {
    let directory = tempfile::tempdir().expect("a directory");
    let stores = stores(&directory, 24);
    let mut writer = fresh(&stores);
    let first = write(&mut writer, "A", 1);
    let cycle = writer.meta().cycle;
    let known = |writer: &mut StoreWriter, before: RowHash, version: u64| {
        let next = writer.progress().next.0 + 1;
        let mut changes = Changes::new(moved(writer.progress(), next, 0));
        let before = Before { hash: Some(before), marked: Some(cycle) };
        let hash = changes.put_stock("A", &stock(version, next - 1), before);
        writer.commit(&changes).expect("commits");
        hash
    };
    let second = known(&mut writer, first, 2);
    assert_eq!(marked(&writer), [("A".into(), None)]);

    let begun = writer.begin_cycle(0).expect("begins");
    assert_eq!(begun.cycle, cycle);
    writer.finish_cycle(cycle).expect("finishes");
    known(&mut writer, second, 3);
    assert_eq!(marked(&writer), [("A".into(), Some(second))]);
}

fn marked(writer: &StoreWriter) -> Vec<(String, Option<RowHash>)> {
    marks(writer).into_iter().map(|m| (String::from_utf8(m.key).expect("a SKU"), m.before)).collect()
}

#[test]
fn a_finished_cycle_takes_its_marks_and_leaves_what_changed_meanwhile() {
    let directory = tempfile::tempdir().expect("a directory");
    let stores = stores(&directory, 24);
    let mut writer = fresh(&stores);
    write(&mut writer, "A", 1);
    let b = write(&mut writer, "B", 1);

    let begun = writer.begin_cycle(0).expect("begins");
    assert_eq!(begun, CycleUnderWay { cycle: 1, next: NextOffset(2), baseline: true });
    writer.reader().freeze(|frozen| {
        write(&mut writer, "B", 2);
        write(&mut writer, "C", 1);
        let seen: Vec<_> = frozen.marks(1).expect("marks").map(|m| m.expect("reads").key).collect();
        assert_eq!(seen, [b"A", b"B"]);
        assert_eq!(frozen.meta().expect("meta").progress.next, NextOffset(2));
        let value = frozen.get(b"B").expect("reads").expect("a row");
        assert_eq!(RowHash::of(b"B", &value), b, "as it was when frozen");
    });
    writer.finish_cycle(7).expect("another's end is nothing");
    assert!(writer.meta().under_way.is_some());
    writer.finish_cycle(1).expect("finishes");
    let mut writer = reopen(&stores, writer);
    assert_eq!(marked(&writer), [("B".into(), Some(b)), ("C".into(), None)]);
    assert_eq!(writer.meta().last_checkpoint, Some(CheckpointMark { cycle: 1, next: NextOffset(2) }));
    assert!(!writer.meta().baseline && writer.meta().under_way.is_none());
    assert_eq!(writer.begin_cycle(40).expect("begins").cycle, 41, "above every cycle of the topic");
}

#[test]
fn a_cycle_cut_off_leaves_its_marks_and_the_older_hash_counts() {
    let directory = tempfile::tempdir().expect("a directory");
    let stores = stores(&directory, 24);
    let mut writer = fresh(&stores);
    let first = write(&mut writer, "A", 1);
    writer.begin_cycle(0).expect("begins");
    writer.finish_cycle(1).expect("finishes");

    write(&mut writer, "A", 2);
    write(&mut writer, "B", 1);
    writer.begin_cycle(0).expect("begins");
    // Killed here: the note stays, and is found.
    let mut writer = reopen(&stores, writer);
    assert_eq!(writer.meta().under_way.expect("noted").cycle, 2);
    write(&mut writer, "A", 3);
    write(&mut writer, "C", 1);
    writer.cut_cycle().expect("cut");
    assert_eq!(writer.begin_cycle(0).expect("begins").cycle, 3);
    assert_eq!(marked(&writer), [("A".into(), Some(first)), ("B".into(), None), ("C".into(), None)]);
    writer.finish_cycle(3).expect("finishes");
    assert_eq!(marked(&writer), []);
}

#[test]
fn a_baseline_is_required_until_one_is_finished() {
    let directory = tempfile::tempdir().expect("a directory");
    let stores = stores(&directory, 24);
    let mut writer = fresh(&stores);
    writer.begin_cycle(0).expect("begins");
    writer.finish_cycle(1).expect("finishes");
    assert!(!writer.meta().baseline);
    writer.require_baseline().expect("noted");
    let mut writer = reopen(&stores, writer);
    assert!(writer.begin_cycle(0).expect("begins").baseline);
    writer.cut_cycle().expect("cut");
    assert!(writer.meta().baseline);
}

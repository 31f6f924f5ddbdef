use inventory_store::log::Consumed;
use inventory_store::types::{NextOffset, Partition, Topic};

use super::Harness;
use super::observe::{Owner, append, read, record, texts};

const GROUP: &str = "lanes";

fn consumed(partition: u16, next: u64, metadata: &str) -> Consumed {
    Consumed { partition: Partition(partition), next: NextOffset(next), metadata: metadata.to_owned() }
}

pub fn are_read_whole_with_their_positions(harness: &mut dyn Harness) {
    let log = harness.log();
    let owner = Owner::of_all(&*log, GROUP, harness.partitions());
    assert_eq!(log.committed(GROUP, &[Partition(0)]).expect("committed"), [None]);
    let mut transactor = log.transactor("t").expect("a transactor");
    transactor.stage(&[record(Topic::Events, 0, "e0"), record(Topic::Events, 1, "e1")]).expect("stages");
    transactor.stage(&[record(Topic::Results, 0, "r0"), record(Topic::Events, 0, "e2")]).expect("stages");
    let positions = transactor
        .commit(&[consumed(0, 17, "seventeen"), consumed(2, 3, "")], &owner.generation())
        .expect("commits");
    let order: Vec<u16> = positions.iter().map(|p| p.partition.0).collect();
    assert_eq!(order, [0, 1, 0, 0], "in the order staged");
    let events = read(&*log, Topic::Events, 0);
    assert_eq!(texts(&events), ["e0", "e2"]);
    assert_eq!((events[0].position, events[1].position), (positions[0], positions[3]));
    assert_eq!(texts(&read(&*log, Topic::Events, 1)), ["e1"]);
    let results = read(&*log, Topic::Results, 0);
    assert_eq!((texts(&results), results[0].position), (vec!["r0".to_owned()], positions[2]));
    let committed = log.committed(GROUP, &[Partition(2), Partition(1), Partition(0)]).expect("committed");
    assert_eq!(committed, [Some(consumed(2, 3, "")), None, Some(consumed(0, 17, "seventeen"))]);
}

pub fn are_not_seen_before_their_commit(harness: &mut dyn Harness) {
    let log = harness.log();
    let owner = Owner::of_all(&*log, GROUP, harness.partitions());
    let mut transactor = log.transactor("t").expect("a transactor");
    transactor.stage(&[record(Topic::Events, 0, "staged")]).expect("stages");
    append(&*log, vec![record(Topic::Events, 1, "elsewhere")]);
    assert!(read(&*log, Topic::Events, 0).is_empty());
    let bounds = log.bounds(Topic::Events, Partition(0)).expect("bounds");
    assert_eq!(bounds.last_stable, NextOffset(0));
    transactor.commit(&[consumed(0, 1, "")], &owner.generation()).expect("commits");
    assert_eq!(texts(&read(&*log, Topic::Events, 0)), ["staged"]);
}

pub fn leave_gaps(harness: &mut dyn Harness) {
    let log = harness.log();
    let owner = Owner::of_all(&*log, GROUP, harness.partitions());
    let mut transactor = log.transactor("t").expect("a transactor");
    for i in 0..3_u64 {
        transactor.stage(&[record(Topic::Events, 0, &i.to_string())]).expect("stages");
        transactor.commit(&[consumed(0, i, "")], &owner.generation()).expect("commits");
    }
    let seen = read(&*log, Topic::Events, 0);
    let offsets: Vec<u64> = seen.iter().map(|s| s.position.offset.0).collect();
    assert_eq!(offsets, [0, 2, 4], "a control record ends each transaction");
    let bounds = log.bounds(Topic::Events, Partition(0)).expect("bounds");
    assert_eq!((bounds.last_stable.0, bounds.high_watermark.0), (6, 6));
}

pub fn aborted_ones_are_never_read(harness: &mut dyn Harness) {
    let log = harness.log();
    let owner = Owner::of_all(&*log, GROUP, harness.partitions());
    let mut transactor = log.transactor("t").expect("a transactor");
    for i in 0..6_u64 {
        transactor
            .stage(&[record(Topic::Events, 0, &i.to_string()), record(Topic::Events, 1, "x")])
            .expect("stages");
        if i % 2 == 0 {
            transactor.abort().expect("aborts");
        } else {
            transactor.commit(&[consumed(0, i, "")], &owner.generation()).expect("commits");
        }
    }
    transactor.abort().expect("nothing open is nothing to do");
    assert_eq!(texts(&read(&*log, Topic::Events, 0)), ["1", "3", "5"]);
    assert_eq!(read(&*log, Topic::Events, 1).len(), 3);
    assert_eq!(log.committed(GROUP, &[Partition(0)]).expect("committed"), [Some(consumed(0, 5, ""))]);
}

pub fn with_positions_only(harness: &mut dyn Harness) {
    let log = harness.log();
    let owner = Owner::of_all(&*log, GROUP, harness.partitions());
    let mut transactor = log.transactor("t").expect("a transactor");
    for next in [5, 9, 2] {
        assert_eq!(transactor.commit(&[consumed(1, next, "m")], &owner.generation()).expect("commits"), []);
        assert_eq!(log.committed(GROUP, &[Partition(1)]).expect("committed"), [Some(consumed(1, next, "m"))]);
    }
    assert_eq!(log.committed("another group", &[Partition(1)]).expect("committed"), [None]);
}

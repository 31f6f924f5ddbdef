//! What must be found, and named.

use std::collections::BTreeMap;

use super::*;
use crate::codec::rows::parse_key;
use crate::codec::snapshot::{
    CHECKPOINT_KEY, MARK_HEADER, RecordMark, decode_row, encode_mark, encode_row, encode_row_v1,
};
use crate::log::Transactor;
use crate::types::Header;

/// A log with a checkpoint, and whose it is.
fn checkpointed() -> (Stage, Projector) {
    let mut stage = Stage::new(5);
    let stores = stage.stores();
    let mut owner = projector(stores.create(stage.identity()).expect("a store"));
    stage.happen(200);
    stage.fold(&mut owner, usize::MAX);
    assert!(stage.publish(&mut owner, usize::MAX, |_, _| {}));
    (stage, owner)
}

/// A log with a checkpoint and a tail.
fn published() -> Stage {
    let (mut stage, _) = checkpointed();
    stage.happen(20);
    stage
}

fn refusal(stage: &mut Stage) -> BaseError {
    let stores = stage.stores();
    let refused = stage.restore(&stores).err().expect("refused");
    assert_eq!(stores.generations(P).expect("reads"), [], "nothing is left of it");
    refused
}

/// The records of the snapshot partition.
fn snapshot_records(stage: &Stage) -> Vec<NewRecord> {
    let end = stage.log.bounds(Topic::Snapshots, P).expect("bounds").high_watermark;
    let from = [Assignment { topic: Topic::Snapshots, partition: P, next: NextOffset::ZERO }];
    let mut reader = stage.log.reader(Purpose::Bulk, &from).expect("a reader");
    let mut records = Vec::new();
    let mut reached = NextOffset::ZERO;
    while reached < end {
        let batch = reader.poll(1000, Duration::from_millis(10)).expect("polls");
        for index in 0..batch.records.len() {
            let record = batch.records.get(index);
            let mut headers = Vec::new();
            record.headers.visit(&mut |name, value| {
                headers.push(Header { name: name.into(), value: value.map(<[u8]>::to_vec) });
            });
            reached = record.offset.next();
            records.push(NewRecord {
                topic: Topic::Snapshots,
                partition: P,
                timestamp: None,
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                headers,
            });
        }
        for end in &batch.ends {
            reached = reached.max(end.next);
        }
    }
    records
}

fn a_row(stage: &Stage) -> NewRecord {
    let row = |record: &NewRecord| record.key.as_deref().is_some_and(|key| parse_key(key).is_ok());
    snapshot_records(stage).into_iter().find(row).expect("a row")
}

/// A row's record as version 1 wrote it.
fn with_mark_in_header(row: &NewRecord) -> NewRecord {
    let (key, value) = (row.key.as_deref().expect("a key"), row.value.as_deref().expect("a value"));
    let (mark, value) = decode_row(key, value).expect("a row");
    let mark = mark.expect("a mark in the value");
    NewRecord {
        value: Some(encode_row_v1(key, value)),
        headers: vec![Header::new(MARK_HEADER, encode_mark(key, &mark))],
        ..row.clone()
    }
}

/// However many of a topic's rows an earlier version wrote, and whether a cycle behind the checkpoint was cut off.
#[test]
fn rows_with_their_marks_in_headers_are_restored_like_any() {
    let (mut stage, mut owner) = checkpointed();
    stage.happen(100);
    stage.fold(&mut owner, usize::MAX);
    assert!(!stage.publish(&mut owner, 1, |_, _| {}), "cut off");
    let stores = stage.stores();
    let wanted = content(&stage.restore(&stores).expect("restored").store);

    let last: BTreeMap<_, _> =
        snapshot_records(&stage).into_iter().map(|record| (record.key.clone(), record)).collect();
    let rows: Vec<_> = last.into_values().filter(|record| record.headers.is_empty()).collect();
    assert!(rows.len() > 20);
    for every in [1, 2] {
        let written = |(number, row): (usize, &NewRecord)| match number % every {
            0 => with_mark_in_header(row),
            _ => row.clone(),
        };
        stage.append(rows.iter().enumerate().map(written).collect());
        let stores = stage.stores();
        let restored = stage.restore(&stores).expect("restored");
        assert_eq!(content(&restored.store), wanted);
    }

    let mut row = with_mark_in_header(&rows[0]);
    row.headers.clear();
    stage.append(vec![row]);
    match refusal(&mut stage) {
        BaseError::Unreadable { reason, .. } => assert!(reason.contains("no mark"), "{reason}"),
        other => panic!("{other}"),
    }
}

#[test]
fn a_topic_without_a_checkpoint_is_no_base() {
    let mut stage = Stage::new(1);
    stage.happen(10);
    assert!(matches!(refusal(&mut stage), BaseError::NoCheckpoint { partition: P }));
}

#[test]
fn a_corrupt_row_record_is_named_with_its_offset() {
    let mut stage = published();
    let mut row = a_row(&stage);
    if let Some(last) = row.value.as_mut().and_then(|value| value.last_mut()) {
        *last ^= 1;
    }
    let at = stage.log.bounds(Topic::Snapshots, P).expect("bounds").high_watermark.0;
    stage.append(vec![row]);
    match refusal(&mut stage) {
        BaseError::Unreadable { offset, reason, .. } => {
            assert_eq!(offset.0, at);
            assert!(reason.contains("checksum"), "{reason}");
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_truncated_checkpoint_is_named_and_never_a_default() {
    let mut stage = published();
    let mut checkpoint = snapshot_records(&stage).pop().expect("the checkpoint");
    assert_eq!(checkpoint.key.as_deref(), Some(CHECKPOINT_KEY));
    checkpoint.value = checkpoint.value.map(|value| value[..value.len() / 2].to_vec());
    stage.append(vec![checkpoint]);
    let error = refusal(&mut stage);
    assert!(matches!(error, BaseError::Unreadable { .. }) && error.is_of_the_base(), "{error}");
}

#[test]
fn a_missing_row_and_a_foreign_one_are_found_by_count_and_digest() {
    let mut stage = published();
    let row = a_row(&stage);
    // A tombstone with an older cycle's mark, as a stale owner might have written it.
    stage.append(vec![NewRecord { value: None, ..with_mark_in_header(&row) }]);
    match refusal(&mut stage) {
        BaseError::Mismatch { rows, expected_rows, .. } => assert_eq!(rows + 1, expected_rows),
        other => panic!("{other}"),
    }

    let mut stage = published();
    let mut foreign = a_row(&stage);
    // Well sealed, and of a row that the checkpoint does not know.
    let key = b"Somewhere else".to_vec();
    let mark = RecordMark { cycle: 1, next: NextOffset(1), before: None };
    foreign.value = Some(encode_row(&key, &mark, b"value"));
    foreign.key = Some(key);
    stage.append(vec![foreign]);
    assert!(matches!(refusal(&mut stage), BaseError::Mismatch { .. }));
}

#[test]
fn records_of_another_program_are_passed_over() {
    let mut stage = published();
    let foreign = |key: Option<&[u8]>| NewRecord {
        topic: Topic::Snapshots,
        partition: P,
        timestamp: None,
        key: key.map(<[u8]>::to_vec),
        value: Some(b"hello".to_vec()),
        headers: Vec::new(),
    };
    stage.append(vec![foreign(Some(b"\0none")), foreign(Some(b"\0other")), foreign(Some(b"A\0\xff"))]);
    let stores = stage.stores();
    stage.restore(&stores).expect("restored");
}

#[test]
fn a_base_of_another_cluster_or_below_the_log_is_refused() {
    let mut stage = published();
    let stores = stage.stores();
    let wanted = Wanted { cluster_id: "another".into(), ..stage.wanted() };
    let refused = from_topic(stage.log.as_ref(), &stores, &wanted, &stage.reading(), &Work::default());
    assert!(matches!(refused.err(), Some(BaseError::Foreign { what: "cluster", .. })));

    // The log's start has moved past the snapshot.
    let end = stage.wanted().bounds.high_watermark;
    stage.log.truncate(Topic::Events, P, end).expect("truncated");
    assert!(matches!(refusal(&mut stage), BaseError::BelowLog { .. }));

    // The log was made anew: it ends before the snapshot.
    let mut wanted = stage.wanted();
    wanted.bounds.start = NextOffset::ZERO;
    wanted.bounds.high_watermark = NextOffset(10);
    let refused = from_topic(stage.log.as_ref(), &stores, &wanted, &stage.reading(), &Work::default());
    assert!(matches!(refused.err(), Some(BaseError::BeyondLog { .. })));
}

#[test]
fn an_interrupted_read_goes_on_where_it_was() {
    let mut stage = published();
    let reading = stage.reading();
    let work = Work::default();
    work.stop();
    let stores = stage.stores();
    let interrupted = from_topic(stage.log.as_ref(), &stores, &stage.wanted(), &reading, &work);
    assert!(matches!(interrupted.err(), Some(BaseError::Interrupted)));

    // As a process killed after its first runs leaves it.
    let latest = super::super::topic::read(stage.log.as_ref(), P, &reading, &Work::default()).expect("read");
    let whole = latest.records;
    drop(latest);
    let work = Work::default();
    let again = super::super::topic::read(stage.log.as_ref(), P, &reading, &work).expect("read again");
    assert_eq!(again.records, whole, "what was read before counts");
    drop(again);
    let restored = stage.restore(&stores).expect("restored");
    let mut owner = projector(restored.store);
    stage.fold(&mut owner, usize::MAX);
    assert_eq!(content(owner.store()), stage.replayed());
    assert!(!reading.scratch.join("snapshot-runs").exists(), "nothing is left beside the store");
}

/// A stale owner's transaction of snapshot chunks is refused whole (invariant 3).
#[test]
fn a_stale_owner_publishes_nothing() {
    let mut stage = published();
    let before = snapshot_records(&stage);
    let log = stage.shared();
    let mut first = log.join("group", "instance").expect("joins");
    let assigned = |member: &mut Box<dyn crate::log::Member>| {
        for _ in 0..200 {
            if let crate::log::MemberEvent::Assigned(_) =
                member.poll(Duration::from_millis(50)).expect("polls")
            {
                return;
            }
        }
        panic!("never assigned");
    };
    assigned(&mut first);
    let stale = first.generation().expect("a generation");
    let mut second = log.join("group", "instance").expect("joins");
    assigned(&mut second);

    let consumed = [crate::log::Consumed { partition: P, next: NextOffset::ZERO, metadata: String::new() }];
    let mut transactor: Box<dyn Transactor> = log.transactor("lane-0").expect("a transactor");
    transactor.stage(&[a_row(&stage)]).expect("staged");
    transactor.commit(&consumed, &stale).expect_err("fenced");
    assert_eq!(snapshot_records(&stage), before);
    transactor.stage(&[a_row(&stage)]).expect("staged");
    transactor
        .commit(&consumed, &second.generation().expect("a generation"))
        .expect("the owner's goes through");
    let stores = stage.stores();
    stage.restore(&stores).expect("and is sound");
}

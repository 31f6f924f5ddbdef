use inventory_store::log::Consumed;
use inventory_store::types::{NewRecord, NextOffset, Partition, Timestamp, Topic};

use super::Harness;
use super::observe::{Owner, append, record};

const T: i64 = 1_700_000_000_000;

fn at(time: i64) -> NewRecord {
    NewRecord { timestamp: Some(Timestamp(time)), ..record(Topic::Events, 0, "x") }
}

pub fn finds_the_first_record_of_a_time(harness: &mut dyn Harness) {
    let log = harness.log();
    let find = |time| log.offset_at(Topic::Events, Partition(0), Timestamp(time)).expect("an offset").0;
    assert_eq!(find(T), 0, "an empty partition: its end");
    // More than any block of a time index.
    append(&*log, (0..5000).map(|i| at(T + i / 2 * 10)).collect());
    for i in [0_i64, 1, 2, 3, 511, 1023, 1024, 1025, 2047, 2499] {
        let first = u64::try_from(i * 2).expect("not negative");
        assert_eq!(find(T + i * 10), first);
        assert_eq!(find(T + i * 10 - 1), first);
    }
    assert_eq!(find(0), 0);
    assert_eq!(find(T + 2500 * 10), 5000, "later than all: the end");

    harness.drop_below(Topic::Events, Partition(0), NextOffset(3000));
    assert_eq!(find(0), 3000);
    assert_eq!(find(T + 100), 3000);
    assert_eq!(find(T + 1600 * 10), 3200);
}

pub fn finds_by_time_although_times_are_out_of_order(harness: &mut dyn Harness) {
    let log = harness.log();
    // A stray late one near the start, and early ones behind it.
    let times: Vec<i64> = (0..3000).map(|i| if i == 7 { 50_000 } else { (i * 7919) % 3000 }).collect();
    append(&*log, times.iter().map(|t| at(T + t)).collect());
    for wanted in [0, 1, 50, 1500, 2990, 2999, 3000, 50_000, 50_001] {
        let first = times.iter().position(|t| *t >= wanted).unwrap_or(times.len());
        let found = log.offset_at(Topic::Events, Partition(0), Timestamp(T + wanted)).expect("an offset");
        assert_eq!(found.0, first as u64, "time {wanted}");
    }
}

/// Also while the log still writes down that its transaction is committed.
pub fn are_never_behind_a_record_just_committed(harness: &mut dyn Harness) {
    let log = harness.log();
    let owner = Owner::of_all(&*log, "times", harness.partitions());
    let mut transactor = log.transactor("times").expect("a transactor");
    for round in 0..100 {
        let time = Timestamp(1_700_000_000_000 + round);
        let records: Vec<_> = (0..harness.partitions())
            .map(|p| NewRecord { timestamp: Some(time), ..record(Topic::Events, p, "committed") })
            .collect();
        transactor.stage(&records).expect("stages");
        let consumed = Consumed { partition: Partition(0), next: NextOffset(1), metadata: String::new() };
        for position in transactor.commit(&[consumed], &owner.generation()).expect("commits") {
            let found = log.offset_at(Topic::Events, position.partition, time).expect("an offset");
            assert!(found.0 <= position.offset.0, "round {round}: {found} is behind {position}");
        }
    }
}

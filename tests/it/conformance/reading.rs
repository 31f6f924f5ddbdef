use std::time::{Duration, Instant};

use inventory_store::log::{LogError, Purpose};
use inventory_store::types::{NextOffset, Partition, Topic};

use super::Harness;
use super::observe::{PATIENCE, Seen, append, assignment, eventually, read_from, record, texts};

pub fn begins_where_it_is_told(harness: &mut dyn Harness) {
    let log = harness.log();
    append(&*log, (0..10).map(|i| record(Topic::Events, 1, &i.to_string())).collect());
    for from in 0..=10_u64 {
        let wanted: Vec<String> = (from..10).map(|i| i.to_string()).collect();
        assert_eq!(texts(&read_from(&*log, Topic::Events, 1, NextOffset(from))), wanted);
    }
}

pub fn reports_the_end_once_it_is_there(harness: &mut dyn Harness) {
    let log = harness.log();
    append(&*log, (0..5).map(|i| record(Topic::Events, 0, &i.to_string())).collect());
    let from = [assignment(Topic::Events, 0, 0), assignment(Topic::Events, 1, 0)];
    let mut reader = log.reader(Purpose::Live, &from).expect("a reader");
    let (mut ends, mut records) = (Vec::new(), 0);
    eventually("both ends reported", || {
        let batch = reader.poll(100, Duration::from_millis(50)).expect("a batch");
        records += batch.records.len();
        ends.extend(batch.ends);
        ends.len() >= 2
    });
    assert_eq!(records, 5, "the end comes after the records");
    assert!(ends.contains(&assignment(Topic::Events, 0, 5)), "{ends:?}");
    assert!(ends.contains(&assignment(Topic::Events, 1, 0)), "an empty partition has an end too: {ends:?}");
}

pub fn wakes_up_for_new_records(harness: &mut dyn Harness) {
    let log = harness.log();
    let mut reader = log.reader(Purpose::Live, &[assignment(Topic::Events, 0, 0)]).expect("a reader");
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let deadline = Instant::now() + PATIENCE;
            while Instant::now() < deadline {
                let batch = reader.poll(10, PATIENCE).expect("a batch");
                if !batch.records.is_empty() {
                    sender.send(Seen::of(batch.records.get(0)).text()).expect("heard");
                    return;
                }
            }
        });
        append(&*log, vec![record(Topic::Events, 0, "news")]);
        assert_eq!(receiver.recv_timeout(PATIENCE / 2).expect("woken up"), "news");
    });
}

pub fn respects_the_maximum(harness: &mut dyn Harness) {
    let log = harness.log();
    append(&*log, (0..100).map(|i| record(Topic::Events, i % 3, &i.to_string())).collect());
    let from: Vec<_> = (0..3).map(|p| assignment(Topic::Events, p, 0)).collect();
    let mut reader = log.reader(Purpose::Bulk, &from).expect("a reader");
    let mut seen: Vec<Seen> = Vec::new();
    eventually("all read", || {
        let batch = reader.poll(7, Duration::from_millis(50)).expect("a batch");
        assert!(batch.records.len() <= 7);
        seen.extend((0..batch.records.len()).map(|i| Seen::of(batch.records.get(i))));
        seen.len() >= 100
    });
    for partition in 0..3_u16 {
        let got: Vec<String> =
            seen.iter().filter(|s| s.position.partition == Partition(partition)).map(Seen::text).collect();
        let wanted: Vec<String> =
            (0..100).filter(|i| i % 3 == partition).map(|i: u16| i.to_string()).collect();
        assert_eq!(got, wanted);
    }
}

pub fn out_of_range_is_an_error_on_both_sides(harness: &mut dyn Harness) {
    let log = harness.log();
    append(&*log, (0..10).map(|i| record(Topic::Events, 0, &i.to_string())).collect());
    harness.drop_below(Topic::Events, Partition(0), NextOffset(4));
    for wanted in [3, 11, 1000] {
        let mut reader =
            log.reader(Purpose::Live, &[assignment(Topic::Events, 0, wanted)]).expect("a reader");
        let deadline = Instant::now() + PATIENCE;
        let error = loop {
            match reader.poll(10, Duration::from_millis(100)) {
                Ok(batch) => assert!(batch.records.is_empty(), "nothing is read from {wanted}"),
                Err(e) => break e,
            }
            assert!(Instant::now() < deadline, "no error for {wanted}");
        };
        match error {
            LogError::OutOfRange {
                topic: Topic::Events,
                partition: Partition(0),
                wanted: at,
                start,
                end,
            } => {
                assert_eq!((at.0, start.0, end.0), (wanted, 4, 10));
            }
            e => panic!("{wanted}: {e}"),
        }
    }
}

pub fn is_assigned_anew(harness: &mut dyn Harness) {
    let log = harness.log();
    append(&*log, (0..4).map(|i| record(Topic::Events, i % 2, &i.to_string())).collect());
    let mut reader = log.reader(Purpose::Live, &[assignment(Topic::Events, 0, 0)]).expect("a reader");
    let mut seen: Vec<Seen> = Vec::new();
    eventually("partition 0 read", || {
        let batch = reader.poll(10, Duration::from_millis(50)).expect("a batch");
        seen.extend((0..batch.records.len()).map(|i| Seen::of(batch.records.get(i))));
        seen.len() >= 2
    });
    reader.assign(&[assignment(Topic::Events, 0, 2), assignment(Topic::Events, 1, 1)]).expect("assigns");
    eventually("the rest of partition 1 read", || {
        let batch = reader.poll(10, Duration::from_millis(50)).expect("a batch");
        seen.extend((0..batch.records.len()).map(|i| Seen::of(batch.records.get(i))));
        seen.len() >= 3
    });
    assert_eq!(texts(&seen), ["0", "2", "3"]);
    reader.assign(&[]).expect("assigns");
    append(&*log, vec![record(Topic::Events, 0, "unseen")]);
    let batch = reader.poll(10, Duration::from_millis(50)).expect("a batch");
    assert!(batch.records.is_empty() && batch.ends.is_empty());
}

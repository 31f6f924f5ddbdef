use inventory_store::types::{NextOffset, Partition, Topic};

use super::Harness;
use super::observe::{append, eventually, read, record, texts};

pub fn dropped_records_move_the_start(harness: &mut dyn Harness) {
    let log = harness.log();
    append(&*log, (0..20).map(|i| record(Topic::Events, i % 2, &i.to_string())).collect());
    harness.drop_below(Topic::Events, Partition(0), NextOffset(6));
    eventually("the start has moved", || {
        log.bounds(Topic::Events, Partition(0)).expect("bounds").start == NextOffset(6)
    });
    let bounds = log.bounds(Topic::Events, Partition(0)).expect("bounds");
    assert_eq!((bounds.last_stable.0, bounds.high_watermark.0), (10, 10), "the end stays");
    assert_eq!(texts(&read(&*log, Topic::Events, 0)), ["12", "14", "16", "18"]);
    assert_eq!(read(&*log, Topic::Events, 1).len(), 10, "others keep theirs");

    harness.drop_below(Topic::Events, Partition(0), NextOffset(10));
    eventually("everything is dropped", || {
        log.bounds(Topic::Events, Partition(0)).expect("bounds").start == NextOffset(10)
    });
    assert!(read(&*log, Topic::Events, 0).is_empty());
    let positions = append(&*log, vec![record(Topic::Events, 0, "next")]);
    assert_eq!(positions[0].offset.0, 10, "offsets are never given twice");
    assert_eq!(texts(&read(&*log, Topic::Events, 0)), ["next"]);
}

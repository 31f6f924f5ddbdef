use std::collections::{BTreeMap, BTreeSet};

use inventory_store::log::Consumed;
use inventory_store::types::{NextOffset, Partition, Topic};

use super::Harness;
use super::observe::{Owner, append, read, record, texts};
use super::writer::{GROUP, PARTS};

pub fn what_was_acknowledged_survives_kill_9(harness: &mut dyn Harness) {
    for (seed, acks) in [(1, 3), (2, 40), (3, 150)] {
        let before: BTreeSet<String> = everything(harness).into_values().collect();
        let acknowledged = harness.kill_while_writing(seed, acks);
        assert!(acknowledged.len() >= acks);
        let there = everything(harness);
        for ack in &acknowledged {
            let found = there.get(&(ack.position.partition.0, ack.position.offset.0));
            assert_eq!(found, Some(&ack.value), "acknowledged at {}", ack.position);
        }
        whole_transactions(
            harness,
            &there.into_values().filter(|v| !before.contains(v)).collect(),
            &acknowledged,
        );
    }
}

/// Every committed event by partition and offset.
fn everything(harness: &dyn Harness) -> BTreeMap<(u16, u64), String> {
    let log = harness.log();
    (0..harness.partitions())
        .flat_map(|p| read(&*log, Topic::Events, p))
        .map(|seen| ((seen.position.partition.0, seen.position.offset.0), seen.text()))
        .collect()
}

/// A transaction is there with all its parts and its position, or not at all.
fn whole_transactions(harness: &dyn Harness, there: &BTreeSet<String>, acknowledged: &[super::writer::Ack]) {
    let number = |value: &str| -> Option<u64> { value.strip_prefix("t ")?.split(' ').next()?.parse().ok() };
    let mut parts: BTreeMap<u64, u16> = BTreeMap::new();
    there.iter().filter_map(|value| number(value)).for_each(|n| *parts.entry(n).or_default() += 1);
    assert!(parts.values().all(|count| *count == PARTS), "{parts:?}");
    let newest = parts.keys().max().copied();
    let newest_acknowledged = acknowledged.iter().filter_map(|ack| number(&ack.value)).max();
    assert!(newest >= newest_acknowledged);
    let Some(newest) = newest else { return };
    let committed = harness.log().committed(GROUP, &[Partition(0)]).expect("committed");
    let (partition, next, metadata) = (Partition(0), NextOffset(newest), newest.to_string());
    assert_eq!(
        committed,
        [Some(Consumed { partition, next, metadata })],
        "the position moves with the records"
    );
}

pub fn everything_is_there_after_a_clean_stop(harness: &mut dyn Harness) {
    let consumed = Consumed { partition: Partition(1), next: NextOffset(7), metadata: "seven".to_owned() };
    let (id, bounds) = {
        let log = harness.log();
        append(&*log, (0..9).map(|i| record(Topic::Events, i % 3, &i.to_string())).collect());
        let owner = Owner::of_all(&*log, "g", harness.partitions());
        let mut transactor = log.transactor("t").expect("a transactor");
        transactor.stage(&[record(Topic::Events, 0, "in a transaction")]).expect("stages");
        transactor.commit(std::slice::from_ref(&consumed), &owner.generation()).expect("commits");
        (log.cluster_id().expect("an id"), log.bounds(Topic::Events, Partition(0)).expect("bounds"))
    };
    harness.stop_and_start();
    let log = harness.log();
    assert_eq!(log.cluster_id().expect("an id"), id);
    assert_eq!(log.bounds(Topic::Events, Partition(0)).expect("bounds"), bounds);
    assert_eq!(texts(&read(&*log, Topic::Events, 0)), ["0", "3", "6", "in a transaction"]);
    assert_eq!(texts(&read(&*log, Topic::Events, 2)), ["2", "5", "8"]);
    assert_eq!(log.committed("g", &[Partition(1)]).expect("committed"), [Some(consumed)]);
    let next = append(&*log, vec![record(Topic::Events, 0, "after")]);
    assert_eq!(next[0].offset.0, bounds.high_watermark.0);
}

//! The broker's own cleaner runs over the snapshots while cycles are under way and before a restore.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use inventory_store::log::Log;
use inventory_store::log::kafka::{KafkaLog, wanted_topic};
use inventory_store::types::{NewRecord, Partition, Topic};

use super::ground::{Ground, PARTITIONS, hasty, never, often, same, without_counts};
use super::watched::{Watched, What};
use crate::conformance::observe::{append, read};
use crate::support::broker::{Broker, fresh_name};
use crate::support::lanes::eventually;

/// How many records stand under each key of a partition of the snapshots.
fn standing(ground: &Ground, partition: u16) -> BTreeMap<Vec<u8>, u64> {
    let mut keys = BTreeMap::new();
    for seen in read(ground.log.as_ref(), Topic::Snapshots, partition) {
        *keys.entry(seen.key.expect("a key")).or_default() += 1;
    }
    keys
}

/// Every row that was published more than once stands only as it was last, and the checkpoint too.
fn each_once(keys: &BTreeMap<Vec<u8>, u64>) -> bool {
    keys.iter().all(|(key, count)| *count == 1 || key == NOBODYS)
}

/// A record of another program: it is passed over.
const NOBODYS: &[u8] = b"\0next segment";

/// Waits until the broker's cleaner has been over everything published so far.
fn until_compacted(ground: &Ground) {
    eventually("the cleaner has been over the snapshots", || {
        // The segment being written is never cleaned: a record that comes a segment.ms later begins another.
        let next = (0..PARTITIONS).map(|partition| NewRecord {
            topic: Topic::Snapshots,
            partition: Partition(partition),
            timestamp: None,
            key: Some(NOBODYS.to_vec()),
            value: None,
            headers: Vec::new(),
        });
        append(ground.log.as_ref(), next.collect());
        std::thread::park_timeout(std::time::Duration::from_millis(200));
        (0..PARTITIONS).all(|partition| each_once(&standing(ground, partition))).then_some(())
    });
}

fn compacting(broker: &Broker, place: &Path) -> Ground {
    let prefix = fresh_name();
    let config = hasty(broker.bootstrap(), &prefix);
    let log = KafkaLog::connect(&config).expect("connects");
    let mut want = wanted_topic(&config.topics, Topic::Snapshots, PARTITIONS, 1 << 20, true);
    want.settings.insert("segment.ms".into(), "100".into());
    want.settings.insert("min.cleanable.dirty.ratio".into(), "0.001".into());
    want.settings.insert("min.compaction.lag.ms".into(), "0".into());
    log.create(Topic::Snapshots, &want).expect("creates");
    Ground::kafka(place, broker.bootstrap(), &prefix)
}

#[test]
fn compaction_before_a_restore_leaves_what_it_needs() {
    let Some(broker) = Broker::shared("recovery: compaction before a restore") else { return };
    let place = tempfile::tempdir().expect("a place");
    let ground = compacting(broker, place.path());
    let lanes = ground.start("before", often());
    for seed in 1..=4 {
        ground.happen(seed, 300);
        ground.until_published(&lanes.registry());
    }
    lanes.stop();
    ground.happen(9, 60);
    let marks = ground.checkpoints("before");
    assert!(marks.iter().all(|mark| mark.is_some_and(|mark| mark.cycle > 1)), "one of several: {marks:?}");
    until_compacted(&ground);
    ground.run("before", never());
    ground.all_are_the_same("before");
}

/// A cycle is cut off, and the cleaner takes the records that it replaced: the checkpoint before it still shows.
#[test]
fn compaction_in_the_middle_of_a_cycle_leaves_the_checkpoint_before_it() {
    let Some(broker) = Broker::shared("recovery: compaction in the middle of a cycle") else { return };
    let place = tempfile::tempdir().expect("a place");
    let ground = compacting(broker, place.path());
    let lanes = ground.start("before", often());
    ground.happen(1, 400);
    ground.until_published(&lanes.registry());
    lanes.stop();
    let checkpoints = ground.checkpoints("before");

    // A cycle of every partition whose chunks are in and whose checkpoint is not.
    ground.happen(2, 400);
    let watched = Watched::new(&ground.log, What::RefuseCheckpoints);
    let log: Arc<dyn Log> = Arc::<Watched>::clone(&watched);
    let lanes = ground.start_as(&log, "before", often(), &ground.lane("before"));
    eventually("cycles stand before their checkpoints", || {
        (watched.answers().len() >= usize::from(PARTITIONS)).then_some(())
    });
    lanes.stop();
    until_compacted(&ground);

    let replayed = without_counts(ground.replayed());
    let restored = without_counts(ground.restored("successor"));
    same("the checkpoint before with the tail", &restored, &replayed);
    assert_eq!(ground.checkpoints("successor"), checkpoints, "it stands on the one before");
}

//! A foreign producer leaves a transaction open in a topic that a partition is brought back from: nothing is
//! read past it, the wait is named, the other partitions go on, and once it ends so does this one.

use std::sync::Arc;

use inventory_store::lane::{Registry, State};
use inventory_store::log::kafka::KafkaLog;
use inventory_store::log::{Log, Transactor};
use inventory_store::types::{NewRecord, Partition, Topic};

use super::ground::{Ground, PARTITIONS, hasty, never, often, same};
use crate::conformance::observe::record;
use crate::support::broker::{Broker, fresh_name};
use crate::support::lanes::{self, eventually};

/// Held up here; the other partition is not.
const HELD: Partition = Partition(0);

/// Writes a record and leaves its transaction open.
fn hold_up(broker: &Broker, ground: &Ground, topic: Topic) -> Box<dyn Transactor> {
    let mut config = hasty(broker.bootstrap(), &ground.group);
    // It ends when the test says so.
    config.transactions.timeout_ms = 300_000;
    let foreign: Arc<dyn Log> = KafkaLog::connect(&config).expect("the log");
    let mut transactor = foreign.transactor(&format!("{}-foreign", ground.group)).expect("a transactor");
    let record = NewRecord { timestamp: None, ..record(topic, HELD.0, "never committed") };
    transactor.stage(&[record]).expect("staged");
    eventually("the transaction is open", || {
        let bounds = ground.log.bounds(topic, HELD).expect("bounds");
        (bounds.last_stable < bounds.high_watermark).then_some(())
    });
    transactor
}

/// Why the partition makes no progress, as it is shown.
fn stall(registry: &Registry) -> Option<String> {
    registry.status(HELD).expect("a partition").stall()
}

fn restored_once_it_ends(topic: Topic) {
    let Some(broker) = Broker::shared(&format!("recovery: an open transaction in {topic}")) else { return };
    let place = tempfile::tempdir().expect("a place");
    let ground = Ground::kafka(place.path(), broker.bootstrap(), &fresh_name());
    let lanes = ground.start("before", often());
    for seed in 1..=2 {
        ground.happen(seed, 300);
        ground.until_published(&lanes.registry());
    }
    lanes.stop();
    ground.happen(3, 50);

    let mut open = hold_up(broker, &ground, topic);
    let lanes = ground.start("after", never());
    let registry = lanes.registry();
    let reason = eventually("the wait is named", || stall(&registry));
    assert!(reason.contains("open transaction"), "{reason}");
    eventually("the other partition is live", || (registry.state(Partition(1)) == State::Live).then_some(()));
    assert!(!matches!(registry.state(HELD), State::Level | State::Live | State::Failed { .. }));
    open.abort().expect("aborted");
    lanes::until_level(&ground.log, &registry);
    eventually("nothing is stalled any more", || stall(&registry).is_none().then_some(()));
    lanes.stop();
    // It has the stores open.
    drop(registry);
    let stands_on = ground.checkpoints("after");
    assert_eq!(stands_on.iter().flatten().count(), usize::from(PARTITIONS), "from checkpoints");
    // What ended the transaction stands in the log too, and counts in no topic but its own.
    same("snapshot with tail and a full replay", &ground.bytes("after"), &ground.replayed());
}

#[test]
fn an_open_transaction_in_the_snapshots_holds_up_a_restore_until_it_ends() {
    restored_once_it_ends(Topic::Snapshots);
}

#[test]
fn an_open_transaction_in_the_events_holds_up_a_restore_until_it_ends() {
    restored_once_it_ends(Topic::Events);
}

#[test]
fn an_open_transaction_in_the_results_holds_up_a_restore_until_it_ends() {
    restored_once_it_ends(Topic::Results);
}

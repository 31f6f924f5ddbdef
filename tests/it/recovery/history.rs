//! A fixed history on a real broker, published on the way: snapshot and tail are the full replay, byte for byte.
//!
//! `make test` takes a short one; `make soak` (`INVENTORY_STORE_SOAK=1`) one million events over 100,000 SKUs.

use inventory_store::config::{KafkaConfig, SnapshotConfig};
use inventory_store::generator::{Options, Warehouse};

use super::ground::{Ground, never};
use crate::support::broker::{Broker, fresh_name, prefix_topics};
use crate::support::lanes::{self, publish};

const PARTITIONS: u16 = 12;

#[test]
fn snapshot_and_tail_of_a_fixed_history_are_its_full_replay() {
    let Some(broker) = Broker::shared("recovery: a fixed history") else { return };
    let soak = std::env::var("INVENTORY_STORE_SOAK").is_ok_and(|v| v == "1");
    let (events, skus) = if soak { (1_000_000, 100_000) } else { (40_000, 2_000) };
    let place = tempfile::tempdir().expect("a place");
    let prefix = fresh_name();
    let mut config = KafkaConfig { bootstrap_servers: broker.bootstrap().into(), ..KafkaConfig::default() };
    prefix_topics(&mut config, &prefix);
    let ground = Ground::on(place.path(), &config, &prefix, PARTITIONS);
    let mut history = Warehouse::new(Options { seed: 20_261_124, skus, ..Options::default() });
    let mut happen = |share: usize| publish(ground.log.as_ref(), history.by_ref().take(events / 10 * share));

    // Half of it lies there at the start and makes a baseline; three tenths more come while it serves and make
    // cycles of what changed; the rest is the tail.
    happen(5);
    let every = (events / usize::from(PARTITIONS) / 20) as u64;
    let snapshots = SnapshotConfig {
        every_events: every,
        every_seconds: 86_400,
        at_shutdown: false,
        ..SnapshotConfig::default()
    };
    let lanes = ground.start("owner", snapshots);
    ground.until_published_every(&lanes.registry(), every);
    for _ in 0..3 {
        happen(1);
        ground.until_published_every(&lanes.registry(), every);
    }
    lanes.stop();
    let cycles = ground.checkpoints("owner");
    assert!(cycles.iter().all(|mark| mark.is_some_and(|mark| mark.cycle > 2)), "{cycles:?}");
    happen(2);
    let lanes = ground.start("owner", never());
    lanes::until_level(&ground.log, &lanes.registry());
    lanes.stop();
    ground.all_are_the_same("owner");
}

//! An owner that stands still in the middle of publishing until its partitions are another's.

use std::sync::Arc;

use inventory_store::log::Log;
use inventory_store::types::{Partition, Topic};

use super::ground::{Ground, PARTITIONS, hasty, none, often};
use super::watched::{Watched, What};
use crate::conformance::observe::read;
use crate::support::broker::{Broker, fresh_name};
use crate::support::lanes::{self, eventually};

/// A test that fails must not wait for what it holds back.
struct LetGo<'a>(&'a Watched);

impl Drop for LetGo<'_> {
    fn drop(&mut self) {
        self.0.let_go();
    }
}

/// Kafka: the generation it began under fences what it had under way, its snapshots too (invariant 3).
#[test]
fn a_stale_owner_that_was_publishing_commits_nothing() {
    let Some(broker) = Broker::shared("recovery: a stale owner publishing") else { return };
    let place = tempfile::tempdir().expect("a place");
    let prefix = fresh_name();
    // Its transaction stays open all the time: it is the generation that must fence it, not the broker's patience.
    let mut config = hasty(broker.bootstrap(), &prefix);
    config.transactions.timeout_ms = 120_000;
    let ground = Ground::on(place.path(), &config, &prefix, PARTITIONS);
    ground.happen(1, 300);
    let watched = Watched::new(&ground.log, What::HoldFirst);
    let seen: Arc<dyn Log> = Arc::<Watched>::clone(&watched);
    let stale = ground.start_as(&seen, "stale", often(), &ground.lane("stale"));
    let _guard = LetGo(&watched);
    eventually("it has staged a chunk and does not commit it", || watched.is_holding().then_some(()));
    let undecided = |partition: u16| {
        let bounds = ground.log.bounds(Topic::Snapshots, Partition(partition)).expect("bounds");
        bounds.high_watermark > bounds.last_stable
    };
    eventually("its records are in the log", || (0..PARTITIONS).any(undecided).then_some(()));

    // It does not poll: the group gives its partitions away.
    let without: Arc<dyn Log> = Watched::new(&ground.log, What::Hide);
    let owner = ground.start_as(&without, "owner", none(), &ground.lane("owner"));
    ground.happen(2, 200);
    lanes::until_level(&ground.log, &owner.registry());
    // All that is in the snapshots now is its.
    let ends: Vec<_> = (0..PARTITIONS)
        .map(|p| ground.log.bounds(Topic::Snapshots, Partition(p)).expect("bounds").high_watermark)
        .collect();
    watched.let_go();
    let answer = eventually("it is answered", || watched.answers().first().cloned());
    assert!(answer.is_some(), "it was refused");
    stale.stop();
    owner.stop();
    eventually("what it had staged is decided", || (!(0..PARTITIONS).any(undecided)).then_some(()));
    for (partition, end) in (0..PARTITIONS).zip(ends) {
        // Refused, it joins again, and may publish then as an owner.
        let seen = read(ground.log.as_ref(), Topic::Snapshots, partition);
        assert!(seen.iter().all(|seen| !end.is_past(seen.position.offset)), "nothing of it is ever read");
    }

    let owner = ground.start("owner", often());
    ground.happen(3, 300);
    ground.until_published(&owner.registry());
    owner.stop();
    ground.all_are_the_same("owner");
}

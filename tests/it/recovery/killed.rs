//! kill -9 at every boundary of publishing, restoring and ingesting: afterwards a store, and what is restored
//! from the topic, are what a replay of the whole log gives, byte for byte.

use std::path::Path;

use inventory_store::config::lane::LaneConfig;
use inventory_store::failpoint;
use inventory_store::types::Topic;

use super::ground::{Ground, PARTITIONS, never, none, often, same, without_counts};
use crate::conformance::observe::read;
use crate::support::broker::{Broker, fresh_name};
use crate::support::killed::{killed, killed_at, undisturbed};
use crate::support::{child, lanes};

const ROUNDS: u64 = 5;

/// What the parent tells a child: where, and on which broker if any.
fn role(ground: &Ground, broker: Option<&Broker>) -> String {
    let place = ground.place.display();
    broker.map_or(format!("{place}"), |broker| format!("{place}|{}|{}", broker.bootstrap(), ground.group))
}

fn ground(role: &str) -> Ground {
    match role.split('|').collect::<Vec<_>>()[..] {
        [place] => Ground::embedded(Path::new(place)),
        [place, brokers, prefix] => Ground::kafka(Path::new(place), brokers, prefix),
        _ => panic!("{role:?}"),
    }
}

/// In the child: events come while it serves, and cycles of them are published.
fn publish(role: &str) {
    let _failpoints = fail::FailScenario::setup();
    let ground = ground(role);
    let lanes = ground.start("child", often());
    for _ in 0..ROUNDS {
        // Where it was killed, and from which seed events come then, no matter: the log is the measure.
        ground.happen(fastrand::u64(..), 300);
        ground.until_published(&lanes.registry());
    }
    lanes.stop();
}

fn checkpoints(ground: &Ground) -> usize {
    use inventory_store::codec::snapshot::CHECKPOINT_KEY;
    let all = (0..PARTITIONS).flat_map(|partition| read(ground.log.as_ref(), Topic::Snapshots, partition));
    all.filter(|seen| seen.key.as_deref() == Some(CHECKPOINT_KEY)).count()
}

/// The first chunk of the first cycle, and one in the middle of a cycle after the first few checkpoints.
const MOMENTS: [usize; 2] = [0, 3];

#[test]
fn publishing_on_the_embedded_log() {
    if let Some(role) = child::role() {
        return publish(&role);
    }
    for (point, passed) in moments() {
        let place = tempfile::tempdir().expect("a place");
        let role = place.path().display().to_string();
        killed_at("recovery::killed::publishing_on_the_embedded_log", &role, point, passed);
        let ground = Ground::embedded(place.path());
        assert!(checkpoints(&ground) > 3, "cycles went on after {point}");
        ground.all_are_the_same("child");
    }
}

#[test]
fn publishing_on_kafka() {
    if let Some(role) = child::role() {
        return publish(&role);
    }
    let Some(broker) = Broker::shared("recovery: killed while publishing") else { return };
    for (point, passed) in moments() {
        let place = tempfile::tempdir().expect("a place");
        let ground = Ground::kafka(place.path(), broker.bootstrap(), &fresh_name());
        killed_at("recovery::killed::publishing_on_kafka", &role(&ground, Some(broker)), point, passed);
        ground.all_are_the_same("child");
    }
}

fn moments() -> impl Iterator<Item = (&'static str, usize)> {
    failpoint::ALL_OF_PUBLISHING.into_iter().flat_map(|point| MOMENTS.map(|passed| (point, passed)))
}

/// After whole cycles, in the middle of the next: what the topic holds is of two cycles then, and a restore must
/// take the older one though some of its records are replaced.
#[test]
fn between_two_checkpoints() {
    if let Some(role) = child::role() {
        return publish(&role);
    }
    let place = tempfile::tempdir().expect("a place");
    let role = place.path().display().to_string();
    let name = "recovery::killed::between_two_checkpoints";
    // At the fifth checkpoint's commit: all records of that cycle's other chunks are in the topic.
    let point = failpoint::CHECKPOINT_BEFORE_COMMIT;
    killed(name, &role, point, 4);
    let ground = Ground::embedded(place.path());
    assert_eq!(checkpoints(&ground), 4);
    // The disk is lost with it.
    let replayed = without_counts(ground.replayed());
    let restored = without_counts(ground.restored("successor"));
    same("the checkpoint before with the tail", &restored, &replayed);
    drop(ground);
    // And where the disk is not lost, it goes on.
    undisturbed(name, &role);
    Ground::embedded(place.path()).all_are_the_same("child");
}

/// In the child: an instance without a store comes back from the topic.
fn restore(role: &str) {
    let _failpoints = fail::FailScenario::setup();
    ground(role).run("child", never());
}

/// A log with checkpoints and a tail.
fn with_a_past(ground: &Ground) {
    let lanes = ground.start("before", often());
    for seed in 1..=3 {
        ground.happen(seed, 300);
        ground.until_published(&lanes.registry());
    }
    lanes.stop();
    ground.happen(4, 90);
}

/// What may lie in a partition's place once a restore that was killed has been done again.
fn nothing_is_left_over(ground: &Ground) {
    for partition in 0..PARTITIONS {
        let home = ground.directory("child").join(format!("partitions/{partition:03}"));
        let entries = std::fs::read_dir(&home).expect("its place");
        for entry in entries {
            let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
            let is_served = name == "LIVE" || name.starts_with("gen-") && !name.contains('.');
            let is_empty =
                || std::fs::read_dir(home.join(&name)).is_ok_and(|mut inside| inside.next().is_none());
            assert!(is_served || is_empty(), "{name} is left in {}", home.display());
        }
    }
}

fn killed_while_restoring(name: &str, ground: impl Fn(&Path) -> Ground, broker: Option<&Broker>) {
    for point in failpoint::ALL_OF_RESTORING {
        let place = tempfile::tempdir().expect("a place");
        let past = ground(place.path());
        with_a_past(&past);
        let role = role(&past, broker);
        let group = past.group.clone();
        // The embedded log is the child's now.
        drop(past);
        let passed = if point == failpoint::RESTORE_WITHIN_ROWS { 40 } else { 1 };
        killed_at(name, &role, point, passed);
        let ground = match broker {
            Some(broker) => Ground::kafka(place.path(), broker.bootstrap(), &group),
            None => Ground::embedded(place.path()),
        };
        let stands_on = ground.checkpoints("child");
        assert!(stands_on.iter().all(Option::is_some), "{point}: from checkpoints: {stands_on:?}");
        nothing_is_left_over(&ground);
        ground.all_are_the_same("child");
    }
}

#[test]
fn restoring_on_the_embedded_log() {
    if let Some(role) = child::role() {
        return restore(&role);
    }
    killed_while_restoring("recovery::killed::restoring_on_the_embedded_log", Ground::embedded, None);
}

#[test]
fn restoring_on_kafka() {
    if let Some(role) = child::role() {
        return restore(&role);
    }
    let Some(broker) = Broker::shared("recovery: killed while restoring") else { return };
    let ground = |place: &Path| Ground::kafka(place, broker.bootstrap(), &fresh_name());
    killed_while_restoring("recovery::killed::restoring_on_kafka", ground, Some(broker));
}

/// In the child: a bulk replay, in many sorted files.
fn replay_in_bulk(role: &str) {
    let _failpoints = fail::FailScenario::setup();
    let ground = ground(role);
    let bulk = LaneConfig {
        bulk_from_records: 0,
        bulk_batch_records: 50,
        bulk_spill_records: 70,
        ..ground.lane("child")
    };
    let lanes = ground.start_as(&ground.log, "child", none(), &bulk);
    lanes::until_level(&ground.log, &lanes.registry());
    lanes.stop();
}

#[test]
fn sorted_files_are_ingested() {
    if let Some(role) = child::role() {
        return replay_in_bulk(&role);
    }
    for point in failpoint::ALL_OF_INGESTING {
        for passed in [0, 3] {
            let place = tempfile::tempdir().expect("a place");
            let ground = Ground::embedded(place.path());
            ground.happen(9, 1000);
            drop(ground);
            let role = place.path().display().to_string();
            killed_at("recovery::killed::sorted_files_are_ingested", &role, point, passed);
            let ground = Ground::embedded(place.path());
            nothing_is_left_over(&ground);
            same(&format!("{point} after {passed}"), &ground.bytes("child"), &ground.replayed());
        }
    }
}

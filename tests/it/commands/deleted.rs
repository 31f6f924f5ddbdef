use std::collections::BTreeSet;
use std::time::Duration;

use inventory_store::types::Partition;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;

use super::harness::{ALLOCATE, PARTITIONS, RECEIVE, World, code, event_ids, quantity, sku_of};
use crate::support::broker::Broker;
use crate::support::lanes::eventually;

/// Deletes the group at the broker, as soon as the broker takes its members for gone.
fn delete_group(broker: &Broker, group: &str) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", broker.bootstrap()).create().expect("an admin client");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    eventually("the group is deleted", || {
        let options = AdminOptions::new();
        let deletion = admin.delete_groups(&[group], &options);
        let answer =
            runtime.block_on(async { tokio::time::timeout(Duration::from_secs(30), deletion).await });
        answer.expect("in time").expect("asked").remove(0).ok()
    });
}

/// The group's positions are deleted at the broker itself between two runs, with commands that wait and
/// commands that come again: the results say where to go on.
fn goes_on_without_positions(broker: &Broker, disk_is_lost: bool) {
    const ROUND: u16 = 30;
    let world = World::on(broker);
    // Of five, one is more than there ever is.
    let send = |numbers: std::ops::Range<u16>| {
        for number in numbers {
            let sku = sku_of(number % PARTITIONS);
            let (name, units) = if number % 5 == 4 { (ALLOCATE, 1_000_000) } else { (RECEIVE, 1) };
            world.send(&sku, &number.to_string(), name, quantity(units));
        }
    };
    let lanes = world.start_alone("a");
    send(0..ROUND);
    let first = world.results(usize::from(ROUND));
    lanes.stop();
    send(ROUND..ROUND + 10);
    delete_group(broker, &world.group);
    let all: Vec<Partition> = (0..PARTITIONS).map(Partition).collect();
    let positions = world.log.committed(&world.group, &all).expect("asked");
    assert!(positions.iter().all(Option::is_none), "the broker knows none: {positions:?}");
    if disk_is_lost {
        std::fs::remove_dir_all(world.directory("a")).expect("the disk is lost");
    }
    send(ROUND + 10..2 * ROUND);
    send(0..ROUND);

    let lanes = world.start_alone("a");
    let results = world.results(3 * usize::from(ROUND));
    assert!(first.iter().all(|one| results.contains(one)), "what was decided stays");
    let accepted: Vec<Vec<String>> =
        results.iter().filter(|(_, o)| code(o).is_none()).map(|(_, o)| event_ids(o)).collect();
    let ids: BTreeSet<&String> = accepted.iter().flatten().collect();
    let commands = usize::from(2 * ROUND) * 4 / 5;
    assert_eq!((ids.len(), world.events().len()), (commands, commands), "each command once");
    assert_eq!(accepted.len(), commands + usize::from(ROUND) * 4 / 5, "the repeats had their outcome again");
    world.sequences_are_gapless();
    lanes.stop();
    world.replay_gives_the_same_rows("a");
}

#[test]
fn positions_deleted_at_the_broker_are_known_by_the_results() {
    let Some(broker) = Broker::shared("kafka: commands: the group deleted at the broker") else { return };
    goes_on_without_positions(broker, false);
}

#[test]
fn positions_and_stores_both_deleted_are_known_by_the_results() {
    let Some(broker) = Broker::shared("kafka: commands: the group deleted, and the disk lost") else {
        return;
    };
    goes_on_without_positions(broker, true);
}

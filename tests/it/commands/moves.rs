use std::collections::BTreeSet;
use std::time::Duration;

use inventory_store::lane::State;
use inventory_store::log::{Consumed, MemberEvent};
use inventory_store::types::{NewRecord, NextOffset, Partition, Topic};

use super::harness::{
    Extra, PARTITIONS, RECEIVE, World, code, command, event_ids, quantity, sku_of, until_live,
};
use crate::conformance::observe::{Owner, append, record};
use crate::support::lanes::eventually;

fn a_command_on_each_partition(world: &World) -> usize {
    for partition in 0..PARTITIONS {
        world.send(&sku_of(partition), "1", RECEIVE, quantity(5));
    }
    usize::from(PARTITIONS)
}

/// Sends the same commands again: nothing happens but that they get their outcome again.
fn nothing_new_happens(world: &World, results: usize) {
    let events = world.events();
    let sent = a_command_on_each_partition(world);
    let results = world.results(results + sent);
    for partition in 0..PARTITIONS {
        let sku = sku_of(partition);
        let verdicts: Vec<_> =
            results.iter().filter(|(_, o)| o.sku.as_str() == sku).map(|(_, o)| o.verdict.clone()).collect();
        assert!(verdicts.iter().all(|verdict| *verdict == verdicts[0]), "{verdicts:?}");
    }
    assert_eq!(world.events(), events);
}

pub fn what_was_decided_is_remembered_after_a_restart(world: &World) {
    let lanes = world.start_alone("a");
    let sent = a_command_on_each_partition(world);
    world.results(sent);
    lanes.stop();
    let lanes = world.start_alone("a");
    nothing_new_happens(world, sent);
    lanes.stop();
    world.replay_gives_the_same_rows("a");
}

pub fn what_was_decided_is_remembered_after_the_loss_of_the_disk(world: &World) {
    let lanes = world.start_alone("a");
    let sent = a_command_on_each_partition(world);
    world.results(sent);
    lanes.stop();
    std::fs::remove_dir_all(world.directory("a")).expect("the disk is lost");
    let lanes = world.start_alone("a");
    nothing_new_happens(world, sent);
    lanes.stop();
    world.replay_gives_the_same_rows("a");
}

pub fn what_was_decided_is_remembered_by_another_instance(world: &World) {
    let lanes = world.start_alone("a");
    let sent = a_command_on_each_partition(world);
    world.results(sent);
    lanes.stop();
    let lanes = world.start_alone("b");
    nothing_new_happens(world, sent);
    lanes.stop();
    world.replay_gives_the_same_rows("b");
}

pub fn two_instances_share_and_hand_over_without_loss_or_repeat(world: &World) {
    const ROUNDS: u32 = 4;
    let a = world.start_alone("a");
    let mut sent = 0;
    let mut send = |count: u32| {
        let records = (0..count).map(|_| {
            let sku = sku_of(sent as u16 % PARTITIONS);
            sent += 1;
            command(&sku, &sent.to_string(), RECEIVE, &quantity(1), Extra::default())
        });
        append(world.log.as_ref(), records.collect());
    };
    for round in 0..ROUNDS {
        send(30);
        let b = world.start(&format!("b{round}"));
        send(30);
        let (ra, rb) = (a.registry(), b.registry());
        eventually("the partitions are shared", || {
            send(1);
            let live = |registry: &inventory_store::lane::Registry| {
                let states = registry.statuses();
                states.iter().filter(|s| s.state == State::Live).map(|s| s.partition).collect::<BTreeSet<_>>()
            };
            let (mine, yours) = (live(&ra), live(&rb));
            assert!(mine.is_disjoint(&yours), "one owner at a time");
            (!yours.is_empty() && mine.len() + yours.len() == usize::from(PARTITIONS)).then_some(())
        });
        send(30);
        b.stop();
    }
    until_live(&a.registry());
    let sent = sent as usize;
    let results = world.results(sent);
    assert!(results.iter().all(|(_, outcome)| code(outcome).is_none()));
    let ids: BTreeSet<String> = results.iter().flat_map(|(_, outcome)| event_ids(outcome)).collect();
    let events = world.events();
    assert_eq!((ids.len(), events.len()), (sent, sent), "each command once");
    world.sequences_are_gapless();
    a.stop();
    world.replay_gives_the_same_rows("a");
}

/// As an instance that is killed while its lanes still share, and started again: on Kafka the group leaves a partition
/// with neither of them.
pub fn partitions_left_with_nobody_are_given_out_again(world: &World) {
    let log = world.log.as_ref();
    let mut first = Owner::join(log, &world.group, "a-0");
    eventually("the first lane owns everything", || {
        first.serve();
        (first.owned.len() == usize::from(PARTITIONS)).then_some(())
    });
    first.obliging = false;
    let mut second = Owner::join(log, &world.group, "a-1");
    eventually("it is asked for some", || {
        first.serve();
        second.serve();
        (!first.revoked.is_empty()).then_some(())
    });
    drop((first, second));
    let lanes = world.start_alone("a");
    lanes.stop();
}

/// One that decides on what it was given before its partitions moved.
pub fn a_zombie_commits_nothing(world: &World) {
    let log = world.log.as_ref();
    let mut zombie = log.join(&world.group, "zombie").expect("joins");
    let mut owned = Vec::new();
    eventually("the zombie owns everything", || {
        if let MemberEvent::Assigned(partitions) = zombie.poll(Duration::from_millis(10)).expect("a poll") {
            owned.extend(partitions);
        }
        (owned.len() == usize::from(PARTITIONS)).then_some(())
    });
    let stale = zombie.generation().expect("a generation");
    let mut transactor = log.transactor("zombie").expect("a transactor");
    // Of now: a record of long ago would be taken by retention.
    let never_read = NewRecord { timestamp: None, ..record(Topic::Events, 0, "never to be read") };
    transactor.stage(&[never_read]).expect("staged");

    // It is asked to let go of some and does so; the new owner decides.
    let lanes = world.start("a");
    eventually("the newcomer is live", || {
        if let MemberEvent::Revoked(partitions) = zombie.poll(Duration::from_millis(10)).expect("a poll") {
            zombie.release(&partitions).expect("released");
        }
        lanes.registry().statuses().iter().any(|s| s.state == State::Live).then_some(())
    });
    let consumed = [Consumed { partition: Partition(0), next: NextOffset(99), metadata: String::new() }];
    let error = transactor.commit(&consumed, &stale).expect_err("its generation is over");
    assert!(matches!(error, inventory_store::log::CommitError::Fenced { .. }), "{error}");
    assert!(world.events().is_empty());
    drop(zombie);
    until_live(&lanes.registry());
    let sent = a_command_on_each_partition(world);
    world.results(sent);
    world.sequences_are_gapless();
    lanes.stop();
}

pub fn a_caller_is_answered_where_its_partition_is_not_owned(world: &World) {
    let a = world.start_alone("a");
    let b = world.start("b");
    let (ra, rb) = (a.registry(), b.registry());
    // Each owns some and is settled.
    let foreign = eventually("the partitions are shared", || {
        let live =
            |registry: &inventory_store::lane::Registry, p| registry.state(Partition(p)) == State::Live;
        let mine = (0..PARTITIONS).filter(|p| live(&rb, *p)).count();
        let theirs: Vec<u16> = (0..PARTITIONS).filter(|p| live(&ra, *p)).collect();
        let settled = ra.is_ready() && rb.is_ready() && mine > 0;
        (settled && mine + theirs.len() == usize::from(PARTITIONS)).then(|| theirs.first().copied())?
    });
    let callers = b.callers();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let sku = inventory_store::types::Sku::new(&sku_of(foreign)).expect("a SKU");
    runtime.block_on(async {
        for id in ["1", "2"] {
            let waiting = callers.register(&sku, "/test", id, None).await.expect("registered");
            world.send(sku.as_str(), id, RECEIVE, quantity(5));
            let answer = tokio::time::timeout(Duration::from_secs(60), waiting.answer()).await;
            let answer = answer.expect("in time").expect("answered");
            assert_eq!((code(&answer.outcome), &*answer.outcome.command_id), (None, id));
            assert!(answer.event_positions.is_empty(), "another process committed them");
            let at_least = answer.at_least.expect("there are events");
            let deadline = std::time::Instant::now() + Duration::from_secs(60);
            assert_eq!(ra.wait_for(at_least, deadline).await, inventory_store::lane::Waited::Reached);
            let row = ra.store(at_least.partition).expect("a store").stock(&sku).expect("readable");
            assert_eq!(row.expect("a row").version, answer.outcome.version);
        }
    });
    b.stop();
    a.stop();
}

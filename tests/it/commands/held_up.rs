use std::sync::Arc;
use std::time::Duration;

use inventory_store::lane::{Lanes, Registry, State};
use inventory_store::log::kafka::KafkaLog;
use inventory_store::log::{Log, Transactor};
use inventory_store::types::{NewRecord, Partition, Topic};

use super::harness::{Extra, PARTITIONS, RECEIVE, World, code, command, quantity, sku_of, until_live};
use crate::conformance::observe::{append, record};
use crate::support::broker::Broker;
use crate::support::lanes::{self, eventually};

/// What the overlays of an instance may take: some dozens of commands.
const OVERLAYS: u64 = 64 << 10;

/// A log, and one through which a foreign producer keeps its transaction open for long.
fn world(broker: &Broker) -> (World, Arc<dyn Log>) {
    let mut config = broker.config();
    config.consumer.session_timeout_ms = 6_000;
    config.consumer.heartbeat_interval_ms = 500;
    let log: Arc<dyn Log> = KafkaLog::connect(&config).expect("the log");
    lanes::create_topics(log.as_ref(), PARTITIONS);
    let group = config.topics.commands.clone();
    config.transactions.timeout_ms = 120_000;
    let foreign: Arc<dyn Log> = KafkaLog::connect(&config).expect("the log");
    (World { log, place: tempfile::tempdir().expect("a directory"), group }, foreign)
}

fn start(world: &World, instance: &str) -> Lanes {
    let directory = world.directory(instance);
    std::fs::create_dir_all(&directory).expect("a directory");
    let mut settings = lanes::settings("inventory-store", PARTITIONS);
    settings.memory.overlays = OVERLAYS;
    let mut config = world.config(instance);
    config.lanes = 1;
    Lanes::start(Arc::clone(&world.log), lanes::stores(&directory), settings, &config).expect("started")
}

/// Writes an event and leaves its transaction open: nobody may read past it.
fn hold_up(world: &World, foreign: &dyn Log, partition: u16) -> Box<dyn Transactor> {
    let mut transactor = foreign.transactor(&format!("{}-foreign", world.group)).expect("a transactor");
    let event = NewRecord { timestamp: None, ..record(Topic::Events, partition, "never committed") };
    transactor.stage(&[event]).expect("staged");
    eventually("the transaction is open", || {
        let bounds = world.log.bounds(Topic::Events, Partition(partition)).expect("bounds");
        (bounds.last_stable < bounds.high_watermark).then_some(())
    });
    transactor
}

/// Sends commands on the partition.
fn send(world: &World, partition: u16, numbers: std::ops::Range<usize>) {
    let sku = sku_of(partition);
    let commands =
        numbers.map(|number| command(&sku, &number.to_string(), RECEIVE, &quantity(1), Extra::default()));
    append(world.log.as_ref(), commands.collect());
}

fn stall(registry: &Registry, partition: u16) -> Option<Arc<str>> {
    registry.status(Partition(partition)).expect("a partition").stalled
}

/// Sends on the partition until commands wait, and says so. How many were sent.
fn fill(world: &World, registry: &Registry, partition: u16) -> usize {
    let mut sent = 0;
    let reason = eventually("commands wait", || {
        send(world, partition, sent..sent + 20);
        sent += 20;
        stall(registry, partition)
    });
    assert!(reason.contains("commands wait") && reason.contains("memory.budget"), "{reason}");
    sent
}

/// Nothing is decided for a second: what waits is not taken up.
fn nothing_is_decided(world: &World) {
    let before = world.results_now().len();
    std::thread::park_timeout(Duration::from_secs(1));
    assert_eq!(world.results_now().len(), before, "commands wait");
}

fn everything_is_decided(world: &World, registry: &Registry, sent: usize) {
    let results = world.results(sent);
    assert!(results.iter().all(|(_, outcome)| code(outcome).is_none()));
    assert_eq!(world.events().len(), sent);
    world.sequences_are_gapless();
    until_live(registry);
    lanes::until_level(&world.log, registry);
    let stalled = || (0..PARTITIONS).find_map(|partition| stall(registry, partition));
    eventually("nothing is stalled any more", || stalled().is_none().then_some(()));
}

#[test]
fn commands_wait_while_a_foreign_transaction_holds_up_what_was_committed() {
    let Some(broker) = Broker::shared("kafka: commands: a foreign transaction stays open") else { return };
    let (world, foreign) = world(broker);
    let lanes = start(&world, "a");
    let registry = lanes.registry();
    until_live(&registry);
    let mut open = hold_up(&world, foreign.as_ref(), 0);
    let sent = fill(&world, &registry, 0);
    send(&world, 0, sent..sent + 500);
    send(&world, 1, 0..500);
    nothing_is_decided(&world);
    open.abort().expect("aborted");
    everything_is_decided(&world, &registry, sent + 1000);
    lanes.stop();
    // It has the stores open.
    drop(registry);
    world.replay_gives_the_same_rows("a");
}

#[test]
fn a_partition_that_comes_while_commands_wait_waits_too() {
    let what = "kafka: commands: a partition comes while a foreign transaction stays open";
    let Some(broker) = Broker::shared(what) else { return };
    let (world, foreign) = world(broker);
    let (a, b) = (start(&world, "a"), start(&world, "b"));
    let (ra, rb) = (a.registry(), b.registry());
    let live = |registry: &Registry| -> Vec<u16> {
        (0..PARTITIONS).filter(|p| registry.state(Partition(*p)) == State::Live).collect()
    };
    let (mine, theirs) = eventually("the partitions are shared", || {
        let (mine, theirs) = (live(&ra), live(&rb));
        let shared = mine.len() + theirs.len() == usize::from(PARTITIONS);
        (shared && !mine.is_empty() && !theirs.is_empty()).then(|| (mine[0], theirs[0]))
    });
    let mut open = hold_up(&world, foreign.as_ref(), mine);
    let sent = fill(&world, &ra, mine);
    b.stop();
    until_live(&ra);
    send(&world, theirs, 0..500);
    nothing_is_decided(&world);
    open.abort().expect("aborted");
    everything_is_decided(&world, &ra, sent + 500);
    a.stop();
    // They have the stores open.
    drop((ra, rb));
    world.replay_gives_the_same_rows("a");
}

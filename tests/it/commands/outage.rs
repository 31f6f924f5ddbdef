use std::collections::BTreeSet;

use super::harness::{
    Extra, PARTITIONS, RECEIVE, World, code, command, event_ids, quantity, sku_of, until_live,
};
use crate::conformance::observe::append;
use crate::support::broker::{Broker, Options};
use crate::support::lanes;

/// The broker is killed while lanes decide what waits for them, and comes back.
#[test]
fn a_broker_killed_and_restarted_loses_and_doubles_nothing() {
    const COMMANDS: u16 = 3000;
    let what = "kafka: commands: the broker killed and restarted";
    let Some(mut broker) = Broker::own(what, &Options::default()) else { return };
    let world = World::on(&broker);
    let send = |from: u16, to: u16| {
        let commands = (from..to).map(|number| {
            let sku = sku_of(number % PARTITIONS);
            command(&sku, &number.to_string(), RECEIVE, &quantity(1), Extra::default())
        });
        append(world.log.as_ref(), commands.collect());
    };
    let lanes = world.start_alone("a");
    send(0, COMMANDS / 2);
    lanes::eventually("some are decided", || (!world.results_now().is_empty()).then_some(()));
    broker.kill();
    broker.restart();
    send(COMMANDS / 2, COMMANDS);
    let results = world.results(usize::from(COMMANDS));
    assert!(results.iter().all(|(_, outcome)| code(outcome).is_none()));
    let ids: BTreeSet<String> = results.iter().flat_map(|(_, outcome)| event_ids(outcome)).collect();
    assert_eq!((ids.len(), world.events().len()), (usize::from(COMMANDS), usize::from(COMMANDS)));
    world.sequences_are_gapless();
    until_live(&lanes.registry());
    lanes::until_level(&world.log, &lanes.registry());
    lanes.stop();
    world.replay_gives_the_same_rows("a");
}

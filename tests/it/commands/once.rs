use inventory_store::codec::event::{Mode, encode};
use inventory_store::domain::event::Fact;
use inventory_store::types::{Header, NewRecord, Partition, Sku, Topic, UtcTime, Version, partition_of};
use serde_json::json;

use super::harness::{
    ALLOCATE, Extra, PARTITIONS, RECEIVE, World, code, command, event_ids, quantity, sku_of,
};
use crate::conformance::observe::{append, read};
use crate::support::lanes::eventually;

pub fn a_command_becomes_its_events_and_a_result(world: &World) {
    let lanes = world.start_alone("a");
    let sku = sku_of(0);
    let extra = Extra { correlation_id: Some("order 7"), ..Extra::default() };
    let data = json!({ "quantity": 5, "status": "QUARANTINE" });
    let at = world.send_with(&sku, "1", RECEIVE, data, extra);
    let outcome = world.outcome(at);
    assert_eq!((outcome.version, event_ids(&outcome).len()), (Version(2), 2));
    let events = world.events();
    assert_eq!(events.len(), 2);
    for (place, (_, event)) in events.iter().enumerate() {
        let envelope = &event.envelope;
        assert_eq!(envelope.id, event_ids(&outcome)[place]);
        assert_eq!((envelope.sequence, envelope.based_on), (Some(place as u64 + 1), Some(place as u64)));
        assert_eq!(envelope.causation_id.as_deref(), Some("1"));
        assert_eq!(envelope.causation_source.as_deref(), Some("/test"));
        assert_eq!(envelope.correlation_id.as_deref(), Some("order 7"));
    }
    assert!(matches!(events[1].1.fact, Fact::StatusChanged(_)), "{:?}", events[1]);
    eventually("both events are folded", || {
        let store = lanes.registry().store(Partition(0))?;
        let row = store.stock(&Sku::new(&sku).expect("a SKU")).expect("readable")?;
        (row.version == Version(2) && row.conflicts.count == 0 && row.anomalies.count == 0).then_some(())
    });
    lanes.stop();
    world.replay_gives_the_same_rows("a");
}

pub fn a_repeat_gets_the_first_outcome_again(world: &World) {
    let sku = sku_of(1);
    let repeated = |id| command(&sku, id, RECEIVE, &quantity(5), Extra::default());
    // Some before anyone decides, so that they come in one batch; some after.
    append(world.log.as_ref(), vec![repeated("1"), repeated("1"), repeated("2"), repeated("1")]);
    let lanes = world.start_alone("a");
    world.results(4);
    world.send(&sku, "1", RECEIVE, quantity(5));
    let results = world.results(5);
    let of =
        |id: &str| results.iter().filter(|(_, o)| *o.command_id == *id).map(|(_, o)| o).collect::<Vec<_>>();
    let first = of("1")[0].clone();
    assert_eq!(of("1").len(), 4);
    for again in of("1") {
        assert_eq!((again.version, &again.verdict), (first.version, &first.verdict));
    }
    let positions: std::collections::BTreeSet<_> = results.iter().map(|(_, o)| o.command_position).collect();
    assert_eq!(positions.len(), 5, "each result names its own command");
    assert_eq!(world.events().len(), 2);
    lanes.stop();
    world.sequences_are_gapless();
}

pub fn a_name_used_again_for_other_content_is_refused(world: &World) {
    let lanes = world.start_alone("a");
    let sku = sku_of(0);
    let first = world.send(&sku, "1", RECEIVE, quantity(5));
    let other = world.send(&sku, "1", RECEIVE, quantity(6));
    let again = world.send(&sku, "1", RECEIVE, quantity(5));
    assert_eq!(code(&world.outcome(other)), Some("COMMAND_ID_REUSED"));
    assert_eq!(world.outcome(again).verdict, world.outcome(first).verdict);
    // Another source's id is another name.
    assert_eq!(world.events().len(), 1);
    lanes.stop();
}

pub fn conditions_are_held(world: &World) {
    let lanes = world.start_alone("a");
    let sku = sku_of(2);
    world.send(&sku, "1", RECEIVE, quantity(5));
    let with = |id, extra| world.send_with(&sku, id, RECEIVE, quantity(1), extra);
    let stale = with("2", Extra { expected_version: Some(0), ..Extra::default() });
    let right = with("3", Extra { expected_version: Some(1), ..Extra::default() });
    let late = with("4", Extra { expiry_time: UtcTime::new(0, 0), ..Extra::default() });
    let early = with("5", Extra { expiry_time: Some(UtcTime::MAX), ..Extra::default() });
    let unknown = world.send("SKU-unknown", "6", ALLOCATE, quantity(1));
    let invalid = world.send(&sku, "7", RECEIVE, json!({ "quantity": -1 }));
    let codes = [stale, right, late, early, unknown, invalid].map(|at| {
        let outcome = world.outcome(at);
        (code(&outcome).map(str::to_owned), outcome.version.0)
    });
    let refused = |code: &str, version| (Some(code.to_owned()), version);
    assert_eq!(
        codes,
        [
            refused("VERSION_CONFLICT", 1),
            (None, 2),
            refused("EXPIRED", 2),
            (None, 3),
            refused("UNKNOWN_SKU", 0),
            refused("INVALID_COMMAND", 3),
        ]
    );
    lanes.stop();
    world.replay_gives_the_same_rows("a");
}

pub fn what_nobody_can_read_goes_to_dead_letters(world: &World) {
    let lanes = world.start_alone("a");
    let sku = sku_of(0);
    let raw = |partition, value: Option<&[u8]>| NewRecord {
        topic: Topic::Commands,
        partition: Partition(partition),
        timestamp: None,
        key: Some(sku.as_bytes().to_vec()),
        value: value.map(Into::into),
        headers: vec![Header::new("content-type", "application/cloudevents+json")],
    };
    let mut wrong_partition = command(&sku, "2", RECEIVE, &quantity(1), Extra::default());
    wrong_partition.partition = Partition(1);
    let sent = append(
        world.log.as_ref(),
        vec![
            raw(0, Some(b"{")),
            raw(0, None),
            wrong_partition,
            command(&sku, "3", RECEIVE, &quantity(1), Extra::default()),
        ],
    );
    assert_eq!(code(&world.outcome(sent[3])), None, "the partition goes on");
    let letters = eventually("three letters", || {
        let all: Vec<_> =
            (0..PARTITIONS).flat_map(|p| read(world.log.as_ref(), Topic::DeadLetters, p)).collect();
        (all.len() == 3).then_some(all)
    });
    let header = |letter: &crate::conformance::observe::Seen, name: &str| {
        let found = letter.headers.iter().find(|h| h.name == name).and_then(|h| h.value.clone());
        String::from_utf8(found.expect("a header")).expect("text")
    };
    let mut reasons: Vec<_> = letters.iter().map(|letter| header(letter, "x-dead-letter-reason")).collect();
    reasons.sort();
    assert_eq!(reasons, ["invalid_json", "null_value", "wrong_partition"]);
    assert!(letters.iter().all(|l| header(l, "x-dead-letter-topic") == Topic::Commands.default_name()));
    assert_eq!(world.events().len(), 1);
    lanes.stop();
}

pub fn a_foreign_event_in_between_is_seen(world: &World) {
    let lanes = world.start_alone("a");
    let sku = sku_of(0);
    let first = world.send(&sku, "1", RECEIVE, quantity(5));
    world.outcome(first);
    let (_, mut foreign) = world.events().remove(0);
    foreign.envelope.id = "f1".into();
    foreign.envelope.source = "/erp".into();
    foreign.envelope.sequence = None;
    if let Fact::LevelChanged(fact) = &mut foreign.fact {
        fact.previous = fact.new;
        fact.new.on_hand = 50;
    }
    let encoded = encode(&foreign, Mode::Structured);
    let at = append(
        world.log.as_ref(),
        vec![NewRecord {
            topic: Topic::Events,
            partition: partition_of(&sku, PARTITIONS),
            timestamp: None,
            key: Some(sku.as_bytes().to_vec()),
            value: Some(encoded.value),
            headers: encoded.headers,
        }],
    )[0];
    eventually("it is folded", || lanes.registry().applied(at.partition)?.is_past(at.offset).then_some(()));
    let allocate = world.send(&sku, "2", ALLOCATE, quantity(40));
    assert_eq!(code(&world.outcome(allocate)), None, "50 are there");
    let more = world.send(&sku, "3", ALLOCATE, quantity(11));
    assert!(code(&world.outcome(more)).is_some(), "10 are left");
    lanes.stop();
    world.sequences_are_gapless();
    world.replay_gives_the_same_rows("a");
}

pub fn callers_are_answered_with_a_position_that_shows_it(world: &World) {
    let lanes = world.start_alone("a");
    let (callers, registry) = (lanes.callers(), lanes.registry());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let sku = Sku::new(&sku_of(0)).expect("a SKU");
    for (id, name, accepted) in [("1", RECEIVE, true), ("2", ALLOCATE, true), ("3", ALLOCATE, false)] {
        runtime.block_on(async {
            let waiting = callers.register(&sku, "/test", id, None).await.expect("registered");
            world.send(sku.as_str(), id, name, quantity(5));
            let patience = std::time::Duration::from_secs(60);
            let answer =
                tokio::time::timeout(patience, waiting.answer()).await.expect("in time").expect("answered");
            assert_eq!(code(&answer.outcome).is_none(), accepted);
            assert_eq!(answer.event_positions.len(), usize::from(accepted));
            let at_least = answer.at_least.expect("there are events");
            let deadline = std::time::Instant::now() + patience;
            assert_eq!(registry.wait_for(at_least, deadline).await, inventory_store::lane::Waited::Reached);
            let row = registry.store(at_least.partition).expect("a store").stock(&sku).expect("readable");
            assert_eq!(row.expect("a row").version, answer.outcome.version);
        });
    }
    assert_eq!(callers.count(), 0);
    lanes.stop();
}

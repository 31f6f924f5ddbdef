//! Batches on rows in memory: what is repeated, undone, and met by others' events on its way.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::convert::Infallible;

use serde_json::{Value, json};

use super::{CommandSettings, Decided, Deciding, Due, Name, Overlay, Rows};
use crate::codec::command::{Draft, encode};
use crate::codec::event::{self, Decoded, Mode};
use crate::codec::result::{Outcome, Verdict};
use crate::domain::event::{Event, Fact};
use crate::domain::rows::{Entry, Facet, StockRow};
use crate::domain::{Aggregate, Rules, evolve, touched};
use crate::types::{
    Header, NewRecord, NextOffset, Offset, Partition, Position, Record, Sku, Timestamp, Topic, UtcTime,
};

const SKU: &str = "S";

/// A store of one SKU.
#[derive(Default)]
struct Store {
    rows: RefCell<Aggregate>,
    outcomes: RefCell<BTreeMap<String, Outcome>>,
}

impl Rows for Store {
    type Error = Infallible;

    fn stock(&self, _sku: &str) -> Result<Option<StockRow>, Infallible> {
        Ok(Some(self.rows.borrow().stock.clone()))
    }

    fn entry(&self, _sku: &str, facet: Facet, id: &str) -> Result<Option<Entry>, Infallible> {
        Ok(self.rows.borrow().entry(facet, id).cloned())
    }

    fn outcome(&self, name: &Name) -> Result<Option<Outcome>, Infallible> {
        Ok(self.outcomes.borrow().get(&*name.id).cloned())
    }
}

impl Store {
    /// Folds an event as the reader delivers it.
    fn fold(&self, event: &Event<'_>, offset: u64) {
        let mut rows = self.rows.borrow_mut();
        for (facet, id) in &touched(event) {
            if !rows.is_loaded(*facet, id) {
                rows.load(*facet, id, None);
            }
        }
        evolve(&settings().rules, &mut rows, event, Offset(offset), Timestamp(0)).expect("applied");
    }
}

fn settings() -> CommandSettings {
    CommandSettings {
        rules: Rules { own_source: "us".into() },
        mode: Mode::Structured,
        max_record_bytes: 4096,
        extended_values: false,
        partitions: 1,
    }
}

fn at(second: i64) -> UtcTime {
    UtcTime::new(second, 0).expect("a time")
}

/// Decides commands (id, name, data), the first at offset `from`.
fn decide(overlay: &mut Overlay, store: &Store, from: u64, commands: &[(&str, &str, Value)]) -> Decided {
    let settings = settings();
    let mut deciding = Deciding::new(overlay, store, &settings, at(100));
    for (place, (id, name, data)) in commands.iter().enumerate() {
        let sku = Sku::new(SKU).expect("a SKU");
        let encoded = encode(&Draft {
            name,
            sku: &sku,
            source: "/test",
            id,
            time: None,
            expected_version: None,
            expiry_time: None,
            correlation_id: None,
            trace_parent: None,
            data,
        });
        let headers: Vec<Header> = encoded.headers;
        let record = Record {
            topic: Topic::Commands,
            partition: Partition(0),
            offset: Offset(from + place as u64),
            timestamp: Timestamp(0),
            key: Some(SKU.as_bytes()),
            value: Some(&encoded.value),
            headers: &headers,
        };
        assert_eq!(deciding.command(&record), Ok(None));
    }
    deciding.end()
}

fn events(decided: &Decided) -> Vec<NewRecord> {
    decided.records().iter().filter(|record| record.topic == Topic::Events).cloned().collect()
}

fn accepted(decided: &Decided) -> Vec<bool> {
    decided.outcomes().map(|outcome| matches!(outcome.verdict, Verdict::Accepted { .. })).collect()
}

/// Positions from an offset on, one after another, for every record.
fn positions(decided: &Decided, from: u64) -> Vec<Position> {
    (0..decided.records().len() as u64)
        .map(|place| Position { partition: Partition(0), offset: Offset(from + place) })
        .collect()
}

fn read(record: &NewRecord) -> Event<'static> {
    match event::decode(record.key.as_deref(), record.value.as_deref(), &record.headers, 1 << 20) {
        Ok(Decoded::Event(event)) => event::into_owned(event),
        other => panic!("an event, not {other:?}"),
    }
}

fn receive(id: &str) -> (&str, &'static str, Value) {
    (id, "product-stock.receive", json!({ "quantity": 10 }))
}

fn allocate(id: &str) -> (&str, &'static str, Value) {
    (id, "product-stock.allocate", json!({ "quantity": 10 }))
}

#[test]
fn each_command_sees_the_ones_before_it_in_its_batch_and_in_batches_not_delivered_yet() {
    let (mut overlay, store) = (Overlay::default(), Store::default());
    let first = decide(&mut overlay, &store, 0, &[receive("1"), allocate("2"), allocate("3")]);
    assert_eq!(accepted(&first), [true, true, false]);
    let at = positions(&first, 0);
    let mut events_of = Vec::new();
    first.commit(&mut overlay, &at, |_, positions| events_of.push(positions.len()));
    assert_eq!(events_of, [1, 1, 0]);

    // Nothing is delivered, and the store knows nothing.
    let second = decide(&mut overlay, &store, 3, &[allocate("4"), receive("1"), receive("5")]);
    assert_eq!(accepted(&second), [false, true, true]);
    let versions: Vec<u64> = second.outcomes().map(|outcome| outcome.version.0).collect();
    assert_eq!(versions, [2, 1, 3], "a repeat has the version of the first");
    assert_eq!(events(&second).len(), 1);
    second.undo(&mut overlay);
}

#[test]
fn what_is_undone_was_never_decided_and_comes_out_the_same_again() {
    let (mut overlay, store) = (Overlay::default(), Store::default());
    let batch = [receive("1"), allocate("2")];
    let first = decide(&mut overlay, &store, 0, &batch);
    let records = first.records().to_vec();
    first.undo(&mut overlay);
    assert!(overlay.is_empty() && overlay.bytes() == 0);
    let again = decide(&mut overlay, &store, 0, &batch);
    assert_eq!(again.records(), records, "ids and sequences too");
    again.undo(&mut overlay);
}

#[test]
fn a_foreign_event_in_between_changes_what_comes_after_it() {
    let (mut overlay, store) = (Overlay::default(), Store::default());
    let first = decide(&mut overlay, &store, 0, &[receive("1"), receive("2")]);
    let own: Vec<_> = events(&first).iter().map(read).collect();
    let at = positions(&first, 0);
    first.commit(&mut overlay, &at, |_, _| ());

    // The reader delivers the first of ours, then an event that nobody here knew of: all is gone.
    store.fold(&own[0], 0);
    let mut foreign = own[0].clone();
    foreign.envelope.source = "/erp".into();
    foreign.envelope.sequence = None;
    let Fact::LevelChanged(fact) = &mut foreign.fact else { panic!("a level") };
    (fact.previous.on_hand, fact.new.on_hand) = (10, 0);
    store.fold(&foreign, 1);
    overlay.trim(NextOffset(2), NextOffset::ZERO);

    // The second of ours is still to come: it says 20, as it did.
    let next = decide(&mut overlay, &store, 2, &[receive("3")]);
    let Fact::LevelChanged(fact) = read(&events(&next)[0]).fact else { panic!("a level") };
    assert_eq!((fact.previous.on_hand, fact.new.on_hand), (20, 30));
    let made = read(&events(&next)[0]).envelope;
    assert_eq!((made.sequence, made.based_on), (Some(3), Some(3)), "the foreign one counts in the version");
    next.undo(&mut overlay);
}

#[test]
fn what_is_delivered_is_let_go_of() {
    let (mut overlay, store) = (Overlay::default(), Store::default());
    let first = decide(&mut overlay, &store, 0, &[receive("1"), receive("2")]);
    let own: Vec<_> = events(&first).iter().map(read).collect();
    let outcomes: Vec<_> = first.outcomes().cloned().collect();
    let at = positions(&first, 0);
    first.commit(&mut overlay, &at, |_, _| ());
    assert!(overlay.bytes() > 0);
    for (offset, event) in own.iter().enumerate() {
        store.fold(event, offset as u64);
    }
    for outcome in outcomes {
        store.outcomes.borrow_mut().insert(outcome.command_id.to_string(), outcome);
    }
    overlay.trim(NextOffset(9), NextOffset(9));
    assert!(overlay.is_empty() && overlay.bytes() == 0);
    let again = decide(&mut overlay, &store, 2, &[receive("1"), receive("3")]);
    assert_eq!(events(&again).len(), 1, "the store remembers the first");
    again.undo(&mut overlay);
}

#[test]
fn a_record_of_ours_on_its_way_is_known_where_it_stands_and_nothing_else_is() {
    let (mut overlay, store) = (Overlay::default(), Store::default());
    let decided = decide(&mut overlay, &store, 0, &[receive("1"), allocate("2"), receive("1")]);
    let (records, at) = (decided.records().to_vec(), positions(&decided, 7));
    let outcomes: Vec<Outcome> = decided.outcomes().cloned().collect();
    decided.commit(&mut overlay, &at, |_, _| ());
    let known = |record: &NewRecord, offset: Offset| {
        let partition = Partition(0);
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        let (timestamp, headers) = (Timestamp(0), &record.headers);
        let standing = Record { topic: record.topic, partition, offset, timestamp, key, value, headers };
        match record.topic {
            Topic::Events => {
                let event = overlay.event(&standing);
                assert!(event.is_none_or(|event| *event == read(record)));
                event.is_some()
            }
            _ => {
                let outcome = overlay.outcome(&standing);
                assert!(outcome.is_none_or(|outcome| outcomes[..2].contains(outcome)));
                outcome.is_some()
            }
        }
    };
    let mut found = 0;
    for (record, position) in records.iter().zip(&at) {
        found += usize::from(known(record, position.offset));
        assert!(!known(record, Offset(position.offset.0 + 100)));
        for change in [
            (|record| record.key = None) as fn(&mut NewRecord),
            |record| record.value.as_mut().expect("a value").push(b' '),
            |record| record.headers.push(Header::new("x", "y")),
        ] {
            let mut other = record.clone();
            change(&mut other);
            assert!(!known(&other, position.offset));
        }
    }
    assert_eq!((records.len(), found), (5, 4), "the result of a repeat is not the first of its name");
}

#[test]
fn an_entry_ends_once_and_only_at_the_instant_it_has() {
    let (mut overlay, store) = (Overlay::default(), Store::default());
    let expires = at(50).to_string();
    let hold = json!({
        "hold_id": "H", "hold_type": "QUALITY_HOLD", "quantity": 1, "reason": "r", "expires_at": expires
    });
    let held = decide(&mut overlay, &store, 0, &[receive("1"), ("2", "inventory-hold.place", hold)]);
    assert_eq!(accepted(&held), [true, true]);
    let positions = positions(&held, 0);
    held.commit(&mut overlay, &positions, |_, _| ());
    let settings = settings();
    let mut deciding = Deciding::new(&mut overlay, &store, &settings, at(100));
    let due = |second| Due { sku: SKU, facet: Facet::Hold, id: "H", at: at(second) };
    assert_eq!(deciding.expire(due(49)), Ok(false), "it has another instant");
    assert_eq!(deciding.expire(due(101)), Ok(false), "that is not yet");
    assert_eq!(deciding.expire(due(50)), Ok(true));
    assert_eq!(deciding.expire(due(50)), Ok(false), "it has ended");
    deciding.end().undo(&mut overlay);
}

#[test]
fn a_command_that_would_become_too_large_an_event_is_refused() {
    let (mut overlay, store) = (Overlay::default(), Store::default());
    let comment = "c".repeat(3850);
    let data = json!({ "quantity_change": 1, "reason": "ADJUSTMENT", "comment": comment });
    let decided = decide(&mut overlay, &store, 0, &[receive("1"), ("2", "product-stock.adjust", data)]);
    // The command is below the limit, with what the store adds its event is not.
    assert_eq!(accepted(&decided), [true, false]);
    assert_eq!(decided.outcomes().last().expect("two").version.0, 1);
    decided.undo(&mut overlay);
}

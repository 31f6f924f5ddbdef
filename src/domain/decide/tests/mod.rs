//! The table of commands, one test or more for each cell: given events and commands, when one more command,
//! then events or a refusal. Commands and events are written as their data, so that a line reads as the
//! contract does.

mod holds;
mod others;
mod precedence;
mod promises;
mod properties;
mod stock;
mod transfers;

use super::super::event::{Envelope, Event, Fact, Level, LevelChanged, TYPE_PREFIX};
use super::super::rows::{Facet, StockRow};
use super::super::{Effect, EvolveError, Rules, evolve};
use super::*;
use crate::codec::command::{Draft, Received};
use crate::codec::event::{Decoded, into_owned};
use crate::domain::command::Detail;
use crate::types::{Header, Offset, Sku, Timestamp};

const OURS: &str = "inventory-store";
const MAX: &str = "9223372036854775807";
const CLEAN: Effect = Effect::Applied { gap: false, conflict: false, anomaly: false };

/// A command or a foreign event: its name and its data.
type Step<'s> = (&'s str, &'s str);

/// What a command is taken for granted to have, beside its data.
#[derive(Default, Clone)]
struct Conditions {
    expected_version: Option<u64>,
    expiry_time: Option<UtcTime>,
}

fn now() -> UtcTime {
    "2026-11-01T12:00:00Z".parse().expect("a time")
}

fn sku() -> Sku {
    Sku::new("SKU-1").expect("a SKU")
}

fn command(name: &str, data: &str, conditions: &Conditions) -> Command {
    let data: serde_json::Value = serde_json::from_str(data).expect(data);
    let encoded = crate::codec::command::encode(&Draft {
        name,
        sku: &sku(),
        source: "/shop",
        id: "cmd-1",
        time: None,
        expected_version: conditions.expected_version,
        expiry_time: conditions.expiry_time,
        correlation_id: None,
        trace_parent: None,
        data: &data,
    });
    let received: Received =
        crate::codec::command::decode(None, Some(&encoded.value), &encoded.headers, 1 << 20, true)
            .expect("a record that can be answered");
    received.command.unwrap_or_else(|refusal| panic!("{name} {data}: {refusal:?}"))
}

fn envelope() -> Envelope<'static> {
    Envelope {
        id: "e-1".into(),
        source: OURS.into(),
        sku: "SKU-1".into(),
        time: None,
        sequence: None,
        based_on: None,
        causation_id: None,
        causation_source: None,
        correlation_id: None,
        trace_parent: None,
    }
}

fn foreign(name: &str, data: &str, id: u64) -> Event<'static> {
    let value = format!(
        r#"{{"specversion":"1.0","id":"f-{id}","source":"/wms","type":"{TYPE_PREFIX}{name}","subject":"SKU-1","data":{data}}}"#
    );
    let headers = vec![Header::new("content-type", "application/cloudevents+json")];
    match crate::codec::event::decode(None, Some(value.as_bytes()), &headers, 1 << 20) {
        Ok(Decoded::Event(event)) => into_owned(event),
        other => panic!("{name} {data}: {other:?}"),
    }
}

/// One SKU and what has happened to it so far.
#[derive(Default)]
struct Story {
    aggregate: Aggregate,
    offset: u64,
}

impl Story {
    fn given(steps: &[Step<'_>]) -> Self {
        let mut story = Self::default();
        for (name, data) in steps {
            if Request::TYPE_NAMES.contains(name) {
                let given = command(name, data, &Conditions::default());
                let facts =
                    story.decide(&given).unwrap_or_else(|refusal| panic!("{name} {data}: {refusal:?}"));
                story.happened(facts);
            } else {
                let event = foreign(name, data, story.offset);
                story.load(super::super::touched(&event).into_iter().map(|(facet, id)| (facet, id.into())));
                story.offset += 1;
                evolve(&rules(), &mut story.aggregate, &event, Offset(story.offset), Timestamp(0))
                    .expect("an event that can be applied");
            }
        }
        story
    }

    /// Loads as a store that has no more than this story made.
    fn load(&mut self, entries: impl IntoIterator<Item = (Facet, Box<str>)>) {
        for (facet, id) in entries {
            if !self.aggregate.is_loaded(facet, &id) {
                self.aggregate.load(facet, &id, None);
            }
        }
    }

    fn decide(&mut self, command: &Command) -> Result<Vec<Fact<'static>>, Refusal> {
        self.load(needed(&command.request).into_iter().map(|(facet, id)| (facet, id.into())));
        let besides = needed_besides(&self.aggregate, &command.request);
        self.load(besides);
        decide(&self.aggregate, command, now())
    }

    /// Evolves what a command became, with what was loaded for deciding it and nothing more: the rows are
    /// those that deciding assumed.
    fn happened(&mut self, facts: Vec<Fact<'static>>) {
        for fact in facts {
            let may_be_short = matches!(fact, Fact::KitDisassembled(_));
            if let Fact::LevelChanged(change) = &fact {
                assert_eq!(change.previous, self.level(), "{fact:?}");
            }
            let effect = self.evolve(fact.clone()).expect("a fact that can be applied");
            if effect != CLEAN {
                assert!(may_be_short, "{effect:?}: {fact:?}");
            }
            if let Fact::LevelChanged(change) = &fact {
                assert_eq!(change.new, self.level(), "{fact:?}");
            }
        }
    }

    fn evolve(&mut self, fact: Fact<'static>) -> Result<Effect, EvolveError> {
        let mut envelope = envelope();
        envelope.sequence = Some(self.stock().own_sequence + 1);
        envelope.based_on = Some(self.stock().version.0);
        // Foreign events come first in a story, so the first of ours is not the second to be expected.
        self.offset += 1;
        let event = Event { envelope, fact };
        evolve(&rules(), &mut self.aggregate, &event, Offset(self.offset), Timestamp(0))
    }

    fn stock(&self) -> &StockRow {
        &self.aggregate.stock
    }

    fn level(&self) -> Level {
        let numbers = self.stock().numbers();
        let stated = |units: u64| i64::try_from(units).expect("a level");
        Level {
            on_hand: stated(numbers.on_hand.units()),
            allocated: Some(stated(numbers.allocated.units())),
            available_to_promise: Some(stated(numbers.available_to_promise().units())),
        }
    }
}

fn rules() -> Rules {
    Rules { own_source: OURS.into() }
}

/// A line of a table: given, when, then. A refusal is one line: `! CODE name=value…`.
struct Line<'l> {
    given: &'l [Step<'l>],
    when: Step<'l>,
    then: &'l [&'l str],
}

/// Short for a [`Line`].
const fn line<'l>(given: &'l [Step<'l>], when: Step<'l>, then: &'l [&'l str]) -> Line<'l> {
    Line { given, when, then }
}

fn holds(lines: &[Line<'_>]) {
    for Line { given, when: (name, data), then } in lines {
        let mut story = Story::given(given);
        let before = story.aggregate.stock.clone();
        let found = match story.decide(&command(name, data, &Conditions::default())) {
            Ok(facts) => {
                let shown = facts.iter().map(shown).collect();
                story.happened(facts);
                shown
            }
            Err(refusal) => vec![told(&refusal)],
        };
        assert_eq!(found, *then, "given {given:?}, when {name} {data}");
        if found.iter().any(|line| line.starts_with('!')) {
            assert_eq!(story.aggregate.stock, before, "a refusal changes nothing");
        }
    }
}

fn told(refusal: &Refusal) -> String {
    let mut text = format!("! {}", refusal.code);
    for (name, detail) in &refusal.details {
        match detail {
            Detail::Number(number) => text += &format!(" {name}={number}"),
            Detail::Text(value) => text += &format!(" {name}={value}"),
            Detail::Texts(values) => text += &format!(" {name}={}", values.join(",")),
        }
    }
    text
}

/// A fact in a few words; levels as on hand/allocated/available to promise.
fn shown(fact: &Fact<'_>) -> String {
    let some = |word: &str, text: Option<&str>| text.map_or(String::new(), |text| format!(" {word} {text}"));
    match fact {
        Fact::LevelChanged(f) => level(f),
        Fact::StatusChanged(f) => format!(
            "status {} -> {} {} {}{}",
            f.previous_status,
            f.new_status,
            f.quantity,
            f.reason,
            some("lot", f.lot_number.as_deref())
        ),
        Fact::HoldPlaced(f) => format!(
            "hold {} {} {} {}{}{}",
            f.hold_id,
            f.hold_type,
            f.quantity,
            f.reason,
            some("lot", f.lot_number.as_deref()),
            some("until", f.expires_at.map(|at| at.to_string()).as_deref())
        ),
        Fact::HoldReleased(f) => format!(
            "release {} {} by {}{}",
            f.hold_id,
            f.quantity,
            f.released_by,
            some("until", f.expires_at.map(|at| at.to_string()).as_deref())
        ),
        Fact::ValuationChanged(f) => format!(
            "valued {} {} -> {} total {} -> {} for {} {}",
            f.valuation_method,
            f.previous_unit_cost,
            f.new_unit_cost,
            f.previous_total_value,
            f.new_total_value,
            f.quantity,
            f.reason
        ),
        Fact::ClassificationChanged(f) => format!(
            "class {} -> {} {} {}",
            f.previous_class.as_deref().unwrap_or("none"),
            f.new_class,
            f.criteria,
            f.reason
        ),
        Fact::TransferInitiated(f) => format!(
            "transfer {} {} -> {} {} by {} {}",
            f.transfer_id, f.source_location, f.destination_location, f.quantity, f.initiated_by, f.reason
        ),
        Fact::TransferCompleted(f) => format!(
            "arrived {} {} -> {} {} by {}{}",
            f.transfer_id,
            f.from_location,
            f.to_location,
            f.quantity,
            f.completed_by,
            some("lot", f.lot_number.as_deref())
        ),
        Fact::SerialReceived(f) => format!(
            "serial {} received{}{}{}",
            f.serial_number,
            some("at", f.location_id.as_deref()),
            some("lot", f.lot_number.as_deref()),
            some("by", f.received_by.as_deref())
        ),
        Fact::SerialAllocated(f) => {
            format!("serial {} allocated{}", f.serial_number, some("for", f.allocation_id.as_deref()))
        }
        Fact::SerialShipped(f) => {
            format!("serial {} shipped{}", f.serial_number, some("with", f.shipment_id.as_deref()))
        }
        Fact::KitCreated(f) => {
            let components: Vec<String> = f
                .components
                .iter()
                .map(|c| {
                    format!("{}x{}{}", c.quantity, c.component_sku, if c.is_optional { "?" } else { "" })
                })
                .collect();
            format!("kit {} {} {} by {}", f.kit_name, f.kit_type, components.join("+"), f.created_by)
        }
        Fact::KitAssembled(f) => format!(
            "assembled {} {}/{} at {} by {} {:?}",
            f.assembly_order_id,
            f.produced,
            f.planned,
            f.assembly_location,
            f.completed_by,
            f.components_consumed.iter().map(|(sku, units)| format!("{units}x{sku}")).collect::<Vec<_>>()
        ),
        Fact::KitDisassembled(f) => format!(
            "disassembled {} {} at {} by {} {:?}",
            f.disassembly_order_id,
            f.quantity,
            f.disassembly_location,
            f.completed_by,
            f.components_recovered.iter().map(|(sku, units)| format!("{units}x{sku}")).collect::<Vec<_>>()
        ),
        Fact::SnapshotCreated(f) => format!("report {}", f.snapshot_id),
    }
}

fn level(f: &LevelChanged<'_>) -> String {
    let stated = |level: Level| {
        format!(
            "{}/{}/{}",
            level.on_hand,
            level.allocated.expect("allocated"),
            level.available_to_promise.expect("available")
        )
    };
    let mut text = format!("level {} -> {} {}", stated(f.previous), stated(f.new), f.change_reason);
    for (word, value) in [
        ("at", f.location_id.as_deref()),
        ("lot", f.lot_number.as_deref()),
        ("dated", f.expiry_date.as_deref()),
        ("for", f.allocation_id.as_deref()),
        ("until", f.expires_at.map(|at| at.to_string()).as_deref()),
        ("note", f.comment.as_deref()),
    ] {
        if let Some(value) = value {
            text += &format!(" {word} {value}");
        }
    }
    text
}

//! What is written around facts and outcomes: ids, order, causes.

use std::fmt::Write as _;

use uuid::Uuid;

use super::CommandSettings;
use crate::codec::event::{Encoded, encode};
use crate::codec::result::{self, Outcome};
use crate::domain::event::{Envelope, Event, Fact};
use crate::domain::rows::{Facet, StockRow};
use crate::types::{NewRecord, Partition, Position, Topic, UtcTime, partition_of};

/// The namespace of the ids of everything this store writes. Never changed: a retry must give the same ids.
const NAMESPACE: Uuid = Uuid::from_u128(0x6a3c_15e2_5b0f_4d0a_9c41_7f2d_8e60_b3d7);

/// Who caused what is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cause<'a> {
    pub source: &'a str,
    pub id: &'a str,
    pub position: Position,
    pub correlation_id: Option<&'a str>,
    pub trace_parent: Option<&'a str>,
}

fn id_of(parts: &[&str]) -> Uuid {
    // A length before each part: ids are chosen by callers, and must not run together.
    let mut name = String::with_capacity(192);
    for part in parts {
        // Writing to a string does not fail.
        let _ = write!(name, "{}:{part}", part.len());
    }
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

/// The id of a command's event at its place among the command's events, from 0.
fn event_id(cause: &Cause<'_>, sku: &str, place: usize) -> Uuid {
    id_of(&["event", cause.source, cause.id, sku, &cause.position.to_string(), &place.to_string()])
}

/// The id of the result of the command at a position: a repeat's is its own.
pub(super) fn result_id(cause: &Cause<'_>, sku: &str) -> Uuid {
    id_of(&["result", cause.source, cause.id, sku, &cause.position.to_string()])
}

/// The id of the event by which an entry ends at its instant.
pub(super) fn expiry_id(sku: &str, facet: Facet, id: &str, at: UtcTime, sequence: u64) -> Uuid {
    id_of(&["expiry", sku, &(facet as u8).to_string(), id, &at.to_string(), &sequence.to_string()])
}

/// What the events of one SKU at one moment have in common.
pub(super) struct Stamp<'a> {
    pub sku: &'a str,
    pub time: UtcTime,
    /// Nothing where only time has passed.
    pub cause: Option<&'a Cause<'a>>,
    pub settings: &'a CommandSettings,
}

impl Stamp<'_> {
    /// The event of a fact, `ahead` events after the last of these rows.
    pub(super) fn event(
        &self,
        fact: Fact<'static>,
        id: Uuid,
        stock: &StockRow,
        ahead: u64,
    ) -> Event<'static> {
        let owned = |text: &str| std::borrow::Cow::Owned(text.to_owned());
        let cause = self.cause;
        Event {
            envelope: Envelope {
                id: owned(&id.to_string()),
                source: owned(&self.settings.rules.own_source),
                sku: owned(self.sku),
                time: Some(self.time),
                sequence: Some(stock.own_sequence + ahead + 1),
                based_on: Some(stock.version.0 + ahead),
                causation_id: cause.map(|cause| owned(cause.id)),
                causation_source: cause.map(|cause| owned(cause.source)),
                correlation_id: cause.and_then(|cause| cause.correlation_id).map(owned),
                trace_parent: cause.and_then(|cause| cause.trace_parent).map(owned),
            },
            fact,
        }
    }
}

/// The events of a command's facts, in order.
pub(super) fn events(
    facts: Vec<Fact<'static>>,
    sku: &str,
    stock: &StockRow,
    time: UtcTime,
    cause: &Cause<'_>,
    settings: &CommandSettings,
) -> Vec<(Uuid, Event<'static>)> {
    let stamp = Stamp { sku, time, cause: Some(cause), settings };
    facts
        .into_iter()
        .enumerate()
        .map(|(place, fact)| {
            let id = event_id(cause, sku, place);
            (id, stamp.event(fact, id, stock, place as u64))
        })
        .collect()
}

/// The record of the events topic.
pub(super) fn event_record(event: &Event<'_>, settings: &CommandSettings) -> NewRecord {
    let partition = partition_of(&event.envelope.sku, settings.partitions);
    record(Topic::Events, partition, &event.envelope.sku, encode(event, settings.mode))
}

/// The record of the results topic.
pub(super) fn result_record(
    outcome: &Outcome,
    time: UtcTime,
    cause: &Cause<'_>,
    settings: &CommandSettings,
) -> NewRecord {
    let encoded = result::encode(
        outcome,
        &settings.rules.own_source,
        result_id(cause, outcome.sku.as_str()),
        time,
        cause.correlation_id,
        cause.trace_parent,
    );
    record(Topic::Results, outcome.command_position.partition, outcome.sku.as_str(), encoded)
}

fn record(topic: Topic, partition: Partition, sku: &str, encoded: Encoded) -> NewRecord {
    NewRecord {
        topic,
        partition,
        timestamp: None,
        key: Some(sku.as_bytes().to_vec()),
        value: Some(encoded.value),
        headers: encoded.headers,
    }
}

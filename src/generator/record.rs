//! A generated event as a record of the events topic.

use super::{Layout, written_as};
use crate::codec::event::{Mode, encode};
use crate::domain::event::Event;
use crate::types::{NewRecord, Topic, partition_of};

/// `event` as a service would write it: in this mode and layout, keyed by its SKU.
#[must_use]
pub fn record(event: &Event<'_>, mode: Mode, layout: Layout, partitions: u16) -> NewRecord {
    let encoded = encode(event, mode);
    let value =
        if layout == Layout::Canonical { encoded.value } else { relaid(event, mode, layout, encoded.value) };
    NewRecord {
        topic: Topic::Events,
        partition: partition_of(&event.envelope.sku, partitions),
        timestamp: None,
        key: Some(event.envelope.sku.as_bytes().to_vec()),
        value: Some(value),
        headers: encoded.headers,
    }
}

fn relaid(event: &Event<'_>, mode: Mode, layout: Layout, value: Vec<u8>) -> Vec<u8> {
    // What `encode` wrote is JSON; should it ever not be, the event goes out as it was.
    let Ok(mut json) = serde_json::from_slice::<serde_json::Value>(&value) else { return value };
    match mode {
        Mode::Binary => json = written_as(layout, event, json),
        Mode::Structured => {
            if let Some(data) = json.get_mut("data") {
                *data = written_as(layout, event, data.take());
            }
        }
    }
    serde_json::to_vec(&json).unwrap_or(value)
}

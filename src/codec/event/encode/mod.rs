//! The canonical form of an event: snake_case, nested levels, exact numbers.

mod data;
mod json;

use serde::{Deserialize, Serialize};

pub(in crate::codec) use self::json::{ObjectWriter, Writer, string};
use super::decode::{CORRELATION_HEADER, TRACE_PARENT_HEADER};
use crate::domain::event::{Envelope, Event, TYPE_PREFIX};
use crate::types::Header;

/// The content type of a structured CloudEvent, as other SDKs write it.
pub(in crate::codec) const STRUCTURED: &str = "application/cloudevents+json; charset=UTF-8";
pub(in crate::codec) const JSON: &str = "application/json";

/// How an event travels: with its attributes in the value or in the headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// `application/cloudevents+json`: one JSON object holds attributes and data.
    #[default]
    Structured,
    /// Attributes as `ce_` headers, the value is the data alone.
    Binary,
}

/// A record without its key, which is the SKU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    pub headers: Vec<Header>,
    pub value: Vec<u8>,
}

/// Writes `event` in the canonical form.
///
/// Beside the attributes: `X-Correlation-ID` and `traceparent` as headers in both modes, for services that
/// look no further. [`super::decode()`] gives the same event again, as long as it holds to the limits.
#[must_use]
pub fn encode(event: &Event<'_>, mode: Mode) -> Encoded {
    let mut headers = Vec::with_capacity(16);
    let mut value = Writer::with_capacity(640);
    match mode {
        Mode::Structured => {
            headers.push(Header::new("content-type", STRUCTURED));
            value.object(|object| {
                attributes(event, |name, text| object.text(name, text));
                object.text("datacontenttype", JSON);
                object.object("data", |data| data::write(event, data));
            });
        }
        Mode::Binary => {
            headers.push(Header::new("content-type", JSON));
            attributes(event, |name, text| headers.push(Header::new(format!("ce_{name}"), text)));
            value.object(|data| data::write(event, data));
        }
    }
    for (name, text) in [
        (CORRELATION_HEADER, &event.envelope.correlation_id),
        (TRACE_PARENT_HEADER, &event.envelope.trace_parent),
    ] {
        if let Some(text) = text {
            headers.push(Header::new(name, text.as_bytes()));
        }
    }
    Encoded { headers, value: value.finish() }
}

/// Calls `write` with each attribute but those about the data's form, in order.
fn attributes(event: &Event<'_>, mut write: impl FnMut(&str, &str)) {
    let Envelope {
        id,
        source,
        sku,
        time,
        sequence,
        based_on,
        causation_id,
        causation_source,
        correlation_id,
        trace_parent,
    } = &event.envelope;
    write("specversion", "1.0");
    write("id", id);
    write("source", source);
    write("type", &format!("{TYPE_PREFIX}{}", event.fact.type_name()));
    write("subject", sku);
    if let Some(time) = time {
        write("time", &time.to_string());
    }
    if let Some(sequence) = sequence {
        write("sequence", &sequence.to_string());
        write("sequencetype", "Integer");
    }
    if let Some(based_on) = based_on {
        write("basedon", &based_on.to_string());
    }
    for (name, text) in [
        ("causationid", causation_id),
        ("causationsource", causation_source),
        ("correlationid", correlation_id),
        ("traceparent", trace_parent),
    ] {
        if let Some(text) = text {
            write(name, text);
        }
    }
}

//! CloudEvents over HTTP, and files of them, as records for the topic.
//!
//! An item's bytes go to the log as they came, so that no number is written anew and whoever reads the topic
//! sees what the sender sent. Source: CloudEvents HTTP protocol binding 1.0.2.

mod binary;
mod structured;

use super::decode::{CORRELATION_HEADER, TRACE_PARENT_HEADER};
use super::media::{self, Form};
use super::{Decoded, Malformed, Reason};
use crate::codec::command::{self, Received};
use crate::types::Header;

pub use structured::split;

/// One CloudEvent as it goes to the log: stored as if its writer had sent it to Kafka.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The record key: subject, else `data.sku` or `data.kit_sku`. A valid SKU.
    pub sku: String,
    pub event_id: String,
    pub source: String,
    pub event_type: String,
    /// The bytes as they came, byte for byte.
    pub value: Vec<u8>,
    pub headers: Vec<Header>,
}

impl Item {
    /// Reads the item as an event would be read from the events topic.
    ///
    /// # Errors
    /// [`Malformed`] says which rule it breaks.
    pub fn decode(&self, max_bytes: usize) -> Result<Decoded<'_>, Malformed> {
        super::decode(Some(self.sku.as_bytes()), Some(&self.value), &self.headers, max_bytes)
    }
}

impl Item {
    /// Reads the item as a command would be read from the commands topic.
    ///
    /// # Errors
    /// [`Malformed`] where nobody could be answered; what else is wrong with it is `INVALID_COMMAND`.
    pub fn decode_command(&self, max_bytes: usize, extended_values: bool) -> Result<Received, Malformed> {
        let key = Some(self.sku.as_bytes());
        command::decode(key, Some(&self.value), &self.headers, max_bytes, extended_values)
    }
}

/// An item that cannot be taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("item {index}: {malformed}")]
pub struct Rejected {
    /// 0-based, in the order of the body.
    pub index: usize,
    /// Its id, where one could be read.
    pub event_id: Option<String>,
    pub malformed: Malformed,
}

/// A body that is no CloudEvents message at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// 415.
    #[error(
        "content type {found:?} is not read here; send application/cloudevents+json, application/cloudevents-batch+json, or ce- headers with application/json"
    )]
    ContentType { found: String },
    /// 413.
    #[error("{found} items, at most {max} in one request")]
    TooManyItems { found: usize, max: usize },
    /// 400.
    #[error("the body cannot be read: {0}")]
    Body(Malformed),
}

/// Reads a CloudEvents message: structured (`application/cloudevents+json`), batch
/// (`application/cloudevents-batch+json`) or binary (`ce-` headers, percent-decoded). Header names in any
/// case; `X-Correlation-ID` and `traceparent` go along with every item that has none of its own.
///
/// # Errors
/// [`FormError`] where the message as a whole cannot be read. What is wrong with one item stands in its
/// place.
pub fn parse<'h>(
    content_type: Option<&str>,
    headers: impl Iterator<Item = (&'h str, &'h [u8])>,
    body: &[u8],
    max_items: usize,
) -> Result<Vec<Result<Item, Rejected>>, FormError> {
    let mut tracing = Tracing::default();
    let mut attributes = Vec::new();
    for (name, value) in headers {
        if let Some(attribute) = prefixed(name) {
            attributes.push((attribute.to_ascii_lowercase(), binary::unquoted(value)));
        } else if name.eq_ignore_ascii_case(CORRELATION_HEADER) {
            tracing.correlation_id = Some(value.to_vec());
        } else if name.eq_ignore_ascii_case(TRACE_PARENT_HEADER) {
            tracing.trace_parent = Some(value.to_vec());
        }
    }
    match content_type.map_or(Form::Binary, media::form) {
        Form::Structured => structured::one(body, &tracing).map(|item| vec![item]),
        Form::Batch => structured::batch(body, &tracing, max_items),
        Form::Binary if !attributes.is_empty() => {
            Ok(vec![binary::one(content_type, attributes, body, &tracing)])
        }
        Form::Binary | Form::OtherFormat => Err(FormError::ContentType {
            found: content_type.unwrap_or_default().chars().take(100).collect(),
        }),
    }
}

/// Whether a body of this content type is a batch.
#[must_use]
pub fn is_batch(content_type: &str) -> bool {
    media::form(content_type) == Form::Batch
}

/// The attribute that the HTTP header `name` carries.
fn prefixed(name: &str) -> Option<&str> {
    let (prefix, attribute) = name.split_at_checked(3)?;
    prefix.eq_ignore_ascii_case("ce-").then_some(attribute)
}

/// What the request says of where it comes from.
#[derive(Debug, Clone, Default)]
struct Tracing {
    correlation_id: Option<Vec<u8>>,
    trace_parent: Option<Vec<u8>>,
}

impl Tracing {
    /// The record's headers: what the event says itself goes first.
    fn headers(&self, correlation_id: Option<&str>, trace_parent: Option<&str>, headers: &mut Vec<Header>) {
        let own = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
        for (name, value) in [
            (CORRELATION_HEADER, own(correlation_id).or_else(|| self.correlation_id.clone())),
            (TRACE_PARENT_HEADER, own(trace_parent).or_else(|| self.trace_parent.clone())),
        ] {
            if let Some(value) = value {
                headers.push(Header::new(name, value));
            }
        }
    }
}

fn repeated(name: &str) -> Malformed {
    Malformed::new(Reason::RepeatedKey, format!("the header ce-{name} stands twice"))
}

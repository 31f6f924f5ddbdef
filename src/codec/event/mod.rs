//! CloudEvents over Kafka, both modes, every layout the topic has seen.
//!
//! [`decode()`] is the fast reader: one pass, borrowing. [`oracle`] reads the same through `cloudevents-sdk`
//! and `serde_json`; a property test holds the two to one answer. [`encode()`] writes the canonical form, and
//! [`http`] brings CloudEvents over HTTP, and files of them, into the form they have on the topic.
//!
//! What is accepted, the limits and the reasons: `docs/events.md`.

mod decode;
mod encode;
pub mod http;
pub(in crate::codec) mod json;
pub(in crate::codec) mod limits;
mod malformed;
mod media;
pub mod oracle;
mod owned;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::domain::event::Event;

pub use decode::decode;
pub(in crate::codec) use decode::{
    CORRELATION_HEADER, Extension, Message, MessageData, TRACE_PARENT_HEADER, agreed_key, message,
};
pub use encode::{Encoded, Mode, encode};
pub(in crate::codec) use encode::{JSON, ObjectWriter, STRUCTURED, Writer, string as write_string};
pub use limits::MAX_LABEL_BYTES;
pub use malformed::{Malformed, Reason};
pub use owned::into_owned;

/// What a well-formed record is.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "almost every record is an event, and none is kept for long")]
pub enum Decoded<'a> {
    Event(Event<'a>),
    /// A newer service's type: counted and passed over.
    Unknown {
        event_type: Cow<'a, str>,
    },
}

/// The version of what the decoder takes a record to mean. Raise it with every change by which the same bytes
/// give another event: stores and bases made by an older one are then shown as in need of repair.
pub const DECODER_VERSION: u32 = 1;

/// Largest record value that is read, in bytes, unless configured otherwise.
pub const DEFAULT_MAX_BYTES: usize = 1024 * 1024;

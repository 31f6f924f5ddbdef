//! CloudEvents over Kafka, both modes → commands.
//!
//! Whatever can be answered is [`Received`]: with the command, or with `INVALID_COMMAND` that names the field
//! and what is wrong with it. What cannot be (no SKU, id or source; broken JSON; too large) is
//! [`Malformed`] and goes to dead letters. What is accepted, the limits, and what the hash is taken over:
//! `docs/commands.md`.

mod allowed;
mod encode;
mod fields;
mod hash;
mod names;
mod number;
mod requests;
mod tree;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use self::hash::ExpectedVersion;
use self::tree::Json;
use super::event::{Extension, Malformed, Message, MessageData, Reason, agreed_key, message};
use crate::domain::command::{Command, CommandEnvelope, Refusal, Request};
use crate::types::{Headers, Sku, UtcTime};

pub use crate::domain::event::TYPE_PREFIX;
pub use encode::{Draft, encode};
pub use hash::{CommandHash, InvalidCommandHash};

/// Longest `id`, `source` and `type` of a command, in bytes: they come back in its events and its result.
pub const MAX_NAME_BYTES: usize = 1024;
/// Longest free text in a command's data, in bytes.
pub const MAX_TEXT_BYTES: usize = 4096;
/// Most components of a kit in one command.
pub const MAX_COMPONENTS: usize = 1000;

/// A record of the commands topic that can be answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    pub sku: Sku,
    pub source: Box<str>,
    pub id: Box<str>,
    /// The full CloudEvents type, as it came.
    pub command_type: Box<str>,
    pub hash: CommandHash,
    pub correlation_id: Option<Box<str>>,
    pub trace_parent: Option<Box<str>>,
    /// Or `INVALID_COMMAND`, naming the field and what was wrong.
    pub command: Result<Command, Refusal>,
}

/// Reads one record of the commands topic. `extended_values` is the setting `contract.extended_values`:
/// whether values may be written that the platform's schemas do not list.
///
/// # Errors
/// [`Malformed`]: nobody can be answered, or there is no telling what was asked.
pub fn decode(
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &dyn Headers,
    max_bytes: usize,
    extended_values: bool,
) -> Result<Received, Malformed> {
    let message = message(value, headers, max_bytes)?;
    for (name, text) in [("id", &message.id), ("source", &message.source), ("type", &message.event_type)] {
        if text.len() > MAX_NAME_BYTES {
            let detail = format!("{name}: expected at most {MAX_NAME_BYTES} bytes, these are {}", text.len());
            return Err(Malformed::new(Reason::InvalidField, detail));
        }
    }
    let mut data = match &message.data {
        MessageData::Absent => None,
        MessageData::Json(text) => Some(Json::parse(text)?),
    };
    let name = message.event_type.strip_prefix(TYPE_PREFIX).unwrap_or_default();
    let sound_names = data.as_mut().map_or(Ok(()), |data| names::normalise(name, data));

    let sku = sku(&message, data.as_ref(), name, key)?;
    let expected_version = ExpectedVersion::of(&message.expected_version);
    let hash = hash::command_hash(&message.event_type, &sku, &expected_version, data.as_ref());
    let informing = |text: &Option<Cow<'_, str>>| {
        text.as_deref().filter(|text| text.len() <= MAX_NAME_BYTES).map(Box::from)
    };
    let envelope = || -> Result<CommandEnvelope, Refusal> {
        Ok(CommandEnvelope {
            sku: sku.clone(),
            source: (&*message.source).into(),
            id: (&*message.id).into(),
            expected_version: expected_version.value()?,
            expiry_time: time("expirytime", &message.expiry_time)?,
            correlation_id: informing(&message.correlation_id),
            trace_parent: informing(&message.trace_parent),
        })
    };
    let command = check(&message).and(sound_names).and_then(|()| envelope()).and_then(|envelope| {
        let request = request(&message, name, &sku, data.as_ref(), extended_values)?;
        Ok(Command { envelope, request })
    });
    Ok(Received {
        source: (&*message.source).into(),
        id: (&*message.id).into(),
        command_type: (&*message.event_type).into(),
        hash,
        correlation_id: informing(&message.correlation_id),
        trace_parent: informing(&message.trace_parent),
        command,
        sku,
    })
}

/// The subject; without one, what the data names; without that, the record key.
fn sku(
    message: &Message<'_>,
    data: Option<&Json<'_>>,
    name: &str,
    key: Option<&[u8]>,
) -> Result<Sku, Malformed> {
    let named = |field| data.and_then(|data| data.member(field)).and_then(Json::text);
    let subject = message.subject.as_deref().map(|subject| ("subject", subject));
    let in_data = || named("sku").map(|sku| ("data.sku", sku));
    let in_kit = || named("kit_sku").filter(|_| name.starts_with("kit.")).map(|sku| ("data.kit_sku", sku));
    agreed_key(subject.or_else(in_data).or_else(in_kit), key)
}

/// What is wrong with the envelope beside what its own fields say.
fn check(message: &Message<'_>) -> Result<(), Refusal> {
    for (name, text) in [("correlationid", &message.correlation_id), ("traceparent", &message.trace_parent)] {
        if text.as_deref().is_some_and(|text| text.len() > MAX_NAME_BYTES) {
            return Err(Refusal::invalid(name, format!("expected at most {MAX_NAME_BYTES} bytes")));
        }
    }
    time("time", &message.time).map(|_| ())
}

fn time(field: &str, extension: &Extension<'_>) -> Result<Option<UtcTime>, Refusal> {
    match extension {
        Extension::Absent => Ok(None),
        Extension::Text(text) => match text.parse() {
            Ok(time) => Ok(Some(time)),
            Err(error) => Err(Refusal::invalid(field, error.to_string())),
        },
        Extension::Number(_) | Extension::Other => {
            Err(Refusal::invalid(field, "expected an RFC 3339 time in a string"))
        }
    }
}

fn request(
    message: &Message<'_>,
    name: &str,
    sku: &Sku,
    data: Option<&Json<'_>>,
    extended_values: bool,
) -> Result<Request, Refusal> {
    if !Request::TYPE_NAMES.contains(&name) {
        let known: Vec<String> =
            Request::TYPE_NAMES.iter().map(|name| format!("{TYPE_PREFIX}{name}")).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let fault = format!("{:?} is no command that is known here", message.event_type);
        return Err(Refusal::invalid("type", fault).with_texts("allowed", &known));
    }
    let data = match data {
        Some(data @ Json::Object(_)) => data,
        Some(_) => return Err(Refusal::invalid("data", "expected an object")),
        None => return Err(Refusal::invalid("data", "is missing")),
    };
    requests::read(name, sku, data, extended_values)
}

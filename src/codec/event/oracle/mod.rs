//! The same answers, the long way: `cloudevents-sdk` for the envelope, `serde_json` for the grammar.
//!
//! Slow, plain, and sharing no code with [`super::decode()`] but the types, the limits' numbers and the order
//! of the checks, which that module states. Tests hold the two to one answer.

mod facts;
mod fields;
mod message;
mod tree;

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cloudevents::event::ExtensionValue;
use cloudevents::{AttributesReader, Event as SdkEvent};

use self::fields::Fields;
use self::message::{Form, Message, is_json};
use self::tree::Json;
use super::{Decoded, Malformed, Reason};
use crate::domain::event::{Envelope, Event, TYPE_PREFIX};
use crate::types::{Headers, Sku, UtcTime};

/// Reads one record of the events topic.
///
/// # Errors
/// [`Malformed`] with the same reason as [`super::decode()`] gives.
pub fn decode(
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &dyn Headers,
    max_bytes: usize,
) -> Result<Decoded<'static>, Malformed> {
    let value = value.ok_or_else(|| no(Reason::NullValue, "no value"))?;
    if value.len() > max_bytes {
        return Err(no(Reason::TooLarge, "too large"));
    }
    let message = Message::of(headers)?;
    let (attributes, data) = match message.form() {
        Form::Structured => {
            let Json::Object(members) = Json::parse(value)? else {
                return Err(no(Reason::InvalidField, "not an object"));
            };
            tree::check_repeated(&members)?;
            (members, None)
        }
        Form::Binary => (message.attributes(), Some(value)),
        Form::Other => return Err(no(Reason::InvalidField, "another event format")),
    };

    let fields = Fields(&attributes);
    match attribute(&attributes, "specversion") {
        Some(Json::String(version)) if version == "1.0" => {}
        _ => return Err(no(Reason::SpecVersion, "specversion")),
    }
    for name in ["id", "source", "type"] {
        if fields.text(name)?.is_empty() {
            return Err(no(Reason::InvalidField, name));
        }
    }
    let event_type = fields.text("type")?;
    let json_data = data.is_none() || message.content_type.as_deref().is_none_or(is_json);
    let known = event_type.strip_prefix(TYPE_PREFIX).filter(|name| facts::is_known(name));
    let Some(name) = known else {
        if let Some(value) = data.filter(|_| json_data) {
            Json::parse(value)?;
        }
        return Ok(Decoded::Unknown { event_type: Cow::Owned(event_type) });
    };
    let time = fields.optional_time("time")?;
    if data.is_none() && fields.optional_text("datacontenttype")?.is_some_and(|found| !is_json(&found))
        || !json_data
    {
        return Err(no(Reason::InvalidField, "datacontenttype"));
    }

    let data = match data {
        Some(value) => Json::parse(value)?,
        None => structured_data(&attributes, &fields)?,
    };
    let sdk = message::through_the_sdk(&attributes, time, &data)?;
    let Json::Object(members) = &data else {
        return Err(no(Reason::InvalidField, "data is not an object"));
    };
    tree::check_repeated(members)?;
    let data_fields = Fields(members);
    let subject = fields.optional_text("subject")?;
    let sku = data_fields.optional_text("sku")?;
    let kit_sku = if name.starts_with("kit.") { data_fields.optional_text("kit_sku")? } else { None };
    let sku = agreed(subject, sku, kit_sku, key)?;
    let fact = facts::read(name, &data_fields)?;
    Ok(Decoded::Event(Event { envelope: envelope(&sdk, sku, &message), fact }))
}

fn no(reason: Reason, detail: &str) -> Malformed {
    Malformed::new(reason, detail)
}

/// The attribute, where it is there and not null.
fn attribute<'j>(attributes: &'j [(String, Json)], name: &str) -> Option<&'j Json> {
    attributes.iter().find(|(n, value)| n == name && *value != Json::Null).map(|(_, value)| value)
}

fn structured_data(attributes: &[(String, Json)], fields: &Fields<'_>) -> Result<Json, Malformed> {
    match (attribute(attributes, "data"), attribute(attributes, "data_base64")) {
        (Some(_), Some(_)) => Err(no(Reason::InvalidField, "data twice")),
        (Some(data), None) => Ok(data.clone()),
        (None, None) => Err(no(Reason::MissingField, "data")),
        (None, Some(_)) => {
            let encoded = fields.text("data_base64")?;
            let bytes =
                BASE64_STANDARD.decode(encoded).map_err(|_| no(Reason::InvalidField, "data_base64"))?;
            Json::parse(&bytes)
        }
    }
}

fn agreed(
    subject: Option<String>,
    sku: Option<String>,
    kit_sku: Option<String>,
    key: Option<&[u8]>,
) -> Result<String, Malformed> {
    let key = match key {
        Some(bytes) => {
            Some(String::from_utf8(bytes.to_vec()).map_err(|_| no(Reason::InvalidUtf8, "the record key"))?)
        }
        None => None,
    };
    let named: Vec<String> = [subject, sku, kit_sku, key].into_iter().flatten().collect();
    let chosen = named.first().ok_or_else(|| no(Reason::DisagreeingSku, "no SKU"))?;
    if Sku::new(chosen).is_err() {
        return Err(no(Reason::InvalidSku, chosen));
    }
    if named.iter().any(|other| other != chosen) {
        return Err(no(Reason::DisagreeingSku, "SKUs differ"));
    }
    Ok(chosen.clone())
}

/// Everything from the SDK's event; only what is no CloudEvents attribute from the message.
fn envelope(event: &SdkEvent, sku: String, message: &Message) -> Envelope<'static> {
    let owned = |text: &str| Cow::<'static, str>::Owned(text.to_owned());
    let text = |name: &str| match event.extension(name) {
        Some(ExtensionValue::String(text)) if !text.is_empty() => Some(owned(text)),
        _ => None,
    };
    let count = |name: &str| match event.extension(name) {
        Some(ExtensionValue::String(text)) if text.chars().all(|c| c.is_ascii_digit()) => text.parse().ok(),
        Some(ExtensionValue::Integer(count)) => u64::try_from(*count).ok(),
        _ => None,
    };
    let header = |value: &Option<String>| value.as_deref().filter(|text| !text.is_empty()).map(owned);
    Envelope {
        id: owned(event.id()),
        source: owned(event.source()),
        sku: Cow::Owned(sku),
        time: event.time().and_then(|time| UtcTime::new(time.timestamp(), time.timestamp_subsec_nanos())),
        sequence: count("sequence"),
        based_on: count("basedon"),
        causation_id: text("causationid"),
        causation_source: text("causationsource"),
        correlation_id: text("correlationid").or_else(|| header(&message.correlation_id)),
        trace_parent: text("traceparent").or_else(|| header(&message.trace_parent)),
    }
}

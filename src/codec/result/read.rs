use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{ACCEPTED, Outcome, REJECTED, Verdict};
use crate::codec::event::{Malformed, MessageData, Reason, agreed_key, message};
use crate::domain::event::TYPE_PREFIX;
use crate::types::{Headers, Version};

/// `data` as it stands; newer members are passed over.
#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    command_id: Cow<'a, str>,
    #[serde(borrow)]
    command_source: Cow<'a, str>,
    #[serde(borrow)]
    command_type: Cow<'a, str>,
    #[serde(borrow)]
    command_hash: Cow<'a, str>,
    #[serde(borrow)]
    command_position: Cow<'a, str>,
    #[serde(borrow)]
    sku: Cow<'a, str>,
    #[serde(borrow)]
    outcome: Cow<'a, str>,
    version: u64,
    #[serde(default)]
    event_ids: Vec<Uuid>,
    code: Option<Box<str>>,
    message: Option<Box<str>>,
    details: Option<Value>,
}

/// Reads one record of the results topic.
///
/// # Errors
/// [`Malformed`] where it is no result as [`super::encode`] writes it: another writer's, or a newer one's.
pub fn decode(
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &dyn Headers,
    max_bytes: usize,
) -> Result<Outcome, Malformed> {
    let message = message(value, headers, max_bytes)?;
    let named = message.event_type.strip_prefix(TYPE_PREFIX).and_then(|name| name.strip_prefix("command."));
    let Some(named @ (ACCEPTED | REJECTED)) = named else {
        return Err(invalid("type", "expected command.accepted or command.rejected"));
    };
    let MessageData::Json(text) = &message.data else {
        return Err(Malformed::new(Reason::MissingField, "data is missing"));
    };
    let data: Data<'_> = serde_json::from_str(text).map_err(|error| {
        let reason = if error.is_data() { Reason::InvalidField } else { Reason::InvalidJson };
        Malformed::new(reason, format!("data: {error}"))
    })?;
    let sku = agreed_key(Some(("data.sku", &data.sku)), key)?;
    if message.subject.as_deref().is_some_and(|subject| subject != data.sku) {
        return Err(Malformed::new(Reason::DisagreeingSku, "subject and data.sku differ"));
    }
    if data.outcome != named {
        return Err(invalid("outcome", "expected the same as in type"));
    }
    let verdict = if named == ACCEPTED {
        Verdict::Accepted { event_ids: data.event_ids }
    } else {
        let details = data.details.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        if !details.is_object() {
            return Err(invalid("details", "expected an object"));
        }
        Verdict::Rejected {
            code: data.code.ok_or_else(|| missing("code"))?,
            message: data.message.unwrap_or_default(),
            details,
        }
    };
    Ok(Outcome {
        sku,
        command_source: data.command_source.into(),
        command_id: data.command_id.into(),
        command_type: data.command_type.into(),
        command_hash: data
            .command_hash
            .parse()
            .map_err(|_| invalid("command_hash", "expected 64 lower-case hexadecimal digits"))?,
        command_position: data
            .command_position
            .parse()
            .map_err(|error| invalid("command_position", format_args!("{error}")))?,
        version: Version(data.version),
        verdict,
    })
}

fn missing(field: &str) -> Malformed {
    Malformed::new(Reason::MissingField, format!("{field} is missing"))
}

fn invalid(field: &str, fault: impl std::fmt::Display) -> Malformed {
    Malformed::new(Reason::InvalidField, format!("{field}: {fault}"))
}

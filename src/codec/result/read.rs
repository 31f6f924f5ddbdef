use std::borrow::Cow;

use uuid::Uuid;

use super::{ACCEPTED, Outcome, REJECTED, Verdict};
use crate::codec::event::json::{Scanner, Token, unescape};
use crate::codec::event::{Malformed, MessageData, Reason, agreed_key, message};
use crate::domain::event::TYPE_PREFIX;
use crate::types::{Headers, Version};

macro_rules! data {
    ($($member:ident)+) => {
        /// `data` as it stands; newer members are passed over.
        struct Data<'a> {
            $($member: Token<'a>),+
        }

        impl<'a> Data<'a> {
            const NOTHING: Self = Self { $($member: Token::Absent),+ };

            fn member(&mut self, name: &str) -> Option<&mut Token<'a>> {
                match name {
                    $(stringify!($member) => Some(&mut self.$member),)+
                    _ => None,
                }
            }
        }
    };
}

data! {
    command_id command_source command_type command_hash command_position
    sku outcome version event_ids code message details
}

impl<'a> Data<'a> {
    fn read(text: &'a str) -> Result<Self, Malformed> {
        let mut data = Self::NOTHING;
        let mut repeated = None;
        let mut scanner = Scanner::new(text);
        scanner.space();
        if !scanner.is_object() {
            return Err(invalid("data", "expected an object"));
        }
        scanner.members(|scanner| {
            let key = scanner.key()?;
            let value = scanner.value()?.token(scanner.text(), &[]);
            let name = scanner.name(key).text();
            if let Some(member) = data.member(&name)
                && std::mem::replace(member, value) != Token::Absent
            {
                repeated = Some(name);
            }
            Ok(())
        })?;
        scanner.end()?;
        match repeated {
            Some(name) => Err(Malformed::new(Reason::RepeatedKey, format!("{name:?} stands twice"))),
            None => Ok(data),
        }
    }
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
    let MessageData::Json(data) = &message.data else { return Err(missing("data")) };
    let data = Data::read(data)?;
    let named_sku = text("sku", data.sku)?;
    let sku = agreed_key(Some(("data.sku", &named_sku)), key)?;
    if message.subject.as_deref().is_some_and(|subject| subject != named_sku) {
        return Err(Malformed::new(Reason::DisagreeingSku, "subject and data.sku differ"));
    }
    if text("outcome", data.outcome)? != named {
        return Err(invalid("outcome", "expected the same as in type"));
    }
    let event_ids = event_ids(data.event_ids)?;
    let verdict = if named == ACCEPTED {
        Verdict::Accepted { event_ids }
    } else {
        Verdict::Rejected {
            code: text("code", data.code)?.into(),
            message: if data.message.is_absent() { "".into() } else { text("message", data.message)?.into() },
            details: details(data.details)?,
        }
    };
    Ok(Outcome {
        sku,
        command_source: text("command_source", data.command_source)?.into(),
        command_id: text("command_id", data.command_id)?.into(),
        command_type: text("command_type", data.command_type)?.into(),
        command_hash: text("command_hash", data.command_hash)?
            .parse()
            .map_err(|_| invalid("command_hash", "expected 64 lower-case hexadecimal digits"))?,
        command_position: text("command_position", data.command_position)?
            .parse()
            .map_err(|error| invalid("command_position", format_args!("{error}")))?,
        version: version(data.version)?,
        verdict,
    })
}

fn text<'a>(field: &str, token: Token<'a>) -> Result<Cow<'a, str>, Malformed> {
    match token {
        Token::Text(text) => Ok(Cow::Borrowed(text)),
        Token::Escaped(raw) => Ok(Cow::Owned(unescape(raw))),
        Token::Absent | Token::Null => Err(missing(field)),
        _ => Err(invalid(field, "expected a string")),
    }
}

fn version(token: Token<'_>) -> Result<Version, Malformed> {
    let number = match token {
        Token::Number(text) => text.parse().ok(),
        Token::Absent | Token::Null => return Err(missing("version")),
        _ => None,
    };
    number.map(Version).ok_or_else(|| invalid("version", "expected a whole number from 0 to 2^64-1"))
}

/// None where none are named.
fn event_ids(token: Token<'_>) -> Result<Vec<Uuid>, Malformed> {
    let array = match token {
        Token::Array(array) => array,
        Token::Absent | Token::Null => return Ok(Vec::new()),
        _ => return Err(invalid("event_ids", "expected an array")),
    };
    let (mut ids, mut sound) = (Vec::new(), true);
    let mut scanner = Scanner::new(array);
    scanner.elements(|scanner| {
        let id = match scanner.value()?.token(scanner.text(), &[]) {
            Token::Text(text) => Uuid::try_parse(text).ok(),
            _ => None,
        };
        sound &= id.is_some();
        ids.extend(id);
        Ok(())
    })?;
    if sound { Ok(ids) } else { Err(invalid("event_ids", "expected UUIDs")) }
}

/// An empty object where there are none.
fn details(token: Token<'_>) -> Result<serde_json::Value, Malformed> {
    match token {
        Token::Object(text) => {
            serde_json::from_str(text).map_err(|error| invalid("details", format_args!("{error}")))
        }
        Token::Absent | Token::Null => Ok(serde_json::Value::Object(serde_json::Map::new())),
        _ => Err(invalid("details", "expected an object")),
    }
}

fn missing(field: &str) -> Malformed {
    Malformed::new(Reason::MissingField, format!("{field} is missing"))
}

fn invalid(field: &str, fault: impl std::fmt::Display) -> Malformed {
    Malformed::new(Reason::InvalidField, format!("{field}: {fault}"))
}

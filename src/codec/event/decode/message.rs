use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::data::Data;
use super::envelope::{self, Attributes, HeaderView, attribute};
use super::names::Field;
use super::{bounded, read, text_of, unread_form, utf8};
use crate::codec::event::json::{Token, unescape};
use crate::codec::event::media::{self, Form};
use crate::codec::event::{Malformed, Reason};
use crate::types::{Headers, Sku};

type Text<'a> = Cow<'a, str>;

/// Any CloudEvent of our topics, taken apart: what every one of them has, and the text of its data.
#[derive(Debug)]
pub(in crate::codec) struct Message<'a> {
    pub id: Text<'a>,
    pub source: Text<'a>,
    pub event_type: Text<'a>,
    pub subject: Option<Text<'a>>,
    pub time: Extension<'a>,
    pub expected_version: Extension<'a>,
    pub expiry_time: Extension<'a>,
    pub correlation_id: Option<Text<'a>>,
    pub trace_parent: Option<Text<'a>>,
    pub data: MessageData<'a>,
}

/// An attribute as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::codec) enum Extension<'a> {
    Absent,
    Text(Text<'a>),
    Number(&'a str),
    /// Another kind of value, or a header that is no UTF-8.
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::codec) enum MessageData<'a> {
    Absent,
    /// Sound JSON where the record is structured; in binary mode and in base64 still to be checked.
    Json(Text<'a>),
}

/// Takes a record apart.
///
/// # Errors
/// [`Malformed`] where it is no CloudEvent with JSON data. Its data's grammar is checked where it stands in
/// the value, and by whoever reads it where it does not.
pub(in crate::codec) fn message<'a>(
    value: Option<&'a [u8]>,
    headers: &'a dyn Headers,
    max_bytes: usize,
) -> Result<Message<'a>, Malformed> {
    let value = bounded(value, max_bytes)?;
    let view = HeaderView::of(headers);
    match view.form()? {
        Form::Structured => {
            let mut attributes = Attributes::new();
            envelope::scan(text_of(value)?, &mut attributes, &mut Data::new())?;
            attributes.check_repeated()?;
            let data = structured_data(&attributes)?;
            whole(&attributes, &view, data)
        }
        Form::Binary => {
            let attributes = Attributes::of_headers(&view);
            if !view.content_type()?.is_none_or(media::is_json) {
                return Err(read::invalid(attribute::DATACONTENTTYPE, "a JSON content type"));
            }
            whole(&attributes, &view, MessageData::Json(Cow::Borrowed(text_of(value)?)))
        }
        Form::Batch | Form::OtherFormat => Err(unread_form()),
    }
}

fn whole<'a>(
    attributes: &Attributes<'a>,
    view: &HeaderView<'a>,
    data: MessageData<'a>,
) -> Result<Message<'a>, Malformed> {
    let identity = attributes.identify()?;
    Ok(Message {
        id: identity.id,
        source: identity.source,
        event_type: identity.event_type,
        subject: attributes.optional_text(attribute::SUBJECT)?,
        time: extension(attributes, attribute::TIME),
        expected_version: extension(attributes, attribute::EXPECTED_VERSION),
        expiry_time: extension(attributes, attribute::EXPIRY_TIME),
        correlation_id: attributes.information(attribute::CORRELATION_ID, view.tracing.correlation_id),
        trace_parent: attributes.information(attribute::TRACE_PARENT, view.tracing.trace_parent),
        data,
    })
}

fn structured_data<'a>(attributes: &Attributes<'a>) -> Result<MessageData<'a>, Malformed> {
    attributes.check_data_is_json()?;
    let inline = attributes.get(attribute::DATA);
    let encoded = attributes.get(attribute::DATA_BASE64);
    if encoded.is_absent() {
        return Ok(match inline {
            Token::Absent | Token::Null | Token::NotUtf8 => MessageData::Absent,
            Token::Object(text) | Token::Array(text) | Token::Number(text) => {
                MessageData::Json(Cow::Borrowed(text))
            }
            Token::Bool(flag) => MessageData::Json(Cow::Borrowed(if flag { "true" } else { "false" })),
            Token::Text(raw) | Token::Escaped(raw) => MessageData::Json(Cow::Owned(format!("\"{raw}\""))),
        });
    }
    if !inline.is_absent() {
        return Err(Malformed::new(Reason::InvalidField, "data and data_base64 stand side by side"));
    }
    let encoded = read::string(attribute::DATA_BASE64, encoded)?;
    let bytes = BASE64_STANDARD
        .decode(encoded.as_bytes())
        .map_err(|error| Malformed::new(Reason::InvalidField, format!("data_base64: {error}")))?;
    utf8(&bytes)?;
    Ok(MessageData::Json(Cow::Owned(String::from_utf8(bytes).unwrap_or_default())))
}

fn extension<'a>(attributes: &Attributes<'a>, field: Field) -> Extension<'a> {
    match attributes.get(field) {
        Token::Absent | Token::Null => Extension::Absent,
        Token::Text(text) => Extension::Text(Cow::Borrowed(text)),
        Token::Escaped(raw) => Extension::Text(Cow::Owned(unescape(raw))),
        Token::Number(text) => Extension::Number(text),
        Token::Bool(_) | Token::Object(_) | Token::Array(_) | Token::NotUtf8 => Extension::Other,
    }
}

/// The SKU that a record is about and keyed by: `named`, with the place where it stands, else the key. They
/// must agree where both are there.
pub(in crate::codec) fn agreed_key(
    named: Option<(&'static str, &str)>,
    key: Option<&[u8]>,
) -> Result<Sku, Malformed> {
    let key = key.map(envelope::key_text).transpose()?;
    let Some((place, text)) = named.or(key.map(|key| ("the record key", key))) else {
        let detail = "neither subject nor data.sku nor the record key names a SKU";
        return Err(Malformed::new(Reason::DisagreeingSku, detail));
    };
    let sku =
        Sku::new(text).map_err(|error| Malformed::new(Reason::InvalidSku, format!("{place}: {error}")))?;
    match key.filter(|key| *key != text) {
        Some(key) => {
            let key: String = key.chars().take(255).collect();
            let detail = format!("{place} names {text:?}, the record key {key:?}");
            Err(Malformed::new(Reason::DisagreeingSku, detail))
        }
        None => Ok(sku),
    }
}

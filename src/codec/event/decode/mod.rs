//! The fast decoder: one pass over the value, everything borrowed from the record.
//!
//! The value is read once, into slots ([`object`]) that point into it, and checked to its last byte; only
//! then is anything asked of it, in a fixed order: attributes, SKU, fields. So the reason given does not
//! depend on the order of a record's members, and [`super::oracle`] can be held to it:
//!
//! 1. null value, size; 2. content type; 3. (structured) UTF-8 and grammar of the value, repeated
//!    attributes; 4. specversion, id, source, type: an unknown type ends here; 5. time, datacontenttype;
//!    6. (binary, or `data_base64`) the data's UTF-8 and grammar; 7. repeated names in the data; 8. the SKU;
//!    9. the fields, in the order of the contract's table.

mod data;
mod envelope;
mod facts;
mod kind;
mod kit;
mod level;
mod message;
mod names;
mod object;
mod outline;
mod read;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use self::data::Data;
use self::envelope::{Attributes, HeaderView, attribute};
use self::kind::Kind;
use super::json::{MAX_TEXT, Token};
use super::media::{self, Form};
use super::owned::into_owned;
use super::{Decoded, Malformed, Reason};
use crate::types::Headers;

pub(in crate::codec) use envelope::{CORRELATION_HEADER, TRACE_PARENT_HEADER};
pub(in crate::codec) use message::{Extension, Message, MessageData, agreed_key, message};
pub(super) use outline::{Outline, id_of, outline_of_headers, outline_of_value};

/// Reads one record of the events topic.
///
/// # Errors
/// [`Malformed`] says which rule the record breaks.
pub fn decode<'a>(
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: &'a dyn Headers,
    max_bytes: usize,
) -> Result<Decoded<'a>, Malformed> {
    let value = bounded(value, max_bytes)?;
    let view = HeaderView::of(headers);
    match view.form()? {
        Form::Structured => structured(key, value, &view),
        Form::Binary => binary(key, value, &view),
        Form::Batch | Form::OtherFormat => Err(unread_form()),
    }
}

/// The value of a record, where there is one that is not too large.
fn bounded(value: Option<&[u8]>, max_bytes: usize) -> Result<&[u8], Malformed> {
    let value = value.ok_or_else(|| Malformed::new(Reason::NullValue, "the record has no value"))?;
    if value.len() > max_bytes {
        let detail = format!("{} bytes, at most {max_bytes} are read", value.len());
        return Err(Malformed::new(Reason::TooLarge, detail));
    }
    Ok(value)
}

fn unread_form() -> Malformed {
    Malformed::new(
        Reason::InvalidField,
        "content-type: only application/cloudevents+json and binary mode are read from a topic",
    )
}

fn structured<'a>(
    key: Option<&'a [u8]>,
    value: &'a [u8],
    view: &HeaderView<'a>,
) -> Result<Decoded<'a>, Malformed> {
    let (mut attributes, mut data) = (Attributes::new(), Data::new());
    let known = envelope::scan(text_of(value)?, &mut attributes, &mut data)?;
    attributes.check_repeated()?;
    let identity = attributes.identify()?;
    let Some(kind) = known.or_else(|| Kind::named(&identity.event_type)) else {
        return Ok(Decoded::Unknown { event_type: identity.event_type });
    };
    let time = attributes.optional_time(attribute::TIME)?;
    attributes.check_data_is_json()?;
    match (attributes.get(attribute::DATA), attributes.get(attribute::DATA_BASE64)) {
        (inline, encoded) if !inline.is_absent() && !encoded.is_absent() => {
            Err(Malformed::new(Reason::InvalidField, "data and data_base64 stand side by side"))
        }
        (Token::Object(text), _) => {
            // Read already, unless the type came later and was guessed wrong.
            if data.kind() != Some(kind) {
                data = Data::within(kind, text)?;
            }
            envelope::complete(key, &attributes, identity, time, view.tracing, kind, &data)
                .map(Decoded::Event)
        }
        (Token::Absent | Token::Null, Token::Absent | Token::Null) => Err(read::missing(attribute::DATA)),
        (Token::Absent | Token::Null, encoded) => {
            let encoded = read::string(attribute::DATA_BASE64, encoded)?;
            let bytes = BASE64_STANDARD
                .decode(encoded.as_bytes())
                .map_err(|error| Malformed::new(Reason::InvalidField, format!("data_base64: {error}")))?;
            let data = Data::whole(kind, text_of(&bytes)?)?;
            let event = envelope::complete(key, &attributes, identity, time, view.tracing, kind, &data)?;
            Ok(Decoded::Event(into_owned(event)))
        }
        _ => Err(read::invalid(attribute::DATA, "an object")),
    }
}

fn binary<'a>(
    key: Option<&'a [u8]>,
    value: &'a [u8],
    view: &HeaderView<'a>,
) -> Result<Decoded<'a>, Malformed> {
    let attributes = Attributes::of_headers(view);
    let identity = attributes.identify()?;
    let is_json = view.content_type()?.is_none_or(media::is_json);
    let Some(kind) = Kind::named(&identity.event_type) else {
        if is_json {
            envelope::check(utf8(value)?)?;
        }
        return Ok(Decoded::Unknown { event_type: identity.event_type });
    };
    let time = attributes.optional_time(attribute::TIME)?;
    if !is_json {
        return Err(read::invalid(attribute::DATACONTENTTYPE, "a JSON content type"));
    }
    let data = Data::whole(kind, text_of(value)?)?;
    envelope::complete(key, &attributes, identity, time, view.tracing, kind, &data).map(Decoded::Event)
}

/// The text of one record.
fn text_of(value: &[u8]) -> Result<&str, Malformed> {
    if value.len() > MAX_TEXT {
        let detail = format!("{} bytes, at most {MAX_TEXT} are ever read", value.len());
        return Err(Malformed::new(Reason::TooLarge, detail));
    }
    utf8(value)
}

pub(in crate::codec) fn utf8(bytes: &[u8]) -> Result<&str, Malformed> {
    simdutf8::basic::from_utf8(bytes).map_err(|_| {
        // The quick check does not say where; this one does.
        let at = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
        Malformed::new(Reason::InvalidUtf8, format!("no UTF-8 at byte {at}"))
    })
}

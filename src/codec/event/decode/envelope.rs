//! The attributes of a CloudEvent, from the value or from headers, and the SKU they and the data agree on.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::data::Data;
use super::kind::Kind;
use super::names::{Expected, Field, fields};
use super::object::{Object, Unknown};
use super::read;
use crate::codec::event::json::{Scanner, Token, unescape};
use crate::codec::event::media::{self, Form};
use crate::codec::event::{JSON, Malformed, Reason, STRUCTURED};
use crate::domain::event::{Envelope, Event};
use crate::types::{Headers, Sku, UtcTime};

type Text<'a> = Cow<'a, str>;

pub(in crate::codec) const CORRELATION_HEADER: &str = "X-Correlation-ID";
pub(in crate::codec) const TRACE_PARENT_HEADER: &str = "traceparent";
const ATTRIBUTE_PREFIX: &str = "ce_";

fields! {
    /// Attributes have one spelling. First those that we write ourselves, in that order.
    attribute {
        SPECVERSION "specversion" ""
        ID "id" ""
        SOURCE "source" ""
        TYPE "type" ""
        SUBJECT "subject" ""
        TIME "time" ""
        SEQUENCE "sequence" ""
        SEQUENCETYPE "sequencetype" ""
        BASED_ON "basedon" ""
        CAUSATION_ID "causationid" ""
        CAUSATION_SOURCE "causationsource" ""
        CORRELATION_ID "correlationid" ""
        DATACONTENTTYPE "datacontenttype" ""
        DATA "data" ""
        TRACE_PARENT "traceparent" ""
        TRACE_STATE "tracestate" ""
        DATA_BASE64 "data_base64" ""
        DATASCHEMA "dataschema" ""
        PARTITION_KEY "partitionkey" ""
        EXPECTED_VERSION "expectedversion" ""
        EXPIRY_TIME "expirytime" ""
    }
}

const ATTRIBUTES: usize = 22;

/// A header that holds an attribute, its name without the prefix.
type RawAttribute<'a> = (&'a str, Option<&'a [u8]>);

/// The headers that matter, looked at once: a log may have to unpack them.
pub(super) struct HeaderView<'a> {
    content_type: Token<'a>,
    pub(super) tracing: Tracing<'a>,
    attributes: SmallVec<[RawAttribute<'a>; 16]>,
}

/// Headers that are no CloudEvents attributes, and stand in for those that are missing.
#[derive(Clone, Copy)]
pub(super) struct Tracing<'a> {
    pub(super) correlation_id: Option<&'a [u8]>,
    pub(super) trace_parent: Option<&'a [u8]>,
}

impl<'a> HeaderView<'a> {
    pub(super) fn of(headers: &'a dyn Headers) -> Self {
        let mut view = Self {
            content_type: Token::Absent,
            tracing: Tracing { correlation_id: None, trace_parent: None },
            attributes: SmallVec::new(),
        };
        headers.visit(&mut |name, value| {
            if let Some(attribute) = name.strip_prefix(ATTRIBUTE_PREFIX) {
                view.attributes.push((attribute, value));
            } else if name == "content-type" {
                view.content_type = content_type(value);
            } else if name.eq_ignore_ascii_case(CORRELATION_HEADER) {
                view.tracing.correlation_id = value;
            } else if name == TRACE_PARENT_HEADER {
                view.tracing.trace_parent = value;
            }
        });
        view
    }

    pub(super) fn content_type(&self) -> Result<Option<&'a str>, Malformed> {
        match self.content_type {
            Token::Text(text) => Ok(Some(text)),
            Token::NotUtf8 => Err(Malformed::new(Reason::InvalidUtf8, "the header content-type is no UTF-8")),
            _ => Ok(None),
        }
    }

    pub(super) fn form(&self) -> Result<Form, Malformed> {
        Ok(self.content_type()?.map_or(Form::Binary, media::form))
    }
}

/// A header with a null value is as good as none.
fn header(value: Option<&[u8]>) -> Token<'_> {
    value.map_or(Token::Absent, |bytes| simdutf8::basic::from_utf8(bytes).map_or(Token::NotUtf8, Token::Text))
}

/// The same; what nearly every record has needs no look at its bytes.
fn content_type(value: Option<&[u8]>) -> Token<'_> {
    [STRUCTURED, JSON]
        .into_iter()
        .find(|known| value == Some(known.as_bytes()))
        .map_or_else(|| header(value), Token::Text)
}

pub(super) type Attributes<'a> = Object<'a, ATTRIBUTES>;

/// Reads the value of a structured record to its end, into places that the caller has made: they are too
/// large to be handed about. The data is read on the way, by its type or, before that is known, by a guess.
/// Gives the kind where the type was known in time.
pub(super) fn scan<'a>(
    text: &'a str,
    attributes: &mut Attributes<'a>,
    data: &mut Data<'a>,
) -> Result<Option<Kind>, Malformed> {
    let mut scanner = Scanner::new(text);
    scanner.space();
    if !scanner.is_object() {
        scanner.value()?;
        scanner.end()?;
        return Err(Malformed::new(Reason::InvalidField, "a structured CloudEvent is an object"));
    }
    let mut known = None;
    attributes.within(&scanner);
    let (mut unknown, mut expected) = (Unknown::new(), Expected::FIRST);
    scanner.members(|scanner| {
        let at = scanner.at();
        let name = attribute::NAMES.next(scanner, &mut expected)?;
        let is_data = name.is_some_and(|name| name.is(attribute::DATA));
        let lexeme = if is_data
            && data.kind().is_none()
            && scanner.is_object()
            && let Some(kind) = {
                known = kind(attributes);
                known.or_else(|| guessed_kind(scanner.rest()))
            } {
            data.fill(kind, scanner)?
        } else {
            scanner.value()?
        };
        attributes.take(name, lexeme, scanner, at, &mut unknown);
        Ok(())
    })?;
    scanner.end()?;
    attributes.check_unknown(unknown);
    Ok(known)
}

/// The type where it ends the record, as it does where a writer sorts its members: a guess that saves reading the
/// data again, and that whoever uses the data has to check.
#[cold]
fn guessed_kind(rest: &str) -> Option<Kind> {
    let (before, event_type) = rest.trim_end().strip_suffix("\"}")?.rsplit_once('"')?;
    if before.ends_with("\"type\":") { Kind::named(event_type) } else { None }
}

/// Reads a value whose content does not matter to its end.
pub(super) fn check(text: &str) -> Result<(), Malformed> {
    let mut scanner = Scanner::new(text);
    scanner.space();
    scanner.value()?;
    Ok(scanner.end()?)
}

fn kind(attributes: &Attributes<'_>) -> Option<Kind> {
    match attributes.get(attribute::TYPE) {
        Token::Text(text) => Kind::named(text),
        Token::Escaped(raw) => Kind::named(&unescape(raw)),
        _ => None,
    }
}

/// What every CloudEvent must have.
pub(super) struct Identity<'a> {
    pub id: Text<'a>,
    pub source: Text<'a>,
    pub event_type: Text<'a>,
}

impl<'a> Attributes<'a> {
    pub(super) fn of_headers(view: &HeaderView<'a>) -> Self {
        let mut attributes = Self::new();
        attributes.expect_aside(view.attributes.len());
        for (name, value) in &view.attributes {
            if let Some(spelled) = attribute::NAMES.named(name) {
                attributes.put(spelled.slot(), header(*value));
            }
        }
        attributes
    }

    pub(super) fn identify(&self) -> Result<Identity<'a>, Malformed> {
        let is_known = self.plain_text(attribute::SPECVERSION) == Some("1.0");
        if !is_known && self.optional_text(attribute::SPECVERSION).ok().flatten().as_deref() != Some("1.0") {
            return Err(Malformed::new(Reason::SpecVersion, "specversion: expected \"1.0\""));
        }
        let id = self.text(attribute::ID)?;
        if id.is_empty() {
            return Err(read::invalid(attribute::ID, "a text that is not empty"));
        }
        let source = self.text(attribute::SOURCE)?;
        if source.is_empty() {
            return Err(read::invalid(attribute::SOURCE, "a text that is not empty"));
        }
        let event_type = self.text(attribute::TYPE)?;
        if event_type.is_empty() {
            return Err(read::invalid(attribute::TYPE, "a text that is not empty"));
        }
        Ok(Identity { id, source, event_type })
    }

    pub(super) fn check_data_is_json(&self) -> Result<(), Malformed> {
        match self.optional_text(attribute::DATACONTENTTYPE)? {
            Some(content_type) if !media::is_json(&content_type) => {
                Err(read::invalid(attribute::DATACONTENTTYPE, "a JSON content type"))
            }
            _ => Ok(()),
        }
    }

    /// An attribute that only informs: whatever is no text, or an empty one, is taken as absent.
    /// `beside` is a header that stands in for it.
    pub(super) fn information(&self, field: Field, beside: Option<&'a [u8]>) -> Option<Text<'a>> {
        match self.plain_text(field) {
            Some(text) if !text.is_empty() => Some(Cow::Borrowed(text)),
            _ => informing(self.get(field)).or_else(|| informing(header(beside))),
        }
    }

    /// A count in an attribute: a decimal string, as we write it, or an integer. Anything else, as a foreign
    /// source may have under the same name, is taken as absent.
    fn count(&self, field: Field) -> Option<u64> {
        if self.is_nowhere(field) {
            return None;
        }
        let decimal = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?;
        match self.get(field) {
            Token::Text(text) => decimal(text),
            Token::Escaped(raw) => decimal(&unescape(raw)),
            Token::Number(text) => text.parse::<i64>().ok().and_then(|count| u64::try_from(count).ok()),
            _ => None,
        }
    }
}

fn informing(token: Token<'_>) -> Option<Text<'_>> {
    let text = match token {
        Token::Text(text) => Cow::Borrowed(text),
        Token::Escaped(raw) => Cow::Owned(unescape(raw)),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// Puts attributes and data together to an event.
pub(super) fn complete<'a>(
    key: Option<&'a [u8]>,
    attributes: &Attributes<'a>,
    identity: Identity<'a>,
    time: Option<UtcTime>,
    tracing: Tracing<'a>,
    kind: Kind,
    data: &Data<'a>,
) -> Result<Event<'a>, Malformed> {
    data.object.check_repeated()?;
    let sku = agreed_sku(attributes.optional_text(attribute::SUBJECT)?, data.skus(kind)?, key)?;
    let fact = data.fact(kind)?;
    let envelope = Envelope {
        id: identity.id,
        source: identity.source,
        sku,
        time,
        sequence: attributes.count(attribute::SEQUENCE),
        based_on: attributes.count(attribute::BASED_ON),
        causation_id: attributes.information(attribute::CAUSATION_ID, None),
        causation_source: attributes.information(attribute::CAUSATION_SOURCE, None),
        correlation_id: attributes.information(attribute::CORRELATION_ID, tracing.correlation_id),
        trace_parent: attributes.information(attribute::TRACE_PARENT, tracing.trace_parent),
    };
    Ok(Event { envelope, fact })
}

pub(super) fn key_text(key: &[u8]) -> Result<&str, Malformed> {
    simdutf8::basic::from_utf8(key)
        .map_err(|_| Malformed::new(Reason::InvalidUtf8, "the record key is no UTF-8"))
}

/// The SKU that subject, data and key agree on, where they name one.
pub(super) fn agreed_sku<'a>(
    subject: Option<Text<'a>>,
    [sku, kit_sku]: [Option<Text<'a>>; 2],
    key: Option<&'a [u8]>,
) -> Result<Text<'a>, Malformed> {
    // What nearly every record is: they are one text.
    if let Some(chosen) = &subject
        && key.is_none_or(|key| key == chosen.as_bytes())
        && [&sku, &kit_sku].into_iter().flatten().all(|text| text == chosen)
        && Sku::check(chosen).is_ok()
    {
        return subject.ok_or_else(|| read::missing(attribute::SUBJECT));
    }
    let key = key.map(key_text).transpose()?.map(Cow::Borrowed);
    let mut named =
        [("subject", subject), ("data.sku", sku), ("data.kit_sku", kit_sku), ("the record key", key)]
            .into_iter()
            .filter_map(|(place, text)| text.map(|text| (place, text)));
    let Some((place, chosen)) = named.next() else {
        let detail = "neither subject nor data.sku nor the record key names a SKU";
        return Err(Malformed::new(Reason::DisagreeingSku, detail));
    };
    Sku::check(&chosen).map_err(|error| Malformed::new(Reason::InvalidSku, format!("{place}: {error}")))?;
    match named.find(|(_, text)| *text != chosen) {
        Some((other, text)) => {
            let text: String = text.chars().take(255).collect();
            Err(Malformed::new(Reason::DisagreeingSku, format!("{place} names {chosen:?}, {other} {text:?}")))
        }
        None => Ok(chosen),
    }
}

use std::borrow::Cow;

use super::data::Data;
use super::envelope::{self, Attributes, HeaderView, agreed_sku, attribute};
use super::names::fields;
use super::object::Object;
use super::{read, text_of};
use crate::codec::event::json::{Scanner, Token};
use crate::codec::event::{Malformed, Reason, media};

fields! {
    aggregate {
        SKU "sku" ""
        KIT_SKU "kit_sku" "kitSku"
    }
}

/// What can be said of any CloudEvent on our topics, an event or a command: who it is and which SKU it is
/// about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::codec::event) struct Outline<'a> {
    pub id: Cow<'a, str>,
    pub source: Cow<'a, str>,
    pub event_type: Cow<'a, str>,
    pub sku: Cow<'a, str>,
    pub correlation_id: Option<Cow<'a, str>>,
    pub trace_parent: Option<Cow<'a, str>>,
}

/// Reads a structured CloudEvent.
pub(in crate::codec::event) fn outline_of_value(value: &[u8]) -> Result<Outline<'_>, Malformed> {
    let mut attributes = Attributes::new();
    envelope::scan(text_of(value)?, &mut attributes, &mut Data::new())?;
    attributes.check_repeated()?;
    let data = match attributes.get(attribute::DATA) {
        Token::Object(text) => Some(text),
        _ => None,
    };
    outline(&attributes, data)
}

/// Reads a binary one: `view` holds its headers as they stand on a topic.
pub(in crate::codec::event) fn outline_of_headers<'a>(
    headers: &'a dyn crate::types::Headers,
    value: &'a [u8],
) -> Result<Outline<'a>, Malformed> {
    let view = HeaderView::of(headers);
    let attributes = Attributes::of_headers(&view);
    let is_json = view.content_type()?.is_none_or(media::is_json);
    if !is_json {
        return Err(read::invalid(attribute::DATACONTENTTYPE, "a JSON content type"));
    }
    let text = text_of(value)?;
    envelope::check(text)?;
    outline(&attributes, text.trim_start().starts_with('{').then_some(text.trim()))
}

/// The id of a structured CloudEvent, sound in other respects or not.
pub(in crate::codec::event) fn id_of(text: &str) -> Option<String> {
    let mut attributes = Attributes::new();
    envelope::scan(text, &mut attributes, &mut Data::new()).ok()?;
    attributes.text(attribute::ID).ok().map(Cow::into_owned)
}

/// The SKU a record of ours is keyed by.
fn outline<'a>(attributes: &Attributes<'a>, data: Option<&'a str>) -> Result<Outline<'a>, Malformed> {
    let identity = attributes.identify()?;
    let mut skus = [None, None];
    if let Some(text) = data {
        let mut object = Object::<4>::new();
        object.fill(&aggregate::NAMES, &mut Scanner::new(text))?;
        object.check_repeated()?;
        let sku = object.optional_text(aggregate::SKU)?;
        // Only a kit's events name their aggregate so.
        let kit_sku = match sku {
            None => object.optional_text(aggregate::KIT_SKU)?,
            Some(_) => None,
        };
        skus = [sku, kit_sku];
    }
    let subject = attributes.optional_text(attribute::SUBJECT)?;
    if subject.is_none() && skus.iter().all(Option::is_none) {
        return Err(Malformed::new(Reason::DisagreeingSku, "neither subject nor data.sku names a SKU"));
    }
    Ok(Outline {
        id: identity.id,
        source: identity.source,
        event_type: identity.event_type,
        sku: agreed_sku(subject, skus, None)?,
        correlation_id: attributes.information(attribute::CORRELATION_ID, None),
        trace_parent: attributes.information(attribute::TRACE_PARENT, None),
    })
}

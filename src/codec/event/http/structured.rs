use super::{FormError, Item, Rejected, Tracing};
use crate::codec::event::decode::{Outline, id_of, outline_of_value, utf8};
use crate::codec::event::encode::STRUCTURED;
use crate::codec::event::json::Scanner;
use crate::types::Header;

type Items = Vec<Result<Item, Rejected>>;

/// One event. A body that is no JSON is an error of the whole.
pub(super) fn one(body: &[u8], tracing: &Tracing) -> Result<Result<Item, Rejected>, FormError> {
    let text = utf8(body).map_err(FormError::Body)?;
    let mut scanner = Scanner::new(text);
    whole_value(&mut scanner)?;
    scanner.end().map_err(|error| FormError::Body(error.into()))?;
    Ok(item(0, text.trim_matches(SPACE), tracing))
}

const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// An array of events.
pub(super) fn batch(body: &[u8], tracing: &Tracing, max_items: usize) -> Result<Items, FormError> {
    let text = utf8(body).map_err(FormError::Body)?;
    let mut scanner = Scanner::new(text);
    scanner.space();
    let spans = elements(&mut scanner)?;
    scanner.end().map_err(|error| FormError::Body(error.into()))?;
    if spans.len() > max_items {
        return Err(FormError::TooManyItems { found: spans.len(), max: max_items });
    }
    Ok(spans.into_iter().enumerate().map(|(index, text)| item(index, text, tracing)).collect())
}

/// Reads structured CloudEvents from a text: one object, an array of them, or one after the other as in JSON
/// lines. A byte order mark at the start is passed over.
///
/// # Errors
/// [`FormError::Body`] where the text as a whole is no JSON.
pub fn split(text: &[u8]) -> Result<Items, FormError> {
    let text = utf8(text).map_err(FormError::Body)?;
    let mut scanner = Scanner::new(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut spans = Vec::new();
    scanner.space();
    while scanner.end().is_err() {
        if scanner.is_array() {
            spans.extend(elements(&mut scanner)?);
        } else {
            spans.push(whole_value(&mut scanner)?);
        }
        scanner.space();
    }
    let tracing = Tracing::default();
    Ok(spans.into_iter().enumerate().map(|(index, text)| item(index, text, &tracing)).collect())
}

fn whole_value<'a>(scanner: &mut Scanner<'a>) -> Result<&'a str, FormError> {
    scanner.space();
    let start = scanner.at();
    scanner.value().map_err(|error| FormError::Body(error.into()))?;
    Ok(scanner.since(start))
}

fn elements<'a>(scanner: &mut Scanner<'a>) -> Result<Vec<&'a str>, FormError> {
    let mut spans = Vec::new();
    if !scanner.is_array() {
        // Says what is wrong where nothing is there or it is broken; what else stands there is no batch.
        let text = whole_value(scanner)?;
        return Err(FormError::Body(not_an_array(text)));
    }
    let read = scanner.elements(|scanner| {
        let start = scanner.at();
        scanner.value()?;
        spans.push(scanner.since(start));
        Ok(())
    });
    read.map_err(|error| FormError::Body(error.into()))?;
    Ok(spans)
}

fn not_an_array(text: &str) -> crate::codec::event::Malformed {
    let text: String = text.chars().take(40).collect();
    crate::codec::event::Malformed::new(
        crate::codec::event::Reason::InvalidField,
        format!("a batch is an array of CloudEvents, this begins with {text}"),
    )
}

fn item(index: usize, text: &str, tracing: &Tracing) -> Result<Item, Rejected> {
    let outline = outline_of_value(text.as_bytes()).map_err(|malformed| Rejected {
        index,
        event_id: id_of(text),
        malformed,
    })?;
    let mut headers = vec![Header::new("content-type", STRUCTURED)];
    tracing.headers(outline.correlation_id.as_deref(), outline.trace_parent.as_deref(), &mut headers);
    Ok(outline.into_item(text.as_bytes().to_vec(), headers))
}

impl Outline<'_> {
    pub(super) fn into_item(self, value: Vec<u8>, headers: Vec<Header>) -> Item {
        Item {
            sku: self.sku.into_owned(),
            event_id: self.id.into_owned(),
            source: self.source.into_owned(),
            event_type: self.event_type.into_owned(),
            value,
            headers,
        }
    }
}

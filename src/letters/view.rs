//! Letters as HTTP and the command line show them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;

use super::Letter;
use crate::types::{Header, Position, UtcTime};

/// Longest key that a list shows, in characters.
const KEY_CHARACTERS: usize = 255;

/// A letter's line in a list: without the record itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// In the dead-letter topic; by it a letter is shown and put back.
    pub position: Position,
    /// The topic that the record stood on, and where.
    pub topic: String,
    pub origin: Position,
    /// The record's timestamp.
    pub time: Option<UtcTime>,
    pub reason: String,
    pub detail: String,
    /// As text, what is no UTF-8 replaced.
    pub key: Option<String>,
    pub value_bytes: Option<u64>,
    /// Nothing of it was left out of the letter.
    pub whole: bool,
}

impl Summary {
    #[must_use]
    pub fn of(letter: &Letter) -> Self {
        let shown = |key: &Vec<u8>| String::from_utf8_lossy(key).chars().take(KEY_CHARACTERS).collect();
        let present =
            letter.record.value.as_ref().map(|value| u64::try_from(value.len()).unwrap_or(u64::MAX));
        Self {
            position: letter.position,
            topic: letter.origin.topic.to_string(),
            origin: Position { partition: letter.origin.partition, offset: letter.origin.offset },
            time: letter.record.timestamp.to_utc(),
            reason: letter.reason.clone(),
            detail: letter.detail.clone(),
            key: letter.record.key.as_ref().map(shown),
            value_bytes: letter.left_out.as_ref().map(|left| left.value_bytes).or(present),
            whole: letter.left_out.is_none(),
        }
    }
}

/// A letter with its record. Bytes are shown as text where they are UTF-8, else as base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LetterView {
    #[serde(flatten)]
    summary: Summary,
    #[serde(rename = "key_base64", skip_serializing_if = "Option::is_none")]
    key_encoded: Option<String>,
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
    /// Only where the value was left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    value_sha256: Option<String>,
    headers: Vec<HeaderView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct HeaderView {
    name: String,
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

impl LetterView {
    #[must_use]
    pub fn of(letter: &Letter) -> Self {
        let (key, key_encoded) = text_or_base64(letter.record.key.as_deref());
        let (value, value_base64) = text_or_base64(letter.record.value.as_deref());
        let summary = Summary { key, ..Summary::of(letter) };
        let value_sha256 = letter.left_out.as_ref().map(|left| left.value_sha256.clone());
        let headers = letter.record.headers.iter().map(HeaderView::of).collect();
        Self { summary, key_encoded, value, value_base64, value_sha256, headers }
    }
}

impl HeaderView {
    fn of(header: &Header) -> Self {
        let (value, value_base64) = text_or_base64(header.value.as_deref());
        Self { name: header.name.clone(), value, value_base64 }
    }
}

fn text_or_base64(bytes: Option<&[u8]>) -> (Option<String>, Option<String>) {
    match bytes.map(std::str::from_utf8) {
        None => (None, None),
        Some(Ok(text)) => (Some(text.to_owned()), None),
        Some(Err(_)) => (None, bytes.map(|bytes| BASE64_STANDARD.encode(bytes))),
    }
}

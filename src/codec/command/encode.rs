use crate::codec::event::{CORRELATION_HEADER, Encoded, JSON, STRUCTURED, TRACE_PARENT_HEADER, Writer};
use crate::domain::event::TYPE_PREFIX;
use crate::types::{Header, Sku, UtcTime};

/// A command to be written: what HTTP routes and the command line put together.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft<'a> {
    /// Without the prefix of the contract: `product-stock.receive`.
    pub name: &'a str,
    pub sku: &'a Sku,
    pub source: &'a str,
    pub id: &'a str,
    pub time: Option<UtcTime>,
    pub expected_version: Option<u64>,
    pub expiry_time: Option<UtcTime>,
    pub correlation_id: Option<&'a str>,
    pub trace_parent: Option<&'a str>,
    /// An object.
    pub data: &'a serde_json::Value,
}

/// The record of the commands topic, as a structured CloudEvent; its key is the SKU. Nothing is checked here:
/// [`super::decode`] says what is wrong with it.
#[must_use]
pub fn encode(draft: &Draft<'_>) -> Encoded {
    let mut headers = vec![Header::new("content-type", STRUCTURED)];
    for (name, text) in
        [(CORRELATION_HEADER, draft.correlation_id), (TRACE_PARENT_HEADER, draft.trace_parent)]
    {
        if let Some(text) = text {
            headers.push(Header::new(name, text.as_bytes()));
        }
    }
    let mut value = Writer::with_capacity(512);
    value.object(|object| {
        object.text("specversion", "1.0");
        object.text("id", draft.id);
        object.text("source", draft.source);
        object.text("type", &format!("{TYPE_PREFIX}{}", draft.name));
        object.text("subject", draft.sku.as_str());
        if let Some(time) = draft.time {
            object.text("time", &time.to_string());
        }
        if let Some(version) = draft.expected_version {
            object.text("expectedversion", &version.to_string());
        }
        if let Some(time) = draft.expiry_time {
            object.text("expirytime", &time.to_string());
        }
        object.optional_text("correlationid", draft.correlation_id);
        object.optional_text("traceparent", draft.trace_parent);
        object.text("datacontenttype", JSON);
        // A value shows itself as JSON, its numbers digit by digit.
        object.plain("data", draft.data);
    });
    Encoded { headers, value: value.finish() }
}

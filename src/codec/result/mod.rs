//! Outcomes of commands ⇄ structured CloudEvents on the results topic. As stored bytes:
//! [`super::rows::encode_outcome`]. Source: the domain contract, "Results".

mod data;
mod read;

#[cfg(test)]
mod tests;

use uuid::Uuid;

use super::command::CommandHash;
use super::event::{CORRELATION_HEADER, Encoded, JSON, STRUCTURED, TRACE_PARENT_HEADER, Writer};
use crate::domain::command::{Detail, Refusal};
use crate::domain::event::TYPE_PREFIX;
use crate::types::{Header, Position, Sku, UtcTime, Version};

pub use data::data;
pub use read::decode;

const ACCEPTED: &str = "accepted";
const REJECTED: &str = "rejected";

/// The outcome of a command, as the results topic and the store hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub sku: Sku,
    pub command_source: Box<str>,
    pub command_id: Box<str>,
    /// The full CloudEvents type, as it came.
    pub command_type: Box<str>,
    pub command_hash: CommandHash,
    /// Of the command that was decided; a repeat's result carries its own.
    pub command_position: Position,
    /// Accepted: after its events; rejected: the one it was refused on.
    pub version: Version,
    pub verdict: Verdict,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Accepted {
        /// In the order of the events.
        event_ids: Vec<Uuid>,
    },
    Rejected {
        /// The name of a [`RefusalCode`](crate::domain::command::RefusalCode), of this version or a newer one.
        code: Box<str>,
        message: Box<str>,
        /// An object; its numbers are exact.
        details: serde_json::Value,
    },
}

impl Verdict {
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted { .. })
    }

    /// `accepted` or `rejected`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        if self.is_accepted() { ACCEPTED } else { REJECTED }
    }
}

impl From<Refusal> for Verdict {
    fn from(refusal: Refusal) -> Self {
        let details = refusal.details.into_iter().map(|(name, detail)| {
            let value = match detail {
                // Numbers keep their digits, so any i128 is one.
                Detail::Number(number) => {
                    number.to_string().parse().map_or(serde_json::Value::Null, serde_json::Value::Number)
                }
                Detail::Text(text) => text.into(),
                Detail::Texts(texts) => texts.into(),
            };
            (name.to_owned(), value)
        });
        Self::Rejected {
            code: refusal.code.name().into(),
            message: refusal.message.into(),
            details: serde_json::Value::Object(details.collect()),
        }
    }
}

/// The record of the results topic; its key is the SKU.
#[must_use]
pub fn encode(
    outcome: &Outcome,
    source: &str,
    id: Uuid,
    time: UtcTime,
    correlation_id: Option<&str>,
    trace_parent: Option<&str>,
) -> Encoded {
    let mut headers = vec![Header::new("content-type", STRUCTURED)];
    for (name, text) in [(CORRELATION_HEADER, correlation_id), (TRACE_PARENT_HEADER, trace_parent)] {
        if let Some(text) = text {
            headers.push(Header::new(name, text.as_bytes()));
        }
    }
    let mut value = Writer::with_capacity(1024);
    value.object(|object| {
        object.text("specversion", "1.0");
        object.text("id", &id.to_string());
        object.text("source", source);
        object.text("type", &format!("{TYPE_PREFIX}command.{}", outcome.verdict.name()));
        object.text("subject", outcome.sku.as_str());
        object.text("time", &time.to_string());
        object.text("causationid", &outcome.command_id);
        object.text("causationsource", &outcome.command_source);
        object.optional_text("correlationid", correlation_id);
        object.optional_text("traceparent", trace_parent);
        object.text("datacontenttype", JSON);
        object.object("data", |object| data::write(outcome, object));
    });
    Encoded { headers, value: value.finish() }
}

use serde_json::{Value, json};

use super::{Outcome, Verdict};
use crate::codec::event::ObjectWriter;

/// The `data` of the result, which is also the HTTP body.
#[must_use]
pub fn data(outcome: &Outcome) -> Value {
    let mut data = json!({
        "command_id": outcome.command_id,
        "command_source": outcome.command_source,
        "command_type": outcome.command_type,
        "command_hash": outcome.command_hash.to_string(),
        "command_position": outcome.command_position.to_string(),
        "sku": outcome.sku.as_str(),
        "outcome": outcome.verdict.name(),
        "version": outcome.version.0,
    });
    match &outcome.verdict {
        Verdict::Accepted { event_ids } => {
            data["event_ids"] = event_ids.iter().map(ToString::to_string).collect();
        }
        Verdict::Rejected { code, message, details } => {
            data["event_ids"] = json!([]);
            data["code"] = json!(code);
            data["message"] = json!(message);
            data["details"] = details.clone();
        }
    }
    data
}

/// The same members, in the order of the contract.
pub(super) fn write(outcome: &Outcome, out: &mut ObjectWriter<'_>) {
    out.text("command_id", &outcome.command_id);
    out.text("command_source", &outcome.command_source);
    out.text("command_type", &outcome.command_type);
    out.text("command_hash", &outcome.command_hash.to_string());
    out.text("command_position", &outcome.command_position.to_string());
    out.text("sku", outcome.sku.as_str());
    out.text("outcome", outcome.verdict.name());
    out.plain("version", outcome.version);
    match &outcome.verdict {
        Verdict::Accepted { event_ids } => out.texts("event_ids", event_ids),
        Verdict::Rejected { code, message, details } => {
            out.texts::<uuid::Uuid>("event_ids", &[]);
            out.text("code", code);
            out.text("message", message);
            // A value shows itself as JSON, its numbers digit by digit.
            out.plain("details", details);
        }
    }
}

//! What is answered about a command: status codes and bodies.

use axum::http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::super::problem::{Code, Problem};
use super::submit::{How, Name, Settled};
use crate::codec::result::{self, Outcome, Verdict};
use crate::types::Position;

/// The answer to a request that brought one command.
pub fn single(settled: Vec<Settled>) -> Result<Response, Problem> {
    // One item in, one out; a form of one cannot be empty.
    let one = settled.into_iter().next().ok_or_else(Problem::internal)?;
    if let How::Unwritten(error) = &one.how {
        return Err(Problem::new(Code::LogUnavailable, unwritten(error))
            .with("command_id", &*one.name.id)
            .with("command_source", &*one.name.source)
            .retry_after(1));
    }
    let (status, body) = told(&one);
    let mut response = (status, json_type(), Value::Object(body).to_string()).into_response();
    if status == StatusCode::ACCEPTED {
        // Percent-encoded ASCII.
        if let Ok(place) = HeaderValue::from_str(&place_of(&one.name)) {
            response.headers_mut().insert(LOCATION, place);
        }
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    Ok(response)
}

/// The answer to a batch: one outcome each, in the order sent.
pub fn batch(settled: &[Settled]) -> Result<Response, Problem> {
    let items: Vec<Value> = settled
        .iter()
        .map(|one| {
            let (status, mut body) = told(one);
            body.insert("status".to_owned(), status.as_u16().into());
            Value::Object(body)
        })
        .collect();
    Ok((StatusCode::MULTI_STATUS, json_type(), json!({"items": items}).to_string()).into_response())
}

fn json_type() -> [(axum::http::HeaderName, HeaderValue); 1] {
    [(CONTENT_TYPE, HeaderValue::from_static("application/json"))]
}

fn told(settled: &Settled) -> (StatusCode, Map<String, Value>) {
    match &settled.how {
        How::Decided(answer) => decided(&answer.outcome, &answer.event_positions, answer.at_least),
        How::UnderWay(position) => {
            let mut body = under_way(settled.name.sku.as_str(), &settled.name.source, &settled.name.id);
            body.insert("command_type".to_owned(), (&*settled.name.command_type).into());
            body.insert("command_position".to_owned(), position.to_string().into());
            (StatusCode::ACCEPTED, body)
        }
        How::Unwritten(error) => {
            let mut body = name(settled.name.sku.as_str(), &settled.name.source, &settled.name.id);
            body.insert("code".to_owned(), Code::LogUnavailable.name().into());
            body.insert("message".to_owned(), unwritten(error).into());
            (Code::LogUnavailable.status(), body)
        }
    }
}

fn unwritten(error: &crate::log::LogError) -> String {
    format!(
        "the log did not acknowledge the command ({error}); send it again under the same id: it is decided once"
    )
}

fn name(sku: &str, source: &str, id: &str) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("command_id".to_owned(), id.into());
    body.insert("command_source".to_owned(), source.into());
    body.insert("sku".to_owned(), sku.into());
    body
}

/// Of a command that is in the log and not decided yet: there is no position yet that shows its outcome.
pub fn under_way(sku: &str, source: &str, id: &str) -> Map<String, Value> {
    let mut body = name(sku, source, id);
    body.insert("outcome".to_owned(), "pending".into());
    body.insert("positions".to_owned(), Value::Array(Vec::new()));
    body.insert("at_least".to_owned(), Value::Null);
    body
}

/// Of a command that is decided: the result's data, where its events stand, and from where any read shows it
/// (nothing where any read does: the partition has no event yet).
pub fn decided(
    outcome: &Outcome,
    positions: &[Position],
    at_least: Option<Position>,
) -> (StatusCode, Map<String, Value>) {
    let mut body = match result::data(outcome) {
        Value::Object(data) => data,
        // It always is one.
        other => Map::from_iter([("data".to_owned(), other)]),
    };
    let positions = positions.iter().map(|position| position.to_string().into()).collect();
    body.insert("positions".to_owned(), Value::Array(positions));
    body.insert("at_least".to_owned(), at_least.map_or(Value::Null, |position| position.to_string().into()));
    (status(&outcome.verdict), body)
}

/// Refused by state is a conflict; what the caller got wrong in itself is not.
fn status(verdict: &Verdict) -> StatusCode {
    match verdict {
        Verdict::Accepted { .. } => StatusCode::OK,
        Verdict::Rejected { code, .. } => match &**code {
            "VERSION_CONFLICT" => StatusCode::PRECONDITION_FAILED,
            "INVALID_COMMAND" => StatusCode::UNPROCESSABLE_ENTITY,
            _ => StatusCode::CONFLICT,
        },
    }
}

/// Where the outcome will be.
fn place_of(name: &Name) -> String {
    let encoded = super::super::parameters::encoded;
    format!(
        "/commands?sku={}&source={}&id={}",
        encoded(name.sku.as_str()),
        encoded(&name.source),
        encoded(&name.id)
    )
}

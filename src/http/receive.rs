//! A body of CloudEvents: received within its bounds, taken apart, and checked item by item before anything of
//! it is written.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Bytes, HttpBody as _};
use axum::extract::{FromRequest as _, Request};
use axum::http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use super::app::App;
use super::problem::{Code, Problem};
use crate::codec::event::http::{FormError, Item, Rejected, parse};
use crate::codec::event::{Malformed, Reason};
use crate::types::{NewRecord, Topic};

/// Bad items named in one answer; the rest are counted.
const NAMED: usize = 100;

/// What a route takes, for its refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    Events,
    Commands,
}

impl Taken {
    const fn code(self) -> Code {
        match self {
            Self::Events => Code::InvalidEvents,
            Self::Commands => Code::InvalidCommands,
        }
    }

    const fn noun(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Commands => "commands",
        }
    }

    const fn topic(self) -> Topic {
        match self {
            Self::Events => Topic::Events,
            Self::Commands => Topic::Commands,
        }
    }

    /// The record that an item becomes.
    pub fn record(self, app: &App, item: Item) -> NewRecord {
        NewRecord {
            topic: self.topic(),
            partition: app.registry().partition_of(&item.sku),
            timestamp: None,
            key: Some(item.sku.into_bytes()),
            value: Some(item.value),
            headers: item.headers,
        }
    }
}

/// The whole body, within size and time, and the memory it was given.
pub async fn body(app: &App, request: Request) -> Result<(Bytes, OwnedSemaphorePermit), Problem> {
    let limit = app.config.max_body_bytes;
    let too_large = || {
        Problem::new(
            Code::BodyTooLarge,
            format!("a body has at most {limit} bytes here; send several requests"),
        )
        // What is left of it will not be read.
        .header(CONNECTION, HeaderValue::from_static("close"))
    };
    let length =
        request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    // Refused before a byte of it is read.
    let bytes = match length.map(usize::try_from) {
        Some(Ok(bytes)) if bytes <= limit => bytes,
        Some(_) => return Err(too_large()),
        None => limit,
    };
    let memory = match app.body_memory(bytes) {
        Ok(memory) => memory,
        Err(problem) => {
            discard(request, limit).await;
            return Err(problem);
        }
    };
    // The router's body limit is `max_body_bytes`.
    match tokio::time::timeout(app.config.request_timeout(), Bytes::from_request(request, &())).await {
        Err(_) => Err(Problem::new(
            Code::RequestTimedOut,
            format!("the body did not arrive within {} ms", app.config.request_timeout_ms),
        )
        .header(CONNECTION, HeaderValue::from_static("close"))),
        Ok(Ok(body)) => Ok((body, memory)),
        Ok(Err(refused)) if refused.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(too_large()),
        Ok(Err(_)) => Err(Problem::new(Code::InvalidRequest, "the body was cut off or badly framed")),
    }
}

/// Reads what the client still sends, to keep nothing of it: a connection that is closed on unread bytes is
/// reset, and the answer that says when to come back is lost with it. Bounded in bytes and in time.
pub async fn discard(request: Request, most: usize) {
    const PATIENCE: Duration = Duration::from_secs(5);
    let mut body = request.into_body();
    let read = async {
        let mut left = most;
        while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                break;
            }
        }
    };
    // Whoever is slower than that finds the connection closed.
    let _ = tokio::time::timeout(PATIENCE, read).await;
}

/// The content type, where it is text.
pub fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok())
}

/// Refuses what is not announced as JSON. A page of another origin can send anything else without being asked
/// first.
pub fn json_body(headers: &HeaderMap) -> Result<(), Problem> {
    let media = content_type(headers).unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if media.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Problem::new(Code::UnsupportedMediaType, "send the body as application/json"))
}

/// The items of a body in any of the three forms.
pub fn items(
    app: &App,
    headers: &HeaderMap,
    content_type: Option<&str>,
    body: &[u8],
    taken: Taken,
) -> Result<Vec<Result<Item, Rejected>>, Problem> {
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    parse(content_type, headers, body, app.config.max_batch_events).map_err(|error| unreadable(error, taken))
}

fn unreadable(error: FormError, taken: Taken) -> Problem {
    match error {
        FormError::ContentType { .. } => Problem::new(Code::UnsupportedMediaType, error.to_string()),
        FormError::TooManyItems { max, .. } => {
            Problem::new(Code::BodyTooLarge, error.to_string()).with("max", max)
        }
        FormError::Body(malformed) => {
            Problem::new(taken.code(), format!("the body cannot be read: {malformed}"))
                .with("reason", malformed.reason.name())
        }
    }
}

/// Every item with what `check` reads in it; else a problem naming those that it refuses, nothing of the request written.
pub fn all_good<T>(
    items: Vec<Result<Item, Rejected>>,
    max_bytes: usize,
    taken: Taken,
    check: impl Fn(&Item) -> Result<T, Malformed>,
) -> Result<Vec<(Item, T)>, Problem> {
    let of = items.len();
    let mut good = Vec::with_capacity(of);
    let mut bad = Vec::new();
    let mut bad_count = 0_usize;
    for (index, item) in items.into_iter().enumerate() {
        let checked = match item {
            Err(rejected) => Err((rejected.event_id, rejected.malformed)),
            Ok(item) => match fits(&item, max_bytes).and_then(|()| check(&item)) {
                Ok(read) => Ok((item, read)),
                Err(malformed) => Err((Some(item.event_id), malformed)),
            },
        };
        match checked {
            Ok(item) => good.push(item),
            Err((id, malformed)) => {
                bad_count += 1;
                if bad.len() < NAMED {
                    let reason = malformed.reason.name();
                    bad.push(json!({"index": index, "id": id, "reason": reason, "detail": malformed.detail}));
                }
            }
        }
    }
    if bad_count == 0 {
        return Ok(good);
    }
    Err(Problem::new(
        taken.code(),
        format!("{bad_count} of {of} {} are wrong; nothing was written", taken.noun()),
    )
    .with("items", bad))
}

/// Whether the log will take the record: refused here, since by then others of the request would be written.
fn fits(item: &Item, max_bytes: usize) -> Result<(), Malformed> {
    /// More than a log adds to a record, and to each of its headers.
    const FRAMING: usize = 64;
    let headers = item.headers.iter();
    let headers: usize = headers.map(|h| FRAMING + h.name.len() + h.value.as_ref().map_or(0, Vec::len)).sum();
    let bytes = FRAMING + item.sku.len() + item.value.len() + headers;
    if bytes <= max_bytes {
        return Ok(());
    }
    Err(Malformed::new(
        Reason::TooLarge,
        format!("{bytes} bytes with its headers, the log takes {max_bytes}"),
    ))
}

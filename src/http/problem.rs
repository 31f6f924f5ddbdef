use std::borrow::Cow;

use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::types::UtcTime;

/// An error answer: problem details (RFC 9457) with the platform's `error`, `message`, `timestamp` beside.
///
/// A handler returns it as a response without a body; the outermost layer writes the body, since it alone
/// knows the request's trace id and reads the clock.
#[derive(Debug, Clone)]
pub struct Problem {
    pub code: Code,
    pub detail: Cow<'static, str>,
    /// Further members that explain it, after the fixed ones.
    pub members: Map<String, Value>,
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// What went wrong, for programs: a stable name each, documented in docs/http.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    InvalidParameter,
    InvalidSku,
    InvalidEvents,
    InvalidCommands,
    InvalidRequest,
    Unauthorized,
    Forbidden,
    UnknownRoute,
    UnknownSku,
    UnknownCommand,
    UnknownLetter,
    UnknownJob,
    MethodNotAllowed,
    NotAcceptable,
    RequestTimedOut,
    CannotPutBack,
    JobRunning,
    BodyTooLarge,
    UriTooLong,
    UnsupportedMediaType,
    WrongHost,
    NotOwned,
    HistoryNotKept,
    TooManyRequests,
    HeadTooLarge,
    Internal,
    NotLive,
    NotReached,
    Overloaded,
    LogUnavailable,
    NotFollowed,
}

impl Code {
    pub const ALL: [Self; 31] = [
        Self::InvalidParameter,
        Self::InvalidSku,
        Self::InvalidEvents,
        Self::InvalidCommands,
        Self::InvalidRequest,
        Self::Unauthorized,
        Self::Forbidden,
        Self::UnknownRoute,
        Self::UnknownSku,
        Self::UnknownCommand,
        Self::UnknownLetter,
        Self::UnknownJob,
        Self::MethodNotAllowed,
        Self::NotAcceptable,
        Self::RequestTimedOut,
        Self::CannotPutBack,
        Self::JobRunning,
        Self::BodyTooLarge,
        Self::UriTooLong,
        Self::UnsupportedMediaType,
        Self::WrongHost,
        Self::NotOwned,
        Self::HistoryNotKept,
        Self::TooManyRequests,
        Self::HeadTooLarge,
        Self::Internal,
        Self::NotLive,
        Self::NotReached,
        Self::Overloaded,
        Self::LogUnavailable,
        Self::NotFollowed,
    ];

    /// Name, status and title.
    const fn parts(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::InvalidParameter => ("INVALID_PARAMETER", StatusCode::BAD_REQUEST, "a parameter is wrong"),
            Self::InvalidSku => ("INVALID_SKU", StatusCode::BAD_REQUEST, "this is no SKU"),
            Self::InvalidEvents => {
                ("INVALID_EVENTS", StatusCode::BAD_REQUEST, "some events are wrong; nothing was written")
            }
            Self::InvalidCommands => (
                "INVALID_COMMANDS",
                StatusCode::BAD_REQUEST,
                "some commands cannot be read; nothing was written",
            ),
            Self::InvalidRequest => {
                ("INVALID_REQUEST", StatusCode::BAD_REQUEST, "the request cannot be understood")
            }
            Self::Unauthorized => {
                ("UNAUTHORIZED", StatusCode::UNAUTHORIZED, "a valid bearer token is needed")
            }
            Self::Forbidden => ("FORBIDDEN", StatusCode::FORBIDDEN, "the token's role does not allow this"),
            Self::UnknownRoute => ("UNKNOWN_ROUTE", StatusCode::NOT_FOUND, "there is nothing at this path"),
            Self::UnknownSku => ("UNKNOWN_SKU", StatusCode::NOT_FOUND, "this SKU has never been seen"),
            Self::UnknownCommand => {
                ("UNKNOWN_COMMAND", StatusCode::NOT_FOUND, "no outcome of this command is known")
            }
            Self::UnknownLetter => {
                ("UNKNOWN_LETTER", StatusCode::NOT_FOUND, "there is no dead letter at this position")
            }
            Self::UnknownJob => ("UNKNOWN_JOB", StatusCode::NOT_FOUND, "there is no such job"),
            Self::MethodNotAllowed => {
                ("METHOD_NOT_ALLOWED", StatusCode::METHOD_NOT_ALLOWED, "the path does not take this method")
            }
            Self::NotAcceptable => {
                ("NOT_ACCEPTABLE", StatusCode::NOT_ACCEPTABLE, "the answer's media type is not accepted")
            }
            Self::RequestTimedOut => {
                ("REQUEST_TIMED_OUT", StatusCode::REQUEST_TIMEOUT, "the request was not received in time")
            }
            Self::CannotPutBack => {
                ("CANNOT_PUT_BACK", StatusCode::CONFLICT, "this dead letter cannot be put back")
            }
            Self::JobRunning => ("JOB_RUNNING", StatusCode::CONFLICT, "another job is running"),
            Self::BodyTooLarge => {
                ("BODY_TOO_LARGE", StatusCode::PAYLOAD_TOO_LARGE, "the request is too large")
            }
            Self::UriTooLong => ("URI_TOO_LONG", StatusCode::URI_TOO_LONG, "the request target is too long"),
            Self::UnsupportedMediaType => (
                "UNSUPPORTED_MEDIA_TYPE",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "this is no CloudEvents request",
            ),
            Self::WrongHost => (
                "WRONG_HOST",
                StatusCode::MISDIRECTED_REQUEST,
                "the service does not answer under this host name",
            ),
            Self::NotOwned => {
                ("NOT_OWNED", StatusCode::MISDIRECTED_REQUEST, "another instance owns this SKU")
            }
            Self::HistoryNotKept => (
                "HISTORY_NOT_KEPT",
                StatusCode::UNPROCESSABLE_ENTITY,
                "the history kept here begins later than that",
            ),
            Self::TooManyRequests => {
                ("TOO_MANY_REQUESTS", StatusCode::TOO_MANY_REQUESTS, "too many requests are under way")
            }
            Self::HeadTooLarge => (
                "HEAD_TOO_LARGE",
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "the request's headers are too many or too large",
            ),
            Self::Internal => ("INTERNAL", StatusCode::INTERNAL_SERVER_ERROR, "the service failed"),
            Self::NotLive => ("NOT_LIVE", StatusCode::SERVICE_UNAVAILABLE, "the partition is not live yet"),
            Self::NotReached => {
                ("NOT_REACHED", StatusCode::SERVICE_UNAVAILABLE, "the position was not reached in time")
            }
            Self::Overloaded => ("OVERLOADED", StatusCode::SERVICE_UNAVAILABLE, "the answer took too long"),
            Self::LogUnavailable => {
                ("LOG_UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE, "the log did not take it")
            }
            Self::NotFollowed => (
                "NOT_FOLLOWED",
                StatusCode::SERVICE_UNAVAILABLE,
                "the outcomes of another instance cannot be followed now",
            ),
        }
    }

    #[must_use]
    pub const fn name(self) -> &'static str {
        self.parts().0
    }

    #[must_use]
    pub const fn status(self) -> StatusCode {
        self.parts().1
    }

    #[must_use]
    pub const fn title(self) -> &'static str {
        self.parts().2
    }
}

impl Problem {
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), members: Map::new(), headers: Vec::new() }
    }

    /// Adds a member that explains it.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// When to try again.
    #[must_use]
    pub fn retry_after(self, seconds: u32) -> Self {
        self.header(axum::http::header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// What is told of a failure inside: nothing but that it happened and under which trace id it is logged.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(Code::Internal, "the service failed; its log holds the cause under this trace_id")
    }

    /// The body.
    #[must_use]
    pub fn body(&self, trace_id: &str, now: UtcTime) -> Vec<u8> {
        let (name, status, title) = self.code.parts();
        let body = Body {
            kind: format!("urn:inventory-store:problem:{}", name.to_ascii_lowercase().replace('_', "-")),
            title,
            status: status.as_u16(),
            detail: &self.detail,
            code: name,
            trace_id,
            error: name,
            message: &self.detail,
            timestamp: now,
            members: &self.members,
        };
        // Strings, a number and values that are JSON already: it cannot fail.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    trace_id: &'a str,
    error: &'static str,
    message: &'a str,
    timestamp: UtcTime,
    #[serde(flatten)]
    members: &'a Map<String, Value>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        for (name, value) in &self.headers {
            response.headers_mut().append(name.clone(), value.clone());
        }
        response.extensions_mut().insert(self);
        response
    }
}

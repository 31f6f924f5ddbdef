//! `GET /partitions`, `/health/*`, `/metrics`: how the service is.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::app::App;
use super::levels::wants_json;
use super::parameters::{Parameters, accepts};
use super::problem::{Code, Problem};
use crate::lane::{Done, PartitionStatus, Registry, State as PartitionState};
use crate::types::{NextOffset, Offset, Partition, Position};

#[derive(Serialize)]
struct Partitions {
    items: Vec<PartitionView>,
    next: Option<String>,
}

#[derive(Serialize)]
struct PartitionView {
    partition: Partition,
    state: &'static str,
    next: NextOffset,
    log_end: NextOffset,
    lag_events: u64,
    lag_seconds: f64,
    events_per_second: f64,
    generation: Option<String>,
    rows: u64,
    digest: String,
    last_checkpoint: Option<CheckpointView>,
    malformed: u64,
    history_begins: Position,
    /// On its way to live: what is being done, how far that is. Nothing where nothing is.
    progress: Option<ProgressView>,
}

/// How far something under way is: a partition's way to live, a job.
#[derive(Serialize)]
pub(super) struct ProgressView {
    phase: &'static str,
    done: u64,
    total: u64,
    per_second: Option<f64>,
    seconds_left: Option<f64>,
    rows: u64,
    bytes: u64,
}

impl ProgressView {
    pub(super) fn new(done: &Done) -> Self {
        Self {
            phase: done.phase,
            done: done.done,
            total: done.total,
            per_second: done.per_second.map(tenths),
            seconds_left: done.seconds_left.map(tenths),
            rows: done.rows,
            bytes: done.bytes,
        }
    }
}

#[derive(Serialize)]
struct CheckpointView {
    cycle: u64,
    next: NextOffset,
}

impl PartitionView {
    fn new(status: &PartitionStatus, registry: &Registry) -> Self {
        Self {
            partition: status.partition,
            state: status.state.name(),
            next: status.next,
            log_end: status.high_watermark,
            lag_events: status.lag_events(),
            lag_seconds: tenths(status.lag_seconds),
            events_per_second: tenths(status.events_per_second),
            generation: status.generation.map(|generation| generation.to_string()),
            rows: status.rows,
            digest: status.digest.to_string(),
            last_checkpoint: status
                .last_checkpoint
                .map(|mark| CheckpointView { cycle: mark.cycle, next: mark.next }),
            malformed: status.malformed(),
            history_begins: Position { partition: status.partition, offset: Offset(status.history_begins.0) },
            progress: registry.progress(status.partition).as_ref().map(ProgressView::new),
        }
    }
}

/// More digits of a rate say nothing.
fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

pub async fn partitions(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    wants_json(&headers)?;
    Parameters::parse(query.as_deref(), &[])?;
    let registry = app.registry();
    let items = registry.statuses().iter().map(|status| PartitionView::new(status, registry)).collect();
    Ok(axum::Json(Partitions { items, next: None }).into_response())
}

#[derive(Serialize)]
struct Health<'a> {
    status: &'a str,
}

/// The process answers. Whether it is of use is for `/health/ready` to say.
pub async fn live() -> Response {
    axum::Json(Health { status: "live" }).into_response()
}

#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    partitions: u16,
    /// Those that are not live, with what they are.
    waiting: Vec<Waiting>,
}

#[derive(Serialize)]
struct Waiting {
    partition: Partition,
    state: &'static str,
    lag_events: u64,
    progress: Option<ProgressView>,
}

/// 200 only when every owned partition is live. Looked at by machines that know no token: states and counts
/// only.
pub async fn ready(State(app): State<Arc<App>>) -> Response {
    let statuses = app.registry().statuses();
    let ready = app.registry().is_ready();
    // Once ready, what is not live is another process's.
    let waiting: Vec<Waiting> = statuses
        .iter()
        .filter(|status| !ready && status.state != PartitionState::Live)
        .map(|status| Waiting {
            partition: status.partition,
            state: status.state.name(),
            lag_events: status.lag_events(),
            progress: app.registry().progress(status.partition).as_ref().map(ProgressView::new),
        })
        .collect();
    let body = Readiness {
        status: if ready { "ready" } else { "waiting" },
        partitions: app.registry().count(),
        waiting,
    };
    let mut response = axum::Json(body).into_response();
    if !ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

pub async fn metrics(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // Prometheus may be configured to add parameters; they mean nothing here.
    let _ = query;
    if !accepts(&headers, "text", "plain") {
        return Err(Problem::new(Code::NotAcceptable, "metrics are text/plain, which Accept does not take"));
    }
    let text = app.blocking(crate::metrics::gather).await?;
    Ok(([(CONTENT_TYPE, HeaderValue::from_static(crate::metrics::CONTENT_TYPE))], text).into_response())
}

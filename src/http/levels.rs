//! `GET /stock_levels` and everything under it.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body as HttpBody;
use axum::extract::{RawQuery, State};
use axum::http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::app::App;
use super::parameters::{Parameters, accepts, invalid, sku};
use super::problem::{Code, Problem};
use crate::lane::{Registry, State as PartitionState, Waited};
use crate::query::StoreReader;
use crate::query::entries::facet_named;
use crate::query::page::untoken;
use crate::query::reads::{self, AsOf, Body, PastBody, ReadError};
use crate::types::{Offset, Partition, Position, Sku, UtcTime};

/// `GET /stock_levels/{sku}`
pub async fn one(
    State(app): State<Arc<App>>,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    wants_json(&headers)?;
    let parameters = Parameters::parse(query.as_deref(), &["at_least", "as_of", "stale"])?;
    let sku = sku_of(&uri)?;
    let as_of = match parameters.get("as_of") {
        None => None,
        Some(text) => Some(moment(text)?),
    };
    let (partition, reader) = served(&app, &sku, &parameters).await?;
    let Some(as_of) = as_of else {
        let found = reads::stock_level(&reader, &sku).map_err(failed)?.ok_or_else(|| unknown(&sku))?;
        return Ok(with_etag(found, &headers));
    };
    let as_of = match as_of {
        Moment::Position(position) => {
            same_partition("as_of", position, partition, &sku)?;
            // A moment that lies ahead of what is applied could still change: it is waited for.
            reach(&app, position).await?;
            AsOf::Offset(position.offset)
        }
        Moment::Time(time) => AsOf::Time(time.to_timestamp()),
    };
    let at = parameters.get("as_of").unwrap_or_default();
    match reads::stock_level_at(&reader, partition, &sku, as_of).map_err(failed)? {
        PastBody::Body(body) => Ok(json(body)),
        PastBody::NeverSeen => {
            Err(Problem::new(Code::UnknownSku, format!("no event of {sku} up to {at}"))
                .with("sku", sku.as_str()))
        }
        PastBody::BeforeHistory { begins } => Err(before_history(&sku, at, partition, Offset(begins.0))),
    }
}

/// `GET /stock_levels/{sku}/holds` and its sisters.
pub async fn facet(
    State(app): State<Arc<App>>,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    wants_json(&headers)?;
    let parameters = Parameters::parse(query.as_deref(), &["after", "limit", "at_least", "stale"])?;
    let limit = parameters.limit(&app.config)?;
    let sku = sku_of(&uri)?;
    let name = segment(&uri, 3);
    // The router lets only the facets' names through.
    let facet = facet_named(name).ok_or_else(Problem::internal)?;
    let after = token(&parameters, name)?;
    let (_, reader) = served(&app, &sku, &parameters).await?;
    let asked = sku.clone();
    let found =
        app.blocking(move || reads::facet_page(&reader, &asked, facet, after.as_deref(), limit)).await?;
    found.map_err(failed)?.map(json).ok_or_else(|| unknown(&sku))
}

/// `GET /stock_levels/{sku}/history`
pub async fn history(
    State(app): State<Arc<App>>,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    wants_json(&headers)?;
    let parameters = Parameters::parse(query.as_deref(), &["after", "limit", "at_least", "stale"])?;
    let limit = parameters.limit(&app.config)?;
    let sku = sku_of(&uri)?;
    let before = match token(&parameters, "history")? {
        None => None,
        Some(text) => Some(Offset(text.parse().map_err(|_| bad_token())?)),
    };
    let (partition, reader) = served(&app, &sku, &parameters).await?;
    let asked = sku.clone();
    let found = app.blocking(move || reads::history_page(&reader, partition, &asked, before, limit)).await?;
    found.map_err(failed)?.map(json).ok_or_else(|| unknown(&sku))
}

/// `GET /stock_levels`
pub async fn list(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    wants_json(&headers)?;
    let parameters = Parameters::parse(query.as_deref(), &["after", "limit", "at_least", "stale"])?;
    let limit = parameters.limit(&app.config)?;
    let after: Option<Sku> = parameters.read("after")?;
    let stale = stale_allowed(&parameters)?;
    if let Some(position) = parameters.read("at_least")? {
        reach(&app, position).await?;
    }
    let (mut present, mut missing) = (Vec::new(), Vec::new());
    for partition in (0..app.registry().count()).map(Partition) {
        match app.registry().store(partition) {
            Some(reader) if stale || app.registry().state(partition) == PartitionState::Live => {
                present.push((partition, reader));
            }
            _ => missing.push(partition),
        }
    }
    let found = app.blocking(move || reads::stock_levels(&present, &missing, after.as_ref(), limit)).await?;
    found.map(json).map_err(failed)
}

/// The partition of the SKU and its store, once it may be read.
async fn served(app: &App, sku: &Sku, parameters: &Parameters) -> Result<(Partition, StoreReader), Problem> {
    let stale = stale_allowed(parameters)?;
    let at_least: Option<Position> = parameters.read("at_least")?;
    let registry = app.registry();
    let partition = registry.partition_of(sku.as_str());
    if let Some(position) = at_least {
        same_partition("at_least", position, partition, sku)?;
    }
    let state = registry.state(partition);
    if state.is_elsewhere() {
        return Err(not_owned(partition).with("sku", sku.as_str()));
    }
    if !stale && state != PartitionState::Live {
        return Err(not_live(registry, partition));
    }
    if let Some(position) = at_least {
        reach(app, position).await?;
    }
    // After the wait: the store may have been swapped meanwhile.
    let reader = registry.store(partition).ok_or_else(|| not_live(registry, partition))?;
    Ok((partition, reader))
}

/// The partition of the SKU and its store, where it is live.
pub(super) fn live_store(app: &App, sku: &Sku) -> Result<(Partition, StoreReader), Problem> {
    let registry = app.registry();
    let partition = registry.partition_of(sku.as_str());
    let state = registry.state(partition);
    if state.is_elsewhere() {
        return Err(not_owned(partition).with("sku", sku.as_str()));
    }
    let store = registry.store(partition).filter(|_| state == PartitionState::Live);
    store.map(|store| (partition, store)).ok_or_else(|| not_live(registry, partition))
}

/// Waits until the record at `position` is applied.
async fn reach(app: &App, position: Position) -> Result<(), Problem> {
    let deadline = Instant::now() + app.config.at_least_timeout();
    match app.registry().wait_for(position, deadline).await {
        Waited::Reached => Ok(()),
        Waited::TimedOut { applied } => Err(Problem::new(
            Code::NotReached,
            format!(
                "{position} was not applied within {} ms; the next offset to apply on partition {} is {applied}",
                app.config.at_least_timeout_ms, position.partition
            ),
        )
        .with("partition", position.partition.0)
        .with("next", applied.0)
        .retry_after(1)),
        Waited::Failed { .. } => Err(not_live(app.registry(), position.partition)),
        Waited::NotOwned => Err(not_owned(position.partition)),
    }
}

fn not_owned(partition: Partition) -> Problem {
    Problem::new(Code::NotOwned, format!("partition {partition} is not owned by this instance"))
        .with("partition", partition.0)
}

fn not_live(registry: &Registry, partition: Partition) -> Problem {
    let Some(status) = registry.status(partition) else { return not_owned(partition) };
    let progress = registry.progress(partition);
    let lag = status.lag_events();
    let detail = match &status.state {
        PartitionState::Failed { .. } => {
            format!("partition {partition} stands still until someone acts; the service's log says why")
        }
        PartitionState::Unassigned => {
            format!("partition {partition} is on its way to a lane, here or in another process")
        }
        state => format!("partition {partition} is {state}, {lag} events behind the end of the log"),
    };
    // As long as the rest should take at the present rate.
    let left = progress.as_ref().and_then(|progress| progress.seconds_left);
    let seconds = left.unwrap_or(1.0);
    let problem = Problem::new(Code::NotLive, detail)
        .with("partition", partition.0)
        .with("state", status.state.name())
        .with("next", status.next.0)
        .with("log_end", status.high_watermark.0)
        .with("lag_events", lag)
        // Clamped to a range that fits.
        .retry_after(seconds.ceil().clamp(1.0, 60.0) as u32);
    match progress {
        Some(progress) => problem
            .with("phase", progress.phase)
            .with("done", progress.done)
            .with("total", progress.total)
            .with("seconds_left", progress.seconds_left.map(f64::ceil)),
        None => problem,
    }
}

fn unknown(sku: &Sku) -> Problem {
    Problem::new(Code::UnknownSku, format!("{sku} has never been seen")).with("sku", sku.as_str())
}

fn before_history(sku: &Sku, at: &str, partition: Partition, begins: Offset) -> Problem {
    let begins = Position { partition, offset: begins };
    let quoted = sku.as_str().replace('\'', r"'\''");
    let job = format!("inventory-store replay --to {at} --sku '{quoted}'");
    Problem::new(
        Code::HistoryNotKept,
        format!("history kept here begins at {begins}; what {sku} was at {at} is found by `{job}`"),
    )
    .with("sku", sku.as_str())
    .with("begins", begins.to_string())
    .with("job", job)
}

fn failed(error: ReadError) -> Problem {
    tracing::error!(%error, "a read failed");
    Problem::internal()
}

fn same_partition(name: &str, position: Position, partition: Partition, sku: &Sku) -> Result<(), Problem> {
    if position.partition == partition {
        return Ok(());
    }
    Err(invalid(name, &format!("{position} is on another partition than {sku}, which is on {partition}")))
}

enum Moment {
    Position(Position),
    Time(UtcTime),
}

fn moment(text: &str) -> Result<Moment, Problem> {
    if let Ok(position) = text.parse() {
        return Ok(Moment::Position(position));
    }
    text.parse().map(Moment::Time).map_err(|_| {
        invalid(
            "as_of",
            "neither a position, for example 3:42, nor an RFC 3339 time such as 2026-11-01T12:34:56Z",
        )
    })
}

fn stale_allowed(parameters: &Parameters) -> Result<bool, Problem> {
    match parameters.get("stale") {
        None => Ok(false),
        Some("allowed") => Ok(true),
        Some(_) => Err(invalid("stale", "the one value there is, is allowed")),
    }
}

fn token(parameters: &Parameters, kind: &str) -> Result<Option<String>, Problem> {
    match parameters.get("after") {
        None => Ok(None),
        Some(text) => untoken(kind, text).map(Some).ok_or_else(bad_token),
    }
}

fn bad_token() -> Problem {
    invalid("after", "no token of this list; give back what the page before had as next")
}

pub(super) fn sku_of(uri: &Uri) -> Result<Sku, Problem> {
    sku(segment(uri, 2))
}

/// A segment of the path as it came, escapes and all.
fn segment(uri: &Uri, index: usize) -> &str {
    uri.path().split('/').nth(index).unwrap_or_default()
}

pub(super) fn wants_json(headers: &HeaderMap) -> Result<(), Problem> {
    if accepts(headers, "application", "json") {
        return Ok(());
    }
    Err(Problem::new(Code::NotAcceptable, "the answer is application/json, which Accept does not take"))
}

pub(super) fn json(body: Body) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], HttpBody::from(body.json))
        .into_response()
}

/// The version as entity tag; 304 where the client has it already.
fn with_etag(body: Body, headers: &HeaderMap) -> Response {
    let Some(version) = body.version else { return json(body) };
    let tag = format!("\"{version}\"");
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value
            .split(',')
            .map(str::trim)
            .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
    });
    let mut response = if known { StatusCode::NOT_MODIFIED.into_response() } else { json(body) };
    // Digits between quotes.
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

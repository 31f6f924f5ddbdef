//! `POST /events`: CloudEvents in, where there is no Kafka to bring them.

use std::sync::Arc;

use axum::extract::{RawQuery, Request, State};
use axum::http::header::ALLOW;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use super::app::{App, EventsLog};
use super::levels::{json as answer, wants_json};
use super::parameters::Parameters;
use super::problem::{Code, Problem};
use super::receive::{self, Taken};
use crate::log::LogError;
use crate::query::reads::Body;
use crate::types::Position;

pub async fn publish(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    Parameters::parse(query.as_deref(), &[])?;
    let EventsLog::Embedded { appender, max_bytes } = &app.handles.events else {
        return Err(Problem::new(
            Code::MethodNotAllowed,
            "events come by Kafka here: publish to the events topic, for example with `inventory-store publish --brokers`",
        )
        .header(ALLOW, HeaderValue::from_static("")));
    };
    wants_json(request.headers())?;
    let headers = request.headers().clone();
    let (body, memory) = receive::body(&app, request).await?;
    let items = receive::items(&app, &headers, receive::content_type(&headers), &body, Taken::Events)?;
    drop(body);
    // Events that the projector will understand.
    let items =
        receive::all_good(items, *max_bytes, Taken::Events, |item| item.decode(*max_bytes).map(drop))?;
    let ids: Vec<String> = items.iter().map(|(item, ())| item.event_id.clone()).collect();
    let records = items.into_iter().map(|(item, ())| Taken::Events.record(&app, item)).collect();
    let appender = Arc::clone(appender);
    let appended = app
        .blocking(move || {
            let appended = appender.append(records);
            drop(memory);
            appended
        })
        .await?;
    created(&ids, appended)
}

#[derive(Serialize)]
struct Created<'a> {
    items: Vec<Appended<'a>>,
}

#[derive(Serialize)]
struct Appended<'a> {
    id: &'a str,
    position: Position,
}

fn created(ids: &[String], appended: Vec<Result<Position, LogError>>) -> Result<Response, Problem> {
    let mut items = Vec::with_capacity(ids.len());
    let mut lost = Vec::new();
    for (id, outcome) in ids.iter().zip(appended) {
        match outcome {
            Ok(position) => items.push(Appended { id, position }),
            Err(error) => lost.push((id, error)),
        }
    }
    if let Some((_, error)) = lost.first() {
        tracing::error!(%error, failed = lost.len(), of = ids.len(), "events could not be appended");
        let written: Vec<_> =
            items.iter().map(|item| json!({"id": item.id, "position": item.position.to_string()})).collect();
        let failed: Vec<_> = lost.iter().map(|(id, _)| id.as_str()).collect();
        return Err(Problem::new(
            Code::LogUnavailable,
            format!("{} of {} events were not written; send those in `failed` again", lost.len(), ids.len()),
        )
        .with("failed", failed)
        .with("written", written)
        .retry_after(1));
    }
    let json = serde_json::to_vec(&Created { items }).map_err(|error| {
        tracing::error!(%error, "positions cannot be written as JSON");
        Problem::internal()
    })?;
    let mut response = answer(Body { json, version: None });
    *response.status_mut() = StatusCode::CREATED;
    Ok(response.into_response())
}

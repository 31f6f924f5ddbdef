//! `GET|POST /jobs`, `GET|DELETE /jobs/{id}`.

use std::sync::Arc;

use axum::extract::{RawQuery, Request, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::app::App;
use super::levels::wants_json;
use super::operations::ProgressView;
use super::parameters::Parameters;
use super::problem::{Code, Problem};
use super::receive;
use crate::jobs::{Jobs, NotStarted, View};

/// `GET /jobs`: the newest first.
pub async fn list(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    wants_json(&headers)?;
    Parameters::parse(query.as_deref(), &[])?;
    let items: Vec<Value> = jobs(&app)?.list().iter().map(|view| body(view, false)).collect();
    Ok(axum::Json(json!({"items": items, "next": null})).into_response())
}

/// `GET /jobs/{id}`
pub async fn one(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    wants_json(&headers)?;
    Parameters::parse(query.as_deref(), &[])?;
    let id = id(&uri);
    let view = jobs(&app)?.get(id).ok_or_else(|| unknown(id))?;
    Ok(axum::Json(body(&view, true)).into_response())
}

/// `POST /jobs`
pub async fn start(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    wants_json(request.headers())?;
    receive::json_body(request.headers())?;
    Parameters::parse(query.as_deref(), &[])?;
    let (bytes, _memory) = receive::body(&app, request).await?;
    let asked = serde_json::from_slice(&bytes)
        .map_err(|error| Problem::new(Code::InvalidRequest, format!("this is no job: {error}")))?;
    let jobs = jobs(&app)?.clone();
    let started = app.blocking(move || jobs.start(asked)).await?;
    let view = started.map_err(|refused| match refused {
        NotStarted::Wrong(detail) => Problem::new(Code::InvalidRequest, detail),
        NotStarted::Busy { ref id } => {
            Problem::new(Code::JobRunning, refused.to_string()).with("job", id.as_str()).retry_after(10)
        }
        NotStarted::Stopping => Problem::new(Code::Overloaded, refused.to_string()),
        NotStarted::Thread(ref error) => {
            tracing::error!(error, "a job could not be started");
            Problem::internal()
        }
    })?;
    let mut response = (StatusCode::ACCEPTED, axum::Json(body(&view, true))).into_response();
    // An id is letters, digits and a hyphen.
    if let Ok(location) = HeaderValue::from_str(&format!("/jobs/{}", view.record.id)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// `DELETE /jobs/{id}`: 202 while it still ends, 200 once it has.
pub async fn cancel(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    wants_json(&headers)?;
    Parameters::parse(query.as_deref(), &[])?;
    let id = id(&uri);
    let view = jobs(&app)?.cancel(id).ok_or_else(|| unknown(id))?;
    let status = if view.progress.is_some() { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok((status, axum::Json(body(&view, true))).into_response())
}

fn jobs(app: &App) -> Result<&Jobs, Problem> {
    let absent = || Problem::new(Code::UnknownRoute, "this process does no jobs");
    app.handles.jobs.as_ref().ok_or_else(absent)
}

fn id(uri: &Uri) -> &str {
    uri.path().split('/').nth(2).unwrap_or_default()
}

fn unknown(id: &str) -> Problem {
    let id: String = id.chars().take(64).collect();
    Problem::new(Code::UnknownJob, format!("there is no job {id}, or it is no longer remembered"))
}

/// A job as it is shown. In a list without the rows it found.
fn body(view: &View, whole: bool) -> Value {
    let record = &view.record;
    let mut summary = record.summary.clone();
    if !whole && let Some(members) = summary.as_object_mut() {
        members.remove("listed");
        members.remove("sku");
    }
    let progress = view.progress.as_ref().map(ProgressView::new);
    json!({
        "id": record.id,
        "kind": record.request.kind(),
        "request": record.request,
        "state": record.state,
        "started_at": record.started_at,
        "ended_at": record.ended_at,
        "progress": progress,
        "summary": summary,
        "error": record.error,
    })
}

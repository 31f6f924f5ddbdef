//! `GET /dead-letters` and under it: what could not be understood, and how a command is put back.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::app::{App, CommandsLog};
use super::levels::wants_json;
use super::parameters::{Parameters, invalid};
use super::problem::{Code, Problem};
use super::receive::json_body;
use crate::lane::Registry;
use crate::letters::{self, Letter, LetterView, LettersError, PutBack, PutBackError};
use crate::types::Position;

/// `GET /dead-letters`
pub async fn list(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    wants_json(&headers)?;
    let parameters = Parameters::parse(query.as_deref(), &["after", "limit"])?;
    let limit = parameters.limit(&app.config)?;
    let after: Option<Position> = parameters.read("after")?;
    // It reads the whole topic: one at a time.
    let _turn = app.letters.acquire().await.map_err(|_| Problem::internal())?;
    let log = Arc::clone(&app.handles.commands.log);
    let listed = app.blocking(move || letters::list(log.as_ref(), after, limit)).await?.map_err(failed)?;
    let next = listed.letters.last().filter(|_| listed.more).map(|letter| letter.position);
    let body = json!({"items": listed.letters, "next": next, "others": listed.others});
    Ok(axum::Json(body).into_response())
}

/// `GET /dead-letters/{position}`
pub async fn show(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    wants_json(&headers)?;
    Parameters::parse(query.as_deref(), &[])?;
    let letter = find(&app, position(&uri)?).await?;
    Ok(axum::Json(LetterView::of(&letter)).into_response())
}

/// `POST /dead-letters/{position}/put-back`
pub async fn put_back(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    wants_json(&headers)?;
    json_body(&headers)?;
    Parameters::parse(query.as_deref(), &[])?;
    let letter = find(&app, position(&uri)?).await?;
    let CommandsLog { appender, max_bytes, extended_values, .. } = app.handles.commands.clone();
    let how = PutBack { partitions: app.registry().count(), max_bytes, extended_values };
    match app.blocking(move || letters::put_back(&letter, how, appender.as_ref())).await? {
        Ok((position, sku)) => {
            let body = json!({"position": position, "sku": sku.as_str()});
            Ok((StatusCode::ACCEPTED, axum::Json(body)).into_response())
        }
        Err(PutBackError::Log(error)) => {
            tracing::error!(%error, "a dead letter could not be put back");
            Err(Problem::new(Code::LogUnavailable, format!("the command was not put back: {error}"))
                .retry_after(1))
        }
        Err(refused) => Err(Problem::new(Code::CannotPutBack, refused.to_string())),
    }
}

fn position(uri: &Uri) -> Result<Position, Problem> {
    let segment = uri.path().split('/').nth(2).unwrap_or_default().replace("%3A", ":").replace("%3a", ":");
    segment.parse().map_err(|_| invalid("position", "a position is PARTITION:OFFSET, for example 3:42"))
}

async fn find(app: &App, position: Position) -> Result<Letter, Problem> {
    let handles = app.handles.clone();
    let found = app.blocking(move || {
        let Some(letter) = letters::get(handles.commands.log.as_ref(), position)? else { return Ok(None) };
        complete(letter, &handles.registry).map(Some)
    });
    found.await?.map_err(failed)?.ok_or_else(|| {
        Problem::new(Code::UnknownLetter, format!("there is no dead letter at {position}, or no longer"))
    })
}

/// With the whole record, where its partition's store is here.
fn complete(letter: Letter, registry: &Registry) -> Result<Letter, LettersError> {
    letters::whole(letter, |origin| match registry.store(origin.partition) {
        Some(store) => store.dead(origin.topic, origin.offset),
        None => Ok(None),
    })
}

fn failed(error: LettersError) -> Problem {
    match error {
        LettersError::NotALetter(error) => Problem::new(Code::UnknownLetter, error.to_string()),
        LettersError::TooMany => Problem::new(Code::Overloaded, LettersError::TooMany.to_string()),
        error => {
            tracing::error!(%error, "dead letters cannot be read");
            Problem::internal()
        }
    }
}

//! Commands over HTTP: a command of Kafka's with a caller who waits.
//!
//! Nothing is decided here. A request becomes records of the commands topic ([`platform`] translates the
//! platform's own requests into the same records first); [`submit`] registers its callers, has [`appending`]
//! write the records, durably, and waits for the results that a lane commits; [`answer`] says in status codes
//! what came of each. So a 202 is a promise, and a caller who goes away changes nothing. [`lookup`] finds the
//! outcome of a command later.
//!
//! What is under way is bounded by the share of memory for requests, which a request keeps until it is
//! answered, and by how far the lanes are behind: beyond either, 429.

mod answer;
mod appending;
mod backlog;
mod lookup;
mod platform;
mod prefer;
mod submit;

use std::sync::Arc;

use axum::extract::{RawQuery, Request, State};
use axum::response::Response;

use super::app::App;
use super::levels::wants_json;
use super::parameters::Parameters;
use super::problem::Problem;
use super::receive::{self, Taken};
use crate::codec::event::http::is_batch;

pub use appending::Appending;
pub use backlog::Backlog;
pub use lookup::outcome;
pub use platform::{adjust, allocate_bulk, reserve};

/// `POST /commands`
pub async fn post(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    Parameters::parse(query.as_deref(), &[])?;
    wants_json(request.headers())?;
    let headers = request.headers().clone();
    let wait = prefer::wait(&headers, app.config.command_wait());
    let (body, memory) = receive::body(&app, request).await?;
    let content_type = receive::content_type(&headers);
    let items = receive::items(&app, &headers, content_type, &body, Taken::Commands)?;
    drop(body);
    let commands = submit::checked(&app, items)?;
    let settled = submit::submit(&app, commands, memory, wait).await?;
    if content_type.is_some_and(is_batch) { answer::batch(&settled) } else { answer::single(settled) }
}

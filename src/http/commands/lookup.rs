//! `GET /commands`: what became of a command, asked for by its name.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{RawQuery, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use super::super::app::{App, CommandsLog};
use super::super::levels::{live_store, wants_json};
use super::super::parameters::{Parameters, invalid};
use super::super::problem::{Code, Problem};
use super::answer;
use crate::codec::command;
use crate::codec::result::{Outcome, Verdict};
use crate::log::{Log, LogError, Span, read_spans};
use crate::query::StoreReader;
use crate::query::reads::ReadError;
use crate::types::{NextOffset, Offset, Partition, Position, Record, Sku, Topic, Version};

/// Undecided commands that one question looks through.
const MOST: usize = 100_000;
const PATIENCE: Duration = Duration::from_secs(5);

/// `GET /commands?sku=&source=&id=`
pub async fn outcome(
    State(app): State<Arc<App>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    wants_json(&headers)?;
    let parameters = Parameters::parse(query.as_deref(), &["sku", "source", "id"])?;
    let sku: Sku = parameters.read("sku")?.ok_or_else(|| invalid("sku", "is needed"))?;
    let text = |name: &'static str| match parameters.get(name) {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(invalid(name, "is needed")),
    };
    let (source, id) = (text("source")?, text("id")?);
    let (partition, reader) = live_store(&app, &sku)?;
    let commands = app.handles.commands.clone();
    let asked = Asked { sku, source, id, partition };
    let (asked, found) = app
        .blocking(move || {
            let found = asked.look(&reader, &commands);
            (asked, found)
        })
        .await?;
    match found {
        Ok(Found::Decided(outcome, at_least)) => {
            let (status, body) = answer::decided(&outcome, &[], at_least);
            Ok(told(status, body))
        }
        Ok(Found::UnderWay(position)) => {
            let mut body = answer::under_way(asked.sku.as_str(), &asked.source, &asked.id);
            body.insert("command_position".to_owned(), position.to_string().into());
            let mut response = told(StatusCode::ACCEPTED, body);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            Ok(response)
        }
        Ok(Found::Nothing) => Err(Problem::new(
            Code::UnknownCommand,
            format!(
                "no outcome of the command {:?} of {:?} on {} is known; outcomes are kept for dedupe.window",
                asked.id, asked.source, asked.sku
            ),
        )),
        Ok(Found::TooFarBehind) => Err(Problem::new(
            Code::Overloaded,
            format!("too many commands of partition {partition} wait to be decided; ask again later"),
        )
        .retry_after(5)),
        Err(error) => {
            tracing::error!(%error, "the outcome of a command cannot be looked up");
            Err(Problem::internal())
        }
    }
}

fn told(status: StatusCode, body: Map<String, Value>) -> Response {
    let json = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (status, json, Value::Object(body).to_string()).into_response()
}

struct Asked {
    sku: Sku,
    source: String,
    id: String,
    partition: Partition,
}

enum Found {
    /// And from where any read shows it.
    Decided(Box<Outcome>, Option<Position>),
    /// In the log at this position; no lane's decision has been applied here yet.
    UnderWay(Position),
    Nothing,
    TooFarBehind,
}

#[derive(Debug, thiserror::Error)]
enum LookupError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Asked {
    fn look(&self, reader: &StoreReader, commands: &CommandsLog) -> Result<Found, LookupError> {
        if let Some(outcome) = self.known(reader)? {
            return self.decided(outcome, reader, commands.log.as_ref());
        }
        // Below `decided` every command's outcome is in the store: looked at again after this, it would be there.
        let decided = reader.meta().map_err(ReadError::from)?.progress.next_commands;
        match self.undecided(decided, commands)? {
            Found::Nothing => match self.known(reader)? {
                Some(outcome) => self.decided(outcome, reader, commands.log.as_ref()),
                None => Ok(Found::Nothing),
            },
            found => Ok(found),
        }
    }

    fn known(&self, reader: &StoreReader) -> Result<Option<Outcome>, ReadError> {
        let kept = reader.outcome(&self.sku, &self.source, &self.id)?;
        Ok(kept.map(|kept| kept.outcome))
    }

    fn decided(&self, outcome: Outcome, reader: &StoreReader, log: &dyn Log) -> Result<Found, LookupError> {
        let version = reader.stock(&self.sku).map_err(ReadError::from)?.map_or(Version(0), |row| row.version);
        let has_events = matches!(outcome.verdict, Verdict::Accepted { .. });
        let next = if has_events && version < outcome.version {
            // The result was read before the events of the same transaction: they lie below the end.
            log.bounds(Topic::Events, self.partition)?.high_watermark
        } else {
            reader.meta().map_err(ReadError::from)?.progress.next
        };
        let last = next.0.checked_sub(1).map(Offset);
        let at_least = last.map(|offset| Position { partition: self.partition, offset });
        Ok(Found::Decided(Box::new(outcome), at_least))
    }

    /// Looks through the commands that no lane's decision has been applied of.
    fn undecided(&self, decided: NextOffset, commands: &CommandsLog) -> Result<Found, LookupError> {
        let log = commands.log.as_ref();
        let bounds = log.bounds(Topic::Commands, self.partition)?;
        let span =
            Span { partition: self.partition, from: decided.max(bounds.start), to: bounds.last_stable };
        let (mut found, mut seen) = (Found::Nothing, 0_usize);
        let deadline = Instant::now() + PATIENCE;
        let mut visit = |record: Record<'_>| {
            seen += 1;
            if seen > MOST || Instant::now() > deadline {
                found = Found::TooFarBehind;
                return ControlFlow::Break(());
            }
            let read = command::decode(
                record.key,
                record.value,
                record.headers,
                commands.max_bytes,
                commands.extended_values,
            );
            match read {
                Ok(read) if read.sku == self.sku && *read.source == self.source && *read.id == self.id => {
                    found = Found::UnderWay(record.position());
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        };
        read_spans(log, Topic::Commands, &[span], PATIENCE, &mut visit)?;
        Ok(found)
    }
}

use std::sync::Arc;

use crate::log::{Appender, CommitError, LogError};
use crate::types::{NewRecord, Position};

use super::commit::Request;
use super::embedded_log::Shared;
use super::topics;

/// Appends outside transactions.
pub(super) struct EmbeddedAppender(pub(super) Arc<Shared>);

impl Appender for EmbeddedAppender {
    fn append(&self, records: Vec<NewRecord>) -> Vec<Result<Position, LogError>> {
        let mut answers: Vec<Option<Result<Position, LogError>>> = Vec::with_capacity(records.len());
        let mut good = Vec::new();
        for new in records {
            let check = self
                .0
                .partitions
                .check(new.topic, new.partition)
                .and_then(|()| topics::check(&new, &self.0.config));
            match check {
                Ok(()) => {
                    answers.push(None);
                    good.push(new);
                }
                Err(e) => answers.push(Some(Err(e))),
            }
        }
        let mut written = self.write(good).into_iter();
        answers
            .into_iter()
            .map(|answer| {
                answer.or_else(|| written.next()).unwrap_or_else(|| {
                    Err(LogError::Refused {
                        what: "appending",
                        reason: "the record got no answer".to_owned(),
                    })
                })
            })
            .collect()
    }
}

impl EmbeddedAppender {
    /// One answer per record, in order. What is too much for one write goes in several.
    fn write(&self, records: Vec<NewRecord>) -> Vec<Result<Position, LogError>> {
        let mut answers = Vec::with_capacity(records.len());
        let mut rest = records.into_iter().peekable();
        while rest.peek().is_some() {
            let mut bytes = 0;
            let mut part = Vec::new();
            while let Some(new) =
                rest.next_if(|new| part_takes(&mut bytes, new, self.0.config.max_write_bytes))
            {
                part.push(new);
            }
            let count = part.len();
            match self.0.committer.submit(&self.0, Request::Append(part)) {
                Ok(positions) => answers.extend(positions.into_iter().map(Ok)),
                Err(e) => {
                    let reason = e.to_string();
                    let mut first = Some(match e {
                        CommitError::Fatal(e) => e,
                        // Withdrawn before anything was written.
                        CommitError::Aborted { .. } => {
                            let seconds = self.0.config.request_timeout_ms / 1000;
                            LogError::TimedOut { what: "waiting for earlier appends", seconds }
                        }
                        e => LogError::Refused { what: "appending", reason: e.to_string() },
                    });
                    answers.extend((0..count).map(|_| {
                        Err(first.take().unwrap_or_else(|| LogError::Refused {
                            what: "appending",
                            reason: reason.clone(),
                        }))
                    }));
                }
            }
        }
        answers
    }
}

/// Whether the record still fits; the first always does.
fn part_takes(bytes: &mut usize, new: &NewRecord, limit: usize) -> bool {
    let size = topics::size(new);
    if *bytes > 0 && *bytes + size > limit {
        return false;
    }
    *bytes += size;
    true
}

//! Appends outside transactions, by one idempotent producer that all appenders share.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::error::KafkaError;
use rdkafka::producer::{DeliveryResult, Producer, ProducerContext};

use super::context::{Context, delegate_to_context};
use super::native::PolledProducer;
use super::produce::{self, Origin};
use super::{Inner, Shared};
use crate::log::{Appender, LogError};
use crate::types::{NewRecord, Position};

type Append = PolledProducer<AppendContext>;

/// The shared producer; made when first needed, and anew after an error that it cannot survive.
#[derive(Default)]
pub(super) struct SharedProducer(Mutex<Option<Arc<Append>>>);

impl SharedProducer {
    fn get(&self, shared: &Shared) -> Result<Arc<Append>, LogError> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(producer) = slot.as_ref() {
            match producer.client().fatal_error() {
                None => return Ok(Arc::clone(producer)),
                Some((code, reason)) => {
                    tracing::warn!(%code, reason, "kafka producer cannot go on; making another")
                }
            }
        }
        let context = AppendContext { base: shared.context("appender") };
        let producer = Arc::new(shared.create_producer(context, &shared.settings.appender())?);
        *slot = Some(Arc::clone(&producer));
        Ok(producer)
    }
}

pub(super) struct KafkaAppender {
    log: Arc<Inner>,
}

impl KafkaAppender {
    pub(super) fn new(log: Arc<Inner>) -> Result<Self, LogError> {
        log.producer.get(&log.shared)?;
        Ok(Self { log })
    }
}

impl Appender for KafkaAppender {
    fn append(&self, records: Vec<NewRecord>) -> Vec<Result<Position, LogError>> {
        let shared = &self.log.shared;
        let count = records.len();
        let producer = match self.log.producer.get(shared) {
            Ok(producer) => producer,
            Err(error) => {
                let reason = error.to_string();
                return (0..count).map(|_| Err(LogError::Unreachable { reason: reason.clone() })).collect();
            }
        };
        let delivery =
            Duration::from_millis(u64::from(shared.settings.config().producer.delivery_timeout_ms));
        let pending = Arc::new(Pending::new(count));
        let origins: Vec<Origin> = records.iter().map(Origin::of).collect();
        let mut refused = Vec::new();
        for (index, record) in records.iter().enumerate() {
            let ticket = Box::new(Ticket { index, pending: Arc::clone(&pending) });
            if let Err(error) = produce::send(&self.log, &producer, record, ticket, Instant::now() + delivery)
            {
                pending.settle(index, Answer::NotSent);
                refused.push((index, error));
            }
        }
        // librdkafka reports every record by its delivery timeout; the rest is for a report under way.
        let answers = pending.wait(Instant::now() + delivery + shared.timeout);
        let mut refused = refused.into_iter().peekable();
        answers
            .into_iter()
            .zip(origins)
            .enumerate()
            .map(|(index, (answer, origin))| match answer {
                Answer::Written(position) => Ok(position),
                Answer::Failed(error) => Err(origin.failed(&self.log, &error)),
                Answer::NotSent | Answer::Open => match refused.next_if(|(of, _)| *of == index) {
                    Some((_, error)) => Err(error),
                    None => Err(LogError::TimedOut { what: "appending", seconds: delivery.as_secs() }),
                },
            })
            .collect()
    }
}

/// The answers of one `append`, as they come.
struct Pending {
    state: Mutex<Answers>,
    settled: Condvar,
}

struct Answers {
    open: usize,
    answers: Vec<Answer>,
}

#[derive(Clone)]
enum Answer {
    Open,
    NotSent,
    Written(Position),
    Failed(KafkaError),
}

impl Pending {
    fn new(count: usize) -> Self {
        let answers = vec![Answer::Open; count];
        Self { state: Mutex::new(Answers { open: count, answers }), settled: Condvar::new() }
    }

    fn settle(&self, index: usize, answer: Answer) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot @ Answer::Open) = state.answers.get_mut(index) {
            *slot = answer;
            state.open -= 1;
        }
        if state.open == 0 {
            self.settled.notify_all();
        }
    }

    fn wait(&self, deadline: Instant) -> Vec<Answer> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.open > 0 {
            let Some(rest) = deadline.checked_duration_since(Instant::now()) else { break };
            state = self.settled.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.answers.clone()
    }
}

/// Travels with a record and comes back with its report.
pub(super) struct Ticket {
    index: usize,
    pending: Arc<Pending>,
}

pub(super) struct AppendContext {
    base: Context,
}

delegate_to_context!(AppendContext);

impl ProducerContext for AppendContext {
    type DeliveryOpaque = Box<Ticket>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Box<Ticket>) {
        let answer = match produce::reported(result) {
            Ok(position) => Answer::Written(position),
            Err(error) => Answer::Failed(error),
        };
        ticket.pending.settle(ticket.index, answer);
    }
}

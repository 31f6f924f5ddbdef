//! What appender and transactor share: handing records to a producer, and its reports.

use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header as KafkaHeader, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, ProducerContext};
use rdkafka::util::IntoOpaque;

use super::Inner;
use super::errors::from_code;
use crate::log::LogError;
use crate::types::{NewRecord, Offset, Partition, Position, Topic};

/// Hands a record to the producer; waits while its buffer is full, until `deadline`.
pub(super) fn send<C>(
    log: &Inner,
    producer: &BaseProducer<C>,
    record: &NewRecord,
    opaque: C::DeliveryOpaque,
    deadline: Instant,
) -> Result<(), LogError>
where
    C: ProducerContext + 'static,
    C::DeliveryOpaque: IntoOpaque,
{
    let mut outgoing: BaseRecord<'_, [u8], [u8], C::DeliveryOpaque> =
        BaseRecord::with_opaque_to(log.shared.names.name(record.topic), opaque)
            .partition(i32::from(record.partition.0));
    if let Some(key) = &record.key {
        outgoing = outgoing.key(key.as_slice());
    }
    if let Some(value) = &record.value {
        outgoing = outgoing.payload(value.as_slice());
    }
    if let Some(time) = record.timestamp {
        outgoing = outgoing.timestamp(time.0);
    }
    if !record.headers.is_empty() {
        let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
        for header in &record.headers {
            headers = headers.insert(KafkaHeader { key: &header.name, value: header.value.as_deref() });
        }
        outgoing = outgoing.headers(headers);
    }
    loop {
        let error = match producer.send(outgoing) {
            Ok(()) => return Ok(()),
            Err((error, back)) => {
                outgoing = back;
                error
            }
        };
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
            return Err(Origin::of(record).failed(log, &error));
        }
        if Instant::now() >= deadline {
            return Err(LogError::TimedOut {
                what: "waiting for room in the producer's buffer",
                seconds: log.shared.timeout.as_secs(),
            });
        }
        // Room comes with reports, which the producer's own thread serves.
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

pub(super) fn bytes(record: &NewRecord) -> usize {
    let optional = |part: &Option<Vec<u8>>| part.as_ref().map_or(0, Vec::len);
    let headers =
        record.headers.iter().map(|header| header.name.len() + optional(&header.value)).sum::<usize>();
    optional(&record.key) + optional(&record.value) + headers
}

/// The position that a report names, or why there is none.
pub(super) fn reported(result: &DeliveryResult<'_>) -> Result<Position, KafkaError> {
    let message = match result {
        Ok(message) => message,
        Err((error, _)) => return Err(error.clone()),
    };
    match (u16::try_from(message.partition()), u64::try_from(message.offset())) {
        (Ok(partition), Ok(offset)) => {
            Ok(Position { partition: Partition(partition), offset: Offset(offset) })
        }
        _ => Err(KafkaError::MessageProduction(RDKafkaErrorCode::InvalidMessage)),
    }
}

/// What of a record a failure is told by, once the record itself is gone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub(super) topic: Topic,
    pub(super) partition: Partition,
    pub(super) bytes: usize,
}

impl Origin {
    pub(super) fn of(record: &NewRecord) -> Self {
        Self { topic: record.topic, partition: record.partition, bytes: bytes(record) }
    }

    pub(super) fn failed(self, log: &Inner, error: &KafkaError) -> LogError {
        const WHAT: &str = "appending";
        let shared = &log.shared;
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => LogError::TooLarge {
                topic: self.topic,
                partition: self.partition,
                bytes: self.bytes,
                limit: log.limit(self.topic),
            },
            Some(RDKafkaErrorCode::UnknownPartition) => LogError::Refused {
                what: WHAT,
                reason: format!(
                    "topic {} has no partition {}",
                    shared.names.name(self.topic),
                    self.partition
                ),
            },
            Some(RDKafkaErrorCode::MessageTimedOut) => LogError::TimedOut {
                what: WHAT,
                seconds: u64::from(shared.settings.config().producer.delivery_timeout_ms / 1000),
            },
            Some(code) => {
                from_code(WHAT, Some((self.topic, &shared.names)), code, &error.to_string(), shared.timeout)
            }
            None => LogError::Refused { what: WHAT, reason: error.to_string() },
        }
    }
}

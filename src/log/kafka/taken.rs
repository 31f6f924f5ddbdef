use rdkafka::message::{BorrowedMessage, Message};

use super::native::headers_of;
use crate::log::Records;
use crate::types::{Header, Offset, Partition, Record, Timestamp, Topic};

/// A command, copied: there are few of them next to events.
pub(super) struct Taken {
    partition: Partition,
    offset: Offset,
    timestamp: Timestamp,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<Header>,
}

impl Taken {
    pub(super) fn copied(partition: Partition, offset: Offset, message: &BorrowedMessage<'_>) -> Self {
        Self {
            partition,
            offset,
            timestamp: Timestamp(message.timestamp().to_millis().unwrap_or(-1)),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers_of(message),
        }
    }
}

/// The commands of one poll.
pub(super) struct TakenRecords(pub Vec<Taken>);

impl Records for TakenRecords {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn get(&self, index: usize) -> Record<'_> {
        let taken = &self.0[index];
        Record {
            topic: Topic::Commands,
            partition: taken.partition,
            offset: taken.offset,
            timestamp: taken.timestamp,
            key: taken.key.as_deref(),
            value: taken.value.as_deref(),
            headers: &taken.headers,
        }
    }
}

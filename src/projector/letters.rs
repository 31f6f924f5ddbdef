use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::kept::KeptRecord;
use crate::codec::event::Malformed;
use crate::log::{Appender, LogError};
use crate::store::DeadRow;
use crate::types::{Header, NewRecord, Offset, Partition, Record, Topic};

/// The headers that a dead letter carries behind the record's own. Described in `docs/dead-letters.md`.
pub mod header {
    /// Why: one of the stable names of [`crate::codec::event::Reason`].
    pub const REASON: &str = "x-dead-letter-reason";
    /// What exactly was wrong, for people.
    pub const DETAIL: &str = "x-dead-letter-detail";
    /// Where the record stood: topic, partition and offset are its identity.
    pub const TOPIC: &str = "x-dead-letter-topic";
    pub const PARTITION: &str = "x-dead-letter-partition";
    pub const OFFSET: &str = "x-dead-letter-offset";
    /// The record's timestamp, in milliseconds since 1970.
    pub const TIMESTAMP: &str = "x-dead-letter-timestamp";
    /// Only where the value did not fit: its length in bytes, and its SHA-256 in hexadecimal.
    pub const VALUE_LENGTH: &str = "x-dead-letter-value-length";
    pub const VALUE_SHA256: &str = "x-dead-letter-value-sha256";
    /// Only where the record's own key and headers did not fit either: `key,headers`.
    pub const LEFT_OUT: &str = "x-dead-letter-left-out";
}

/// Longest detail in a header, in bytes: a record must not blow up its own letter.
const MAX_DETAIL: usize = 1024;

/// Where malformed records go.
#[derive(Clone)]
pub enum DeadLetters {
    /// To the topic, acknowledged before the position passes them.
    Publish {
        appender: Arc<dyn Appender>,
        /// Partitions of the dead-letter topic.
        partitions: u16,
    },
    /// Nowhere: a scratch rebuild only counts them.
    CountOnly,
}

/// Letters on their way: written by the fold, gone once acknowledged.
#[derive(Default)]
pub(super) struct Outbox {
    waiting: Vec<Letter>,
    bytes: usize,
}

/// A letter about one record, cut as far as it had to be.
pub struct Letter {
    record: NewRecord,
    topic: Topic,
    offset: Offset,
    timestamp: crate::types::Timestamp,
    /// How many of the headers are the record's own.
    own_headers: usize,
    /// How much of the record had to be left out so far.
    cut: Cut,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    Nothing,
    Value,
    AllOfIt,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// What waits, in bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn add(&mut self, record: &Record<'_>, malformed: &Malformed, partitions: u16) {
        let letter = Letter::new(record, malformed, partitions);
        self.bytes += letter.record.key.as_ref().map_or(0, Vec::len)
            + letter.record.value.as_ref().map_or(0, Vec::len)
            + 1024;
        self.waiting.push(letter);
    }

    /// Appends every letter and returns when all are acknowledged. What no letter can hold goes to `keep`,
    /// whole, for the store. After an error the letters not acknowledged still wait: call again.
    pub(super) fn send(
        &mut self,
        appender: &dyn Appender,
        keep: &mut dyn FnMut(DeadRow),
    ) -> Result<(), LogError> {
        while !self.waiting.is_empty() {
            let records = self.waiting.iter().map(|letter| letter.record.clone()).collect();
            let mut failed = None;
            let mut left = Vec::new();
            for (letter, answer) in self.waiting.drain(..).zip(appender.append(records)) {
                match answer {
                    Ok(_) => {}
                    Err(LogError::TooLarge { .. }) if letter.cut != Cut::AllOfIt => {
                        left.push(letter.shorten(keep));
                    }
                    Err(error) => {
                        failed.get_or_insert(error);
                        left.push(letter);
                    }
                }
            }
            self.waiting = left;
            if let Some(error) = failed {
                return Err(error);
            }
        }
        self.bytes = 0;
        Ok(())
    }
}

impl Letter {
    /// The letter with the whole record in it. `partitions`: of the dead-letter topic.
    #[must_use]
    pub fn new(record: &Record<'_>, malformed: &Malformed, partitions: u16) -> Self {
        let KeptRecord { timestamp, key, value, mut headers } = KeptRecord::of(record);
        let own_headers = headers.len();
        headers.extend([
            Header::new(header::REASON, malformed.reason.name()),
            Header::new(header::DETAIL, cut_text(&malformed.detail)),
            Header::new(header::TOPIC, record.topic.to_string()),
            Header::new(header::PARTITION, record.partition.to_string()),
            Header::new(header::OFFSET, record.offset.to_string()),
            Header::new(header::TIMESTAMP, timestamp.0.to_string()),
        ]);
        Self {
            record: NewRecord {
                topic: Topic::DeadLetters,
                partition: Partition(record.partition.0 % partitions.max(1)),
                timestamp: None,
                key,
                value,
                headers,
            },
            topic: record.topic,
            offset: record.offset,
            timestamp,
            own_headers,
            cut: Cut::Nothing,
        }
    }

    /// The record of the dead-letter topic.
    #[must_use]
    pub fn record(&self) -> &NewRecord {
        &self.record
    }

    /// Whether there is something left to leave out.
    #[must_use]
    pub fn can_shorten(&self) -> bool {
        self.cut != Cut::AllOfIt
    }

    /// The letter without the value first, then without the record's own key and headers. The whole record
    /// goes to `keep` before anything of it is left out.
    #[must_use]
    pub fn shorten(mut self, keep: &mut dyn FnMut(DeadRow)) -> Self {
        match self.cut {
            Cut::Nothing => {
                let own = self.record.headers.get(..self.own_headers).unwrap_or_default().to_vec();
                let whole = KeptRecord {
                    timestamp: self.timestamp,
                    key: self.record.key.clone(),
                    value: self.record.value.take(),
                    headers: own,
                };
                keep(DeadRow { topic: self.topic, offset: self.offset, bytes: whole.encode() });
                let value = whole.value.unwrap_or_default();
                self.record.headers.extend([
                    Header::new(header::VALUE_LENGTH, value.len().to_string()),
                    Header::new(header::VALUE_SHA256, hexadecimal(&Sha256::digest(&value))),
                ]);
                self.cut = Cut::Value;
            }
            Cut::Value | Cut::AllOfIt => {
                self.record.key = None;
                self.record.headers.drain(..self.own_headers.min(self.record.headers.len()));
                self.own_headers = 0;
                self.record.headers.push(Header::new(header::LEFT_OUT, "key,headers"));
                self.cut = Cut::AllOfIt;
            }
        }
        self
    }
}

pub(super) fn cut_text(text: &str) -> &str {
    if text.len() <= MAX_DETAIL {
        return text;
    }
    let end = (0..=MAX_DETAIL).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

use std::fmt;

use crate::projector::{KeptRecord, header};
use crate::types::{Header, Offset, Partition, Position, Record, Timestamp, Topic};

/// Where a record stood before it became a letter: its identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    pub topic: Topic,
    pub partition: Partition,
    pub offset: Offset,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}:{}", self.topic, self.partition, self.offset)
    }
}

/// A dead letter, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// In the dead-letter topic.
    pub position: Position,
    pub origin: Origin,
    /// One of the stable names of [`crate::codec::event::Reason`].
    pub reason: String,
    pub detail: String,
    /// The record as it came, its own headers only; its timestamp is the one it had.
    pub record: KeptRecord,
    /// What the letter had no room for; nothing where `record` is whole.
    pub left_out: Option<LeftOut>,
}

/// What is said of a value that did not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    pub value_bytes: u64,
    /// SHA-256 in hexadecimal.
    pub value_sha256: String,
    /// The record's own key and headers are missing too.
    pub key_and_headers: bool,
}

/// A record of the dead-letter topic that we did not write, or that is damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{position} is no dead letter of this store: {reason}")]
pub struct NotALetter {
    pub position: Position,
    pub reason: &'static str,
}

impl Letter {
    /// # Errors
    /// [`NotALetter`] where our headers are missing or cannot be read.
    pub fn read(record: &Record<'_>) -> Result<Self, NotALetter> {
        let position = record.position();
        let not = |reason| NotALetter { position, reason };
        let mut record = KeptRecord::of(record);
        // Ours begin with the reason and stand last: a record that was a letter before has its own in front.
        let ours = record.headers.iter().rposition(|header| header.name == header::REASON);
        let ours = ours.ok_or(not("it has no header x-dead-letter-reason"))?;
        let ours = record.headers.split_off(ours);
        let text = |name: &str| text_of(&ours, name);
        let topic = text(header::TOPIC)
            .and_then(|name| Topic::ALL.into_iter().find(|topic| topic.default_name() == name));
        let number = |name: &str| text(name).and_then(|text| text.parse::<u64>().ok());
        let partition = number(header::PARTITION).and_then(|number| u16::try_from(number).ok());
        let timestamp = text(header::TIMESTAMP).and_then(|text| text.parse().ok());
        let (Some(topic), Some(partition), Some(offset), Some(timestamp)) =
            (topic, partition, number(header::OFFSET), timestamp)
        else {
            return Err(not("its headers do not say where the record stood"));
        };
        record.timestamp = Timestamp(timestamp);
        let left_out = number(header::VALUE_LENGTH).map(|value_bytes| LeftOut {
            value_bytes,
            value_sha256: text(header::VALUE_SHA256).unwrap_or_default().to_owned(),
            key_and_headers: text(header::LEFT_OUT).is_some(),
        });
        Ok(Self {
            position,
            origin: Origin { topic, partition: Partition(partition), offset: Offset(offset) },
            reason: text(header::REASON).unwrap_or_default().to_owned(),
            detail: text(header::DETAIL).unwrap_or_default().to_owned(),
            record,
            left_out,
        })
    }
}

fn text_of<'a>(headers: &'a [Header], name: &str) -> Option<&'a str> {
    let header = headers.iter().rfind(|header| header.name == name)?;
    std::str::from_utf8(header.value.as_deref()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(offset: u64) -> Vec<Header> {
        let offset = offset.to_string();
        [
            (header::REASON, "invalid_json"),
            (header::DETAIL, "no JSON"),
            (header::TOPIC, "inventory.stock.commands"),
            (header::PARTITION, "2"),
            (header::OFFSET, &offset),
            (header::TIMESTAMP, "1700000000000"),
        ]
        .map(|(name, value)| Header::new(name, value))
        .to_vec()
    }

    fn read(headers: &Vec<Header>) -> Result<Letter, NotALetter> {
        Letter::read(&Record {
            topic: Topic::DeadLetters,
            partition: Partition(2),
            offset: Offset(9),
            timestamp: Timestamp(1),
            key: Some(b"S"),
            value: Some(b"{"),
            headers,
        })
    }

    #[test]
    fn only_our_headers_are_taken_off_also_from_what_was_a_letter_before() {
        let own = [vec![Header::new("content-type", "application/json")], ours(1)].concat();
        let letter = read(&[own.clone(), ours(7)].concat()).expect("a letter");
        assert_eq!(letter.record.headers, own);
        assert_eq!((letter.origin.offset, letter.origin.partition), (Offset(7), Partition(2)));
        assert_eq!((letter.origin.topic, letter.record.timestamp.0), (Topic::Commands, 1_700_000_000_000));
        assert_eq!((letter.reason.as_str(), letter.left_out), ("invalid_json", None));
    }

    #[test]
    fn what_we_did_not_write_is_no_letter() {
        assert!(read(&Vec::new()).is_err());
        let mut other = ours(1);
        other[2] = Header::new(header::TOPIC, "orders");
        assert!(read(&other).is_err());
        other[2] = Header::new(header::TOPIC, vec![0xFF]);
        assert!(read(&other).is_err());
    }
}

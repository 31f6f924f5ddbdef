//! A record as it is stored.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version, 1 |
//! | 4 | crc32c of the database key and of everything after these four bytes, little-endian |
//! | 1 | kind: 0 data, 1 control (the end of a transaction) |
//! | 8 | timestamp, milliseconds, little-endian |
//! | 4 + n | key: length, little-endian, and bytes; length ffffffff = null |
//! | 4 + n | value, likewise |
//! | 4 | number of headers, then for each name and value, likewise |

use std::ops::Range;

use crate::types::{Header, Headers, Offset, Partition, Record, Timestamp, Topic};

use super::keys;

const VERSION: u8 = 1;
const HEAD: usize = 5;
const DATA: u8 = 0;
const CONTROL: u8 = 1;
const NULL: u32 = u32::MAX;

/// How many bytes [`encode`] will write.
pub(super) fn encoded_len(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header]) -> usize {
    let field = |bytes: Option<&[u8]>| 4 + bytes.map_or(0, <[u8]>::len);
    let headers: usize =
        headers.iter().map(|h| field(Some(h.name.as_bytes())) + field(h.value.as_deref())).sum();
    HEAD + 9 + field(key) + field(value) + 4 + headers
}

/// The stored bytes of a record. No part of it is longer than `max_record_bytes` allows, which is far below
/// what the 32-bit lengths can say.
pub(super) fn encode(
    stored_under: &[u8; 11],
    timestamp: Timestamp,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[Header],
) -> Vec<u8> {
    let mut bytes = begin(DATA, timestamp, encoded_len(key, value, headers));
    push(&mut bytes, key);
    push(&mut bytes, value);
    bytes.extend_from_slice(&length(headers.len()).to_le_bytes());
    for header in headers {
        push(&mut bytes, Some(header.name.as_bytes()));
        push(&mut bytes, header.value.as_deref());
    }
    finish(stored_under, bytes)
}

/// The stored bytes of the record that ends a transaction in a partition. No reader ever sees it.
pub(super) fn encode_control(stored_under: &[u8; 11], timestamp: Timestamp) -> Vec<u8> {
    let mut bytes = begin(CONTROL, timestamp, HEAD + 21);
    push(&mut bytes, None);
    push(&mut bytes, None);
    bytes.extend_from_slice(&0_u32.to_le_bytes());
    finish(stored_under, bytes)
}

fn begin(kind: u8, timestamp: Timestamp, capacity: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(capacity);
    bytes.extend_from_slice(&[VERSION, 0, 0, 0, 0, kind]);
    bytes.extend_from_slice(&timestamp.0.to_le_bytes());
    bytes
}

fn length(bytes: usize) -> u32 {
    // Records are limited far below 4 GiB before they get here.
    u32::try_from(bytes).unwrap_or(NULL - 1)
}

fn push(bytes: &mut Vec<u8>, field: Option<&[u8]>) {
    match field {
        None => bytes.extend_from_slice(&NULL.to_le_bytes()),
        Some(field) => {
            bytes.extend_from_slice(&length(field.len()).to_le_bytes());
            bytes.extend_from_slice(field);
        }
    }
}

fn finish(stored_under: &[u8; 11], mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = checksum(stored_under, &bytes).to_le_bytes();
    for (to, from) in bytes.iter_mut().skip(1).zip(checksum) {
        *to = from;
    }
    bytes
}

fn checksum(stored_under: &[u8; 11], bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(stored_under), bytes.get(HEAD..).unwrap_or_default())
}

/// A record read back, checked, and kept as its bytes.
#[derive(Debug)]
pub(super) struct Stored {
    bytes: Box<[u8]>,
    topic: Topic,
    partition: Partition,
    offset: Offset,
    timestamp: Timestamp,
    control: bool,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    headers: Range<usize>,
}

impl Stored {
    /// Checks the checksum and every length, or says what is wrong.
    pub(super) fn decode(
        topic: Topic,
        partition: Partition,
        offset: u64,
        bytes: &[u8],
    ) -> Result<Self, String> {
        let wrong = |what: &str| format!("{topic} partition {partition} offset {offset}: {what}");
        let mut walk = Walk { bytes, at: 0 };
        let [version] = walk.array().ok_or_else(|| wrong("empty record"))?;
        if version != VERSION {
            return Err(wrong(&format!("format version {version}; this program reads {VERSION}")));
        }
        let expected = u32::from_le_bytes(walk.array().ok_or_else(|| wrong("cut-off record"))?);
        if checksum(&keys::record(topic, partition, offset), bytes) != expected {
            return Err(wrong("the checksum does not match"));
        }
        // From here on only a wrong writer can be the cause; the bytes are what was once written.
        let fields = || -> Option<_> {
            let [kind] = walk.array()?;
            let timestamp = i64::from_le_bytes(walk.array()?);
            let key = walk.field()?;
            let value = walk.field()?;
            let headers = walk.at..bytes.len();
            for _ in 0..walk.u32()? {
                let name = walk.field()??;
                std::str::from_utf8(bytes.get(name)?).ok()?;
                walk.field()?;
            }
            (kind <= CONTROL && walk.at == bytes.len()).then_some((kind, timestamp, key, value, headers))
        };
        let mut fields = fields;
        let (kind, timestamp, key, value, headers) =
            fields().ok_or_else(|| wrong("the lengths do not add up"))?;
        Ok(Self {
            bytes: bytes.into(),
            topic,
            partition,
            offset: Offset(offset),
            timestamp: Timestamp(timestamp),
            control: kind == CONTROL,
            key,
            value,
            headers,
        })
    }

    pub(super) fn is_control(&self) -> bool {
        self.control
    }

    pub(super) fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    pub(super) fn key(&self) -> Option<&[u8]> {
        self.key.clone().and_then(|range| self.bytes.get(range))
    }

    pub(super) fn value(&self) -> Option<&[u8]> {
        self.value.clone().and_then(|range| self.bytes.get(range))
    }

    pub(super) fn stored_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn as_record(&self) -> Record<'_> {
        Record {
            topic: self.topic,
            partition: self.partition,
            offset: self.offset,
            timestamp: self.timestamp,
            key: self.key(),
            value: self.value(),
            headers: self,
        }
    }
}

impl Headers for Stored {
    fn visit<'a>(&'a self, visit: &mut dyn FnMut(&'a str, Option<&'a [u8]>)) {
        let mut walk = Walk { bytes: &self.bytes, at: self.headers.start };
        for _ in 0..walk.u32().unwrap_or_default() {
            // `decode` has walked the same way over the same bytes.
            let Some(Some(name)) = walk.field() else { return };
            let Some(value) = walk.field() else { return };
            let Some(name) = self.bytes.get(name).and_then(|name| std::str::from_utf8(name).ok()) else {
                return;
            };
            visit(name, value.and_then(|value| self.bytes.get(value)));
        }
    }
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Walk<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let array = self.bytes.get(self.at..)?.first_chunk::<N>()?;
        self.at += N;
        Some(*array)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// A field's range; the inner nothing is null.
    fn field(&mut self) -> Option<Option<Range<usize>>> {
        let length = self.u32()?;
        if length == NULL {
            return Some(None);
        }
        let end = self.at.checked_add(usize::try_from(length).ok()?)?;
        let range = self.at..end;
        self.bytes.get(range.clone())?;
        self.at = end;
        Some(Some(range))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: (Topic, Partition, u64) = (Topic::Events, Partition(3), 42);

    fn sample() -> (Vec<u8>, Vec<Header>) {
        let headers = vec![
            Header::new("a", *b"1"),
            Header { name: "n".into(), value: None },
            Header::new("a", *b"2"),
            Header::new("", *b""),
        ];
        let under = keys::record(AT.0, AT.1, AT.2);
        (encode(&under, Timestamp(-7), Some(b"key"), None, &headers), headers)
    }

    #[test]
    fn reads_what_it_wrote() {
        let (bytes, headers) = sample();
        assert_eq!(bytes.len(), encoded_len(Some(b"key"), None, &headers));
        let stored = Stored::decode(AT.0, AT.1, AT.2, &bytes).expect("decodes");
        let record = stored.as_record();
        assert_eq!((record.key, record.value, record.timestamp), (Some(&b"key"[..]), None, Timestamp(-7)));
        let mut seen = Vec::new();
        record
            .headers
            .visit(&mut |name, value| seen.push(Header { name: name.into(), value: value.map(Into::into) }));
        assert_eq!(seen, headers);
        assert_eq!(record.headers.last("a"), Some(Some(&b"2"[..])));
        assert_eq!(record.headers.last("n"), Some(None));
        assert_eq!(record.headers.last("absent"), None);
    }

    /// The bytes of version 1, written down: they must stay readable.
    #[test]
    fn golden_bytes() {
        let under = keys::record(Topic::Results, Partition(1), 2);
        let bytes = encode(&under, Timestamp(1), Some(b"k"), Some(b"v"), &[Header::new("h", *b"x")]);
        let text: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(&text[..2], "01");
        assert_eq!(
            &text[10..],
            "000100000000000000010000006b01000000760100000001000000680100000078",
            "kind, timestamp, key, value, headers"
        );
    }

    #[test]
    fn every_flipped_bit_every_cut_and_every_other_place_is_noticed() {
        let (bytes, _) = sample();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Stored::decode(AT.0, AT.1, AT.2, &flipped).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(Stored::decode(AT.0, AT.1, AT.2, &bytes[..length]).is_err(), "length {length}");
        }
        assert!(Stored::decode(AT.0, AT.1, AT.2 + 1, &bytes).is_err());
        assert!(Stored::decode(AT.0, Partition(4), AT.2, &bytes).is_err());
    }
}

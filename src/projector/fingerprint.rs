use crate::codec::rows::meta::Fingerprint;
use crate::types::Record;

/// What a record is recognised by: its offset, timestamp, and a crc32c over key, value and headers.
///
/// Persisted: each part is preceded by its length as a little-endian u32 (0xFFFF_FFFF for a null), so that
/// no two records share their framing. Key first, then value, then each header's name and value.
#[must_use]
pub fn fingerprint(record: &Record<'_>) -> Fingerprint {
    let mut crc = part(0, record.key);
    crc = part(crc, record.value);
    record.headers.visit(&mut |name, value| {
        crc = part(part(crc, Some(name.as_bytes())), value);
    });
    Fingerprint { offset: record.offset, timestamp: record.timestamp, crc32c: crc }
}

fn part(crc: u32, bytes: Option<&[u8]>) -> u32 {
    match bytes {
        // A record's parts are far below 2^32 bytes.
        Some(bytes) => {
            crc32c::crc32c_append(crc32c::crc32c_append(crc, &(bytes.len() as u32).to_le_bytes()), bytes)
        }
        None => crc32c::crc32c_append(crc, &u32::MAX.to_le_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Header, Offset, Partition, Timestamp, Topic};

    fn of(key: Option<&[u8]>, value: Option<&[u8]>, headers: &Vec<Header>) -> u32 {
        let record = Record {
            topic: Topic::Events,
            partition: Partition(0),
            offset: Offset(1),
            timestamp: Timestamp(2),
            key,
            value,
            headers,
        };
        fingerprint(&record).crc32c
    }

    #[test]
    fn every_part_counts_and_none_can_pass_for_another() {
        let none = vec![];
        let one = vec![Header::new("a", "b")];
        let all = [
            of(Some(b"ab"), Some(b"c"), &none),
            of(Some(b"a"), Some(b"bc"), &none),
            of(None, Some(b"abc"), &none),
            of(Some(b""), Some(b"abc"), &none),
            of(Some(b"ab"), None, &none),
            of(Some(b"ab"), Some(b"c"), &one),
            of(Some(b"ab"), Some(b"c"), &vec![Header { name: "a".into(), value: None }]),
        ];
        for (i, a) in all.iter().enumerate() {
            for b in &all[i + 1..] {
                assert_ne!(a, b);
            }
        }
        assert_eq!(all[0], of(Some(b"ab"), Some(b"c"), &none));
    }
}

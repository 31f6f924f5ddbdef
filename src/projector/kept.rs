//! A malformed record too large for its letter, as the store keeps it.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version, 1 |
//! | 8 | timestamp, i64 little-endian, milliseconds |
//! | 4 + n | key |
//! | 4 + n | value |
//! | 4 | number of headers, u32 little-endian |
//! | … | each header: 4 + n its name, 4 + n its value |
//!
//! `4 + n` is a length, u32 little-endian, and that many bytes; the length 0xFFFF_FFFF alone is a null.

use crate::types::{Header, Record, Timestamp};

const VERSION: u8 = 1;
const NULL: u32 = u32::MAX;

/// A whole record, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRecord {
    pub timestamp: Timestamp,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<Header>,
}

/// Bytes that are no kept record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeptError {
    #[error("a kept record of version {found} cannot be read by this program, which knows version {VERSION}")]
    UnknownVersion { found: u8 },
    #[error("a kept record ends early or goes on too long")]
    Damaged,
}

impl KeptRecord {
    #[must_use]
    pub fn of(record: &Record<'_>) -> Self {
        let mut headers = Vec::new();
        record.headers.visit(&mut |name, value| {
            headers.push(Header { name: name.to_owned(), value: value.map(<[u8]>::to_vec) });
        });
        Self {
            timestamp: record.timestamp,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers,
        }
    }

    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.timestamp.0.to_le_bytes());
        put(&mut out, self.key.as_deref());
        put(&mut out, self.value.as_deref());
        // A record holds far fewer than 2^32 headers.
        out.extend_from_slice(&(self.headers.len() as u32).to_le_bytes());
        for header in &self.headers {
            put(&mut out, Some(header.name.as_bytes()));
            put(&mut out, header.value.as_deref());
        }
        out
    }

    /// # Errors
    /// [`KeptError`] where `bytes` are not what [`Self::encode`] gave.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeptError> {
        let (version, mut rest) = bytes.split_first().ok_or(KeptError::Damaged)?;
        if *version != VERSION {
            return Err(KeptError::UnknownVersion { found: *version });
        }
        let timestamp = Timestamp(i64::from_le_bytes(take(&mut rest)?));
        let key = get(&mut rest)?;
        let value = get(&mut rest)?;
        let count = u32::from_le_bytes(take(&mut rest)?);
        let mut headers = Vec::new();
        for _ in 0..count {
            let name = get(&mut rest)?.ok_or(KeptError::Damaged)?;
            let name = String::from_utf8(name).map_err(|_| KeptError::Damaged)?;
            headers.push(Header { name, value: get(&mut rest)? });
        }
        if rest.is_empty() { Ok(Self { timestamp, key, value, headers }) } else { Err(KeptError::Damaged) }
    }
}

fn put(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            // A log takes no record of 2^32 bytes.
            out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            out.extend_from_slice(bytes);
        }
        None => out.extend_from_slice(&NULL.to_le_bytes()),
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], KeptError> {
    let (taken, after) = rest.split_first_chunk::<N>().ok_or(KeptError::Damaged)?;
    *rest = after;
    Ok(*taken)
}

fn get(rest: &mut &[u8]) -> Result<Option<Vec<u8>>, KeptError> {
    let length = u32::from_le_bytes(take(rest)?);
    if length == NULL {
        return Ok(None);
    }
    let length = usize::try_from(length).map_err(|_| KeptError::Damaged)?;
    let (taken, after) = rest.split_at_checked(length).ok_or(KeptError::Damaged)?;
    *rest = after;
    Ok(Some(taken.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_wrote_and_refuses_anything_shorter() {
        let kept = KeptRecord {
            timestamp: Timestamp(-5),
            key: None,
            value: Some(vec![0, 255, 7]),
            headers: vec![Header::new("a", "b"), Header { name: "a".into(), value: None }],
        };
        let bytes = kept.encode();
        assert_eq!(KeptRecord::decode(&bytes), Ok(kept));
        for cut in 0..bytes.len() {
            assert_eq!(KeptRecord::decode(&bytes[..cut]), Err(KeptError::Damaged), "cut at {cut}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(KeptRecord::decode(&longer), Err(KeptError::Damaged));
        assert_eq!(KeptRecord::decode(&[2]), Err(KeptError::UnknownVersion { found: 2 }));
    }
}

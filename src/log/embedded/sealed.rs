//! Small persisted values: a version byte, a checksum that covers the key too, and the payload.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version, 1 |
//! | 4 | crc32c of key and payload, little-endian |
//! | … | payload |

const VERSION: u8 = 1;
const HEAD: usize = 5;

fn checksum(key: &[u8], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), payload)
}

/// The bytes to store under `key`.
pub(super) fn seal(key: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD + payload.len());
    bytes.push(VERSION);
    bytes.extend_from_slice(&checksum(key, payload).to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// The payload stored under `key`, or why it cannot be trusted.
pub(super) fn unseal<'a>(key: &[u8], bytes: &'a [u8]) -> Result<&'a [u8], String> {
    let Some((&[version, a, b, c, d], payload)) = bytes.split_first_chunk::<HEAD>() else {
        return Err(format!("{} bytes under key {key:02x?} are too few", bytes.len()));
    };
    if version != VERSION {
        return Err(format!("key {key:02x?} has format version {version}; this program reads {VERSION}"));
    }
    if checksum(key, payload) != u32::from_le_bytes([a, b, c, d]) {
        return Err(format!("the checksum under key {key:02x?} does not match"));
    }
    Ok(payload)
}

/// A sealed 64-bit number.
pub(super) fn seal_u64(key: &[u8], value: u64) -> Vec<u8> {
    seal(key, &value.to_le_bytes())
}

pub(super) fn unseal_u64(key: &[u8], bytes: &[u8]) -> Result<u64, String> {
    let payload = unseal(key, bytes)?;
    let number = payload.try_into().map_err(|_| format!("key {key:02x?} holds no 64-bit number"))?;
    Ok(u64::from_le_bytes(number))
}

pub(super) fn seal_i64(key: &[u8], value: i64) -> Vec<u8> {
    seal(key, &value.to_le_bytes())
}

pub(super) fn unseal_i64(key: &[u8], bytes: &[u8]) -> Result<i64, String> {
    unseal_u64(key, bytes).map(u64::cast_signed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let sealed = seal(b"key", b"payload");
        assert_eq!(unseal(b"key", &sealed), Ok(&b"payload"[..]));
        assert!(unseal(b"kez", &sealed).is_err());
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(unseal(b"key", &flipped).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(unseal(b"key", &sealed[..length]).is_err(), "length {length}");
        }
    }
}

//! A look at RocksDB's write-ahead log before RocksDB reads it.
//!
//! Its reader loops for ever on a record that claims to be of a recycled log file in the middle of one that
//! is not (`kBadRecord` without taking anything from the buffer). One flipped bit makes such a record. This
//! log never recycles files, so any record of that kind is damage.
//!
//! The walk is RocksDB's: blocks of 32 KiB, records of crc u32 (masked), length u16, type u8 and payload; a
//! record that cannot be right ends its block.

use std::fs;
use std::path::Path;

const BLOCK: usize = 32 << 10;
const HEADER: usize = 7;

/// Says why RocksDB should not be shown the log files in this directory.
pub(super) fn check(database: &Path) -> Result<(), String> {
    let cannot = |e: std::io::Error| format!("{} cannot be read: {e}", database.display());
    for entry in fs::read_dir(database).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            let bytes = fs::read(&path).map_err(cannot)?;
            if let Some(at) =
                bytes.chunks(BLOCK).enumerate().find_map(|(i, block)| Some(i * BLOCK + recycled(block)?))
            {
                return Err(format!(
                    "{} holds a record of no kind it can hold, at byte {at}",
                    path.display()
                ));
            }
        }
    }
    Ok(())
}

/// Where in the block a record claims to be of a recycled file.
fn recycled(block: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(&[a, b, c, d, low, high, kind]) = block.get(at..)?.first_chunk::<HEADER>() {
        if matches!(kind, 5..=8 | 11 | 131) {
            return Some(at);
        }
        let end = at + HEADER + usize::from(u16::from_le_bytes([low, high]));
        let checked = block.get(at + HEADER - 1..end)?;
        if kind == 0 || mask(crc32c::crc32c(checked)) != u32::from_le_bytes([a, b, c, d]) {
            return None;
        }
        at = end;
    }
    None
}

/// As RocksDB stores a checksum that it checksums again.
fn mask(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
        let checked = [&[kind], payload].concat();
        let length = u16::try_from(payload.len()).expect("small").to_le_bytes();
        [&mask(crc32c::crc32c(&checked)).to_le_bytes()[..], &length, &checked].concat()
    }

    #[test]
    fn finds_a_recycled_record_wherever_the_walk_reaches() {
        let good = [record(1, b"one"), record(2, b"two")].concat();
        assert_eq!(recycled(&good), None);
        assert_eq!(recycled(&[good.clone(), record(5, b"x")].concat()), Some(good.len()));
        let mut damaged = record(1, b"one");
        damaged[7] ^= 1;
        assert_eq!(recycled(&[damaged, record(5, b"x")].concat()), None, "RocksDB goes on at the next block");
        assert_eq!(recycled(&[good, vec![0; 100]].concat()), None, "preallocated");
    }
}

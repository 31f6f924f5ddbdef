//! Blocks: rows packed one after another, compressed, with a checksum of their own.
//!
//! | bytes of the head | what |
//! |---|---|
//! | 4 | length as stored, little-endian as all numbers; never 0 |
//! | 4 | length of the rows |
//! | 4 | number of rows |
//! | 1 + 3 | codec (0 as is, 1 zstd), zeros |
//! | 4 | crc32c of the bytes as stored |
//! | 4 | crc32c of the 20 bytes before: no length is believed unchecked |
//!
//! A row: length of the value (u32), length of the key (u32), key, value. The last three are what a row's hash
//! covers, so that it is taken where the row lies.

use zstd::bulk::{Compressor, Decompressor};

use super::ArchiveError;
use super::file::Fields;
use crate::store::RowHash;

pub(super) const HEAD: usize = 24;
/// Rows are packed until there are so many bytes. A longer row has a block to itself.
const TARGET: usize = 256 << 10;
/// Of a restore a fifth of the time was unpacking level 1; this takes half of it, for 5% more bytes:
/// `benches/restore.rs`, `docs/performance.md`.
const LEVEL: i32 = -1;

const AS_IS: u8 = 0;
const ZSTD: u8 = 1;

/// Rows on their way into a block.
pub(super) struct BlockWriter {
    rows: Vec<u8>,
    count: u32,
    compressor: Compressor<'static>,
    stored: Vec<u8>,
}

impl BlockWriter {
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            rows: Vec::with_capacity(TARGET + (4 << 10)),
            count: 0,
            compressor: Compressor::new(LEVEL)?,
            stored: Vec::new(),
        })
    }

    /// Packs a row, and gives its hash; nothing where its lengths do not fit the format.
    pub fn add(&mut self, key: &[u8], value: &[u8]) -> Option<RowHash> {
        let (key_length, value_length) = (u32::try_from(key.len()).ok()?, u32::try_from(value.len()).ok()?);
        // A block's own lengths are u32 too.
        u32::try_from(self.rows.len().checked_add(key.len())?.checked_add(value.len())?.checked_add(8)?)
            .ok()?;
        self.rows.extend_from_slice(&value_length.to_le_bytes());
        let framed = self.rows.len();
        self.rows.extend_from_slice(&key_length.to_le_bytes());
        self.rows.extend_from_slice(key);
        self.rows.extend_from_slice(value);
        self.count += 1;
        self.rows.get(framed..).map(RowHash::of_framed)
    }

    pub fn is_full(&self) -> bool {
        self.rows.len() >= TARGET
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Appends the block to `out` and begins the next. Gives the length of the rows.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> std::io::Result<u64> {
        self.stored.clear();
        self.stored.reserve(zstd::zstd_safe::compress_bound(self.rows.len()));
        let length = self.compressor.compress_to_buffer(&self.rows, &mut self.stored)?;
        let (codec, stored) =
            if length < self.rows.len() { (ZSTD, &self.stored) } else { (AS_IS, &self.rows) };

        let start = out.len();
        // `add` held the lengths to a u32, and what is stored is no longer.
        out.extend_from_slice(&(stored.len() as u32).to_le_bytes());
        out.extend_from_slice(&(self.rows.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.count.to_le_bytes());
        out.extend_from_slice(&[codec, 0, 0, 0]);
        out.extend_from_slice(&crc32c::crc32c(stored).to_le_bytes());
        let head = crc32c::crc32c(out.get(start..).unwrap_or_default());
        out.extend_from_slice(&head.to_le_bytes());
        out.extend_from_slice(stored);

        let raw = self.rows.len() as u64;
        self.rows.clear();
        self.count = 0;
        Ok(raw)
    }
}

/// A block taken apart: its rows, one after another.
pub(super) struct BlockReader {
    rows: Vec<u8>,
    at: usize,
    left: u32,
    decompressor: Decompressor<'static>,
}

/// The head of a block, checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub stored: usize,
    pub raw: usize,
    pub rows: u32,
    codec: u8,
    crc: u32,
}

impl Head {
    /// Reads the head of a block.
    pub fn read(file: &str, bytes: &[u8; HEAD]) -> Result<Self, ArchiveError> {
        let mut fields = Fields::new(bytes);
        let (stored, raw, rows, kind, crc, head) =
            (fields.u32(), fields.u32(), fields.u32(), fields.u32(), fields.u32(), fields.u32());
        if crc32c::crc32c(bytes.get(..HEAD - 4).unwrap_or_default()) != head {
            return Err(ArchiveError::corrupt(file, "the checksum of a block's head does not fit"));
        }
        let codec = u8::try_from(kind).ok().filter(|_| stored > 0 && rows > 0);
        let codec =
            codec.ok_or_else(|| ArchiveError::corrupt(file, "a block's head says what no block has"))?;
        Ok(Self { stored: stored as usize, raw: raw as usize, rows, codec, crc })
    }
}

impl BlockReader {
    pub fn new() -> std::io::Result<Self> {
        Ok(Self { rows: Vec::new(), at: 0, left: 0, decompressor: Decompressor::new()? })
    }

    /// Unpacks a block. Its rows must have been read to the end before.
    pub fn open(&mut self, file: &str, head: Head, stored: &[u8]) -> Result<(), ArchiveError> {
        if crc32c::crc32c(stored) != head.crc {
            return Err(ArchiveError::corrupt(file, "the checksum of a block does not fit"));
        }
        self.rows.clear();
        match head.codec {
            AS_IS => self.rows.extend_from_slice(stored),
            ZSTD => {
                self.rows.reserve(head.raw);
                let unpacked = self.decompressor.decompress_to_buffer(stored, &mut self.rows);
                unpacked.map_err(|error| {
                    ArchiveError::corrupt(file, format!("a block cannot be unpacked: {error}"))
                })?;
            }
            codec => {
                return Err(ArchiveError::corrupt(
                    file,
                    format!("a block has the codec {codec}, which there is not"),
                ));
            }
        }
        if self.rows.len() != head.raw {
            return Err(ArchiveError::corrupt(file, "a block is not as long as its head says"));
        }
        (self.at, self.left) = (0, head.rows);
        Ok(())
    }

    /// Whether there is a row left; at the end of a block, that nothing else is.
    pub fn has_row(&self, file: &str) -> Result<bool, ArchiveError> {
        if self.left == 0 && self.at != self.rows.len() {
            return Err(ArchiveError::corrupt(file, "a block has bytes behind its last row"));
        }
        Ok(self.left > 0)
    }

    /// The next row, of which there is one, and its hash.
    pub fn row(&mut self, file: &str) -> Result<(&[u8], &[u8], RowHash), ArchiveError> {
        let rest = self.rows.get(self.at..).unwrap_or_default();
        let row = rest.split_first_chunk::<4>().and_then(|(value, framed)| {
            let (key, rows) = framed.split_first_chunk::<4>()?;
            let key_length = u32::from_le_bytes(*key) as usize;
            let end = key_length.checked_add(u32::from_le_bytes(*value) as usize)?;
            let (key, value) = rows.get(..end)?.split_at_checked(key_length)?;
            Some((key, value, framed.get(..end + 4)?))
        });
        let Some((key, value, framed)) = row else {
            return Err(ArchiveError::corrupt(file, "a row reaches beyond its block"));
        };
        self.at += 4 + framed.len();
        self.left = self.left.saturating_sub(1);
        Ok((key, value, RowHash::of_framed(framed)))
    }
}

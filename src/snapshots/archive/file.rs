//! A file of rows: what it is of, blocks, what it holds.
//!
//! | bytes at the front | what |
//! |---|---|
//! | 8 | `INVROWS` and a zero byte |
//! | 2 + 2 | format version, partition |
//! | 4 | which file of its base, from 0 |
//! | 8 + 8 | `next` of events, tag: of which base |
//! | 4 | crc32c of the 32 bytes before |
//!
//! | bytes at the end | what |
//! |---|---|
//! | 4 | 0, which no block begins with |
//! | 4 | number of blocks |
//! | 8 + 8 | number of rows, length of the rows before compression |
//! | 16 | Σ of the rows' hashes modulo 2^128 |
//! | 4 | crc32c of the 40 bytes before |

use bytes::Bytes;

use super::block::{BlockReader, BlockWriter, HEAD, Head};
use super::{ArchiveError, BaseId};
use crate::store::{Digest, RowHash};
use crate::types::{NextOffset, Partition};

const MAGIC: &[u8; 8] = b"INVROWS\0";
/// The version of everything in a file of rows.
pub(super) const FORMAT: u16 = 1;
const FRONT: usize = 36;
const END: usize = 44;
/// A file is ended once it has so many bytes as stored.
const TARGET: usize = 8 << 20;

/// What stands at the end of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Totals {
    pub blocks: u32,
    pub rows: u64,
    pub raw_bytes: u64,
    pub digest: Digest,
}

/// A file being written, in memory.
pub(super) struct FileWriter {
    bytes: Vec<u8>,
    block: BlockWriter,
    totals: Totals,
}

impl FileWriter {
    pub fn new(base: BaseId, index: u32) -> std::io::Result<Self> {
        let mut writer = Self { bytes: Vec::new(), block: BlockWriter::new()?, totals: Totals::default() };
        writer.begin(base, index);
        Ok(writer)
    }

    fn begin(&mut self, base: BaseId, index: u32) {
        self.bytes = Vec::with_capacity(TARGET + (512 << 10));
        self.bytes.extend_from_slice(MAGIC);
        self.bytes.extend_from_slice(&FORMAT.to_le_bytes());
        self.bytes.extend_from_slice(&base.partition.0.to_le_bytes());
        self.bytes.extend_from_slice(&index.to_le_bytes());
        self.bytes.extend_from_slice(&base.next.0.to_le_bytes());
        self.bytes.extend_from_slice(&base.tag.to_le_bytes());
        self.bytes.extend_from_slice(&crc32c::crc32c(&self.bytes).to_le_bytes());
        self.totals = Totals::default();
    }

    /// Adds a row, and gives its hash; nothing where it is too long for the format.
    pub fn add(&mut self, key: &[u8], value: &[u8]) -> std::io::Result<Option<RowHash>> {
        let hash = self.block.add(key, value);
        if let Some(hash) = hash {
            self.totals.rows += 1;
            self.totals.digest = self.totals.digest.replace(None, Some(hash));
            if self.block.is_full() {
                self.end_block()?;
            }
        }
        Ok(hash)
    }

    fn end_block(&mut self) -> std::io::Result<()> {
        self.totals.raw_bytes += self.block.finish(&mut self.bytes)?;
        self.totals.blocks += 1;
        Ok(())
    }

    pub fn is_full(&self) -> bool {
        self.bytes.len() >= TARGET
    }

    /// Ends the file and begins the one with the index `next`.
    pub fn finish(&mut self, base: BaseId, next: u32) -> std::io::Result<(Vec<u8>, Totals)> {
        if !self.block.is_empty() {
            self.end_block()?;
        }
        let totals = self.totals;
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&0_u32.to_le_bytes());
        self.bytes.extend_from_slice(&totals.blocks.to_le_bytes());
        self.bytes.extend_from_slice(&totals.rows.to_le_bytes());
        self.bytes.extend_from_slice(&totals.raw_bytes.to_le_bytes());
        self.bytes.extend_from_slice(&totals.digest.0.to_le_bytes());
        let crc = crc32c::crc32c(self.bytes.get(start..).unwrap_or_default());
        self.bytes.extend_from_slice(&crc.to_le_bytes());
        let bytes = std::mem::take(&mut self.bytes);
        self.begin(base, next);
        Ok((bytes, totals))
    }
}

/// A file being read: row after row, each checked.
pub(super) struct FileReader {
    name: String,
    bytes: Bytes,
    at: usize,
    block: BlockReader,
    read: Totals,
    ended: bool,
}

impl FileReader {
    /// A reader without a file: [`Self::open`] gives it one.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            name: String::new(),
            bytes: Bytes::new(),
            at: 0,
            block: BlockReader::new()?,
            read: Totals::default(),
            ended: true,
        })
    }

    /// Turns to the file `name`, which must be the one numbered `index` of `base`.
    pub fn open(&mut self, name: &str, bytes: Bytes, base: BaseId, index: u32) -> Result<(), ArchiveError> {
        name.clone_into(&mut self.name);
        let front = bytes.get(..FRONT).ok_or_else(|| truncated(name, "it has no whole front"))?;
        let mut fields = Fields::new(front);
        if fields.bytes::<8>() != *MAGIC {
            return Err(foreign(name, "it does not begin as a file of rows does"));
        }
        let format = fields.u16();
        let found_base = (fields.u16(), fields.u32(), fields.u64(), fields.u64());
        if crc32c::crc32c(front.get(..FRONT - 4).unwrap_or_default()) != fields.u32() {
            return Err(ArchiveError::corrupt(name, "the checksum of its front does not fit"));
        }
        if format != FORMAT {
            let (found, known) = (u32::from(format), u32::from(FORMAT));
            return Err(ArchiveError::Newer { file: name.to_owned(), what: "format", found, known });
        }
        let (partition, number, next, tag) = found_base;
        let found = BaseId { partition: Partition(partition), next: NextOffset(next), tag };
        if found != base || number != index {
            return Err(foreign(
                name,
                format!("it is file {number} of base {found}, expected file {index} of {base}"),
            ));
        }
        (self.bytes, self.at, self.read, self.ended) = (bytes, FRONT, Totals::default(), false);
        Ok(())
    }

    /// Whether there is a row left, unpacking the next block where need be; at the end of the file, that its
    /// totals are what was read.
    pub fn has_row(&mut self) -> Result<bool, ArchiveError> {
        while !self.ended {
            if self.block.has_row(&self.name)? {
                return Ok(true);
            }
            self.next_block()?;
        }
        Ok(false)
    }

    /// The next row, of which there is one, and its hash.
    pub fn row(&mut self) -> Result<(&[u8], &[u8], RowHash), ArchiveError> {
        let row = self.block.row(&self.name)?;
        self.read.rows += 1;
        self.read.digest = self.read.digest.replace(None, Some(row.2));
        Ok(row)
    }

    fn next_block(&mut self) -> Result<(), ArchiveError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let first = rest.first_chunk::<4>().ok_or_else(|| truncated(&self.name, "it has no end"))?;
        if *first == [0; 4] {
            return self.end();
        }
        let head = rest
            .first_chunk::<HEAD>()
            .ok_or_else(|| truncated(&self.name, "it ends within a block's head"))?;
        let head = Head::read(&self.name, head)?;
        let stored = rest.get(HEAD..).and_then(|rest| rest.get(..head.stored));
        let stored = stored.ok_or_else(|| truncated(&self.name, "it ends within a block"))?;
        self.block.open(&self.name, head, stored)?;
        self.at += HEAD + head.stored;
        self.read.blocks += 1;
        self.read.raw_bytes += head.raw as u64;
        Ok(())
    }

    fn end(&mut self) -> Result<(), ArchiveError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if rest.len() < END {
            return Err(truncated(&self.name, "it ends within its totals"));
        }
        let mut fields = Fields::new(rest);
        let _ = fields.u32();
        let totals = Totals {
            blocks: fields.u32(),
            rows: fields.u64(),
            raw_bytes: fields.u64(),
            digest: Digest(u128::from_le_bytes(fields.bytes())),
        };
        if rest.len() != END || crc32c::crc32c(rest.get(..END - 4).unwrap_or_default()) != fields.u32() {
            return Err(ArchiveError::corrupt(&self.name, "the checksum of its totals does not fit"));
        }
        if totals != self.read {
            let detail = format!("it has {:?}, its totals say {totals:?}", self.read);
            return Err(ArchiveError::corrupt(&self.name, detail));
        }
        (self.bytes, self.ended) = (Bytes::new(), true);
        Ok(())
    }
}

/// Little-endian fields, one after another; zeros behind the end, where a length was not checked before.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let Some((field, rest)) = self.rest.split_first_chunk::<N>() else { return [0; N] };
        self.rest = rest;
        *field
    }

    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.bytes())
    }

    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.bytes())
    }

    pub fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }
}

fn truncated(file: &str, detail: &str) -> ArchiveError {
    ArchiveError::Truncated { file: file.to_owned(), detail: detail.to_owned() }
}

fn foreign(file: &str, detail: impl Into<String>) -> ArchiveError {
    ArchiveError::Foreign { file: file.to_owned(), detail: detail.into() }
}

use crate::codec::rows::SEPARATOR;
use crate::codec::rows::meta::CheckpointMark;
use crate::codec::snapshot::{
    CHECKPOINT_KEY, Checkpoint, MARK_HEADER, RecordMark, encode_checkpoint, encode_mark, encode_row,
};
use crate::store::RowHash;
use crate::types::{Header, NewRecord, NextOffset, Partition, Topic};

/// What a record takes beside key and value.
const RECORD_BYTES: usize = 128;

/// Records of a cycle that go into one transaction: all of a SKU together, so that a SKU's rows are never of
/// two positions, whatever is cut off.
#[derive(Debug, Default)]
pub struct Chunk {
    pub records: Vec<NewRecord>,
    /// Of memory, about.
    pub bytes: usize,
    pub rows: u64,
    pub tombstones: u64,
    /// The cycle is complete once this chunk is committed.
    pub checkpoint: Option<CheckpointMark>,
}

/// Gathers the records of a cycle into chunks.
pub(super) struct Chunks {
    partition: Partition,
    cycle: u64,
    next: NextOffset,
    limit: usize,
    chunk: Chunk,
    sku: Vec<u8>,
}

impl Chunks {
    /// A chunk is closed at the first SKU behind `limit` bytes.
    pub(super) fn new(partition: Partition, cycle: u64, next: NextOffset, limit: usize) -> Self {
        Self { partition, cycle, next, limit, chunk: Chunk::default(), sku: Vec::new() }
    }

    /// Adds a row as it is, or its end; gives a chunk that is full.
    pub(super) fn add(&mut self, key: &[u8], value: Option<&[u8]>, before: Option<RowHash>) -> Option<Chunk> {
        let sku = key.split(|byte| *byte == SEPARATOR).next().unwrap_or_default();
        let full = if self.chunk.bytes >= self.limit && sku != self.sku {
            Some(std::mem::take(&mut self.chunk))
        } else {
            None
        };
        if sku != self.sku {
            self.sku.clear();
            self.sku.extend_from_slice(sku);
        }
        match value {
            Some(_) => self.chunk.rows += 1,
            None => self.chunk.tombstones += 1,
        }
        let mark = RecordMark { cycle: self.cycle, next: self.next, before: before.map(|hash| hash.0) };
        match value {
            Some(value) => self.push(key, Some(encode_row(key, &mark, value)), Vec::new()),
            None => self.push(key, None, in_header(key, &mark)),
        }
        full
    }

    /// The last chunk, with the checkpoint.
    pub(super) fn finish(mut self, checkpoint: &Checkpoint) -> Chunk {
        let mark = RecordMark { cycle: self.cycle, next: self.next, before: None };
        self.push(CHECKPOINT_KEY, Some(encode_checkpoint(checkpoint)), in_header(CHECKPOINT_KEY, &mark));
        self.chunk.checkpoint = Some(CheckpointMark { cycle: self.cycle, next: self.next });
        self.chunk
    }

    fn push(&mut self, key: &[u8], value: Option<Vec<u8>>, headers: Vec<Header>) {
        self.chunk.bytes += key.len() + value.as_ref().map_or(0, Vec::len) + RECORD_BYTES;
        self.chunk.records.push(NewRecord {
            topic: Topic::Snapshots,
            partition: self.partition,
            timestamp: None,
            key: Some(key.to_vec()),
            value,
            headers,
        });
    }
}

fn in_header(key: &[u8], mark: &RecordMark) -> Vec<Header> {
    vec![Header::new(MARK_HEADER, encode_mark(key, mark))]
}

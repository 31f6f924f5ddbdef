use std::ops::Range;

use xxhash_rust::xxh3::xxh3_128;

use super::RowHash;
use super::outcomes::StagedOutcomes;
use crate::codec::rows::meta::Progress;
use crate::codec::rows::{
    HistoryItem, RowKey, SEPARATOR, encode_entry, encode_history, encode_stock, entry_key,
};
use crate::domain::rows::{Entry, Facet, StockRow};
use crate::types::{Offset, Topic};

/// What one write changes: rows, history, dead rows, and how far the store is after it.
///
/// Encodes as it goes, into one buffer, so its size in bytes is known ([`Self::bytes`]) and bounded by
/// whoever fills it.
#[derive(Debug)]
pub struct Changes {
    /// How far the store is once these changes are in.
    pub progress: Progress,
    /// The length of a key (u32, little-endian), the key, the value; one row after another: as
    /// [`RowHash::of`] wants them.
    buffer: Vec<u8>,
    rows: Vec<StagedRow>,
    history: Vec<(Range<usize>, Range<usize>)>,
    dead: Vec<DeadRow>,
    dead_bytes: usize,
    pub(super) outcomes: StagedOutcomes,
    /// The history items staged, oldest first: log time and offset.
    pub(super) history_marks: Vec<(i64, Offset)>,
}

/// What the store has of a row that changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Before {
    /// Nothing = no row.
    pub hash: Option<RowHash>,
    /// The cycle under which it is known to be marked: it need not be again.
    pub marked: Option<u64>,
}

impl From<Option<RowHash>> for Before {
    fn from(hash: Option<RowHash>) -> Self {
        Self { hash, marked: None }
    }
}

#[derive(Debug)]
struct StagedRow {
    key: Range<usize>,
    /// Nothing = deleted.
    value: Option<Range<usize>>,
    before: Before,
    after: Option<RowHash>,
}

/// A staged row: `value` and `after` are nothing where it is deleted.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowChange<'a> {
    pub key: &'a [u8],
    pub value: Option<&'a [u8]>,
    pub before: Before,
    pub after: Option<RowHash>,
}

/// A row as a batched load finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadedRow {
    Stock(Box<StockRow>),
    Entry(Entry),
}

/// A malformed record too large for its letter, kept whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadRow {
    pub topic: Topic,
    pub offset: Offset,
    pub bytes: Vec<u8>,
}

impl Changes {
    #[must_use]
    pub fn new(progress: Progress) -> Self {
        Self {
            progress,
            buffer: Vec::new(),
            rows: Vec::new(),
            history: Vec::new(),
            dead: Vec::new(),
            dead_bytes: 0,
            outcomes: StagedOutcomes::default(),
            history_marks: Vec::new(),
        }
    }

    /// Stages the SKU's own row. `before` is the hash that [`super::StoreWriter::load_stock`] gave; `None`
    /// where it found no row. A row whose bytes did not change is neither written nor marked. Gives the hash
    /// after.
    pub fn put_stock(&mut self, sku: &str, row: &StockRow, before: impl Into<Before>) -> RowHash {
        self.put(RowKey::Stock { sku }, before.into(), |out| encode_stock(row, out))
    }

    /// Stages an entry, as [`Self::put_stock`] does.
    pub fn put_entry(&mut self, sku: &str, id: &str, entry: &Entry, before: impl Into<Before>) -> RowHash {
        self.put(RowKey::Entry { sku, facet: entry.facet(), id }, before.into(), |out| {
            encode_entry(entry, out)
        })
    }

    /// Stages the end of an entry. Nothing happens where there was none before.
    pub fn delete_entry(&mut self, sku: &str, facet: Facet, id: &str, before: impl Into<Before>) {
        let before = before.into();
        if before.hash.is_none() {
            return;
        }
        let start = self.buffer.len();
        entry_key(sku, facet, id, &mut self.buffer);
        self.rows.push(StagedRow { key: start..self.buffer.len(), value: None, before, after: None });
    }

    /// Stages a history item. Ignored by [`super::StoreWriter::ingest`], and where no history is kept.
    pub fn add_history(&mut self, sku: &str, item: &HistoryItem) {
        let start = self.buffer.len();
        history_key(sku, item.offset, &mut self.buffer);
        let value = self.buffer.len();
        encode_history(item, &mut self.buffer);
        self.history.push((start..value, value..self.buffer.len()));
        self.history_marks.push((item.log_time.0, item.offset));
    }

    /// Stages a malformed record that no letter can hold.
    pub fn add_dead(&mut self, row: DeadRow) {
        self.dead_bytes += row.bytes.len() + size_of::<DeadRow>();
        self.dead.push(row);
    }

    /// What is staged, in bytes of memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.buffer.len()
            + self.rows.len() * size_of::<StagedRow>()
            + self.history.len() * size_of::<(Range<usize>, Range<usize>)>()
            + self.dead_bytes
            + self.outcomes.bytes()
    }

    /// How many rows are staged to be written or deleted.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is nothing staged but a position.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.history.is_empty() && self.dead.is_empty() && self.outcomes.is_empty()
    }

    /// Empties it for the next batch, keeping its memory.
    pub fn clear(&mut self, progress: Progress) {
        self.progress = progress;
        self.buffer.clear();
        self.rows.clear();
        self.history.clear();
        self.dead.clear();
        self.dead_bytes = 0;
        self.outcomes.clear();
        self.history_marks.clear();
    }

    /// The rows in the order of their keys.
    pub(super) fn sorted(&self) -> Vec<RowChange<'_>> {
        let keys = || self.rows.iter().map(|row| self.part(&row.key));
        // Names of SKUs often begin alike. Eight bytes behind that tell most keys apart, and lie side by side
        // here, where the keys themselves lie scattered and the rows are too large to be moved about.
        let shared = shared_prefix(keys());
        let mut order: Vec<(u64, u32)> =
            keys().zip(0..).map(|(key, at)| (word_at(key, shared), at)).collect();
        order.sort_unstable_by(|(a, at), (b, bt)| {
            let key = |at: u32| self.rows.get(at as usize).map(|row| self.part(&row.key));
            a.cmp(b).then_with(|| key(*at).cmp(&key(*bt)))
        });
        let rows = order.into_iter().filter_map(|(_, at)| self.rows.get(at as usize));
        rows.map(|row| RowChange {
            key: self.part(&row.key),
            value: row.value.as_ref().map(|value| self.part(value)),
            before: row.before,
            after: row.after,
        })
        .collect()
    }

    /// History items, key and value.
    pub(super) fn history(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.history.iter().map(|(key, value)| (self.part(key), self.part(value)))
    }

    pub(super) fn dead(&self) -> &[DeadRow] {
        &self.dead
    }

    fn put(&mut self, key: RowKey<'_>, before: Before, encode: impl FnOnce(&mut Vec<u8>)) -> RowHash {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(&[0; 4]);
        let key_start = self.buffer.len();
        key.write(&mut self.buffer);
        let key_end = self.buffer.len();
        encode(&mut self.buffer);
        let end = self.buffer.len();

        // A key is a SKU and an id out of a record: far below 2^32 bytes.
        let length = ((key_end - key_start) as u32).to_le_bytes();
        let hash = match self.buffer.get_mut(start..) {
            Some(framed) => {
                for (byte, of) in framed.iter_mut().zip(length) {
                    *byte = of;
                }
                RowHash(xxh3_128(framed))
            }
            // `start` was the length of the buffer, which has only grown.
            None => RowHash(0),
        };
        if before.hash == Some(hash) {
            self.buffer.truncate(start);
        } else {
            let row =
                StagedRow { key: key_start..key_end, value: Some(key_end..end), before, after: Some(hash) };
            self.rows.push(row);
        }
        hash
    }

    fn part(&self, range: &Range<usize>) -> &[u8] {
        // Ranges are of this buffer, which only grows until it is cleared together with them.
        self.buffer.get(range.clone()).unwrap_or_default()
    }
}

/// How many bytes all of these begin with in common.
fn shared_prefix<'a>(mut keys: impl Iterator<Item = &'a [u8]>) -> usize {
    let Some(first) = keys.next() else { return 0 };
    keys.fold(first.len(), |shared, key| {
        first.iter().zip(key).take(shared).take_while(|(a, b)| a == b).count()
    })
}

/// The eight bytes from `at` on as a number that is ordered as they are; what is missing counts as 0x00.
fn word_at(key: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    for (byte, of) in word.iter_mut().zip(key.get(at..).unwrap_or_default()) {
        *byte = *of;
    }
    u64::from_be_bytes(word)
}

/// Appends the key of a history item: SKU, 0x00, offset.
pub(super) fn history_key(sku: &str, offset: Offset, out: &mut Vec<u8>) {
    out.extend_from_slice(sku.as_bytes());
    out.push(SEPARATOR);
    out.extend_from_slice(&offset.0.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_by_their_bytes_whatever_they_have_in_common() {
        let given = std::env::var("INVENTORY_STORE_SEED").ok();
        let seed = given.map_or_else(|| fastrand::u64(..), |seed| seed.parse().expect("a number"));
        let mut random = fastrand::Rng::with_seed(seed);
        for prefix in ["", "S", "SKU-0000", "SKU-00000000000"] {
            let mut keys: Vec<(String, String)> = Vec::new();
            while keys.len() < 200 {
                let mut text =
                    |most| -> String { (0..random.usize(0..most)).map(|_| random.char('A'..'D')).collect() };
                let key = (format!("{prefix}{}", text(12)), text(4));
                if !key.0.is_empty() && !keys.contains(&key) {
                    keys.push(key);
                }
            }
            let mut changes = Changes::new(Progress::at_start(crate::types::NextOffset::ZERO));
            for (sku, id) in &keys {
                changes.delete_entry(sku, Facet::Lot, id, Before { hash: Some(RowHash(1)), marked: None });
            }
            let sorted: Vec<Vec<u8>> = changes.sorted().iter().map(|row| row.key.to_vec()).collect();
            assert!(
                sorted.is_sorted() && sorted.len() == keys.len(),
                "INVENTORY_STORE_SEED={seed}: {sorted:?}"
            );
        }
    }
}

//! Outcomes of commands, as folded from the results topic. Neither rows nor part of the digest: they age out.
//!
//! | key | value |
//! |---|---|
//! | 1, hash of (SKU, source, id): 16 bytes | log time in ms (i64, big-endian), the outcome |
//! | 2, log time (i64, big-endian, sign flipped), hash | further hashes |
//!
//! The second dates the first, so that the oldest are dropped without a scan: none of the outcomes it names is
//! younger than its time. One dates all that a write has of one second; stores written before it did have one
//! for each outcome, with no further hashes. The hash is [`outcome_key`]; an outcome found under it must bear the
//! name that was asked for.

use rocksdb::{ColumnFamily, ReadOptions, WriteBatch};

use super::database::Database;
use super::options::OUTCOMES;
use super::{Changes, StoreError, StoreReader, StoreWriter};
use crate::codec::result::Outcome;
use crate::codec::rows::{decode_outcome, encode_outcome, outcome_key};
use crate::types::{Sku, Timestamp};

const BY_NAME: u8 = 1;
const BY_TIME: u8 = 2;
/// Outcomes that one write drops, about: a write must stay short.
const MOST_DROPPED: usize = 10_000;

/// The hash of a command's name.
type Key = [u8; 16];

/// An outcome as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptOutcome {
    pub outcome: Outcome,
    /// The timestamp of its result.
    pub time: Timestamp,
}

/// Outcomes staged for a write.
#[derive(Debug, Default)]
pub(super) struct StagedOutcomes {
    puts: Vec<(Key, Timestamp, Vec<u8>)>,
    bytes: usize,
    drop_before: Option<Timestamp>,
}

impl StagedOutcomes {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.puts.is_empty() && self.drop_before.is_none()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Changes {
    /// Stages an outcome; the caller has looked that there is none that must stay.
    pub fn put_outcome(&mut self, outcome: &Outcome, time: Timestamp) {
        let key = outcome_key(&outcome.sku, &outcome.command_source, &outcome.command_id);
        let mut bytes = Vec::new();
        encode_outcome(outcome, &mut bytes);
        self.outcomes.bytes += bytes.len() + 64;
        self.outcomes.puts.push((key, time, bytes));
    }

    /// Drops outcomes of results older than this with the write.
    pub fn drop_outcomes_before(&mut self, time: Timestamp) {
        self.outcomes.drop_before = self.outcomes.drop_before.max(Some(time));
    }
}

impl StoreReader {
    /// The outcome of the command (SKU, source, id), where its result is folded and not dropped yet.
    ///
    /// # Errors
    /// Damaged or unreadable.
    pub fn outcome(&self, sku: &Sku, source: &str, id: &str) -> Result<Option<KeptOutcome>, StoreError> {
        self.database.outcome(sku, source, id)
    }
}

impl StoreWriter {
    /// As [`StoreReader::outcome`].
    ///
    /// # Errors
    /// Damaged or unreadable.
    pub fn outcome(&self, sku: &Sku, source: &str, id: &str) -> Result<Option<KeptOutcome>, StoreError> {
        self.database.outcome(sku, source, id)
    }

    pub(super) fn stage_outcomes(&self, changes: &Changes, batch: &mut WriteBatch) -> Result<(), StoreError> {
        let staged = &changes.outcomes;
        if staged.is_empty() {
            return Ok(());
        }
        let family = self.database.family(OUTCOMES)?;
        // First: what is put below may take the place of one that is dropped.
        if let Some(before) = staged.drop_before {
            self.stage_dropping(family, before, batch)?;
        }
        for (key, time, bytes) in &staged.puts {
            let mut value = Vec::with_capacity(8 + bytes.len());
            value.extend_from_slice(&time.0.to_be_bytes());
            value.extend_from_slice(bytes);
            batch.put_cf(family, by_name(*key), value);
        }
        for of_second in staged.puts.chunk_by(|(_, one, _), (_, next, _)| second(*one) == second(*next)) {
            let Some((&(first, time, _), others)) = of_second.split_first() else { continue };
            let newest = others.iter().fold(time, |newest, (_, time, _)| newest.max(*time));
            let others: Vec<u8> = others.iter().flat_map(|(key, ..)| *key).collect();
            batch.put_cf(family, by_time(newest, first), others);
        }
        Ok(())
    }

    fn stage_dropping(
        &self,
        family: &ColumnFamily,
        before: Timestamp,
        batch: &mut WriteBatch,
    ) -> Result<(), StoreError> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound([BY_TIME]);
        options.set_iterate_upper_bound(by_time(before, [0; 16]));
        let mut iterator = self.database.db.raw_iterator_cf_opt(family, options);
        iterator.seek_to_first();
        let mut dropped = 0;
        while let Some((dated, others)) = iterator.item().filter(|_| dropped < MOST_DROPPED) {
            batch.delete_cf(family, dated);
            for key in dated.last_chunk().into_iter().chain(others.as_chunks().0) {
                dropped += 1;
                let name = by_name(*key);
                let kept = self.database.db.get_pinned_cf(family, &name);
                let kept = kept.map_err(|error| self.database.error(&error))?;
                // One that has taken the place of an older one under the same name stays.
                let time = kept.as_deref().and_then(<[u8]>::first_chunk);
                if time.is_some_and(|time| i64::from_be_bytes(*time) < before.0) {
                    batch.delete_cf(family, name);
                }
            }
            iterator.next();
        }
        iterator.status().map_err(|error| self.database.error(&error))
    }
}

impl Database {
    fn outcome(&self, sku: &Sku, source: &str, id: &str) -> Result<Option<KeptOutcome>, StoreError> {
        let key = by_name(outcome_key(sku, source, id));
        let found = self.db.get_pinned_cf(self.family(OUTCOMES)?, &key);
        let Some(value) = found.map_err(|error| self.error(&error))? else { return Ok(None) };
        let damaged = |detail: &str| StoreError::Damaged {
            directory: self.directory.clone(),
            detail: format!("the outcome of {id:?} of {source:?} on {sku:?}: {detail}"),
        };
        let (time, bytes) = value.split_first_chunk::<8>().ok_or_else(|| damaged("it has no time"))?;
        let outcome = decode_outcome(bytes).map_err(|error| damaged(&error.to_string()))?;
        let named = |outcome: &Outcome| {
            outcome.sku == *sku && *outcome.command_source == *source && *outcome.command_id == *id
        };
        // Another command's of the same hash is none of this one.
        if !named(&outcome) {
            return Ok(None);
        }
        Ok(Some(KeptOutcome { outcome, time: Timestamp(i64::from_be_bytes(*time)) }))
    }
}

fn by_name(key: Key) -> Vec<u8> {
    let mut bytes = vec![BY_NAME];
    bytes.extend_from_slice(&key);
    bytes
}

fn by_time(time: Timestamp, key: Key) -> Vec<u8> {
    let mut bytes = vec![BY_TIME];
    // With its sign flipped it is ordered as its bytes are.
    bytes.extend_from_slice(&(time.0 ^ i64::MIN).to_be_bytes());
    bytes.extend_from_slice(&key);
    bytes
}

fn second(time: Timestamp) -> i64 {
    time.0.div_euclid(1000)
}

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::failpoint;
use crate::log::{CommitError, Consumed, Generation, GenerationKind, LogError, Transactor};
use crate::types::{NewRecord, Position};

use super::commit::Request;
use super::embedded_log::Shared;
use super::group::Membership;
use super::topics;

/// As much as Kafka takes with a committed offset.
const MAX_METADATA: usize = 4096;

/// A transaction as it is handed over for its commit.
pub(super) struct Staged {
    pub(super) id: String,
    pub(super) epoch: u64,
    pub(super) membership: Membership,
    pub(super) records: Vec<NewRecord>,
    pub(super) consumed: Vec<Consumed>,
}

/// The newest epoch of every transactional id. Only one process has the log, so none outlives it.
#[derive(Default)]
pub(super) struct Fences(Mutex<HashMap<String, u64>>);

impl Fences {
    /// Fences every earlier writer of this id.
    pub(super) fn raise(&self, id: &str) -> u64 {
        let mut epochs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let epoch = epochs.entry(id.to_owned()).or_default();
        *epoch += 1;
        *epoch
    }

    pub(super) fn check(&self, id: &str, epoch: u64) -> Result<(), LogError> {
        let epochs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if epochs.get(id) == Some(&epoch) { Ok(()) } else { Err(LogError::Fenced { id: id.to_owned() }) }
    }
}

/// Writes transactions. What is staged stays here, in memory, until its commit.
pub(super) struct EmbeddedTransactor {
    pub(super) shared: Arc<Shared>,
    pub(super) id: String,
    pub(super) epoch: u64,
    pub(super) staged: Vec<NewRecord>,
    pub(super) bytes: usize,
}

impl EmbeddedTransactor {
    fn check(&self, new: &NewRecord) -> Result<(), LogError> {
        self.shared.partitions.check(new.topic, new.partition)?;
        topics::check(new, &self.shared.config)
    }

    fn check_consumed(&self, consumed: &Consumed) -> Result<(), CommitError> {
        if consumed.partition.0 >= self.shared.partitions.count() {
            let reason = format!("there is no commands partition {}", consumed.partition);
            return Err(CommitError::Aborted { reason });
        }
        if consumed.metadata.len() > MAX_METADATA {
            let reason = format!(
                "the metadata for partition {} has {} bytes, the log takes {MAX_METADATA}",
                consumed.partition,
                consumed.metadata.len()
            );
            return Err(CommitError::Aborted { reason });
        }
        Ok(())
    }
}

impl Transactor for EmbeddedTransactor {
    fn stage(&mut self, records: &[NewRecord]) -> Result<(), LogError> {
        self.shared.fences.check(&self.id, self.epoch)?;
        records.iter().try_for_each(|new| self.check(new))?;
        let bytes = self.bytes + records.iter().map(topics::size).sum::<usize>();
        let limit = self.shared.config.max_transaction_bytes;
        if bytes > limit {
            let reason = format!("the transaction would hold {bytes} bytes, the log takes {limit}");
            return Err(LogError::Refused { what: "staging", reason });
        }
        self.bytes = bytes;
        self.staged.extend_from_slice(records);
        Ok(())
    }

    fn commit(
        &mut self,
        consumed: &[Consumed],
        generation: &Generation,
    ) -> Result<Vec<Position>, CommitError> {
        let records = std::mem::take(&mut self.staged);
        self.bytes = 0;
        consumed.iter().try_for_each(|consumed| self.check_consumed(consumed))?;
        failpoint::hit(failpoint::BEFORE_OFFSETS);
        let GenerationKind::Embedded { group, instance, number } = &generation.0 else {
            return Err(CommitError::Aborted { reason: "the generation is another log's".to_owned() });
        };
        let staged = Staged {
            id: self.id.clone(),
            epoch: self.epoch,
            membership: Membership { group: group.clone(), instance: instance.clone(), number: *number },
            records,
            consumed: consumed.to_vec(),
        };
        failpoint::hit(failpoint::BEFORE_COMMIT);
        self.shared.committer.submit(&self.shared, Request::Transaction(staged))
    }

    fn abort(&mut self) -> Result<(), LogError> {
        self.staged.clear();
        self.bytes = 0;
        self.shared.fences.check(&self.id, self.epoch)
    }
}

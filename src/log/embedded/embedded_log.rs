use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rocksdb::DB;
use uuid::Uuid;

use crate::config::log::{Fsync, LogConfig};
use crate::log::{
    Appender, Assignment, Bounds, Consumed, Log, LogError, Member, Purpose, Reader, TopicDescription,
    Transactor,
};
use crate::types::{NextOffset, Partition, Timestamp, Topic};

use super::appender::EmbeddedAppender;
use super::commit::Committer;
use super::fetch::{self, fetch};
use super::group::Groups;
use super::lock::Lock;
use super::member::EmbeddedMember;
use super::partitions::{BLOCK, Partitions};
use super::reader::EmbeddedReader;
use super::transactor::{EmbeddedTransactor, Fences};
use super::{compaction, recover, retention, topics};

/// What every handle shares.
pub(super) struct Shared {
    pub(super) db: DB,
    pub(super) config: LogConfig,
    pub(super) partitions: Partitions,
    pub(super) committer: Committer,
    pub(super) groups: Groups,
    pub(super) fences: Fences,
    directory: PathBuf,
    cluster: Uuid,
    /// Let go of last, when the database is closed.
    lock: Lock,
}

impl Shared {
    pub(super) fn corrupt(&self, reason: String) -> LogError {
        LogError::Corrupt { directory: self.directory.display().to_string(), reason }
    }

    pub(super) fn failed(&self, what: &'static str, e: &rocksdb::Error) -> LogError {
        recover::failed(&self.directory, what, e)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // With `fsync = "interval"` the last writes may still wait for it. A failure stops nobody any more.
        let _ = self.committer.sync(self, None);
    }
}

/// The log of one process, in one directory.
pub struct EmbeddedLog(Arc<Shared>);

impl EmbeddedLog {
    /// Opens the log in this directory; makes it, with its five topics, where there is none.
    ///
    /// # Errors
    /// [`LogError::Locked`] where another process has it, [`LogError::Corrupt`] where something acknowledged
    /// is missing or damaged, [`LogError::PartitionCount`] where it was made with another number of
    /// partitions.
    pub fn open(directory: &Path, config: &LogConfig) -> Result<Arc<Self>, LogError> {
        std::fs::create_dir_all(directory)
            .map_err(|e| LogError::Refused { what: "making the log directory", reason: e.to_string() })?;
        let lock = Lock::take(directory)?;
        let found = recover::open(directory, config)?;
        let session = Duration::from_millis(config.session_timeout_ms);
        let timeout = Duration::from_millis(config.request_timeout_ms);
        Ok(Arc::new(Self(Arc::new(Shared {
            db: found.db,
            config: config.clone(),
            partitions: Partitions::new(config.partitions, found.state.ends),
            committer: Committer::new(found.state.number, found.mark, timeout),
            groups: Groups::new(config.partitions, session, found.state.consumed),
            fences: Fences::default(),
            directory: directory.to_owned(),
            cluster: found.cluster,
            lock,
        }))))
    }

    /// Names where this process can be asked, for whoever finds the log locked.
    ///
    /// # Errors
    /// [`LogError::Refused`] where it cannot be written.
    pub fn name_owner(&self, url: &str) -> Result<(), LogError> {
        self.0.lock.name_url(url)
    }

    /// Drops expired records, compacts, and brings to the disk what `fsync = "interval"` left waiting. To be
    /// called about once a second, from a thread that may be kept for a while; nobody else waits for it.
    ///
    /// # Errors
    /// What reading or writing the log gave.
    pub fn maintain(&self, now: Timestamp) -> Result<(), LogError> {
        if self.0.config.fsync == Fsync::Interval {
            self.0.committer.sync(&self.0, Some(Duration::from_millis(self.0.config.fsync_interval_ms)))?;
        }
        retention::expire(&self.0, now)?;
        compaction::compact(&self.0, Topic::Snapshots, now, false)
    }

    /// Compacts the snapshots topic now, however little is new.
    ///
    /// # Errors
    /// What reading or writing the log gave.
    pub fn compact(&self, now: Timestamp) -> Result<(), LogError> {
        compaction::compact(&self.0, Topic::Snapshots, now, true)
    }

    /// Drops every record below `before`, whatever its age.
    ///
    /// # Errors
    /// [`LogError::OutOfRange`] where `before` is beyond the end.
    pub fn truncate(&self, topic: Topic, partition: Partition, before: NextOffset) -> Result<(), LogError> {
        retention::truncate(&self.0, topic, partition, before)
    }
}

impl Log for EmbeddedLog {
    fn cluster_id(&self) -> Result<String, LogError> {
        Ok(self.0.cluster.to_string())
    }

    fn partitions(&self, _: Topic) -> Result<u16, LogError> {
        Ok(self.0.partitions.count())
    }

    fn bounds(&self, topic: Topic, partition: Partition) -> Result<Bounds, LogError> {
        let (start, end) = self.0.partitions.range(topic, partition)?;
        // Transactions are written whole, at their commit: nothing stands undecided.
        Ok(Bounds { start: NextOffset(start), last_stable: NextOffset(end), high_watermark: NextOffset(end) })
    }

    fn offset_at(&self, topic: Topic, partition: Partition, time: Timestamp) -> Result<NextOffset, LogError> {
        let look = |from: u64| {
            self.0.partitions.with(topic, partition, |ends| {
                // At the end nothing is left, although the block that is being filled goes on behind it.
                let rest = ends.blocks.range(from / BLOCK..).filter(|_| from < ends.end);
                let block = { rest }.find(|(_, newest)| **newest >= time.0);
                (block.map(|(block, _)| (block * BLOCK).max(ends.start).max(from)), ends.end)
            })
        };
        let mut from = 0;
        while let (Some(first), end) = look(from)? {
            let last = ((first / BLOCK + 1) * BLOCK).min(end);
            let mut next = first;
            // The block's newest may be a control record's, or a record that compaction took.
            while next < last {
                let (max_records, max_bytes, purpose) = (256, self.0.config.fetch_bytes, Purpose::Live);
                let request = fetch::Request { topic, partition, next, max_records, max_bytes, purpose };
                let fetched = match fetch(&self.0, request) {
                    Ok(fetched) => fetched,
                    // Retention went past us: go on from where it has come to.
                    Err(LogError::OutOfRange { start, .. }) if start.0 > next => {
                        next = start.0;
                        continue;
                    }
                    Err(e) => return Err(e),
                };
                if let Some(found) = fetched.records.iter().find(|stored| stored.timestamp() >= time) {
                    return Ok(NextOffset(found.as_record().offset.0));
                }
                next = fetched.next;
            }
            from = next;
        }
        self.bounds(topic, partition).map(|bounds| bounds.last_stable)
    }

    fn committed(&self, group: &str, partitions: &[Partition]) -> Result<Vec<Option<Consumed>>, LogError> {
        partitions.iter().try_for_each(|partition| self.0.partitions.check(Topic::Commands, *partition))?;
        self.0.committer.settle()?;
        Ok(partitions.iter().map(|partition| self.0.groups.consumed(group, *partition)).collect())
    }

    fn reader(&self, purpose: Purpose, from: &[Assignment]) -> Result<Box<dyn Reader>, LogError> {
        Ok(Box::new(EmbeddedReader::new(Arc::clone(&self.0), purpose, from)?))
    }

    fn appender(&self) -> Result<Box<dyn Appender>, LogError> {
        self.0.committer.check()?;
        Ok(Box::new(EmbeddedAppender(Arc::clone(&self.0))))
    }

    fn transactor(&self, id: &str) -> Result<Box<dyn Transactor>, LogError> {
        self.0.committer.check()?;
        let epoch = self.0.fences.raise(id);
        // What an earlier one of this id has under way is decided when this returns.
        self.0.committer.settle()?;
        let (shared, id) = (Arc::clone(&self.0), id.to_owned());
        Ok(Box::new(EmbeddedTransactor { shared, id, epoch, staged: Vec::new(), bytes: 0 }))
    }

    fn join(&self, group: &str, instance: &str) -> Result<Box<dyn Member>, LogError> {
        Ok(Box::new(EmbeddedMember::join(Arc::clone(&self.0), group, instance)))
    }

    fn describe(&self, topic: Topic) -> Result<Option<TopicDescription>, LogError> {
        Ok(Some(topics::describe(topic, &self.0.config)))
    }

    fn create(&self, topic: Topic, _: &TopicDescription) -> Result<(), LogError> {
        Err(LogError::TopicExists { topic, name: topic.default_name().to_owned() })
    }
}

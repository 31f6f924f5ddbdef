//! One order of all writes.
//!
//! Appends and transactions wait in a queue. Whoever finds it unserved takes what waits, up to a bound, and
//! writes it for all: offsets given out, one atomic database write that is on the disk when it returns, the
//! mark, the partitions' new ends, the answers. So offsets follow the order of the queue, many waiting
//! threads share one sync, and fencing is checked at the one moment where it decides.
//!
//! A write that failed may or may not be there. After it nothing more is written: every later call is
//! refused until the log is opened again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rocksdb::{WriteBatch, WriteOptions};

use crate::config::log::Fsync;
use crate::log::{CommitError, Consumed, LogError};
use crate::types::{NewRecord, Offset, Partition, Position, Timestamp, Topic};

use super::embedded_log::Shared;
use super::mark::MarkFile;
use super::partitions::{Growth, Tail};
use super::transactor::Staged;
use super::{clock, keys, record, sealed, topics};

/// What waits to be written. Checked already, but for fencing.
pub(super) enum Request {
    Append(Vec<NewRecord>),
    Transaction(Staged),
}

impl Request {
    fn bytes(&self) -> usize {
        let records = match self {
            Self::Append(records) => records,
            Self::Transaction(staged) => &staged.records,
        };
        records.iter().map(topics::size).sum()
    }
}

pub(super) type Answer = Result<Vec<Position>, CommitError>;

/// The queue and what belongs to the one who serves it.
pub(super) struct Committer {
    queue: Mutex<Queue>,
    served: Condvar,
    writer: Mutex<Writer>,
    timeout: Duration,
}

struct Queue {
    waiting: VecDeque<Arc<Ticket>>,
    /// Whether someone is writing now.
    busy: bool,
    /// How many groups were written.
    round: u64,
    /// Why nothing more is written.
    stopped: Option<String>,
}

struct Ticket {
    request: Mutex<Option<Request>>,
    answer: Mutex<Option<Answer>>,
    bytes: usize,
}

struct Writer {
    number: u64,
    mark: MarkFile,
    /// When the first write that is not on the disk yet was made.
    unsynced: Option<Instant>,
}

impl Committer {
    pub(super) fn new(number: u64, mark: MarkFile, timeout: Duration) -> Self {
        let queue = Queue { waiting: VecDeque::new(), busy: false, round: 0, stopped: None };
        Self {
            queue: Mutex::new(queue),
            served: Condvar::new(),
            writer: Mutex::new(Writer { number, mark, unsynced: None }),
            timeout,
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the request, alone or with others, and waits for its answer.
    pub(super) fn submit(&self, shared: &Shared, request: Request) -> Answer {
        let bytes = request.bytes();
        let ticket = Arc::new(Ticket { request: Mutex::new(Some(request)), answer: Mutex::new(None), bytes });
        let deadline = Instant::now() + self.timeout;
        let mut queue = self.queue();
        if let Some(reason) = &queue.stopped {
            return Err(stopped(reason).into());
        }
        queue.waiting.push_back(Arc::clone(&ticket));
        loop {
            if let Some(answer) = ticket.answer.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return answer;
            }
            if queue.busy {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    // Not yet taken: it can be withdrawn, and nothing has happened.
                    let before = queue.waiting.len();
                    queue.waiting.retain(|other| !Arc::ptr_eq(other, &ticket));
                    let timed_out = LogError::TimedOut {
                        what: "waiting for earlier appends",
                        seconds: self.timeout.as_secs(),
                    };
                    return Err(if queue.waiting.len() < before {
                        CommitError::Aborted { reason: timed_out.to_string() }
                    } else {
                        CommitError::Unknown { reason: timed_out.to_string() }
                    });
                }
                queue = self.served.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            let group = take_group(&mut queue, shared.config.max_write_bytes);
            queue.busy = true;
            drop(queue);
            let serving = Serving { committer: self, result: None };
            serving.finish(self.write(shared, &group));
            queue = self.queue();
        }
    }

    /// Waits until nothing is being written that was checked before this call.
    pub(super) fn settle(&self) -> Result<(), LogError> {
        let deadline = Instant::now() + self.timeout;
        let mut queue = self.queue();
        let round = queue.round;
        while queue.busy && queue.round == round {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(LogError::TimedOut {
                    what: "waiting for a commit under way",
                    seconds: self.timeout.as_secs(),
                });
            }
            queue = self.served.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    /// Refused where the log has stopped.
    pub(super) fn check(&self) -> Result<(), LogError> {
        self.queue().stopped.as_ref().map_or(Ok(()), |reason| Err(stopped(reason)))
    }

    /// Stops all writing: what is on the disk is known again when the log is opened again.
    pub(super) fn stop(&self, reason: &str) {
        self.queue().stopped.get_or_insert_with(|| reason.to_owned());
        self.served.notify_all();
    }

    /// Brings what was written to the disk, where `due` or nothing more will come.
    pub(super) fn sync(&self, shared: &Shared, due: Option<Duration>) -> Result<(), LogError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = writer.unsynced.is_some_and(|since| due.is_none_or(|due| since.elapsed() >= due));
        if !is_due {
            return Ok(());
        }
        let synced = shared.db.flush_wal(true).map_err(|e| e.to_string()).and_then(|()| {
            let number = writer.number;
            writer.mark.write(number).map_err(|e| e.to_string())
        });
        writer.unsynced = None;
        synced.map_err(|reason| {
            self.stop(&reason);
            stopped(&reason)
        })
    }

    /// Writes a group and answers it; the error is why nothing more may be written.
    fn write(&self, shared: &Shared, group: &[Arc<Ticket>]) -> Result<(), String> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut layout = Layout::new(shared, clock::now());
        let mut answers = Vec::with_capacity(group.len());
        for ticket in group {
            let request = ticket.request.lock().unwrap_or_else(PoisonError::into_inner).take();
            answers.push(match request {
                Some(Request::Append(records)) => layout.records(&records).map_err(CommitError::from),
                Some(Request::Transaction(staged)) => layout.transaction(&staged),
                None => Ok(Vec::new()),
            });
        }
        let written = if layout.is_empty() { Ok(()) } else { self.persist(shared, &mut writer, layout) };
        for (ticket, answer) in group.iter().zip(answers) {
            // What was refused before the write stays refused; all else shares the write's fate.
            let answer = answer.and_then(|positions| match &written {
                Ok(()) => Ok(positions),
                Err(reason) => Err(CommitError::Unknown { reason: reason.clone() }),
            });
            *ticket.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        }
        written
    }

    fn persist(&self, shared: &Shared, writer: &mut Writer, layout: Layout<'_>) -> Result<(), String> {
        let number = writer.number + 1;
        let (mut batch, growths, consumed) = layout.finish();
        batch.put(keys::COMMIT_NUMBER, sealed::seal_u64(&keys::COMMIT_NUMBER, number));
        let always = shared.config.fsync == Fsync::Always;
        let mut options = WriteOptions::default();
        options.set_sync(always);
        shared.db.write_opt(batch, &options).map_err(|e| e.to_string())?;
        writer.number = number;
        if always {
            writer.mark.write(number).map_err(|e| e.to_string())?;
        } else {
            let since = *writer.unsynced.get_or_insert_with(Instant::now);
            if since.elapsed() >= Duration::from_millis(shared.config.fsync_interval_ms) {
                shared.db.flush_wal(true).map_err(|e| e.to_string())?;
                writer.mark.write(number).map_err(|e| e.to_string())?;
                writer.unsynced = None;
            }
        }
        shared.groups.note_consumed(consumed);
        shared.partitions.grow(growths);
        Ok(())
    }
}

/// Frees the queue again, also where writing panicked: then nothing more is written.
struct Serving<'a> {
    committer: &'a Committer,
    result: Option<Result<(), String>>,
}

impl Serving<'_> {
    fn finish(mut self, result: Result<(), String>) {
        self.result = Some(result);
    }
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        let mut queue = self.committer.queue();
        queue.busy = false;
        queue.round += 1;
        let failed = match self.result.take() {
            Some(Ok(())) => None,
            Some(Err(reason)) => Some(reason),
            None => Some("a write panicked".to_owned()),
        };
        if let Some(reason) = failed {
            for ticket in queue.waiting.drain(..) {
                *ticket.answer.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(Err(stopped(&reason).into()));
            }
            queue.stopped.get_or_insert(reason);
        }
        drop(queue);
        self.committer.served.notify_all();
    }
}

fn stopped(reason: &str) -> LogError {
    let reason = format!("an earlier write failed ({reason}); open the log again to see what is there");
    LogError::Refused { what: "the log has stopped", reason }
}

fn take_group(queue: &mut Queue, max_bytes: usize) -> Vec<Arc<Ticket>> {
    let mut group = Vec::new();
    let mut bytes = 0;
    while let Some(ticket) = queue.waiting.pop_front() {
        bytes += ticket.bytes;
        group.push(ticket);
        if queue.waiting.front().is_some_and(|next| bytes + next.bytes > max_bytes) {
            break;
        }
    }
    group
}

/// Blocks of the time index, each with its largest timestamp.
type CompletedBlocks = Vec<(u64, i64)>;

/// One database write as it is being laid out.
struct Layout<'a> {
    shared: &'a Shared,
    now: Timestamp,
    batch: WriteBatch,
    tails: BTreeMap<(Topic, Partition), (Tail, CompletedBlocks)>,
    consumed: Vec<(String, Consumed)>,
}

impl<'a> Layout<'a> {
    fn new(shared: &'a Shared, now: Timestamp) -> Self {
        Self { shared, now, batch: WriteBatch::default(), tails: BTreeMap::new(), consumed: Vec::new() }
    }

    fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    fn next_offset(
        &mut self,
        topic: Topic,
        partition: Partition,
        timestamp: Timestamp,
    ) -> Result<u64, LogError> {
        let (tail, completed) = match self.tails.entry((topic, partition)) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert((self.shared.partitions.tail(topic, partition)?, Vec::new()))
            }
        };
        let (offset, block) = tail.push(timestamp);
        completed.extend(block);
        Ok(offset)
    }

    fn records(&mut self, records: &[NewRecord]) -> Result<Vec<Position>, LogError> {
        let mut positions = Vec::with_capacity(records.len());
        for new in records {
            let timestamp = new.timestamp.unwrap_or(self.now);
            let offset = self.next_offset(new.topic, new.partition, timestamp)?;
            let key = keys::record(new.topic, new.partition, offset);
            let value =
                record::encode(&key, timestamp, new.key.as_deref(), new.value.as_deref(), &new.headers);
            self.batch.put(key, value);
            positions.push(Position { partition: new.partition, offset: Offset(offset) });
        }
        Ok(positions)
    }

    fn transaction(&mut self, staged: &Staged) -> Answer {
        self.shared
            .fences
            .check(&staged.id, staged.epoch)
            .map_err(|e| CommitError::Fenced { reason: e.to_string() })?;
        self.shared.groups.check(&staged.membership).map_err(|reason| CommitError::Fenced { reason })?;
        let positions = self.records(&staged.records)?;
        let mut touched: Vec<_> = staged.records.iter().map(|new| (new.topic, new.partition)).collect();
        touched.sort_unstable();
        touched.dedup();
        for (topic, partition) in touched {
            let offset = self.next_offset(topic, partition, self.now)?;
            let key = keys::record(topic, partition, offset);
            self.batch.put(key, record::encode_control(&key, self.now));
        }
        for consumed in &staged.consumed {
            let key = keys::consumed(&staged.membership.group, consumed.partition);
            let mut payload = consumed.next.0.to_le_bytes().to_vec();
            payload.extend_from_slice(consumed.metadata.as_bytes());
            self.batch.put(&key, sealed::seal(&key, &payload));
            self.consumed.push((staged.membership.group.clone(), consumed.clone()));
        }
        Ok(positions)
    }

    fn finish(mut self) -> (WriteBatch, Vec<Growth>, Vec<(String, Consumed)>) {
        let mut growths = Vec::with_capacity(self.tails.len());
        for ((topic, partition), (tail, completed)) in self.tails {
            let key = keys::end(topic, partition);
            self.batch.put(key, sealed::seal_u64(&key, tail.end));
            for (block, newest) in &completed {
                let key = keys::block(topic, partition, *block);
                self.batch.put(key, sealed::seal_i64(&key, *newest));
            }
            growths.push(Growth { topic, partition, tail, completed });
        }
        (self.batch, growths, self.consumed)
    }
}

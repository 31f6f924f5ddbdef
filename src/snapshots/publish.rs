//! Publishes a cycle to the snapshots topic: rows only, in bounded chunks.
//!
//! Whoever owns the partition's transactions drives it: [`Publication::step`] gives the next chunk when it is
//! ready and never waits; the chunk goes into one transaction, between others; the last one carries the
//! checkpoint, and once that is committed [`StoreWriter::finish_cycle`] drops the cycle's marks. The rows are
//! read by a thread of the cycle's own, from the store as it was when the cycle began, while the owner folds
//! on. A cycle that ends early is cut off: nothing of it counts, its marks stay.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;

use super::base::BaseError;
use super::chunks::{Chunk, Chunks};
use super::sort::{Entry, Said};
use super::topic::{self, Latest, Reading};
use super::work::Work;
use crate::codec::rows::meta::{CycleUnderWay, Meta};
use crate::codec::snapshot::Checkpoint;
use crate::log::Log;
use crate::store::{Digest, Frozen, RowHash, StoreError, StoreWriter};
use crate::types::Partition;

/// Chunks that wait ready, beside the one being made.
const READY: usize = 1;

/// A cycle of one partition, under way.
pub struct Publication {
    partition: Partition,
    chunk_bytes: usize,
    state: State,
}

enum State {
    /// A baseline first reads what the topic holds.
    Reading {
        latest: Receiver<Result<Latest, BaseError>>,
        work: Arc<Work>,
    },
    Writing(Writing),
}

struct Writing {
    begun: CycleUnderWay,
    /// Always there, but once it is cut off.
    chunks: Option<Receiver<Result<Chunk, PublishError>>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Writing {
    /// Waits for the thread, which holds the store open: it ends with the chunk it is making.
    fn drop(&mut self) {
        drop(self.chunks.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(cycle = self.begun.cycle, "the thread of a snapshot ended by a panic");
        }
    }
}

/// What there is to do for a cycle now.
#[derive(Debug)]
pub enum Step {
    /// Nothing yet: ask again.
    Waiting,
    /// To be written in one transaction; the last one carries the checkpoint.
    Chunk(Chunk),
}

/// Why a cycle cannot go on. Its marks stay; a later one carries them.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("the snapshot cannot be based on what the topic holds: {0}")]
    Base(#[from] BaseError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the thread that reads rows for the snapshot cannot be started: {0}")]
    Thread(std::io::Error),
    #[error("the thread that reads rows for the snapshot of partition {partition} has ended")]
    Ended { partition: Partition },
}

impl Publication {
    /// Begins a cycle of the store. A chunk holds about `chunk_bytes`.
    ///
    /// # Errors
    /// Nothing is under way then.
    pub fn start(
        log: &Arc<dyn Log>,
        store: &mut StoreWriter,
        reading: &Reading,
        chunk_bytes: usize,
    ) -> Result<Self, PublishError> {
        let partition = store.meta().identity.partition;
        let state = if store.meta().baseline {
            read_topic(Arc::clone(log), partition, reading.clone())?
        } else {
            write(store, None, partition, chunk_bytes)?
        };
        Ok(Self { partition, chunk_bytes, state })
    }

    /// The cycle, once it has begun: a baseline first reads the topic.
    #[must_use]
    pub fn begun(&self) -> Option<CycleUnderWay> {
        match &self.state {
            State::Reading { .. } => None,
            State::Writing(writing) => Some(writing.begun),
        }
    }

    /// How much of the topic a baseline has read, in records; 0 once rows are written.
    #[must_use]
    pub fn done(&self) -> u64 {
        match &self.state {
            State::Reading { work, .. } => work.done().done,
            State::Writing(_) => 0,
        }
    }

    /// Cuts it off without waiting for its thread, which ends by itself; dropping this waits for it.
    pub fn end(&mut self) {
        match &mut self.state {
            State::Reading { work, .. } => work.stop(),
            State::Writing(writing) => drop(writing.chunks.take()),
        }
    }

    /// Whether nothing of it holds the store open any more.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        match &self.state {
            // What reads the topic does not hold the store.
            State::Reading { .. } => true,
            State::Writing(writing) => writing.thread.as_ref().is_none_or(JoinHandle::is_finished),
        }
    }

    /// Goes on. `store` must have no change staged that is not committed.
    ///
    /// # Errors
    /// The cycle is cut off then: drop this, and call [`StoreWriter::cut_cycle`].
    pub fn step(&mut self, store: &mut StoreWriter) -> Result<Step, PublishError> {
        let partition = self.partition;
        match &self.state {
            State::Reading { latest, .. } => match latest.try_recv() {
                Ok(read) => {
                    self.state = write(store, Some(read?), partition, self.chunk_bytes)?;
                    Ok(Step::Waiting)
                }
                Err(TryRecvError::Empty) => Ok(Step::Waiting),
                Err(TryRecvError::Disconnected) => Err(PublishError::Ended { partition }),
            },
            State::Writing(writing) => match writing.chunks.as_ref().map(Receiver::try_recv) {
                Some(Ok(chunk)) => Ok(Step::Chunk(chunk?)),
                Some(Err(TryRecvError::Empty)) => Ok(Step::Waiting),
                Some(Err(TryRecvError::Disconnected)) | None => Err(PublishError::Ended { partition }),
            },
        }
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        if let State::Reading { work, .. } = &self.state {
            work.stop();
        }
    }
}

fn spawn(partition: Partition, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, PublishError> {
    let thread = std::thread::Builder::new().name(format!("snapshot-{partition}"));
    thread.spawn(body).map_err(PublishError::Thread)
}

fn read_topic(log: Arc<dyn Log>, partition: Partition, reading: Reading) -> Result<State, PublishError> {
    let (answer, latest) = sync_channel(1);
    let work = Arc::<Work>::default();
    let working = Arc::clone(&work);
    // It ends when its answer is no longer wanted.
    let _ = spawn(partition, move || {
        // Nobody waits for it any more where it cannot be sent.
        drop(answer.send(topic::read(log.as_ref(), partition, &reading, &working)));
    })?;
    Ok(State::Reading { latest, work })
}

/// Begins the cycle, and its thread, which holds the store as it is now.
fn write(
    store: &mut StoreWriter,
    latest: Option<Latest>,
    partition: Partition,
    chunk_bytes: usize,
) -> Result<State, PublishError> {
    let begun = store.begin_cycle(latest.as_ref().map_or(0, |latest| latest.cycle))?;
    let reader = store.reader();
    let (frozen_now, is_frozen) = sync_channel(1);
    let (sender, chunks) = sync_channel(READY);
    let thread = spawn(partition, move || {
        reader.freeze(|frozen| {
            let told = frozen_now.send(());
            let cycle =
                Cycle { begun, chunks: Chunks::new(partition, begun.cycle, begun.next, chunk_bytes), sender };
            if told.is_ok() {
                cycle.run(frozen, latest);
            }
        });
    })?;
    let writing = Writing { begun, chunks: Some(chunks), thread: Some(thread) };
    // The next commit must not be in what the cycle shows.
    is_frozen.recv().map_err(|_| PublishError::Ended { partition })?;
    Ok(State::Writing(writing))
}

struct Cycle {
    begun: CycleUnderWay,
    chunks: Chunks,
    sender: SyncSender<Result<Chunk, PublishError>>,
}

/// Whoever owns the partition has let go of the cycle.
struct Dropped;

impl Cycle {
    fn run(mut self, frozen: &Frozen<'_>, latest: Option<Latest>) {
        let outcome = match latest {
            Some(latest) => self.baseline(frozen, latest),
            None => self.changes(frozen),
        };
        let last = match outcome {
            Ok(Ok(meta)) => Ok(self.chunks.finish(&checkpoint(&meta, self.begun.cycle))),
            Ok(Err(Dropped)) => return,
            Err(error) => Err(error),
        };
        drop(self.sender.send(last));
    }

    /// The rows that were marked.
    fn changes(&mut self, frozen: &Frozen<'_>) -> Result<Result<Meta, Dropped>, PublishError> {
        for mark in frozen.marks(self.begun.cycle)? {
            let mark = mark?;
            let value = frozen.get(&mark.key)?;
            if self.add(&mark.key, value.as_deref(), mark.before).is_err() {
                return Ok(Err(Dropped));
            }
        }
        Ok(Ok(frozen.meta()?))
    }

    /// Every row that the topic does not hold as it is, and the end of every one that is no more.
    fn baseline(
        &mut self,
        frozen: &Frozen<'_>,
        mut latest: Latest,
    ) -> Result<Result<Meta, Dropped>, PublishError> {
        let meta = frozen.meta()?;
        // Records of cycles above it say what their rows were at it.
        let last = match latest.take_checkpoint(meta.identity.partition) {
            Ok(checkpoint) => checkpoint.cycle,
            Err(error) if error.is_of_the_base() => 0,
            Err(error) => return Err(error.into()),
        };
        let mut rows = frozen.rows()?;
        let mut summed = (0, Digest::EMPTY);
        let mut row = rows.advance()?;
        let mut entry = latest.advance()?;
        loop {
            let order = match (&row, &entry) {
                (None, None) => break,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some((key, _)), Some(entry)) => (*key).cmp(entry.key),
            };
            let added = match (row, entry) {
                (Some((key, value)), _) if order.is_lt() => self.add(key, Some(value), None),
                (Some((key, value)), Some(entry)) if order.is_eq() && entry.said != Said::Row(value) => {
                    self.add(key, Some(value), at_checkpoint(&entry, last))
                }
                (_, Some(entry)) if order.is_gt() && entry.said != Said::Gone => {
                    self.add(entry.key, None, at_checkpoint(&entry, last))
                }
                _ => Ok(()),
            };
            if added.is_err() {
                return Ok(Err(Dropped));
            }
            if order.is_le() {
                if let Some((key, value)) = row {
                    summed = (summed.0 + 1, summed.1.replace(None, Some(RowHash::of(key, value))));
                }
                row = rows.advance()?;
            }
            if order.is_ge() {
                entry = latest.advance()?;
            }
        }
        latest.discard();
        if summed != (meta.rows, Digest(meta.digest)) {
            // Never publish what is not what it says it is.
            return Err(StoreError::Damaged {
                directory: frozen.directory().to_path_buf(),
                detail: format!(
                    "it holds {} rows with digest {}, its meta says {} with {}",
                    summed.0,
                    summed.1,
                    meta.rows,
                    Digest(meta.digest)
                ),
            }
            .into());
        }
        Ok(Ok(meta))
    }

    fn add(&mut self, key: &[u8], value: Option<&[u8]>, before: Option<RowHash>) -> Result<(), Dropped> {
        match self.chunks.add(key, value, before) {
            Some(full) => self.sender.send(Ok(full)).map_err(|_| Dropped),
            None => Ok(()),
        }
    }
}

/// The hash that a key had at the newest checkpoint.
fn at_checkpoint(entry: &Entry<'_>, last: u64) -> Option<RowHash> {
    match entry.said {
        _ if entry.mark.cycle > last => entry.mark.before.map(RowHash),
        Said::Row(value) => Some(RowHash::of(entry.key, value)),
        Said::Gone | Said::Unreadable(_) => None,
    }
}

fn checkpoint(meta: &Meta, cycle: u64) -> Checkpoint {
    Checkpoint {
        cycle,
        identity: meta.identity.clone(),
        progress: meta.progress.clone(),
        rows: meta.rows,
        digest: meta.digest,
    }
}

//! Reads a snapshot partition: the last record of each key, and the newest checkpoint.
//!
//! The target is the high watermark captured first, what is undecided included: a reader of committed records
//! that stops at the last stable offset would miss what an open transaction is about to show. A wait without
//! progress ends by a deadline and names its cause. What was gathered is written in runs beside the store,
//! with how far they reach, so that a killed process goes on where it was.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::base::BaseError;
use super::sort::{Entry, Said, Sorted, Sorter};
use super::work::Work;
use crate::codec::rows::parse_key;
use crate::codec::snapshot::{
    CHECKPOINT_KEY, Checkpoint, MARK_HEADER, RecordMark, decode_checkpoint, decode_mark, decode_row,
};
use crate::failpoint;
use crate::log::{Assignment, Log, Purpose};
use crate::types::{NextOffset, Partition, Record, Topic};

/// How a snapshot partition is read.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Where runs are kept meanwhile.
    pub scratch: PathBuf,
    /// Bytes gathered before a run is written.
    pub memory: usize,
    /// How long it may make no progress.
    pub patience: Duration,
}

/// A snapshot partition, read.
pub struct Latest {
    sorted: Sorted,
    /// The first row's entry was met while looking for the checkpoint.
    pending: bool,
    directory: PathBuf,
    checkpoint: Option<Result<Checkpoint, BaseError>>,
    /// The greatest cycle of any record.
    pub cycle: u64,
    pub records: u64,
    /// Records that are nothing of ours.
    pub foreign: u64,
}

/// Records taken at a time: few enough that what the client unpacks for them stays in the processor's cache.
const BATCH: usize = 1_000;
const POLL: Duration = Duration::from_millis(100);

/// Reads the whole partition of the snapshots topic.
///
/// # Errors
/// [`BaseError::Stalled`] where it makes no progress; [`BaseError::Interrupted`]; the log's own.
pub fn read(
    log: &dyn Log,
    partition: Partition,
    reading: &Reading,
    work: &Work,
) -> Result<Latest, BaseError> {
    let topic = Topic::Snapshots;
    let bounds = log.bounds(topic, partition)?;
    let end = bounds.high_watermark;
    let directory = reading.scratch.join("snapshot-runs");
    let identity = format!("{} {partition}", log.cluster_id()?);
    let mut state = State::resume(&directory, &identity, bounds.start, end).map_err(BaseError::scratch)?;
    let mut sorter = Sorter::new(&directory, reading.memory, state.runs);
    work.begin("reading the snapshot", state.next.0.saturating_sub(bounds.start.0), end.0 - bounds.start.0);

    let mut waiting = Waiting::new(reading.patience);
    let mut reader = None;
    while state.next < end {
        if work.is_stopped() {
            return Err(BaseError::Interrupted);
        }
        let reader = match &mut reader {
            Some(reader) => reader,
            None => {
                let from = [Assignment { topic, partition, next: state.next }];
                reader.insert(log.reader(Purpose::Bulk, &from)?)
            }
        };
        let before = state.next;
        let batch = reader.poll(BATCH, POLL)?;
        for index in 0..batch.records.len() {
            let record = batch.records.get(index);
            if !end.is_past(record.offset) {
                // Written since: of what was captured, all is here.
                state.next = end;
                break;
            }
            state.take(&record, &mut sorter);
            state.next = record.offset.next();
        }
        for reached in &batch.ends {
            state.next = state.next.max(reached.next.min(end));
        }
        work.reach(state.next.0.saturating_sub(bounds.start.0));
        if sorter.is_full() {
            sorter.spill().map_err(BaseError::scratch)?;
            state.runs = sorter.runs();
            state.save(&directory, &identity).map_err(BaseError::scratch)?;
            failpoint::hit(failpoint::RESTORE_AFTER_RUN);
        }
        if state.next > before {
            waiting.progress();
        } else if let Some(seconds) = waiting.has_run_out() {
            let cause = cause(log, partition, state.next);
            return Err(BaseError::Stalled { topic, partition, at: state.next, end, seconds, cause });
        }
    }
    Latest::open(sorter, directory, partition, &state)
}

impl Latest {
    fn open(
        sorter: Sorter,
        directory: PathBuf,
        partition: Partition,
        state: &State,
    ) -> Result<Self, BaseError> {
        let mut sorted = sorter.finish().map_err(BaseError::scratch)?;
        // Its key sorts before every row's.
        let first = sorted.advance().map_err(BaseError::scratch)?;
        let is_checkpoint = first.is_some_and(|entry| entry.key == CHECKPOINT_KEY);
        let checkpoint = match first.filter(|_| is_checkpoint) {
            Some(Entry { said: Said::Row(bytes), offset, .. }) => {
                decode_checkpoint(bytes).map_err(|error| BaseError::unreadable(partition, offset, &error))
            }
            Some(Entry { said: Said::Unreadable(why), offset, .. }) => {
                Err(BaseError::Unreadable { partition, offset, reason: why.into() })
            }
            Some(Entry { said: Said::Gone, .. }) | None => Err(BaseError::NoCheckpoint { partition }),
        };
        let pending = first.is_some() && !is_checkpoint;
        Ok(Self {
            sorted,
            pending,
            directory,
            checkpoint: Some(checkpoint),
            cycle: state.cycle,
            records: state.records,
            foreign: state.foreign,
        })
    }

    /// The newest checkpoint, once; or why there is none.
    ///
    /// # Errors
    /// [`BaseError::NoCheckpoint`], [`BaseError::Unreadable`].
    pub fn take_checkpoint(&mut self, partition: Partition) -> Result<Checkpoint, BaseError> {
        self.checkpoint.take().unwrap_or(Err(BaseError::NoCheckpoint { partition }))
    }

    /// The next row key's last record; nothing at the end.
    pub(super) fn advance(&mut self) -> Result<Option<Entry<'_>>, BaseError> {
        if std::mem::take(&mut self.pending) {
            return Ok(self.sorted.current());
        }
        self.sorted.advance().map_err(BaseError::scratch)
    }

    /// Removes what was kept beside the store.
    pub fn discard(self) {
        let directory = self.directory.clone();
        drop(self);
        // It takes room and harms nothing.
        let _ = fs::remove_dir_all(directory);
    }
}

/// How far the runs reach.
struct State {
    next: NextOffset,
    runs: usize,
    cycle: u64,
    records: u64,
    foreign: u64,
}

impl State {
    fn take(&mut self, record: &Record<'_>, sorter: &mut Sorter) {
        self.records += 1;
        let Some(key) = record.key.filter(|key| *key == CHECKPOINT_KEY || parse_key(key).is_ok()) else {
            self.foreign += 1;
            return;
        };
        // Unpacking headers is dear: only a record without a mark in its value needs them.
        let in_header = || match record.headers.last(MARK_HEADER).flatten() {
            Some(bytes) => decode_mark(key, bytes).map_err(|error| format!("its mark: {error}")),
            None => Err("it has no mark in its headers".into()),
        };
        let read = match record.value {
            None => in_header().map(|mark| (mark, Said::Gone)),
            // Sealed, as it is: it is opened when it turns out to be the last one.
            Some(value) if key == CHECKPOINT_KEY => in_header().map(|mark| (mark, Said::Row(value))),
            Some(value) => match decode_row(key, value) {
                Ok((Some(mark), row)) => Ok((mark, Said::Row(row))),
                Ok((None, row)) => in_header().map(|mark| (mark, Said::Row(row))),
                Err(error) => Err(error.to_string()),
            },
        };
        let (mark, said) = match &read {
            Ok(read) => *read,
            Err(why) => {
                let unknown = RecordMark { cycle: 0, next: NextOffset::ZERO, before: None };
                (in_header().unwrap_or(unknown), Said::Unreadable(why))
            }
        };
        self.cycle = self.cycle.max(mark.cycle);
        sorter.push(&Entry { key, offset: record.offset, mark, said });
    }

    /// What a killed process left, where it is of this partition; else from the start.
    fn resume(directory: &Path, identity: &str, start: NextOffset, end: NextOffset) -> io::Result<Self> {
        let fresh = Self { next: start, runs: 0, cycle: 0, records: 0, foreign: 0 };
        let Ok(text) = fs::read_to_string(directory.join(STATE)) else { return Ok(fresh) };
        let mut lines = text.lines();
        let same = lines.next() == Some(identity);
        let mut number = || lines.next().and_then(|line| line.parse::<u64>().ok());
        if let (true, Some(next), Some(runs), Some(cycle), Some(records), Some(foreign)) =
            (same, number(), number(), number(), number(), number())
            && (start.0..=end.0).contains(&next)
        {
            let runs = usize::try_from(runs).unwrap_or(usize::MAX);
            return Ok(Self { next: NextOffset(next), runs, cycle, records, foreign });
        }
        fs::remove_dir_all(directory)?;
        Ok(fresh)
    }

    fn save(&self, directory: &Path, identity: &str) -> io::Result<()> {
        let Self { next, runs, cycle, records, foreign } = self;
        let fresh = directory.join("STATE.new");
        let mut file = File::create(&fresh)?;
        write!(file, "{identity}\n{next}\n{runs}\n{cycle}\n{records}\n{foreign}\n")?;
        file.sync_all()?;
        fs::rename(&fresh, directory.join(STATE))?;
        File::open(directory)?.sync_all()
    }
}

const STATE: &str = "STATE";

/// What holds a reader up.
fn cause(log: &dyn Log, partition: Partition, at: NextOffset) -> String {
    match log.bounds(Topic::Snapshots, partition) {
        Ok(bounds) if bounds.last_stable < bounds.high_watermark && at >= bounds.last_stable => format!(
            "an open transaction holds the stable end at {} of {}; it ends with its writer, or when its transaction times out",
            bounds.last_stable, bounds.high_watermark
        ),
        Ok(bounds) if bounds.high_watermark < at => {
            format!("the topic ends at {} now: it lost records, or was made anew", bounds.high_watermark)
        }
        Ok(_) => "the log delivers nothing, and says nothing of why".into(),
        Err(error) => error.to_string(),
    }
}

/// Since when there is no progress.
struct Waiting {
    patience: Duration,
    since: Instant,
}

impl Waiting {
    fn new(patience: Duration) -> Self {
        Self { patience, since: Instant::now() }
    }

    fn progress(&mut self) {
        self.since = Instant::now();
    }

    fn has_run_out(&self) -> Option<u64> {
        let waited = self.since.elapsed();
        (waited >= self.patience).then_some(waited.as_secs())
    }
}

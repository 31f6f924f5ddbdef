//! From assigned to a store that a lane can go on with. Runs on a worker thread and may take long: the lane
//! keeps polling its member meanwhile.
//!
//! The order is the one by which a partition becomes level: first the stable committed command offset, under
//! the generation that brought the assignment; then the high watermarks of events and results, what is
//! undecided included. Whatever an earlier owner could still commit lies below these.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::checks::check_store;
use super::depot::Kept;
use super::expiries::Expiries;
use super::opening::Refused;
use super::replacing::replace;
use super::restoring;
use super::settings::Shared;
use crate::log::{Assignment, Bounds, Consumed, Log, LogError, Purpose};
use crate::store::StoreWriter;
use crate::types::{NextOffset, Partition, Timestamp, Topic};

/// A store, ready to be folded on, and what its partition must reach to be level.
pub(super) struct Brought {
    pub store: StoreWriter,
    /// The first result to fold.
    pub next_result: NextOffset,
    /// The group's position on the commands.
    pub committed: Option<Consumed>,
    pub targets: Targets,
    /// What ends by itself, as of the store's position.
    pub expiries: Expiries,
}

/// Positions that a reader must have reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Targets {
    pub events: NextOffset,
    pub results: NextOffset,
}

/// Why a partition could not be brought up.
pub(super) enum BringUpError {
    /// May pass where [`LogError::is_retriable`].
    Log(LogError),
    Refused(Refused),
    /// It is not wanted any more.
    Cancelled,
}

impl From<LogError> for BringUpError {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

impl Targets {
    /// Where events and results end now, what is undecided included.
    pub(super) fn now(shared: &Shared, partition: Partition) -> Result<Self, LogError> {
        Ok(Self {
            events: shared.log.bounds(Topic::Events, partition)?.high_watermark,
            results: shared.log.bounds(Topic::Results, partition)?.high_watermark,
        })
    }
}

/// Brings a partition up.
pub(super) fn bring_up(
    shared: &Shared,
    partition: Partition,
    cancelled: &Arc<AtomicBool>,
) -> Result<Brought, BringUpError> {
    let committed = shared.log.committed(&shared.config.group, &[partition])?.into_iter().next().flatten();
    let events = shared.log.bounds(Topic::Events, partition)?;
    let results = shared.log.bounds(Topic::Results, partition)?;
    let targets = Targets { events: events.high_watermark, results: results.high_watermark };

    let Found { store, resumed } = store_of(shared, partition, committed.as_ref(), &events, cancelled)?;
    let kept = |error: LogError, store| {
        shared.depot.put(partition, Kept::Store(store));
        Err(BringUpError::Log(error))
    };
    let folded = store.progress().next_results;
    let next_result = if resumed && folded >= results.start && folded <= results.high_watermark {
        folded
    } else {
        let window = shared.settings.projector.dedupe_window_ms;
        match window_start(shared.log.as_ref(), partition, &results, window) {
            Ok(next) => next.max(folded.min(results.high_watermark)),
            Err(error) => return kept(error, store),
        }
    };
    let mut expiries = Expiries::default();
    if let Err(error) = store.each_expiring(|expiring| expiries.push(expiring)) {
        return Err(BringUpError::Refused(Refused { error: error.into(), store: None }));
    }
    if cancelled.load(Ordering::Relaxed) {
        shared.depot.put(partition, Kept::Store(store));
        return Err(BringUpError::Cancelled);
    }
    Ok(Brought { store, next_result, committed, targets, expiries })
}

/// A partition's store, and whether it was resumed in place: it remembers outcomes up to its own position.
pub(super) struct Found {
    pub store: StoreWriter,
    pub resumed: bool,
}

/// The one place where a store comes from: left by another lane, found on disk, or made. `committed` carries
/// the partition's newest checkpoint in its metadata ([`super::OffsetNote`]).
fn store_of(
    shared: &Shared,
    partition: Partition,
    committed: Option<&Consumed>,
    events: &Bounds,
    cancelled: &Arc<AtomicBool>,
) -> Result<Found, BringUpError> {
    let found = match shared.depot.take(partition) {
        Some(Kept::Store(store)) => Ok(Some(store)),
        Some(Kept::Refused(refused)) => Err(refused),
        None => shared.stores.open_live(partition).map_err(Refused::from),
    };
    let refused = match found {
        Ok(None) => return restoring::make(shared, partition, events, cancelled),
        Ok(Some(store)) => match check_store(store.meta(), &shared.shape, events) {
            Ok(()) => return restoring::resume(shared, store, committed, events, cancelled),
            Err(error) => Refused { error, store: Some(Box::new(store)) },
        },
        Err(refused) => refused,
    };
    replace(shared, partition, refused, events, cancelled)
}

/// Where a store without outcomes begins to fold results: the first within `dedupe_window_ms` and an hour of
/// the partition's last result.
///
/// # Errors
/// Of the log.
pub fn first_result(
    log: &dyn Log,
    partition: Partition,
    dedupe_window_ms: i64,
) -> Result<NextOffset, LogError> {
    window_start(log, partition, &log.bounds(Topic::Results, partition)?, dedupe_window_ms)
}

fn window_start(
    log: &dyn Log,
    partition: Partition,
    results: &Bounds,
    dedupe_window_ms: i64,
) -> Result<NextOffset, LogError> {
    const HOUR_MS: i64 = 3_600_000;
    let Some(last) = last_time(log, partition, results)? else { return Ok(results.last_stable) };
    let window = dedupe_window_ms.saturating_add(HOUR_MS);
    let from = log.offset_at(Topic::Results, partition, Timestamp(last.0.saturating_sub(window)))?;
    let from = from.max(results.start);
    if from == results.start && results.start > NextOffset::ZERO {
        tracing::warn!(
            %partition, start = %results.start,
            "the results topic may begin later than dedupe.window reaches: a command repeated after so long is decided anew; keep results for longer"
        );
    }
    Ok(from)
}

/// The timestamp of the partition's last result, looked for from the end: control records stand there too.
fn last_time(log: &dyn Log, partition: Partition, results: &Bounds) -> Result<Option<Timestamp>, LogError> {
    const WAIT: Duration = Duration::from_millis(100);
    const MOST_EMPTY_POLLS: u32 = 100;
    let mut back = 4;
    loop {
        let from = NextOffset(results.last_stable.0.saturating_sub(back).max(results.start.0));
        if from >= results.last_stable {
            return Ok(None);
        }
        let at = Assignment { topic: Topic::Results, partition, next: from };
        let mut reader = log.reader(Purpose::Live, &[at])?;
        let (mut last, mut empty) = (None, 0);
        loop {
            let batch = reader.poll(1000, WAIT)?;
            if let Some(index) = batch.records.len().checked_sub(1) {
                last = Some(batch.records.get(index).timestamp);
                empty = 0;
            } else {
                empty += 1;
            }
            let at_end = batch.ends.iter().any(|end| end.next >= results.last_stable);
            if at_end {
                break;
            }
            if empty > MOST_EMPTY_POLLS {
                let seconds = WAIT.saturating_mul(MOST_EMPTY_POLLS).as_secs();
                return Err(LogError::TimedOut { what: "reading the last result", seconds });
            }
        }
        if last.is_some() || from == results.start {
            return Ok(last);
        }
        back *= 8;
    }
}

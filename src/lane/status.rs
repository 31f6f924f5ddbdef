use std::fmt;
use std::sync::Arc;

use super::on_demand::Cycle;
use crate::codec::rows::meta::{CheckpointMark, Counters};
use crate::store::{Digest, Generation, StoreWriter};
use crate::types::{NextOffset, Partition, Timestamp, Topic};

/// Where a partition stands in its life here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum State {
    /// No lane of this process owns it.
    #[default]
    Absent,
    /// No lane of this process has it, and the group has not said yet whether one gets it.
    Unassigned,
    /// Its store is being made from a base.
    Restoring,
    /// Its store is opened, checked, and brought up to what the log held when that began.
    Replaying,
    /// It has reached what the log held at its start.
    Level,
    /// It follows the log; reads are answered.
    Live,
    /// It stands still until someone acts. The reason says what happened and what to do.
    Failed { reason: Arc<str> },
    /// This process has let go of it, everything committed.
    Stopped,
}

impl State {
    /// A stable name, for answers and metric labels.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Unassigned => "unassigned",
            Self::Restoring => "restoring",
            Self::Replaying => "replaying",
            Self::Level => "level",
            Self::Live => "live",
            Self::Failed { .. } => "failed",
            Self::Stopped => "stopped",
        }
    }

    /// Whether a lane of this process works on it.
    #[must_use]
    pub const fn is_owned(&self) -> bool {
        !matches!(self, Self::Absent | Self::Unassigned | Self::Stopped)
    }

    /// Whether it is for others to answer for it.
    #[must_use]
    pub const fn is_elsewhere(&self) -> bool {
        matches!(self, Self::Absent | Self::Stopped)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { reason } => write!(f, "failed: {reason}"),
            state => f.write_str(state.name()),
        }
    }
}

/// The numbers of one partition, as of the lane's last step.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionStatus {
    pub partition: Partition,
    pub state: State,
    /// The error its lane last met and tries again, while it does. See [`Self::stall`].
    pub stalled: Option<Arc<str>>,
    /// Everything below is in the store.
    pub next: NextOffset,
    /// The end of the log, what is undecided included.
    pub high_watermark: NextOffset,
    /// The end for readers of committed records.
    pub last_stable: NextOffset,
    /// Where the log begins.
    pub log_start: NextOffset,
    /// The stable end of the results and their end, where another writer's open transaction stands between the
    /// two and the partition is on its way to them.
    pub results_held: Option<(NextOffset, NextOffset)>,
    /// Log time: the greatest timestamp of the records applied.
    pub log_time: Option<Timestamp>,
    /// How long the oldest record not yet applied may have waited; 0 when there is none.
    pub lag_seconds: f64,
    /// The same, of the records a reader of committed records may see.
    pub lag_stable_seconds: f64,
    /// Records read since this process began.
    pub consumed: u64,
    /// Records read over the last seconds.
    pub events_per_second: f64,
    /// The generation being served; nothing before its store is open.
    pub generation: Option<Generation>,
    pub rows: u64,
    pub digest: Digest,
    pub last_checkpoint: Option<CheckpointMark>,
    /// The last snapshot cycle that this process completed.
    pub last_cycle: Option<Cycle>,
    /// How far the snapshot cycle under way is, in no unit: it moves while that does.
    pub publishing: Option<u64>,
    /// Why the last snapshot cycle failed, until one is complete.
    pub snapshot_trouble: Option<Arc<str>>,
    /// The newest base of the archive that is known here.
    pub archived: Option<NextOffset>,
    /// Where this process began to read events for it.
    pub replay_from: NextOffset,
    /// The next cycle carries every row: what the topic holds may not be what is here.
    pub baseline: bool,
    /// The first offset of which history is kept, as far as its retention reaches.
    pub history_begins: NextOffset,
    /// Where the log began for this store; above 0, earlier events are missing from it, knowingly.
    pub begins: NextOffset,
    /// What the records below `next` turned out to be.
    pub counters: Counters,
}

impl PartitionStatus {
    #[must_use]
    pub fn new(partition: Partition) -> Self {
        Self {
            partition,
            state: State::Absent,
            stalled: None,
            next: NextOffset::ZERO,
            high_watermark: NextOffset::ZERO,
            last_stable: NextOffset::ZERO,
            log_start: NextOffset::ZERO,
            results_held: None,
            log_time: None,
            lag_seconds: 0.0,
            lag_stable_seconds: 0.0,
            consumed: 0,
            events_per_second: 0.0,
            generation: None,
            rows: 0,
            digest: Digest::EMPTY,
            last_checkpoint: None,
            last_cycle: None,
            publishing: None,
            snapshot_trouble: None,
            archived: None,
            replay_from: NextOffset::ZERO,
            baseline: false,
            history_begins: NextOffset::ZERO,
            begins: NextOffset::ZERO,
            counters: Counters::default(),
        }
    }

    /// Takes over what the store says of itself, as of its last write.
    pub(super) fn take_from(&mut self, store: &StoreWriter) {
        let meta = store.meta();
        let progress = &meta.progress;
        self.next = progress.next;
        if self.state == State::Live {
            // The ends were asked for a moment ago; what is in the store was in the log.
            self.high_watermark = self.high_watermark.max(progress.next);
            self.last_stable = self.last_stable.max(progress.next);
        }
        self.log_time = progress.log_time;
        if self.generation.is_some_and(|before| before != store.generation()) {
            // Bases of another generation may be superseded: what there is, is asked for again.
            self.archived = None;
        }
        self.generation = Some(store.generation());
        self.rows = meta.rows;
        self.digest = Digest(meta.digest);
        self.last_checkpoint = meta.last_checkpoint;
        self.baseline = meta.baseline;
        self.history_begins = meta.history_begins;
        self.begins = meta.identity.begins;
        self.counters.clone_from(&progress.counters);
    }

    /// Offsets between the store and the end of the log, what is undecided included.
    #[must_use]
    pub fn lag_events(&self) -> u64 {
        self.high_watermark.0.saturating_sub(self.next.0)
    }

    /// Offsets between the store and what a reader of committed records may see.
    #[must_use]
    pub fn lag_stable(&self) -> u64 {
        self.last_stable.0.saturating_sub(self.next.0)
    }

    /// Why it makes no progress, where it makes none: an error that is tried again, or another writer's open
    /// transaction on the way to level.
    #[must_use]
    pub fn stall(&self) -> Option<String> {
        if let Some(error) = &self.stalled {
            return Some(error.to_string());
        }
        if self.state != State::Replaying || self.next < self.last_stable {
            return None;
        }
        let (of, stable, end) = match self.results_held {
            _ if self.last_stable < self.high_watermark => {
                (Topic::Events, self.last_stable, self.high_watermark)
            }
            Some((stable, end)) => (Topic::Results, stable, end),
            None => return None,
        };
        Some(format!(
            "an open transaction holds the stable end of {of} at {stable} of {end}; it ends with its writer, or when \
             its transaction times out"
        ))
    }

    /// Malformed records below `next`.
    #[must_use]
    pub fn malformed(&self) -> u64 {
        self.counters.malformed.values().sum()
    }
}

use super::checks::check_counts;
use super::registry::Registry;
use super::status::{PartitionStatus, State};
use crate::log::{Bounds, Log};
use crate::metrics::metrics;
use crate::types::{NextOffset, Partition, Timestamp, Topic};

/// Asks the log for its ends, beside the lanes: so a lag is right when a lane is idle, busy or stuck.
/// And for the topics' partition counts, now and then: Kafka can add partitions to a topic in use, and every
/// SKU's partition is another from then on.
pub(super) struct Observer {
    seen: Vec<Seen>,
    count_every_ms: i64,
    counted_at: Option<Timestamp>,
    /// The counts could not be asked for; logged once until they can.
    count_failing: bool,
}

#[derive(Default, Clone)]
struct Seen {
    at: Option<Timestamp>,
    consumed: u64,
    /// When everything up to the high watermark, and up to the stable end, was last seen applied.
    level: Option<Timestamp>,
    level_stable: Option<Timestamp>,
    /// The log could not be asked; logged once until it can.
    failing: bool,
}

impl Observer {
    pub(super) fn new(partitions: u16, count_every_ms: u64) -> Self {
        Self {
            seen: vec![Seen::default(); usize::from(partitions)],
            count_every_ms: i64::try_from(count_every_ms).unwrap_or(i64::MAX),
            counted_at: None,
            count_failing: false,
        }
    }

    /// Where the partition counts are due: stops every lane when they are not what the stores were filled
    /// from.
    pub(super) fn watch_counts(&mut self, log: &dyn Log, registry: &Registry, now: Timestamp) {
        let due =
            self.counted_at.is_none_or(|at| !(0..self.count_every_ms).contains(&now.0.saturating_sub(at.0)));
        if !due || registry.halted().is_some() {
            return;
        }
        self.counted_at = Some(now);
        match check_counts(log, registry.count()) {
            Ok(Ok(())) => self.count_failing = false,
            Ok(Err(error)) => {
                tracing::error!(%error, "every partition stops");
                registry.halt(error);
            }
            Err(error) if !self.count_failing => {
                self.count_failing = true;
                tracing::warn!(%error, "the topics' partition counts cannot be asked for");
            }
            Err(_) => {}
        }
    }

    /// Brings the numbers of every partition up to date.
    pub(super) fn observe(&mut self, log: &dyn Log, registry: &Registry, now: Timestamp) {
        for (number, seen) in self.seen.iter_mut().enumerate() {
            // There are as many as a u16 was given for.
            let partition = Partition(number as u16);
            match log.bounds(Topic::Events, partition) {
                Ok(bounds) => {
                    seen.failing = false;
                    let held = results_held(log, registry, partition);
                    registry.update(partition, |status| {
                        seen.update(status, bounds, now);
                        status.results_held = held;
                    });
                }
                Err(error) if !seen.failing => {
                    seen.failing = true;
                    tracing::warn!(%partition, %error, "the log's ends are not known; lags are as they were");
                }
                Err(_) => {}
            }
            if let Some(status) = registry.status(partition) {
                show(&status);
            }
        }
    }
}

/// The results' ends, where a partition that has all events waits for another writer's open transaction there.
fn results_held(
    log: &dyn Log,
    registry: &Registry,
    partition: Partition,
) -> Option<(NextOffset, NextOffset)> {
    let status = registry.status(partition)?;
    if status.state != State::Replaying || status.next < status.last_stable {
        return None;
    }
    // Whether the log can be asked at all is told for the events.
    let Bounds { last_stable, high_watermark, .. } = log.bounds(Topic::Results, partition).ok()?;
    (last_stable < high_watermark).then_some((last_stable, high_watermark))
}

impl Seen {
    fn update(&mut self, status: &mut PartitionStatus, bounds: Bounds, now: Timestamp) {
        // While this was asked, a live partition may have read on. One that is not shows the log as it is: its
        // store may be ahead of a log that lost records.
        let read = if status.state == State::Live { status.next } else { NextOffset::ZERO };
        status.high_watermark = bounds.high_watermark.max(read);
        status.last_stable = bounds.last_stable.max(read);
        status.log_start = bounds.start;
        let since = |level: &mut Option<Timestamp>, end: NextOffset| {
            if status.next >= end {
                *level = Some(now);
                return 0.0;
            }
            // The oldest record not applied is newer than the last applied, and came after the last time
            // there was none.
            (*level).max(status.log_time).map_or(0.0, |oldest| seconds(now, oldest))
        };
        let lag = since(&mut self.level, bounds.high_watermark);
        let lag_stable = since(&mut self.level_stable, bounds.last_stable);
        status.lag_seconds = lag;
        status.lag_stable_seconds = lag_stable;
        if let Some(before) = self.at {
            let elapsed = seconds(now, before);
            if elapsed > 0.0 {
                status.events_per_second = status.consumed.saturating_sub(self.consumed) as f64 / elapsed;
            }
        }
        self.at = Some(now);
        self.consumed = status.consumed;
    }
}

fn seconds(now: Timestamp, then: Timestamp) -> f64 {
    now.0.saturating_sub(then.0).max(0) as f64 / 1000.0
}

fn show(status: &PartitionStatus) {
    let of = metrics().of_partition(status.partition.0);
    // Offsets and counts are far below 2^63.
    of.next_offset.set(status.next.0 as i64);
    of.high_watermark.set(status.high_watermark.0 as i64);
    of.last_stable_offset.set(status.last_stable.0 as i64);
    of.lag_events_to_high_watermark.set(status.lag_events() as i64);
    of.lag_events_to_last_stable.set(status.lag_stable() as i64);
    of.lag_seconds_to_high_watermark.set(status.lag_seconds);
    of.lag_seconds_to_last_stable.set(status.lag_stable_seconds);
    of.rows.set(status.rows as i64);
    metrics().partition_is(status.partition.0, status.state.name());
}
